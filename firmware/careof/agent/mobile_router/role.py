"""The mobile router's role (RFC 5944 section 3.6, RFC 5177): one home address, several uplinks.

    Link ------------> uplink usable or gone ---+
    Datagram --------> registration: bound -----+--> moves: which uplink carries --> paths: what tunneld holds
    Inner, Unanswered > liveness: alive, dead --+

Each event changes what is known of an uplink (mobile_router.uplinks); then, in the same call,
mobile_router.moves decides what follows from it. A cable that is pulled closes the way and sends the next
request before handle() returns.

An uplink is asked for a binding when it should carry, and proven now and then when it should not, by a
request that changes nothing. Each has a registration of its own (mobile_router.requests) with its own
association if one is configured: then they do not wait for one another.

That data passes is found out by data (proto.liveness): tunneld says when packets went out and nothing came
back, and then probes go through the tunnel (mobile_router.watch).
"""

from ...limits import (
    GOODBYE_MAX_MS,
    PROVE_MS,
    REQUEST_GAP_MIN_MS,
    SETTLE_MAX_MS,
    TUNNEL_GRACE_MS,
    UPLINK_RETRY_MS,
)
from ...proto import registration
from ...proto.registration import CALM, CARRIED, HOME, IDLE, LEAVE, LINK_CHANGED, PROVE, URGENT, Ask
from ...wire import tunneld
from .. import events
from ..events import Count, Log, Settled, Stop
from ..questions import ROUTERS_FIRST_TOKEN, Questions
from ..refusals import Refusals
from .change import reconfigure
from .commands import COMMANDS
from .identity import Identity
from .learning import heard, publish
from .moves import Moves
from .outcomes import OUTCOMES
from .paths import RouterPaths
from .requests import Requests
from .revocation import Revocations
from .state import RouterState
from .tables import RouterTables
from .uplinks import Uplink
from .view import snapshot
from .visiting import Visiting
from .watch import Watch

LINK_LOST, ADDRESS_CHANGED, STOPPED = "link lost", "address changed", "stopped"


class MobileRouter:
    """One mobile router: see agent.events for how it is driven."""

    def __init__(self, options, random, first_number=1):
        self.router = Identity(options.router)
        self._random = random
        self.name = "mobile_router-" + options.router.name
        self.uplinks = []
        self.refusals = Refusals()
        self.tables = RouterTables(self)
        self.paths = RouterPaths(self.router)
        self.requests = Requests(self.router, random, self._reply_heard, self._came_of_request)
        self.moves = Moves(self)
        self.tunneld_is_up = False
        self.state = RouterState(self)
        self.options = options
        self.unix_offset_ms = 0
        self.words = {}  # who -> what they said to the user last (RFC 4917)
        self.watch = Watch(self, random)
        self.questions = Questions(ROUTERS_FIRST_TOKEN)
        self.visiting = self.requests.visiting = Visiting(self)
        self.requests.revocations = Revocations(self)
        self.requests.refusals = self.refusals
        self._next_number = first_number
        self._links = {}  # device -> the last Link
        self._link_changed_ms = 0  # when an uplink came or went
        self._started = False
        self._settle_ms = None  # when Settled is said at the latest; None: it was, or not yet started
        self._goodbye_ms = None  # when Stop is said at the latest; None: nobody asked to stop
        for section in options.uplinks:
            self.add_uplink(section)

    def handle(self, event, now_ms):
        """Take one event; return the list of actions that it causes."""
        rule = RULES.get(type(event))
        if rule is None:
            return []
        actions = rule(self, event, now_ms)
        return actions + self._follow(now_ms) if self._started else actions

    def deadline(self):
        """When to call handle(Late(), now), in ms, or None."""
        times = [self._settle_ms, self._goodbye_ms]
        if self._goodbye_ms is None:
            times.append(self.moves.deadline())
        for uplink in self.uplinks:
            times.append(uplink.registration.deadline())
            times += [uplink.leaves_ms, uplink.retry_ms]
            times.append(self.visiting.deadline(uplink))
            if uplink.liveness is not None:
                times += [uplink.liveness.deadline(), uplink.keepalive_ms]
            if self._is_idle(uplink):
                times.append(uplink.prove_ms)
        times = [at_ms for at_ms in times if at_ms is not None]
        return min(times) if times else None

    # -- Uplinks

    def add_uplink(self, section):
        uplink = Uplink(section, self._next_number, self.router, self._random)
        self._next_number += 1
        self.requests.add(uplink, section, self.options.associations)
        self.uplinks.append(uplink)
        return uplink

    def remove_uplink(self, uplink, why, now_ms):
        """It is not configured any more."""
        actions = self._uplink_lost(uplink, why, now_ms) if uplink.usable() else []
        self.uplinks.remove(uplink)
        self.requests.forget(uplink)
        self.moves.forget(uplink)
        return actions

    def renumber(self, uplinks):
        """After a restart: these got numbers that belong to others."""
        self._next_number = max([self._next_number] + [u.number + 1 for u in self.uplinks])
        for uplink in uplinks:
            uplink.number = self._next_number
            self._next_number += 1

    def take_options(self, options):
        self.options = options
        self.router.take(options.router)

    def uplink_numbered(self, number):
        for uplink in self.uplinks:
            if uplink.number == number:
                return uplink
        return None

    def _link_told(self, event, now_ms):
        self._links[event.device] = event
        actions = []
        for uplink in self.uplinks:
            if uplink.device == event.device:
                actions += self._link_of(uplink, event, now_ms)
        return actions

    def look_at_link(self, uplink, now_ms):
        """What was told last of its device."""
        link = self._links.get(uplink.device)
        return self._link_of(uplink, link, now_ms) if link else []

    def _link_of(self, uplink, link, now_ms):
        was_usable, had_carrier = uplink.usable(), uplink.carrier
        changed, actions = uplink.link_changed(link, now_ms), []
        if uplink.discovery is not None and uplink.carrier != had_carrier:
            actions += self.paths.link(uplink) if uplink.carrier else self.paths.link_is_gone(uplink)
        return actions + (self.reattached(uplink, was_usable, now_ms) if changed else [])

    def reattached(self, uplink, was_usable, now_ms, by_link=True):
        """Its link, its address or its agent is another, or none.

        by_link: the machine says so. What only was heard, from whomever, is no reason to ask sooner than a
        second after the last request (RFC 5944 2.4.2, 3.6).
        """
        actions, hurried_ms = [], uplink.hurried_ms
        if by_link:
            self._link_changed_ms, hurried_ms = now_ms, None
        if was_usable:
            actions += self._uplink_lost(uplink, ADDRESS_CHANGED if uplink.usable() else LINK_LOST, now_ms)
        if uplink.usable():
            uplink.came(now_ms)
            uplink.hurried_ms = hurried_ms
            uplink.registration.attached(uplink.agent is not None, *uplink.offered())
            self.moves.link_changed(uplink)
            actions += [Log("info", "uplink", "%s is there" % uplink.name)]
            actions += self.paths.uplink_is_usable(uplink)
        return actions + self.paths.ground(self.uplinks)

    def _uplink_lost(self, uplink, why, now_ms):
        actions = [Log("notice", "uplink", "%s: %s" % (uplink.name, why))]
        actions += self.requests.tell(uplink, registration.Withdraw(), now_ms)
        actions += self.moves.lost(uplink, why)
        uplink.lost(now_ms)
        self.moves.link_changed(uplink)
        return actions + self.paths.uplink_is_gone(uplink)

    def _is_idle(self, uplink):
        """Is it there and not in use, so that it should be proven now and then?"""
        state = uplink.registration
        if not self.tunneld_is_up or self.moves.carrying is None:
            return False  # who is needed is asked for more
        return uplink.usable() and not state.bound and state.state == IDLE

    # -- Registrations

    def ask_to_bind(self, uplink, simultaneous, urgent, now_ms):
        """Ask for a binding by this uplink; links that flap are a reason to hurry once in a second."""
        how = URGENT if urgent else CALM
        rested = uplink.hurried_ms is None or now_ms - uplink.hurried_ms >= REQUEST_GAP_MIN_MS
        just_now = now_ms - self._link_changed_ms <= REQUEST_GAP_MIN_MS
        if urgent and rested and just_now and not uplink.registration.sent_since(self._link_changed_ms):
            how, uplink.hurried_ms = LINK_CHANGED, now_ms
        actions = []
        known = uplink.udp is not None or (uplink.agent is not None and self.router.home_address is not None)
        if known:  # the kind of tunnel: what follows finds it
            uplink.leaves_ms = None
            actions += self.paths.path_is_wanted(uplink)
        kind, care_of = uplink.asks()
        simultaneous = simultaneous and kind != HOME
        return actions + self.requests.tell(uplink, Ask(kind, care_of, simultaneous, how), now_ms)

    def _link_is_up(self, event, now_ms):
        uplink = self.uplink_numbered(event.link)
        if uplink is None or uplink.discovery is None:
            return []
        uplink.link_address = event.link_address
        return self.visiting.link_is_up(uplink, now_ms)

    def _frame_came(self, event, now_ms):
        uplink = self.uplink_numbered(event.link)
        if uplink is None or uplink.discovery is None:
            return []
        return self.visiting.frame_came(uplink, event, now_ms)

    def _datagram_came(self, event, now_ms):
        uplink = self.uplink_numbered(event.uplink)
        if uplink is not None and uplink.agent is not None:
            return []  # it comes by the link too, with the link-layer address that it came from
        return self.requests.datagram_came(uplink, event, now_ms) if uplink else []

    def _authenticated(self, event, now_ms):
        asked = self.questions if event.token >= ROUTERS_FIRST_TOKEN else self.requests
        return asked.authenticated(event, now_ms)

    def _verified(self, event, now_ms):
        asked = self.questions if event.token >= ROUTERS_FIRST_TOKEN else self.requests
        return asked.verified(event, now_ms)

    def _reply_heard(self, uplink, reply, now_ms):
        return heard(self, uplink, reply, now_ms)

    def _came_of_request(self, uplink, result, now_ms):
        self.state.touched()
        return OUTCOMES[type(result)](self, uplink, result, now_ms)

    # -- Liveness

    def _inner_came(self, event, now_ms):
        return self.watch.inner_came(event, now_ms)

    def _path_unanswered(self, event, now_ms):
        return self.watch.path_unanswered(event, now_ms)

    def _path_answered(self, event, now_ms):
        return self.watch.path_answered(event, now_ms)

    # -- tunneld

    def _tunneld_came(self, event, now_ms):
        """What was asked while it was away was not sent: the pause until it is asked again is for nothing."""
        self.tunneld_is_up = True
        self._link_changed_ms = now_ms
        self.moves.tunneld_is_new()
        actions = []
        for uplink in self.uplinks:
            uplink.hurried_ms = None
            if not uplink.registration.bound:
                actions += self.requests.tell(uplink, registration.Superseded(), now_ms)
        carrying = self.moves.carrying
        return actions + ([] if carrying is None else self.watch.ask(carrying, now_ms))

    def _tunneld_went(self, event, now_ms):
        self.tunneld_is_up = False
        return []

    def _route_ran_out(self, event, now_ms):
        """Our clock and tunneld's differ a little: is there anything left of the binding?"""
        carrying = self.moves.carrying
        if carrying is None or not self.paths.is_ours(event.source, event.source_length):
            return []
        actions = [Count("route_expired"), Log("warning", "path", "the route ran out")]
        return actions + self.paths.carry_by(carrying, now_ms)

    def _tunneld_refused(self, event, now_ms):
        message = event.message
        self.paths.was_refused(message)
        actions = [Log("error", "tunneld", "refused %s: %s" % (type(message).__name__, event.text))]
        if isinstance(message, tunneld.SetUplink):
            uplink = self.uplink_numbered(message.uplink)
            if uplink is not None and uplink.usable():
                uplink.carrier = False
                uplink.attach()
                actions += self._uplink_lost(uplink, "cannot be opened", now_ms)
                uplink.retry_ms = now_ms + UPLINK_RETRY_MS
        return actions

    # -- Life

    def _wall_clock_set(self, event, now_ms):
        self.unix_offset_ms = event.offset_ms
        self.requests.wall_clock_set(event.offset_ms)
        self.state.touched()
        return []

    def _restored(self, event, now_ms):
        self.state.restored(event)
        return []

    def _start(self, event, now_ms):
        self._started = True
        self._settle_ms = now_ms + SETTLE_MAX_MS
        actions = self.state.restore(now_ms) + publish(self) + self.paths.ground(self.uplinks)
        for uplink in self.uplinks:
            if uplink.registration.bound:
                actions += self.paths.link(uplink) if uplink.discovery is not None else []
                actions += self.paths.uplink_is_usable(uplink) + self.paths.path_is_wanted(uplink)
        carrying = self.moves.carrying
        if carrying is None:
            return actions + self.paths.carry_by_none()
        return actions + self.paths.carry_by(carrying, now_ms) + self._settled()

    def _reconfigured(self, event, now_ms):
        self.state.touched()
        return reconfigure(self, event.options, now_ms)

    def _time_passed(self, event, now_ms):
        actions = []
        for uplink in self.uplinks:
            actions += self.visiting.time_passed(uplink, now_ms)
            at_ms = uplink.registration.deadline()
            if at_ms is not None and at_ms <= now_ms:
                actions += self.requests.tell(uplink, registration.Late(), now_ms)
            actions += self.watch.time_passed(uplink, now_ms)
            if uplink.retry_ms is not None and uplink.retry_ms <= now_ms:
                uplink.retry_ms = None
                actions += self.look_at_link(uplink, now_ms)
        if self._settle_ms is not None and now_ms >= self._settle_ms:
            actions += self._settled()
        if self._goodbye_ms is not None and now_ms >= self._goodbye_ms:
            actions += self.said_goodbye(now_ms)
        return actions

    def _follow(self, now_ms):
        """What follows from what is known now, whatever the event was."""
        if self._goodbye_ms is not None:
            return []
        actions = self.moves.steer(now_ms)
        for uplink in self.uplinks:
            actions += self._upkeep(uplink, now_ms)
        actions += self.state.save(now_ms)
        carrying = self.moves.carrying
        if self._settle_ms is not None and carrying is not None and carrying.live:
            actions += self._settled()
        return actions

    def _upkeep(self, uplink, now_ms):
        """Proofs of an idle uplink, the end of the path of one that was left."""
        actions = []
        if not uplink.registration.bound and uplink.liveness is not None:
            uplink.left()
        if self._is_idle(uplink) and uplink.prove_ms is not None and uplink.prove_ms <= now_ms:
            uplink.prove_ms = now_ms + PROVE_MS
            actions += self.requests.tell(uplink, Ask(PROVE, uplink.asks()[1], False, CALM), now_ms)
        return actions + self._leave(uplink, now_ms)

    def _leave(self, uplink, now_ms):
        """Drop the path that nothing is bound to, after a grace for what is still on its way."""
        state = uplink.registration
        wanted = state.bound or (state.state != IDLE and state.ask.kind in CARRIED)
        if wanted or not self.paths.holds_path(uplink):
            uplink.leaves_ms = None
            return []
        if uplink.leaves_ms is None:
            uplink.leaves_ms = now_ms + TUNNEL_GRACE_MS
        if now_ms < uplink.leaves_ms:
            return []
        uplink.leaves_ms = None
        return self.paths.path_is_gone(uplink)

    def _settled(self):
        self._settle_ms = None
        return [Settled()]

    # -- Commands

    def is_leaving(self):
        """Was it asked to stop?"""
        return self._goodbye_ms is not None

    def _commanded(self, event, now_ms):
        rule = COMMANDS.get(event.name)
        return rule(self, event.arguments, now_ms) if rule else []

    def say_goodbye(self, now_ms):
        """Ask for the end of all bindings, and stop when that was answered."""
        if self._goodbye_ms is not None:
            return []
        self._goodbye_ms = now_ms + GOODBYE_MAX_MS
        carrying = self.moves.carrying
        if carrying is None or not self.tunneld_is_up:
            return self.said_goodbye(now_ms)
        # All of them are meant by the home address in the place of a care-of address (3.6.1.2, 3.8.2.2).
        return self.requests.tell(carrying, Ask(LEAVE, self.router.home_address, False, URGENT), now_ms)

    def said_goodbye(self, now_ms):
        """Nothing is forwarded any more, and what comes from the LAN goes nowhere else."""
        self._started = False
        self._goodbye_ms = self._settle_ms = None
        actions = []
        for uplink in self.uplinks:
            actions += self.requests.tell(uplink, registration.Withdraw(), now_ms)
            uplink.left()
            actions += self.moves.lost(uplink, STOPPED) + self.paths.uplink_is_gone(uplink)
        self.state.touched()
        actions += self.paths.carry_by_none(tunneld.GATE_CLOSED)
        return actions + self.state.save(now_ms) + [Stop()]

    # -- Status

    def snapshot(self, now_ms):
        """What `careof status` shows of this role: plain JSON values."""
        return snapshot(self, now_ms)

    def facts(self, now_ms):
        return self.tables.facts(now_ms)

    def rows(self, table, after, now_ms):
        return self.tables.rows(table, after, now_ms)

    def rows_about(self, table, key, now_ms):
        return self.tables.rows_about(table, key, now_ms)


RULES = {
    events.WallClock: MobileRouter._wall_clock_set,
    events.Restored: MobileRouter._restored,
    events.Start: MobileRouter._start,
    events.Reconfigured: MobileRouter._reconfigured,
    events.Late: MobileRouter._time_passed,
    events.Link: MobileRouter._link_told,
    events.Frame: MobileRouter._frame_came,
    events.LinkUp: MobileRouter._link_is_up,
    events.Datagram: MobileRouter._datagram_came,
    events.Authenticated: MobileRouter._authenticated,
    events.Verified: MobileRouter._verified,
    events.Inner: MobileRouter._inner_came,
    events.Unanswered: MobileRouter._path_unanswered,
    events.Answered: MobileRouter._path_answered,
    events.TunneldUp: MobileRouter._tunneld_came,
    events.TunneldDown: MobileRouter._tunneld_went,
    events.Expired: MobileRouter._route_ran_out,
    events.Refused: MobileRouter._tunneld_refused,
    events.Command: MobileRouter._commanded,
}

"""The foreign agent's role on a router's LAN (RFC 5944 2 and 3.7, 3024, 4721, 3519 4.5, 3543).

    Frame --solicitation--> an advertisement                                       agent.advertiser
    Frame --request--> judged, authentic, room --> Send to the home agent          foreign_agent.requests
    Datagram --reply--> awaited, authentic --> visitor, tunnel --> SendFrame       foreign_agent.replies
    Unreachable --> about a pending request? --> a refusal                         foreign_agent.replies
    Datagram --revocation--> authentic, later --> no visitor any more              foreign_agent.revocation

Each arrow may end the matter, under a name that is counted. A refusal goes to the link-layer address that
the request came from. It believes nobody: a visitor is changed only by a reply that answers a pending
request.

The care-of address may be that of the uplink device, and change: then all that is registered through the
old one is void, and sequence numbers begin anew to say so (2.3.2). With `uplink_device` careof0 the home
agents are reached through a mobile router on this machine: the care-of address is one that this router
keeps, and its moves are not seen by any visitor.
"""

from ...limits import MIP_PORT, STATUS_ROWS_MAX, UPLINK_RETRY_MS
from ...proto import visiting
from ...proto.revocation import Stamps
from ...wire import ipv4, mip, mip_extensions, tunneld
from ...wire import router_discovery as discovery
from ...wire.reader import Malformed
from .. import events
from ..advertiser import Advertiser
from ..events import REFUSED, Changed, Contents, Count, Hold, Log, Release, Settled, Stop
from ..questions import Questions
from ..reasons import why
from ..refusals import Refusals
from .keepalives import Keepalives
from .paths import TUN, VisitorPaths
from .peers import Peers
from .replies import Replies
from .requests import Requests
from .revocation import Revocations
from .state import ForeignState
from .view import ForeignView
from .visitors import Visitors

LINKS_MAX = 16
UDP_FLAGS = {"off": None, "auto": 0, "force": mip_extensions.UDP_FORCE}


class ForeignAgent:
    """One foreign agent: see agent.events for how it is driven."""

    def __init__(self, options, random, first_number=1):
        agent = options.agent
        self.options = options
        self.name = "foreign_agent-" + agent.name
        self.uplink = first_number
        self.care_of = agent.care_of_address  # None: that of the uplink device, once it has one
        self.udp_flags = UDP_FLAGS[agent.udp_tunnelling]
        self.behind_nat = False  # has a home agent said so?
        self.unix_offset_ms = 0
        self.peers = Peers(options)
        self.visitors = Visitors()
        self.keepalives = Keepalives(self.visitors)
        self.questions = Questions()
        self.stamps = Stamps()
        self.refusals = Refusals()
        self.view = ForeignView(self)
        self.requests, self.replies, self.revocations = Requests(self), Replies(self), Revocations(self)
        self.advertisers = {}  # device -> Advertiser
        self._random = random
        self._make_advertisers({})
        self.paths = VisitorPaths(first_number + 1 + LINKS_MAX, self.uplink, agent.packet_size)
        self._state = ForeignState(self)
        self._has_room = True
        self._retries = {}  # uplink or link number -> when to ask again for what tunneld refused
        self._refusal = None

    def deadline(self):
        """When to call handle(Late(), now), in ms, or None."""
        soonest_ms = None
        for part in [self.visitors, self.keepalives, self.revocations, self._state] + list(
            self.advertisers.values()
        ):
            at_ms = part.deadline()
            if at_ms is not None and (soonest_ms is None or at_ms < soonest_ms):
                soonest_ms = at_ms
        for at_ms in self._retries.values():
            if soonest_ms is None or at_ms < soonest_ms:
                soonest_ms = at_ms
        return soonest_ms

    def handle(self, event, now_ms):
        """Take one event; return the list of actions that it causes."""
        rule = RULES.get(type(event))
        return rule(self, event, now_ms) if rule else []

    # -- What is offered

    def own_addresses(self):
        """Addresses of this machine that we know of: no home agent's and no visitor's."""
        found = [advertiser.address for advertiser in self.advertisers.values() if advertiser.address]
        return found + ([self.care_of] if self.care_of else [])

    def offer_to(self, advertiser):
        """What a request from this link is judged by."""
        agent = self.options.agent
        care_of = (self.care_of,) if self.care_of else ()
        return visiting.Offer(
            care_of,
            agent.lifetime_max_s,
            agent.reverse_tunnel,
            agent.encapsulating_delivery,
            agent.minimal,
            agent.gre,
            self.own_addresses(),
            agent.home_agent,
        )

    def _offered(self, advertiser):
        """What an advertisement says (RFC 5944 2.1.1), or None: nothing can be offered yet."""
        agent = self.options.agent
        if self.care_of is None:
            return None
        flags = discovery.AGENT_F
        for bit, on in (
            (discovery.AGENT_R, agent.registration_required),
            (discovery.AGENT_B, len(self.visitors) >= agent.max_visitors),
            (discovery.AGENT_M, agent.minimal),
            (discovery.AGENT_G, agent.gre),
            (discovery.AGENT_T, agent.reverse_tunnel != visiting.OFF),
            (discovery.AGENT_U, self.udp_flags is not None and (self.udp_flags or self.behind_nat)),
            (discovery.AGENT_X, agent.revocation),
        ):
            flags |= bit if on else 0
        return flags, agent.lifetime_max_s, (self.care_of,)

    def sees_nat(self, there_is_one, now_ms):
        """What a home agent sees of us: said in advertisements, and only there (RFC 3519 3.4)."""
        if there_is_one != self.behind_nat:
            self.behind_nat = there_is_one
            for advertiser in self.advertisers.values():
                advertiser.changed(now_ms)

    def room_changed(self, now_ms):
        """Say so at once if we are busy now, or no more."""
        has_room = len(self.visitors) < self.options.agent.max_visitors
        if has_room != self._has_room:
            self._has_room = has_room
            for advertiser in self.advertisers.values():
                advertiser.changed(now_ms)
        return []

    # -- Messages

    def _frame_came(self, event, now_ms):
        advertiser = self._by_number(event.link)
        if advertiser is None:
            return []
        try:
            packet = ipv4.unpack(event.data)
            if packet.protocol == ipv4.UDP:
                return self.requests.arrived(advertiser, event, now_ms)
            message = discovery.unpack(packet.payload)
        except Malformed as e:
            name = "link_malformed"
            text = "%s: %s" % (advertiser.device, e)
            return [Count(name), Log("debug", "link", text), Contents(name, event.data)]
        if type(message) is not discovery.Solicitation:
            return []  # another agent's advertisement
        return advertiser.solicited(event.link_address, packet.source, now_ms)

    def _datagram_came(self, event, now_ms):
        if event.uplink != self.uplink:
            return []
        try:
            received = mip.unpack(event.data)
        except Malformed as e:
            name = "agent_malformed"
            text = "%s: %s" % (why(name), e)
            return [Count(name), Log("debug", "agent", text), Contents(name, event.data)]
        rule = MESSAGES.get(type(received.message))
        if rule is None:
            return [Count("agent_not_for_us")]
        if self.peers.of(event.source) is None:
            return self._discarded("agent_unknown_peer", event, now_ms)
        return rule(self, received, event, now_ms)

    def _is_unreachable(self, event, now_ms):
        return self.replies.unreachable(event, now_ms) if event.uplink == self.uplink else []

    def _discarded(self, name, event, now_ms):
        """Refused without a word."""
        source = ipv4.address_text(event.source)
        self.refusals.note(now_ms, name, source, event.source)
        text = "from %s: %s" % (source, why(name))
        return [Count(name), Log("debug", "agent", text), Contents(name, event.data), REFUSED]

    def _verified(self, event, now_ms):
        return self.questions.verified(event, now_ms)

    def _authenticated(self, event, now_ms):
        return self.questions.authenticated(event, now_ms)

    def forget(self, visitor, reason, now_ms):
        """The visitor is one no more."""
        self.visitors.remove(visitor)
        actions = [Log("info", "visitor", "%s gone: %s" % (visitor.text(), reason))]
        actions.append(Changed("visitors", visitor.home_address))
        return actions + self.paths.forget(visitor) + self._state.forget(visitor) + self.room_changed(now_ms)

    def touched(self, visitor, now_ms):
        """Something of it changed: it is saved before long."""
        self._state.touched(visitor, now_ms)

    # -- Links

    def _by_number(self, number):
        for advertiser in self.advertisers.values():
            if advertiser.number == number:
                return advertiser
        return None

    def _link_changed(self, event, now_ms):
        actions = []
        if event.device == self.options.agent.uplink_device and self.options.agent.care_of_address is None:
            actions += self._care_of_changed(event.address if event.carrier else None, now_ms)
        advertiser = self.advertisers.get(event.device)
        if advertiser is None:
            return actions
        usable = event.carrier and event.address is not None
        if advertiser.deadline() is not None and (not usable or event.address != advertiser.address):
            advertiser.down()
            actions += [Release((kind, advertiser.number)) for kind in ("link", "uplink")]
            actions.append(Changed("agents", event.device))
        if usable and advertiser.deadline() is None:
            advertiser.up(event.address, event.prefix_length, now_ms)
            actions += self._open_link(advertiser) + [Changed("agents", event.device)]
            for visitor in self.visitors:
                if visitor.advertiser is advertiser:  # neighbours went with the device
                    actions += self.paths.again(visitor)
        return actions

    def _care_of_changed(self, address, now_ms):
        if address is None or address == self.care_of:
            return []  # without an address it may well come back with the one that it had
        self.care_of = address
        actions = [Log("notice", "visitor", "care-of address %s" % ipv4.address_text(address))]
        for visitor in list(self.visitors):
            actions += self.forget(visitor, "the care-of address changed", now_ms)
        for advertiser in self.advertisers.values():
            advertiser.restarted(now_ms)
            actions.append(Changed("agents", advertiser.device))
        return actions + self._open_uplink()

    def _open_uplink(self):
        if self.care_of is None:
            return []
        device = self.options.agent.uplink_device or ""
        self._retries.pop(self.uplink, None)
        return [
            Hold(("uplink", self.uplink), tunneld.SetUplink(self.uplink, device, self.care_of, MIP_PORT)),
        ]

    def _open_link(self, advertiser):
        """The link itself, and an uplink of the same number: it takes tunnels from visitors (encapsulating
        delivery), and is who listens at port 434 there, lest the kernel answer requests by ICMP."""
        number, device = advertiser.number, advertiser.device
        self._retries.pop(number, None)
        uplink = tunneld.SetUplink(number, device, advertiser.address, MIP_PORT)
        return [
            Hold(("link", number), tunneld.SetLink(number, device)),
            Hold(("uplink", number), uplink),
        ]

    def _refused(self, event, now_ms):
        """A device or an address may come later than we do: try again."""
        message, ours = event.message, False
        numbers = [advertiser.number for advertiser in self.advertisers.values()] + [self.uplink]
        if isinstance(message, (tunneld.SetUplink, tunneld.SetLink)):
            if message[0] not in numbers:
                return []
            self._retries[message[0]], ours = now_ms + UPLINK_RETRY_MS, True
        text = "refused %s: %s" % (type(message).__name__, event.text)
        level = "debug" if text == self._refusal else "error"
        self._refusal = text
        kind = "link" if isinstance(message, tunneld.SetLink) else "uplink"
        return [Log(level, "tunneld", text)] + ([Release((kind, message[0]))] if ours else [])

    # -- Life

    def _wall_clock_set(self, event, now_ms):
        self.unix_offset_ms = event.offset_ms
        return []

    def _restored(self, event, now_ms):
        return self._state.restore(event, now_ms)

    def _started(self, event, now_ms):
        actions = [Hold(("tun",), tunneld.SetTun(bytes(4), self.options.agent.packet_size))]
        if self.options.agent.uplink_device == TUN:
            actions = []  # the mobile router gives it its address
        actions += self._open_uplink()
        for visitor in self.visitors:
            actions += self.paths.changed(visitor, now_ms)
        if len(self.visitors):
            for advertiser in self.advertisers.values():
                advertiser.goes_on()
        return actions + [Settled()]

    def _time_passed(self, event, now_ms):
        actions = []
        for number in [n for n, at_ms in self._retries.items() if at_ms <= now_ms]:
            advertiser = self._by_number(number)
            actions += self._open_uplink() if advertiser is None else self._open_link(advertiser)
        for visitor in self.visitors.expired(now_ms):
            actions += [Count("visitor_expired")] + self.forget(visitor, "its lifetime is over", now_ms)
        for pending in self.visitors.timed_out(now_ms):
            actions += self.replies.timed_out(pending, now_ms)
        for advertiser in self.advertisers.values():
            actions += advertiser.due(now_ms)
        actions += self.keepalives.due(now_ms)
        return actions + self.revocations.due(now_ms) + self._state.due(now_ms)

    def _reconfigured(self, event, now_ms):
        """Take over what changed; a visitor that may still visit, on a link that is still there, stays."""
        was, self.options = self.options.agent, event.options
        agent = self.options.agent
        self.peers, self.udp_flags = Peers(event.options), UDP_FLAGS[agent.udp_tunnelling]
        links, actions = self.advertisers, []
        self.advertisers = {}
        self._make_advertisers(links)
        for device, advertiser in links.items():
            if self.advertisers.get(device) is not advertiser:
                actions += [Release(("link", advertiser.number)), Release(("uplink", advertiser.number))]
        for visitor in list(self.visitors):
            known = self.peers.of(visitor.home_agent) is not None
            stays = known and self.peers.may_visit(visitor.home_address)
            if not stays or self.advertisers.get(visitor.advertiser.device) is not visitor.advertiser:
                actions += self.forget(visitor, "configuration changed", now_ms)
        if agent.packet_size != was.packet_size:
            actions += self.paths.resized(agent.packet_size)
        if agent.care_of_address is not None:
            actions += self._care_of_changed(agent.care_of_address, now_ms)
        if agent.uplink_device != was.uplink_device:
            actions += self._open_uplink()
        for advertiser in self.advertisers.values():
            advertiser.changed(now_ms)
        return actions + [Log("notice", "configuration", "%s: taken over" % self.name)]

    def _make_advertisers(self, before):
        """One for each device; those that there were stay."""
        agent = self.options.agent
        window = agent.challenge_window if agent.challenge else 0
        taken = [advertiser.number for advertiser in before.values()]
        free = [n for n in range(self.uplink + 1, self.uplink + 1 + LINKS_MAX) if n not in taken]
        for device in agent.device:
            advertiser = before.get(device)
            if advertiser is None:
                advertiser = Advertiser(free.pop(0), device, agent, self._offered, self._random, window)
            advertiser.take(agent, window)
            self.advertisers[device] = advertiser

    def _commanded(self, event, now_ms):
        if event.name == "stop":
            return self._state.flush() + [Stop()]
        if event.name == "revoke":
            return self.revocations.commanded(event, now_ms)
        return []

    def snapshot(self, now_ms):
        """What `careof status` shows of this role."""
        return {
            "name": self.name,
            "state": "serving" if self.care_of else "without a care-of address",
            "care_of_address": ipv4.address_text(self.care_of) if self.care_of else None,
            "links": [advertiser.snapshot() for advertiser in self.advertisers.values()],
            "visiting": len(self.visitors),
            "pending": len(self.visitors.pending),
            "visitors": [v.snapshot(now_ms) for v in self.visitors.behind(-1, STATUS_ROWS_MAX)],
            "last_refusal": self.refusals.last_row(now_ms),
        }

    def facts(self, now_ms):
        return self.view.facts(now_ms)

    def rows(self, table, after, now_ms):
        return self.view.rows(table, after, now_ms)

    def rows_about(self, table, key, now_ms):
        return self.view.rows_about(table, key, now_ms)


MESSAGES = {
    mip.RegistrationReply: lambda agent, *rest: agent.replies.arrived(*rest),
    mip.Revocation: lambda agent, *rest: agent.revocations.arrived(*rest),
    mip.RevocationAcknowledgment: lambda agent, *rest: agent.revocations.acknowledged(*rest),
}
RULES = {
    events.Frame: ForeignAgent._frame_came,
    events.Datagram: ForeignAgent._datagram_came,
    events.Unreachable: ForeignAgent._is_unreachable,
    events.Verified: ForeignAgent._verified,
    events.Authenticated: ForeignAgent._authenticated,
    events.Link: ForeignAgent._link_changed,
    events.Late: ForeignAgent._time_passed,
    events.WallClock: ForeignAgent._wall_clock_set,
    events.Restored: ForeignAgent._restored,
    events.Start: ForeignAgent._started,
    events.Refused: ForeignAgent._refused,
    events.Reconfigured: ForeignAgent._reconfigured,
    events.Command: ForeignAgent._commanded,
}

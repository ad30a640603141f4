"""Which uplink carries, and how another takes over.

What holds is looked at after every event, and the next step follows from it; so a step that was lost or
overtaken is taken again, and there is no order of events that nobody thought of:

    nothing carries        the gate holds; the most promising uplink is asked at once, after each patience
                           the next one; the first with a binding carries
    carrying is doubtful   it left a probe unanswered: it is asked at once (a NAT may have forgotten it, and
                           the request repairs that), and the next best beside it
    carrying is dead       another one with a binding carries
    carrying is sound      a better one, proven for its hysteresis, gets a binding beside it (S), a probe
                           through its tunnel, and then carries; then bindings are tidied

Requests of the first three kinds ask for simultaneous bindings (S), if that is allowed: several may be under
way, and none must undo another. Tidying is one request without S by the uplink that carries: the home
agent drops the other bindings with it, and so do we, their tunnels after a grace.
"""

from collections import namedtuple

from ...limits import MOVE_PROBE_MAX_MS
from ...proto.registration import IDLE, PROVE, Superseded
from ..events import Log, Moved
from .uplinks import better_than, by_promise

START, ASKED, BETTER, SILENT = "start", "asked", "better uplink", "silent"

_Move = namedtuple("_Move", "uplink why give_up_ms")


class Moves:
    """The decisions of one router. `role` is the MobileRouter: its uplinks, paths and requests."""

    def __init__(self, role):
        self.carrying = None
        self.chosen = None  # the uplink that a command moved to: no better one is returned to
        self._role = role
        self._before = None  # name of the uplink that carried last
        self._lost_why = START
        self._move = None  # the planned one under way
        self._asked = []  # who was asked since nothing sound carries
        self._next_ms = None  # when another one may be
        self._return_ms = None  # when a better uplink may be good enough
        self._untidy = False  # may the home agent have other bindings than the carrying one's?

    def deadline(self):
        """When steer() may have something to do, in ms, or None."""
        if not self._role.tunneld_is_up:
            return None
        if self.carrying is None or self.carrying.doubtful():
            left = [uplink for uplink in self._candidates() if uplink.usable() and uplink not in self._asked]
            return self._next_ms if left and self._asked else None
        if self._move is not None:
            return self._move.give_up_ms
        return self._return_ms

    def state(self):
        """One word for the status."""
        if self.carrying is None:
            return "searching" if by_promise(self._role.uplinks, 0) else "no uplink"
        if self.carrying.dead():
            return "silent"
        return "moving" if self._move else "connected"

    # -- What the role tells

    def came_back(self, uplink):
        """After a restart: this one carried and still does."""
        self.carrying = uplink
        self._before = uplink.name
        self._untidy = True

    def link_changed(self, uplink):
        """Whatever was asked by it was asked of another network."""
        if uplink in self._asked:
            self._asked.remove(uplink)

    def forget(self, uplink):
        """It is not configured any more."""
        self.link_changed(uplink)
        if self.chosen is uplink:
            self.chosen = None

    def tunneld_is_new(self):
        """What was asked meanwhile was not sent."""
        self._asked = []

    def lost(self, uplink, why):
        """It has no binding any more."""
        if self._move is not None and self._move.uplink is uplink:
            self._move = None
        if self.carrying is not uplink:
            return []
        self.carrying, self._lost_why, self._asked = None, why, []
        self._role.state.touched()
        return self._role.paths.carry_by_none()

    def refused(self, uplink, now_ms):
        """A planned move's request was refused, or stayed without an answer."""
        if self._move is not None and self._move.uplink is uplink and not uplink.registration.bound:
            return self._give_up("no binding by it", now_ms)
        return []

    def something_is_left(self):
        """The home agent granted a binding that is of no use: the next one that carries replaces it."""
        self._untidy = True

    def has_the_only_binding(self, uplink, now_ms):
        """The home agent granted a request without S by it: the other bindings are gone."""
        carrying, planned = self.carrying, self._move is not None and self._move.uplink is uplink
        if not (planned or carrying in (None, uplink) or carrying.doubtful()):
            # A renewal from before the move overtook it. Its tunnels still stand at both ends, until who
            # carries now has asked again.
            self._untidy = True
            carrying.bound_no_more(now_ms)
            return []
        actions = []
        for other in self._role.uplinks:
            if other is not uplink:
                actions += self._role.requests.tell(other, Superseded(), now_ms)
        if self.carrying is not uplink:
            actions += self._carry(uplink, self._lost_why, now_ms)
        self._untidy = False
        return actions

    def begin(self, uplink, why, now_ms):
        """Start a planned move."""
        if why == ASKED:
            self.chosen = uplink
        if uplink is self.carrying or (self._move is not None and self._move.uplink is uplink):
            return []
        self._move = _Move(uplink, why, now_ms + MOVE_PROBE_MAX_MS)
        text = "%s -> %s: %s" % (self._before or "nowhere", uplink.name, why)
        return [Log("info", "move", text)]

    # -- What follows

    def steer(self, now_ms):
        """Look at everything and take the next steps."""
        actions = self._replace(now_ms)
        if self.carrying is None or self.carrying.doubtful():
            return actions + self._ask_around(now_ms)
        self._asked = []
        return actions + self._plan(now_ms) + self._tidy(now_ms)

    def _replace(self, now_ms):
        """Nothing carries, or what carries is dead: is there another one with a binding?"""
        carrying = self.carrying
        if carrying is not None and not carrying.dead():
            return []
        ready = sorted(self._ready(), key=lambda uplink: (not uplink.live, uplink.preference))
        if not ready:
            return []
        return self._carry(ready[0], self._lost_why if carrying is None else SILENT, now_ms)

    def _ready(self):
        """The other ones that could carry at once."""
        others = [uplink for uplink in self._role.uplinks if uplink is not self.carrying]
        return [uplink for uplink in others if uplink.registration.bound and not uplink.dead()]

    def _ask_around(self, now_ms):
        role = self._role
        if not role.tunneld_is_up:
            return []
        together, actions = role.router.simultaneous and not self._is_alone_at_an_agent(), []
        others = by_promise([u for u in self._candidates() if u is not self.carrying], now_ms)
        for uplink in others if self.carrying is None else [self.carrying] + others:
            if uplink not in self._asked and self._may_ask(uplink, now_ms):
                self._asked.append(uplink)
                self._next_ms = now_ms + uplink.round_trip.patience_ms()
                self._untidy = True
                actions += role.ask_to_bind(uplink, together, True, now_ms)
        return actions

    def _is_alone_at_an_agent(self):
        """Is the only uplink that is usable attached by an agent? A binding by another is of no use any more:
        without S no second request has to undo it, for which the next move would have to wait (2.4.2)."""
        usable = [uplink for uplink in self._role.uplinks if uplink.usable()]
        return len(usable) == 1 and usable[0].visits()

    def _candidates(self):
        """Whom to ask when nothing sound carries."""
        carrying, role = self.carrying, self._role
        if carrying is None:
            return role.uplinks
        if self._ready() or not (carrying.dead() or role.router.simultaneous):
            return [carrying]  # one is enough; without S, the request of another would undo this binding
        return role.uplinks

    def _may_ask(self, uplink, now_ms):
        """Is it this one's turn? Requests of one association would displace one another."""
        asked = self._asked
        if not asked or now_ms >= self._next_ms:
            return True
        if uplink.registration.turn in [other.registration.turn for other in asked]:
            return False
        return asked == [self.carrying] or uplink.preference < min([other.preference for other in asked])

    def _plan(self, now_ms):
        """The next step of a planned move; or is there reason for one?"""
        self._return_ms = None
        if not self._role.tunneld_is_up:
            return []
        actions, carrying = [], self.carrying
        if self._move is None and carrying is not self.chosen:
            better, self._return_ms = better_than(carrying, self._role.uplinks, now_ms)
            if better is not None:
                actions += self.begin(better, BETTER, now_ms)
        if self._move is None:
            return actions
        uplink = self._move.uplink
        if now_ms >= self._move.give_up_ms or uplink.dead():
            return actions + self._give_up("nothing passes by it", now_ms)
        if carrying.registration.outstanding() and not carrying.registration.ask.simultaneous:
            return actions  # its renewal would undo what the move asks for
        if uplink.registration.bound:
            return actions + (self._carry(uplink, self._move.why, now_ms) if uplink.live else [])
        if uplink.registration.state == IDLE or uplink.registration.ask.kind == PROVE:
            self._untidy = True
            actions += self._role.ask_to_bind(uplink, self._role.router.simultaneous, False, now_ms)
        return actions

    def _give_up(self, why, now_ms):
        uplink, self._move = self._move.uplink, None
        if self.chosen is uplink:
            self.chosen = None
        uplink.failed(now_ms)
        actions = self._role.requests.tell(uplink, Superseded(), now_ms)
        return actions + [Log("notice", "move", "not to %s: %s" % (uplink.name, why))]

    def _tidy(self, now_ms):
        carrying = self.carrying
        if not self._untidy or self._move is not None or not carrying.live:
            return []
        if not self._role.tunneld_is_up or carrying.registration.state != IDLE:
            return []
        return self._role.ask_to_bind(carrying, False, False, now_ms)

    def _carry(self, uplink, why, now_ms):
        """The only place where another uplink comes to carry."""
        if self.carrying is not None:
            self._untidy = True
        if self._move is not None and self._move.uplink is uplink:
            why, self._move = self._move.why, None
        if self.chosen is not uplink:
            self.chosen = None
        self.carrying = uplink
        self._role.state.touched()
        before, self._before = self._before, uplink.name
        paths = self._role.paths
        actions = paths.path_is_wanted(uplink) + paths.carry_by(uplink, now_ms)
        actions += self._role.visiting.moved_to(uplink)
        if before == uplink.name:
            return actions + [Log("notice", "moved", "%s carries again: %s" % (uplink.name, why))]
        return actions + [Moved(self._role.name, before, uplink.name, why)]

"""Which uplink now: what is known of each, and which one ought to carry.

    usable   it has carrier, and an address and a gateway (netlink says so) or an agent
    proven   a registration was answered by it not long ago: packets pass both ways
    bound    the home agent has a binding by it
    live     data has passed both ways through its tunnel since it was bound

Policy is preference: the lowest number that is proven carries. When nothing carries, proven ones are tried
before the others, whatever the preference. Return to a better uplink waits until it was proven for
its hysteresis without a break, doubled for every failure of late: one that flaps is left in peace.
"""

from ...limits import (
    FLAP_FORGIVEN_MS,
    FLAP_PENALTY_MAX,
    KEEPALIVE_MIN_S,
    LIFETIME_INFINITE_S,
    PROOF_GOOD_MS,
    PROVE_AFTER_LINK_MS,
    PROVE_MS,
)
from ...proto.encapsulation import ALL
from ...proto.liveness import DEAD, Liveness, RoundTrip
from ...proto.registration import BIND, HOME
from ...wire.mip import FLAG_G, FLAG_M
from ...wire.router_discovery import AGENT_G, AGENT_M

OWN, AGENT, AUTO = "own", "agent", "auto"  # attachments


class Uplink:
    """One uplink of the router: its link, its proof, its registration and its path."""

    def __init__(self, section, number, router, random):
        self.name = section.name
        self.device = section.device
        self.number = number  # to tunneld: of the uplink, its tunnel and its path
        self.preference = section.preference
        self.hysteresis_ms = section.hysteresis_s * 1000
        self.discovery = None  # of agents on its link, if its attachment may be by one
        self.attachment = section.attachment
        if section.attachment != OWN:
            from ...proto.discovery import Discovery

            self.discovery = Discovery(section.movement == "eager", router.home_agent, random)
        self._router = router  # what it is at home (mobile_router.identity)
        self.encapsulating = section.delivery == "encapsulating"
        self.agent = (
            None  # the agent (proto.discovery.Heard) that it is attached by: a foreign one, or our own
        )
        self.link_address = None  # of the device
        self.carrier = False
        self.address = None
        self.prefix_length = 0
        self.gateway = None
        self.association = None
        self.registration = None
        self.message = None  # the words for its user in the last reply, or None (RFC 4917)
        self.replied_ms = None  # when the last reply came that counted
        self.refusal = None  # (code, words) of the last request, if it was refused
        self.udp = None  # does the home agent use UDP tunnelling by this uplink? None: not known yet
        self.keepalive_s = 0
        self.keepalive_ms = None  # when the next one is due
        self.prove_ms = None  # when it should be proven again
        self.live = False
        self.round_trip = RoundTrip()
        self.liveness = None  # of its path, once it is bound
        self.unheard = False  # does the home agent send nothing by it for now, as we know?
        self.leaves_ms = None  # when its path, which nothing is bound to any more, is dropped
        self.hurried_ms = None  # when it was last asked at once because a link changed
        self.asks_again = False  # what was granted taught that more has to be asked for
        self.retry_ms = None  # tunneld refused to open it: when to try again
        self._proof_ms = None  # of the last reply
        self._proven_since_ms = None
        self._failures = 0
        self._failed_ms = 0

    def usable(self):
        return bool(self.carrier and (self.agent is not None or self.has_own()))

    def has_own(self):
        """Has it an address of its own, and a way? (On a point-to-point link the peer is, without a name.)"""
        return bool(self.address and (self.gateway or self.prefix_length == 32))

    def at_home(self):
        return self.agent is not None and self.agent.is_home

    def visits(self):
        """Is it attached by a foreign agent?"""
        return self.agent is not None and not self.agent.is_home

    def asks(self):
        """(what its requests ask for to carry, the care-of address that they name)"""
        if self.at_home():
            return HOME, self._router.home_address
        return BIND, self.agent.care_of[0] if self.agent is not None else self.address

    def offered(self):
        """(the longest lifetime, the encapsulations) that can be asked for from here."""
        if not self.visits():
            return LIFETIME_INFINITE_S, ALL
        minimal = FLAG_M if self.agent.flags & AGENT_M else 0
        return self.agent.lifetime_s, minimal | (FLAG_G if self.agent.flags & AGENT_G else 0)

    def attach(self):
        """By what it is attached now: home, a foreign agent, or an address of its own."""
        current = self.discovery.current if self.discovery is not None and self.carrier else None
        if current is not None and self.attachment == AUTO and self.has_own() and not current.is_home:
            current = current if self.discovery.wants_registration() else None
        if current is not None and current.is_home and self._router.home_address is None:
            current = None  # nobody is at home who has no address there
        self.agent = current

    def bound(self):
        return self.registration.bound

    def link_changed(self, link, now_ms):
        """What netlink says now. Is it another network, or gone, or back?"""
        before, had_carrier = self._attached(), self.carrier
        self.carrier, self.address, self.gateway = link.carrier, link.address, link.gateway
        self.prefix_length = link.prefix_length
        if self.attachment == AGENT:
            self.address = self.gateway = None
        if self.discovery is not None and self.carrier != had_carrier:
            if self.carrier:
                self.discovery.link_up(now_ms)
            else:
                self.discovery.link_down()
        if self.attachment == AUTO and self.has_own() and self.visits() and self.agent.refused:
            self.discovery.leave_alone(self.agent, now_ms)
        self.attach()
        return before != self._attached()

    def _attached(self):
        own = (self.address, self.gateway) if self.agent is None else None
        return self.usable(), self.agent, own

    def came(self, now_ms):
        """A link with an address: all about its network has to be found out."""
        self.udp = self.refusal = None
        self.prove_ms = now_ms + PROVE_AFTER_LINK_MS

    def lost(self, now_ms):
        """The link, its address or its gateway went."""
        self.failed(now_ms)
        self.prove_ms = self.retry_ms = None
        self.round_trip = RoundTrip()
        self.left()

    def left(self):
        """Its path is given up."""
        self.live, self.liveness, self.keepalive_ms = False, None, None
        self.unheard = False

    def failed(self, now_ms):
        """It stopped passing packets: unproven, and one more failure against its return."""
        if self._proof_ms is not None:
            self._failures = self._failures_left(now_ms) + 1
            self._failed_ms = now_ms
        self._proof_ms = self._proven_since_ms = None
        self.live = False

    def answered(self, now_ms):
        """An authenticated reply came by it."""
        if not self.proven(now_ms):
            self._proven_since_ms = now_ms
        self._proof_ms = now_ms
        self.prove_ms = now_ms + PROVE_MS

    def proven(self, now_ms):
        return self._proof_ms is not None and now_ms - self._proof_ms < PROOF_GOOD_MS

    def bound_now(self, granted, now_ms):
        """The home agent has a binding by it, new or renewed; a new one's path is not yet live."""
        self.udp = granted.udp
        self.keepalive_s = max(granted.keepalive_s, KEEPALIVE_MIN_S)
        self.keepalive_ms = now_ms + self.keepalive_s * 1000 if granted.udp else None
        self.leaves_ms = None
        if self.liveness is None:
            self.live = False
            self.liveness = Liveness(self.round_trip, now_ms)

    def bound_no_more(self, now_ms):
        """The home agent dropped its binding, which we ask for again: until then silence means nothing."""
        self.unheard, self.liveness = True, Liveness(self.round_trip, now_ms)

    def dead(self):
        """Is it known that its path passes nothing?"""
        return self.liveness is not None and self.liveness.state == DEAD

    def doubtful(self):
        """Did its path leave a probe unanswered?"""
        return self.liveness is not None and self.liveness.doubtful()

    def return_ms(self, now_ms):
        """When it may be returned to, or None: it is not proven."""
        if not self.usable() or not self.proven(now_ms):
            return None
        penalty = min(1 << self._failures_left(now_ms), FLAP_PENALTY_MAX)
        return self._proven_since_ms + self.hysteresis_ms * penalty

    def _failures_left(self, now_ms):
        return self._failures >> min((now_ms - self._failed_ms) // FLAP_FORGIVEN_MS, 30)


def by_promise(uplinks, now_ms):
    """The usable ones of them, the most promising first: when nothing carries."""
    usable = [uplink for uplink in uplinks if uplink.usable()]
    return sorted(usable, key=lambda uplink: (not uplink.proven(now_ms), uplink.preference))


def better_than(carrying, uplinks, now_ms):
    """(the uplink that ought to carry instead or None, when to look again or None)."""
    best, again_ms = None, None
    for uplink in uplinks:
        at_ms = uplink.return_ms(now_ms)
        if at_ms is None or uplink is carrying or uplink.preference >= carrying.preference:
            continue
        if at_ms > now_ms:
            again_ms = at_ms if again_ms is None else min(again_ms, at_ms)
        elif best is None or uplink.preference < best.preference:
            best = uplink
    return best, again_ms

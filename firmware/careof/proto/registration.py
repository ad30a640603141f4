"""The mobile node's side of a registration by one uplink (RFC 5944 section 3.6, 3024, 3519).

            Ask                  turn and time           Signed              Granted or Refused
    IDLE ---------> WAITING -----------------> SIGNING ---------> SENT ----------------------> IDLE
      ^                ^  ^                       ^                | |                           |
      |                |  +--- refused: wait -----|----------------|-+                           |
      |                +------ displaced ---------+-- Late: again -+                             |
      +------------------------- the binding's renewal is due: an Ask of its own <---------------+

Five things can be asked: BIND makes or renews a binding, PROVE asks for no change (a critical vendor
extension says so, RFC 3115) and shows that request and reply pass, LEAVE ends all bindings. HOME ends them,
too, but at home (2.4.3): what holds then needs no binding, and stays for as long as we are there. RETURN
gives a binding back that the home agent granted and the foreign agent does not honour (RFC 4636 5); after it
BIND waits as long as it would have without.

Requests are serialised within a security association, since their identifications must rise in it: one
registration at a time holds its Turn. A holder is displaced by a more urgent one, and by anyone
once its request was late. Displaced or not, an old request does no harm if it arrives after a newer.

Between two requests of an association there is never less than a second. An urgent one does not wait for
those of other uplinks, but still for the second of its own uplink (3.6.3); only where a link came or went
does it wait for nothing (3.6: link-layer indications). Each repetition waits at least twice as long as the
one before, at first two round trips and 100 ms, and up to a quarter more; to a bound, which is not beyond
the lifetime that is asked for.

The granted lifetime counts from when the request was sent (3.6.2.2). It is renewed at its half.
"""

from collections import namedtuple

from ..limits import (
    KEEPALIVE_S,
    LIFETIME_INFINITE_S,
    REFUSED_WAIT_MAX_MS,
    RENEW_DENOMINATOR,
    RENEW_NUMERATOR,
    REQUEST_GAP_MAX_MS,
    REQUEST_GAP_MIN_MS,
    REQUEST_JITTER,
    REQUEST_WORK_MS,
    RESYNCHRONISE_AT_ONCE,
    TERMS_REPAIRED_AT_ONCE,
)
from ..wire import mip, mip_extensions
from .encapsulation import Encapsulation
from .refusals import REFUSALS, REPAIRED_BY_AGENTS, UNKNOWN_REFUSAL

HOST_REQUEST = mip_extensions.host_configuration(
    mip_extensions.HOST_REQUEST, b"\x00\x00"
)  # RFC 4332 3.1: all
BIND, PROVE, LEAVE, HOME, RETURN = "bind", "prove", "leave", "home", "return"
CALM, URGENT, LINK_CHANGED = 0, 1, 2
# Requests sent before giving up; None: until withdrawn.
TRIES = {BIND: None, PROVE: 2, LEAVE: 3, HOME: None, RETURN: 3}
CARRIED = (BIND, HOME)  # by what was granted
ENDING = (LEAVE, HOME, RETURN)  # with a lifetime of 0
OF_A_BINDING = (BIND, HOME, RETURN)  # in vain once another uplink has the only one

# -- Events
# urgent: CALM; URGENT: data stopped passing, or somebody waits; LINK_CHANGED: a link came or went.
Ask = namedtuple("Ask", "kind care_of simultaneous urgent")
Withdraw = namedtuple("Withdraw", "")  # the uplink is gone: nothing can be asked by it
Superseded = namedtuple("Superseded", "")  # our binding is or will be dropped: do not renew it
Signed = namedtuple("Signed", "authenticator")
Replied = namedtuple("Replied", "reply")  # its authenticator is genuine and its identification awaited
# By a foreign agent: awaited, but no word of the home agent. granted: that one agreed, genuinely.
Denied = namedtuple("Denied", "reply granted")
Late = namedtuple("Late", "")

# -- Actions
Sign = namedtuple("Sign", "data")  # wants Signed with the authenticator of these octets
Transmit = namedtuple("Transmit", "data")
# udp: the home agent assents to UDP tunnelling. round_trip_ms None: it cannot be told.
Granted = namedtuple("Granted", "kind lifetime_s udp keepalive_s simultaneous round_trip_ms")
Refused = namedtuple("Refused", "kind code again_ms")  # again_ms: when it will be asked again, or None
Unanswered = namedtuple("Unanswered", "kind tries gave_up")
Lapsed = namedtuple("Lapsed", "")  # the binding's lifetime is over

IDLE, WAITING, SIGNING, SENT = "idle", "waiting", "signing", "sent"

# What one home agent is asked for. udp_request: whether the UDP Tunnel Request extension is sent. flags: the
# encapsulation (FLAG_M, FLAG_G, 0), and FLAG_B.
Terms = namedtuple("Terms", "home_address home_agent lifetime_s udp_request udp_forced flags wishes")
# What may be asked for beside. nai: octets or None (RFC 2794); requested: the home agent that is asked for
# when home_agent names none (RFC 4433), or None; networks: prefixes (RFC 5177); host_configuration: RFC 4332.
Wishes = namedtuple("Wishes", "nai requested networks host_configuration")
NO_WISHES = Wishes(None, None, (), False)


class Turn:
    """The right to have a request outstanding in one security association."""

    def __init__(self, source, spi, authenticator_size):
        self.source = source  # proto.replay: makes the identifications
        self.spi = spi
        self.authenticator_size = authenticator_size
        self.holder = None
        self.next_ms = None  # no request before, unless it is urgent


class Registration:
    """One uplink's registrations with one home agent."""

    def __init__(self, terms, turn, random):
        self.terms = terms
        self.encapsulation = Encapsulation(terms.flags)
        self.turn = turn
        self.state = IDLE
        self.ask = None  # what is being asked, or was last
        self.bound = False
        self.expires_ms = None  # of the binding; None: never
        self.lifetime_s = 0  # granted
        self.last_code = None
        self.vendor_extension = True  # until the home agent says that it does not know it
        self.lifetime_most_s = LIFETIME_INFINITE_S  # a foreign agent takes no longer one
        self.through_agent = False  # the care-of address is a foreign agent's
        self.support = None  # support(now_ms): the RevocationSupport of a request; None: not offered
        self.revocable = (
            None  # the home agent's timestamp: it may revoke, but with later ones only (RFC 3543)
        )
        self._random = random
        self._care_of = None
        self._renew_ms = None
        self._timer_ms = None  # when to go on in this state
        self._next_ms = None  # no request before, unless a link changed
        self.request = None  # the last one that was signed
        self.transmitted_ms = None  # when a request went out last
        self._identification = None
        self._data = b""
        self._tries = self._refusals = self._mismatches = self._repairs = 0
        self._afterwards = None  # (ask, when, refusals so far): what goes on when RETURN is over
        self._given = None  # (home address, home agent) of the grant that RETURN gives back
        self._asked_terms = terms  # of the last request
        self._wait_ms = 0
        self._sent_ms = 0
        self._round_trip_ms = None

    def deadline(self):
        """When to call handle(Late(), now), in ms, or None."""
        at_ms = self._timer_ms
        if self.state == WAITING and self.turn.holder not in (None, self):
            at_ms = self.turn.holder.yields_at(self.ask, at_ms)
        for other_ms in (self.expires_ms, self._renew_ms if self.state == IDLE else None):
            if self.bound and other_ms is not None and (at_ms is None or other_ms < at_ms):
                at_ms = other_ms
        return at_ms

    def awaits(self, identification):
        """Is a reply with this identification awaited? (5.7: the low half tells.)"""
        return self._identification is not None and (self._identification ^ identification) & 0xFFFFFFFF == 0

    def outstanding(self):
        """Has a request been sent that is not answered yet?"""
        return self.state == SENT

    def sent_since(self, since_ms):
        """Was a request sent then or later?"""
        return self._next_ms is not None and self._next_ms - REQUEST_GAP_MIN_MS >= since_ms

    def handle(self, event, now_ms):
        """Take one event; return the list of actions that it causes."""
        rule = TRANSITIONS.get((self.state, type(event)))
        return rule(self, event, now_ms) if rule else []

    def attached(self, through_agent, lifetime_most_s, encapsulations):
        """Another way from here: how it goes, and the most that an agent on it takes."""
        self.through_agent, self.lifetime_most_s = through_agent, lifetime_most_s
        self.encapsulation = Encapsulation(self.terms.flags, encapsulations)

    def new_terms(self, terms):
        """From the next request on."""
        if terms.flags != self.terms.flags:
            self.encapsulation = Encapsulation(terms.flags, self.encapsulation.offered)
        self.terms = terms

    def bound_before(self, care_of, lifetime_s, expires_ms, now_ms):
        """A binding of before a restart stands: take it over."""
        self._care_of = care_of
        self._hold_binding(lifetime_s, expires_ms, now_ms)

    # -- Named after what happened

    def _asked(self, event, now_ms):
        under_way = self.state in (SIGNING, SENT) or (self.state == WAITING and self._refusals == 0)
        if under_way and (event.kind == PROVE or self._asks_for(event)):
            return []  # what is being asked shows at least as much
        at_ms = self._not_before(event, now_ms)
        if event.urgent and at_ms > now_ms and self._is_asked(event):
            return []  # the answer to what was sent a moment ago will do
        self._leave_turn()
        self.ask, self._afterwards = event, None
        if event.kind == BIND:
            self._care_of = event.care_of
        self._tries = self._refusals = self._mismatches = self._repairs = 0
        self._wait_ms = self._first_wait_ms()
        self._become(WAITING, at_ms)
        return self._waited(event, now_ms)

    def _asks_for(self, ask):
        """Is this being asked, and as urgently?"""
        return ask[:3] == self.ask[:3] and ask.urgent <= self.ask.urgent

    def _is_asked(self, ask):
        """Has a request been sent for the same care-of address, simultaneous or not?"""
        return self.state == SENT and (self.ask.kind, self.ask.care_of) == (ask.kind, ask.care_of)

    def _withdrawn(self, event, now_ms):
        self._leave_turn()
        self._forget_binding()
        self._round_trip_ms = self._afterwards = None
        return self._become(IDLE, None)

    def _superseded(self, event, now_ms):
        self._forget_binding()
        if self.state != IDLE and self.ask.kind in OF_A_BINDING:
            self._leave_turn()
            self._afterwards = None
            self._become(IDLE, None)
        return []

    def _idle_time_passed(self, event, now_ms):
        lapsed = self._lapsed_by(now_ms)
        if lapsed or not self.bound or self._renew_ms is None or now_ms < self._renew_ms:
            return lapsed
        self._renew_ms = None
        return self._asked(Ask(BIND, self._care_of, False, CALM), now_ms)

    def _waited(self, event, now_ms):
        lapsed = self._lapsed_by(now_ms)
        self._timer_ms = max(self._timer_ms, self._not_before(self.ask, now_ms))
        if now_ms < self._timer_ms:
            return lapsed
        holder = self.turn.holder
        if holder not in (None, self):
            if now_ms < holder.yields_at(self.ask, now_ms):
                return lapsed
            holder.displaced()
        self.turn.holder = self
        return lapsed + self._sign(now_ms)

    def displaced(self):
        """Another registration of the same association took the turn: ask again when it is free."""
        self._identification = None
        self.ask = Ask(self.ask.kind, self.ask.care_of, self.ask.simultaneous, CALM)
        self._become(WAITING, self._timer_ms)

    def yields_at(self, ask, at_ms):
        """When would this holder of the turn let a registration go first that asks this?"""
        if self._tries or ask.urgent or (self.ask.kind == PROVE and ask.kind != PROVE):
            return at_ms
        return max(at_ms, self._timer_ms)

    def _signed(self, event, now_ms):
        self._data += event.authenticator
        self._sent_ms = now_ms
        return self._transmit(now_ms)

    def _reply_is_late(self, event, now_ms):
        lapsed = self._lapsed_by(now_ms)
        if now_ms < self._timer_ms:
            return lapsed
        self._tries += 1
        if (
            self.ask.urgent == LINK_CHANGED
        ):  # it did, but that was a while ago: from now on the second is kept
            self.ask = Ask(self.ask.kind, self.ask.care_of, self.ask.simultaneous, URGENT)
        gave_up = self._tries == TRIES[self.ask.kind]
        actions = lapsed + [Unanswered(self.ask.kind, self._tries, gave_up)]
        if gave_up:
            self._leave_turn()
            self._over(now_ms)
        elif self.turn.source.fresh_when_repeated:
            actions += self._sign(now_ms)
        else:
            actions += self._transmit(now_ms)
        return actions

    def _signature_is_late(self, event, now_ms):
        return self._lapsed_by(now_ms) + (self._sign(now_ms) if now_ms >= self._timer_ms else [])

    def _reply_came(self, event, now_ms):
        reply = event.reply
        self.last_code = reply.code
        if self._tries == 0 or self.turn.source.fresh_when_repeated:
            self._round_trip_ms = now_ms - self._sent_ms
        self._leave_turn()
        if reply.code in (0, 1) and (reply.lifetime_s > 0) != (self.ask.kind in ENDING):
            self.turn.source.replied(reply.identification)
            return self._granted(reply, now_ms)
        return self._refused(reply, now_ms)

    def _denial_came(self, event, now_ms):
        """Nothing is learnt of the home agent by what it did not sign: neither its clock nor its nonce."""
        self.last_code = event.reply.code
        self._leave_turn()
        if event.granted:
            self.turn.source.replied(event.reply.identification)
        actions = self._refused(event.reply, now_ms, False)
        waits = self.state == WAITING and self._refusals > 0  # what is asked again at once needs no end first
        return actions + (self._give_back(event.reply, now_ms) if event.granted and waits else [])

    def _give_back(self, reply, now_ms):
        afterwards = (self.ask, self._timer_ms, self._refusals)
        self._given = (reply.home_address, reply.home_agent)
        actions = self._asked(Ask(RETURN, self.ask.care_of, False, CALM), now_ms)
        self._afterwards = afterwards
        return actions

    def _over(self, now_ms):
        """What was asked is done with; what waited for that goes on."""
        if self._afterwards is None:
            return self._become(IDLE, None)
        self.ask, at_ms, self._refusals = self._afterwards
        self._afterwards, self._wait_ms = None, self._first_wait_ms()
        self._tries = self._mismatches = self._repairs = 0
        return self._become(WAITING, max(at_ms, now_ms))

    # -- What is done about it

    def _granted(self, reply, now_ms):
        kind = self.ask.kind
        lifetime_s = min(reply.lifetime_s, self.terms.lifetime_s)
        if kind == BIND:
            infinite = lifetime_s == LIFETIME_INFINITE_S
            expires_ms = None if infinite else self._sent_ms + lifetime_s * 1000
            self._hold_binding(lifetime_s, expires_ms, now_ms)
            theirs = mip_extensions.find(reply.extensions, mip_extensions.RevocationSupport)
            self.revocable = None if theirs is None or self.through_agent else theirs.timestamp
        elif kind == HOME:
            self._hold_binding(LIFETIME_INFINITE_S, None, now_ms)
        elif kind in ENDING:
            self._forget_binding()
        udp, keepalive_s = False, KEEPALIVE_S
        tunnel = mip_extensions.find(reply.extensions, mip_extensions.UdpTunnelReply)
        if tunnel is not None and self.terms.udp_request:
            udp = tunnel.code < mip_extensions.UDP_TUNNEL_DECLINED_FROM
            keepalive_s = tunnel.keepalive_s or KEEPALIVE_S
        self._over(now_ms)
        return [Granted(kind, lifetime_s, udp, keepalive_s, reply.code == 0, self._round_trip_ms)]

    def _refused(self, reply, now_ms, authenticated=True):
        """Repair what the code names, if anything, and ask again when it may help."""
        refusal = REFUSALS.get(reply.code, UNKNOWN_REFUSAL)
        may_repair = refusal.repair is not None and (authenticated or refusal.repair in REPAIRED_BY_AGENTS)
        repaired = may_repair and REPAIRS[refusal.repair](self, reply, now_ms)
        if reply.code != 133 and authenticated:
            self.turn.source.replied(reply.identification)
        if self.ask.kind not in CARRIED and not repaired:
            kind = self.ask.kind
            self._over(now_ms)  # to prove or to leave is not worth insisting
            return [Refused(kind, reply.code, None)]
        if repaired:
            again_ms = self._not_before(self.ask, now_ms)
        else:
            wait_ms = min(refusal.wait_s * 1000 << min(self._refusals, 10), REFUSED_WAIT_MAX_MS)
            again_ms = now_ms + self._jittered(wait_ms)
            self._refusals += 1
        self._become(WAITING, again_ms)
        return [Refused(self.ask.kind, reply.code, again_ms)] + self._waited(None, now_ms)

    def _repair_identification(self, reply, now_ms):
        self.turn.source.mismatched(reply.identification, now_ms)
        self._mismatches += 1
        return self._mismatches <= RESYNCHRONISE_AT_ONCE

    def _repair_lifetime(self, reply, now_ms):
        shorter = 0 < reply.lifetime_s < self.lifetime_most_s
        if shorter:
            self.lifetime_most_s = reply.lifetime_s
        return shorter

    def _repair_challenge(self, reply, now_ms):
        """The reply brought a fresh one, which whoever sends the requests adds to them."""
        self._mismatches += 1
        return self._mismatches <= RESYNCHRONISE_AT_ONCE

    def _repair_one_binding(self, reply, now_ms):
        was = self.ask.simultaneous
        self.ask = Ask(self.ask.kind, self.ask.care_of, False, self.ask.urgent)
        return was

    def _repair_home_agent(self, reply, now_ms):
        if self._repair_terms(reply, now_ms):
            return True
        differs = reply.home_agent not in (self.terms.home_agent, bytes(4))
        if differs:
            self.terms = Terms(self.terms[0], reply.home_agent, *self.terms[2:])
        return differs

    def _repair_terms(self, reply, now_ms):
        """Whoever sets the terms heard the reply before: are they others now?"""
        self._repairs += 1
        return self.terms != self._asked_terms and self._repairs <= TERMS_REPAIRED_AT_ONCE

    def _repair_no_vendor_extension(self, reply, now_ms):
        self.vendor_extension = False
        return False

    def _repair_encapsulation(self, reply, now_ms):
        return self.encapsulation.refused(reply.code, self.through_agent)

    def _sign(self, now_ms):
        """A new request, and the question for its authenticator."""
        terms, ask = self.terms, self.ask
        self._asked_terms = terms
        extensions = self._wishes()
        if terms.udp_request and ask.kind not in ENDING and not self.through_agent:
            flags = mip_extensions.UDP_FORCE if terms.udp_forced else 0
            extensions.append(mip_extensions.UdpTunnelRequest(flags, self.encapsulation.in_udp()))
        if ask.kind == PROVE:
            extensions.append(mip_extensions.NO_CHANGE)
        elif ask.kind == BIND and self.support is not None and not self.through_agent:
            extensions.append(self.support(now_ms))
        self._identification = self.turn.source.next(now_ms)
        flags = mip.FLAG_T if self.through_agent else mip.FLAG_T | mip.FLAG_D
        if ask.kind not in ENDING:  # B without D: they come in one more tunnel, to the home address (3.6.1.2)
            flags |= terms.flags & mip.FLAG_B | self.encapsulation.flags()
        ends = self._given if ask.kind == RETURN else (terms.home_address, terms.home_agent)
        self.request = request = mip.RegistrationRequest(
            flags | (mip.FLAG_S if ask.simultaneous else 0),
            0 if ask.kind in ENDING else min(terms.lifetime_s, self.lifetime_most_s),
            *ends,
            ask.care_of,
            self._identification,
            extensions,
        )
        self._data = mip.pack_to_sign(request, self.turn.spi, self.turn.authenticator_size)
        self._become(SIGNING, now_ms + REQUEST_GAP_MIN_MS)
        return [Sign(self._data)]

    def _wishes(self):
        """Networks are asked for with each binding anew (RFC 5177 5), and never at its end."""
        wishes, found = self.terms.wishes, []
        if wishes.nai is not None:
            found.append(mip_extensions.Nai(wishes.nai))
        if wishes.requested is not None:
            found.append(mip_extensions.DynamicHomeAgent(mip_extensions.HA_REQUESTED, wishes.requested))
        if self.ask.kind == BIND:
            found += [mip_extensions.MobileNetworkRequest(*prefix) for prefix in wishes.networks]
            if wishes.host_configuration:
                found.append(HOST_REQUEST)
        return found

    def _transmit(self, now_ms):
        self.transmitted_ms = now_ms
        self.turn.next_ms = self._next_ms = now_ms + REQUEST_GAP_MIN_MS
        wait_ms = self._jittered(min(self._wait_ms, self._longest_wait_ms()))
        self._wait_ms = 2 * wait_ms
        self._become(SENT, now_ms + wait_ms)
        return [Transmit(self._data)]

    def _first_wait_ms(self):
        return max(REQUEST_GAP_MIN_MS, 2 * (self._round_trip_ms or 0) + REQUEST_WORK_MS)

    def _longest_wait_ms(self):
        """With its jitter no longer than the lifetime."""
        lifetime_ms = self.terms.lifetime_s * 1000
        return min(REQUEST_GAP_MAX_MS, lifetime_ms * REQUEST_JITTER // (REQUEST_JITTER + 1))

    def _not_before(self, ask, now_ms):
        """When may the next request go that asks this?"""
        at_ms = now_ms
        if ask.urgent != LINK_CHANGED and self._next_ms is not None:
            at_ms = max(at_ms, self._next_ms)
        if ask.urgent == CALM and self.turn.next_ms is not None:
            at_ms = max(at_ms, self.turn.next_ms)
        return at_ms

    def _jittered(self, wait_ms):
        return wait_ms + wait_ms * self._random(1)[0] // (256 * REQUEST_JITTER)

    def _hold_binding(self, lifetime_s, expires_ms, now_ms):
        self.bound, self.lifetime_s, self.expires_ms = True, lifetime_s, expires_ms
        self._renew_ms = None
        if expires_ms is not None:
            left_ms = (expires_ms - now_ms) * RENEW_NUMERATOR // RENEW_DENOMINATOR
            # Sooner, not later: routers that started together should not renew together.
            self._renew_ms = now_ms + left_ms - self._jittered(left_ms) + left_ms

    def _forget_binding(self):
        self.bound, self.expires_ms, self._renew_ms = False, None, None

    def _lapsed_by(self, now_ms):
        if not self.bound or self.expires_ms is None or now_ms < self.expires_ms:
            return []
        self._forget_binding()
        return [Lapsed()]

    def _leave_turn(self):
        self._identification = None
        if self.turn.holder is self:
            self.turn.holder = None

    def _become(self, state, timer_ms):
        """The only place where the state changes."""
        self.state, self._timer_ms = state, timer_ms
        return []


REPAIRS = {
    "lifetime": Registration._repair_lifetime,
    "challenge": Registration._repair_challenge,
    "identification": Registration._repair_identification,
    "one_binding": Registration._repair_one_binding,
    "home_agent": Registration._repair_home_agent,
    "terms": Registration._repair_terms,
    "no_vendor_extension": Registration._repair_no_vendor_extension,
    "encapsulation": Registration._repair_encapsulation,
}
TRANSITIONS = {
    (IDLE, Late): Registration._idle_time_passed,
    (WAITING, Late): Registration._waited,
    (SIGNING, Late): Registration._signature_is_late,
    (SENT, Late): Registration._reply_is_late,
    (SIGNING, Signed): Registration._signed,
    (SENT, Replied): Registration._reply_came,
    (SENT, Denied): Registration._denial_came,
}
for _state in (IDLE, WAITING, SIGNING, SENT):
    TRANSITIONS[_state, Ask] = Registration._asked
    TRANSITIONS[_state, Withdraw] = Registration._withdrawn
    TRANSITIONS[_state, Superseded] = Registration._superseded

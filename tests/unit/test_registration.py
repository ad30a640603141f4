"""The mobile node's side of a registration: what is asked, when again, and what replies do."""

from careof.limits import KEEPALIVE_S, REFUSED_WAIT_MAX_MS, REQUEST_GAP_MAX_MS, RESYNCHRONISE_AT_ONCE
from careof.proto.refusals import REFUSALS
from careof.proto.registration import (
    BIND,
    CALM,
    IDLE,
    LEAVE,
    LINK_CHANGED,
    NO_WISHES,
    PROVE,
    SENT,
    SIGNING,
    TRANSITIONS,
    URGENT,
    WAITING,
    Ask,
    Granted,
    Lapsed,
    Late,
    Refused,
    Registration,
    Replied,
    Sign,
    Signed,
    Superseded,
    Terms,
    Transmit,
    Turn,
    Unanswered,
    Withdraw,
)
from careof.proto.replay import NonceSource, TimestampSource
from careof.wire import mip, mip_extensions
from values import kinds

HOME, AGENT, CARE_OF = bytes((10, 77, 0, 2)), bytes((198, 51, 100, 10)), bytes((203, 0, 113, 2))
TERMS = Terms(HOME, AGENT, 600, True, False, 0, NO_WISHES)


def zeros(size):
    """`random` without jitter."""
    return bytes(size)


def counting():
    state = [0]

    def random(size):
        state[0] += 1
        return state[0].to_bytes(size, "big")

    return random


def turn(source=None):
    if source is None:
        source = TimestampSource(counting())
        source.wall_clock(1790000000000)
    return Turn(source, 256, 16)


class Talk:
    """One registration, driven by hand: every Sign is answered at once."""

    def __init__(self, terms=TERMS, turn_=None, random=zeros):
        self.registration = Registration(terms, turn_ or turn(), random)
        self.sent = []  # (ms, request)
        self.came = []  # all other actions

    def tell(self, event, now_ms):
        actions = self.registration.handle(event, now_ms)
        while actions:
            action = actions.pop(0)
            if isinstance(action, Sign):
                actions += self.registration.handle(Signed(bytes(16)), now_ms)
            elif isinstance(action, Transmit):
                self.sent.append((now_ms, mip.unpack(action.data).message))
            else:
                self.came.append(action)
        return self

    def ask(self, kind=BIND, now_ms=0, simultaneous=False, urgent=LINK_CHANGED):
        return self.tell(Ask(kind, CARE_OF, simultaneous, urgent), now_ms)

    def reply(self, code=0, lifetime_s=600, now_ms=50, extensions=(), identification=None, agent=AGENT):
        asked = self.sent[-1][1].identification if identification is None else identification
        reply = mip.RegistrationReply(code, lifetime_s, HOME, agent, asked, list(extensions))
        if self.registration.awaits(asked):
            self.tell(Replied(reply), now_ms)
        return self

    def run(self, until_ms):
        """Let its deadlines pass."""
        while self.registration.deadline() is not None and self.registration.deadline() <= until_ms:
            self.tell(Late(), self.registration.deadline())
        return self

    def request(self):
        return self.sent[-1][1]


def test_a_binding_is_asked_for_and_granted():
    talk = Talk().ask()
    request = talk.request()
    assert request.flags == mip.FLAG_D | mip.FLAG_T
    assert (request.lifetime_s, request.home_address, request.home_agent) == (600, HOME, AGENT)
    assert request.care_of_address == CARE_OF
    assert request.extensions == [mip_extensions.UdpTunnelRequest(0, mip_extensions.ENCAPSULATION_IPIP)]
    talk.reply(now_ms=50)
    assert talk.came == [Granted(BIND, 600, False, KEEPALIVE_S, True, 50)]
    assert talk.registration.bound and talk.registration.expires_ms == 600000
    assert talk.registration.state == IDLE


def test_the_lifetime_counts_from_the_request_and_is_never_more_than_was_asked():
    talk = Talk().ask(now_ms=1000).reply(now_ms=3000, lifetime_s=9000)
    assert talk.registration.lifetime_s == 600
    assert talk.registration.expires_ms == 601000


def test_flags_and_extensions_say_what_is_asked():
    assert Talk().ask(simultaneous=True).request().flags & mip.FLAG_S
    prove = Talk().ask(PROVE).request()
    assert prove.extensions[-1] == mip_extensions.NO_CHANGE and prove.lifetime_s == 600
    leave = Talk().ask(LEAVE).request()
    assert leave.lifetime_s == 0 and leave.extensions == []
    forced = Talk(Terms(HOME, AGENT, 600, True, True, 0, NO_WISHES)).ask().request()
    assert forced.extensions[0].flags == mip_extensions.UDP_FORCE
    assert Talk(Terms(HOME, AGENT, 600, False, False, 0, NO_WISHES)).ask().request().extensions == []


def test_a_request_is_repeated_twice_as_late_each_time_until_a_bound():
    talk = Talk(random=lambda size: b"\xff" * size).ask().run(200000)
    times = [at_ms for at_ms, _ in talk.sent]
    gaps = [times[n + 1] - times[n] for n in range(len(times) - 1)]
    assert 1000 <= gaps[0] < 1250
    for n in range(1, len(gaps)):
        assert gaps[n] >= min(2 * gaps[n - 1] - 2, REQUEST_GAP_MAX_MS), gaps
        assert gaps[n] < REQUEST_GAP_MAX_MS * 5 // 4
    assert talk.came == [Unanswered(BIND, n + 1, False) for n in range(len(gaps))]


def test_each_wait_is_twice_the_one_before_whatever_the_jitter():
    chances = [b"\xff", b"\x00", b"\x80", b"\x00", b"\x00", b"\xff", b"\x00"]
    talk = Talk(random=lambda size: chances.pop() if size == 1 and chances else zeros(size))
    talk.ask().run(300000)
    times = [at_ms for at_ms, _ in talk.sent]
    gaps = [times[n + 1] - times[n] for n in range(len(times) - 1)]
    assert len(gaps) > 7 and not chances
    for n in range(1, len(gaps)):
        assert gaps[n] >= min(2 * gaps[n - 1], REQUEST_GAP_MAX_MS), gaps


def test_no_wait_is_longer_than_the_lifetime_that_is_asked_for():
    terms = Terms(HOME, AGENT, 10, True, False, 0, NO_WISHES)
    talk = Talk(terms, random=lambda size: b"\xff" * size).ask().run(100000)
    times = [at_ms for at_ms, _ in talk.sent]
    gaps = [times[n + 1] - times[n] for n in range(len(times) - 1)]
    assert 9000 < max(gaps) <= 10000, gaps


def test_only_a_changed_link_asks_twice_in_a_second():
    for urgent, times in ((CALM, [0, 1000]), (URGENT, [0, 1000]), (LINK_CHANGED, [0, 300])):
        talk = Talk().ask(PROVE, urgent=CALM).reply(now_ms=50)
        talk.ask(BIND, now_ms=300, urgent=urgent).run(1100)
        assert [at_ms for at_ms, _ in talk.sent] == times
    # What was sent a moment ago and may still be answered will do, with S or without.
    talk = Talk().ask(urgent=CALM).ask(now_ms=300, simultaneous=True, urgent=URGENT)
    talk.reply(now_ms=320).run(5000)
    assert len(talk.sent) == 1 and talk.registration.bound


def test_a_slow_path_is_given_two_round_trips():
    talk = Talk().ask().reply(now_ms=900).ask(now_ms=10000)
    assert talk.registration.deadline() == 10000 + 2 * 900 + 100


def test_timestamps_are_fresh_when_repeated_and_nonces_unchanged():
    talk = Talk().ask().run(5000)
    identifications = [request.identification for _, request in talk.sent]
    assert len(identifications) >= 2 and identifications == sorted(set(identifications))
    talk = Talk(turn_=turn(NonceSource(counting()))).ask().run(5000)
    assert len(talk.sent) >= 2
    assert len({request.identification for _, request in talk.sent}) == 1


def test_it_is_renewed_at_half_of_the_lifetime_or_a_little_before():
    talk = Talk().ask().reply().run(299000)
    assert len(talk.sent) == 1
    talk.run(301000)
    assert len(talk.sent) == 2 and not talk.request().flags & mip.FLAG_S
    early = Talk(random=lambda size: b"\xff" * size).ask().reply()
    assert 220000 < early.registration.deadline() < 230000


def test_a_lifetime_that_ends_is_told_whatever_it_was_doing():
    talk = Talk().ask().reply().run(700000)
    assert kinds(talk.came).count(Lapsed) == 1 and not talk.registration.bound


def test_infinity_never_ends():
    talk = Talk(Terms(HOME, AGENT, 0xFFFF, True, False, 0, NO_WISHES)).ask().reply(lifetime_s=0xFFFF)
    assert talk.registration.bound and talk.registration.expires_ms is None
    assert talk.registration.deadline() is None


def test_a_proof_changes_no_binding_and_is_given_up_soon():
    talk = Talk().ask(PROVE).reply()
    assert talk.came[0].kind == PROVE and not talk.registration.bound
    talk = Talk().ask(PROVE).run(60000)
    assert talk.came[-1] == Unanswered(PROVE, 2, True)
    assert talk.registration.state == IDLE and len(talk.sent) == 2


def test_leaving_ends_the_binding():
    talk = Talk().ask().reply()
    talk.ask(LEAVE, now_ms=5000).reply(lifetime_s=0, now_ms=5050)
    assert talk.came[-1].kind == LEAVE and not talk.registration.bound


def test_udp_and_its_keepalive_are_taken_from_the_reply():
    talk = Talk().ask().reply(extensions=[mip_extensions.UdpTunnelReply(0, False, 30)])
    assert talk.came[0].udp and talk.came[0].keepalive_s == 30
    talk = Talk().ask().reply(extensions=[mip_extensions.UdpTunnelReply(0, False, 0)])
    assert talk.came[0].keepalive_s == KEEPALIVE_S
    assert not Talk().ask().reply(extensions=[mip_extensions.UdpTunnelReply(64, False, 0)]).came[0].udp
    unasked = Talk(Terms(HOME, AGENT, 600, False, False, 0, NO_WISHES)).ask()
    assert not unasked.reply(extensions=[mip_extensions.UdpTunnelReply(0, False, 30)]).came[0].udp


def test_code_1_grants_without_simultaneous_bindings():
    talk = Talk().ask(simultaneous=True).reply(code=1)
    assert not talk.came[0].simultaneous and talk.registration.bound


def test_an_answer_that_grants_nothing_or_too_much_is_no_grant():
    assert Talk().ask().reply(lifetime_s=0).came[0].code == 0
    assert not Talk().ask().reply(lifetime_s=0).registration.bound
    assert isinstance(Talk().ask(LEAVE).reply(lifetime_s=5).came[0], Refused)


def test_a_request_that_icmp_says_did_not_arrive_is_asked_again_like_one_without_an_answer():
    for code in (80, 81, 82, 88):
        assert REFUSALS[code] == REFUSALS[78], code


def test_every_refusal_is_asked_again_later_and_later():
    for code in sorted(REFUSALS):
        if code in (104, 105, 106, 133, 135, 136):
            continue  # repaired at once
        talk = Talk().ask().reply(code=code)
        first = talk.came[-1]
        assert isinstance(first, Refused) and first.code == code
        waits = [first.again_ms - 50]
        for _ in range(12):
            now_ms = talk.registration.deadline()
            talk.tell(Late(), now_ms)
            talk.reply(code=code, now_ms=now_ms)
            waits.append(talk.came[-1].again_ms - now_ms)
        assert waits[1] > waits[0] or code == 142, (code, waits)
        assert waits[-1] == REFUSED_WAIT_MAX_MS


def test_a_mismatch_is_repaired_at_once_but_not_for_ever():
    talk = Talk().ask()
    for n in range(RESYNCHRONISE_AT_ONCE + 1):
        talk.reply(code=133, now_ms=50 * (n + 1))
    assert len(talk.sent) == RESYNCHRONISE_AT_ONCE + 1
    assert talk.came[-1].again_ms > 5000


def test_a_repair_that_is_not_urgent_waits_for_the_rfcs_second():
    talk = Talk().ask(urgent=CALM).reply(code=133, now_ms=50)
    assert len(talk.sent) == 1
    talk.run(1000)
    assert [at_ms for at_ms, _ in talk.sent] == [0, 1000]


def test_a_repair_of_a_repetition_waits_for_the_second_whatever_began_it():
    """The control: the answer to the first request after a link changed is repaired at once."""
    talk = Talk().ask(urgent=LINK_CHANGED).run(1050)
    assert [at_ms for at_ms, _ in talk.sent] == [0, 1000]
    talk.reply(code=133, now_ms=1060)
    assert len(talk.sent) == 2
    talk.run(2500)
    assert [at_ms for at_ms, _ in talk.sent] == [0, 1000, 2000]
    quick = Talk().ask(urgent=LINK_CHANGED).reply(code=133, now_ms=50)
    assert [at_ms for at_ms, _ in quick.sent] == [0, 50]


def test_too_many_bindings_are_answered_by_asking_for_one():
    talk = Talk().ask(simultaneous=True).reply(code=135)
    assert len(talk.sent) == 2 and not talk.request().flags & mip.FLAG_S


def test_an_unknown_home_agent_is_told_by_the_reply():
    other = bytes((198, 51, 100, 11))
    talk = Talk().ask().reply(code=136, agent=other)
    assert talk.request().home_agent == other
    assert len(Talk().ask().reply(code=136, agent=AGENT).sent) == 1
    assert len(Talk().ask().reply(code=136, agent=bytes(4)).sent) == 1


def test_who_knows_no_vendor_extension_says_so_once():
    talk = Talk().ask(PROVE).reply(code=140)
    assert not talk.registration.vendor_extension
    assert talk.came == [Refused(PROVE, 140, None)]


def test_two_of_one_association_take_turns():
    shared = turn()
    one, other = Talk(turn_=shared), Talk(turn_=shared)
    one.ask(now_ms=0, urgent=CALM)
    other.ask(now_ms=10, urgent=CALM)
    assert len(one.sent) == 1 and other.sent == []
    one.reply(now_ms=50)
    other.run(999)
    assert other.sent == []
    other.run(1000)
    assert len(other.sent) == 1
    assert other.request().identification > one.request().identification


def test_the_urgent_displaces_and_the_displaced_comes_back():
    shared = turn()
    one, other = Talk(turn_=shared), Talk(turn_=shared)
    one.ask(now_ms=0, urgent=CALM)
    other.ask(now_ms=10, urgent=URGENT)
    assert len(other.sent) == 1 and one.registration.state == WAITING
    one.reply(now_ms=50)
    assert one.came == []  # a reply to what was displaced is not awaited
    other.reply(now_ms=60)
    one.run(1500)
    assert [at_ms for at_ms, _ in one.sent] == [0, 1010]  # a second after the other's


def test_what_is_asked_already_is_not_asked_again():
    talk = Talk().ask().ask(now_ms=5).ask(PROVE, now_ms=6)
    assert len(talk.sent) == 1


def test_withdrawn_or_superseded_it_has_no_binding_and_asks_no_more():
    for event in (Withdraw(), Superseded()):
        talk = Talk().ask().reply().tell(event, 100)
        assert not talk.registration.bound and talk.registration.deadline() is None
        talk = Talk().ask().tell(event, 100)
        assert talk.registration.state == IDLE
        assert talk.registration.turn.holder is None


def test_only_the_listed_transitions_happen():
    replied = Replied(mip.RegistrationReply(0, 600, HOME, AGENT, 1, []))
    for state in (IDLE, WAITING, SIGNING, SENT):
        for event in (Signed(bytes(16)), replied):
            if (state, type(event)) in TRANSITIONS:
                continue
            registration = Registration(TERMS, turn(), zeros)
            registration.state = state
            assert registration.handle(event, 0) == [] and registration.state == state


if __name__ == "__main__":
    from runner import main

    main(globals())

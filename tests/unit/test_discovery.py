"""Agent discovery on one link (RFC 5944 2.4)."""

from careof.limits import (
    AGENT_ANSWER_MS,
    AGENTS_HEARD_MAX,
    DENIALS_DOUBLED_MAX,
    DENIED_BY_AGENT_MS,
    SOLICITATION_GAP_MAX_MS,
    SOLICITATION_GAP_MS,
    SOLICITATION_JITTER,
    SOLICITATIONS_FIRST,
)
from careof.proto.discovery import Discovery, restored
from careof.wire import router_discovery as wire
from world import Chance

HOME_AGENT = bytes((10, 77, 0, 1))
A, B = bytes((10, 9, 1, 1)), bytes((10, 9, 2, 1))
CARE_OF = bytes((192, 0, 2, 7))
MAC, OTHER_MAC = b"\x02\x00\x00\x00\x00\x05", b"\x02\x00\x00\x00\x00\x06"
LIFETIME_S = 3


class Link:
    def __init__(self, eager=True):
        self.discovery = Discovery(eager, HOME_AGENT, Chance(1).octets)
        self.sequence = 0

    def hears(self, source, now_ms=0, flags=wire.AGENT_F, prefix=24, mac=MAC, care_of=CARE_OF, **more):
        """An advertisement; does it change where to be?"""
        if "sequence" in more:
            self.sequence = more["sequence"]
        else:
            self.sequence += 1
        agent = wire.Agent(self.sequence, 600, flags, (care_of,) if care_of else ())
        lengths = None if prefix is None else (prefix,)
        message = wire.Advertisement(
            0, more.get("lifetime_s", LIFETIME_S), [(source, 0)], agent, lengths, more.get("challenge")
        )
        return self.discovery.heard(source, mac, message, now_ms)

    def at(self):
        current = self.discovery.current
        return None if current is None else current.address


def test_the_first_foreign_agent_is_the_one_to_be_at():
    link = Link()
    assert link.hears(A) and link.at() == A
    assert not link.hears(A, 1000)
    assert link.discovery.current.care_of == (CARE_OF,) and link.discovery.current.link_address == MAC


def test_what_is_no_foreign_agent_or_no_unicast_address_is_not():
    for source, flags, care_of in (
        (A, wire.AGENT_H, None),  # another network's home agent
        (bytes((224, 0, 0, 11)), wire.AGENT_F, CARE_OF),
        (bytes((127, 0, 0, 1)), wire.AGENT_F, CARE_OF),
    ):
        link = Link()
        assert not link.hears(source, flags=flags, care_of=care_of) and link.at() is None
    plain = wire.Advertisement(0, LIFETIME_S, [(A, 0)], None, None, None)
    assert not Link().discovery.heard(A, MAC, plain, 0)


def test_an_agent_that_is_not_heard_in_time_is_gone():
    link = Link(eager=False)
    link.hears(A)
    assert link.discovery.deadline() == LIFETIME_S * 1000
    assert not link.discovery.time_passed(LIFETIME_S * 1000 - 1) and link.at() == A
    assert link.discovery.time_passed(LIFETIME_S * 1000) and link.at() is None


def test_another_one_that_is_heard_takes_over_at_once_when_the_current_is_gone():
    link = Link(eager=False)
    link.hears(A)
    link.hears(B, 2000)
    assert link.at() == A
    assert link.discovery.time_passed(LIFETIME_S * 1000) and link.at() == B


def test_eager_moves_to_another_prefix_and_lazy_stays():
    for eager, expected in ((True, B), (False, A)):
        link = Link(eager)
        link.hears(A)
        link.hears(B, 500)
        assert link.at() == expected
        link.hears(A, 600)  # the old one is heard, too: no way back and forth
        assert link.at() == expected


def back_at_a(eager=True, prefixes=(24, 24)):
    """A was left for B a second ago, and is heard again; B is not."""
    link = Link(eager)
    link.hears(A, prefix=prefixes[0])
    link.hears(B, 500, prefix=prefixes[1])
    link.hears(A, 1000, prefix=prefixes[0])
    return link


def test_a_return_to_an_agent_that_is_still_known_is_seen_by_the_overdue_one_not_answering():
    link = back_at_a()
    assert link.at() == B
    overdue_ms = 500 + LIFETIME_S * 1000 * 3 // 8
    assert link.discovery.deadline() == overdue_ms
    assert not link.discovery.time_passed(overdue_ms - 1) and not link.discovery.solicits(overdue_ms - 1)
    assert not link.discovery.time_passed(overdue_ms) and link.discovery.solicits(overdue_ms)
    link.hears(A, overdue_ms + 2)
    assert link.at() == B and link.discovery.deadline() == overdue_ms + AGENT_ANSWER_MS
    assert link.discovery.time_passed(overdue_ms + AGENT_ANSWER_MS) and link.at() == A
    assert link.discovery.deadline() > overdue_ms + AGENT_ANSWER_MS
    assert not link.hears(A, overdue_ms + 500) and link.at() == A  # and stays there, as B is not
    assert link.hears(B, overdue_ms + 600) and link.at() == B


def test_an_overdue_agent_that_answers_stays():
    link = back_at_a()
    overdue_ms = 500 + LIFETIME_S * 1000 * 3 // 8
    link.discovery.time_passed(overdue_ms)
    link.hears(A, overdue_ms + 2)
    link.hears(B, overdue_ms + 30)
    assert not link.discovery.time_passed(overdue_ms + AGENT_ANSWER_MS) and link.at() == B


def test_who_answers_late_is_moved_to_at_once_and_who_was_silent_too_is_not():
    link = back_at_a()
    overdue_ms = 500 + LIFETIME_S * 1000 * 3 // 8
    link.discovery.time_passed(overdue_ms)
    assert not link.discovery.time_passed(overdue_ms + AGENT_ANSWER_MS) and link.at() == B
    assert link.discovery.deadline() <= 1000 + LIFETIME_S * 1000
    assert link.hears(A, overdue_ms + 400) and link.at() == A


def test_lazy_waits_for_the_end_of_the_lifetime():
    link = Link(eager=False)
    link.hears(B)
    link.hears(A, 1000)
    link.discovery.time_passed(2000)
    assert not link.discovery.solicits(2000)
    link.hears(A, 2000)
    assert link.at() == B
    assert link.discovery.time_passed(LIFETIME_S * 1000) and link.at() == A


def test_a_home_agent_that_does_not_answer_is_left_for_one_that_does():
    link = Link()
    link.hears(HOME_AGENT, flags=wire.AGENT_H, care_of=None)
    overdue_ms = LIFETIME_S * 1000 * 3 // 8
    link.hears(A, 500)
    assert link.at() == HOME_AGENT
    link.discovery.time_passed(overdue_ms)
    link.hears(A, overdue_ms + 1)
    assert link.discovery.time_passed(overdue_ms + AGENT_ANSWER_MS) and link.at() == A
    assert link.hears(HOME_AGENT, 3000, flags=wire.AGENT_H, care_of=None) and link.at() == HOME_AGENT


def test_without_prefix_lengths_on_both_sides_eager_is_lazy():
    for first, second in ((24, None), (None, 24), (None, None)):
        link = Link()
        link.hears(A, prefix=first)
        link.hears(B, 500, prefix=second)
        assert link.at() == A


def test_an_agent_of_the_same_prefix_is_no_movement():
    link = Link()
    link.hears(A, prefix=8)
    link.hears(B, 500, prefix=8)
    assert link.at() == A


def test_sequence_numbers_tell_a_restart_from_a_rollover():
    link = Link()
    link.hears(A, sequence=40000)
    assert link.hears(A, 100, sequence=3)  # restarted: it knows us no more
    link.hears(A, 200, sequence=0xFFFF)
    assert not link.hears(A, 300, sequence=256)  # rolled over
    assert link.hears(A, 400, sequence=255)
    assert not link.hears(A, 500, sequence=256)


def test_another_care_of_address_or_card_of_the_current_agent_voids_the_registration():
    link = Link()
    link.hears(A)
    assert link.hears(A, 100, care_of=bytes((192, 0, 2, 8)))
    assert link.hears(A, 200, care_of=bytes((192, 0, 2, 8)), mac=OTHER_MAC)
    assert not link.hears(A, 300, care_of=bytes((192, 0, 2, 8)), mac=OTHER_MAC)


def test_a_busy_agent_is_only_for_those_who_are_there():
    link = Link()
    assert not link.hears(A, flags=wire.AGENT_F | wire.AGENT_B) and link.at() is None
    assert link.hears(A, 100) and link.at() == A
    link.hears(A, 200, flags=wire.AGENT_F | wire.AGENT_B)
    assert link.at() == A


def test_an_agent_that_denied_is_left_alone_for_a_while():
    link = Link()
    link.hears(A)
    link.hears(B, 10, prefix=8)
    assert link.at() == B
    assert link.discovery.denied(link.discovery.current, 2000, 100) and link.at() == A
    link.hears(A, 1000)
    link.hears(B, 1000, prefix=8)
    assert link.at() == A
    assert link.discovery.deadline() == 2000
    link.discovery.time_passed(2000)
    link.hears(B, 2100, prefix=8)
    assert link.at() == B


def test_an_agent_that_denies_again_and_again_is_left_alone_for_longer():
    link, agent, now_ms, pauses = Link(), None, 0, []
    for _ in range(DENIALS_DOUBLED_MAX + 2):
        link.hears(A, now_ms, lifetime_s=9000)
        agent = link.discovery.current
        assert link.discovery.leave_alone(agent, now_ms) and link.at() is None
        pauses.append(agent.denied_ms - now_ms)
        now_ms = agent.denied_ms
        link.discovery.time_passed(now_ms)
    doubled = [DENIED_BY_AGENT_MS << n for n in range(DENIALS_DOUBLED_MAX + 1)]
    assert pauses == doubled + doubled[-1:]


def test_our_own_home_agent_is_home_and_goes_before_all():
    link = Link(eager=False)
    link.hears(A)
    assert link.hears(HOME_AGENT, 100, flags=wire.AGENT_H, care_of=None) and link.at() == HOME_AGENT
    assert link.discovery.current.is_home
    assert not link.hears(B, 200) and link.at() == HOME_AGENT
    # Its restart is nothing to us: there is no binding that it could have lost.
    link.hears(HOME_AGENT, 300, flags=wire.AGENT_H, care_of=None, sequence=9000)
    assert not link.hears(HOME_AGENT, 400, flags=wire.AGENT_H, care_of=None, sequence=0)


def test_a_home_agent_without_its_bit_is_not_home():
    link = Link()
    link.hears(HOME_AGENT, flags=wire.AGENT_F)
    assert not link.discovery.current.is_home


def test_a_flood_of_agents_leaves_those_that_are_there_and_the_home_agent_a_place():
    link = Link(eager=False)
    link.hears(A)
    for number in range(100):
        link.hears(bytes((10, 8, 1, number)), 10)
    assert len(link.discovery.agents) == AGENTS_HEARD_MAX and link.at() == A
    assert link.hears(HOME_AGENT, 20, flags=wire.AGENT_H, care_of=None) and link.at() == HOME_AGENT


def test_agents_that_were_tried_in_vain_make_room():
    """A flood that came first, with the longest lifetime, keeps the real one out until it was tried."""
    link = Link()
    for n in range(AGENTS_HEARD_MAX):
        link.hears(bytes((10, 9, 9, n + 1)), lifetime_s=0xFFFF)
    assert not link.hears(A, 1000) and link.at() != A  # the control
    while link.discovery.current is not None:
        link.discovery.leave_alone(link.discovery.current, 1000)
    assert link.hears(A, 2000) and link.at() == A
    assert len(link.discovery.agents) == AGENTS_HEARD_MAX


def test_who_is_no_agent_for_us_makes_room():
    link = Link()
    for n in range(AGENTS_HEARD_MAX):
        link.hears(bytes((10, 9, 9, n + 1)), flags=0, lifetime_s=0xFFFF)
    assert link.hears(A, 1000) and link.at() == A


def test_solicitations_begin_with_the_link_and_become_rare():
    link = Link()
    assert not link.discovery.solicits(0)
    link.discovery.link_up(1000)
    times = []
    for _ in range(SOLICITATIONS_FIRST + 10):
        now_ms = link.discovery.deadline()
        assert not link.discovery.solicits(now_ms - 1)
        assert link.discovery.solicits(now_ms)
        times.append(now_ms)
    gaps = [times[i + 1] - times[i] for i in range(len(times) - 1)]
    for gap in gaps[: SOLICITATIONS_FIRST - 1]:
        assert SOLICITATION_GAP_MS * (1 - 1 / SOLICITATION_JITTER) <= gap <= SOLICITATION_GAP_MS
    for earlier, later in zip(gaps[SOLICITATIONS_FIRST:], gaps[SOLICITATIONS_FIRST + 1 :]):
        assert later > earlier * 1.5 or later > SOLICITATION_GAP_MAX_MS * 0.85
    assert SOLICITATION_GAP_MAX_MS * 0.85 < gaps[-1] <= SOLICITATION_GAP_MAX_MS
    link.hears(A, times[-1] + 1)
    assert not link.discovery.solicits(times[-1] + 2 * SOLICITATION_GAP_MAX_MS)


def test_the_last_agent_that_is_gone_is_searched_for():
    link = Link()
    link.hears(A)
    link.discovery.time_passed(LIFETIME_S * 1000)
    assert link.discovery.solicits(LIFETIME_S * 1000)


def test_a_link_that_went_takes_all_with_it():
    link = Link()
    link.hears(A)
    link.discovery.link_down()
    assert link.at() is None and link.discovery.deadline() is None


def test_registration_is_wanted_where_an_agent_says_so():
    link = Link()
    link.hears(A)
    assert not link.discovery.wants_registration()
    link.hears(B, 10, flags=wire.AGENT_F | wire.AGENT_R)
    assert link.discovery.wants_registration()


def test_an_agent_survives_being_saved():
    link = Link()
    link.hears(A, challenge=b"12345678")
    agent = link.discovery.current
    again = restored(agent.saved(), 5000)
    for name in (
        "address",
        "link_address",
        "flags",
        "care_of",
        "lifetime_s",
        "prefix",
        "is_home",
        "challenge",
    ):
        assert getattr(again, name) == getattr(agent, name), name
    assert again.expires_ms == 5000 + LIFETIME_S * 1000
    later = Link()
    later.discovery.was_at(again)
    assert later.at() == A and not later.hears(A, 5100, challenge=b"12345678", sequence=agent.sequence + 1)


if __name__ == "__main__":
    from runner import main

    main(globals())

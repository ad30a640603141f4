"""Identifications (RFC 5944 5.7): a source at the mobile node, a guard at the home agent, and a replayer."""

from careof.limits import TIMESTAMP_TOLERANCE_MS
from careof.proto.replay import (
    ERA,
    LOW,
    NTP_UNIX_S,
    Beginning,
    NonceGuard,
    NonceSource,
    TimestampGuard,
    TimestampSource,
    after,
)

UNIX_MS = 1790000000000
ERA_END_MS = ((1 << 32) - NTP_UNIX_S) * 1000  # 7 February 2036


class Counting:
    """`random` that counts, so that a test can be repeated."""

    def __init__(self):
        self.next = 0

    def __call__(self, size):
        self.next += 1
        return self.next.to_bytes(size, "big")


def source_at(unix_ms):
    source = TimestampSource(Counting())
    source.wall_clock(unix_ms)
    return source


def test_timestamps_rise_even_within_one_millisecond_and_when_the_clock_is_set_back():
    source, guard = source_at(UNIX_MS), TimestampGuard(None)
    seen = 0
    for now_ms in (0, 0, 0, 1, 2, 2, 1000):
        stamp = source.next(now_ms)
        assert stamp > seen and guard.lets_in(stamp, UNIX_MS + now_ms)
        seen = guard.took(stamp)
    source.wall_clock(UNIX_MS - 5000)
    stamp = source.next(1001)
    assert stamp > seen and guard.lets_in(stamp, UNIX_MS + 1001)


def test_a_timestamp_is_let_in_once_and_never_an_older_one():
    source, guard = source_at(UNIX_MS), TimestampGuard(None)
    first, second = source.next(0), source.next(10)
    assert guard.lets_in(second, UNIX_MS)
    guard.took(second)
    assert not guard.lets_in(second, UNIX_MS)
    assert not guard.lets_in(first, UNIX_MS)


def test_the_tolerance_is_to_the_second_on_both_sides():
    for off_ms, fits in (
        (0, True),
        (TIMESTAMP_TOLERANCE_MS - 1, True),
        (TIMESTAMP_TOLERANCE_MS + 2, False),
        (1 - TIMESTAMP_TOLERANCE_MS, True),
        (-2 - TIMESTAMP_TOLERANCE_MS, False),
        (10**12, False),
    ):
        stamp = source_at(UNIX_MS + off_ms).next(0)
        assert TimestampGuard(None).lets_in(stamp, UNIX_MS) == fits, off_ms


def test_the_end_of_the_era_is_a_day_like_any_other():
    source, guard = source_at(ERA_END_MS - 1000), TimestampGuard(None)
    for now_ms in (0, 500, 1500, 2500):
        stamp = source.next(now_ms)
        assert guard.lets_in(stamp, ERA_END_MS - 1000 + now_ms), now_ms
        guard.took(stamp)
    assert stamp < 1 << 40
    assert after(stamp, ERA - 5) and not after(ERA - 5, stamp)


def test_a_mismatch_brings_the_home_agents_clock_and_keeps_the_low_half():
    guard = TimestampGuard(None)
    source = source_at(UNIX_MS + 86400000)
    wrong = source.next(0)
    assert not guard.lets_in(wrong, UNIX_MS)
    told = guard.mismatch(wrong, UNIX_MS)
    assert told & LOW == wrong & LOW
    source.mismatched(told, 0)
    source.wall_clock(UNIX_MS + 90000000)  # its own clock is not asked any more
    again = source.next(50)
    assert guard.lets_in(again, UNIX_MS + 50)


def test_a_source_remembers_over_a_restart_what_it_used_and_how_wrong_its_clock_is():
    source = source_at(UNIX_MS)
    source.mismatched(TimestampGuard(None).mismatch(source.next(0), UNIX_MS + 3600000), 0)
    last = source.next(100)
    other = source_at(UNIX_MS)
    other.restore(source.saved(UNIX_MS), UNIX_MS)
    guard = TimestampGuard(None)
    guard.took(last)
    assert guard.lets_in(other.next(100), UNIX_MS + 3600100)


def test_a_guard_remembers_over_a_restart_what_it_let_in():
    guard, other = TimestampGuard(None), TimestampGuard(None)
    stamp = source_at(UNIX_MS).next(0)
    guard.took(stamp)
    other.restore(guard.saved())
    assert not other.lets_in(stamp, UNIX_MS)


def test_a_guard_lets_in_nothing_from_before_its_beginning_by_the_clock_of_its_source():
    """The source is 2 s ahead; what it said last before the end is not known any more."""
    source = source_at(UNIX_MS + 2000)
    first, lost, later = source.next(0), source.next(1000), source.next(1500)
    guard = TimestampGuard(None)
    assert guard.lets_in(first, UNIX_MS)
    guard.took(first)
    beginning = Beginning()
    other = TimestampGuard(None, beginning)
    other.restore(guard.saved())
    assert other.lets_in(lost, UNIX_MS + 1300)  # the control: it is kept out by the beginning alone
    beginning.unix_ms = UNIX_MS + 1200
    assert not other.lets_in(lost, UNIX_MS + 1300) and other.lets_in(later, UNIX_MS + 1600)
    other.restore(guard.saved()[:1])  # an older one did not say how far ahead
    assert other.lets_in(lost, UNIX_MS + 1300)


def test_a_nonce_is_used_once_and_the_reply_brings_the_next():
    source, guard = NonceSource(Counting()), NonceGuard(Counting())
    first = source.next(0)
    assert not guard.lets_in(first, 0)
    told = guard.mismatch(first, 0)
    assert told & LOW == first & LOW
    source.mismatched(told, 0)
    for _ in range(5):
        request = source.next(0)
        assert guard.lets_in(request, 0)
        reply = guard.took(request)
        assert reply & LOW == request & LOW and reply >> 32 != request >> 32
        assert not guard.lets_in(request, 0)
        source.replied(reply)


def test_replaying_an_old_request_does_not_use_up_the_owners_nonce():
    source, guard = NonceSource(Counting()), NonceGuard(Counting())
    old = source.next(0)
    source.mismatched(guard.mismatch(old, 0), 0)
    for _ in range(10):
        assert guard.mismatch(old, 0) >> 32 == guard.mismatch(old, 0) >> 32
    assert guard.lets_in(source.next(0), 0)


def agreed():
    """Both ends know the next nonce."""
    source, guard = NonceSource(Counting()), NonceGuard(Counting())
    source.mismatched(guard.mismatch(source.next(0), 0), 0)
    source.replied(guard.took(source.next(0)))
    return source, guard


def test_a_nonce_survives_a_restart_of_the_mobile_node():
    source, guard = agreed()
    other = NonceSource(Counting())
    other.restore(source.saved(0), 0)
    assert guard.lets_in(other.next(0), 0)


def test_what_was_used_after_a_guard_was_saved_is_worthless_to_the_restored_one():
    """State is saved a while after it changed: a kill in between must not make a used nonce good again."""
    source, guard = agreed()
    saved, used = guard.saved(), source.next(0)
    assert guard.lets_in(used, 0)
    source.replied(guard.took(used))
    other = NonceGuard(Counting())
    other.restore(saved)
    assert other.last == saved[0] and not other.lets_in(used, 0)
    refused = source.next(0)
    assert not other.lets_in(refused, 0)
    source.mismatched(other.mismatch(refused, 0), 0)
    assert other.lets_in(source.next(0), 0)


def test_a_restored_guard_never_has_the_nonce_that_was_saved():
    guard, other = NonceGuard(Counting()), NonceGuard(Counting())
    assert guard.saved() == other.saved()  # both drew the same
    other.restore(guard.saved())
    assert other.saved()[1] != guard.saved()[1]


if __name__ == "__main__":
    from runner import main

    main(globals())

"""Limits before cryptography: one source cannot silence another, and many invented ones cannot either."""

from careof.agent.home_agent.sources import Buckets, Sources
from careof.limits import SOURCE_FALSE_PER_S, SOURCES, UNPROVEN_PER_S_MIN
from world import Chance

SERVED, NEW, FORGER = bytes((203, 0, 113, 2)), bytes((203, 0, 113, 3)), bytes((192, 0, 2, 66))


def sources(bindings_max=1000):
    return Sources(bindings_max, Chance(1).octets)


def invented(n):
    return bytes((100, n >> 16 & 255, n >> 8 & 255, n & 255))


def looked_at(limits, addresses, now_ms):
    return len([address for address in addresses if limits.asks(address, now_ms)[0] is None])


def test_a_bucket_refills_without_rounding():
    buckets = Buckets(2, 3)
    assert [buckets.take(1, 0) for _ in range(4)] == [True, True, True, False]
    taken = len([1 for now_ms in range(1, 10001) if buckets.take(1, now_ms)])
    assert taken == 30


def test_one_source_has_its_share_and_others_theirs():
    limits = sources()
    assert looked_at(limits, [FORGER] * 1000, 0) == SOURCE_FALSE_PER_S
    assert limits.asks(FORGER, 0) == ("source_limited", False)
    assert limits.asks(NEW, 0) == (None, False)
    assert looked_at(limits, [FORGER] * 1000, 1000) == SOURCE_FALSE_PER_S


def test_genuine_messages_take_nothing_however_many_come_from_one_address():
    limits = sources()
    for _ in range(10 * SOURCE_FALSE_PER_S):
        refused, was_proven = limits.asks(NEW, 0)
        assert refused is None
        limits.proved(NEW, was_proven, 0)


def test_a_flood_from_invented_sources_leaves_out_new_ones_and_never_one_that_was_served():
    limits = sources()
    limits.asks(SERVED, 0)
    limits.proved(SERVED, False, 0)
    flood = [invented(n) for n in range(2 * UNPROVEN_PER_S_MIN)]
    assert looked_at(limits, flood, 100) <= UNPROVEN_PER_S_MIN
    assert limits.asks(NEW, 100) == ("unproven_limited", False)  # the control: what the flood does to others
    assert limits.asks(SERVED, 100) == (None, True)
    assert limits.asks(NEW, 1200)[0] is None  # and afterwards


def test_the_share_of_unproven_ones_grows_with_the_agent():
    limits = sources(100000)
    assert len([n for n in range(20000) if limits.asks(invented(n), 0)[0] is None]) == 10000


def test_tables_do_not_grow():
    limits = sources(100)
    for n in range(20000):
        limits.asks(invented(n), n)
        limits.proved(invented(n), False, n)
    assert len(limits._addresses) == SOURCES
    assert len(limits._proven) + len(limits._proven_before) <= 2 * SOURCES
    assert limits.asks(invented(19999), 20000)[1] and not limits.asks(invented(1), 20000)[1]


if __name__ == "__main__":
    from runner import main

    main(globals())

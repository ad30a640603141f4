"""The notification mipAuthFailure (RFC 2006): of whom it is told, when, and what it says."""

from careof.limits import TRAPS_AT_ONCE, TRAPS_GAP_MS, TRAPS_RETRY_MS
from careof.status.connection import Refused
from careof.status.traps import Gone, Watch, follow, notification, serve

OTHER = "home_agent-spare"
ROW = {"address": "192.0.2.66", "count": 1, "spi": 256, "ago_ms": 0, "reason": 2}
ROW["identification"] = 7 << 32 | 9


def row(address="192.0.2.66", count=1, ago_ms=0):
    return dict(ROW, address=address, count=count, ago_ms=ago_ms)


class Careofd:
    """What it answers; changes: how many there are until it goes away."""

    def __init__(self, changes=0, **tables):
        self.tables, self.changes, self.followed, self.closed = tables or {"ha": []}, changes, [], 0

    def ask(self, command):
        assert command == "roles"
        return [{"name": "home_agent-" + name} for name in sorted(self.tables)]

    def rows(self, role, table):
        assert table == "violations"
        return self.tables[role.split("-")[1]]

    def follow(self, table):
        self.followed.append(table)

    def next_change(self):
        if not self.changes:
            raise OSError(104, "gone")
        self.changes -= 1

    def close(self):
        self.closed += 1


def addresses(found):
    return [row["address"] for row in found[0]]


def watch(clock=None, only=None):
    return Watch(only, (lambda: clock[0]) if clock else lambda: 0)


def test_a_notification_has_the_objects_of_the_mib():
    entry = ".1.3.6.1.2.1.44.1.2.3.1.%d.192.0.2.66"
    said = [".1.3.6.1.2.1.44.2.0.1", entry % 1, "a", "192.0.2.66", entry % 3, "i", "256"]
    said += [entry % 5, "i", "9", entry % 6, "i", "7", entry % 7, "i", "2"]
    assert notification(row()) == said
    large = notification(dict(ROW, spi=0xFFFFFFFF, identification=(1 << 64) - 1))
    assert large[6] == large[9] == large[12] == "-1"  # as they are in the table: Integer32


def test_what_was_before_is_no_news_and_each_one_after_is():
    seen, careofd = watch(), Careofd(ha=[row()])
    assert seen.news(careofd) == ([], False)
    careofd.tables["ha"] = [row(), row("192.0.2.67")]
    assert addresses(seen.news(careofd)) == ["192.0.2.67"]
    assert addresses(seen.news(careofd)) == []
    careofd.tables["ha"] = [row(count=3), row("192.0.2.67")]
    assert addresses(seen.news(careofd)) == ["192.0.2.66"]


def test_a_careofd_that_was_restarted_counts_anew():
    clock = [100000]
    seen, careofd = watch(clock), Careofd(ha=[row(ago_ms=50000)])
    seen.news(careofd)
    clock[0] += 60000
    careofd.tables["ha"] = [row(ago_ms=110500)]  # the same one, seen again
    assert addresses(seen.news(careofd)) == []
    careofd.tables["ha"] = [row(ago_ms=10)]  # the first one of another life
    assert addresses(seen.news(careofd)) == ["192.0.2.66"]


def test_of_many_a_few_are_told_at_a_time_and_nobody_is_left_out():
    seen, careofd, told = watch(), Careofd(), []
    seen.news(careofd)
    careofd.tables["ha"] = [row("192.0.2.%d" % n) for n in range(3 * TRAPS_AT_ONCE - 1)]
    for more in (True, True, False):
        found = seen.news(careofd)
        assert found[1] == more and len(found[0]) <= TRAPS_AT_ONCE
        told += addresses(found)
    assert len(set(told)) == len(told) == 3 * TRAPS_AT_ONCE - 1
    assert seen.news(careofd) == ([], False)


def test_one_role_by_itself():
    for only, expected in ((None, 2), (OTHER, 1)):
        seen, careofd = watch(only=only), Careofd(ha=[], spare=[])
        seen.news(careofd)
        careofd.tables = {"ha": [row()], "spare": [row()]}
        assert len(seen.news(careofd)[0]) == expected


def test_it_looks_when_it_is_told_and_not_more_often():
    careofd, told, pauses = Careofd(changes=2), [], []
    seen = watch()

    def pause(ms):
        pauses.append(ms)
        careofd.tables["ha"] = [row(count=len(pauses))]

    try:
        follow(seen, careofd, told.append, pause)
        raise AssertionError("it went on without a careofd")
    except OSError:
        pass
    assert careofd.followed == ["registrations"] and pauses == [TRAPS_GAP_MS] * 2 and len(told) == 2


def test_without_a_careofd_it_waits_for_one():
    tries, pauses, careofd = [], [], Careofd()

    def connect():
        tries.append(1)
        if len(tries) == 1:
            raise OSError(2, "nobody")
        if len(tries) == 2:
            raise Refused("too many")
        return careofd

    def pause(ms):
        pauses.append(ms)
        if len(pauses) == 4:
            raise Gone

    try:
        serve(watch(), connect, [].append, pause)
    except Gone:
        pass
    assert pauses == [TRAPS_RETRY_MS] * 4 and len(tries) == 4 and careofd.closed == 2


if __name__ == "__main__":
    from runner import main

    main(globals())

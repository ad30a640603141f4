"""What is known of an uplink, and which one ought to carry."""

from collections import namedtuple

from careof.agent.events import Link
from careof.agent.mobile_router.uplinks import Uplink, better_than, by_promise
from careof.limits import FLAP_FORGIVEN_MS, FLAP_PENALTY_MAX, PROOF_GOOD_MS
from careof.proto.registration import BIND, Granted
from office import router_options
from world import Chance

Section = namedtuple(
    "Section", "name device preference association hysteresis_s attachment movement delivery"
)
ADDRESS, GATEWAY = bytes((203, 0, 113, 2)), bytes((203, 0, 113, 1))


def uplink(name="wan", preference=10, hysteresis_s=10, there=True):
    section = Section(name, name + "0", preference, None, hysteresis_s, "own", "eager", "direct")
    result = Uplink(section, preference, router_options().router, Chance(1).octets)
    if there:
        result.link_changed(Link(name + "0", True, ADDRESS, 24, GATEWAY), 0)
        result.came(0)
    return result


def test_usable_is_carrier_and_address_and_a_way_out():
    for link, usable in (
        (Link("wan0", True, ADDRESS, 24, GATEWAY), True),
        (Link("wan0", True, ADDRESS, 32, None), True),
        (Link("wan0", True, ADDRESS, 24, None), False),
        (Link("wan0", True, None, 0, GATEWAY), False),
        (Link("wan0", False, ADDRESS, 24, GATEWAY), False),
    ):
        one = uplink(there=False)
        one.link_changed(link, 0)
        assert one.usable() == usable, link


def test_only_what_matters_is_a_change():
    one = uplink()
    assert not one.link_changed(Link("wan0", True, ADDRESS, 24, GATEWAY), 5)
    assert one.link_changed(Link("wan0", True, bytes((203, 0, 113, 3)), 24, GATEWAY), 5)
    assert one.link_changed(Link("wan0", True, bytes((203, 0, 113, 3)), 24, ADDRESS), 5)


def test_a_proof_is_good_for_a_while():
    one = uplink()
    assert not one.proven(0)
    one.answered(1000)
    assert one.proven(1000 + PROOF_GOOD_MS - 1) and not one.proven(1000 + PROOF_GOOD_MS)


def test_the_promising_come_first():
    wan, wwan, lte = uplink("wan", 10), uplink("wwan", 20), uplink("lte", 30)
    gone = uplink("dsl", 5, there=False)
    assert by_promise([lte, gone, wwan, wan], 0) == [wan, wwan, lte]
    lte.answered(0)
    assert by_promise([lte, gone, wwan, wan], 1) == [lte, wan, wwan]


def test_a_better_one_waits_for_its_hysteresis():
    wan, wwan = uplink("wan", 10), uplink("wwan", 20)
    assert better_than(wwan, [wan, wwan], 0) == (None, None)
    wan.answered(1000)
    assert better_than(wwan, [wan, wwan], 1000) == (None, 11000)
    assert better_than(wwan, [wan, wwan], 11000) == (wan, None)
    assert better_than(wan, [wan, wwan], 11000) == (None, None)


def test_a_break_starts_the_hysteresis_anew_and_doubles_it():
    wan, wwan = uplink("wan", 10), uplink("wwan", 20)
    wan.answered(0)
    for failures in range(1, 8):
        wan.failed(1000)
        assert wan.return_ms(1000) is None
        wan.answered(2000)
        penalty = min(1 << failures, FLAP_PENALTY_MAX)
        assert better_than(wwan, [wan, wwan], 2000) == (None, 2000 + 10000 * penalty)


def test_failures_are_forgiven_with_time():
    wan = uplink("wan", 10)
    for _ in range(4):
        wan.answered(0)
        wan.failed(0)
    soon, later = 1000, 4 * FLAP_FORGIVEN_MS
    wan.answered(soon)
    assert wan.return_ms(soon) - soon == 16 * 10000
    assert wan.return_ms(later) is None  # its proof is old
    wan.answered(later)
    assert wan.return_ms(later) - later == 10000


def test_failing_twice_without_a_proof_in_between_is_one_failure():
    wan = uplink("wan", 10)
    wan.answered(0)
    for _ in range(5):
        wan.failed(0)
    wan.answered(0)
    assert wan.return_ms(0) == 20000


def test_a_binding_starts_unlive_and_its_renewal_changes_nothing():
    wan = uplink()
    granted = Granted(BIND, 600, True, 30, True, 40)
    wan.bound_now(granted, 100)
    assert not wan.live and wan.liveness is not None and wan.keepalive_ms == 30100
    wan.live, liveness = True, wan.liveness
    wan.bound_now(granted, 5000)
    assert wan.live and wan.liveness is liveness and wan.keepalive_ms == 35000
    wan.bound_now(Granted(BIND, 600, False, 110, True, 40), 6000)
    assert wan.keepalive_ms is None


def test_a_keepalive_interval_has_a_bottom():
    wan = uplink()
    wan.bound_now(Granted(BIND, 600, True, 1, True, 40), 0)
    assert wan.keepalive_s == 10


def test_a_lost_link_leaves_nothing_behind():
    wan = uplink()
    wan.round_trip.measured(500)
    wan.bound_now(Granted(BIND, 600, True, 30, True, 40), 0)
    wan.live = True
    wan.answered(0)
    wan.lost(1000)
    assert not wan.live and wan.liveness is None and wan.keepalive_ms is None and wan.prove_ms is None
    assert wan.round_trip.smoothed_ms is None and not wan.proven(1000)


if __name__ == "__main__":
    from runner import main

    main(globals())

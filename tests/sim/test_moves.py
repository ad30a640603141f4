"""A session lives through every change of uplink. Topology: office.py."""

from office import LTE, WAN, WWAN, Office

INTERRUPTION_OF_WORK_MS = 20  # detection and work, beside one round trip


def test_a_router_registers_and_a_session_runs():
    office = Office().open("wan0")
    assert office.router.moves == [(None, "wan", "start")]
    assert office.bindings() == [WAN]
    office.session.begin()
    office.world.run(5000)
    assert office.session.lost() == 0 == office.session.copies()
    assert office.session.interruption_ms(4000) == 0


def test_a_pulled_cable_costs_one_round_trip():
    office = Office().open("wan0", "wwan0", "lte0")
    office.session.begin()
    office.world.run(5000)
    pulled_ms = office.world.now_ms
    office.router.cable("wan0", False)
    office.world.run(5000)
    assert office.carrying() == "wwan"
    assert office.router.moves[-1] == ("wan", "wwan", "link lost")
    assert office.bindings() == [WWAN]
    # The gate opens after one round trip; the first answer takes one more.
    assert office.session.interruption_ms(pulled_ms) <= 2 * 50 + INTERRUPTION_OF_WORK_MS


if __name__ == "__main__":
    from runner import main

    main(globals())

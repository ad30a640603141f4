"""A session lives through every change of uplink. Topology and delays: office.py."""

from careof.agent import events
from office import LTE, WAN, WWAN, Office, router_options

WORK_MS = 20  # what detection and work may take, beside round trips
ROUND_TRIP_MS = {"wan": 20, "wwan": 50, "lte": 120}


def talking(*devices, **options):
    """An office that is open for a while, with a session under way on its best uplink."""
    office = Office(**options).open(*devices)
    office.world.run(2000)
    office.session.begin()
    office.world.run(3000)
    assert office.session.lost() == 0
    return office, office.world.now_ms


def test_a_router_registers_and_a_session_runs():
    office = Office().open("wan0")
    assert office.router.moves == [(None, "wan", "start")]
    assert office.bindings() == [WAN]
    office.session.begin()
    office.world.run(5000)
    assert office.session.lost() == 0 == office.session.copies()
    assert office.session.interruption_ms(4000) == 0


def test_a_planned_move_loses_nothing_either_way():
    office, began_ms = talking("wan0", "wwan0", "lte0")
    for name in ("wwan", "lte", "wan"):
        answer = office.router.command("move", name)
        assert answer["to"] == name, answer
        office.world.run(8000)
        assert office.carrying() == name
    assert [to for _, to, _ in office.router.moves] == ["wan", "wwan", "lte", "wan"]
    assert office.session.lost() == 0 == office.session.copies()
    # A slower uplink's first answer is late by the difference of the delays, no more.
    assert office.session.interruption_ms(began_ms) <= ROUND_TRIP_MS["lte"]
    assert office.bindings() == [WAN]
    paths = [key for key in office.router.tunneld.held if key[0] in ("path", "tunnel")]
    assert len(paths) == 2, paths


def test_a_router_returns_to_a_better_uplink_after_its_hysteresis():
    office, _ = talking("wwan0")
    assert office.carrying() == "wwan"
    plugged_ms = office.world.now_ms
    office.router.cable("wan0", True)
    office.world.run(9000)
    assert office.carrying() == "wwan"
    office.world.run(3000)
    assert office.carrying() == "wan"
    assert office.router.moves[-1] == ("wwan", "wan", "better uplink")
    office.world.run(3000)
    assert office.session.lost(plugged_ms) == 0 == office.session.copies()
    assert office.bindings() == [WAN]


def test_a_commanded_move_stays_until_that_uplink_fails():
    office, _ = talking("wan0", "wwan0")
    office.router.command("move", "wwan")
    office.world.run(60000)
    assert office.carrying() == "wwan"
    office.router.cable("wwan0", False)
    office.world.run(1000)
    assert office.carrying() == "wan"
    office.router.cable("wwan0", True)
    office.world.run(60000)
    assert office.carrying() == "wan"


def test_a_planned_move_without_simultaneous_bindings_loses_nothing_either():
    """What is on its way by the slow tunnel is still taken at both ends, for a grace."""
    office, _ = talking("wan0", "lte0", router=router_options(simultaneous=False))
    for name in ("lte", "wan"):
        office.router.command("move", name)
        office.world.run(8000)
        assert office.carrying() == name
    assert office.session.lost() == 0 == office.session.copies()


def renew(office, name):
    """The uplink's binding is due for its renewal now."""
    for uplink in office.router.role.uplinks:
        if uplink.name == name:
            uplink.registration._renew_ms = office.world.now_ms
    office.router.tell(events.Late())


def test_a_late_renewal_by_the_old_uplink_does_not_undo_a_move():
    office, _ = talking("wan0", "wwan0")
    office.router.command("move", "wwan")
    office.world.run(200)
    assert office.carrying() == "wwan" and office.bindings() == [WAN, WWAN]
    renew(office, "wan")
    office.world.run(100)
    assert office.carrying() == "wwan" and office.bindings() == [WAN]
    office.world.run(5000)
    assert office.carrying() == "wwan" and office.bindings() == [WWAN]
    assert office.session.lost() == 0 == office.session.copies()


def test_a_move_waits_for_a_renewal_under_way():
    office, _ = talking("wan0", "lte0")
    office.router.command("move", "lte")
    office.world.run(5000)
    asked = len(office.wires["wan0"].passed["out"])
    renew(office, "lte")
    office.router.command("move", "wan")
    office.world.run(119)
    assert len(office.wires["wan0"].passed["out"]) == asked
    office.world.run(5000)
    assert office.carrying() == "wan" and office.bindings() == [WAN]
    assert office.session.lost() == 0 == office.session.copies()


def test_a_pulled_cable_costs_one_round_trip():
    office, pulled_ms = talking("wan0", "wwan0", "lte0")
    office.router.cable("wan0", False)
    office.world.run(5000)
    assert office.carrying() == "wwan"
    assert office.router.moves[-1] == ("wan", "wwan", "link lost")
    assert office.bindings() == [WWAN]
    # The gate opens after one round trip; the answer to what waited takes one more.
    assert office.session.interruption_ms(pulled_ms) <= 2 * ROUND_TRIP_MS["wwan"] + WORK_MS
    # What waited at the gate was not lost: only what was on its way, either way, on the cable.
    assert office.session.lost(pulled_ms) <= 2


def test_the_next_uplink_is_asked_when_the_best_does_not_answer():
    office, pulled_ms = talking("wan0", "wwan0", "lte0")
    office.router.silence("wwan0")
    office.router.cable("wan0", False)
    office.world.run(3000)
    assert office.carrying() == "lte"
    assert office.session.interruption_ms(pulled_ms) <= 1000


def test_the_cable_comes_back_to_a_router_that_has_nothing_else():
    office, _ = talking("wan0")
    office.router.cable("wan0", False)
    office.world.run(20000)
    assert office.carrying() is None
    plugged_ms = office.world.now_ms
    office.router.cable("wan0", True)
    office.world.run(3000)
    assert office.carrying() == "wan"
    assert office.session.interruption_ms(plugged_ms) <= 2 * ROUND_TRIP_MS["wan"] + WORK_MS


def test_another_address_is_another_network():
    office, changed_ms = talking("wan0", "wwan0")
    office.wires["wan0"].plug(bytes((203, 0, 113, 9)))
    office.router.link("wan0")
    office.world.run(20000)
    assert office.carrying() == "wan"
    assert office.bindings() == [bytes((203, 0, 113, 9))]
    assert office.session.interruption_ms(changed_ms) <= 2 * ROUND_TRIP_MS["wwan"] + WORK_MS


def test_a_silent_death_is_found_and_left_within_a_second():
    for name, device, other in (("wan", "wan0", "wwan"), ("wwan", "wwan0", "lte")):
        devices = ("wan0", "wwan0", "lte0") if name == "wan" else ("wwan0", "lte0")
        office, died_ms = talking(*devices)
        assert office.carrying() == name
        office.router.silence(device)
        office.world.run(5000)
        assert office.carrying() == other, office.world.log
        assert office.router.moves[-1] == (name, other, "silent")
        assert office.session.interruption_ms(died_ms) <= 1000, office.world.log
        assert office.bindings() == [{"wwan": WWAN, "lte": LTE}[other]]


def test_a_silent_death_with_one_association_for_all():
    office, died_ms = talking("wan0", "wwan0", router=router_options(shared="branch-wan"))
    office.router.silence("wan0")
    office.world.run(5000)
    assert office.carrying() == "wwan"
    assert office.session.interruption_ms(died_ms) <= 1000


def test_a_silent_death_without_simultaneous_bindings():
    office, died_ms = talking("wan0", "wwan0", router=router_options(simultaneous=False))
    office.router.silence("wan0")
    office.world.run(5000)
    assert office.carrying() == "wwan"
    assert office.session.interruption_ms(died_ms) <= 1200


def test_a_forgotten_mapping_is_repaired_by_the_same_uplink():
    office, forgot_ms = talking("wwan0", "lte0")
    office.wires["wwan0"].nat.forget()
    office.world.run(5000)
    assert office.carrying() == "wwan", office.world.log
    assert office.router.moves == [(None, "wwan", "start")]
    assert office.session.interruption_ms(forgot_ms) <= 2000
    assert office.bindings() == [WWAN]


def test_a_forgotten_mapping_of_a_router_with_nothing_to_send_is_found():
    office = Office().open("wwan0")
    office.wires["wwan0"].nat.forget()
    office.world.run(20000)
    before = office.router.counters.get("path_dead", 0)
    office.session.begin()
    office.world.run(3000)
    assert office.session.lost() == 0
    assert office.router.counters.get("path_dead", 0) == before


def test_a_dead_router_path_that_comes_back_carries_again():
    office, _ = talking("wan0")
    office.router.silence("wan0")
    office.world.run(60000)
    assert office.router.role.snapshot(office.world.now_ms)["state"] == "silent"
    spoke_ms = office.world.now_ms
    office.router.silence("wan0", False)
    office.world.run(3000)
    # The gate stayed open: the first packet that passes is the proof.
    assert office.session.interruption_ms(spoke_ms) <= ROUND_TRIP_MS["wan"] + WORK_MS
    assert office.router.role.snapshot(office.world.now_ms)["state"] == "connected"


def test_a_flapping_uplink_is_left_in_peace_longer_each_time():
    office = Office().open("wan0", "wwan0")
    stays_ms = []
    for _ in range(4):
        office.router.cable("wan0", False)
        office.world.run(1000)
        assert office.carrying() == "wwan"
        office.router.cable("wan0", True)
        plugged_ms = office.world.now_ms
        while office.carrying() != "wan":
            office.world.run(1000)
            assert office.world.now_ms - plugged_ms < 400000
        stays_ms.append(office.world.now_ms - plugged_ms)
        office.world.run(2000)
    assert stays_ms == sorted(stays_ms) and stays_ms[-1] >= 4 * stays_ms[0], stays_ms


def test_an_uplink_that_answers_requests_but_passes_no_data_is_not_moved_to():
    office, began_ms = talking("wwan0")
    office.wires["wan0"].only_signalling = True
    office.router.cable("wan0", True)
    office.world.run(60000)
    assert office.carrying() == "wwan"
    assert [move for move in office.router.moves if move[1] == "wan"] == []
    assert office.session.lost(began_ms) == 0
    assert office.bindings() == [WWAN]


if __name__ == "__main__":
    from runner import main

    main(globals())

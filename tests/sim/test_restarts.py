"""Every process may die and be restarted, and configurations change, under a session. Topology: office.py."""

from careof.agent import events
from careof.agent.paths import ANYWHERE
from office import HOME, LAN, WAN, WWAN, Node, Office, agent_options, router_options


def talking(*devices, **options):
    office = Office(**options).open(*devices)
    office.world.run(2000)
    office.session.begin()
    office.world.run(3000)
    return office, office.world.now_ms


def about(machine, prefix):
    """The keys of all that is held for a prefix."""
    return [key for key in machine.tunneld.held if prefix[0] in [part for part in key if type(part) is bytes]]


def uninterrupted(office, since_ms):
    return office.session.lost(since_ms) == 0 and office.session.interruption_ms(since_ms) == 0


def test_the_routers_careofd_is_killed_and_nothing_is_lost():
    for device in ("wan0", "wwan0"):
        for replay in ("timestamps", "nonces"):
            office, killed_ms = talking(device, replay=replay)
            held = dict(office.router.tunneld.held)
            moves = len(office.router.moves)
            office.router.kill()
            office.world.run(2000)
            office.router.start()
            assert office.router.settled
            office.world.run(20000)
            assert uninterrupted(office, killed_ms), (device, replay, office.world.log)
            assert [
                key for key in held if key[0] != "route" and office.router.tunneld.held.get(key) != held[key]
            ] == []
            assert len(office.router.moves) == moves
            assert office.router.counters.get("reply_133", 0) == (1 if replay == "nonces" else 0)


def test_a_router_that_was_restarted_goes_on_moving():
    office, _ = talking("wan0", "wwan0")
    office.router.kill()
    office.router.start()
    office.world.run(100)
    pulled_ms = office.world.now_ms
    office.router.cable("wan0", False)
    office.world.run(5000)
    assert office.carrying() == "wwan"
    assert office.session.interruption_ms(pulled_ms) <= 120
    assert office.router.moves[-1] == ("wan", "wwan", "link lost")


def test_a_cable_pulled_while_careofd_was_dead_is_seen_at_once():
    office, _ = talking("wan0", "wwan0")
    office.router.kill()
    office.wires["wan0"].up = False
    office.world.run(1000)
    office.router.start()
    started_ms = office.world.now_ms
    office.world.run(3000)
    assert office.carrying() == "wwan"
    assert office.session.interruption_ms(started_ms) <= 120


def test_a_restart_in_the_middle_of_a_move_ends_well():
    for after_ms in range(0, 1200, 97):
        office, began_ms = talking("wan0", "wwan0")
        office.router.command("move", "wwan")
        office.world.run(after_ms)
        office.router.kill()
        office.world.run(300)
        office.router.start()
        office.world.run(30000)
        assert office.session.lost(began_ms) == 0, (after_ms, office.world.log)
        assert len(office.bindings()) == 1, after_ms
        assert office.carrying() == ("wan" if office.bindings() == [WAN] else "wwan"), after_ms


def test_what_was_saved_for_another_home_agent_is_not_used():
    office, _ = talking("wan0")
    office.router.kill()
    office.options = router_options(home_address=bytes((10, 77, 0, 9)))
    office.router.start()
    assert not office.router.settled
    assert office.carrying() is None


def test_a_router_goes_on_with_what_an_older_careofd_kept():
    """It had neither names nor agents nor revocation."""
    office, killed_ms = talking("wan0", "wwan0")
    office.router.kill()
    value = office.router.saved["mobile_router-branch.state"]
    del value["learnt"]
    value["for"] = value["for"][:4]
    for _, _, _, binding in value["uplinks"]:
        for name in ("agent", "revocable", "plain") if binding else ():
            del binding[name]
    office.router.start()
    assert office.router.settled
    office.world.run(20000)
    assert uninterrupted(office, killed_ms) and "state_unreadable" not in office.router.counters


def test_saved_state_that_is_damaged_is_left_out():
    for value in (None, [], {}, {"for": 1}, "x", 5):
        office, _ = talking("wan0")
        office.router.kill()
        office.router.saved["mobile_router-branch.state"] = value
        office.router.start()
        office.world.run(2000)
        assert office.carrying() == "wan", value


def test_the_home_agents_careofd_is_killed_and_nothing_is_lost():
    for replay in ("timestamps", "nonces"):
        office, killed_ms = talking("wan0", "wwan0", replay=replay)
        office.agent.kill()
        office.world.run(1000)
        office.agent.start()
        office.world.run(3000)
        assert uninterrupted(office, killed_ms), replay
        office.router.cable("wan0", False)
        office.world.run(3000)
        assert office.carrying() == "wwan"
        assert office.bindings() == [WWAN]


def test_a_home_agent_that_forgot_everything_is_told_again():
    office, _ = talking("wwan0")
    office.agent.kill()
    office.agent.tunneld.restart()
    office.agent.saved.clear()
    office.agent.held.clear()
    office.agent.start()
    restarted_ms = office.world.now_ms
    office.world.run(10000)
    assert office.carrying() == "wwan"
    assert office.bindings() == [WWAN]
    assert office.session.interruption_ms(restarted_ms) <= 2000


def test_tunneld_is_killed_and_gets_all_of_it_again():
    office, killed_ms = talking("wan0", "wwan0")
    office.router.kill_tunneld(100)
    office.world.run(5000)
    assert office.carrying() == "wan"
    assert office.session.interruption_ms(killed_ms) <= 200
    assert office.router.moves == [(None, "wan", "start")]


def test_a_cable_pulled_while_tunneld_was_dead_is_made_up_for_at_once():
    office, _ = talking("wan0", "wwan0")
    office.router.kill_tunneld(20000)
    office.router.cable("wan0", False)
    office.world.run(20000)
    up_ms = office.world.now_ms
    office.world.run(3000)
    assert office.carrying() == "wwan"
    assert office.session.interruption_ms(up_ms) <= 120


def test_a_search_that_tunneld_did_not_live_to_see_starts_anew():
    office = Office().open()
    office.router.silence("wan0")
    office.router.cable("wan0", True)
    office.world.run(40000)  # asked, and asked again ever later
    office.router.kill_tunneld(100)
    office.router.silence("wan0", False)
    office.world.run(300)
    assert office.carrying() == "wan"


def test_numbers_stay_with_their_uplinks_over_a_reload_and_a_restart():
    office, _ = talking("wwan0", router=router_options(names=("wwan", "lte")))
    reload(office, router_options())
    numbers = {uplink.name: uplink.number for uplink in office.router.role.uplinks}
    assert numbers["wwan"] < numbers["lte"] < numbers["wan"]
    killed_ms = office.world.now_ms
    office.router.kill()
    office.router.start()
    assert {uplink.name: uplink.number for uplink in office.router.role.uplinks} == numbers
    office.world.run(3000)
    assert uninterrupted(office, killed_ms)


def test_an_uplink_that_tunneld_cannot_open_is_tried_again():
    office, _ = talking("wan0", "wwan0")
    message = office.router.held["uplink", office.router.role.uplinks[0].number]
    office.router.tell(events.Refused(message, 19, "no such device"))
    assert "cannot be opened" in " ".join([text for _, _, text in office.router.log])
    office.world.run(1000)
    assert office.carrying() == "wwan"
    office.world.run(60000)
    assert office.carrying() == "wan"
    assert ("uplink", message.uplink) in office.router.held


def test_nobody_is_settled_before_something_passes_or_it_has_been_long():
    office = Office()
    office.router.start()
    office.world.run(29000)
    assert not office.router.settled
    office.world.run(2000)
    assert office.router.settled


# -- Reload


def reload(office, options):
    office.options = options
    office.router.tell(events.Reconfigured(options))


def test_the_same_options_change_nothing():
    office, _ = talking("wan0", "wwan0")
    log, moves = len(office.router.log), len(office.router.moves)
    reload(office, router_options())
    assert (log, moves) == (len(office.router.log), len(office.router.moves))


def test_an_uplink_comes_and_goes_and_the_session_stays():
    office, since_ms = talking("wan0", "wwan0", "lte0", router=router_options(names=("wan", "wwan")))
    reload(office, router_options(names=("wan", "lte")))
    office.world.run(3000)
    assert [row["uplink"] for row in office.router.role.snapshot(0)["uplinks"]] == ["wan", "lte"]
    assert uninterrupted(office, since_ms)
    office.router.cable("wan0", False)
    office.world.run(3000)
    office.router.link("lte0")
    office.world.run(3000)
    assert office.carrying() == "lte"


def test_the_carrying_uplink_is_taken_away():
    office, since_ms = talking("wan0", "wwan0")
    reload(office, router_options(names=("wwan", "lte")))
    office.world.run(3000)
    assert office.carrying() == "wwan"
    assert office.session.interruption_ms(since_ms) <= 120
    assert [key for key in office.router.held if key[0] == "uplink"] != []


def test_another_network_behind_the_router_is_captured_and_let_in():
    office, since_ms = talking("wan0")
    more = (bytes((10, 77, 2, 0)), 24)
    reload(office, router_options(mobile_network=(LAN, more)))
    assert ("capture",) + more + ("",) in office.router.tunneld.held
    assert {key[0] for key in about(office.router, more)} == {"capture", "inner", "route", "spare"}
    reload(office, router_options())
    assert about(office.router, more) == []
    office.world.run(2000)
    assert uninterrupted(office, since_ms)


def test_another_home_agent_is_started_with_from_nothing():
    office, _ = talking("wan0")
    reload(office, router_options(contact=(bytes((198, 51, 100, 99)), 434)))
    assert office.carrying() is None
    assert office.router.tunneld.held["route", bytes(4), 0, HOME, 32].gate == 1
    reload(office, router_options())
    office.world.run(2000)
    assert office.carrying() == "wan"


def test_a_shorter_lifetime_is_asked_for_soon():
    office, since_ms = talking("wan0")
    reload(office, router_options(lifetime_s=60))
    office.world.run(3000)
    assert office.status("wan")["lifetime_left_s"] <= 60
    assert uninterrupted(office, since_ms)


def test_a_node_that_the_home_agent_does_not_serve_any_more_is_gone():
    office, _ = talking("wan0")
    kept = office.agent_options
    none = (
        kept._replace(nodes=[])
        if hasattr(kept, "_replace")
        else type(kept)(kept.agent, [], [], kept.associations, {}, None)
    )
    office.agent.tell(events.Reconfigured(none))
    assert [
        key for key in office.agent.held if key[0] in ("tunnel", "path", "route", "inner", "deliver")
    ] == []
    office.agent.tell(events.Reconfigured(kept))
    office.world.run(10000)
    assert office.bindings() == [WAN]


def test_a_node_gets_another_network_at_the_home_agent():
    office, since_ms = talking("wan0")
    kept, more = office.agent_options, (bytes((10, 77, 2, 0)), 24)
    node = Node("branch", HOME, (LAN, more), kept.nodes[0].association)
    office.agent.tell(events.Reconfigured(type(kept)(kept.agent, [node], [], kept.associations, {}, None)))
    assert ("route",) + more + ANYWHERE in office.agent.tunneld.held
    assert ("deliver",) + more in office.agent.tunneld.held
    office.agent.tell(events.Reconfigured(kept))
    assert about(office.agent, more) == []
    office.world.run(2000)
    assert uninterrupted(office, since_ms)


def test_the_home_agent_takes_another_packet_size():
    office, since_ms = talking("wan0")
    office.agent.tell(events.Reconfigured(agent_options(packet_size=1300)))
    paths = [m for key, m in office.agent.tunneld.held.items() if key[0] == "path"]
    assert [path.packet_size for path in paths] == [1300]
    office.world.run(2000)
    assert uninterrupted(office, since_ms)


def test_the_home_agent_says_goodbye_and_keeps_what_it_has():
    office, _ = talking("wan0")
    office.agent.command("stop")
    assert office.agent.stopped
    office.agent.kill()
    office.agent.start()
    assert office.bindings() == [WAN]


if __name__ == "__main__":
    from runner import main

    main(globals())

"""What `careof status` prints of the snapshots that roles make."""

from careof.status.tables import TABLES, show_status, show_value, table

UPLINK = {
    "uplink": "wan",
    "device": "wan0",
    "carrier": True,
    "address": "203.0.113.2",
    "gateway": None,
    "carries": True,
    "proven": True,
    "bound": True,
    "live": True,
    "tunnel": "ipip",
    "nat": False,
    "round_trip_ms": 20,
    "lifetime_left_s": 595,
    "last_refusal": None,
}
ROUTER = {
    "name": "mobile_router-branch",
    "state": "connected",
    "carrying": "wan",
    "chosen": None,
    "home_address": "10.77.0.2",
    "home_agent": "198.51.100.10",
    "contact": "198.51.100.10:434",
    "uplinks": [UPLINK],
}
STATUS = {
    "interpreter": "micropython 1.24.0",
    "up_s": 3723,
    "tunneld": "up",
    "keys": "soft",
    "roles": [ROUTER],
}


def test_a_status_is_a_header_and_a_table_a_role():
    lines = list(show_status(STATUS))
    assert lines[0] == "careofd on micropython 1.24.0, up 1:02:03, tunneld up, keys soft"
    assert lines[2] == "mobile_router-branch"
    assert lines[3] == "  state         connected"
    assert lines[4] == "  carried by    wan"
    assert lines[-2].split()[:3] == ["uplink", "device", "carrier"]
    assert lines[-1].split() == ("wan wan0 yes 203.0.113.2 - - yes yes yes yes ipip no 20 595 -".split())


def test_columns_are_as_wide_as_their_widest_cell():
    assert list(table([("a", "bb"), ("ccc", None)])) == ["a    bb", "ccc  -"]


def test_every_role_without_rows_is_shown_too():
    lines = list(show_status(dict(STATUS, roles=[{"name": "home_agent-ha", "bindings": 0, "bound": []}])))
    assert lines[2:] == ["home_agent-ha", "  bindings  0"]


def test_counters_are_in_the_order_of_their_names():
    value = {"careofd": {"b": 2, "a": 1}, "tunneld": {"c": 3}}
    assert list(show_value("counters", value)) == ["careofd", "  a  1", "  b  2", "tunneld", "  c  3"]


def test_the_columns_are_those_of_the_snapshots():
    from office import Office

    office = Office().open("wan0", "wwan0")
    for role, name in ((office.router.role, "uplinks"), (office.agent.role, "bound")):
        snapshot = role.snapshot(office.world.now_ms)
        for key, _ in TABLES[name]:
            assert key in snapshot[name][0], key


if __name__ == "__main__":
    from runner import main

    main(globals())

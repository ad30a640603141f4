"""The ubus object of rpcd, and a mobile router as an interface: what is said of what careofd answers."""

from careof.status import interface, rpcd
from careof.status.connection import Refused

UPLINK = {
    "uplink": "wan",
    "device": "eth0",
    "carrier": True,
    "address": "192.0.2.2",
    "agent": None,
    "carries": True,
}
ROUTER = {
    "name": "mobile_router-branch",
    "kind": "mobile_router",
    "state": "connected",
    "home_address": "10.77.0.2",
    "home_agent": "198.51.100.10",
    "host": {"dns_servers": ["10.1.0.53", "10.1.1.53"]},
    "uplinks": [UPLINK],
    "last_refusal": [],
}
STATUS = {"tunneld": "up", "networks": {"eth0": {"network": "ssid Cafe"}}, "roles": [ROUTER]}


class Careofd:
    """What a Connection would give."""

    def __init__(self, rows=1):
        self.asked = []
        self._rows = rows

    def ask(self, command, *arguments):
        self.asked.append((command,) + arguments)
        if command == "status":
            return STATUS
        if command == "roles":
            return [{"name": "home_agent-ha", "kind": "home_agent"}, {"name": "x", "kind": "foreign_agent"}]
        if command == "move" and arguments == ("lte",):
            raise Refused("uplink lte: no carrier")
        return "done" if command == "reload" else {"to": arguments[0]}

    def pages(self, role, table):
        yield [{"node": number} for number in range(self._rows)]


def mistake_of(method, given):
    try:
        rpcd.call(Careofd(), method, given)
    except (ValueError, Refused) as e:
        return str(e)
    return None


def test_every_method_answers_an_object():
    careofd = Careofd()
    assert rpcd.call(careofd, "status", {}) is STATUS
    assert rpcd.call(careofd, "move", {"uplink": "wan", "ubus_rpc_session": "0"}) == {"to": "wan"}
    assert rpcd.call(careofd, "revoke", {"node": "vans"}) == {"to": "vans"}
    assert rpcd.call(careofd, "reload", {}) == {"answer": "done"}
    assert careofd.asked == [("status",), ("move", "wan"), ("revoke", "vans"), ("reload",)]


def test_tables_are_those_of_the_roles_that_have_them_and_bounded():
    assert rpcd.call(Careofd(), "bindings", {}) == {
        "bindings": [{"node": 0, "role": "home_agent-ha"}],
        "more": False,
    }
    shown = rpcd.call(Careofd(rpcd.ROWS_MAX + 5), "bindings", {})
    assert len(shown["bindings"]) == rpcd.ROWS_MAX and shown["more"] is True


def test_uplinks_come_with_what_they_are_attached_to():
    (row,) = rpcd.call(Careofd(), "uplinks", {})["uplinks"]
    assert row["attached"] == {"network": "ssid Cafe"} and row["role"] == "mobile_router-branch"


def test_what_is_wrong_is_said():
    assert mistake_of("move", {}) == "move: expected 'uplink', a string"
    assert mistake_of("move", {"uplink": 7}) == "move: expected 'uplink', a string"
    assert mistake_of("move", []) == "move: expected an object"
    assert mistake_of("move", {"uplink": "lte"}) == "uplink lte: no carrier"
    error = rpcd.answered("stop", "{}", "/no/such")["error"]
    assert error.startswith("method 'stop': expected one of agents, ")
    assert rpcd.answered("status", "{", "/no/such") == {"error": "status: the arguments are not JSON"}
    assert rpcd.answered("status", "[" * 5000, "/no/such") == {"error": "status: the arguments are not JSON"}
    error = rpcd.answered("status", "", "/no/such")["error"]
    assert error.startswith("careofd does not answer at /no/such/status.sock")


def test_the_list_says_the_types():
    methods = rpcd.signatures()
    assert methods["move"] == {"uplink": "string"} and methods["status"] == {}


# -- An interface


def line(router=None, name="branch", **more):
    return interface.line_of(dict(STATUS, roles=[dict(ROUTER, **(router or {}))], **more), name)


def test_a_router_that_carries_is_up():
    assert line() == "up 10.77.0.2 wan eth0 10.1.0.53 10.1.1.53"
    assert line(name="") == "up 10.77.0.2 wan eth0 10.1.0.53 10.1.1.53"
    assert line({"host": None, "state": "moving"}) == "up 10.77.0.2 wan eth0"


def test_why_it_is_down_is_said_in_words():
    searching = {"state": "searching", "uplinks": [dict(UPLINK, carries=False)]}
    assert line(searching) == "down searching: the home agent 198.51.100.10 has not answered by wan"
    assert line(searching, tunneld="away") == "down careof-tunneld is away"
    unplugged = dict(searching, uplinks=[dict(UPLINK, carries=False, carrier=False)])
    assert line(unplugged) == "down no uplink has carrier and an address: wan"
    refusal = {
        "source": "198.51.100.10",
        "code": 131,
        "name": "x",
        "means": "failed",
        "change": "compare keys",
    }
    refused = dict(searching, last_refusal=[refusal])
    assert line(refused) == "down refused by 198.51.100.10: code 131 (failed): compare keys"
    assert line({"state": "silent"}).startswith("down silent: ")


def test_which_router_is_meant_must_be_clear():
    assert line(name="other") == "down no mobile_router 'other'"
    two = dict(STATUS, roles=[ROUTER, dict(ROUTER, name="mobile_router-other")])
    assert interface.line_of(two, "") == "down 2 mobile routers: option router says which"
    assert interface.line_of(two, "branch").startswith("up ")


def test_only_what_is_new_is_said_and_nothing_that_breaks_a_line():
    said = []
    teller = interface.Teller("branch", said.append)
    for text in ("up a", "up a", "down b\nup c", "down b\nup c", "up a"):
        teller.tell(text)
    assert said == ["up a", "down b?up c", "up a"]


if __name__ == "__main__":
    from runner import main

    main(globals())

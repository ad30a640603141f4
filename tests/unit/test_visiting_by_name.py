"""A router that knows its name alone, by a foreign agent's link: no home address, no home agent, no contact
(RFC 2794, 4433). All three roles are ours, back to back.

    router -- frames -- foreign agent 10.9.0.1, care-of address 192.0.2.7 -- datagrams -- home agent
"""

from careof.agent import events
from careof.agent.events import RouterOptions
from careof.wire import ipv4, mip, tunneld
from careof.wire import mip_extensions as ext
from foreign import CARE_OF, LAN, LINK, MAC, Foreign
from office import AGENT
from test_home_agent_names import POOL, Home, nai
from test_router_visiting import FIRST, Node, options

AGENT_MAC = b"\x02\x00\x00\x00\x00\x09"
NOBODY = bytes(4)


def by_name(**changes):
    values = {
        "home_address": None,
        "nai": nai(0),
        "home_agent": None,
        "contact": None,
        "network_mode": "implicit",
        "mobile_network": (),
        "host_configuration": True,
    }
    values.update(changes)
    made = options(**values)
    return RouterOptions(made.router, made.uplinks, made.associations)


class Visit:
    """The three, and what passes between them."""

    def __init__(self, home=None, **foreign):
        self.node = Node(by_name())
        self.foreign = Foreign(**dict({"home_agent": AGENT}, **foreign))
        self.home = home or Home(changes={"dns_server": (bytes((10, 1, 0, 53)),)})
        self._frames = self._sent = self._relayed = self._replied = 0
        self.node.up().hears(LINK, AGENT_MAC, care_of=CARE_OF)

    def run(self, now_ms=20):
        """Carry everything to where it goes, until nothing more is said."""
        moved = True
        while moved:
            moved = self._to_foreign(now_ms) | self._to_home(now_ms)
            moved |= self._to_foreign_back(now_ms) | self._to_node(now_ms)
        return self

    def _to_foreign(self, now_ms):
        found = self.node.requests()[self._frames :]
        self._frames += len(found)
        for frame in (
            [f for f in self.node.frames if f.link_address == AGENT_MAC][-len(found) :] if found else []
        ):
            self.foreign.tell(events.Frame(LAN, MAC, 0, frame.data), now_ms)
        return bool(found)

    def _to_home(self, now_ms):
        found = self.foreign.to_agent[self._sent :]
        self._sent += len(found)
        for address, port, data in found:
            assert (address, port) == (AGENT, 434)
            self.home.datagram(data, CARE_OF, now_ms=now_ms)
        return bool(found)

    def _to_foreign_back(self, now_ms):
        found = self.home.sent_octets[self._replied :]
        self._replied += len(found)
        for data in found:
            self.foreign.from_agent(data, now_ms)
        return bool(found)

    def _to_node(self, now_ms):
        found = self.foreign.to_node[self._relayed :]
        self._relayed += len(found)
        for mac, data in found:
            if mac == MAC:
                self.node.frame(data, AGENT_MAC, now_ms)
        return bool(found)

    def shown(self):
        return self.node.role.snapshot(20)


def test_a_router_is_told_everything_through_a_foreign_agent():
    visit = Visit().run()
    request = visit.node.requests()[0][2].message
    assert (request.home_address, request.home_agent) == (NOBODY, b"\xff\xff\xff\xff")
    assert request.care_of_address == CARE_OF and ext.find(request.extensions, ext.DynamicHomeAgent) is None
    shown = visit.shown()
    home = ipv4.parse_address(shown["home_address"])
    assert ipv4.covers(POOL, home) and shown["home_agent"] == "198.51.100.10"
    assert shown["host"] == {"dns_servers": ["10.1.0.53"]} and visit.node.row()["bound"]
    assert visit.foreign.visitors() == [shown["home_address"]]
    assert visit.home.routes() == {(home, 32): (2,)}
    # All that is held by the router is of the address that it was given.
    held = visit.node.held
    assert held["tun",].address == home and held["uplink", FIRST].address == home
    assert held["route", NOBODY, 0, home, 32].gate == tunneld.GATE_OPEN
    assert held["tunnel", FIRST] == tunneld.SetLinkTunnel(FIRST, FIRST, AGENT_MAC)


def test_before_that_nothing_is_sent_from_no_address_but_the_request():
    node = Node(by_name()).up().hears(LINK, AGENT_MAC, care_of=CARE_OF)
    assert [datagram.source for _, datagram, _ in node.requests()] == [NOBODY]
    assert [key for key in node.held if key[0] in ("uplink", "tunnel", "path", "capture", "route")] == []


def test_the_next_requests_name_what_was_granted():
    visit = Visit().run()
    home = ipv4.parse_address(visit.shown()["home_address"])
    visit.node.late(200000).hears(LINK, AGENT_MAC, 200010, care_of=CARE_OF)  # it was out of hearing
    visit.run(200020)
    _, datagram, received = visit.node.last()
    assert datagram.source == home
    assert (received.message.home_address, received.message.home_agent) == (home, AGENT)
    assert visit.node.row()["bound"] and visit.foreign.visitors() == [ipv4.address_text(home)]


def test_an_agent_that_knows_no_home_agent_refuses_and_says_why():
    visit = Visit(home_agent=None, message="ask at the desk").run()
    assert visit.node.row()["last_code"] == 90 and visit.shown()["home_address"] is None
    assert visit.shown()["messages"] == {"foreign agent": "ask at the desk"}
    assert visit.home.sent == []


def test_a_home_agents_words_come_through_and_a_foreign_agents_stand_beside():
    home = Home(changes={"message_accepted": "hello from home"})
    visit = Visit(home=home, message="and from here").run()
    assert visit.shown()["messages"] == {"home agent": "hello from home", "foreign agent": "and from here"}


def test_a_refusal_of_the_home_agent_comes_through_without_an_address():
    visit = Visit(home=Home(nodes=1, pool=(ipv4.parse_prefix("198.51.100.10/32"),))).run()
    assert visit.home.code() == 130  # the only address is the agent's own
    assert visit.node.row()["last_code"] == 130 and visit.shown()["home_address"] is None
    assert visit.foreign.visitors() == [] and type(visit.home.sent[-1][2]) is mip.RegistrationReply


if __name__ == "__main__":
    from runner import main

    main(globals())

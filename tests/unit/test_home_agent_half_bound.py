"""Nodes with an address of their own behind a NAT that register through a foreign agent (RFC 3519 4.6, R)."""

from careof.agent import events
from careof.wire import icmp, ipv4, tunneld
from careof.wire import mip_extensions as ext
from office import AGENT, HOME, LAN
from test_home_agent import CARE_OF, FORGER, OUTSIDE
from test_home_agents_peers import Home

AGENTS_PORT, NODES_PORT, ANOTHERS_PORT = 40001, 40002, 40003
OTHER_HOME = bytes((10, 77, 0, 9))
GRE = b"\x00\x00\x08\x00"


class Behind(Home):
    """OUTSIDE is the NAT's address: the foreign agent's and the node's alike."""

    def __init__(self, **more):
        super().__init__(peers=(), **more)

    @property
    def inner(self):
        """What was sent by a path itself."""
        return [a for a in self.others if isinstance(a, events.SendInner)]

    def through_agent(self, encapsulation=0, now_ms=0, **more):
        wanted = [ext.UdpTunnelRequest(ext.UDP_THROUGH_AGENT, encapsulation)]
        self.datagram(self.request(extensions=wanted, **more), OUTSIDE, AGENTS_PORT, now_ms)
        return self

    def keepalive(self, port=NODES_PORT, source=OUTSIDE, home=HOME, to=AGENT, now_ms=0, **more):
        echo = icmp.Echo(more.get("kind", icmp.ECHO_REQUEST), 7, 1, b"still here")
        packet = more.get("packet", icmp.pack_packet(home, to, echo))
        header = more.get("header", b"\4\4\0\0")
        return self.datagram(header + packet, source, port, now_ms)

    def ends(self):
        """Of what the route to the home address leads by: (kind, peer, port) of each."""
        [paths] = [m.paths for key, m in self.held.items() if key[0] == "route" and m.destination == HOME]
        tunnels = [self.held["tunnel", number] for number in paths]
        return [(t.kind, t.peer, t.peer_port) for t in tunnels]


def test_it_is_assented_to_and_the_tunnel_waits_for_its_port():
    home = Behind().through_agent()
    assert home.code() == 0 and home.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, 0)]
    told = ext.find(home.received().message.extensions, ext.UdpTunnelReply)
    assert told == ext.UdpTunnelReply(0, False, 110)


def test_the_first_keepalive_sets_the_port_and_is_answered_by_it():
    home = Behind().through_agent().keepalive()
    assert home.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, NODES_PORT)]
    assert home.counts["half_bound_completed"] == 1
    [answer] = home.inner
    assert home.held["path", answer.path].tunnels == (answer.path,)
    assert home.held["tunnel", answer.path].peer_port == NODES_PORT
    source, destination, echo = icmp.unpack_packet(answer.data)
    assert (source, destination) == (AGENT, HOME)
    assert echo == icmp.Echo(icmp.ECHO_REPLY, 7, 1, b"still here")
    # Its networks go the same way.
    [route] = [m for key, m in home.held.items() if key[0] == "route" and m.destination == LAN[0]]
    assert route.paths == (answer.path,)


def test_a_port_is_set_once_until_the_node_registers_again():
    """6.1.2: whoever else is behind the same NAT comes too late."""
    home = Behind().through_agent().keepalive()
    for _ in range(3):
        home.keepalive(ANOTHERS_PORT)
    assert home.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, NODES_PORT)]
    assert home.counts["keepalive_not_awaited"] == 3 and len(home.inner) == 1
    home.through_agent(now_ms=1000)
    assert home.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, 0)]
    home.keepalive(ANOTHERS_PORT, now_ms=1100)
    assert home.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, ANOTHERS_PORT)]


def test_what_is_no_keepalive_of_that_node_sets_nothing():
    """4.6: from the same outer address, from the home address, to the home agent, an echo request."""
    reply = icmp.pack_packet(HOME, AGENT, icmp.Echo(icmp.ECHO_REPLY, 7, 1, b""))
    datagram = ipv4.pack(ipv4.Packet(HOME, AGENT, ipv4.UDP, 64, 0, 0, True, bytes(8)))
    for changes in (
        {"source": FORGER},
        {"source": CARE_OF},
        {"home": OTHER_HOME},
        {"to": FORGER},
        {"packet": reply},
        {"packet": datagram},
        {"packet": b""},
        {"packet": bytes(28)},
        {"header": b"\4\4"},
        {"header": b"\4\x37\0\0"},
        {"header": b"\4\x2f\0\0" + GRE},  # another encapsulation than was asked for
        {"header": b"\4\x2f\0\0"},
    ):
        home = Behind().through_agent()
        before = dict(home.held)
        home.keepalive(**changes)
        assert home.held == before and home.inner == [], changes
        assert home.counts.get("keepalive_not_awaited", 0) + home.counts.get("keepalive_malformed", 0) == 1
        home.keepalive()  # the control
        assert home.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, NODES_PORT)]


def test_two_nodes_behind_one_nat_each_have_a_port():
    home = Behind(networks=(), others=(OTHER_HOME,))
    home.through_agent().through_agent(home=OTHER_HOME)
    home.keepalive(ANOTHERS_PORT, home=OTHER_HOME)
    assert home.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, 0)]
    home.keepalive()
    assert home.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, NODES_PORT)]
    ports = sorted([m.peer_port for key, m in home.held.items() if key[0] == "tunnel"])
    assert ports[-2:] == [NODES_PORT, ANOTHERS_PORT]


def test_gre_in_udp_too():
    home = Behind().through_agent(ext.ENCAPSULATION_GRE)
    assert home.ends() == [(tunneld.KIND_MIP_UDP_GRE, OUTSIDE, 0)]
    home.keepalive(header=b"\4\x2f\0\0" + GRE)
    assert home.ends() == [(tunneld.KIND_MIP_UDP_GRE, OUTSIDE, NODES_PORT)]


def test_without_r_or_where_udp_is_not_allowed_there_is_nothing_half_bound():
    home = Behind(udp_tunnelling=False).through_agent()
    assert home.code() == 129
    plain = Behind()
    plain.datagram(plain.request(extensions=[ext.UdpTunnelRequest(0, 0)]), OUTSIDE, AGENTS_PORT)
    plain.keepalive()
    assert plain.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, AGENTS_PORT)] and plain.inner == []


def test_it_is_half_bound_over_a_restart_too():
    home = Behind().through_agent()
    home.tell(events.Late(), home.role.deadline())
    again = Behind()
    again.role = type(home.role)(home.options, lambda size: bytes(size), 1)
    for name, value in home.saved.items():
        again.tell(events.Restored(name, value))
    again.tell(events.Start())
    assert again.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, 0)]
    again.keepalive()
    assert again.ends() == [(tunneld.KIND_MIP_UDP, OUTSIDE, NODES_PORT)]


if __name__ == "__main__":
    from runner import main

    main(globals())

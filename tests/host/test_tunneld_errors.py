"""What careof-tunneld makes of ICMP errors about what it sent: the kernel's own, and forged ones.

Beyond the outside namespace there is nothing: it is a router whose kernel says so, once a second at least.
"""

import socket
import struct

import pytest
from careof.wire import tunneld as wire
from namespaces import Namespace, join
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw
from tunneld_process import cannot_run, ip
from tunneld_world import HOME, PEER, SERVER, SIZE, TUNNEL_DATA, World, good

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))

US, BEYOND = "192.0.2.1", "203.0.113.9"
IP_RECVERR, MSG_ERRQUEUE, ORIGIN_ICMP = 11, 0x2000, 2
NETWORK, HOST, PROTOCOL, PORT, TOO_BIG, SOURCE_ROUTE = range(6)  # codes of "destination unreachable"
KINDS = {
    "ipip": (wire.KIND_IPIP, 0, 0),
    "minimal": (wire.KIND_MINIMAL, 0, 0),
    "gre": (wire.KIND_GRE, 0, 0),
    "gre with a key": (wire.KIND_GRE, 1, 77),
    "udp": (wire.KIND_MIP_UDP, 0, 0),
    "gre in udp": (wire.KIND_MIP_UDP_GRE, 0, 0),
}


class Beyond(World):
    """With a way to everywhere by a router that knows no further, and that says so each time."""

    def __init__(self):
        super().__init__()
        self.router.ip("route", "add", "203.0.113.0/24", "via", PEER)
        for setting in ("ip_forward=1", "icmp_ratelimit=0"):
            self.outside.run("sysctl", "-qw", f"net.ipv4.{setting}")
        self.icmp = self.outside.inside(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        )
        self.inner.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)

    def out(self, payload=b"out", tos=0):
        while self.told(0) is not None:
            pass  # what was told before is of no interest, and would be sendto()'s
        super().out(payload, tos)

    def told_of(self, payload):
        """told(), of such a packet: sent again where the kernel has said too much of late."""
        for _ in range(5):
            self.out(payload)
            told = self.told(1.2)
            if told is not None:
                return told
        return None

    def beyond_is(self, kind):
        """unreachable (host), prohibit (13), or nothing: no route there (network)."""
        self.outside.ip("route", "replace", kind, "203.0.113.0/24")

    def tunnel_beyond(self, name, number=5):
        kind, has_key, key = KINDS[name]
        port = 434 if "udp" in name else 0
        self.client.set(
            wire.SetTunnel(number, kind, 1, ip(BEYOND), port, has_key, key),
            wire.SetInner(number, ip("10.9.0.0"), 16, ip(HOME), 32),
            wire.SetPath(number, SIZE, 0, (number,)),
        )
        self.route(wire.GATE_OPEN, number)

    def forge(self, *layers, source=PEER, destination=US, kind=3, code=HOST):
        """An ICMP error about these layers, cut to what they are."""
        quoted = b"".join([bytes(layer) for layer in layers])
        error = IP(src=source, dst=destination) / ICMP(type=kind, code=code) / Raw(quoted)
        self.icmp.sendto(bytes(error), (US, 0))

    def told(self, timeout_s=1):
        """(ICMP type, code, who is unreachable) as the sender's kernel was told of its packet, or None."""
        self.inner.settimeout(timeout_s)
        try:
            while True:
                try:
                    self.inner.recv(1000)
                except (TimeoutError, BlockingIOError):
                    return None
                except OSError:
                    pass  # the error, which is in the queue as well
                _, control, _, address = self.inner.recvmsg(2000, 512, MSG_ERRQUEUE)
                for level, kind, data in control:
                    if (level, kind) == (socket.IPPROTO_IP, IP_RECVERR):
                        _, origin, icmp_type, icmp_code = struct.unpack_from("=IBBB", data)
                        assert origin == ORIGIN_ICMP
                        return icmp_type, icmp_code, address[0]
        finally:
            self.inner.settimeout(2)

    def remove(self):
        self.icmp.close()
        super().remove()


@pytest.fixture(scope="module")
def world():
    made = Beyond()
    yield made
    made.remove()


# -- Signalling


def unreachable(world, destination, port, data):
    for patience_s in (1.2, 1.2, 1.2, 1.2, 5):
        world.client.send(wire.SendSignal(1, ip(destination), port, data))
        try:
            return world.client.wait_for(wire.Unreachable, patience_s)
        except TimeoutError:
            pass
    return None


@pytest.mark.parametrize(
    "kind, code",
    [("unreachable", HOST), ("prohibit", 13), ("throw", NETWORK)],
    ids=["host", "prohibited", "network"],
)
def test_the_kernels_word_about_signalling_goes_up_with_what_it_quotes(world, kind, code):
    world.beyond_is(kind)
    data = b"\x01" + bytes(range(200))
    told = unreachable(world, BEYOND, 434, data)
    assert told == wire.Unreachable(1, ip(BEYOND), 434, 3, code, data)


def test_a_port_where_nobody_listens(world):
    told = unreachable(world, PEER, 4340, b"\x01anybody")
    assert told == wire.Unreachable(1, ip(PEER), 4340, 3, PORT, b"\x01anybody")


def test_no_more_goes_up_than_signalling_has(world):
    world.beyond_is("unreachable")
    told = unreachable(world, BEYOND, 434, bytes(1400))
    assert 500 <= len(told.data) <= 512


def test_forged_words_about_signalling(world):
    """Of what this uplink's socket cannot have sent: nothing goes up."""
    ours = UDP(sport=434, dport=434, len=40) / Raw(b"\x01request")
    for forged in (
        IP(src="192.0.2.9", dst=BEYOND) / ours,  # another's
        IP(src=US, dst=BEYOND) / UDP(sport=435, dport=434) / Raw(b"\x01request"),
        IP(src=US, dst=BEYOND, frag=5, proto=17) / Raw(bytes(8)),
        IP(src=US, dst=BEYOND) / TCP(sport=434, dport=434),
        Raw(bytes(40)),
    ):
        world.forge(forged)
    world.forge(IP(src=US, dst=BEYOND) / ours, kind=5)
    world.forge(IP(src=US, dst=BEYOND) / ours, kind=4)
    world.forge(IP(src=US, dst=BEYOND) / ours, kind=13)
    before = world.counters()["errors_up"]
    world.forge(IP(src=US, dst=BEYOND) / ours, code=7)  # the control
    told = world.client.wait_for(wire.Unreachable)
    assert told == wire.Unreachable(1, ip(BEYOND), 434, 3, 7, b"\x01request")
    assert world.counters()["errors_up"] == before + 1 and world.counted("errors_malformed", 2)


# -- Tunnels (RFC 2003 4 and 5)


@pytest.mark.parametrize(
    "name, kind, code",
    [(name, "unreachable", HOST) for name in KINDS if name != "minimal"]
    + [("ipip", "throw", NETWORK), ("ipip", "prohibit", HOST)],
)
def test_the_kernels_word_about_a_tunnel_goes_to_who_sent_the_inner_packet(world, name, kind, code):
    world.beyond_is(kind)
    world.tunnel_beyond(name)
    sent = world.counters()["icmp_unreachable_sent"]
    assert world.told_of(b"out of here") == (3, code, SERVER)
    assert world.counters()["icmp_unreachable_sent"] == sent + 1
    # The control: where the tunnel's end is there, nobody is told.
    world.route(wire.GATE_OPEN, 1)
    world.out(b"arrives")
    assert world.received()[Raw].load == b"arrives" and world.told(0.1) is None


def test_time_exceeded_inside_is_host_unreachable(world):
    """RFC 2003 4.4: two routers beyond the first hop send it to one another."""
    other = Namespace("loop")
    try:
        join(world.outside, "out1", "198.51.100.1/24", other, "loop0", "198.51.100.2/24")
        other.ip("route", "add", "default", "via", "198.51.100.1")
        for setting in ("ip_forward=1", "icmp_ratelimit=0", "conf.all.rp_filter=0"):
            other.run("sysctl", "-qw", f"net.ipv4.{setting}")
        world.outside.run("sysctl", "-qw", "net.ipv4.conf.out1.rp_filter=0")
        world.outside.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0")
        world.outside.ip("route", "replace", "203.0.113.0/24", "via", "198.51.100.2")
        world.tunnel_beyond("ipip")
        assert world.told_of(b"round and round") == (3, HOST, SERVER)
    finally:
        other.remove()
        world.beyond_is("unreachable")


INNER = IP(src=HOME, dst=SERVER) / UDP(sport=5000, dport=7) / Raw(b"as it was sent")


@pytest.mark.parametrize(
    "code, told",
    [
        (NETWORK, NETWORK),
        (HOST, HOST),
        (PROTOCOL, HOST),
        (PORT, None),
        (TOO_BIG, None),
        (SOURCE_ROUTE, None),
        (6, NETWORK),
        (7, HOST),
        (9, HOST),
        (11, NETWORK),
        (12, HOST),
        (13, HOST),
    ],
)
def test_each_code_is_what_it_means_to_the_sender(world, code, told):
    """RFC 2003 4.1. Sizes are not learnt from it (DESIGN 7)."""
    world.tunnel_beyond("ipip")
    world.forge(IP(src=US, dst=BEYOND, proto=4), INNER, code=code)
    assert world.told(1 if told is not None else 0.2) == (None if told is None else (3, told, SERVER))


def test_a_port_of_a_tunnel_in_udp_is_its_host(world):
    world.tunnel_beyond("udp")
    outer = IP(src=US, dst=BEYOND) / UDP(sport=434, dport=434, len=60)
    world.forge(outer, TUNNEL_DATA, INNER, code=PORT)
    assert world.told() == (3, HOST, SERVER)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_error_without_the_inner_packet_is_told_to_who_sends_next(world, name):
    """RFC 2003 5: soft state; what is sent goes out all the same, and what comes back ends it."""
    world.tunnel_beyond(name)
    protocol = {"ipip": 4, "minimal": 55, "gre": 47, "gre with a key": 47}.get(name)
    if protocol is None:
        udp = struct.pack(">HHHH", 434, 434, 60, 0)
        world.forge(IP(src=US, dst=BEYOND, proto=17), udp, code=NETWORK)
    else:
        world.forge(IP(src=US, dst=BEYOND, proto=protocol), bytes(8), code=NETWORK)
    assert world.told(0.1) is None
    before = world.counters()["out_packets"]
    world.beyond_is("blackhole")  # it says nothing itself
    world.out()
    assert world.told() == (3, NETWORK, SERVER)
    assert world.counted("out_packets", before + 1)
    world.client.set(wire.DropTunnel(5))
    world.beyond_is("unreachable")


def test_what_comes_by_the_tunnel_ends_its_soft_state(world):
    world.route(wire.GATE_OPEN, 1)
    udp = struct.pack(">HHHH", 434, 434, 60, 0)
    world.forge(IP(src=US, dst=PEER, proto=17), udp)
    world.out(b"one")
    assert world.told() == (3, HOST, SERVER) and world.received()[Raw].load == b"one"
    world.come(good(b"alive"))
    assert world.inner.recv(100) == b"alive"
    world.out(b"two")
    assert world.told(0.2) is None and world.received()[Raw].load == b"two"


def test_forged_words_about_a_tunnel(world):
    """Nobody hears of a packet that we would not have sent by it, nor about an error, nor of one of two."""
    world.tunnel_beyond("ipip")
    outer = IP(src=US, dst=BEYOND, proto=4)
    sent = world.counters()["icmp_unreachable_sent"]
    error = IP(src=HOME, dst=SERVER) / ICMP(type=3) / Raw(bytes(28))
    for layers in (
        (IP(src=US, dst="203.0.113.10", proto=4), INNER),  # no tunnel leads there
        (IP(src="192.0.2.9", dst=BEYOND, proto=4), INNER),  # not from this uplink
        (IP(src=US, dst=BEYOND, proto=47), b"\0\0\x08\0", INNER),  # in another encapsulation
        (outer, error),
        (outer, IP(src=HOME, dst=SERVER, frag=9) / Raw(bytes(40))),
    ):
        world.forge(*layers)
    world.route(wire.GATE_OPEN, 1)  # our packets do not go by that tunnel
    world.forge(outer, INNER)
    world.route(wire.GATE_OPEN, 1, 5)  # or not by that one alone
    world.forge(outer, INNER)
    assert world.told(0.3) is None
    world.route(wire.GATE_OPEN, 5)
    world.forge(outer, INNER)  # the control
    assert world.told() == (3, HOST, SERVER)
    assert world.counters()["icmp_unreachable_sent"] == sent + 1


def test_a_flood_of_errors_is_cut_and_traffic_passes(world):
    world.route(wire.GATE_OPEN, 1)
    limited = world.counters()["errors_limited"]
    quoted = bytes(IP(src=US, dst=PEER, proto=17)) + struct.pack(">HHHH", 434, 434, 60, 0)
    forged = bytes(IP(src=PEER, dst=US) / ICMP(type=3, code=1) / Raw(quoted))
    for _ in range(3000):
        world.icmp.sendto(forged, (US, 0))
    assert world.counters()["errors_limited"] > limited + 2000
    world.come(good(b"alive"))
    assert world.inner.recv(100) == b"alive"
    world.out(b"still")
    assert world.received()[Raw].load == b"still"


def test_neither_a_gate_nor_a_tunnel_moves_for_them(world):
    """What the error names stays as it was set: only careofd changes it."""
    world.tunnel_beyond("ipip")
    for code in range(16):
        world.forge(IP(src=US, dst=BEYOND, proto=4), INNER, code=code)
    before = world.counters()["out_packets"]
    world.beyond_is("blackhole")
    world.out(b"x" * (SIZE - 28))
    assert world.counted("out_packets", before + 1)

"""GRE and minimal encapsulation on the wire: scapy and tshark read ours, we read what scapy builds."""

import random
import socket
import struct

import pytest
from careof.wire import tunneld as wire
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import GRE
from scapy.packet import Raw
from scapy.utils import checksum as inet_checksum
from test_mip_eyes import complaints, fields, tshark  # noqa: F401
from tunneld_process import cannot_run, ip
from tunneld_world import HOME, PEER, SERVER, SIZE, World, good

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
GRE_TUNNEL, MINIMAL_TUNNEL, UDP_GRE_TUNNEL = 3, 4, 5
KEY = 0xC0FFEE
OUR_END = "192.0.2.1"


class Kinds(World):
    """The world of the other tests, with a tunnel of each kind more and raw sockets at the outside."""

    def __init__(self):
        super().__init__()
        self.client.set(
            wire.SetTunnel(GRE_TUNNEL, wire.KIND_GRE, 1, ip(PEER), 0, 1, KEY),
            wire.SetTunnel(MINIMAL_TUNNEL, wire.KIND_MINIMAL, 1, ip(PEER), 0, 0, 0),
            wire.SetTunnel(UDP_GRE_TUNNEL, wire.KIND_MIP_UDP_GRE, 1, ip(PEER), 434, 0, 0),
        )
        for tunnel in (GRE_TUNNEL, MINIMAL_TUNNEL, UDP_GRE_TUNNEL):
            self.client.set(
                wire.SetInner(tunnel, ip("10.9.0.0"), 16, ip(HOME), 32),
                wire.SetPath(tunnel, SIZE, 0, (tunnel,)),
            )
        self.raws = {protocol: self.outside_raw(protocol) for protocol in (4, 47, 55)}

    def outside_raw(self, protocol):
        raw = self.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol))
        raw.settimeout(1)
        return raw

    def outer(self, protocol):
        """The next outer packet of that protocol at the outside."""
        return IP(self.raws[protocol].recv(65536))

    def silent(self, protocol):
        try:
            self.raws[protocol].recv(65536)
        except TimeoutError:
            return True
        return False

    def put(self, packet):
        """A whole outer packet from the peer, to us."""
        sender = self.outside.inside(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        )
        sender.sendto(bytes(packet), (OUR_END, 0))
        sender.close()

    def lets_in(self, packet):
        """Is what this outer packet carries delivered? What comes after it tells when it must have been."""
        self.put(packet)
        self.come(good(b"control"))
        first = self.inner.recv(65536)
        if first == b"control":
            return False
        assert self.inner.recv(65536) == b"control"
        return True

    def remove(self):
        for raw in self.raws.values():
            raw.close()
        super().remove()


@pytest.fixture
def world():
    made = Kinds()
    yield made
    made.remove()


def gre(inner, key=KEY, **more):
    header = GRE(key_present=int(key is not None), key=key, **more)
    return IP(src=PEER, dst=OUR_END) / header / inner


def minimal(inner, source=True, flags=None, wrong=0, cut=None, outer=None):
    """RFC 2004 by hand: scapy has no layer for it."""
    inner = IP(bytes(inner))
    head = struct.pack(">BBH4s", inner.proto, 0x80 if source else 0, 0, ip(inner.dst))
    if flags is not None:
        head = head[:1] + bytes((flags,)) + head[2:]
    if source:
        head += ip(inner.src)
    head = head[:2] + struct.pack(">H", inet_checksum(head) ^ wrong) + head[4:]
    packet = IP(src=PEER, dst=OUR_END, proto=55, ttl=inner.ttl, id=inner.id, flags=inner.flags, tos=inner.tos)
    for name, value in (outer or {}).items():
        setattr(packet, name, value)
    return packet / Raw((head + bytes(inner.payload))[:cut])


# -- Out


def test_gre_is_what_scapy_and_tshark_read(world, tshark):  # noqa: F811
    world.route(wire.GATE_OPEN, GRE_TUNNEL)
    world.out(b"by gre")
    packet = world.outer(47)
    assert packet[GRE].proto == 0x0800 and packet[GRE].key == KEY and packet[GRE].chksum_present == 0
    assert (packet[GRE][IP].src, packet[GRE][IP].dst) == (HOME, SERVER)
    assert bytes(packet[GRE][UDP].payload) == b"by gre"
    [layers] = tshark([packet])
    assert not complaints(layers) and dict(fields(layers))["gre.key"] == f"0x{KEY:08x}"


def test_gre_in_udp_is_what_scapy_reads(world):
    """tshark takes all tunnel data for IP in IP, whatever its next header says."""
    world.route(wire.GATE_OPEN, UDP_GRE_TUNNEL)
    world.out(b"by gre in udp")
    data = world.udp.recv(65536)
    assert data[:4] == b"\4\x2f\0\0" and bytes(GRE(data[4:])[UDP].payload) == b"by gre in udp"


def test_minimal_encapsulation_is_laid_out_as_rfc_2004_3_1(world):
    world.route(wire.GATE_OPEN, MINIMAL_TUNNEL)
    world.out(b"by minimal", tos=0x28)
    packet = world.outer(55)
    assert (packet.src, packet.dst, packet.tos) == (OUR_END, PEER, 0x28)
    data = bytes(packet.payload)
    protocol, flags, _, destination, source = struct.unpack(">BBH4s4s", data[:12])
    assert (protocol, flags, destination, source) == (17, 0x80, ip(SERVER), ip(HOME))
    assert inet_checksum(data[:12]) == 0
    inner = UDP(data[12:])
    assert (inner.dport, bytes(inner.payload)) == (7, b"by minimal")


def test_what_minimal_encapsulation_cannot_carry_goes_as_ip_in_ip(world):
    world.route(wire.GATE_OPEN, MINIMAL_TUNNEL)
    world.out(random.randbytes(3000))  # leaves in fragments that fit
    fragments = [world.outer(4).payload for _ in range(3)]
    assert fragments[0][IP].frag == 0 and fragments[0][IP].flags.MF
    assert all((fragment[IP].src, fragment[IP].dst) == (HOME, SERVER) for fragment in fragments)
    assert world.silent(55)


def test_each_kind_to_one_peer_beside_the_others(world):
    for tunnel, protocol in ((2, 4), (GRE_TUNNEL, 47), (MINIMAL_TUNNEL, 55)):
        world.route(wire.GATE_OPEN, tunnel)
        world.out(b"this way")
        assert bytes(world.outer(protocol)).endswith(b"this way")
        assert all(world.silent(other) for other in world.raws if other != protocol)


# -- In


def test_what_scapy_builds_is_delivered(world):
    for number, make in enumerate(
        (
            gre,
            lambda inner: gre(inner, chksum_present=1),
            lambda inner: gre(inner, seqnum_present=1, sequence_number=9),
            lambda inner: gre(inner, chksum_present=1, seqnum_present=1, sequence_number=10),
            minimal,
            lambda inner: IP(src=PEER, dst=OUR_END, proto=4) / inner,  # also what minimal falls back to
        )
    ):
        assert world.lets_in(make(good(id=100 + number))), number
    udp_gre = b"\4\x2f\0\0" + bytes(GRE() / good(b"in udp"))
    world.udp.sendto(udp_gre, (OUR_END, 434))
    assert world.inner.recv(2048) == b"in udp"


def test_what_minimal_carries_comes_out_as_it_went_in(world):
    sniff = world.router.inside(
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    )
    sniff.bind(("careof0", 0x0800))
    sniff.settimeout(1)
    sent = good(b"whole", ttl=33, id=4711, flags="DF", tos=0x28)
    world.put(minimal(sent))
    packet = IP(sniff.recv(2048))
    sniff.close()
    again = IP(bytes(sent))
    assert (packet.ttl, packet.id, packet.flags, packet.tos) == (33, 4711, again.flags, 0x28)
    assert (packet.src, packet.dst, bytes(packet[UDP])) == (again.src, again.dst, bytes(again[UDP]))


def test_only_the_right_key_and_peer(world):
    for packet, counter in (
        (gre(good(), key=KEY + 1), "in_key"),
        (gre(good(), key=None), "in_key"),
        (IP(src="192.0.2.3", dst=OUR_END) / GRE(key_present=1, key=KEY) / good(), "in_no_tunnel"),
        (minimal(good(), outer={"src": "192.0.2.3"}), "in_no_tunnel"),
        (gre(good(src="198.51.100.1")), "in_bad_source"),
        (minimal(good(src="198.51.100.1")), "in_bad_source"),
        (minimal(good(dst="10.77.0.9")), "in_bad_destination"),
        (minimal(good(), source=False), "in_bad_source"),  # then the peer itself would be the sender
    ):
        before = world.counters()[counter]
        assert not world.lets_in(packet), packet.summary()
        assert world.counters()[counter] == before + 1, (counter, packet.summary())
    before = world.counters()["in_key"]
    world.udp.sendto(b"\4\x2f\0\0" + bytes(GRE(key_present=1, key=1) / good()), (OUR_END, 434))
    assert world.counted("in_key", before + 1)


def test_lengths_flags_and_sums_that_lie(world):
    whole = bytes(gre(good(), chksum_present=1))
    for packet in (
        gre(good(), version=1),
        gre(good(), routing_present=1),
        gre(good(), recursion_control=1),
        IP(src=PEER, dst=OUR_END) / GRE(key_present=1, key=KEY, proto=0x86DD) / Raw(bytes(40)),
        IP(whole[:-1] + bytes((whole[-1] ^ 1,))),
        IP(src=PEER, dst=OUR_END, proto=47) / Raw(b"\x20\0\x08\0\0"),
        IP(src=PEER, dst=OUR_END, proto=47) / Raw(b""),
        minimal(good(), wrong=1),
        minimal(good(), flags=0x81),
        minimal(good(), cut=11),
        minimal(good(), cut=7),
        minimal(good(), cut=0),
        minimal(good(), outer={"flags": "MF"}),
    ):
        assert not world.lets_in(packet), packet.summary()
    counters = world.counters()
    # All but the last, which the kernel keeps: the other fragments never come.
    assert counters["in_malformed"] + counters["in_short"] + counters["in_unknown_kind"] == 12


def test_nothing_inside_what_is_inside(world):
    """Recursion: what a tunnel carries is delivered, never opened again by us."""
    inner = IP(src=SERVER, dst=HOME) / GRE(key_present=1, key=KEY) / good(b"twice")
    assert not world.lets_in(gre(inner))
    assert not world.lets_in(minimal(IP(src=SERVER, dst=HOME, proto=55) / Raw(b"x" * 40)))


def test_pings_and_tcp_pass_too(world):
    world.route(wire.GATE_OPEN, MINIMAL_TUNNEL)
    caller = world.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    caller.bind((HOME, 0))
    caller.setblocking(False)
    with pytest.raises(BlockingIOError):
        caller.connect((SERVER, 80))
    packet = world.outer(55)
    syn = TCP(bytes(packet.payload)[12:])
    assert syn.flags == "S" and dict(syn.options)["MSS"] == SIZE - 40
    rebuilt = IP(src=HOME, dst=SERVER) / TCP(bytes(packet.payload)[12:])
    wanted = rebuilt[TCP].chksum
    del rebuilt[TCP].chksum
    assert TCP(bytes(rebuilt)[20:]).chksum == wanted
    caller.close()
    echo = IP(src=SERVER, dst=HOME) / ICMP(id=5, seq=6) / b"ping"
    world.put(minimal(echo))
    answer = world.outer(55)
    assert ICMP(bytes(answer.payload)[12:]).type == 0


def test_tunnels_that_cannot_be_are_refused(world):
    for message in (
        wire.SetTunnel(9, wire.KIND_GRE, 1, ip("192.0.2.9"), 0, 0, 5),
        wire.SetTunnel(9, wire.KIND_GRE, 1, ip("192.0.2.9"), 0, 2, 5),
        wire.SetTunnel(9, wire.KIND_IPIP, 1, ip("192.0.2.9"), 0, 1, 5),
        wire.SetTunnel(9, wire.KIND_MINIMAL, 1, ip("192.0.2.9"), 0, 1, 5),
        wire.SetTunnel(9, 5, 1, ip("192.0.2.9"), 434, 0, 0),  # minimal in UDP is not to be had
        wire.SetTunnel(9, wire.KIND_GRE, 1, ip(PEER), 0, 1, KEY + 1),  # that of the other one
    ):
        with pytest.raises(ValueError):
            world.client.set(message)


def test_a_tunnel_that_changes_its_kind_keeps_its_place(world):
    world.client.set(wire.SetTunnel(GRE_TUNNEL, wire.KIND_GRE, 1, ip(PEER), 0, 0, 0))
    world.route(wire.GATE_OPEN, GRE_TUNNEL)
    world.out(b"no key")
    assert world.outer(47)[GRE].key_present == 0
    assert world.lets_in(gre(good(), key=None)) and not world.lets_in(gre(good()))
    world.client.set(wire.SetTunnel(GRE_TUNNEL, wire.KIND_MIP_UDP, 1, ip(PEER), 4999, 0, 0))
    assert not world.lets_in(gre(good(), key=None))
    world.client.set(wire.SetTunnel(GRE_TUNNEL, wire.KIND_GRE, 1, ip(PEER), 0, 1, KEY))
    assert world.lets_in(gre(good()))


def test_a_thousand_home_addresses_behind_one_tunnel(world):
    """As behind a foreign agent: each with its row, none in the way of another."""
    rows = [wire.SetInner(GRE_TUNNEL, ip(f"10.66.{n >> 8}.{n & 255}"), 32, ip(HOME), 32) for n in range(1000)]
    for at in range(0, 1000, 100):
        world.client.set(*rows[at : at + 100])
    for n in (0, 499, 999):
        assert world.lets_in(gre(good(src=f"10.66.{n >> 8}.{n & 255}")))
    assert not world.lets_in(gre(good(src="10.66.3.232")))
    for n in range(0, 1000, 2):
        world.client.send(wire.DropInner(*rows[n]))
    world.client.counters()
    for n in range(0, 1000, 111):
        assert world.lets_in(gre(good(src=f"10.66.{n >> 8}.{n & 255}"))) == bool(n % 2), n
    assert world.lets_in(gre(good()))  # the row of another length

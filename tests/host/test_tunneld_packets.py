"""What careof-tunneld does to packets, on real interfaces: each rule with a control that passes.

router namespace: careof0 (10.77.0.2), up0 (192.0.2.1) ---- out0 (192.0.2.2): outside namespace
"""

import errno
import socket
import struct
import time

import pytest
from careof.wire import tunneld as wire
from namespaces import Namespace, join
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw
from tunneld_process import Tunneld, cannot_run, ip, status_of

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
ANY = bytes(4)
HOME, PEER, SERVER = "10.77.0.2", "192.0.2.2", "10.9.0.5"
SIZE = 1200
TUNNEL_DATA = b"\4\4\0\0"
PROBE = 0xCA0F
IP_MTU, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_DONT = 14, 10, 2, 0


class World:
    """One tunneld with one MIP-UDP and one IPIP tunnel, and a socket at every end."""

    def __init__(self):
        self.router, self.outside = Namespace("router"), Namespace("outside")
        join(self.router, "up0", "192.0.2.1/24", self.outside, "out0", f"{PEER}/24")
        self.outside.ip("address", "add", "192.0.2.3/24", "dev", "out0")
        self.tunneld = Tunneld(self.router)
        self.client = self.tunneld.client()
        self.client.replay(
            wire.SetTun(ip(HOME), 1500),
            wire.SetUplink(1, "up0", ANY, 434),
            wire.SetTunnel(1, wire.KIND_MIP_UDP, 1, ip(PEER), 434),
            wire.SetTunnel(2, wire.KIND_IPIP, 1, ip(PEER), 0),
            *(wire.SetInner(tunnel, ip("10.9.0.0"), 16, ip(HOME), 32) for tunnel in (1, 2)),
            wire.SetPath(1, SIZE, 0, (1,)),
            wire.SetPath(2, SIZE, 0, (2,)),
            wire.SetDeliver(ip("10.9.0.0"), 16),
            wire.SetProbe(PROBE),
        )
        self.route(wire.GATE_OPEN, 1)
        self.udp = self.outside_udp(PEER)
        self.raw = self.outside.inside(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPIP)
        )
        self.raw.settimeout(2)
        self.inner = self.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.inner.bind((HOME, 5000))
        self.inner.settimeout(2)
        self.inner.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)

    def outside_udp(self, address):
        peer = self.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        peer.bind((address, 434))
        peer.settimeout(2)
        return peer

    def route(self, gate, *paths, valid_s=wire.FOREVER_S):
        self.client.set(wire.SetRoute(ANY, 0, gate, valid_s, paths))

    def counters(self):
        return self.client.counters()

    def counted(self, name, value):
        """Does this counter come to the value, and stay there? Packets take a moment."""
        deadline = time.monotonic() + 2
        while self.counters()[name] < value and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.counters()[name] == value

    def out(self, payload=b"out", tos=0):
        self.inner.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        self.inner.sendto(payload, (SERVER, 7))

    def received(self):
        """The inner packet of the next tunnel data at the outside."""
        data = self.udp.recv(65536)
        assert data[:4] == TUNNEL_DATA
        return IP(data[4:])

    def come(self, inner, by=None):
        (by or self.udp).sendto(TUNNEL_DATA + bytes(inner), ("192.0.2.1", 434))

    def delivered(self, inner, by=None):
        """Is it delivered? A good packet sent after it tells when it must have been."""
        self.come(inner, by)
        self.come(good(b"control"))
        first = self.inner.recv(65536)
        if first == b"control":
            return False
        assert self.inner.recv(65536) == b"control"
        return True

    def remove(self):
        for each in (self.udp, self.raw, self.inner):
            each.close()
        self.tunneld.remove()
        self.router.remove()
        self.outside.remove()


@pytest.fixture
def world():
    world = World()
    yield world
    world.remove()


def good(payload=b"in", **more):
    fields = {"src": SERVER, "dst": HOME, "ttl": 60, **more}
    return IP(**fields) / UDP(sport=7, dport=5000) / Raw(payload)


# -- Out --------------------------------------------------------------------------------------------


def test_a_packet_leaves_as_tunnel_data(world):
    world.out(b"hello", tos=0xB8)
    inner = world.received()
    assert (inner.src, inner.dst, inner[UDP].dport, bytes(inner[Raw])) == (HOME, SERVER, 7, b"hello")
    sums = inner.chksum, inner[UDP].chksum
    rebuilt = inner.copy()
    del rebuilt.chksum, rebuilt[UDP].chksum
    rebuilt = IP(bytes(rebuilt))
    assert sums == (rebuilt.chksum, rebuilt[UDP].chksum)


def test_a_packet_leaves_in_ipip_with_df_and_the_inner_tos(world):
    world.route(wire.GATE_OPEN, 2)
    world.out(b"hello", tos=0xB9)  # DSCP 46, ECT(1)
    outer = IP(world.raw.recv(65536))
    assert outer.proto == 4 and outer.flags.DF and outer.ttl == 64 and outer.tos == 0xB9
    assert outer.src == "192.0.2.1" and outer.dst == PEER
    assert bytes(outer.payload)[:20] and outer[IP:2].dst == SERVER and outer[IP:2].tos == 0xB9


def test_gates_hold_open_and_close(world):
    world.route(wire.GATE_HOLD, 1)
    for number in range(80):
        world.out(b"%d" % number)
    assert world.counted("out_hold_full", 80 - 64)
    world.route(wire.GATE_OPEN, 1)
    assert [bytes(world.received()[Raw]) for _ in range(64)] == [b"%d" % n for n in range(64)]
    world.route(wire.GATE_CLOSED, 1)
    world.out(b"lost")
    assert world.counted("out_gate_closed", 1)
    world.route(wire.GATE_OPEN, 1)
    world.out(b"control")
    assert bytes(world.received()[Raw]) == b"control"


def test_what_is_held_too_long_is_dropped(world):
    world.route(wire.GATE_HOLD, 1)
    world.out(b"old")
    time.sleep(1.3)
    assert world.counted("out_hold_late", 1)
    world.out(b"young")
    world.route(wire.GATE_OPEN, 1)
    assert bytes(world.received()[Raw]) == b"young"


def test_a_route_that_runs_out_closes_and_is_told(world):
    world.route(wire.GATE_OPEN, 1, valid_s=1)
    world.out(b"control")
    assert bytes(world.received()[Raw]) == b"control"
    assert world.client.wait_for(wire.Expired) == wire.Expired(ANY, 0)
    world.out(b"late")
    assert world.counted("out_gate_closed", 1)
    world.route(wire.GATE_OPEN, 1, valid_s=100)
    world.out(b"again")
    assert bytes(world.received()[Raw]) == b"again"


def test_df_is_answered_with_the_packet_size(world):
    world.inner.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    world.inner.connect((SERVER, 7))
    world.inner.send(b"x" * SIZE)
    deadline = time.monotonic() + 2
    while world.inner.getsockopt(socket.IPPROTO_IP, IP_MTU) != SIZE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert world.counted("out_too_big", 1) and world.counted("icmp_too_big_sent", 1)
    with pytest.raises(OSError) as refused:
        world.inner.send(b"x" * SIZE)
    assert refused.value.errno == errno.EMSGSIZE
    world.inner.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # the error that ICMP left there
    world.inner.send(b"x" * (SIZE - 28))  # the control: just fits
    assert len(world.received()) == SIZE


def test_without_df_it_is_fragmented_inside(world):
    payload = bytes(range(256)) * 5
    world.out(payload)
    first, second = world.received(), world.received()
    assert len(first) <= SIZE and first.flags.MF and not second.flags.MF
    assert first.id == second.id and second.frag * 8 == len(first) - 20
    whole = bytes(first.payload) + bytes(second.payload)
    assert whole[8:] == payload
    assert world.counted("fragments_made", 2)


def test_mss_is_lowered_to_the_packet_size(world):
    caller = world.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    caller.setblocking(False)
    caller.bind((HOME, 0))
    caller.connect_ex((SERVER, 80))
    syn = world.received()
    assert dict(syn[TCP].options)["MSS"] == SIZE - 40
    checksum = syn[TCP].chksum
    del syn[TCP].chksum
    assert IP(bytes(syn))[TCP].chksum == checksum
    caller.close()


def test_what_has_no_route_or_path_is_counted(world):
    world.client.set(wire.DropRoute(ANY, 0))
    world.out()
    assert world.counted("out_no_route", 1)
    world.route(wire.GATE_OPEN, 77)
    world.out()
    assert world.counted("out_no_path", 1)
    world.route(wire.GATE_OPEN, 1)
    world.out(b"control")
    assert bytes(world.received()[Raw]) == b"control"


def test_two_paths_get_a_copy_each(world):
    world.route(wire.GATE_OPEN, 1, 2)
    world.out(b"twice")
    assert bytes(world.received()[Raw]) == b"twice"
    assert bytes(IP(world.raw.recv(65536))[Raw]) == b"twice"


# -- In ---------------------------------------------------------------------------------------------


def test_tunnel_data_and_ipip_are_delivered(world):
    world.come(good(b"by udp"))
    assert world.inner.recv(100) == b"by udp"
    outer = IP(src=PEER, dst="192.0.2.1", proto=4) / good(b"by ipip")
    sender = world.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    sender.sendto(bytes(outer), ("192.0.2.1", 0))
    assert world.inner.recv(100) == b"by ipip"


WRONG_CHECKSUM = bytearray(bytes(good()))
WRONG_CHECKSUM[11] ^= 1
DROPPED = {
    "in_bad_source": good(src="10.10.0.1"),
    "in_bad_destination": good(dst="10.77.0.3"),
    "in_malformed": bytes(WRONG_CHECKSUM),
    "in_short": b"\x45\0\0",
    "in_ttl_zero": good(ttl=0),
}


@pytest.mark.parametrize("name", DROPPED)
def test_inner_packets_that_may_not_come_are_dropped_by_name(world, name):
    before = world.counters()
    assert not world.delivered(DROPPED[name])
    after = world.counters()
    assert after[name] - before[name] == 1
    assert after["in_packets"] - before["in_packets"] == 1  # the control's


def test_the_source_check_is_what_stops_a_forger(world):
    """The control of in_bad_source (CVE-2020-10136): without the check the same packet is delivered."""
    forged = good(b"forged", src="10.10.0.1")
    assert not world.delivered(forged)
    world.client.set(wire.SetInner(1, ANY, 0, ANY, 0))
    assert world.delivered(forged)


def test_what_left_one_tunnel_does_not_enter_another(world):
    """Nested encapsulation (CVE-2024-7595): the inner packet is tunnel data to this very machine."""
    world.client.set(
        wire.SetUplink(2, "", ANY, 4340),
        wire.SetTunnel(3, wire.KIND_MIP_UDP, 2, ip(SERVER), 4341),
        wire.SetTunnel(4, wire.KIND_MIP_UDP, 2, ip(PEER), 4341),
        *(wire.SetInner(number, ip("10.9.0.0"), 16, ip(HOME), 32) for number in (3, 4)),
        wire.SetInner(1, ip(SERVER), 32, ip("192.0.2.1"), 32),
    )
    second = UDP(sport=4341, dport=4340) / Raw(TUNNEL_DATA + bytes(good(b"nested")))
    assert not world.delivered(IP(src=SERVER, dst="192.0.2.1", ttl=60) / second)
    assert world.counted("in_nested", 1)
    direct = world.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    direct.bind((PEER, 4341))
    direct.sendto(TUNNEL_DATA + bytes(good(b"direct")), ("192.0.2.1", 4340))  # the control
    assert world.inner.recv(100) == b"direct"


def test_rubbish_leaves_no_memory_behind(world):
    """CVE-2019-1708: 100,000 packets that are refused, and not a page more."""
    rubbish = [b"\4\4\0\0" + bytes(good(src="10.10.0.1")), b"\4\4\0\0E", b"\4\xff\0\0" + bytes(40), b"\1"]
    for octets in rubbish * 100:
        world.udp.sendto(octets, ("192.0.2.1", 434))
    before = memory_kb(world.tunneld)
    for _ in range(25000):
        for octets in rubbish:
            world.udp.sendto(octets, ("192.0.2.1", 434))
    assert world.delivered(good(b"the good one"))
    assert memory_kb(world.tunneld) - before < 200


def memory_kb(tunneld):
    return sum(int(status_of(pid)["RssAnon"].split()[0]) for pid in tunneld.processes())


def test_truncated_inner_packets_are_dropped(world):
    whole = bytes(good())
    for size in range(len(whole)):
        world.come(whole[:size])
    assert world.delivered(good(b"whole"))
    counters = world.counters()
    assert counters["in_short"] + counters["in_malformed"] == len(whole)


def test_unknown_next_headers_and_strangers_are_counted(world):
    world.udp.sendto(b"\4\x2f\0\0" + bytes(good()), ("192.0.2.1", 434))
    stranger = world.outside_udp("192.0.2.3")
    assert not world.delivered(good(b"stranger"), by=stranger)
    other_port = world.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    other_port.bind((PEER, 4340))
    assert not world.delivered(good(b"other port"), by=other_port)
    counters = world.counters()
    assert counters["in_unknown_kind"] == 1 and counters["in_no_tunnel"] == 2


def test_congestion_marks_cross_as_rfc_6040_says(world):
    world.inner.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)

    def come(inner_tos, outer_tos):
        world.udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, outer_tos)
        world.come(good(b"marked", tos=inner_tos))
        world.udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0)

    come(2, 3)  # ECT(0), congestion experienced outside
    _, ancillary, _, _ = world.inner.recvmsg(100, 100)
    assert ancillary[0][2][0] & 3 == 3
    come(0, 3)  # not ECN-capable: the mark becomes a drop
    world.come(good(b"control"))
    assert world.inner.recv(100) == b"control"
    assert world.counted("in_ecn", 1)


def test_copies_by_two_tunnels_are_dropped_once(world):
    packet = bytes(good(b"copy", id=77))
    sender = world.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))

    def come_by_ipip(octets):
        sender.sendto(bytes(IP(src=PEER, dst="192.0.2.1", proto=4)) + octets, ("192.0.2.1", 0))

    world.come(packet)
    assert world.inner.recv(100) == b"copy"
    outer = IP(src=PEER, dst="192.0.2.1", proto=4) / Raw(packet)
    sender.sendto(bytes(outer), ("192.0.2.1", 0))
    world.come(packet)  # the same tunnel again: the sender's affair, as without us
    assert world.inner.recv(100) == b"copy"
    assert world.counted("in_duplicate", 1)


def test_a_late_copy_is_dropped_when_the_first_ones_tunnel_is_gone(world):
    packet = bytes(good(b"copy", id=78))
    outer = IP(src=PEER, dst="192.0.2.1", proto=4) / Raw(packet)
    sender = world.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    sender.sendto(bytes(outer), ("192.0.2.1", 0))
    assert world.inner.recv(100) == b"copy"
    world.client.set(wire.DropTunnel(2))
    assert not world.delivered(packet)
    assert world.counted("in_duplicate", 1)


def test_a_probes_reply_is_handed_up(world):
    reply = IP(src=SERVER, dst=HOME) / ICMP(type=0, id=PROBE, seq=9)
    world.come(reply)
    inner = world.client.wait_for(wire.Inner)
    assert inner.tunnel == 1 and inner.data == bytes(reply)
    other = IP(src=SERVER, dst=HOME) / ICMP(type=0, id=PROBE + 1, seq=9)
    before = world.counters()["tun_writes"]
    world.come(other)  # the control: somebody else's ping
    assert world.counted("tun_writes", before + 1)


def test_a_path_that_falls_silent_is_told_once_and_its_return_too(world):
    world.client.set(wire.SetPath(1, SIZE, 100, (1,)))
    for _ in range(5):
        world.out()
    unanswered = world.client.wait_for(wire.Unanswered)
    assert unanswered.path == 1 and unanswered.since_ms >= 100
    world.out()
    with pytest.raises(TimeoutError):
        world.client.wait_for(wire.Unanswered, timeout_s=0.3)
    world.come(good())
    assert world.client.wait_for(wire.Answered).path == 1
    world.out()
    world.come(good())  # the control: answered in time
    with pytest.raises(TimeoutError):
        world.client.wait_for(wire.Unanswered, timeout_s=0.3)


# -- Signalling -------------------------------------------------------------------------------------


def test_signalling_is_handed_up_with_where_it_came_from(world):
    world.udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 33)
    world.udp.sendto(b"\1registration", ("192.0.2.1", 434))
    signal = world.client.wait_for(wire.Signal)
    assert signal[:5] == (1, ip(PEER), 434, ip("192.0.2.1"), 33) and signal.data == b"\1registration"
    assert signal.interface == world.router.inside(lambda: socket.if_nametoindex("up0"))
    world.client.send(wire.SendSignal(1, ip(PEER), 434, b"\3reply"))
    assert world.udp.recv(100) == b"\3reply"


def test_one_source_cannot_silence_another(world):
    for number in range(3000):
        world.udp.sendto(struct.pack(">BH", 1, number), ("192.0.2.1", 434))
    counters = world.counters()
    assert 0 < counters["signal_source_limited"] < 3000
    other = world.outside_udp("192.0.2.3")
    other.sendto(b"\1the other", ("192.0.2.1", 434))
    while world.client.wait_for(wire.Signal).data != b"\1the other":
        pass


def test_oversized_signalling_is_refused(world):
    world.udp.sendto(b"\1" * 5000, ("192.0.2.1", 434))
    world.udp.sendto(b"\1" * 1000, ("192.0.2.1", 434))
    assert len(world.client.wait_for(wire.Signal).data) == 1000
    assert world.counted("in_malformed", 1)


# -- Two of them, end to end --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [wire.KIND_MIP_UDP, wire.KIND_IPIP], ids=["MIP-UDP", "IPIP"])
@pytest.mark.parametrize("offloads", ["on", "off"])
@pytest.mark.parametrize("size", [1400, 700])
def test_a_stream_between_two_arrives_whole(kind, offloads, size):
    """Super-packets are cut, carried and put together again: 16 MB each way, compared octet by octet."""
    left, right = Namespace("left"), Namespace("right")
    join(left, "up0", "192.0.2.1/24", right, "up0", "192.0.2.2/24")
    ends = {}
    for namespace, own, other, peer in (
        (left, "10.77.0.1", "10.77.0.2", "192.0.2.2"),
        (right, "10.77.0.2", "10.77.0.1", "192.0.2.1"),
    ):
        if offloads == "off":
            namespace.run(
                "ethtool", "-K", "up0", "tso", "off", "gso", "off", "gro", "off", "tx-udp-segmentation", "off"
            )
        ends[namespace] = end = Tunneld(namespace)
        end.control = end.client()
        end.control.replay(
            wire.SetTun(ip(own), 1400),
            wire.SetUplink(1, "up0", ANY, 434),
            wire.SetTunnel(1, kind, 1, ip(peer), 434),
            wire.SetInner(1, ip(other), 32, ip(own), 32),
            wire.SetPath(1, size, 0, (1,)),
            wire.SetRoute(ip(other), 32, wire.GATE_OPEN, wire.FOREVER_S, (1,)),
            wire.SetDeliver(ip(other), 32),
        )
    try:
        listener = right.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        listener.bind(("10.77.0.2", 9000))
        listener.listen(1)
        caller = left.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        caller.settimeout(20)
        caller.bind(("10.77.0.1", 0))
        caller.connect(("10.77.0.2", 9000))
        answerer, _ = listener.accept()
        answerer.settimeout(20)
        exchange(caller, answerer)
        for end in ends.values():
            counters = end.control.counters()
            assert counters["out_packets"] > 1000 and counters["in_packets"] > 1000
            drops = {k: v for k, v in counters.items() if v and k.startswith(("out_", "in_"))}
            assert set(drops) <= {"out_packets", "out_octets", "in_packets", "in_octets"}, drops
        for each in (listener, caller, answerer):
            each.close()
    finally:
        for end in ends.values():
            end.remove()
        left.remove()
        right.remove()


def exchange(caller, answerer):
    """Octets that do not repeat at any segment's size, in one direction and then in the other."""
    block = bytes(i * 7 % 251 for i in range(251 * 4177))
    for sender, receiver in ((caller, answerer), (answerer, caller)):
        sent = got = 0
        total = 16 * len(block)
        sender.setblocking(False)
        receiver.setblocking(False)
        deadline = time.monotonic() + 30
        while got < total:
            assert time.monotonic() < deadline, f"{got} of {total} octets"
            at = sent % len(block)
            try:
                if sent < total:
                    sent += sender.send(block[at : at + 65536])
            except BlockingIOError:
                pass
            try:
                data = receiver.recv(262144)
            except BlockingIOError:
                continue
            at = got % len(block)
            expected = (block[at:] + block)[: len(data)]
            assert data == expected, f"differs after octet {got}"
            got += len(data)

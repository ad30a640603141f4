"""What careof-tunneld lets in, and what it hands up: each refusal with a control that passes."""

import socket
import struct

import pytest
from careof.wire import tunneld as wire
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw
from tunneld_process import cannot_run, ip, status_of
from tunneld_world import ANY, HOME, PEER, PROBE, SERVER, SIZE, TUNNEL_DATA, good

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))


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
        wire.SetTunnel(3, wire.KIND_MIP_UDP, 2, ip(SERVER), 4341, 0, 0),
        wire.SetTunnel(4, wire.KIND_MIP_UDP, 2, ip(PEER), 4341, 0, 0),
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


def test_a_tunnel_to_who_is_at_the_end_of_another(world):
    """A home agent serves a router and the visitors behind it: their tunnels end at the router's address."""
    world.client.set(
        wire.SetUplink(2, "", ANY, 4340),
        wire.SetTunnel(3, wire.KIND_MIP_UDP, 2, ip(SERVER), 4341, 0, 0),
        wire.SetInner(3, ip("10.9.0.0"), 16, ip(HOME), 32),
        wire.SetInner(1, ip(SERVER), 32, ip("192.0.2.1"), 32),
        wire.SetRoute(ip(SERVER), 32, ANY, 0, wire.GATE_OPEN, wire.FOREVER_S, (1,)),
    )
    second = UDP(sport=4341, dport=4340) / Raw(TUNNEL_DATA + bytes(good(b"nested")))
    world.come(IP(src=SERVER, dst="192.0.2.1", ttl=60) / second)
    assert world.inner.recv(100) == b"nested"  # the kernel had it in between: it may be later than others
    # What does not come out of its own tunnel is a forger's.
    assert not world.delivered(IP(src="10.10.0.1", dst="192.0.2.1", ttl=60) / second)
    assert world.counted("in_bad_source", 1)


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
    world.udp.sendto(b"\4\x32\0\0" + bytes(good()), ("192.0.2.1", 434))
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


def test_a_flood_of_invented_sources_leaves_room_for_who_has_a_tunnel(world):
    """careofd takes nothing for a while: what strangers send fills their share, and no more than that."""
    world.router.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.up0.rp_filter=0")
    raw = world.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    template = bytearray(bytes(IP(src="100.64.0.0", dst="192.0.2.1") / UDP(sport=434, dport=434, chksum=0)))
    template = bytearray(bytes(IP(bytes(template) + b"\1" + bytes(150), len=len(template) + 151)))
    template[24:26] = struct.pack(">H", len(template) - 20)
    template[10:12] = b"\0\0"  # the kernel fills it in
    for number in range(4000):
        template[14:16] = struct.pack(">H", number)
        raw.sendto(bytes(template), ("192.0.2.1", 0))
    stranger = world.outside_udp("192.0.2.3")
    stranger.sendto(b"\1stranger", ("192.0.2.1", 434))
    world.udp.sendto(b"\1served", ("192.0.2.1", 434))
    found = set()
    while b"\1served" not in found:
        found.add(world.client.wait_for(wire.Signal).data)
    assert b"\1stranger" not in found  # the control: the flood does keep others out
    assert world.counters()["signal_client_full"] > 0
    stranger.sendto(b"\1afterwards", ("192.0.2.1", 434))
    while world.client.wait_for(wire.Signal).data != b"\1afterwards":
        pass


def test_oversized_signalling_is_refused(world):
    world.udp.sendto(b"\1" * 5000, ("192.0.2.1", 434))
    world.udp.sendto(b"\1" * 1000, ("192.0.2.1", 434))
    assert len(world.client.wait_for(wire.Signal).data) == 1000
    assert world.counted("in_malformed", 1)


def test_a_half_bound_tunnel_takes_and_carries_nothing_and_hands_up_what_comes_from_there(world):
    """RFC 3519 4.6: careofd knows whether that is the keepalive; with a port it is a tunnel as any other."""
    beside = world.outside_udp("192.0.2.3")
    tunnel = wire.SetTunnel(9, wire.KIND_MIP_UDP, 1, ip("192.0.2.3"), 0, 0, 0)
    world.client.set(
        tunnel, wire.SetInner(9, ip("10.9.0.0"), 16, ip(HOME), 32), wire.SetPath(9, SIZE, 0, (9,))
    )
    assert not world.delivered(good(b"too early"), beside)
    told = world.client.wait_for(wire.Signal)
    assert (told.source, told.source_port, told.data) == (
        ip("192.0.2.3"),
        434,
        TUNNEL_DATA + bytes(good(b"too early")),
    )
    world.route(wire.GATE_OPEN, 9)
    without = world.counters()["out_no_path"]
    world.out(b"nowhere to go")
    assert world.counted("out_no_path", without + 1)
    # Another encapsulation, or another's address, is by no tunnel.
    strangers = world.counters()["in_no_tunnel"]
    beside.sendto(b"\4\x2f\0\0\0\0\x08\0" + bytes(good()), ("192.0.2.1", 434))
    assert world.counted("in_no_tunnel", strangers + 1)
    # The control: the same tunnel with its port.
    world.client.set(tunnel._replace(peer_port=434))
    assert world.delivered(good(b"in time"), beside)
    world.out(b"somewhere")
    assert beside.recv(1000)[:4] == TUNNEL_DATA
    world.client.set(wire.DropTunnel(9), wire.DropPath(9))
    world.route(wire.GATE_OPEN, 1)
    beside.close()


def test_nothing_comes_by_a_half_bound_tunnel_from_port_0(world):
    """A port that nobody has, and that stands for none."""
    raw = world.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    tunnel = wire.SetTunnel(9, wire.KIND_MIP_UDP, 1, ip("192.0.2.3"), 0, 0, 0)
    world.client.set(tunnel, wire.SetInner(9, ip("10.9.0.0"), 16, ip(HOME), 32))
    before = world.counters()["in_packets"]
    outer = IP(src="192.0.2.3", dst="192.0.2.1") / UDP(sport=0, dport=434)
    raw.sendto(bytes(outer / Raw(TUNNEL_DATA + bytes(good(b"from nobody")))), ("192.0.2.1", 0))
    told = world.client.wait_for(wire.Signal)
    assert told.source_port == 0 and world.counters()["in_packets"] == before
    world.client.set(wire.DropTunnel(9))
    raw.close()

"""What careof-tunneld does to packets on their way out: each rule with a control that passes."""

import errno
import socket
import time

import pytest
from careof.wire import tunneld as wire
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw
from tunneld_process import cannot_run
from tunneld_world import ANY, HOME, IP_MTU, IP_MTU_DISCOVER, IP_PMTUDISC_DO, PEER, SERVER, SIZE

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))


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
    assert world.client.wait_for(wire.Expired) == wire.Expired(ANY, 0, ANY, 0)
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
    world.client.set(wire.DropRoute(ANY, 0, ANY, 0))
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

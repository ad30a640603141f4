"""Two careof-tunneld back to back: a stream through both arrives whole, whatever the offloads."""

import socket
import time

import pytest
from careof.wire import tunneld as wire
from namespaces import Namespace, join
from tunneld_process import Tunneld, cannot_run, ip
from tunneld_world import ANY

BLOCK = 251 * 4177
TOTAL = 16 * BLOCK

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))


KINDS = {
    "MIP-UDP": wire.KIND_MIP_UDP,
    "IPIP": wire.KIND_IPIP,
    "GRE": wire.KIND_GRE,
    "minimal": wire.KIND_MINIMAL,
    "MIP-UDP GRE": wire.KIND_MIP_UDP_GRE,
}
KEYED = (wire.KIND_GRE, wire.KIND_MIP_UDP_GRE)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("offloads", ["on", "off", "receive"])
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
        elif offloads == "receive":  # as most drivers do: what is in IP-in-IP is merged before us
            namespace.run("ethtool", "-K", "up0", "tso", "off", "gro", "on")
            namespace.run("sh", "-c", "echo 200000 > /sys/class/net/up0/gro_flush_timeout")
        ends[namespace] = end = Tunneld(namespace)
        end.control = end.client()
        end.control.replay(
            wire.SetTun(ip(own), 1400),
            wire.SetUplink(1, "up0", ANY, 434),
            wire.SetTunnel(1, kind, 1, ip(peer), 434, int(kind in KEYED), 77 if kind in KEYED else 0),
            wire.SetInner(1, ip(other), 32, ip(own), 32),
            wire.SetPath(1, size, 0, (1,)),
            wire.SetRoute(ip(other), 32, ANY, 0, wire.GATE_OPEN, wire.FOREVER_S, (1,)),
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
            assert counters["out_octets"] > TOTAL and counters["in_octets"] > TOTAL
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
    block = bytes(i * 7 % 251 for i in range(BLOCK))
    for sender, receiver in ((caller, answerer), (answerer, caller)):
        sent = got = 0
        sender.setblocking(False)
        receiver.setblocking(False)
        deadline = time.monotonic() + 30
        while got < TOTAL:
            assert time.monotonic() < deadline, f"{got} of {TOTAL} octets"
            at = sent % len(block)
            try:
                if sent < TOTAL:
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

"""One careof-tunneld on real interfaces, with a socket at every end, for tests of what it does to packets.

router namespace: careof0 (10.77.0.2), up0 (192.0.2.1) ---- out0 (192.0.2.2): outside namespace
"""

import socket
import time

from careof.wire import tunneld as wire
from namespaces import Namespace, join
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw
from tunneld_process import Tunneld, ip

ANY = bytes(4)
HOME, PEER, SERVER = "10.77.0.2", "192.0.2.2", "10.9.0.5"
SIZE = 1200
TUNNEL_DATA = b"\4\4\0\0"
PROBE = 0xCA0F
IP_MTU, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_DONT = 14, 10, 2, 0


class World:
    """One tunneld with one MIP-UDP and one IPIP tunnel, and a socket at every end."""

    def __init__(self, **more):
        self.router, self.outside = Namespace("router"), Namespace("outside")
        join(self.router, "up0", "192.0.2.1/24", self.outside, "out0", f"{PEER}/24")
        self.outside.ip("address", "add", "192.0.2.3/24", "dev", "out0")
        self.tunneld = Tunneld(self.router, **more)
        self.client = self.tunneld.client()
        self.client.replay(
            wire.SetTun(ip(HOME), 1500),
            wire.SetUplink(1, "up0", ANY, 434),
            wire.SetTunnel(1, wire.KIND_MIP_UDP, 1, ip(PEER), 434, 0, 0),
            wire.SetTunnel(2, wire.KIND_IPIP, 1, ip(PEER), 0, 0, 0),
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
        self.client.set(wire.SetRoute(ANY, 0, ANY, 0, gate, valid_s, paths))

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


def good(payload=b"in", **more):
    fields = {"src": SERVER, "dst": HOME, "ttl": 60, **more}
    return IP(**fields) / UDP(sport=7, dport=5000) / Raw(payload)

"""careof-tunneld on a LAN: frames and their link-layer addresses, neighbours, proxies, routes by source.

router namespace: careof0 (10.77.0.2), lan0 (10.9.0.1) ---- node0 (10.9.0.7): node namespace
                                       up0 (192.0.2.1) ---- out0 (192.0.2.2): outside namespace
"""

import socket
import time
from pathlib import Path

import pytest
from careof.wire import tunneld as wire
from namespaces import Namespace, join
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from tunneld_process import Tunneld, cannot_run, ip

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
ANY = bytes(4)
ETH_P_ALL, ETH_P_IP, ETH_P_ARP = 3, 0x0800, 0x0806
VISITOR = "10.88.0.5"  # foreign to the link
ALL_AGENTS = "01:00:5e:00:00:0b"


def mac_octets(text):
    return bytes.fromhex(text.replace(":", ""))


class World:
    def __init__(self, *options):
        self.router, self.node, self.outside = Namespace("router"), Namespace("node"), Namespace("outside")
        join(self.router, "lan0", "10.9.0.1/24", self.node, "node0", "10.9.0.7/24")
        join(self.router, "up0", "192.0.2.1/24", self.outside, "out0", "192.0.2.2/24")
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.node.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        self.tunneld = Tunneld(self.router, *options)
        self.client = self.tunneld.client()
        self.client.replay(wire.SetTun(ip("10.77.0.2"), 1500), wire.SetLink(3, "lan0"))
        self.packet = self.node.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ETH_P_ALL))
        self.packet.bind(("node0", ETH_P_ALL))
        self.packet.settimeout(2)
        self.node_mac = self.mac(self.node, "node0")
        self.router_mac = self.mac(self.router, "lan0")

    @staticmethod
    def mac(namespace, device):
        return namespace.run("cat", f"/sys/class/net/{device}/address").strip()

    def put(self, packet, to=None):
        """From the node onto the wire."""
        self.packet.send(bytes(Ether(src=self.node_mac, dst=to or self.router_mac) / packet))

    def seen(self, wanted, timeout_s=1.5):
        """(the frames up to one that is wanted, or till the end of time; was there one)"""
        frames, deadline = [], time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.packet.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                octets, address = self.packet.recvfrom(65536)
            except TimeoutError:
                break
            if address[2] == socket.PACKET_OUTGOING:
                continue
            frames.append(Ether(octets))
            if wanted(frames[-1]):
                return frames, True
        return frames, False

    def remove(self):
        self.packet.close()
        self.tunneld.remove()
        for namespace in (self.router, self.node, self.outside):
            namespace.remove()


@pytest.fixture
def world():
    made = World()
    yield made
    made.remove()


def solicitation(source="10.88.0.5", destination="224.0.0.11"):
    return IP(src=source, dst=destination, ttl=1) / ICMP(type=10)


def request(payload=b"\x01request", source=VISITOR, destination="10.9.0.1"):
    return IP(src=source, dst=destination, ttl=255) / UDP(sport=5434, dport=434) / Raw(payload)


def test_a_link_says_its_own_address(world):
    assert world.client.wait_for(wire.LinkUp) == wire.LinkUp(3, mac_octets(world.router_mac))


def test_solicitations_and_requests_come_with_their_link_layer_address(world):
    for packet, to, group in (
        (solicitation(), ALL_AGENTS, 1),
        (solicitation(destination="255.255.255.255"), "ff:ff:ff:ff:ff:ff", 1),
        (request(), None, 0),
        (request(destination="224.0.0.11"), ALL_AGENTS, 1),
    ):
        world.put(packet, to)
        frame = world.client.wait_for(wire.Frame)
        assert (frame.link, frame.link_address, frame.group) == (3, mac_octets(world.node_mac), group)
        assert frame.data == bytes(packet)
    assert world.client.counters()["frames_up"] == 4


def test_nothing_else_comes_up(world):
    """The filter: other protocols, other ports, fragments, what is meant for somebody else."""
    for packet, to in (
        (IP(src=VISITOR, dst="10.9.0.1") / ICMP(type=8), None),
        (IP(src=VISITOR, dst="10.9.0.1") / UDP(sport=434, dport=435) / b"x", None),
        (IP(src=VISITOR, dst="10.9.0.1", flags="MF") / UDP(sport=1, dport=434) / b"12345678", None),
        (IP(src=VISITOR, dst="10.9.0.1", frag=3) / UDP(sport=1, dport=434) / b"12345678", None),
        (request(), "02:00:00:00:00:99"),
        (ARP(op=1, psrc=VISITOR, pdst="10.9.0.1"), "ff:ff:ff:ff:ff:ff"),
    ):
        world.put(packet, to)
    world.put(request(b"control"))
    frame = world.client.wait_for(wire.Frame)
    assert frame.data.endswith(b"control") and world.client.counters()["frames_up"] == 1
    # A header that lies: the filter lets it through, the parser does not.
    lying = bytearray(bytes(request()))
    lying[3] = 255
    world.put(Raw(bytes(lying)))
    world.packet.send(bytes(Ether(src=world.node_mac, dst=world.router_mac, type=ETH_P_IP)) + bytes(lying))
    world.put(request(b"again"))
    assert world.client.wait_for(wire.Frame).data.endswith(b"again")
    assert world.client.counters()["in_malformed"] >= 1


def test_frames_go_to_the_address_that_is_said_without_an_arp(world):
    answer = bytes(IP(src="10.9.0.1", dst=VISITOR, ttl=1) / ICMP(type=9, code=16) / Raw(b"\0\2\0\3"))
    world.client.set(wire.SendFrame(3, mac_octets(world.node_mac), ETH_P_IP, answer))
    frames, found = world.seen(lambda frame: IP in frame)
    assert found and frames[-1].dst == world.node_mac and frames[-1].src == world.router_mac
    assert bytes(frames[-1][IP]) == answer and not [f for f in frames if ARP in f]
    gratuitous = bytes(ARP(op=2, psrc=VISITOR, pdst=VISITOR, hwsrc=world.router_mac))
    world.client.set(wire.SendFrame(3, b"\xff" * 6, ETH_P_ARP, gratuitous))
    frames, found = world.seen(lambda frame: ARP in frame)
    assert found and frames[-1][ARP].psrc == VISITOR and frames[-1].dst == "ff:ff:ff:ff:ff:ff"


def test_a_neighbour_is_reached_without_an_arp(world):
    world.client.set(wire.SetNeighbour("lan0", ip(VISITOR), mac_octets(world.node_mac)))
    sender = world.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.sendto(b"to the visitor", (VISITOR, 9))
    frames, found = world.seen(lambda frame: UDP in frame)
    assert found and frames[-1].dst == world.node_mac and not [f for f in frames if ARP in f]
    # It moves to another card: the same message again.
    world.client.set(wire.SetNeighbour("lan0", ip(VISITOR), mac_octets("02:00:00:00:00:42")))
    sender.sendto(b"again", (VISITOR, 9))
    frames, found = world.seen(lambda frame: UDP in frame)
    assert found and frames[-1].dst == "02:00:00:00:00:42"
    # The control: without the entry the kernel has no way there.
    world.client.set(wire.DropNeighbour("lan0", ip(VISITOR)))
    with pytest.raises(OSError):
        sender.sendto(b"lost", (VISITOR, 9))
    sender.close()
    assert "lan0" not in world.router.ip("neighbour", "show", "nud", "permanent")


def test_a_proxy_answers_for_a_node_that_is_away(world):
    away = "10.9.0.77"
    ask = ARP(op=1, hwsrc=world.node_mac, psrc="10.9.0.7", pdst=away)
    world.client.set(wire.SetDeliver(ip(away), 32))
    world.put(ask, "ff:ff:ff:ff:ff:ff")
    _, found = world.seen(lambda frame: ARP in frame and frame[ARP].op == 2, 1.0)
    assert not found  # the control
    world.client.set(wire.SetProxy("lan0", ip(away)))
    world.put(ask, "ff:ff:ff:ff:ff:ff")
    frames, found = world.seen(lambda frame: ARP in frame and frame[ARP].op == 2)
    assert found and (frames[-1][ARP].psrc, frames[-1][ARP].hwsrc) == (away, world.router_mac)
    world.client.set(wire.DropProxy("lan0", ip(away)))
    assert away not in world.router.ip("neighbour", "show", "proxy")


def test_a_quiet_device_says_nothing_of_the_tuns_address(world):
    ask = ARP(op=1, hwsrc=world.node_mac, psrc="10.9.0.7", pdst="10.77.0.2")

    def is_answered():
        world.put(ask, "ff:ff:ff:ff:ff:ff")
        return world.seen(lambda frame: ARP in frame and frame[ARP].op == 2, 0.5)[1]

    assert is_answered()  # the control: Linux answers for every address that it has
    world.client.set(wire.SetQuiet("lan0"))
    assert not is_answered()
    world.client.set(wire.SetQuiet("lan0"))
    world.client.set(wire.DropQuiet("lan0"))
    assert is_answered()
    with pytest.raises(ValueError):
        world.client.set(wire.DropQuiet("lan0"))


def test_a_quiet_device_still_answers_for_its_own_address(world):
    """RFC 5944 4.6: a care-of address of one's own is one's own."""
    world.client.set(wire.SetQuiet("lan0"))
    world.put(ARP(op=1, hwsrc=world.node_mac, psrc="10.9.0.7", pdst="10.9.0.1"), "ff:ff:ff:ff:ff:ff")
    frames, found = world.seen(lambda frame: ARP in frame and frame[ARP].op == 2, 1)
    assert found and frames[-1][ARP].psrc == "10.9.0.1"


def test_neighbours_on_the_home_link_are_reached_there(world):
    world.client.set(
        wire.SetCapture(ip("10.77.0.2"), 32, ""),
        wire.SetSpare(ip("10.55.0.0"), 16),
        wire.SetOnLink(ip("10.55.0.0"), 16, "lan0"),
    )
    assert "dev lan0" in world.router.ip("route", "get", "10.55.0.9", "from", "10.77.0.2")
    assert "dev careof0" in world.router.ip("route", "get", "10.56.0.9", "from", "10.77.0.2")
    own = world.router.ip("route", "get", "10.55.0.9")
    assert "src 10.77.0.2" in own
    world.client.set(wire.DropOnLink(ip("10.55.0.0"), 16, "lan0"))
    assert "10.55" not in world.router.ip("route")


def test_a_checksum_that_was_left_to_a_device_is_completed(world):
    """As a sender on this very machine leaves it: on a veth no device ever computes it."""
    sender = world.node.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.sendto(b"\x01from a socket", ("10.9.0.1", 434))
    sender.close()
    packet = IP(world.client.wait_for(wire.Frame).data)
    right = IP(bytes(packet))
    del right[UDP].chksum
    assert packet[UDP].chksum == IP(bytes(right))[UDP].chksum


def test_what_was_made_goes_with_tunneld_however_it_ends(world):
    node = mac_octets(world.node_mac)
    rows = (
        wire.SetNeighbour("lan0", ip(VISITOR), node),
        wire.SetProxy("lan0", ip("10.9.0.77")),
        wire.SetQuiet("lan0"),
        wire.SetOnLink(ip("10.55.0.0"), 16, "lan0"),
    )
    ignore = "net.ipv4.conf.lan0.arp_ignore"
    for end in (world.tunneld.kill, world.tunneld.stop):
        world.client.set(*rows)
        assert VISITOR in world.router.ip("neighbour", "show") and VISITOR in world.router.ip("route")
        assert world.router.run("sysctl", "-n", ignore).strip() == "1"
        end()
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline and VISITOR in world.router.ip("neighbour", "show"):
            time.sleep(0.02)
        everything = world.router.ip("neighbour", "show") + world.router.ip("neighbour", "show", "proxy")
        assert VISITOR not in everything + world.router.ip("route") and "10.9.0.77" not in everything
        assert "10.55" not in world.router.ip("route")
        assert world.router.run("sysctl", "-n", ignore).strip() == "0"
        world.tunneld.start()
        world.client = world.tunneld.client()
        world.client.replay(wire.SetTun(ip("10.77.0.2"), 1500))


def test_a_replay_sweeps_what_is_not_said_again(world):
    node = mac_octets(world.node_mac)
    world.client.set(
        wire.SetNeighbour("lan0", ip(VISITOR), node),
        wire.SetNeighbour("lan0", ip("10.88.0.6"), node),
        wire.SetCapture(ip(VISITOR), 32, "lan0"),
        wire.SetCapture(ip(VISITOR), 32, "careof0"),
        wire.SetLink(4, "up0"),
    )
    assert world.router.ip("rule").count("iif lan0") == 1
    world.client.replay(
        wire.SetTun(ip("10.77.0.2"), 1500),
        wire.SetNeighbour("lan0", ip("10.88.0.6"), node),
        wire.SetCapture(ip(VISITOR), 32, "careof0"),
        wire.SetLink(3, "lan0"),
    )
    assert VISITOR not in world.router.ip("neighbour", "show")
    assert "10.88.0.6" in world.router.ip("neighbour", "show")
    rules = world.router.ip("rule")
    assert "iif lan0" not in rules and rules.count("iif careof0") == 1
    with pytest.raises(ValueError):
        world.client.set(wire.DropLink(4))
    world.put(request(b"still here"))
    assert world.client.wait_for(wire.Frame).data.endswith(b"still here")


def test_what_a_link_cannot_be_is_refused(world):
    for message in (
        wire.SetLink(9, "nosuch0"),
        wire.SetLink(9, ""),
        wire.SetLink(9, "lo"),
        wire.SetNeighbour("nosuch0", ip(VISITOR), bytes(6)),
        wire.SetNeighbour("", ip(VISITOR), bytes(6)),
        wire.SetNeighbour("lan0", ANY, bytes(6)),
        wire.SetProxy("nosuch0", ip(VISITOR)),
        wire.SetQuiet("nosuch0"),
        wire.SetQuiet(""),
        wire.SetQuiet("../lan0"),
        wire.SetOnLink(ip("10.55.0.0"), 16, "nosuch0"),
        wire.SetOnLink(ip("10.55.0.1"), 16, "lan0"),
        wire.DropLink(9),
        wire.DropNeighbour("lan0", ip(VISITOR)),
    ):
        with pytest.raises(ValueError):
            world.client.set(message)


def test_a_device_that_comes_back_is_opened_again(world):
    world.router.ip("link", "del", "lan0")
    with pytest.raises(ValueError):
        world.client.set(wire.SetLink(3, "lan0"))
    join(world.router, "lan0", "10.9.0.1/24", world.node, "node0", "10.9.0.7/24")
    world.client.set(wire.SetLink(3, "lan0"))
    world.packet.close()
    world.packet = world.node.inside(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, ETH_P_ALL))
    world.packet.bind(("node0", ETH_P_ALL))
    world.node_mac, world.router_mac = world.mac(world.node, "node0"), world.mac(world.router, "lan0")
    world.put(request(b"back"))
    assert world.client.wait_for(wire.Frame).data.endswith(b"back")


def test_one_source_cannot_silence_the_others(world):
    flood = bytes(Ether(src=world.node_mac, dst=world.router_mac) / request(b"flood", source="10.88.0.66"))
    for _ in range(200):
        for _ in range(100):  # so few that the socket's buffer holds them, whoever else has the processor
            world.packet.send(flood)
        if world.client.counters()["signal_source_limited"] > 1000:
            break
    world.client.told.clear()
    world.put(request(b"mine"))
    while True:
        if world.client.wait_for(wire.Frame).data.endswith(b"mine"):
            break
    assert world.client.counters()["signal_source_limited"] > 1000


# -- Routes by source


def tunnels(world, *numbers):
    """MIP-UDP tunnels to ports of the outside, each with a path of its number."""
    world.client.set(wire.SetUplink(1, "up0", ip("192.0.2.1"), 434))
    sockets = {}
    for number in numbers:
        sockets[number] = world.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[number].bind(("192.0.2.2", 5000 + number))
        sockets[number].settimeout(1)
        world.client.set(
            wire.SetTunnel(number, wire.KIND_MIP_UDP, 1, ip("192.0.2.2"), 5000 + number, 0, 0),
            wire.SetPath(number, 1400, 0, (number,)),
        )
    return sockets


def route(destination, source, path):
    (to, to_length), (source, source_length) = destination, source
    return wire.SetRoute(
        ip(to), to_length, ip(source), source_length, wire.GATE_OPEN, wire.FOREVER_S, (path,)
    )


def test_the_source_decides_before_the_destination(world):
    ends = tunnels(world, 11, 12, 13, 14)
    world.client.set(
        route(("0.0.0.0", 0), ("0.0.0.0", 0), 11),
        route(("10.5.0.0", 16), ("0.0.0.0", 0), 12),
        route(("0.0.0.0", 0), ("10.88.0.0", 16), 13),
        route(("10.5.5.0", 24), (VISITOR, 32), 14),
        wire.SetDeliver(ip("10.5.0.0"), 16),
        wire.SetDeliver(ip("10.6.0.0"), 16),
        wire.SetNeighbour("lan0", ip(VISITOR), mac_octets(world.node_mac)),
        wire.SetNeighbour("lan0", ip("10.88.0.6"), mac_octets(world.node_mac)),
        wire.SetNeighbour("lan0", ip("10.99.0.1"), mac_octets(world.node_mac)),
    )
    for source, destination, way in (
        ("10.99.0.1", "10.6.0.1", 11),
        ("10.99.0.1", "10.5.5.1", 12),
        ("10.88.0.6", "10.5.5.1", 13),
        (VISITOR, "10.5.5.1", 14),
        (VISITOR, "10.5.6.1", 13),  # its own source has no such destination: the next shorter one
        (VISITOR, "10.6.0.1", 13),
    ):
        world.put(IP(src=source, dst=destination) / UDP(sport=1, dport=2) / Raw(b"which way"))
        inner = IP(ends[way].recv(2048)[4:])
        assert (inner.src, inner.dst) == (source, destination), way
    world.client.set(wire.DropRoute(ip("10.5.5.0"), 24, ip(VISITOR), 32))
    world.put(IP(src=VISITOR, dst="10.5.5.1") / UDP(sport=1, dport=2) / Raw(b"which way"))
    assert ends[13].recv(2048)
    for end in ends.values():
        end.close()


def test_a_capture_by_device_takes_only_what_comes_by_it(world):
    ends = tunnels(world, 11)
    world.client.set(
        route(("0.0.0.0", 0), (VISITOR, 32), 11),
        wire.SetCapture(ip(VISITOR), 32, "lan0"),
        wire.SetNeighbour("lan0", ip(VISITOR), mac_octets(world.node_mac)),
    )
    world.put(IP(src=VISITOR, dst="192.0.2.2") / UDP(sport=1, dport=2) / Raw(b"captured"))
    assert ends[11].recv(2048).endswith(b"captured")
    world.client.set(wire.DropCapture(ip(VISITOR), 32, "lan0"), wire.SetCapture(ip(VISITOR), 32, "careof0"))
    world.put(IP(src=VISITOR, dst="192.0.2.2") / UDP(sport=1, dport=2) / Raw(b"not captured"))
    with pytest.raises(TimeoutError):
        ends[11].recv(2048)
    ends[11].close()


def test_a_tunnel_inside_a_tunnel(world):
    """An uplink on careof0 itself: what it sends goes by another tunnel, what came by that one reaches it."""
    ends = tunnels(world, 11)
    outer, agent = ends[11], "198.51.100.9"
    world.client.set(
        route(("0.0.0.0", 0), ("10.77.0.2", 32), 11),
        wire.SetInner(11, ANY, 0, ip("10.77.0.2"), 32),
        wire.SetUplink(2, "careof0", ip("10.77.0.2"), 434),
        wire.SetTunnel(21, wire.KIND_MIP_UDP, 2, ip(agent), 434, 0, 0),
        wire.SetPath(21, 1300, 0, (21,)),
        wire.SetInner(21, ANY, 0, ip(VISITOR), 32),
        route(("0.0.0.0", 0), (VISITOR, 32), 21),
        wire.SetCapture(ip(VISITOR), 32, "lan0"),
        wire.SetNeighbour("lan0", ip(VISITOR), mac_octets(world.node_mac)),
    )
    world.put(IP(src=VISITOR, dst="203.0.113.5") / UDP(sport=1, dport=2) / Raw(b"nested"))
    middle = IP(outer.recv(2048)[4:])
    assert (middle.src, middle.dst, middle[UDP].dport) == ("10.77.0.2", agent, 434)
    inner = IP(bytes(middle[UDP].payload)[4:])
    assert (inner.src, inner.dst) == (VISITOR, "203.0.113.5") and bytes(inner[UDP].payload) == b"nested"
    back = IP(src="203.0.113.5", dst=VISITOR) / UDP(sport=2, dport=1) / Raw(b"answer")
    wrapped = IP(src=agent, dst="10.77.0.2") / UDP(sport=434, dport=434) / Raw(b"\4\4\0\0" + bytes(back))
    outer.sendto(b"\4\4\0\0" + bytes(wrapped), ("192.0.2.1", 434))
    frames, found = world.seen(lambda frame: UDP in frame and bytes(frame[UDP].payload) == b"answer")
    assert found and frames[-1].dst == world.node_mac
    # The control: an uplink that is not on careof0 takes no tunnel data out of a tunnel.
    world.client.set(wire.DropUplink(2), wire.SetUplink(2, "", ip("10.77.0.2"), 434))
    outer.sendto(b"\4\4\0\0" + bytes(wrapped), ("192.0.2.1", 434))
    _, found = world.seen(lambda frame: UDP in frame and bytes(frame[UDP].payload) == b"answer", 0.7)
    assert not found and world.client.counters()["in_nested"] == 1
    outer.close()


def test_tunnels_that_lie_in_one_another_end(world):
    """A route of the inner tunnel's own packets by itself: dropped, not sent round for ever."""
    world.client.set(
        wire.SetUplink(2, "careof0", ip("10.77.0.2"), 434),
        wire.SetTunnel(21, wire.KIND_MIP_UDP, 2, ip("198.51.100.9"), 434, 0, 0),
        wire.SetPath(21, 1300, 0, (21,)),
        route(("0.0.0.0", 0), ("0.0.0.0", 0), 21),
        wire.SetDeliver(ip("203.0.113.0"), 24),
    )
    sender = world.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.sendto(b"round and round", ("203.0.113.5", 9))
    time.sleep(0.5)
    first = world.client.counters()
    time.sleep(0.5)
    assert first["out_loop"] >= 1 and world.client.counters()["out_packets"] == first["out_packets"] <= 2
    sender.close()


def test_a_tunnel_in_name_only_sends_to_a_link_layer_address(world):
    """Direct delivery: whatever its destination, a packet goes as it is to the agent that was named."""
    agent = "02:00:00:00:00:99"
    world.client.set(
        wire.SetLinkTunnel(31, 3, mac_octets(agent)),
        wire.SetPath(31, 1300, 0, (31,)),
        route(("0.0.0.0", 0), ("10.77.0.2", 32), 31),
        wire.SetCapture(ip("10.77.0.2"), 32, ""),
    )
    sender = world.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.bind(("10.77.0.2", 0))
    sender.sendto(b"to anywhere", ("203.0.113.5", 9))
    frames, found = world.seen(lambda frame: UDP in frame and bytes(frame[UDP].payload) == b"to anywhere")
    assert found and (frames[-1].dst, frames[-1].src) == (agent, world.router_mac)
    assert (frames[-1][IP].src, frames[-1][IP].dst) == ("10.77.0.2", "203.0.113.5")
    # Larger than the path: in fragments, as by every tunnel.
    sender.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER, IP_PMTUDISC_DONT
    sender.sendto(bytes(2000), ("203.0.113.5", 9))
    frames, found = world.seen(lambda frame: IP in frame and frame[IP].frag > 0)
    assert found and len(frames[-1][IP]) <= 1300
    # The agent moved to another card, then the link went.
    world.client.set(wire.SetLinkTunnel(31, 3, mac_octets(world.node_mac)))
    sender.sendto(b"moved", ("203.0.113.5", 9))
    frames, found = world.seen(lambda frame: UDP in frame and bytes(frame[UDP].payload) == b"moved")
    assert found and frames[-1].dst == world.node_mac
    world.client.set(wire.DropLink(3))
    sender.sendto(b"no link", ("203.0.113.5", 9))
    time.sleep(0.1)
    assert world.client.counters()["out_no_path"] >= 1
    world.client.set(wire.SetLink(3, "lan0"))
    sender.sendto(b"again", ("203.0.113.5", 9))
    _, found = world.seen(lambda frame: UDP in frame and bytes(frame[UDP].payload) == b"again")
    assert found
    world.client.replay(wire.SetTun(ip("10.77.0.2"), 1500))
    with pytest.raises(ValueError):
        world.client.set(wire.DropTunnel(31))
    sender.close()


def test_a_link_too_many_is_refused_and_costs_nothing(world):
    def descriptors():
        return len(list(Path(f"/proc/{world.tunneld.process.pid}/fd").iterdir()))

    links = 1
    while links < 100:
        try:
            world.client.set(wire.SetLink(100 + links, "lan0"))
            links += 1
        except ValueError:
            break
    full = descriptors()
    for n in range(10):
        with pytest.raises(ValueError, match="No space"):
            world.client.set(wire.SetLink(200 + n, "lan0"))
    assert 10 < links < 100 and descriptors() == full


def test_answers_to_our_own_probes_come_up_and_others_do_not(world):
    def answer(identifier, kind=0):
        return IP(src="198.51.100.9", dst="10.77.0.2") / ICMP(type=kind, id=identifier, seq=7) / b"probe"

    for packet in (answer(0x77), answer(0xCA0F, 8), answer(0xCA0D)):
        world.put(packet)
    for identifier in (0xCA0F, 0xCA0E):
        world.put(answer(identifier))
        assert world.client.wait_for(wire.Frame).data == bytes(answer(identifier))

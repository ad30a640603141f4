"""Broadcasts and multicasts of a home network, to nodes that are away (RFC 5944 4.3), on real interfaces."""

import socket
import struct

import pytest
from careof.wire import tunneld as wire
from careof_office import AGENT_ADDRESS, INTERPRETERS, KEY, SPI, Office, wait_until
from namespaces import Namespace, join
from scapy.layers.inet import IP, UDP
from tunneld_process import cannot_run, ip
from tunneld_world import ANY

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
VAN, AT_HOME, EVERYONE = "10.66.0.9", "10.66.0.1", "10.66.0.255"


@pytest.fixture
def heard(world):
    """A van that is away and listens, and a socket at home."""
    world.client.set(
        wire.DropRoute(ANY, 0, ANY, 0),
        wire.SetRoute(ip(VAN), 32, ANY, 0, wire.GATE_OPEN, 60, (1,)),
        wire.SetDeliver(ip("10.66.0.0"), 24),
        wire.SetListener(ip(VAN), 24, ANY),
    )
    world.router.ip("address", "add", f"{AT_HOME}/32", "dev", "lo")
    world.router.ip("route", "add", "239.1.1.0/24", "dev", "careof0")
    world.home = world.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    world.home.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    world.home.bind((AT_HOME, 5000))
    world.home.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
    tun = world.router.inside(lambda: socket.if_nametoindex("careof0"))
    world.home.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + struct.pack("=i", tun))
    yield world
    world.home.close()


def nothing_comes(world):
    world.udp.settimeout(0.3)
    try:
        return world.udp.recv(2000) and False
    except TimeoutError:
        return True
    finally:
        world.udp.settimeout(2)


def test_it_hears_broadcasts_and_multicasts_of_its_home_network(heard):
    for destination in (EVERYONE, "239.1.1.7"):
        heard.home.sendto(b"to all", (destination, 7))
        inner = heard.received()
        assert (inner.src, inner.dst, bytes(inner[UDP].payload)) == (AT_HOME, destination, b"to all")
        rebuilt = inner.copy()
        del rebuilt[UDP].chksum
        assert IP(bytes(rebuilt))[UDP].chksum == inner[UDP].chksum
    heard.home.sendto(b"to one", (VAN, 7))  # the control: its own is no broadcast
    assert bytes(heard.received()[UDP].payload) == b"to one"
    assert heard.counters()["broadcast_copies"] == 2
    other = heard.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    other.bind(("10.77.0.2", 0))
    other.sendto(b"from elsewhere", ("239.1.1.7", 7))  # careof0's own address: it goes out there
    assert nothing_comes(heard)
    heard.client.set(wire.DropListener(ip(VAN)))
    heard.home.sendto(b"to all", (EVERYONE, 7))
    assert nothing_comes(heard)


def test_behind_a_foreign_agent_each_is_addressed_to_it(heard):
    heard.client.set(wire.SetListener(ip(VAN), 24, ip("192.0.2.1")))
    heard.home.sendto(b"to all", (EVERYONE, 7))
    outer = heard.received()
    assert (outer.src, outer.dst, outer.proto) == ("192.0.2.1", VAN, 4)
    assert IP(bytes(outer)).chksum == outer.chksum and outer[IP:2].dst == EVERYONE
    assert bytes(outer[UDP].payload) == b"to all"


def test_they_are_bounded_and_fit_the_path(heard):
    for _ in range(300):
        heard.home.sendto(b"storm", (EVERYONE, 7))
    wait_until(lambda: heard.counters()["broadcast_limited"] > 0, "the storm to be limited")
    counters = heard.counters()
    assert counters["broadcast_copies"] < 150 and counters["broadcast_limited"] > 150
    while not nothing_comes(heard):
        pass
    heard.home.setsockopt(socket.IPPROTO_IP, 10, 0)  # no DF
    wait_until(lambda: sent_and_came(heard), "room for one more")


def sent_and_came(heard):
    heard.home.sendto(b"x" * 1400, (EVERYONE, 7))
    try:
        first, second = heard.received(), heard.received()
    except TimeoutError:
        return False
    return first.flags.MF and second.frag > 0 and len(first) <= 1200


def test_a_listener_that_cannot_be_is_refused(heard):
    for length in (0, 31, 32):
        with pytest.raises(ValueError, match="Invalid"):
            heard.client.set(wire.SetListener(ip(VAN), length, ANY))
    with pytest.raises(ValueError, match="No such"):
        heard.client.set(wire.DropListener(ip("10.66.0.10")))


# -- From a real home link to a real router

ASSOCIATION = f"config association 'key'\n\toption spi '{SPI}'\n\toption key '{KEY}'\n"
AGENT = f"""config home_agent 'ha'
	option address '{AGENT_ADDRESS}'
	option home_device 'home0'
config node_group 'vans'
	option broadcast '1'
config mobile_node 'van'
	option home_address '{VAN}'
	list association 'key'
	option group 'vans'
{ASSOCIATION}"""
BRANCH = f"""config mobile_router 'van'
	option home_address '{VAN}'
	option home_agent '{AGENT_ADDRESS}'
	option broadcast '1'
	list uplink 'wan'
config uplink 'wan'
	option device 'up0'
	option preference '10'
	option association 'key'
{ASSOCIATION}"""


class Home(Office):
    """The office, with a host on the home agent's home link."""

    def __init__(self, interpreter, agent=AGENT):
        self.lan = Namespace("home")
        super().__init__(interpreter, branch=BRANCH, agent=agent)
        join(self.outside, "home0", f"{AT_HOME}/24", self.lan, "lan0", "10.66.0.5/24")

    def remove(self):
        super().remove()
        self.lan.remove()


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_broadcast_on_the_home_link_reaches_the_van(interpreter):
    home = Home(interpreter)
    try:
        van = home.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        van.bind(("", 5555))
        van.settimeout(0.5)
        host = home.lan.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        host.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        host.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan0\0")

        def reaches():
            host.sendto(b"hello all", ("255.255.255.255", 5555))
            try:
                return van.recv(100) == b"hello all"
            except TimeoutError:
                return False

        wait_until(reaches, "a broadcast to come through the tunnel")
        home.agent.config_path.write_text(AGENT.replace("option broadcast '1'", "option broadcast '0'"))
        assert home.agent.careof("reload")[0] == 0
        wait_until(lambda: not reaches(), "what is not allowed any more to end")
        assert home.branch.status()["state"] == "connected"
    finally:
        home.remove()

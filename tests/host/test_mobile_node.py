"""A mobile node between foreign agents and home, as processes (RFC 5944 2.4, 3.6, 4.6; 3024, 4721, 3543)."""

import socket
import threading
import time

import pytest
from careof_office import INTERPRETERS, wait_until
from roaming import CARE_OF, FOREIGN, HOME, HOME_SIDE, LAPTOP, NEIGHBOUR, SERVER, Roaming
from scapy.layers.l2 import ARP, Ether
from tunneld_process import cannot_run

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
ETH_P_ARP = 0x0806


@pytest.fixture(scope="module", params=INTERPRETERS)
def shared(request):
    made = Roaming(request.param)
    yield made
    made.remove()


@pytest.fixture
def roaming(request):
    made = Roaming(**getattr(request, "param", {}))
    yield made
    made.remove()


class Arps:
    """Every ARP packet that is seen on a device of a namespace."""

    def __init__(self, namespace, device):
        self._socket = namespace.inside(
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
        )
        self._socket.bind((device, ETH_P_ARP))
        self._socket.settimeout(0.1)
        self.seen, self._over = [], threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self):
        while not self._over.is_set():
            try:
                octets, _ = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            self.seen.append(Ether(octets))

    def about(self, address):
        return [f for f in self.seen if ARP in f and address in (f[ARP].psrc, f[ARP].pdst)]

    def close(self):
        self._over.set()
        self._thread.join()
        self._socket.close()


def test_a_laptop_visits_and_both_directions_pass(shared):
    shared.plug("a", told=True)
    arps = Arps(shared.spaces["switch"], "p-laptop")
    try:
        shared.settles("a")
        assert shared.ping("laptop", SERVER, 10) == 10 and shared.ping("agent", HOME, 10) == 10
        assert shared.uplink()["agent"] == "10.9.1.1" and shared.uplink()["tunnel"] == "direct"
        assert arps.about(HOME) == []  # RFC 5944 4.6: not a word about it while away
    finally:
        arps.close()


def test_nobody_who_asks_for_the_home_address_by_arp_is_answered_away_from_home(shared):
    shared.plug("a", told=True)
    shared.settles("a")
    asking = shared.spaces["a"]

    def answers():
        done = []
        packet = asking.inside(
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
        )
        with packet:
            packet.bind(("lan0", ETH_P_ARP))
            packet.settimeout(0.5)
            mac = asking.run("cat", "/sys/class/net/lan0/address").strip()
            packet.send(
                bytes(
                    Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac, psrc="10.9.1.1", pdst=HOME)
                )
            )
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                try:
                    frame = Ether(packet.recv(2048))
                except TimeoutError:
                    break
                if frame[ARP].op == 2 and frame[ARP].psrc == HOME:
                    done.append(frame)
        return len(done)

    assert answers() == 0
    ignore = "net.ipv4.conf.node0.arp_ignore"
    assert shared.spaces["laptop"].run("sysctl", "-n", ignore).strip() == "1"
    shared.spaces["laptop"].run("sysctl", "-qw", f"{ignore}=0")  # the control: without it Linux answers
    assert answers() == 1
    shared.spaces["laptop"].run("sysctl", "-qw", f"{ignore}=1")


def test_to_another_branch_without_a_link_event(shared):
    shared.plug("a", told=True)
    shared.settles("a")
    answered = shared.start_ping("laptop", 150, SERVER)
    time.sleep(0.5)
    shared.plug("b")
    shared.settles("b")
    assert answered() > 75 and shared.ping("agent", HOME, 5) == 5
    # The agent that was left drops its visitor when the home agent revokes (RFC 3543).
    wait_until(lambda: shared.ends["a"].status()["visiting"] == 0, "agent A to be told")


def test_home_and_away_again(shared):
    shared.plug("a", told=True)
    shared.settles("a")
    assert shared.ping("host", HOME, 3) == 3  # the home agent answers ARP in its stead
    arps = Arps(shared.spaces["host"], "host0")
    try:
        shared.plug("home", told=True)
        shared.settles("home")
        assert shared.ping("laptop", SERVER, 5) == 5
        assert shared.ping("laptop", NEIGHBOUR, 5) == 5 and shared.ping("host", HOME, 5) == 5
        mac = shared.spaces["laptop"].run("cat", "/sys/class/net/node0/address").strip()
        agent_mac = shared.spaces["agent"].run("cat", "/sys/class/net/home0/address").strip()
        gratuitous = [f for f in arps.about(HOME) if f[ARP].psrc == f[ARP].pdst == HOME]
        # Both say that the address is the node's own again: the node itself, then its home agent.
        own = [f.src for f in gratuitous if f[ARP].hwsrc == mac]
        assert own[0] == mac and agent_mac in own
        assert all(f.dst == "ff:ff:ff:ff:ff:ff" for f in gratuitous)
        neighbours = shared.spaces["host"].ip("neighbour", "show", HOME)
        assert mac in neighbours
        direct = shared.spaces["laptop"].ip("route", "get", NEIGHBOUR)
        assert "dev node0" in direct and HOME in direct
    finally:
        arps.close()
    shared.plug("b", told=True)
    shared.settles("b")
    assert shared.ping("host", HOME, 5) == 5 and shared.ping("laptop", NEIGHBOUR, 5) == 5


def test_careofd_dies_and_the_visit_goes_on(shared):
    shared.plug("b", told=True)
    shared.settles("b")
    wait_until(lambda: list((shared.laptop.run_folder / "state").iterdir()), "state")
    time.sleep(0.3)
    answered = shared.start_ping("laptop", 100, SERVER)
    shared.laptop.kill()
    shared.laptop.start()
    assert answered() == 100
    shared.settles("b")
    assert shared.counters("laptop").get("agent_moves", 0) == 0, shared.laptop.log()


ENCAPSULATING = {
    "laptop": LAPTOP.replace("option attachment", "option delivery 'encapsulating'\n\toption attachment")
}


@pytest.mark.parametrize("roaming", [ENCAPSULATING], indirect=True)
def test_encapsulating_delivery(roaming):
    roaming.plug("a", told=True)
    roaming.settles("a")
    assert roaming.ends["a"].status()["visitors"][0]["delivery"] == "encapsulating"
    assert roaming.ping("laptop", SERVER, 10) == 10 and roaming.ping("agent", HOME, 10) == 10


DENYING = {"foreign": FOREIGN.replace("option interval_ms", "option max_visitors '1'\n\toption interval_ms")}


@pytest.mark.parametrize("roaming", [DENYING], indirect=True)
def test_an_agent_that_revokes_is_registered_with_again(roaming):
    roaming.plug("a", told=True)
    roaming.settles("a")
    assert roaming.ends["a"].careof("revoke", HOME)[0] == 0
    wait_until(lambda: roaming.counters("laptop").get("agent_moves", 0) >= 2, "the laptop to be told")
    roaming.settles("a")
    assert roaming.ping("laptop", SERVER, 5) == 5 and roaming.bound()[0][0] == CARE_OF["a"]


LISTENING = {
    "laptop": LAPTOP.replace("\tlist uplink", "\toption broadcast '1'\n\tlist uplink").replace(
        "\toption attachment", "\toption delivery 'encapsulating'\n\toption attachment"
    ),
    "home": HOME_SIDE.replace(
        "\tlist association 'laptop_key'", "\tlist association 'laptop_key'\n\toption group 'laptops'"
    )
    + "config node_group 'laptops'\n\toption broadcast '1'\n",
}
DIRECT = {**LISTENING, "laptop": LISTENING["laptop"].replace("'encapsulating'", "'direct'")}
PORT = 5555


def listens(namespace):
    heard = namespace.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    heard.bind(("", PORT))
    heard.settimeout(0.5)
    return heard


@pytest.mark.parametrize("roaming", [DIRECT, LISTENING], ids=["direct", "encapsulating"], indirect=True)
def test_what_is_sent_to_all_at_home_is_heard_at_a_foreign_agent(roaming):
    roaming.plug("a", told=True)
    roaming.settles("a")
    laptop, branch = (listens(roaming.spaces[name]) for name in ("laptop", "a"))
    host = roaming.spaces["host"].inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    host.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    host.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"host0\0")
    with laptop, branch, host:

        def reaches():
            host.sendto(b"hello all", ("255.255.255.255", PORT))
            try:
                octets, origin = laptop.recvfrom(100)
            except TimeoutError:
                return False
            return octets == b"hello all" and origin[0] == NEIGHBOUR

        wait_until(reaches, "a broadcast to come in two tunnels")
        with pytest.raises(TimeoutError):  # nor did its foreign agent unwrap it, or send it to its own link
            branch.recv(100)
        config = roaming.ends["agent"].config_path
        config.write_text(config.read_text().replace("option broadcast '1'", "option broadcast '0'"))
        assert roaming.ends["agent"].careof("reload")[0] == 0
        wait_until(lambda: not reaches(), "what is not allowed any more to end")
    assert roaming.ping("laptop", SERVER, 3) == 3

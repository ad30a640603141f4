"""A router as a process that knows its name, its key and a contact: the rest it is told, with real tunnels
(RFC 2794, 4433, 4332, 5177)."""

import socket
import subprocess

import pytest
from careof.wire import ipv4
from careof_office import AGENT_ADDRESS, ASSOCIATION, INTERPRETERS, LAN, SERVER, Office, wait_until
from tunneld_process import cannot_run

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
ETH_P_IP = 0x0800
NAI, POOL = "branch7@example.net", "10.80.0.0/28"
OTHER_LAN = "10.77.9.1"  # a network of the branch that the home agent does not grant

BRANCH = f"""config mobile_router 'branch'
	option nai '{NAI}'
	option contact '{AGENT_ADDRESS}'
	list uplink 'wan'
config uplink 'wan'
	option device 'up0'
	option association 'wan_key'
{ASSOCIATION}"""
EXPLICIT = BRANCH.replace(
    "\tlist uplink",
    "\toption network_mode 'explicit'\n\tlist mobile_network '10.77.1.0/24'\n"
    "\tlist mobile_network '10.77.9.0/24'\n\tlist uplink",
)
AGENT = f"""config home_agent 'ha'
	option address '{AGENT_ADDRESS}'
	list address_pool '{POOL}'
	list dns_server '10.78.0.53'
	option dns_suffix 'example.net'
	option home_prefix_length '28'
	option message_accepted 'Grüezi: 80 % of your quota is used'
config mobile_node 'branch'
	option nai '{NAI}'
	list mobile_network '10.77.1.0/24'
	list association 'wan_key'
{ASSOCIATION}"""


@pytest.fixture(params=INTERPRETERS)
def office(request):
    made = Office(request.param, agent=AGENT, branch=BRANCH)
    yield made
    made.remove()


@pytest.fixture(params=INTERPRETERS)
def explicit(request):
    made = Office(request.param, agent=AGENT, branch=EXPLICIT)
    made.router.ip("address", "add", f"{OTHER_LAN}/24", "dev", "lo")
    yield made
    made.remove()


def resolv(office):
    path = office.branch.run_folder / "resolv-branch.conf"
    return path.read_text() if path.exists() else None


def pings(office, source, count=3):
    """How many of some quick pings from that address to the intranet are answered."""
    command = ("ping", "-q", "-i", "0.05", "-c", str(count), "-W", "1", "-I", source, SERVER)
    ping = office.router.start(*command, stdout=subprocess.PIPE, text=True)
    out, _ = ping.communicate(timeout=60)
    return int(out.split(" received")[0].split()[-1])


def test_a_router_is_told_all_that_it_does_not_know(office):
    status = office.branch.status()
    home = status["home_address"]
    assert ipv4.covers(ipv4.parse_prefix(POOL), ipv4.parse_address(home))
    assert (status["nai"], status["home_agent"]) == (NAI, AGENT_ADDRESS)
    assert status["networks"] == [{"network": "10.77.1.0/24", "routed": True, "home_agent": "granted"}]
    assert status["host"] == {"dns_servers": ["10.78.0.53"], "dns_suffix": "example.net", "prefix_length": 28}
    assert status["messages"] == {"home agent": "Grüezi: 80 % of your quota is used"}
    assert resolv(office) == "nameserver 10.78.0.53\nsearch example.net\n"
    assert f"{home}/32" in office.router.run("ip", "-4", "address", "show", "dev", "careof0")
    assert office.ping() == 3 and pings(office, home) == 3
    out = office.branch.careof("status")[1]
    for shown in (NAI, home, "10.77.1.0/24", "10.78.0.53", "Grüezi"):
        assert shown in out, out
    assert NAI in office.agent.careof("--json", "status")[1]


def test_what_was_told_is_kept_over_a_restart_of_each_end(office):
    home = office.branch.status()["home_address"]
    answered = office.start_ping(100)
    office.branch.kill()
    office.branch.start()
    wait_until(office.connected, f"the branch to be connected again: {office.branch.log()}")
    assert answered() == 100
    assert office.branch.status()["home_address"] == home and resolv(office) is not None
    office.agent.kill()
    office.agent.start()
    wait_until(lambda: office.agent.status() is not None, "the agent to answer")
    assert office.agent.status()["addresses"] == "1 of 14 leased"
    assert office.ping() == 3 and office.branch.status()["home_address"] == home


def test_an_agent_that_remembers_nothing_gives_the_same_address(office):
    home = office.branch.status()["home_address"]
    office.agent.kill()
    for file in (office.agent.run_folder / "state").iterdir():
        file.unlink()
    office.agent.start()
    wait_until(lambda: office.agent.status() is not None, "the agent to answer")
    office.branch.kill()
    for file in (office.branch.run_folder / "state").iterdir():
        file.unlink()
    office.branch.start()
    wait_until(office.connected, f"the branch to be connected again: {office.branch.log()}")
    assert office.branch.status()["home_address"] == home and office.ping() == 3


def test_name_servers_are_forgotten_when_they_are_not_asked_for_any_more(office):
    assert resolv(office) is not None
    text = BRANCH.replace("\tlist uplink", "\toption host_configuration '0'\n\tlist uplink")
    office.branch.config_path.write_text(text)
    assert office.branch.careof("reload")[0] == 0
    wait_until(lambda: resolv(office) is None, "the name servers to be forgotten")
    assert office.ping() == 3


def test_a_network_that_is_not_granted_leaves_by_no_way(explicit):
    """Sniffed where it would come out. The controls: the granted one passes, and a packet of the router's own
    does come out."""
    with explicit.outside.inside(
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    ) as link:
        link.bind(("out0", ETH_P_IP))
        link.settimeout(0.5)
        assert pings(explicit, OTHER_LAN) == 0 and explicit.ping() == 3
        explicit.router.start(
            *("ping", "-q", "-c", "1", "-W", "1", AGENT_ADDRESS), stdout=subprocess.DEVNULL
        ).wait()
        packets = sniffed(link)
    sources = {source for source, _ in packets}
    assert OTHER_LAN not in sources and LAN not in sources
    assert OTHER_LAN not in {inner for _, inner in packets} and LAN in {inner for _, inner in packets}
    assert ("192.0.2.2", None) in packets
    rows = {row["network"]: row for row in explicit.branch.status()["networks"]}
    assert rows["10.77.1.0/24"]["routed"] and not rows["10.77.9.0/24"]["routed"]
    assert rows["10.77.9.0/24"]["home_agent"] == "not this router's"


def sniffed(link):
    """[(source, source of the packet inside if it is IP in IP)] of what came so far."""
    found = []
    while True:
        try:
            data, address = link.recvfrom(65536)
        except TimeoutError:
            return found
        if address[2] == socket.PACKET_OUTGOING:
            continue
        packet = ipv4.unpack(data)
        inner = None
        if packet.protocol == ipv4.IPIP:
            inner = ipv4.address_text(ipv4.unpack(packet.payload).source)
        found.append((ipv4.address_text(packet.source), inner))

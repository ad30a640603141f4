"""A home agent of many nodes as a process: its file of nodes is taken over as a whole, or not at all."""

import json
import socket
import time

import pytest
from careof.crypt.soft import SoftProvider
from careof.wire import ipv4, mip, mip_extensions
from careof_office import AGENT_ADDRESS, INTERPRETERS, End, wait_until
from namespaces import Namespace, join
from tunneld_process import cannot_run

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
NTP_UNIX_S = 2208988800
KEY = "11" * 32
NAMED = "van7@example.net"
MANY = 5000  # rows of a file that takes some reading
CONFIGURATION = f"""config home_agent 'ha'
	option address '{AGENT_ADDRESS}'
	option nodes_file '%s'
	list home_network '10.64.0.0/12'
	list address_pool '10.80.0.0/24'
config node_group 'vans'
	option reverse_tunnel 'required'
"""


class Depot:
    """The home agent, and a socket on a network beside it for the vans."""

    def __init__(self, interpreter, folder):
        self.outside, self.vans = Namespace("agent"), Namespace("vans")
        join(self.outside, "out0", f"{AGENT_ADDRESS}/24", self.vans, "van0", "192.0.2.7/24")
        self.nodes = folder / "nodes"
        self.nodes.write_text("10.64.0.1 vans 256\n10.64.0.2 vans 300 10.66.0.0/24\n")
        keys = f"node-{NAMED}-256 hmac-sha256 {KEY}\n"
        keys += f"node-10.64.0.1-256 hmac-sha256 {KEY}\nnode-10.64.0.2-300 hmac-sha256 {KEY}\n"
        self.agent = End(self.outside, CONFIGURATION % self.nodes, interpreter, keys)
        self.keys = SoftProvider()
        self.keys.add_key("van", "hmac-sha256", bytes.fromhex(KEY))
        self.socket = self.vans.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.socket.bind(("192.0.2.7", 434))
        self.socket.settimeout(1)
        wait_until(lambda: self.agent.status() is not None, f"careofd: {self.agent.log()}")

    def register(self, home="10.64.0.1", spi=256, flags=mip.FLAG_D | mip.FLAG_T, nai=None):
        """The code of the reply, or None."""
        names = [] if nai is None else [mip_extensions.Nai(nai)]
        addresses = [ipv4.parse_address(text) for text in (home, AGENT_ADDRESS, "192.0.2.7")]
        now = time.time()
        identification = (int(now) + NTP_UNIX_S) << 32 | int(now % 1 * (1 << 32))
        data = mip.pack_to_sign(
            mip.RegistrationRequest(flags, 600, *addresses, identification, names), spi, 32
        )
        self.socket.sendto(data + self.keys.authenticate("van", data), (AGENT_ADDRESS, 434))
        try:
            return mip.unpack(self.socket.recv(2000)).message.code
        except TimeoutError:
            return None

    def bound(self):
        return sorted(row["home_address"] for row in self.agent.status()["bound"])

    def reload(self):
        status, out, error = self.agent.careof("reload", "--json")
        return json.loads(out)["changed"] if status == 0 else error

    def remove(self):
        self.socket.close()
        self.agent.remove()
        self.outside.remove()
        self.vans.remove()


@pytest.fixture(params=INTERPRETERS)
def depot(request, tmp_path):
    made = Depot(request.param, tmp_path)
    yield made
    made.remove()


def test_nodes_of_a_file_come_and_go_with_it(depot):
    assert depot.register() == 0 and depot.register("10.64.0.2", 300) == 0
    assert depot.register(flags=mip.FLAG_D) == 138
    assert depot.bound() == ["10.64.0.1", "10.64.0.2"]
    routes = depot.outside.ip("route", "show", "table", "all")
    assert "10.64.0.0/12 dev careof0" in routes and "10.66.0.0/24" not in routes
    assert depot.reload() == []
    # One wrong line: all of it stays as it was.
    depot.nodes.write_text("10.64.0.1 vans 256\n10.64.0.3 trucks 256\n")
    error = depot.reload()
    assert f"{depot.nodes}:2: 'trucks': there is no such config node_group" in error
    assert depot.bound() == ["10.64.0.1", "10.64.0.2"] and depot.register("10.64.0.2", 300) == 0
    # A long one without the second van, read while the first is served.
    rows = [f"10.65.{n >> 8}.{n & 255} vans 256" for n in range(1, MANY)]
    depot.nodes.write_text("\n".join(["10.64.0.1 vans 256", *rows]))
    assert depot.reload() == ["home_agent-ha"]
    assert depot.bound() == ["10.64.0.1"] and depot.agent.status()["nodes"] == MANY
    assert depot.register("10.64.0.2", 300) is None and depot.register() == 0
    # A node that has no key is nobody: nothing is answered, and it is said.
    assert depot.register("10.65.0.1") is None
    assert depot.agent.counters()["key_missing"] >= 1
    assert "no key node-10.65.0.1-256" in depot.agent.log()
    # Over a restart the binding stays.
    depot.agent.careof("stop")
    depot.agent.process.wait(timeout=10)
    depot.agent.start()
    wait_until(lambda: depot.agent.status() is not None, "careofd to answer again")
    assert depot.bound() == ["10.64.0.1"]


def test_nodes_of_a_file_may_be_known_by_name(depot):
    depot.nodes.write_text(f"10.64.0.1,van1@example.net vans 256\n{NAMED} vans 256 10.90.0.0/24\n")
    assert depot.register("0.0.0.0", nai=NAMED.encode()) is None  # the control: not before it is there
    assert depot.reload() == ["home_agent-ha"]
    assert depot.register("0.0.0.0", nai=NAMED.encode()) == 0
    assert depot.register("0.0.0.0", nai=b"van1@example.net") == 0
    [one, leased] = depot.bound()
    assert one == "10.64.0.1" and leased.startswith("10.80.0.")
    routes = depot.outside.ip("route", "show", "table", "all")
    assert "10.90.0.0/24 dev careof0" in routes
    depot.nodes.write_text("10.64.0.1 vans 256\nvan7 vans 256\n")
    assert f"{depot.nodes}:2: 'van7': expected an IPv4 address" in depot.reload()

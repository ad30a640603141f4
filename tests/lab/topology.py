"""The namespaces of one lab, drawn:

                         wan0 -- wan    office Ethernet  == 2.5 ms == wan0
                         |       192.0.2.0/24                          |
    laptop ------ branch |                                             |
    .10        .1        wwan0 - wwan   Wi-Fi, NAT       == 10 ms  == wwan0
      10.77.1.0/24       |       192.168.43.0/24                  internet ------ ha ------ intranet
                         |                                             | .1      .10 .1        .2
                         lte0 -- lte    carrier NAT      == 25 ms  == lte0
                        .10      .1     100.64.7.0/24, slow             198.51.100.0/24  10.78.0.0/24

The branch has one default route for each uplink, by metric, as netifd would give it. The distance of an
access network lies behind its gateway, where the relay's line is.

Two labs never meet: whatever has a name outside a namespace bears the lab's id (remains.py).
"""

import ipaddress
import subprocess
from pathlib import Path

from . import remains
from .access import ACCESS, AccessNetwork
from .process import Service, run

ROOT = Path(__file__).resolve().parents[2]
RELAY = ROOT / "build/tests/lab/relay"

NODES = ("laptop", "branch", *(access.name for access in ACCESS), "internet", "ha", "intranet")

MOBILE_NETWORK, LAPTOP, BRANCH_LAN = "10.77.1.0/24", "10.77.1.10", "10.77.1.1"
HOME_NETWORK, HOME_ADDRESS = "10.77.0.0/16", "10.77.0.2"
HOME_AGENT, HOME_AGENT_GATEWAY = "198.51.100.10", "198.51.100.1"
INTRANET, SERVER, SERVER_GATEWAY = "10.78.0.0/24", "10.78.0.2", "10.78.0.1"
TRACKED = "203.0.113.250"  # an address of the internet that a failover script may ping

# Every node is a router but for the ends; no reverse-path filter, as OpenWrt has it (several uplinks).
SYSCTLS = (
    "net.ipv6.conf.all.disable_ipv6=1",
    "net.ipv6.conf.default.disable_ipv6=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.default.send_redirects=0",
)
ENDS = ("laptop", "intranet", "neighbour")


class Lab:
    """The namespaces, from enter to exit; what runs in them is ended with them."""

    kind, nodes, accesses = "branch", NODES, ACCESS

    def __init__(self, lab_id=None):
        """A new lab, for `with`; or one that stands already, to look at and to do things to."""
        self.id = lab_id or remains.new_id()
        self.folder = remains.folder_of(self.id)
        self.uplinks = {access.name: AccessNetwork(self, access) for access in self.accesses}
        self.services = []
        self._watchdog = None

    def __enter__(self):
        remains.sweep()
        remains.make_folder(self.id, self.kind)
        self._watchdog = remains.Watchdog(self.id)
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Remove everything; harmless when that was done before."""
        for service in reversed(self.services):
            service.retire()
        if self._watchdog:
            self._watchdog.release()
            self._watchdog = None

    def _build(self):
        for node in self.nodes:
            run("ip", "netns", "add", self.namespace(node))
        for node in self.nodes:
            forward = () if node in ENDS else ("net.ipv4.ip_forward=1",)
            self.run(node, "sysctl", "-qw", *SYSCTLS, *forward)
            self.ip_batch(node, "link set lo up")
        self.join("ha", "wan0", f"{HOME_AGENT}/24", "internet", "ha0", f"{HOME_AGENT_GATEWAY}/24")
        self.join("intranet", "lan0", f"{SERVER}/24", "ha", "lan0", f"{SERVER_GATEWAY}/24")
        self.ip_batch("ha", f"route add default via {HOME_AGENT_GATEWAY}")
        self.ip_batch("intranet", f"route add default via {SERVER_GATEWAY}")
        self.ip_batch("internet", f"address add {TRACKED}/32 dev lo")
        self._build_lans()
        for uplink in self.uplinks.values():
            uplink.build()

    def _build_lans(self):
        """What stands behind the branches."""
        self.join("laptop", "lan0", f"{LAPTOP}/24", "branch", "lan0", f"{BRANCH_LAN}/24")
        self.ip_batch("laptop", f"route add default via {BRANCH_LAN}")

    # -- Commands and processes --------------------------------------------------------------------

    def namespace(self, node):
        return remains.namespace_of(self.id, node)

    def inside(self, node, *command):
        """A command line that runs a command in a node."""
        return ["ip", "netns", "exec", self.namespace(node), *map(str, command)]

    def run(self, node, *command, check=True, text=None):
        """Run a command in a node to its end; its standard output. Raises CommandFailed."""
        return run(*self.inside(node, *command), check=check, text=text)

    def ip_batch(self, node, *lines):
        run("ip", "-n", self.namespace(node), "-batch", "-", text="\n".join(lines) + "\n")

    def start(self, node, *command, **more):
        """A process in a node, in a session of its own: a Ctrl-C of the terminal is not for it."""
        return subprocess.Popen(self.inside(node, *command), start_new_session=True, **more)

    def serve(self, name, node, *command, env=None):
        """A service in a node: started again whenever it ends."""
        log = self.folder / f"{name}.log"
        service = Service(name, lambda **more: self.start(node, *command, env=env, **more), log)
        self.services.append(service)
        return service

    # -- Links -------------------------------------------------------------------------------------

    def join(self, node, device, address, other, other_device, other_address):
        """A veth pair between two nodes, both ends up with their addresses; None: without one."""
        ends = ((node, device, address), (other, other_device, other_address))
        run(
            *("ip", "link", "add", device, "netns", self.namespace(node), "type", "veth"),
            *("peer", "name", other_device, "netns", self.namespace(other)),
        )
        for where, name, text in ends:
            if text is not None:
                host = ipaddress.ip_interface(text).ip.packed
                mac = "02:" + ":".join(f"{octet:02x}" for octet in (self.nodes.index(where), *host))
                self.ip_batch(where, f"link set {name} address {mac}", f"address add {text} dev {name}")
            self.ip_batch(where, f"link set {name} up")

    def start_relay(self, control, delay_us, near, far):
        ends = [
            text for node, device in (near, far) for text in (f"/run/netns/{self.namespace(node)}", device)
        ]
        log = open(self.folder / "relay.log", "ab")  # noqa: SIM115 (the process writes it)
        command = [RELAY, "--control", control, "--delay-us", str(delay_us), *ends]
        with log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)

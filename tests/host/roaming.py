"""A mobile node that roams between two visited branches and home: careof at every agent, and on the laptop.

    laptop: node0 ---- switch: one of the bridges a, b, home
        a ------- lan0 10.9.1.1: agent A, up0 192.0.2.7 ------ outa 192.0.2.1 -----+
        b ------- lan0 10.9.2.1: agent B, up0 198.51.100.7 --- outb 198.51.100.1 --+-- home agent, and on its
        home ---- home0 10.77.0.1 -------------------------------------------------+   lo 10.78.0.2 a server
        home ---- host0 10.77.0.9: a neighbour on the home link

plug() moves the laptop's cable in the switch, which the laptop sees only if it is told to.
"""

import contextlib
import json
import subprocess

from careof_office import KEY, End, wait_until
from namespaces import Namespace, join

HOME, HOME_AGENT, NEIGHBOUR, SERVER = "10.77.0.2", "10.77.0.1", "10.77.0.9", "10.78.0.2"
CARE_OF = {"a": "192.0.2.7", "b": "198.51.100.7"}
AGENTS_KEY, NODES_KEY = "ff" * 32, "ee" * 32
AGENTS = f"""config association 'agents'
	option spi '768'
	option key '{AGENTS_KEY}'
"""
NODES = f"""config association 'node'
	option spi '512'
	option key '{NODES_KEY}'
"""
LAPTOP_KEY = f"""config association 'laptop_key'
	option spi '256'
	option key '{KEY}'
"""
FOREIGN = f"""config foreign_agent 'lan'
	list device 'lan0'
	option uplink_device 'up0'
	option interval_ms '300'
config visitor 'laptop'
	option home_address '{HOME}'
	option association 'node'
config agent_peer 'hq'
	option address '{HOME_AGENT}'
	option association 'agents'
{AGENTS}{NODES}"""
HOME_SIDE = f"""config home_agent 'ha'
	option address '{HOME_AGENT}'
	option home_device 'home0'
	option interval_ms '300'
config agent_peer 'a'
	option address '{CARE_OF["a"]}'
	option association 'agents'
config agent_peer 'b'
	option address '{CARE_OF["b"]}'
	option association 'agents'
config mobile_node 'laptop'
	option home_address '{HOME}'
	list association 'laptop_key'
{AGENTS}{LAPTOP_KEY}"""
LAPTOP = f"""config mobile_router 'laptop'
	option home_address '{HOME}'
	option home_agent '{HOME_AGENT}'
	option agent_association 'node'
	option own_traffic '1'
	list uplink 'lan'
config uplink 'lan'
	option device 'node0'
	option attachment 'agent'
	option association 'laptop_key'
{NODES}{LAPTOP_KEY}"""


class Roaming:
    """laptop, foreign, home: the configurations."""

    def __init__(self, interpreter="MicroPython", laptop=LAPTOP, foreign=FOREIGN, home=HOME_SIDE):
        self.spaces = {name: Namespace(name) for name in ("switch", "laptop", "agent", "a", "b", "host")}
        switch, agent = self.spaces["switch"], self.spaces["agent"]
        for bridge in ("a", "b", "home"):
            switch.ip("link", "add", f"br-{bridge}", "type", "bridge")
            switch.ip("link", "set", f"br-{bridge}", "up")
        self._into("a", "a", "lan0", "10.9.1.1/24")
        self._into("b", "b", "lan0", "10.9.2.1/24")
        self._into("home", "agent", "home0", f"{HOME_AGENT}/24")
        self._into("home", "host", "host0", f"{NEIGHBOUR}/24")
        self._into(None, "laptop", "node0", None)
        for name, network in (("a", "192.0.2."), ("b", "198.51.100.")):
            join(self.spaces[name], "up0", f"{network}7/24", agent, f"out{name}", f"{network}1/24")
            self.spaces[name].ip("route", "add", "default", "via", f"{network}1")
        agent.ip("address", "add", f"{SERVER}/24", "dev", "lo")
        self.spaces["host"].ip("route", "add", "default", "via", HOME_AGENT)
        for name in ("a", "b", "agent"):
            self.spaces[name].run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.ends = {}
        try:
            for name, text in (("agent", home), ("a", foreign), ("b", foreign), ("laptop", laptop)):
                self.ends[name] = End(self.spaces[name], text, interpreter)
        except BaseException:
            self.remove()
            raise

    def _into(self, bridge, name, device, address):
        switch = self.spaces["switch"]
        port = f"p-{name}"
        switch.ip(
            "link", "add", port, "type", "veth", "peer", "name", device, "netns", self.spaces[name].name
        )
        if bridge:
            switch.ip("link", "set", port, "master", f"br-{bridge}")
        switch.ip("link", "set", port, "up")
        if address:
            self.spaces[name].ip("address", "add", address, "dev", device)
        self.spaces[name].ip("link", "set", device, "up")

    def plug(self, bridge, told=False):
        """The laptop's cable is in this network now; told: its carrier went and came."""
        switch = self.spaces["switch"]
        if told:
            switch.ip("link", "set", "p-laptop", "down")
        switch.ip("link", "set", "p-laptop", "master", f"br-{bridge}")
        if told:
            switch.ip("link", "set", "p-laptop", "up")

    @property
    def laptop(self):
        return self.ends["laptop"]

    def uplink(self):
        status = self.laptop.status()
        return {} if status is None else status["uplinks"][0]

    def bound(self):
        """[(care-of address, tunnel)] at the home agent."""
        return [(row["care_of"], row["tunnel"]) for row in self.ends["agent"].status()["bound"]]

    def settles(self, bridge):
        """Wait until the laptop's data passes there."""
        care_of = CARE_OF.get(bridge)

        def there():
            uplink = self.uplink()
            if not uplink.get("live"):
                return False
            bound = [address for address, _ in self.bound()]
            return bound == ([] if care_of is None else [care_of]) and (
                (uplink["tunnel"] == "at home") == (care_of is None)
            )

        try:
            wait_until(there, f"the laptop at {bridge}")
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.uplink()} {self.bound()} {self.laptop.log()[-3000:]}") from e

    def start_ping(self, name, count, address, interval_s=0.02):
        """Begin pinging from a namespace; what is returned waits and tells how many were answered."""
        command = ("ping", "-q", "-i", str(interval_s), "-c", count, "-W", "1", address)
        ping = self.spaces[name].start(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        def answered():
            out, _ = ping.communicate(timeout=60)
            return int(out.split(" received")[0].split()[-1]) if " received" in out else 0

        return answered

    def ping(self, name, address, count=3):
        return self.start_ping(name, count, address)()

    def counters(self, name):
        return json.loads(self.ends[name].careof("--json", "counters")[1])["careofd"]

    def remove(self):
        for end in self.ends.values():
            with contextlib.suppress(OSError):
                end.remove()
        for space in self.spaces.values():
            space.remove()

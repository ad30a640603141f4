"""One access network: what a branch's uplink is plugged into, and all that can go wrong with it.

    branch DEVICE ---- access0 gateway up0 ==== relay, delay ==== DEVICE internet

The gateway is a real kernel's router: NAT and a stateful firewall by nftables, rate by tbf. Behind it the
relay's line gives the network its delay, and drops all that passes when the network is silent while
the link of the branch is up.
"""

import json
import socket
from collections import namedtuple

from .process import wait_until

RELAY_ANSWER_S = 2

# name; device of the branch; network of the branch's uplink (gateway .1, branch .10); network towards the
# internet (internet +1, gateway +2, its other public address +3); one-way delay; NAT; rates or None; branch:
# the node that it is plugged into
Access = namedtuple(
    "Access",
    "name device network gateway address outer nat delay_us down_mbit up_mbit metric branch",
    defaults=("branch",),
)

ACCESS = (
    Access("wan", "wan0", "192.0.2.0/24", "192.0.2.1", "192.0.2.10", 0, False, 2500, None, None, 10),
    Access("wwan", "wwan0", "192.168.43.0/24", "192.168.43.1", "192.168.43.10", 16, True, 10000, 60, 60, 20),
    Access("lte", "lte0", "100.64.7.0/24", "100.64.7.1", "100.64.7.10", 32, True, 25000, 16, 8, 30),
)
OUTER = "203.0.113."  # each access network has 16 addresses of it
QUEUE_MS = 300  # of a rate-limited direction: deep, as modems' and access points' queues are

NAT = """
table ip gateway {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "access0" accept
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "up0" ct state new drop
  }
  chain translate {
    type nat hook postrouting priority srcnat;
    oifname "up0" snat to %s
  }
}
"""


def outer_address(access, host):
    return OUTER + str(access.outer + host)


class AccessNetwork:
    """The gateway's namespace with its line, in a lab that has made the namespaces."""

    def __init__(self, lab, access):
        self.lab, self.access, self.name = lab, access, access.name
        self._control = lab.folder / f"{access.name}.relay"

    def build(self):
        lab, access = self.lab, self.access
        length = access.network.partition("/")[2]
        lab.join(
            *(access.branch, access.device, f"{access.address}/{length}"),
            *(self.name, "access0", f"{access.gateway}/{length}"),
        )
        lab.start_relay(self._control, access.delay_us, (self.name, "up0"), ("internet", access.device))
        wait_until(self._control.exists, RELAY_ANSWER_S, f"relay of {self.name}")
        wait_until(lambda: self._devices_exist(), RELAY_ANSWER_S, f"line of {self.name}")
        macs = {end: f"02:00:00:00:{access.outer:02x}:{end:02x}" for end in (1, 2)}
        ends = ((self.name, "up0", 2, 1), ("internet", access.device, 1, 2))
        for node, device, mine, peer in ends:
            peers = [outer_address(access, host) for host in ((1,) if peer == 1 else (2, 3))]
            # The line is long: nobody asks over it who has an address.
            known = f"lladdr {macs[peer]} dev {device} nud permanent"
            lab.ip_batch(
                node,
                f"link set {device} address {macs[mine]} up",
                f"address add {outer_address(access, mine)}/28 dev {device}",
                *(f"neighbour add {address} {known}" for address in peers),
            )
        lab.ip_batch(
            self.name,
            f"address add {outer_address(access, 3)}/28 dev up0",
            f"route add default via {outer_address(access, 1)}",
            f"route add blackhole {access.network} metric 999",  # while the branch's cable is out
        )
        if access.nat:
            self._translate(outer_address(access, 2))
        else:
            lab.ip_batch("internet", f"route add {access.network} via {outer_address(access, 2)}")
        for device, rate_mbit in (("access0", access.down_mbit), ("up0", access.up_mbit)):
            if rate_mbit:
                self._shape(device, rate_mbit)
        lab.ip_batch(
            access.branch,
            f"route add default via {access.gateway} dev {access.device} metric {access.metric}",
        )

    def _devices_exist(self):
        shown = (("up0", self.name), (self.access.device, "internet"))
        return all(self.lab.run(node, "ip", "-br", "link", "show", dev, check=False) for dev, node in shown)

    def _translate(self, address):
        self.lab.run(self.name, "nft", "-f", "-", text="flush ruleset\n" + NAT % address)

    def _shape(self, device, rate_mbit):
        tbf = ("tbf", "rate", f"{rate_mbit}mbit", "burst", "32k", "latency", f"{QUEUE_MS}ms")
        self.lab.run(self.name, "tc", "qdisc", "add", "dev", device, "root", *tbf)

    # -- What can go wrong -------------------------------------------------------------------------

    def unplug(self):
        """The cable is pulled: no carrier at the branch."""
        self.lab.ip_batch(self.name, "link set access0 down")

    def plug(self):
        """The cable is in again; the branch's addresses and route come back with it, as from netifd."""
        access = self.access
        self.lab.ip_batch(self.name, "link set access0 up")
        self.lab.ip_batch(
            access.branch,
            f"route replace default via {access.gateway} dev {access.device} metric {access.metric}",
        )

    def silence(self, which="both"):
        """Nothing passes any more ("out", "in" or "both" ways), while every link stays up."""
        return self._ask(f"silent {which}")

    def speak(self):
        return self._ask("silent none")

    def rebind(self):
        """The NAT forgets what it knew, and translates to another public address from now on."""
        if not self.access.nat:
            raise ValueError(f"{self.name} has no NAT")
        first, second = (outer_address(self.access, host) for host in (2, 3))
        rules = self.lab.run(self.name, "nft", "list", "ruleset")
        self._translate(second if f"snat to {first}" in rules else first)
        self.lab.run(self.name, "conntrack", "-F", check=False)

    def delay(self, one_way_us):
        return self._ask(f"delay {one_way_us}")

    def counters(self):
        return self._ask("state")

    def _ask(self, command):
        """One command to the relay; what it answered. Raises OSError, ValueError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
            asking.settimeout(RELAY_ANSWER_S)
            asking.bind("")  # a name that the kernel makes up, for the answer
            asking.sendto(command.encode(), str(self._control))
            state = json.loads(asking.recv(4096))
        if not state["understood"]:
            raise ValueError(f"relay of {self.name}: {command}: not understood")
        return state

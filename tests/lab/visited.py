"""A laptop away from home: a home link, two visited branches, and a branch that moves itself, drawn:

    [home] 10.77.0.0/24 ---- ha ------------- internet == 5 ms ==  isp-a ------- branch-a --- [a] 10.9.1.0/24
       |   .1             .10|  198.51.100.0/24  |        203.0.113.192/28  .202         .1
    neighbour                |                   == 15 ms == isp-b, NAT -- branch-b --- [b] 10.9.2.0/24
       .3                    | 10.78.0.0/24      |        192.168.44.0/24   .10          .1
                         intranet .2             == wan, wwan, lte ======= branch ----- [c] 10.77.1.0/24
                                                           (topology.py)                .1
    laptop   eth0, wlan0: each on one of the links [home], [a], [b], [c], or on none

    guest    another visitor, where a scenario wants one

A link is a bridge in the node `air`, where the laptop's devices are plugged in. Moved without a word, a
device keeps its carrier, as a station keeps it that roams between access points; else it loses it for a
moment.
"""

from collections import namedtuple
from typing import ClassVar

from .access import ACCESS, Access, outer_address
from .topology import BRANCH_LAN, NODES, Lab
from .topology import HOME_AGENT as OUTSIDE

ROAMER, GUEST = "10.77.0.20", "10.77.0.21"  # home addresses of the laptop, and of another visitor
HOME_LINK, HOME_AGENT, NEIGHBOUR = "home", "10.77.0.1", "10.77.0.3"
DEVICES = ("eth0", "wlan0")  # of the laptop

_A = ("isp-a", "a0", "203.0.113.192/28", "203.0.113.193", "203.0.113.202", 48, False, 5000)
_B = ("isp-b", "b0", "192.168.44.0/24", "192.168.44.1", "192.168.44.10", 64, True, 15000)
UPLINKS = (Access(*_A, None, None, 10, "branch-a"), Access(*_B, None, None, 10, "branch-b"))

# A link that the laptop may be on: the agent's node and device on it, its address, who is on it by DHCP
Link = namedtuple("Link", "name node device address offered")
HOME_PREFIX, A_LAN, B_LAN = "10.77.0.0/24", "10.9.1.0/24", "10.9.2.0/24"
LINKS = (
    Link(HOME_LINK, "ha", "home0", HOME_AGENT, None),
    Link("a", "branch-a", "lan0", "10.9.1.1", "10.9.1.50"),
    Link("b", "branch-b", "lan0", "10.9.2.1", "10.9.2.50"),
    Link("c", "branch", "lan0", BRANCH_LAN, "10.77.1.50"),
)


def bridge_of(link):
    return f"link-{link}"


class VisitedLab(Lab):
    """The drawing above, from enter to exit."""

    kind = "visited"
    nodes = (*NODES, "air", "neighbour", "guest", "branch-a", "branch-b", "isp-a", "isp-b")
    accesses = (*ACCESS, *UPLINKS)
    links: ClassVar = {link.name: link for link in LINKS}

    def _build(self):
        super()._build()
        # The home agent is reached at its address on the home link (RFC 5944 3.8.1).
        self.ip_batch("internet", f"route add {HOME_PREFIX} via {OUTSIDE}")
        # Who has an address of a visited link, without an agent's help, gets out as well.
        a, b = UPLINKS
        self.ip_batch(a.name, f"route add {A_LAN} via {a.address}")
        self.ip_batch("internet", f"route add {A_LAN} via {outer_address(a, 2)}")
        self.ip_batch(b.name, f"route add {B_LAN} via {b.address}")

    def _build_lans(self):
        for link in LINKS:
            kind = ("type", "bridge", "stp_state", 0, "mcast_snooping", 0, "forward_delay", 0)
            self.run("air", "ip", "link", "add", "name", bridge_of(link.name), *kind)
            self.join("air", f"to-{link.node}", None, link.node, link.device, f"{link.address}/24")
            self.ip_batch("air", f"link set to-{link.node} master {bridge_of(link.name)}")
            self.ip_batch("air", f"link set {bridge_of(link.name)} up")
        self.join("air", "to-neighbour", None, "neighbour", "eth0", f"{NEIGHBOUR}/24")
        self.ip_batch("air", f"link set to-neighbour master {bridge_of(HOME_LINK)}")
        self.ip_batch("neighbour", f"route add default via {HOME_AGENT}")
        for device in DEVICES:
            self.join("air", device, None, "laptop", device, None)
            self.unplug(device)

    # -- The laptop

    def plug(self, device, link):
        """Its cable is pulled and plugged into this link: the laptop sees its carrier go and come."""
        steps = ("down", f"master {bridge_of(link)}", "up")
        self.ip_batch("air", *(f"link set {device} {step}" for step in steps))

    def unplug(self, device):
        """No carrier at the laptop."""
        self.ip_batch("air", f"link set {device} down")

    def slip(self, device, link):
        """The device is on another link (None: on none), and nobody tells the laptop."""
        self.ip_batch("air", f"link set {device} " + (f"master {bridge_of(link)}" if link else "nomaster"))

    def where(self, device):
        """The link that a device of the laptop is on, or None."""
        shown = self.run("air", "ip", "-o", "link", "show", "dev", device)
        on = [name for name in self.links if f" master {bridge_of(name)} " in shown]
        return on[0] if on and "LOWER_UP" in shown else None

    def give_address(self, device, link):
        """What DHCP would give: an address of the link, and the agent as its router."""
        offered, gateway = self.links[link].offered, self.links[link].address
        self.ip_batch(
            "laptop",
            f"address replace {offered}/24 dev {device}",
            f"route replace default via {gateway} dev {device} metric 100",
        )

    def take_address(self, device):
        """The lease is over."""
        self.ip_batch("laptop", f"address flush dev {device} scope global")

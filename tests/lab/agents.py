"""careof in the lab of a laptop away from home: the home agent, the foreign agents, and the laptop itself.

The laptop is a mobile router without networks, attached by foreign agents on its link unless a Setting says
otherwise. branch-a reaches the home agent natively, branch-b from behind a NAT; `branch` is a foreign agent
for [c] through its own mobile router, whatever uplink that has.
"""

import contextlib
import secrets
import shutil
from collections import namedtuple

from .access import ACCESS, outer_address
from .process import wait_until
from .product import CONNECT_S, HYSTERESIS_S, LIFETIME_S, ROUTER, UPLINK, Ends
from .topology import HOME_ADDRESS, MOBILE_NETWORK
from .visited import DEVICES, GUEST, HOME_AGENT, HOME_LINK, LINKS, ROAMER, UPLINKS

INTERVAL_MS = 1000  # between advertisements
TUN = "careof0"

# A foreign agent: the end's name; its node; by which device it reaches the home agent; as whom this sees it
Foreign = namedtuple("Foreign", "name node outside seen_as")
_A, _B = UPLINKS
AGENTS = {
    agent.name: agent
    for agent in (
        Foreign("a", "branch-a", _A.device, _A.address),
        Foreign("b", "branch-b", _B.device, outer_address(_B, 2)),
        Foreign("c", "branch", TUN, HOME_ADDRESS),
    )
}

# How the laptop visits. challenge: foreign agents ask for one, and share an association with the laptop.
Setting = namedtuple("Setting", "delivery encapsulation challenge movement attachment simultaneous")
PLAIN = Setting("direct", "auto", False, "eager", "agent", True)

ROAMING = f"""
config mobile_router '{{name}}'
	option home_address '{{home_address}}'
	option home_agent '{HOME_AGENT}'
	option lifetime_s '{LIFETIME_S}'
	option simultaneous '{{simultaneous:d}}'
	option encapsulation '{{encapsulation}}'
"""
VISITING = """
config uplink '{device}'
	option device '{device}'
	option preference '{preference}'
	option association '{name}_{device}'
	option hysteresis_s '0'
	option attachment '{attachment}'
	option movement '{movement}'
	option delivery '{delivery}'
"""
FOREIGN = """
config foreign_agent 'lan'
	list device 'lan0'
	option uplink_device '{outside}'
	option interval_ms '{interval_ms}'
	option challenge '{challenge:d}'
	option max_visitors '{room}'
	option registration_required '{required:d}'
	{visitors}
config agent_peer 'hq'
	option address '{home_agent}'
	option association 'hq_{agent}'
"""
HOME_AGENT_FILE = f"""
config home_agent 'ha'
	option address '{HOME_AGENT}'
	option home_device 'home0'
	option interval_ms '{INTERVAL_MS}'
config mobile_node 'laptop'
	option home_address '{ROAMER}'
{"".join(f"	list association 'laptop_{device}'" + chr(10) for device in DEVICES)}
config mobile_node 'guest'
	option home_address '{GUEST}'
	list association 'guest_{DEVICES[0]}'
config mobile_node 'branch'
	option home_address '{HOME_ADDRESS}'
	list mobile_network '{MOBILE_NETWORK}'
{"".join(f"	list association 'branch_{access.name}'" + chr(10) for access in ACCESS)}
"""
PEER = """
config agent_peer '{agent}'
	option address '{address}'
	option association 'hq_{agent}'
"""
VISITOR = f"""
config visitor 'laptop'
	option home_address '{ROAMER}'
	option association 'visiting'
"""
SHARED = """
config association '{name}'
	option spi '{spi}'
	option key '{key}'
"""


def _association(name, spi):
    return SHARED.format(name=name, spi=spi, key=secrets.token_hex(32))


class Roaming(Ends):
    """All ends; the laptop's is started anew with every Setting."""

    name = "careof, visiting"

    def __init__(self, lab):
        super().__init__(lab)
        names = [f"laptop_{device}" for device in DEVICES] + [f"branch_{access.name}" for access in ACCESS]
        names += [f"guest_{DEVICES[0]}", "visiting", *(f"hq_{agent}" for agent in AGENTS)]
        self._shared = {name: _association(name, 256 + i) for i, name in enumerate(names)}

    def _associations(self, *beginnings):
        return "".join(text for name, text in self._shared.items() if name.startswith(beginnings))

    # -- The agents

    def start(self):
        """Home agent and foreign agents; the branch, and so the agent of [c], is connected."""
        peers = "".join(PEER.format(agent=name, address=agent.seen_as) for name, agent in AGENTS.items())
        text = HOME_AGENT_FILE + peers + self._associations("laptop_", "guest_", "branch_", "hq_")
        self.start_end("ha", "ha", text, "ha-")
        for agent in AGENTS.values():
            self.start_end(agent.name, agent.node, self._foreign_file(agent), f"{agent.name}-")
        wait_until(lambda: all(map(self.is_serving, AGENTS)), CONNECT_S, "foreign agents")

    def _foreign_file(self, agent, challenge=False, room=100, required=False, visitors=None):
        text = FOREIGN.format(
            required=required,
            visitors=f"list visitor_prefix '{visitors}'" if visitors else "",
            outside=agent.outside,
            interval_ms=INTERVAL_MS,
            challenge=challenge,
            room=room,
            home_agent=HOME_AGENT,
            agent=agent.name,
        )
        text += self._associations(f"hq_{agent.name}")
        if challenge:
            text += VISITOR + self._associations("visiting")
        if agent.outside != TUN:
            return text
        uplinks = "".join(
            UPLINK.format(
                name=access.name, device=access.device, preference=access.metric, hysteresis_s=HYSTERESIS_S
            )
            for access in ACCESS
        )
        router = ROUTER.format(home_agent=HOME_AGENT) + "".join(
            f"\tlist uplink '{access.name}'\n" for access in ACCESS
        )
        return text + router + uplinks + self._associations("branch_")

    def change_agent(self, name, **more):
        """The foreign agent is told to do otherwise: what is not said is as it was at first."""
        text = self._foreign_file(AGENTS[name], **more)
        (self.run_folder(name) / "careof").write_text(text)
        self.ask(name, "reload")

    def is_serving(self, name):
        with contextlib.suppress(OSError):
            states = {role["name"].partition("-")[0]: role["state"] for role in self.status(name)["roles"]}
            return (
                states["foreign_agent"] == "serving"
                and states.get("mobile_router", "connected") == "connected"
            )
        return False

    def role(self, end, kind):
        """Status of the one role of this kind. Raises OSError."""
        [found] = [role for role in self.status(end)["roles"] if role["name"].startswith(kind)]
        return found

    def visitors(self, name):
        return self.role(name, "foreign_agent")["visitors"]

    def bound(self, home_address=ROAMER):
        """The laptop's bindings, as the home agent has them."""
        rows = self.role("ha", "home_agent")["bound"]
        return [row for row in rows if row["home_address"] == home_address]

    # -- The laptop

    def start_laptop(self, setting=PLAIN):
        """Another laptop, as far as anybody knows: nothing of before is left in it."""
        self._stop_node("laptop")
        self._start_node("laptop", ROAMER, DEVICES, setting)

    def start_guest(self, link):
        """Another visitor, who takes a place at this link's agent."""
        self.lab.join("air", "guest", None, "guest", "eth0", None)
        self.lab.slip("guest", link)
        self._start_node("guest", GUEST, DEVICES[:1], PLAIN)
        wait_until(lambda: self.bound(GUEST), CONNECT_S, "the guest")

    def stop_guest(self):
        if "guest-careofd" in self.services:
            self._stop_node("guest")
            self.lab.run("guest", "ip", "link", "delete", "eth0")

    def _start_node(self, name, home_address, devices, setting):
        self.start_end(name, name, self._node_file(name, home_address, devices, setting), f"{name}-")
        wait_until(lambda: self._route(name, home_address), CONNECT_S, f"careof0 of {name}")

    def _route(self, name, home_address):
        """Whatever has no source address of its own takes the home address, as on a host that is at home."""
        addresses = self.lab.run(name, "ip", "-br", "address", "show", "dev", TUN, check=False)
        if f" {home_address}/32" not in addresses:
            return False
        self.lab.ip_batch(name, f"route replace default dev {TUN} src {home_address} metric 1")
        return True

    def _stop_node(self, name):
        for service in (f"{name}-careofd", f"{name}-tunneld"):
            if service in self.services:
                self.services.pop(service).stop()
        shutil.rmtree(self.run_folder(name), ignore_errors=True)

    def _node_file(self, name, home_address, devices, setting):
        text = ROAMING.format(name=name, home_address=home_address, **setting._asdict())
        text += "".join(f"\tlist uplink '{device}'\n" for device in devices)
        if setting.challenge:
            text += "\toption agent_association 'visiting'\n"
        for preference, device in enumerate(devices, 1):
            text += VISITING.format(name=name, device=device, preference=preference * 10, **setting._asdict())
        return text + self._associations(f"{name}_", *(["visiting"] if setting.challenge else []))

    def move(self, device):
        """An operator's wish, until that device fails."""
        self.ask("laptop", "move", device)

    def laptop(self):
        """What it says of itself, or None while it says nothing."""
        with contextlib.suppress(OSError):
            return self.role("laptop", "mobile_router")
        return None

    def uplink(self):
        """Where the laptop is: the link of the agent by which it is connected, or None. Raises OSError."""
        router = self.role("laptop", "mobile_router")
        if router["state"] == "home":
            return HOME_LINK
        rows = [row for row in router["uplinks"] if row["uplink"] == router["carrying"]]
        if not rows or router["state"] not in ("connected", "moving"):
            return None
        return next((link.name for link in LINKS if link.address == rows[0]["agent"]), rows[0]["address"])

"""The topology of most stories: a branch router with three uplinks, and its home agent.

    laptop -- branch router -- wan  (10 ms)        --+
      10.77.1.5   10.77.0.2 -- wwan (25 ms, NAT)   --+-- home agent 198.51.100.10 -- server 10.1.0.9
                            -- lte  (60 ms, NAT)   --+

Delays are one way. The laptop asks the server something every TRAFFIC_MS, and the server answers; both
sides note what arrives.
"""

from collections import namedtuple

from careof.agent.events import AgentOptions, RouterOptions
from careof.agent.home_agent.role import HomeAgent
from careof.agent.mobile_router.role import MobileRouter
from careof.limits import KEEPALIVE_IDENTIFIER
from careof.wire import icmp, ipv4
from careof.wire.reader import Malformed
from machine import Machine
from world import Nat, Wire, World

Router = namedtuple(
    "Router",
    "name home_address nai home_agent home_prefix_length contact lifetime_s encapsulation packet_size"
    " simultaneous broadcast mobile_network lan_device network_mode host_configuration agent_association"
    " aaa_association revocation own_traffic uplink association",
)
UplinkSection = namedtuple(
    "UplinkSection", "name device preference association hysteresis_s attachment movement delivery"
)
AssociationSection = namedtuple("AssociationSection", "name spi algorithm key replay")
Agent = namedtuple(
    "Agent",
    "name address lifetime_max_s packet_size max_bindings udp_tunnelling keepalive_s"
    " home_device interval_ms prefix_lengths address_pool redirect home_prefix_length gateway dns_server"
    " dns_suffix configuration_url message_accepted message_refused nodes_file home_network",
)
NodeSection = namedtuple(
    "NodeSection",
    "name home_address nai mobile_network association aaa_association redirect message group",
)

HOME, LAN, LAPTOP = bytes((10, 77, 0, 2)), (bytes((10, 77, 1, 0)), 24), bytes((10, 77, 1, 5))
AGENT, SERVER = bytes((198, 51, 100, 10)), bytes((10, 1, 0, 9))
WAN, WWAN, LTE = bytes((203, 0, 113, 2)), bytes((192, 168, 8, 2)), bytes((100, 64, 0, 2))
TRAFFIC_MS = 10
NOTICED_MS = 5  # later than usual by more: a silence
NAMES = ("wan", "wwan", "lte")


def Node(name, home_address, mobile_network, association, nai=None, group=None, **more):
    """A section of a mobile node."""
    return NodeSection(
        name,
        home_address,
        nai,
        mobile_network,
        association,
        more.get("aaa_association"),
        more.get("redirect"),
        more.get("message"),
        group,
    )


def associations(algorithm="hmac-md5", replay="timestamps"):
    """One for each uplink."""
    return {
        "branch-" + name: AssociationSection(
            "branch-" + name, 256 + index, algorithm, bytes([index]) * 16, replay
        )
        for index, name in enumerate(NAMES)
    }


def router_options(shared=None, names=NAMES, algorithm="hmac-md5", replay="timestamps", **changes):
    values = {
        "name": "branch",
        "home_address": HOME,
        "nai": None,
        "home_agent": AGENT,
        "home_prefix_length": None,
        "contact": (AGENT, 434),
        "lifetime_s": 600,
        "encapsulation": "auto",
        "packet_size": 1400,
        "simultaneous": True,
        "broadcast": False,
        "mobile_network": (LAN,),
        "lan_device": (),
        "agent_association": None,
        "aaa_association": None,
        "revocation": True,
        "own_traffic": False,
        "network_mode": "configured",
        "host_configuration": False,
        "uplink": names,
        "association": shared,
    }
    values.update(changes)
    uplinks = [
        UplinkSection(
            name,
            name + "0",
            10 * (NAMES.index(name) + 1),
            None if shared else "branch-" + name,
            10,
            "own",
            "eager",
            "direct",
        )
        for name in names
    ]
    return RouterOptions(Router(**values), uplinks, associations(algorithm, replay))


def agent_options(algorithm="hmac-md5", replay="timestamps", **changes):
    values = {
        "name": "ha",
        "address": AGENT,
        "lifetime_max_s": 1800,
        "packet_size": 1400,
        "max_bindings": 1000,
        "udp_tunnelling": True,
        "keepalive_s": 110,
        "home_device": None,
        "interval_ms": 1000,
        "prefix_lengths": True,
        "address_pool": (),
        "redirect": None,
        "home_prefix_length": None,
        "gateway": None,
        "dns_server": (),
        "dns_suffix": None,
        "configuration_url": None,
        "message_accepted": None,
        "message_refused": None,
        "nodes_file": None,
        "home_network": (),
    }
    values.update(changes)
    sections = associations(algorithm, replay)
    node = Node("branch", HOME, (LAN,), tuple(sorted(sections)), None)
    return AgentOptions(Agent(**values), [node], [], sections, {}, None)


class Office:
    """Both machines back to back. All uplinks are unplugged until plug()."""

    def __init__(self, seed=1, router=None, agent=None, algorithm="hmac-md5", replay="timestamps"):
        self.world = world = World(seed)
        self.options = router or router_options(algorithm=algorithm, replay=replay)
        self.agent_options = agent or agent_options(algorithm, replay)
        self.wires = {
            "wan0": Wire(world, WAN, 10),
            "wwan0": Wire(world, WWAN, 25, Nat(bytes((203, 0, 113, 77)))),
            "lte0": Wire(world, LTE, 60, Nat(bytes((203, 0, 113, 99)))),
        }
        self.internet = Wire(world, AGENT, 0)
        for wire in self.wires.values():
            wire.up = False
        random = world.chance.octets
        keys = self.options.associations
        self.router = Machine(
            world, lambda: MobileRouter(self.options, random), self.wires, keys, self._at_laptop
        )
        self.agent = Machine(
            world,
            lambda: HomeAgent(self.agent_options, random),
            {"eth0": self.internet},
            self.agent_options.associations,
            self._at_agent,
        )
        self.session = Session(self)
        self.keepalives = []  # when one arrived at the home agent

    def open(self, *devices):
        """Start both, with these plugged, and let them find each other."""
        self.agent.start()
        for device in devices:
            self.wires[device].up = True
        self.router.start()
        self.world.run(3000)
        return self

    def _at_agent(self, inner):
        """The home agent's kernel: echoes to itself, the server behind it."""
        packet = ipv4.unpack(inner)
        if packet.destination == self.agent_options.agent.address:
            try:
                source, destination, echo = icmp.unpack_packet(inner)
            except Malformed:
                return
            if echo.identifier == KEEPALIVE_IDENTIFIER:
                self.keepalives.append(self.world.now_ms)
            if echo.kind == icmp.ECHO_REQUEST:
                reply = icmp.Echo(icmp.ECHO_REPLY, echo.identifier, echo.sequence, echo.data)
                self.agent.tunneld.out(icmp.pack_packet(destination, source, reply))
        elif packet.destination == SERVER:
            sequence = int.from_bytes(packet.payload, "big")
            self.session.at_server[sequence] += 1
            self.agent.tunneld.out(_data(SERVER, LAPTOP, sequence))

    def _at_laptop(self, inner):
        packet = ipv4.unpack(inner)
        if packet.destination == LAPTOP:
            self.session.answer_came(int.from_bytes(packet.payload, "big"))

    # -- What came of it

    def carrying(self):
        return self.router.role.snapshot(self.world.now_ms)["carrying"]

    def status(self, name):
        for row in self.router.role.snapshot(self.world.now_ms)["uplinks"]:
            if row["uplink"] == name:
                return row
        raise KeyError(name)

    def bindings(self):
        """The care-of addresses that the home agent has."""
        return [binding.care_of for binding in self.agent.role.nodes.find(HOME).bindings]


class Session:
    """What the laptop asked, how often each question and answer arrived, and the silences in between."""

    def __init__(self, office):
        self.at_server, self.answers = bytearray(), bytearray()  # by sequence: how often it arrived
        self.silences = []  # (from ms, to ms) without an answer
        self._office, self._world = office, office.world
        self._begun_ms = self._heard_ms = None

    def begin(self):
        self._begun_ms = self._heard_ms = self._world.now_ms
        self._ask()

    def _ask(self):
        sequence = len(self.answers)
        self.at_server.append(0)
        self.answers.append(0)
        self._office.router.tunneld.out(_data(LAPTOP, SERVER, sequence))
        self._world.after(TRAFFIC_MS, self._ask)

    def answer_came(self, sequence):
        now_ms = self._world.now_ms
        self.answers[sequence] += 1
        if now_ms - self._heard_ms > TRAFFIC_MS + NOTICED_MS:
            self.silences.append((self._heard_ms, now_ms))
        self._heard_ms = now_ms

    def lost(self, since_ms=0):
        """How many asked since then, and long enough ago, were not answered."""
        first = max(0, since_ms - self._begun_ms) // TRAFFIC_MS
        return self.answers[first : len(self.answers) - 1000 // TRAFFIC_MS].count(b"\x00")

    def copies(self):
        """How many questions or answers came more than once."""
        return len([n for n in self.at_server if n > 1]) + len([n for n in self.answers if n > 1])

    def interruption_ms(self, since_ms=0):
        """The longest silence since then, less the usual distance of answers."""
        now = (self._heard_ms, self._world.now_ms)
        spans = [to - max(since_ms, begun) for begun, to in self.silences + [now] if to > since_ms]
        return max([0] + [span - TRAFFIC_MS for span in spans])


def _data(source, destination, sequence):
    payload = sequence.to_bytes(4, "big")
    return ipv4.pack(ipv4.Packet(source, destination, 17, ipv4.TTL, 0, sequence & 0xFFFF, True, payload))

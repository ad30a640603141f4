"""A foreign agent, a laptop on its link, and a home agent that is played by hand."""

from collections import namedtuple

from careof.agent import events
from careof.agent.foreign_agent.role import ForeignAgent
from careof.crypt.soft import SoftProvider
from careof.wire import ipv4, mip, udp
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from careof.wire.reader import Malformed
from office import AGENT, AssociationSection
from world import Chance

UNIX_MS = 1790000000000
HOME, CARE_OF, LINK, GATEWAY = (
    ipv4.parse_address(a) for a in ("10.77.0.2", "192.0.2.7", "10.9.0.1", "192.0.2.1")
)
STRANGER = ipv4.parse_address("203.0.113.66")
MAC, OTHER_MAC = b"\x02\x00\x00\x00\x00\x05", b"\x02\x00\x00\x00\x00\x06"
FIRST = 1
LAN = FIRST + 1
NODE_SPI, NODE_FOREIGN_SPI, AGENTS_SPI = 256, 512, 768
SECTIONS = {
    "node": AssociationSection("node", NODE_SPI, "hmac-md5", bytes(range(16)), "timestamps"),
    "node_fa": AssociationSection(
        "node_fa", NODE_FOREIGN_SPI, "hmac-sha256", bytes(range(1, 33)), "timestamps"
    ),
    "agents": AssociationSection("agents", AGENTS_SPI, "hmac-sha256", bytes(range(2, 34)), "timestamps"),
}
Peer = namedtuple("Peer", "name address association")
VisitorSection = namedtuple("VisitorSection", "name home_address nai association")
DEFAULTS = {
    "name": "lan",
    "device": ("lan0",),
    "uplink_device": "wan0",
    "care_of_address": None,
    "interval_ms": 1000,
    "prefix_lengths": True,
    "lifetime_max_s": 1800,
    "registration_required": False,
    "reverse_tunnel": "optional",
    "encapsulating_delivery": True,
    "minimal": True,
    "gre": True,
    "udp_tunnelling": "off",
    "challenge": False,
    "challenge_window": 2,
    "revocation": True,
    "any_home_agent": False,
    "home_agent": None,
    "message": None,
    "visitor_prefix": (),
    "max_visitors": 3,
    "max_pending": 4,
    "packet_size": 1400,
}
Section = namedtuple("Section", sorted(DEFAULTS))


HQ = (Peer("hq", AGENT, None),)


def foreign_options(peers=HQ, visitors=(), **changes):
    values = dict(DEFAULTS)
    values.update(changes)
    section = Section(*[values[name] for name in sorted(DEFAULTS)])
    return events.ForeignOptions(section, list(peers), list(visitors), SECTIONS)


class Foreign:
    """The role with a key provider. to_node: (mac, packet); to_agent: (address, octets)."""

    def __init__(self, options=None, saved=None, now_ms=0, **changes):
        self.options = options or foreign_options(**changes)
        self.role = ForeignAgent(self.options, Chance(1).octets, FIRST)
        self.keys = SoftProvider()
        for section in SECTIONS.values():
            self.keys.add_key(section.name, section.algorithm, section.key)
        self.to_node, self.to_agent, self.held, self.counts = [], [], {}, {}
        self.saved, self.others = {}, []
        self.changed = {}  # (table, key) -> how often
        self._serial = 0
        self.tell(events.WallClock(UNIX_MS), now_ms)
        for name in sorted(saved or {}, key=len):  # as main does
            self.tell(events.Restored(name, saved[name]), now_ms)
        self.tell(events.Start(), now_ms)
        self.tell(events.Link("wan0", True, CARE_OF, 24, GATEWAY), now_ms)
        self.tell(events.Link("lan0", True, LINK, 24, None), now_ms)

    def tell(self, event, now_ms=0):
        waiting = [event]
        while waiting:
            for action in self.role.handle(waiting.pop(0), now_ms):
                self._perform(action, waiting)
        return self

    def _perform(self, action, waiting):
        if isinstance(action, events.Verify):
            genuine = self.keys.verify(action.key, action.data, action.authenticator)
            waiting.append(events.Verified(action.token, genuine))
        elif isinstance(action, events.Authenticate):
            waiting.append(
                events.Authenticated(action.token, self.keys.authenticate(action.key, action.data))
            )
        elif isinstance(action, events.Send):
            assert action.uplink == FIRST
            self.to_agent.append((action.destination, action.port, action.data))
        elif isinstance(action, events.SendFrame):
            assert action.link == LAN
            self.to_node.append((action.link_address, action.data))
        elif isinstance(action, events.Hold):
            self.held[action.key] = action.message
        elif isinstance(action, events.Release):
            self.held.pop(action.key, None)
        elif isinstance(action, events.Count):
            self.counts[action.name] = self.counts.get(action.name, 0) + 1
        elif isinstance(action, events.Changed):
            self.changed[action] = self.changed.get(action, 0) + 1
        elif isinstance(action, events.Save):
            self.saved[action.name] = action.value
        else:
            self.others.append(action)

    # -- The node

    def request(
        self, flags=mip.FLAG_T, lifetime_s=600, home=HOME, care_of=CARE_OF, agent=AGENT, extensions=()
    ):
        self._serial += 1
        identification = (UNIX_MS // 1000 + 2208988800) << 32 | self._serial
        message = mip.RegistrationRequest(
            flags, lifetime_s, home, agent, care_of, identification, list(extensions)
        )
        data = mip.pack_to_sign(message, NODE_SPI, 16)
        return data + self.keys.authenticate("node", data)

    def for_agent(self, data, key="node_fa"):
        """The mobile-foreign authentication after all."""
        data += ext.pack_head_to_sign(ext.MOBILE_FOREIGN, NODE_FOREIGN_SPI, 32)
        return data + self.keys.authenticate(key, data)

    def ask(self, data, now_ms=0, mac=MAC, source=HOME, destination=LINK, ttl=255, port=5434):
        packet = udp.pack_packet(udp.Datagram(source, port, destination, 434, ttl, data))
        return self.tell(events.Frame(LAN, mac, 0, packet), now_ms)

    def solicit(self, now_ms=0, source=HOME, mac=MAC):
        packet = discovery.pack_packet(source, discovery.MOBILE_AGENTS, discovery.Solicitation())
        return self.tell(events.Frame(LAN, mac, 1, packet), now_ms)

    def node_got(self):
        """The last reply to the node: (mac, udp.Datagram, mip.Received)."""
        mac, packet = self.to_node[-1]
        datagram = udp.unpack(ipv4.unpack(packet))
        return mac, datagram, mip.unpack(datagram.data)

    def code(self):
        return self.node_got()[2].message.code

    def advertisements(self):
        found = []
        for mac, packet in self.to_node:
            try:
                found.append((mac, discovery.unpack_packet(packet)[1]))
            except Malformed:
                pass
        return found

    # -- The home agent, by hand

    def reply(
        self,
        code=0,
        lifetime_s=None,
        now_ms=0,
        source=AGENT,
        home=None,
        sign=False,
        port=434,
        tamper=None,
        after=(),
        agent=None,
        nai=None,
    ):
        """Answer the last request that was relayed. after: extensions behind its authentication."""
        request = mip.unpack(self.to_agent[-1][2]).message
        lifetime_s = request.lifetime_s if lifetime_s is None else lifetime_s
        names = [e for e in request.extensions if isinstance(e, ext.Nai)]
        if nai is not None:
            names = [ext.Nai(nai)] if nai else []
        message = mip.RegistrationReply(
            code, lifetime_s, home or request.home_address, agent or source, request.identification, names
        )
        data = mip.pack_to_sign(message, NODE_SPI, 16)
        data += self.keys.authenticate("node", data)
        self.signed_by_home_agent = data
        for extension in after:
            data += ext.pack_extension(extension)
        if sign:
            data += ext.pack_head_to_sign(ext.FOREIGN_HOME, AGENTS_SPI, 32)
            data += self.keys.authenticate(tamper or "agents", data)
        return self.from_agent(data, now_ms, source, port)

    def from_agent(self, data, now_ms=0, source=AGENT, port=434):
        return self.tell(events.Datagram(FIRST, source, port, CARE_OF, 60, data), now_ms)

    def visiting(self, **changes):
        """Registered, as most stories begin."""
        return self.ask(self.request(**changes)).reply()

    def visitors(self, now_ms=0):
        return [row["home_address"] for row in self.role.snapshot(now_ms)["visitors"]]

    def holds(self, kind):
        return {key: message for key, message in self.held.items() if key[0] == kind}


def named(foreign, now_ms=0, **more):
    """A request that says a name and no home address."""
    data = foreign.request(home=bytes(4), extensions=[ext.Nai(b"node@example.net")], **more)
    return foreign.ask(data, now_ms, source=bytes(4))


def with_node_association(**more):
    return Foreign(visitors=[VisitorSection("laptop", HOME, None, "node_fa")], **more)


def shared(**more):
    return Foreign(peers=(Peer("hq", AGENT, "agents"),), **more)


def revocable(inform=True):
    foreign = shared()
    foreign.ask(foreign.request())
    ours = ext.find(mip.unpack(foreign.to_agent[0][2]).unprotected, ext.RevocationSupport)
    assert ours is not None and ours.inform and ours.timestamp == UNIX_MS // 1000 % (1 << 32)
    return foreign.reply(sign=True, after=[ext.RevocationSupport(inform, 5000)])


def revocation(
    foreign,
    identifier=5001,
    flags=mip.REVOKED_BY_HOME_AGENT,
    home=HOME,
    care_of=CARE_OF,
    key="agents",
    says=None,
):
    words = [] if says is None else [ext.MessageString(ext.MESSAGE_FROM_HOME_AGENT, says)]
    message = mip.Revocation(flags, home, AGENT, care_of, identifier, words)
    data = mip.pack_to_sign(message, AGENTS_SPI, 32, ext.FOREIGN_HOME)
    return data + foreign.keys.authenticate(key, data)

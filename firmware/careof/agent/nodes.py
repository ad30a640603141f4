"""Who may register here: the configured mobile nodes and their security associations.

A node that a new configuration still has keeps its bindings and identifications; an association that has
still the same SPI, name and way of replay protection keeps its guard.
"""

from ..crypt import ALGORITHMS
from ..proto.kinds import NAMES
from ..proto.replay import GUARDS
from ..wire import ipv4

REFUSAL_GAP_MS = 250  # between two replies 133 of one association: what is repaired in one round trip


class AgentAssociation:
    """The home agent's end of a security association with one node."""

    __slots__ = (
        "_last_end",
        "_refused_ms",
        "authenticator_size",
        "guard",
        "key",
        "last_code",
        "replay",
        "spi",
    )

    def __init__(self, section, random):
        self.key, self.spi, self.replay = section.name, section.spi, section.replay
        self.authenticator_size = ALGORITHMS[section.algorithm].authenticator_size
        self.guard = GUARDS[section.replay](random)
        self.last_code = 0  # of the last request that was let in
        self._last_end = None  # where it came from
        self._refused_ms = None

    def took(self, request, source, port, code):
        """The request was acted upon; the identification of its reply."""
        self._last_end, self.last_code = (source, port), code
        return self.guard.took(request.identification)

    def repeats(self, request, source, port):
        """Is it the last request once more, from where that came from? (3.8.2.2; else it is a replay)"""
        return request.identification == self.guard.last and (source, port) == self._last_end

    def may_refuse(self, now_ms):
        """May a stale request be answered now? A replay in a loop is not."""
        if self._refused_ms is not None and now_ms - self._refused_ms < REFUSAL_GAP_MS:
            return False
        self._refused_ms = now_ms
        return True


class AgentNode:
    """One mobile node, its bindings, and what tunneld holds for it (agent.paths)."""

    __slots__ = ("associations", "bindings", "home_address", "name", "networks", "routed", "text", "uses")

    def __init__(self, section):
        self.name = section.name
        self.home_address = section.home_address
        self.text = ipv4.address_text(section.home_address)
        self.networks = tuple(section.mobile_network)
        self.routed = self.networks  # those of them that it asked for last (RFC 5177)
        self.associations = {}
        self.bindings = []
        self.uses = []

    def prefixes(self):
        """What is delivered to the node: its home address and the networks behind it."""
        return ((self.home_address, 32),) + self.networks

    def snapshot(self, now_ms):
        """Its bindings for status, one row each."""
        return [
            {
                "node": self.name,
                "home_address": self.text,
                "care_of": ipv4.address_text(b.care_of),
                "tunnel": NAMES[b.kind],
                "peer": "%s:%d" % (ipv4.address_text(b.peer), b.port)
                if b.port
                else ipv4.address_text(b.peer),
                "lifetime_left_s": None if b.never_expires() else b.left_s(now_ms),
            }
            for b in self.bindings
        ]

    def describe(self):
        """For a log line: where the node is."""
        ends = [ipv4.address_text(b.care_of) for b in self.bindings]
        return "%s %s at %s" % (self.name, self.text, ", ".join(ends) if ends else "no care-of address")


def _number(address):
    """A key that spreads: MicroPython hashes the octets of one network's addresses to few values."""
    return int.from_bytes(address, "big")


class Nodes:
    """All configured nodes by home address."""

    def __init__(self, options, random):
        self._random = random
        self._nodes = {}  # by _number(home address)
        self.configure(options)

    def find(self, home_address):
        return self._nodes.get(_number(home_address))

    def __iter__(self):
        return iter(self._nodes.values())

    def __len__(self):
        return len(self._nodes)

    def configure(self, options):
        """Take a configuration. Returns (the nodes that it has no more, [(node, its networks before)])."""
        gone, moved = self._nodes, []
        self._nodes = {}
        for section in options.nodes:
            node = gone.pop(_number(section.home_address), None)
            if node is None:
                node = AgentNode(section)
            elif node.networks != tuple(section.mobile_network):
                moved.append((node, node.routed))
                node.routed = tuple(section.mobile_network)
            node.name, node.networks = section.name, tuple(section.mobile_network)
            self._nodes[_number(node.home_address)] = node
            self._associate(node, [options.associations[name] for name in section.association])
        return list(gone.values()), moved

    def _associate(self, node, sections):
        before, node.associations = node.associations, {}
        for section in sections:
            association = AgentAssociation(section, self._random)
            old = before.get(section.spi)
            if old is not None and (old.key, old.replay) == (association.key, association.replay):
                association.guard = old.guard
            node.associations[section.spi] = association

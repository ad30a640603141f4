"""Who may register here: the configured mobile nodes and their security associations.

A node is known by its home address, by its network access identifier (RFC 2794), or by both. One without an
address of its own has one of the pool from the first request that is accepted on (agent.leases).

A node that a new configuration still has keeps its bindings and identifications; an association that has
still the same SPI, name and way of replay protection keeps its guard.
"""

from ..crypt import ALGORITHMS
from ..proto.kinds import NAMES
from ..proto.replay import GUARDS
from ..wire import ipv4, mip_extensions

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

    __slots__ = (
        "associations",
        "bindings",
        "home_address",
        "leases",
        "message",
        "nai",
        "name",
        "networks",
        "redirect",
        "routed",
        "text",
        "uses",
    )

    def __init__(self, section):
        self.leases = section.home_address is None  # is its home address one of the pool?
        self.networks = tuple(section.mobile_network)
        self.routed = self.networks  # those of them that it asked for last (RFC 5177)
        self.associations = {}
        self.bindings = []
        self.uses = []
        self.says(section)
        self.takes(section.home_address)

    def says(self, section):
        """What a new configuration may change in passing."""
        self.name, self.networks = section.name, tuple(section.mobile_network)
        self.nai = section.nai.encode() if section.nai is not None else None
        self.message, self.redirect = section.message, section.redirect

    def takes(self, home_address):
        """It has this home address from now on; None: it has none yet."""
        self.home_address = home_address
        self.text = ipv4.address_text(home_address) if home_address is not None else self.nai.decode()

    def prefixes(self):
        """What is delivered to the node: its home address, if that is its own, and the networks behind it."""
        return self.networks if self.leases else ((self.home_address, 32),) + self.networks

    def snapshot(self, now_ms):
        """Its bindings for status, one row each."""
        return [
            {
                "node": self.name,
                "home_address": self.text,
                "nai": None if self.nai is None else self.nai.decode(),
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


def key_of(node):
    """What a node or its section stays the same by: its own home address, as hexadecimal digits, or NAI."""
    if isinstance(node, AgentNode):
        return "@" + node.nai.decode() if node.leases else node.home_address.hex()
    return "@" + node.nai if node.home_address is None else node.home_address.hex()


def _number(address):
    """A key that spreads: MicroPython hashes the octets of one network's addresses to few values."""
    return int.from_bytes(address, "big")


class Nodes:
    """All configured nodes, by home address and by name."""

    def __init__(self, options, random):
        self._random = random
        self._nodes = {}  # by key_of()
        self._by_address = {}  # by _number(home address), of those that have one
        self._by_name = {}  # by NAI
        self.configure(options)

    def find(self, home_address):
        return self._by_address.get(_number(home_address))

    def named(self, nai):
        """The node with that NAI, as octets."""
        return self._by_name.get(nai)

    def asking(self, request):
        """Whose request is it? The name decides, if it says one that is known here: an address beside it is a
        wish (RFC 4433 3.3)."""
        nai = mip_extensions.find(request.extensions, mip_extensions.Nai) if request.extensions else None
        node = self._by_name.get(nai.name) if nai is not None else None
        if node is None and request.home_address != bytes(4):
            node = self.find(request.home_address)
            if node is not None and nai is not None and node.nai is not None:
                return None  # the address is another's
        return node

    def by_key(self, key):
        """The node that was kept under key_of()."""
        return self._nodes.get(key)

    def readdress(self, node, home_address):
        """Give a node a home address of the pool, or take it (None)."""
        if node.home_address is not None and self.find(node.home_address) is node:
            del self._by_address[_number(node.home_address)]
        node.takes(home_address)
        if home_address is not None:
            self._by_address[_number(home_address)] = node

    def __iter__(self):
        return iter(self._nodes.values())

    def __len__(self):
        return len(self._nodes)

    def configure(self, options):
        """Take a configuration. Returns (the nodes that it has no more, [(node, its networks before)])."""
        gone, moved = self._nodes, []
        self._nodes, self._by_address, self._by_name = {}, {}, {}
        for section in options.nodes:
            node = gone.pop(key_of(section), None)
            if node is None:
                node = AgentNode(section)
            elif node.networks != tuple(section.mobile_network):
                moved.append((node, node.routed))
                node.routed = tuple(section.mobile_network)
            node.says(section)
            self._nodes[key_of(section)] = node
            if not node.leases:
                self._by_address[_number(node.home_address)] = node
            if node.nai is not None:
                self._by_name[node.nai] = node
            self._associate(node, [options.associations[name] for name in section.association])
        for node in self._nodes.values():
            if node.leases and node.home_address is not None:
                self._by_address.setdefault(_number(node.home_address), node)
        return list(gone.values()), moved

    def _associate(self, node, sections):
        before, node.associations = node.associations, {}
        for section in sections:
            association = AgentAssociation(section, self._random)
            old = before.get(section.spi)
            if old is not None and (old.key, old.replay) == (association.key, association.replay):
                association.guard = old.guard
            node.associations[section.spi] = association

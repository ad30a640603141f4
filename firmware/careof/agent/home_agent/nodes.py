"""Who may register here: the configured mobile nodes and their security associations.

A node is known by its home address, by its network access identifier (RFC 2794), or by both. One without an
address of its own has one of the pool from the first request that is accepted on (home_agent.leases).

    section    of the configuration: a node from the start
    row        of a table of many (AgentOptions.table), known by its home address: a few octets until its
               node has proved who it is, then a node like the others, kept for its last identification

Whoever only claims to be of the table is looked at and forgotten: a flood of false authenticators takes no
memory. A node that a new configuration still has keeps its bindings and identifications; an association that
has still the same SPI, name and way of replay protection keeps its guard. Another table counts at once for
whoever asks, and is carried out (bindings and networks end) for a few nodes at a time: sweep().
"""

from collections import namedtuple

from ...crypt import ALGORITHMS
from ...proto import policy
from ...proto.kinds import NAMES
from ...proto.replay import GUARDS, Beginning
from ...wire import ipv4, mip_extensions

REFUSAL_GAP_MS = 250  # between two replies 133 of one association: what is repaired in one round trip


class AgentAssociation:
    """The home agent's end of a security association with one node."""

    __slots__ = (
        "_last_end",
        "_refused_ms",
        "algorithm",
        "authenticator_size",
        "guard",
        "key",
        "last_code",
        "replay",
        "spi",
    )

    def __init__(self, section, random, beginning):
        self.key, self.spi, self.replay = section.name, section.spi, section.replay
        self.algorithm = section.algorithm
        self.authenticator_size = ALGORITHMS[section.algorithm].authenticator_size
        self.guard = GUARDS[section.replay](random, beginning)
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


# As config mobile_node and config association, for a row of the table; its key has the association's name.
RowSection = namedtuple("RowSection", "name home_address nai mobile_network redirect message")
RowAssociation = namedtuple("RowAssociation", "name spi algorithm replay")


class Served:
    """What was granted and refused to one node (RFC 2006 haCounterTable)."""

    __slots__ = ("accepted", "accepted_ms", "denied", "denied_code", "denied_ms", "service_ms", "since_ms")

    def __init__(self):
        self.accepted = self.denied = self.service_ms = 0
        self.accepted_ms = self.denied_ms = self.denied_code = None
        self.since_ms = None  # since when it has a binding; None: it has none

    def granted(self, now_ms):
        self.accepted += 1
        self.accepted_ms = now_ms

    def refused(self, code, now_ms):
        self.denied += 1
        self.denied_ms, self.denied_code = now_ms, code

    def is_bound(self, bound, now_ms):
        if bound != (self.since_ms is not None):
            self.service_ms += 0 if bound else now_ms - self.since_ms
            self.since_ms = now_ms if bound else None

    def service_s(self, now_ms):
        return (self.service_ms + (0 if self.since_ms is None else now_ms - self.since_ms)) // 1000


class AgentNode:
    """One mobile node, its bindings, and what tunneld holds for it (agent.paths)."""

    __slots__ = (
        "_served",
        "aaa",
        "associations",
        "bindings",
        "delivered",
        "generation",
        "home_address",
        "key",
        "leases",
        "listener",
        "message",
        "nai",
        "name",
        "networks",
        "on_demand",
        "policy",
        "redirect",
        "routed",
        "text",
        "uses",
    )

    def __init__(self, section):
        self.key = key_of(section)
        self.leases = section.home_address is None  # is its home address one of the pool?
        self.networks = tuple(section.mobile_network)
        self.routed = self.networks  # those of them that it asked for last (RFC 5177)
        self.associations, self.aaa = {}, None  # aaa: the section that its mobile-AAA authentication is by
        self.generation = 0  # of the table, that it was looked up in last
        self.policy = policy.ANYTHING
        self.bindings = []
        self.uses = []
        self.on_demand = self.delivered = ()  # agent.paths
        self.listener = None
        self._served = None
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

    def served(self):
        """Its counts; those of who never asked take no room."""
        if self._served is None:
            self._served = Served()
        return self._served

    def bound_or_not(self, now_ms):
        """Its bindings may be others: for the time that it is served."""
        if self.bindings or self._served is not None:
            self.served().is_bound(bool(self.bindings), now_ms)

    def prefixes(self):
        """What is delivered to the node: its home address, if that is its own, and the networks behind it."""
        return self.networks if self.leases else ((self.home_address, 32),) + self.networks

    def snapshot(self, now_ms):
        """Its bindings for status, one row each."""
        return [self._row(binding, now_ms) for binding in self.bindings]

    def _row(self, b, now_ms):
        peer = ipv4.address_text(b.peer)
        row = {
            "node": self.name,
            "home_address": self.text,
            "nai": None if self.nai is None else self.nai.decode(),
            "care_of": ipv4.address_text(b.care_of),
            "tunnel": NAMES[b.kind],
            "peer": "%s:%d" % (peer, b.port) if b.port else peer,
            "lifetime_left_s": None if b.never_expires() else b.left_s(now_ms),
        }
        if b.asked is not None:
            row["source"] = ipv4.address_text(b.asked.source)
            row["flags"], row["identification"] = b.asked.flags, b.asked.identification
            row["lifetime_s"] = b.asked.lifetime_s
        return row

    def describe(self):
        """For a log line: where the node is."""
        ends = [ipv4.address_text(b.care_of) for b in self.bindings]
        return "%s %s at %s" % (self.name, self.text, ", ".join(ends) if ends else "no care-of address")


def key_of(section):
    """What its node stays the same by: its own home address, as hexadecimal digits, or NAI."""
    return "@" + section.nai if section.home_address is None else section.home_address.hex()


def number_of(address):
    """A key that spreads: MicroPython hashes the octets of one network's addresses to few values."""
    return int.from_bytes(address, "big")


class Nodes:
    """All configured nodes, by home address and by name."""

    def __init__(self, options, random):
        self._random = random
        self.beginning = Beginning()  # of all guards
        self._nodes = {}  # those of sections, by key_of()
        self._by_address = {}  # by number_of(home address), of those that have one
        self._order = []  # numbers of these and of those that are kept, sorted
        self._by_name = {}  # by NAI
        self._kept = {}  # by number_of(home address): those of the table that proved who they are
        self._named = {}  # by NAI: the same, of those that the table knows by name alone
        self._unswept = []  # keys of both, whom the last configuration has not been carried out for
        self._generation = 0
        self.changes = 0  # another number: who was looked up before may be another node now
        self.configure(options)

    def find(self, home_address):
        """The node as it is configured now, or None. One of the table is not kept by being found."""
        number = number_of(home_address)
        node = self._by_address.get(number)
        if node is not None:
            fits = node.generation in (0, self._generation)  # 0: of a section
            return node if fits else self._name_looked_up(node.nai, node)
        node = self._kept.get(number)
        if node is not None and node.generation == self._generation:
            return node
        return self._looked_up(number, home_address, node) if self._table is not None else None

    def behind(self, after, at_most):
        """The next nodes that are here, in the order of their home addresses, behind that number."""
        at = self._place(after + 1)
        numbers = self._order[at : at + at_most]
        return [self._by_address.get(number) or self._kept[number] for number in numbers]

    def _place(self, number):
        """Where a number stands in the order, or would."""
        low, high = 0, len(self._order)
        while low < high:
            middle = (low + high) // 2
            if self._order[middle] < number:
                low = middle + 1
            else:
                high = middle
        return low

    def _ordered(self, number):
        """It is here now, or is not any more: the order follows."""
        at = self._place(number)
        stands = at < len(self._order) and self._order[at] == number
        if number in self._by_address or number in self._kept:
            if not stands:
                self._order.insert(at, number)
        elif stands:
            del self._order[at]

    def named(self, nai):
        """The node with that NAI, as octets, or None. One of the table is not kept by being found."""
        node = self._by_name.get(nai)
        key = self._table.named(nai) if node is None and self._table is not None else None
        if key is None:
            return node
        if key != nai:
            return self.find(key.to_bytes(4, "big"))
        node = self._named.get(nai)
        if node is not None and node.generation == self._generation:
            return node
        return self._name_looked_up(nai, node)

    def asking(self, request):
        """Whose request is it? The name decides, if it says one that is known here: an address beside it is a
        wish (RFC 4433 3.3)."""
        nai = mip_extensions.find(request.extensions, mip_extensions.Nai) if request.extensions else None
        node = self.named(nai.name) if nai is not None else None
        if node is None and request.home_address != bytes(4):
            node = self.find(request.home_address)
            if node is not None and nai is not None and node.nai is not None:
                return None  # the address is another's
        return node

    def by_key(self, key):
        """The node that was kept under key_of()."""
        node = self._nodes.get(key)
        if node is None and key[:1] == "@":
            return self.named(key[1:].encode())
        return self.find(bytes.fromhex(key)) if node is None and len(key) == 8 else node

    def keep(self, node):
        """It has proved who it is."""
        if node.generation and node.leases:
            self.changes += node.nai not in self._named
            self._named[node.nai] = node
        elif node.generation:
            number = number_of(node.home_address)
            is_new = number not in self._kept
            self._kept[number] = node
            if is_new:
                self.changes += 1
                self._ordered(number)

    def readdress(self, node, home_address):
        """Give a node a home address of the pool, or take it (None)."""
        self.changes += 1
        self._lets_go(node)
        node.takes(home_address)
        node.on_demand = self._on_demand(node)
        if home_address is not None:
            number = number_of(home_address)
            self._by_address[number] = node
            self._ordered(number)

    def _lets_go(self, node):
        """Of an address of the pool, if it has one."""
        number = None if node.home_address is None else number_of(node.home_address)
        if number is not None and self._by_address.get(number) is node:
            del self._by_address[number]
            self._ordered(number)

    def _on_demand(self, node):
        """What of the node's is routed to us only while it is bound."""
        if not node.leases:
            return self.outside(node.prefixes())
        at_home = node.home_address is not None and self._leases_may_be_at_home
        networks = self.outside(node.networks) if node.generation else ()
        return (((node.home_address, 32),) if at_home else ()) + networks

    def __iter__(self):
        """Those of sections, and of the table those that are kept."""
        for node in self._nodes.values():
            yield node
        for kept in (self._kept, self._named):
            for node in kept.values():
                yield node

    def __len__(self):
        """How many are configured."""
        return len(self._nodes) + (len(self._table) if self._table is not None else 0)

    def sections(self):
        """Those that a section has."""
        return list(self._nodes.values())

    def leasing(self):
        """Those that have, or may have, an address of the pool."""
        return [node for node in self._nodes.values() if node.leases] + list(self._named.values())

    def configure(self, options):
        """Take a configuration: (nodes of sections that it has no more, [(node, its networks before)])."""
        self._table, self._groups = options.table, options.groups
        self._home_networks = tuple(options.agent.home_network)
        self._leases_may_be_at_home = options.agent.home_device is not None
        self._policies = {name: policy.policy_of(group) for name, group in options.groups.items()}
        self._generation += 1
        self.changes += 1
        self._unswept = list(self._kept) + list(self._named)
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
            node.policy = policy.ANYTHING if section.group is None else self._policies[section.group]
            self._nodes[key_of(section)] = node
            if not node.leases:
                self._by_address[number_of(node.home_address)] = node
            if node.nai is not None:
                self._by_name[node.nai] = node
            self._associate(node, [options.associations[name] for name in section.association])
            node.aaa = options.associations[section.aaa_association] if section.aaa_association else None
        for node in self.leasing():
            if node.home_address is not None:
                self._by_address.setdefault(number_of(node.home_address), node)
        self._order = sorted(set(self._by_address) | set(self._kept))
        return list(gone.values()), moved

    # -- The table

    def unswept(self):
        """Has sweep() more to do?"""
        return bool(self._unswept)

    def sweep(self, most):
        """Carry the configuration out for so many more nodes of the table.

        [(node, the networks that were routed to it before, or None: it is configured no more)]
        """
        swept = []
        while self._unswept and len(swept) < most:
            number = self._unswept.pop()
            if isinstance(number, bytes):
                swept.append(self._name_swept(number))
                continue
            node = self._kept[number]
            row = self._table.row(number) if self._table is not None else None
            if row is None or number in self._by_address:
                del self._kept[number]
                self.changes += 1
                self._ordered(number)
                swept.append((node, None))
                continue
            before, networks = node.routed, row[2]
            if node.generation != self._generation:
                self._looked_up(number, node.home_address, node)
            if node.networks != networks:
                node.networks = node.routed = networks
            node.on_demand = self._on_demand(node)
            swept.append((node, before))
        return swept

    def _name_swept(self, nai):
        """The same for one that the table knows by name alone."""
        node = self._named[nai]
        before = node.routed
        if self._name_looked_up(nai, node) is None:
            del self._named[nai]
            self.changes += 1
            self._lets_go(node)
            return node, None
        _, _, networks = self._table.row(nai)
        if node.networks != networks:
            node.networks = node.routed = networks
        node.on_demand = self._on_demand(node)
        return node, before

    def _looked_up(self, number, home_address, node):
        """The node of a row: a new one, or this one with what the row says of its associations and policy."""
        row = self._table.row(number)
        if row is None:
            return None
        nai = self._table.nai(number)
        if node is None:
            node = self._of_row(row, home_address, nai)
        node.nai = nai
        return self._as_row(node, row, node.text)

    def _name_looked_up(self, nai, node):
        """The same for one that the table knows by name alone."""
        known = self._table is not None and nai not in self._by_name and self._table.named(nai) == nai
        if not known:
            return None
        row = self._table.row(nai)
        return self._as_row(node or self._of_row(row, None, nai), row, nai.decode())

    def _of_row(self, row, home_address, nai):
        name, _, networks = row
        text = None if nai is None else nai.decode()
        node = AgentNode(RowSection(name, home_address, text, networks, None, None))
        node.generation = self._generation
        node.on_demand = self._on_demand(node)
        return node

    def _as_row(self, node, row, text):
        """With the associations and the policy of a row; text: what its keys are named after."""
        name, spis, _ = row
        group = self._groups[name]
        node.name, node.policy, node.generation = name, self._policies[name], self._generation
        sections = []
        for spi in spis:
            key = "node-%s-%d" % (text, spi)
            sections.append(RowAssociation(key, spi, group.algorithm, group.replay))
        self._associate(node, sections)
        return node

    def home_length(self, home_address):
        """Of the home network that the address is of, or None."""
        found = [home[1] for home in self._home_networks if ipv4.covers(home, home_address)]
        return max(found) if found else None

    def outside(self, prefixes):
        """Those that lie in no home network."""
        return tuple([prefix for prefix in prefixes if not self._is_home(prefix)])

    def _is_home(self, prefix):
        homes = self._home_networks
        return any([prefix[1] >= home[1] and ipv4.covers(home, prefix[0]) for home in homes])

    def _associate(self, node, sections):
        before, node.associations = node.associations, {}
        for section in sections:
            association = AgentAssociation(section, self._random, self.beginning)
            old = before.get(section.spi)
            if old is not None and (old.key, old.replay) == (association.key, association.replay):
                association.guard = old.guard
            node.associations[section.spi] = association

"""A home agent's file of mobile nodes (option nodes_file), for more of them than a configuration can name.

    # WHO                          GROUP  SPI[,SPI...] [PREFIX ...]
    10.77.0.2                      vans   256,257      10.77.16.0/24
    10.77.0.3,van3@example.net     vans   256
    laptop9@example.net            laptops 256

WHO is a home address, or that and the NAI that the node says beside or instead of it (RFC 2794), or an NAI
alone, with an @: then its home address is one of the agent's address_pool. The group is a config node_group.
What a line says becomes a few octets (NodeTable); lines that say the same but for who it is share theirs.
Networks must not overlap: when all are known, each is looked up in the shorter lengths that there are.
"""

import struct

from ..limits import NODES_MAX
from ..wire import ipv4
from ..wire.messages import NAME_SIZE_MAX
from .line_file import LineFile, shown
from .option_checks import is_within
from .option_table import NETWORKS_MAX, UPLINKS_MAX
from .option_types import ADDRESS, PREFIX, TEXT, whole

_SPI = whole(256, 0xFFFFFFFF)
_EXPECTED = "expected HOME_ADDRESS, HOME_ADDRESS,NAI or NAI, then GROUP SPI[,SPI...] [PREFIX ...]"
_NAI_ALONE_MAX = NAME_SIZE_MAX - len("node--4294967295")  # octets: its keys are named after it
_HEAD = ">HBB"  # index of the group, numbers of SPIs and prefixes; the SPIs; the prefixes follow
_HEAD_SIZE = 4
_PREFIXES_AT_ONCE = 32


class NodeTable:
    """The rows of a whole file."""

    def __init__(self, groups):
        self._groups = groups  # names
        self._rows = {}  # home address as a number, or NAI of who has none -> packed row
        self._same = {}  # packed row -> itself
        self._nais, self._numbers = {}, {}  # home address as a number -> NAI, of who has both; and back

    def __len__(self):
        return len(self._rows)

    def __eq__(self, other):
        if not isinstance(other, NodeTable):
            return False
        ours, theirs = (self._groups, self._rows, self._nais), (other._groups, other._rows, other._nais)
        return ours == theirs

    def __hash__(self):
        return id(self)

    def has(self, key):
        return key in self._rows

    def add(self, key, group, spis, networks, nai=None):
        """key: the home address as a number, or an NAI alone, as octets; nai: the other one's."""
        row = struct.pack(_HEAD, group, len(spis), len(networks))
        for spi in spis:
            row += struct.pack(">I", spi)
        for address, length in networks:
            row += address + bytes((length,))
        self._rows[key] = self._same.setdefault(row, row)
        if nai is not None:
            self._nais[key], self._numbers[nai] = nai, key

    def named(self, nai):
        """The key of the row of that NAI: a number, or the NAI itself; None: there is no such row."""
        return nai if nai in self._rows else self._numbers.get(nai)

    def nai(self, number):
        """That of the row of a home address, or None."""
        return self._nais.get(number)

    def complete(self):
        """There will be no more."""
        self._same = {}

    def row(self, key):
        """(name of its group, SPIs, networks), or None."""
        row = self._rows.get(key)
        if row is None:
            return None
        group, spi_count, network_count = struct.unpack_from(_HEAD, row, 0)
        at = _HEAD_SIZE + 4 * spi_count
        spis = struct.unpack_from(">%dI" % spi_count, row, _HEAD_SIZE)
        networks = []
        for _ in range(network_count):
            networks.append((row[at : at + 4], row[at + 4]))
            at += 5
        return self._groups[group], spis, tuple(networks)


class NodesFile(LineFile):
    """Reads one. configuration: has the groups, and the nodes that are not to be in the file again.

    pooled: has the agent addresses for nodes without one?
    """

    def __init__(self, path, configuration, pooled):
        super().__init__(path)
        groups = [group.name for group in configuration.node_group]
        self._groups = {group.name: (groups.index(group.name), group) for group in configuration.node_group}
        self.table = NodeTable(groups)
        homes = [node.home_address for node in configuration.mobile_node if node.home_address is not None]
        self._taken = {int.from_bytes(home_address, "big") for home_address in homes}
        self._taken.update([node.nai.encode() for node in configuration.mobile_node if node.nai is not None])
        self._pooled = pooled
        self._networks = {}  # length -> {prefix as a number: line, or 0: of the configuration}
        for node in configuration.mobile_node:
            for network in node.mobile_network:
                self._networks.setdefault(network[1], {})[int.from_bytes(network[0], "big")] = 0
        self._unchecked = None  # an iterator over (length, prefix, line)

    def step(self):
        if self._unchecked is None:
            if not super().step():
                return False
            self._unchecked = self._all_networks()
        if self.mistakes:
            return True
        for _ in range(_PREFIXES_AT_ONCE):
            network = next(self._unchecked, None)
            if network is None:
                self.table.complete()
                return True
            self._check(*network)
        return False

    def take(self, words):
        if len(words) < 3:
            raise ValueError(_EXPECTED)
        number, nai = _who(words[0])
        if number is not None:
            self._check_free(number, words[0].partition(",")[0])
        if nai is not None:
            self._check_free(nai, shown(nai.decode()))
        if number is None:
            self._check_alone(nai)
        if len(self.table) >= NODES_MAX:
            raise ValueError("expected no more than %d nodes" % NODES_MAX)
        index, group = self._groups.get(words[1], (0, None))
        if group is None:
            raise ValueError("%s: there is no such config node_group" % shown(words[1]))
        spis = [_read(_SPI, word) for word in words[2].split(",")]
        if len(spis) > UPLINKS_MAX or len(set(spis)) < len(spis):
            raise ValueError("%s: expected at most %d SPIs, each once" % (shown(words[2]), UPLINKS_MAX))
        networks = [_read(PREFIX, word) for word in words[3:]]
        if len(networks) > NETWORKS_MAX:
            raise ValueError("expected at most %d networks" % NETWORKS_MAX)
        for network in networks:
            self._take_network(network, group)
        if number is None:
            self.table.add(nai, index, spis, networks)
        else:
            self.table.add(number, index, spis, networks, nai)

    def _check_free(self, key, text):
        """Is it nobody's yet?"""
        if key in self._taken:
            raise ValueError("%s: it is that of a config mobile_node" % text)
        if self.table.has(key) or self.table.named(key) is not None:
            raise ValueError("%s: it is there already" % text)

    def _check_alone(self, nai):
        if not self._pooled:
            raise ValueError("%s: expected a home address, as there is no address_pool" % shown(nai.decode()))
        if len(nai) > _NAI_ALONE_MAX:
            what = "%s: expected at most %d octets, as its keys are named after it"
            raise ValueError(what % (shown(nai.decode()), _NAI_ALONE_MAX))

    def _take_network(self, network, group):
        text = ipv4.prefix_text(network)
        if not is_within(network, group.network_within):
            raise ValueError("%s: not within the network_within of node_group '%s'" % (text, group.name))
        known = self._networks.setdefault(network[1], {})
        prefix = int.from_bytes(network[0], "big")
        if prefix in known:
            raise ValueError("%s: %s has it" % (text, _owner(known[prefix])))
        known[prefix] = self.line

    def _all_networks(self):
        for length, known in self._networks.items():
            for prefix, line in known.items():
                yield length, prefix, line

    def _check(self, length, prefix, line):
        """Does a shorter one hold this one?"""
        for shorter, known in self._networks.items():
            if shorter >= length:
                continue
            beyond = 32 - shorter
            owner = known.get(prefix >> beyond << beyond)
            if owner is not None:
                text = ipv4.prefix_text((prefix.to_bytes(4, "big"), length))
                self.mistake("%s: it overlaps a network of %s" % (text, _owner(owner)), line or owner)


def _who(word):
    """(home address as a number, or None; NAI as octets, or None)"""
    address, comma, nai = word.partition(",")
    if not comma and "@" in word:
        return None, _read(TEXT, word).encode()
    number = int.from_bytes(_read(ADDRESS, address), "big")
    return number, _read(TEXT, nai).encode() if comma else None


def _owner(line):
    return "line %d" % line if line else "a config mobile_node"


def _read(type_, word):
    try:
        return type_.read(word)
    except ValueError:
        raise ValueError("%s: expected %s" % (shown(word), type_.text))

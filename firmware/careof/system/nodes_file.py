"""A home agent's file of mobile nodes (option nodes_file), for more of them than a configuration can name.

    # HOME_ADDRESS GROUP SPI[,SPI...] [PREFIX ...]
    10.77.0.2      vans  256,257      10.77.16.0/24

The group is a config node_group. What a line says becomes a few octets (NodeTable); lines that say the same
but for the address share theirs. Networks must not overlap: when all are known, each is looked up in the
shorter lengths that there are.
"""

import struct

from ..limits import NODES_MAX
from ..wire import ipv4
from .line_file import LineFile, shown
from .option_checks import is_within
from .option_table import NETWORKS_MAX, UPLINKS_MAX
from .option_types import ADDRESS, PREFIX, whole

_SPI = whole(256, 0xFFFFFFFF)
_EXPECTED = "expected HOME_ADDRESS GROUP SPI[,SPI...] [PREFIX ...]"
_HEAD = ">HBB"  # index of the group, numbers of SPIs and prefixes; the SPIs; the prefixes follow
_HEAD_SIZE = 4
_PREFIXES_AT_ONCE = 32


class NodeTable:
    """The rows of a whole file."""

    def __init__(self, groups):
        self._groups = groups  # names
        self._rows = {}  # home address as a number -> packed row
        self._same = {}  # packed row -> itself

    def __len__(self):
        return len(self._rows)

    def __eq__(self, other):
        return isinstance(other, NodeTable) and (self._groups, self._rows) == (other._groups, other._rows)

    def __hash__(self):
        return id(self)

    def has(self, number):
        return number in self._rows

    def add(self, number, group, spis, networks):
        row = struct.pack(_HEAD, group, len(spis), len(networks))
        for spi in spis:
            row += struct.pack(">I", spi)
        for address, length in networks:
            row += address + bytes((length,))
        self._rows[number] = self._same.setdefault(row, row)

    def complete(self):
        """There will be no more."""
        self._same = {}

    def row(self, number):
        """(name of its group, SPIs, networks), or None."""
        row = self._rows.get(number)
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
    """Reads one. configuration: has the groups, and the nodes that are not to be in the file again."""

    def __init__(self, path, configuration):
        super().__init__(path)
        groups = [group.name for group in configuration.node_group]
        self._groups = {group.name: (groups.index(group.name), group) for group in configuration.node_group}
        self.table = NodeTable(groups)
        homes = [node.home_address for node in configuration.mobile_node if node.home_address is not None]
        self._taken = {int.from_bytes(home_address, "big") for home_address in homes}
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
        number = int.from_bytes(_read(ADDRESS, words[0]), "big")
        if number in self._taken:
            raise ValueError("%s: it is that of a config mobile_node" % words[0])
        if self.table.has(number):
            raise ValueError("%s: it is there already" % words[0])
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
        self.table.add(number, index, spis, networks)

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


def _owner(line):
    return "line %d" % line if line else "a config mobile_node"


def _read(type_, word):
    try:
        return type_.read(word)
    except ValueError:
        raise ValueError("%s: expected %s" % (shown(word), type_.text))

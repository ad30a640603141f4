"""Addresses for mobile nodes that are known by name alone (RFC 2794, RFC 5177 6.2.2).

A pool is some prefixes, counted through from 0; the first and the last address of each belong to nobody, as
on a subnet, but where there are no others (RFC 3021). Each name has an address to begin with, by a hash: so a
node gets the same one again wherever it is free, even from an agent that remembers nothing.
"""

# FNV-1a of 32 bits: the same on every interpreter
_BASIS, _PRIME = 2166136261, 16777619


def spread(octets):
    """A number below 2^32 that says little about the octets."""
    found = _BASIS
    for octet in octets:
        found = (found ^ octet) * _PRIME & 0xFFFFFFFF
    return found


class Pool:
    """The addresses of these prefixes (address, length), which do not overlap."""

    def __init__(self, prefixes):
        self._ranges = []  # (the first address as a number, how many)
        self.size = 0
        for address, length in prefixes:
            first, count = int.from_bytes(address, "big"), 1 << 32 - length
            if count > 2:
                first, count = first + 1, count - 2
            self._ranges.append((first, count))
            self.size += count

    def has(self, address):
        number = int.from_bytes(address, "big")
        return any([first <= number < first + count for first, count in self._ranges])

    def at(self, index):
        """The address with this number."""
        for first, count in self._ranges:
            if index < count:
                return (first + index).to_bytes(4, "big")
            index -= count
        raise ValueError("the pool has %d addresses" % self.size)

    def search(self, name, most):
        """Each address once, from the one that is this name's; at most so many."""
        start = spread(name) % self.size if self.size else 0
        for step in range(min(self.size, most)):
            yield self.at((start + step) % self.size)

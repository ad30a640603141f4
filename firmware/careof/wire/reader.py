"""The checked cursor: the only place where lengths from outside are checked.

Whoever holds a Reader may read without checking. It alone raises Malformed, and one boundary (the
role that was handed the datagram) turns that into a counter and a log line.
"""


class Malformed(Exception):
    """A message from outside is not what its format says.

    where names the field ("request.extension 32.spi"), why the rule that it broke.
    """

    def __init__(self, where, why):
        super().__init__("%s: %s" % (where, why))
        self.where = where
        self.why = why


def printable(octets):
    """Octets from outside as text for a name or a log line: what is not printable ASCII becomes "?"."""
    return "".join([chr(octet) if 32 <= octet < 127 else "?" for octet in octets])


class Reader:
    """A cursor over received octets that cannot run past their end."""

    def __init__(self, data, where):
        self._data = memoryview(data)
        self._at = 0
        self._where = where

    def left(self):
        """Octets not yet read."""
        return len(self._data) - self._at

    def at(self):
        """Octets read so far."""
        return self._at

    def take(self, size, field):
        """The next `size` octets as a memoryview. Raises Malformed if there are fewer."""
        start = self._at
        if size < 0 or size > len(self._data) - start:
            raise Malformed(
                "%s.%s" % (self._where, field), "%d octets, %d left" % (size, len(self._data) - start)
            )
        self._at = start + size
        return self._data[start : start + size]

    def octets(self, size, field):
        """The next `size` octets as bytes."""
        return bytes(self.take(size, field))

    def uint(self, size, field):
        """The next `size` octets as an unsigned integer in network byte order."""
        return int.from_bytes(bytes(self.take(size, field)), "big")

    def rest(self):
        """All that is left, as bytes."""
        return bytes(self.take(self.left(), "rest"))

    def sub(self, size, field):
        """A Reader over the next `size` octets."""
        return Reader(self.take(size, field), "%s.%s" % (self._where, field))

    def end(self):
        """Raises Malformed if anything is left."""
        if self.left():
            raise Malformed(self._where, "%d octets too many" % self.left())

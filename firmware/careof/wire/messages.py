"""Messages between careofd and the C processes: what their tables (wire/tunneld, wire/keyd) have in common.

A table is a list of rows, one a message; a message is a header of eight octets, then the fields of its row,
in network byte order.

    0                   1                   2                   3
    |             kind              |      length (all of it)       |
    |                 number (of the sender, rising)                |

`native/common/make_messages.py` makes the C structures and codec from the same rows; golden vectors in
tests/unit/golden show that both agree.

Field types: u8 u16 u32 u64; ip (an IPv4 address, bytes of 4); mac (a link-layer address, bytes of 6);
device (an interface name, at most 15 characters, padded with NUL to 16 octets); name (a u8 count, then so
many printable ASCII characters, at most 63); list32 (a u16 count, then that many u32); short (a u8 count,
then so many octets); octets (the rest).
"""

from collections import namedtuple

from .reader import Malformed, Reader

HEADER_SIZE = 8
SIZE_MAX = 65535  # the length field
NAME_SIZE_MAX = 63

# direction: whom it goes to, as the table says it
Row = namedtuple("Row", "kind name direction fields")

_SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
_FIXED = {"ip": 4, "mac": 6}


class Table:
    """The messages of one socket, by kind and by type."""

    def __init__(self, where):
        """where: what Malformed says of a message of this table."""
        self.rows = []
        self._where = where
        self._by_kind = {}
        self._by_type = {}

    def row(self, kind, name, direction, fields):
        """Declare a message: a named tuple with the row's fields, known to pack() and unpack()."""
        row = Row(kind, name, direction, fields)
        message = namedtuple(name, tuple([field for field, _ in fields]))
        self.rows.append(row)
        self._by_kind[kind] = (row, message)
        self._by_type[message] = row
        return message

    def row_of(self, message_type):
        return self._by_type[message_type]

    def pack(self, message, number):
        """The octets of one message. Raises ValueError or OverflowError if a value does not fit."""
        row = self._by_type[type(message)]
        parts = [_pack_field(kind, value) for (_, kind), value in zip(row.fields, message)]
        body = b"".join(parts)
        length = HEADER_SIZE + len(body)
        if length > SIZE_MAX:
            raise ValueError("%s: %d octets, at most %d" % (row.name, length, SIZE_MAX))
        return row.kind.to_bytes(2, "big") + length.to_bytes(2, "big") + number.to_bytes(4, "big") + body

    def unpack(self, datagram):
        """(message, number) of one message. Raises Malformed."""
        reader = Reader(datagram, self._where)
        kind, length, number = reader.uint(2, "kind"), reader.uint(2, "length"), reader.uint(4, "number")
        if length != len(datagram):
            raise Malformed(self._where + ".length", "says %d, is %d" % (length, len(datagram)))
        if kind not in self._by_kind:
            raise Malformed(self._where + ".kind", "%d is not known" % kind)
        row, message = self._by_kind[kind]
        values = [_unpack_field(reader, name, type_) for name, type_ in row.fields]
        reader.end()
        return message(*values), number


def split(datagram, where):
    """The messages of a datagram that may have several, each as a memoryview. Raises Malformed."""
    view = memoryview(datagram)
    found = []
    at, end = 0, len(view)
    while at < end:
        length = (view[at + 2] << 8) | view[at + 3] if at + HEADER_SIZE <= end else 0
        if not HEADER_SIZE <= length <= end - at:
            raise Malformed(where + ".length", "says %d, %d octets left" % (length, end - at))
        found.append(view[at : at + length])
        at += length
    return found


def named_counters(names, values):
    """{name: count} of the octets of a Counters message: a u64 each, in their order. Raises Malformed."""
    reader = Reader(values, "counters")
    result = {}
    for name in names:
        result[name] = reader.uint(8, name)
    reader.end()
    return result


def _is_name(octets):
    for octet in octets:
        if not 33 <= octet < 127:
            return False
    return 1 <= len(octets) <= NAME_SIZE_MAX


def _pack_field(kind, value):
    size = _SIZES.get(kind)
    if size:
        return value.to_bytes(size, "big")
    size = _FIXED.get(kind)
    if size:
        if len(value) != size:
            raise ValueError("%s: %d octets, not %d" % (kind, size, len(value)))
        return bytes(value)
    if kind == "device":
        name = value.encode()
        if len(name) > 15:
            raise ValueError("device %s: at most 15 characters" % value)
        return name + bytes(16 - len(name))
    if kind == "name":
        name = value.encode()
        if not _is_name(name):
            raise ValueError("name '%s': 1 to %d printable characters" % (value, NAME_SIZE_MAX))
        return bytes([len(name)]) + name
    if kind == "list32":
        return len(value).to_bytes(2, "big") + b"".join([v.to_bytes(4, "big") for v in value])
    if kind == "short":
        return len(value).to_bytes(1, "big") + bytes(value)
    return bytes(value)


def _unpack_field(reader, name, kind):
    size = _SIZES.get(kind)
    if size:
        return reader.uint(size, name)
    size = _FIXED.get(kind)
    if size:
        return reader.octets(size, name)
    if kind == "device":
        padded = reader.octets(16, name)
        text = padded.rstrip(b"\x00")
        if len(text) > 15 or b"\x00" in text:
            raise Malformed(name, "not a device name")
        try:
            return text.decode()
        except UnicodeError:
            raise Malformed(name, "not a device name")
    if kind == "name":
        octets = reader.octets(reader.uint(1, name), name)
        if not _is_name(octets):
            raise Malformed(name, "not a name")
        return octets.decode()
    if kind == "list32":
        return tuple([reader.uint(4, name) for _ in range(reader.uint(2, name))])
    if kind == "short":
        return reader.octets(reader.uint(1, name), name)
    return reader.rest()

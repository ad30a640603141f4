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

This is on the way of every registration: the fields at a row's beginning that have one size are packed, and
read, by one call of struct, and what comes out is compared with what went in. Whatever is odd goes the long
way, field by field, which says what is wrong with it.
"""

import struct
from collections import namedtuple

from .reader import Malformed, Reader

HEADER_SIZE = 8
SIZE_MAX = 65535  # the length field
NAME_SIZE_MAX = 63

# direction: whom it goes to, as the table says it
Row = namedtuple("Row", "kind name direction fields")

_CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "ip": "4s", "mac": "6s"}
_HEADER = ">HHI"
# MicroPython has no struct.error, and does not check that a number fits.
_UNFIT = (ValueError, OverflowError, TypeError, AttributeError, getattr(struct, "error", ValueError))
_PRINTABLE = bytes(range(33, 127))
_OCTETS = ("octets",)
_SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
_FIXED = {"ip": 4, "mac": 6}


# layout: of the first fields, `count` of them with `size` octets; tail: the types of the others
_Shape = namedtuple("_Shape", "layout count size tail")


def _shape(fields):
    layout, count, size = ">", 0, 0
    for _, kind in fields:
        if kind not in _CODES:
            break
        layout += _CODES[kind]
        count += 1
        size += _SIZES.get(kind) or _FIXED[kind]
    return _Shape(layout, count, size, tuple([kind for _, kind in fields[count:]]))


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
        shape = _shape(fields)
        self._by_kind[kind] = (row, message, shape)
        self._by_type[message] = (row, shape)
        return message

    def row_of(self, message_type):
        return self._by_type[message_type][0]

    def pack(self, message, number):
        """The octets of one message. Raises ValueError or OverflowError if a value does not fit."""
        row, shape = self._by_type[type(message)]
        body = _pack_quickly(shape, message)
        if body is None:
            body = b"".join([_PACK[kind](value) for (_, kind), value in zip(row.fields, message)])
        length = HEADER_SIZE + len(body)
        if length > SIZE_MAX:
            raise ValueError("%s: %d octets, at most %d" % (row.name, length, SIZE_MAX))
        return struct.pack(_HEADER, row.kind, length, number) + body

    def unpack(self, datagram):
        """(message, number) of one message. Raises Malformed."""
        if len(datagram) >= HEADER_SIZE:
            kind, length, number = struct.unpack_from(_HEADER, datagram, 0)
            _, message, shape = self._by_kind.get(kind, (None, None, None))
            if message is not None and length == len(datagram):
                values = _unpack_quickly(shape, datagram)
                if values is not None:
                    return message(*values), number
        return self._unpack_slowly(datagram)

    def _unpack_slowly(self, datagram):
        reader = Reader(datagram, self._where)
        kind, length, number = reader.uint(2, "kind"), reader.uint(2, "length"), reader.uint(4, "number")
        if length != len(datagram):
            raise Malformed(self._where + ".length", "says %d, is %d" % (length, len(datagram)))
        if kind not in self._by_kind:
            raise Malformed(self._where + ".kind", "%d is not known" % kind)
        row, message, _ = self._by_kind[kind]
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
    return 1 <= len(octets) <= NAME_SIZE_MAX and not octets.strip(_PRINTABLE)


def _pack_quickly(shape, message):
    """The fields of a message, or None: it has to be seen what does not fit."""
    values = message[: shape.count]
    try:
        body = struct.pack(shape.layout, *values)
        if struct.unpack(shape.layout, body) != values:
            return None
        at = shape.count
        for kind in shape.tail:
            body += _PACK[kind](message[at])
            at += 1
    except _UNFIT:
        return None
    return body


def _unpack_quickly(shape, datagram):
    """The values of a message's fields, or None: it has to be seen what is wrong."""
    at, end = HEADER_SIZE + shape.size, len(datagram)
    if at > end:
        return None
    values = struct.unpack_from(shape.layout, datagram, HEADER_SIZE)
    if not shape.tail:
        return values if at == end else None
    if shape.tail == _OCTETS:
        return values + (bytes(datagram[at:]),)
    for kind in shape.tail:
        if kind == "octets":
            value, at = bytes(datagram[at:]), end
        elif kind == "short" or kind == "name":
            first = at + 1
            at = first + datagram[at] if at < end else end + 1
            if at > end:
                return None
            value = bytes(datagram[first:at])
            if kind == "name":
                if not _is_name(value):
                    return None
                value = value.decode()
        elif kind == "list32":
            count = (end - at - 2) >> 2
            if count < 0 or at + 2 + 4 * count != end or struct.unpack_from(">H", datagram, at)[0] != count:
                return None
            value, at = struct.unpack_from(">%dI" % count, datagram, at + 2), end
        else:
            return None
        values += (value,)
    return values if at == end else None


def _packs_number(size):
    return lambda value: value.to_bytes(size, "big")


def _packs_address(kind, size):
    def pack(value):
        if len(value) != size:
            raise ValueError("%s: %d octets, not %d" % (kind, size, len(value)))
        return bytes(value)

    return pack


def _pack_device(value):
    name = value.encode()
    if len(name) > 15:
        raise ValueError("device %s: at most 15 characters" % value)
    return name + bytes(16 - len(name))


def _pack_name(value):
    name = value.encode()
    if not _is_name(name):
        raise ValueError("name '%s': 1 to %d printable characters" % (value, NAME_SIZE_MAX))
    return bytes([len(name)]) + name


def _pack_list32(value):
    data = len(value).to_bytes(2, "big")
    for number in value:
        data += number.to_bytes(4, "big")
    return data


def _pack_short(value):
    return len(value).to_bytes(1, "big") + bytes(value)


# Field type -> its octets of a value. Raises ValueError or OverflowError for one that does not fit.
_PACK = {"device": _pack_device, "name": _pack_name, "list32": _pack_list32, "short": _pack_short}
_PACK["octets"] = bytes
_PACK.update({kind: _packs_number(size) for kind, size in _SIZES.items()})
_PACK.update({kind: _packs_address(kind, size) for kind, size in _FIXED.items()})


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

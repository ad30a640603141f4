"""Route netlink: what the kernel says of links, addresses and routes (rtnetlink(7), netlink(7)).

Only what careofd reads: dumps asked for, and the events of the same three kinds. Netlink speaks the
byte order of the host, and pads attributes to four octets.
"""

import sys
from collections import namedtuple

from .reader import Malformed, Reader, printable

NEW_LINK, DROP_LINK, ASK_LINK = 16, 17, 18
NEW_ADDRESS, DROP_ADDRESS, ASK_ADDRESS = 20, 21, 22
NEW_ROUTE, DROP_ROUTE, ASK_ROUTE = 24, 25, 26
ERROR, DONE, OVERRUN = 2, 3, 4

# Groups to join, as bits of the address to bind to.
GROUPS = 0x1 | 0x10 | 0x40  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE

FLAGS_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
FLAG_DUMP_INTERRUPTED = 0x10

AF_INET = 2
LINK_UP, LINK_LOWER_UP = 0x1, 0x10000  # IFF_UP, IFF_LOWER_UP of netdevice(7)
SCOPE_UNIVERSE = 0
TABLE_MAIN = 254
HEADER_SIZE = 16

# downs: how often the carrier went, ever. present: False for the Drop... kinds
Link = namedtuple("Link", "index name up carrier downs present")
Address = namedtuple("Address", "index address prefix_length scope present")
Route = namedtuple("Route", "index gateway metric present")  # a default route of the main table
Done = namedtuple("Done", "sequence error")


def _uint(octets):
    return int.from_bytes(bytes(octets), sys.byteorder)


def _host(value, size):
    return value.to_bytes(size, sys.byteorder)


def bind_address():
    """struct sockaddr_nl that joins GROUPS, for bind() on either interpreter."""
    return _host(16, 2) + bytes(2) + bytes(4) + _host(GROUPS, 4)


def ask(kind, sequence):
    """A request to dump all of ASK_LINK, ASK_ADDRESS or ASK_ROUTE."""
    body = bytes((AF_INET,)) + bytes(15)
    header = _host(HEADER_SIZE + len(body), 4) + _host(kind, 2) + _host(FLAGS_DUMP, 2) + _host(sequence, 4)
    return header + bytes(4) + body


def _attributes(reader):
    """{type: value} of what is left; of a type that comes twice the first counts."""
    found = {}
    while reader.left() >= 4:
        length = _uint(reader.take(2, "attribute length"))
        kind = _uint(reader.take(2, "attribute type")) & 0x3FFF  # less NLA_F_NESTED and NLA_F_NET_BYTEORDER
        if length < 4:
            raise Malformed("netlink.attribute %d" % kind, "length %d, at least 4" % length)
        value = reader.take(length - 4, "attribute %d" % kind)
        reader.take(min(-length % 4, reader.left()), "padding")
        found.setdefault(kind, value)
    return found


def _link(body, present):
    body.take(4, "family and type")
    index = _uint(body.take(4, "index"))
    flags = _uint(body.take(4, "flags"))
    body.take(4, "change")
    attributes = _attributes(body)
    name, downs = (
        bytes(attributes.get(3, b"")),
        attributes.get(48, b""),
    )  # IFLA_IFNAME, IFLA_CARRIER_DOWN_COUNT
    up = bool(flags & LINK_UP)
    carrier = up and bool(flags & LINK_LOWER_UP)
    return Link(index, printable(name.rstrip(b"\x00")), up, carrier, _uint(downs), present)


def _address(body, present):
    family, prefix_length = body.uint(1, "family"), body.uint(1, "prefix length")
    body.take(1, "flags")
    scope = body.uint(1, "scope")
    index = _uint(body.take(4, "index"))
    if family != AF_INET:
        return None
    attributes = _attributes(body)
    address = attributes.get(2, attributes.get(1))  # IFA_LOCAL; IFA_ADDRESS is the peer's on point-to-point
    if address is None or len(address) != 4:
        return None
    return Address(index, bytes(address), prefix_length, scope, present)


def _route(body, present):
    family, destination_length = body.uint(1, "family"), body.uint(1, "destination length")
    body.take(2, "source length and tos")
    table = body.uint(1, "table")
    body.take(7, "the rest of rtmsg")
    if family != AF_INET or destination_length or table != TABLE_MAIN:
        return None
    attributes = _attributes(body)
    if 4 not in attributes:  # RTA_OIF: none for a multipath route, which no uplink has
        return None
    gateway, metric = attributes.get(5), attributes.get(6)  # RTA_GATEWAY, RTA_PRIORITY
    return Route(
        _uint(attributes[4]), bytes(gateway) if gateway is not None else None, _uint(metric or b""), present
    )


_READERS = {
    NEW_LINK: (_link, True),
    DROP_LINK: (_link, False),
    NEW_ADDRESS: (_address, True),
    DROP_ADDRESS: (_address, False),
    NEW_ROUTE: (_route, True),
    DROP_ROUTE: (_route, False),
}


def unpack(datagram):
    """The messages of one datagram that matter here, in order. Raises Malformed."""
    reader = Reader(datagram, "netlink")
    messages = []
    while reader.left() >= HEADER_SIZE:
        length = _uint(reader.take(4, "length"))
        kind = _uint(reader.take(2, "type"))
        reader.take(2, "flags")
        sequence = _uint(reader.take(4, "sequence"))
        reader.take(4, "port")
        if length < HEADER_SIZE:
            raise Malformed("netlink.length", "%d, at least %d" % (length, HEADER_SIZE))
        body = reader.sub(length - HEADER_SIZE, "message %d" % kind)
        reader.take(min(-length % 4, reader.left()), "padding")
        if kind == DONE:
            messages.append(Done(sequence, 0))
        elif kind == ERROR:
            messages.append(Done(sequence, -int(_signed(body.take(4, "error")))))
        elif kind in _READERS:
            read, present = _READERS[kind]
            message = read(body, present)
            if message is not None:
                messages.append(message)
    return messages


def _signed(octets):
    value = _uint(octets)
    return value - (1 << 32) if value & (1 << 31) else value

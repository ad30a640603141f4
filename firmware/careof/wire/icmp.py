"""ICMP echo (RFC 792): the data probes and NAT keepalives that go through a tunnel (RFC 3519 4.9)."""

import struct
from collections import namedtuple

from . import ipv4
from .reader import Malformed

ECHO_REPLY, UNREACHABLE, ECHO_REQUEST = 0, 3, 8
HEADER_SIZE = 8
_HEADER = ">BBHHH"

Echo = namedtuple("Echo", "kind identifier sequence data")  # kind: ECHO_REQUEST or ECHO_REPLY


def pack(echo):
    """The ICMP message with its checksum."""
    fields = (echo.identifier, echo.sequence)
    total = ipv4.checksum(struct.pack(_HEADER, echo.kind, 0, 0, *fields) + echo.data)
    return struct.pack(_HEADER, echo.kind, 0, total, *fields) + echo.data


def unpack(data):
    """The Echo in an ICMP message (bytes). Raises Malformed for any other and for a wrong checksum."""
    if len(data) < HEADER_SIZE:
        raise Malformed("icmp", "%d octets, at least %d" % (len(data), HEADER_SIZE))
    kind, code, _, identifier, sequence = struct.unpack_from(_HEADER, data, 0)
    if kind not in (ECHO_REQUEST, ECHO_REPLY) or code != 0:
        raise Malformed("icmp.type", "%d code %d is no echo" % (kind, code))
    if ipv4.checksum(data) != 0:
        raise Malformed("icmp.checksum", "wrong")
    return Echo(kind, identifier, sequence, data[HEADER_SIZE:])


def pack_packet(source, destination, echo):
    """A whole inner packet with an Echo in it. It asks not to be fragmented: it shows what passes whole."""
    return ipv4.pack(ipv4.Packet(source, destination, ipv4.ICMP, ipv4.TTL, 0, 0, True, pack(echo)))


def unpack_packet(data):
    """(source, destination, Echo) of an inner packet. Raises Malformed if it is no echo."""
    packet = ipv4.unpack(data)
    if packet.protocol != ipv4.ICMP:
        raise Malformed("ipv4.protocol", "%d, not ICMP" % packet.protocol)
    return packet.source, packet.destination, unpack(packet.payload)

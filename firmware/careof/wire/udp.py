"""UDP in whole IPv4 packets (RFC 768): for signalling on a link, where careofd makes the packets itself."""

import struct
from collections import namedtuple

from . import ipv4
from .reader import Malformed

HEADER_SIZE = 8
_HEADER = ">HHHH"

# ttl: of the IPv4 packet
Datagram = namedtuple("Datagram", "source source_port destination destination_port ttl data")


def _checksum(source, destination, udp):
    return ipv4.checksum(source + destination + struct.pack(">BBH", 0, ipv4.UDP, len(udp)) + udp)


def pack_packet(datagram):
    """The whole IPv4 packet with both checksums."""
    size = HEADER_SIZE + len(datagram.data)
    ports = (datagram.source_port, datagram.destination_port)
    bare = struct.pack(_HEADER, *ports, size, 0) + datagram.data
    # A sum of 0 is sent as all ones: 0 says that there is none.
    total = _checksum(datagram.source, datagram.destination, bare) or 0xFFFF
    payload = struct.pack(_HEADER, *ports, size, total) + datagram.data
    return ipv4.pack(
        ipv4.Packet(datagram.source, datagram.destination, ipv4.UDP, datagram.ttl, 0, 0, False, payload)
    )


def unpack(packet):
    """The Datagram in an ipv4.Packet. Raises Malformed, also for a checksum that is there and wrong."""
    payload = packet.payload
    if packet.protocol != ipv4.UDP:
        raise Malformed("ipv4.protocol", "%d, not UDP" % packet.protocol)
    if len(payload) < HEADER_SIZE:
        raise Malformed("udp", "%d octets, at least %d" % (len(payload), HEADER_SIZE))
    source_port, destination_port, size, total = struct.unpack_from(_HEADER, payload, 0)
    if not HEADER_SIZE <= size <= len(payload):
        raise Malformed("udp.length", "says %d, %d there" % (size, len(payload)))
    payload = payload[:size]
    if total and _checksum(packet.source, packet.destination, payload) != 0:
        raise Malformed("udp.checksum", "wrong")
    return Datagram(
        packet.source, source_port, packet.destination, destination_port, packet.ttl, payload[HEADER_SIZE:]
    )

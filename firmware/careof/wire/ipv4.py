"""IPv4: addresses and prefixes as text, and headers (RFC 791) for the few packets that careofd makes.

An address is bytes of 4, a prefix is (address, length). What is forwarded never comes here: these packets are
probes and their answers.
"""

import struct
from collections import namedtuple

from .reader import Malformed

HEADER_SIZE = 20
ICMP, IPIP, UDP = 1, 4, 17  # protocol numbers
TTL = 64  # RFC 1122 3.2.1.7: at least the Internet's diameter
DONT_FRAGMENT, MORE_FRAGMENTS, OFFSET_MASK = 0x4000, 0x2000, 0x1FFF
_HEADER = ">BBHHHBBH4s4s"

# tos: with the ECN bits; payload: bytes. Packets made here are whole and have no options.
Packet = namedtuple("Packet", "source destination protocol ttl tos identification dont_fragment payload")


# -- Text -----------------------------------------------------------------------------------------
def _decimal(text, most):
    """A number as configuration files write it: digits only, no leading zero (some read it as octal)."""
    if not text or len(text) > 3 or (len(text) > 1 and text[0] == "0"):
        return None
    for character in text:
        if not "0" <= character <= "9":
            return None
    value = int(text)
    return value if value <= most else None


def parse_address(text):
    """The address in "198.51.100.10". Raises ValueError."""
    octets = [_decimal(part, 255) for part in text.split(".")]
    if len(octets) != 4 or None in octets:
        raise ValueError("not an IPv4 address: %s" % text)
    return bytes(octets)


def address_text(address):
    """198.51.100.10"""
    return "%d.%d.%d.%d" % (address[0], address[1], address[2], address[3])


def parse_prefix(text):
    """The prefix in "10.77.1.0/24". Raises ValueError, also for bits set beyond its length."""
    address, slash, length = text.partition("/")
    length = _decimal(length, 32)
    if not slash or length is None:
        raise ValueError("not a prefix: %s" % text)
    prefix = (parse_address(address), length)
    if masked(prefix[0], length) != prefix[0]:
        raise ValueError("bits set beyond the length: %s" % text)
    return prefix


def prefix_text(prefix):
    """10.77.1.0/24"""
    return "%s/%d" % (address_text(prefix[0]), prefix[1])


def masked(address, length):
    """The address with all bits beyond `length` zero."""
    beyond = 32 - length
    return (int.from_bytes(address, "big") >> beyond << beyond).to_bytes(4, "big")


def covers(prefix, address):
    """Is the address in the prefix?"""
    return masked(address, prefix[1]) == prefix[0]


def overlap(one, other):
    """Have two prefixes an address in common?"""
    length = min(one[1], other[1])
    return masked(one[0], length) == masked(other[0], length)


# -- Packets --------------------------------------------------------------------------------------
def checksum(data):
    """The Internet checksum (RFC 1071) of some octets; 0 for what carries its right checksum.

    Words are added modulo 65535 by one division of the whole as a number; only the two zeros of ones'
    complement must be told apart.
    """
    if len(data) % 2:
        data = bytes(data) + b"\x00"
    number = int.from_bytes(data, "big")
    total = number % 0xFFFF
    if total == 0 and number != 0:
        total = 0xFFFF
    return 0xFFFF - total


def pack(packet):
    """The octets of a packet with its header and checksum."""
    size = HEADER_SIZE + len(packet.payload)
    if size > 0xFFFF:
        raise ValueError("%d octets, at most 65535" % size)
    fragment = DONT_FRAGMENT if packet.dont_fragment else 0
    fields = (0x45, packet.tos, size, packet.identification, fragment, packet.ttl, packet.protocol)
    header = struct.pack(_HEADER, *fields, 0, packet.source, packet.destination)
    header = struct.pack(_HEADER, *fields, checksum(header), packet.source, packet.destination)
    return header + packet.payload


def unpack(data):
    """The Packet in some octets (bytes), options skipped, what follows its total length cut off.

    Raises Malformed, also for a fragment: nothing here waits for the others.
    """
    if len(data) < HEADER_SIZE:
        raise Malformed("ipv4", "%d octets, at least %d" % (len(data), HEADER_SIZE))
    version, tos, size, identification, fragment, ttl, protocol, _, source, destination = struct.unpack_from(
        _HEADER, data, 0
    )
    header_size = (version & 0x0F) * 4
    if version >> 4 != 4:
        raise Malformed("ipv4.version", "%d, not 4" % (version >> 4))
    if not HEADER_SIZE <= header_size <= size <= len(data):
        raise Malformed("ipv4.length", "header %d, packet %d, %d there" % (header_size, size, len(data)))
    if checksum(data[:header_size]) != 0:
        raise Malformed("ipv4.checksum", "wrong")
    if fragment & (MORE_FRAGMENTS | OFFSET_MASK):
        raise Malformed("ipv4.fragment", "a fragment")
    payload = data[header_size:size]
    return Packet(
        source, destination, protocol, ttl, tos, identification, bool(fragment & DONT_FRAGMENT), payload
    )

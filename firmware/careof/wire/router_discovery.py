"""Router discovery and its agents: ICMP advertisements and solicitations (RFC 1256, RFC 5944 2.1 and 2.2).

An agent advertisement is an ICMP router advertisement with a mobility agent extension after it, and perhaps
others: prefix lengths (2.1.2), a challenge (RFC 4721 2), paddings. The numbering rule is that of all
extensions: an unknown type below 128 discards the message, from 128 it is skipped (1.8).
"""

import struct
from collections import namedtuple

from . import ipv4
from .reader import Malformed, Reader

ADVERTISEMENT, SOLICITATION = 9, 10  # ICMP types
CODE_ROUTES, CODE_ROUTES_VISITORS_ONLY = 0, 16  # RFC 5944 2.1: common traffic too, or not
ALL_SYSTEMS, ALL_ROUTERS = bytes((224, 0, 0, 1)), bytes((224, 0, 0, 2))
MOBILE_AGENTS = bytes((224, 0, 0, 11))  # RFC 5944 2.3
BROADCAST = b"\xff\xff\xff\xff"
TTL = 1  # 2.1, 2.2
ADDRESSES_MAX = 16  # of routers, and of care-of addresses, that are taken from one message

# Flags of an agent (RFC 5944 2.1.1; T: RFC 3024, U: RFC 3519, X: RFC 3543); 0x0200 (r) is ignored
AGENT_R = 0x8000  # registration required, even with a co-located care-of address
AGENT_B = 0x4000  # busy
AGENT_H = 0x2000  # a home agent on this link
AGENT_F = 0x1000  # a foreign agent on this link
AGENT_M = 0x0800  # takes minimal encapsulation
AGENT_G = 0x0400  # takes GRE
AGENT_T = 0x0100  # reverse tunnelling
AGENT_U = 0x0080  # UDP tunnelling
AGENT_X = 0x0040  # registration revocation
FLAGS = AGENT_R | AGENT_B | AGENT_H | AGENT_F | AGENT_M | AGENT_G | AGENT_T | AGENT_U | AGENT_X

SEQUENCE_MAX, SEQUENCE_AFTER_MAX = 0xFFFF, 256  # 2.3.2: below 256 only after a start

_MOBILITY_AGENT, _PREFIX_LENGTHS, _CHALLENGE, _PADDING = 16, 19, 24, 0
_SKIPPABLE_FROM = 128
_EXTENSIONS_MAX = 32

# routers: [(address, preference level)]; agent: the Agent or None; prefix_lengths: of the routers, in their
# order, or None; challenge: octets or None.
Advertisement = namedtuple("Advertisement", "code lifetime_s routers agent prefix_lengths challenge")
Agent = namedtuple("Agent", "sequence lifetime_s flags care_of")  # lifetime_s: of registrations
Solicitation = namedtuple("Solicitation", "")


def pack(message):
    """The ICMP message with its checksum. Raises ValueError for flags that 2.1.1 forbids together."""
    if type(message) is Solicitation:
        return _summed(struct.pack(">BBHI", SOLICITATION, 0, 0, 0))
    data = struct.pack(">BBHBBH", ADVERTISEMENT, message.code, 0, len(message.routers), 2, message.lifetime_s)
    for address, preference in message.routers:
        data += address + struct.pack(">i", preference)
    if message.agent is not None:
        data += _pack_agent(message.agent)
    if message.prefix_lengths is not None:
        if len(message.prefix_lengths) != len(message.routers):
            raise ValueError("a prefix length for each router address")
        data += bytes((_PREFIX_LENGTHS, len(message.prefix_lengths))) + bytes(message.prefix_lengths)
    if message.challenge is not None:
        data += bytes((_CHALLENGE, len(message.challenge))) + message.challenge
    if len(data) % 2:
        data += bytes(1)  # 2.1.3
    return _summed(data)


def _pack_agent(agent):
    flags = agent.flags
    foreign = flags & AGENT_F
    if not flags & (AGENT_F | AGENT_H) or (flags & (AGENT_B | AGENT_R) and not foreign) or flags & ~FLAGS:
        raise ValueError("flags 0x%04x: F or H must be set, B and R only with F" % flags)
    if foreign and not agent.care_of:
        raise ValueError("a foreign agent has a care-of address")
    head = (_MOBILITY_AGENT, 6 + 4 * len(agent.care_of), agent.sequence, agent.lifetime_s, flags)
    return struct.pack(">BBHHH", *head) + b"".join(agent.care_of)


def _summed(data):
    return data[:2] + struct.pack(">H", ipv4.checksum(data)) + data[4:]


def unpack(data):
    """The Advertisement or Solicitation in an ICMP message (bytes). Raises Malformed."""
    if len(data) < 8:
        raise Malformed("icmp", "%d octets, at least 8" % len(data))
    kind, code = data[0], data[1]
    if ipv4.checksum(data) != 0:
        raise Malformed("icmp.checksum", "wrong")
    if kind == SOLICITATION:
        if code != 0:
            raise Malformed("solicitation.code", "%d, not 0" % code)
        return Solicitation()
    if kind != ADVERTISEMENT:
        raise Malformed("icmp.type", "%d is no router discovery" % kind)
    return _unpack_advertisement(code, Reader(data[4:], "advertisement"))


def _unpack_advertisement(code, reader):
    """RFC 1256 6.1.2: entries may be longer than today's two words."""
    if code not in (CODE_ROUTES, CODE_ROUTES_VISITORS_ONLY):
        raise Malformed("advertisement.code", "%d is not known" % code)
    count, words = reader.uint(1, "addresses"), reader.uint(1, "entry size")
    lifetime_s = reader.uint(2, "lifetime")
    if count and words < 2:
        raise Malformed("advertisement.entry size", "%d words, at least 2" % words)
    routers = []
    for index in range(count):
        entry = reader.sub(4 * words, "router")
        if index < ADDRESSES_MAX:
            preference = entry.octets(4, "address"), entry.uint(4, "preference")
            routers.append((preference[0], preference[1] - ((preference[1] & 0x80000000) << 1)))
    agent = prefix_lengths = challenge = None
    for kind, value in _extensions(reader):
        if kind == _MOBILITY_AGENT:
            agent = _unpack_agent(value)
        elif kind == _PREFIX_LENGTHS:
            prefix_lengths = _unpack_prefix_lengths(value, count)
        elif kind == _CHALLENGE:
            challenge = value.rest()
        elif kind < _SKIPPABLE_FROM:
            raise Malformed("advertisement.extension %d" % kind, "unknown and not skippable")
    return Advertisement(code, lifetime_s, routers, agent, prefix_lengths, challenge or None)


def skips(data):
    """Has an advertisement that unpack() took an extension that is skipped, since its type is not known?"""
    at = 8 + 4 * data[4] * data[5]
    while at + 1 < len(data):
        if data[at] >= _SKIPPABLE_FROM:
            return True
        at += 1 if data[at] == _PADDING else 2 + data[at + 1]
    return False


def _extensions(reader):
    for _ in range(_EXTENSIONS_MAX):
        if not reader.left():
            return
        kind = reader.uint(1, "extension")
        if kind != _PADDING:
            yield kind, reader.sub(reader.uint(1, "length"), "extension %d" % kind)
    if reader.left():
        raise Malformed("advertisement.extensions", "more than %d" % _EXTENSIONS_MAX)


def _unpack_agent(value):
    sequence, lifetime_s, flags = value.uint(2, "sequence"), value.uint(2, "lifetime"), value.uint(2, "flags")
    if value.left() % 4:
        raise Malformed("advertisement.agent", "%d octets of addresses" % value.left())
    care_of = []
    while value.left():
        care_of.append(value.octets(4, "care-of address"))
    if flags & AGENT_F and not care_of:
        raise Malformed("advertisement.agent", "a foreign agent without a care-of address")
    if not flags & (AGENT_F | AGENT_H):
        raise Malformed("advertisement.agent", "neither a home nor a foreign agent")
    return Agent(sequence, lifetime_s, flags & FLAGS, tuple(care_of[:ADDRESSES_MAX]))


def _unpack_prefix_lengths(value, count):
    if value.left() != count:
        raise Malformed("advertisement.prefix lengths", "%d, for %d routers" % (value.left(), count))
    lengths = tuple(value.rest())
    if lengths and max(lengths) > 32:
        raise Malformed("advertisement.prefix lengths", "%d" % max(lengths))
    return lengths[:ADDRESSES_MAX]


def pack_packet(source, destination, message):
    """The whole IPv4 packet. TTL 1 (RFC 5944 2.1, 2.2)."""
    return ipv4.pack(ipv4.Packet(source, destination, ipv4.ICMP, TTL, 0, 0, False, pack(message)))


def unpack_packet(data):
    """(source, message) of a whole packet from the link. Raises Malformed."""
    packet = ipv4.unpack(data)
    if packet.protocol != ipv4.ICMP:
        raise Malformed("ipv4.protocol", "%d, not ICMP" % packet.protocol)
    return packet.source, unpack(packet.payload)

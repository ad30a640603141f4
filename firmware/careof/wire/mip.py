"""Mobile IPv4 control messages, the payload of UDP port 434 (RFC 5944 3.3 to 3.5, RFC 3543 3.3 and 3.4).

A message is a fixed part and a chain of extensions (wire.mip_extensions). The mobile-home authentication
extension divides it:

    fixed part, extensions, mobile-home | extensions, mobile-AAA, mobile-foreign or foreign-home
    "protected", relayed as it is       | "unprotected": between a foreign agent and one of the two

(3.6.1.3, 3.7.2.2, 3.7.3.2, 3.8.3.3; RFC 4721 3.1). unpack() tells them apart and keeps, for each
authentication, the octets that its authenticator covers.

This is the path of every registration of a home agent: hence one loop that checks type, place, count and
length against the row, once, and no Reader here. Extensions that are not known: 0 to 127 mean that the
message is silently discarded, those from 128 are skipped (1.8).
"""

import struct
from collections import namedtuple

from .mip_extensions import (  # what a reader of this room looks for is found here
    ACKNOWLEDGMENT,
    BY_KIND,
    FOREIGN_HOME,
    MOBILE_AAA,
    MOBILE_FOREIGN,
    MOBILE_HOME,
    PADDING,
    PROTECTED,
    REPLY,
    REQUEST,
    REVOCATION,
    SKIPPABLE_FROM,
    UNPROTECTED,
    MobileForeignAuthentication,
    SeveralAuthentications,
    pack_extension,
    pack_head_to_sign,
)
from .reader import Malformed

EXTENSIONS_MAX = 96  # and paddings, in one message: bounds the work before it is authenticated

# Flags of a request (RFC 5944 3.3, T: RFC 3024 3.2). 0x04 (r) and 0x01 (x) are sent as zero and ignored.
FLAG_S = 0x80  # simultaneous bindings: keep the others
FLAG_B = 0x40  # broadcast datagrams too
FLAG_D = 0x20  # decapsulation by the mobile node: the care-of address is co-located
FLAG_M = 0x10  # minimal encapsulation
FLAG_G = 0x08  # GRE encapsulation
FLAG_T = 0x02  # reverse tunnelling
FLAGS = FLAG_S | FLAG_B | FLAG_D | FLAG_M | FLAG_G | FLAG_T

# Flags of a revocation (RFC 3543 3.3); I in an acknowledgment too
REVOKED_BY_HOME_AGENT = 0x8000  # A
REVOCATION_INFORM = 0x4000  # I
ACKNOWLEDGMENT_INFORM = 0x8000

LIFETIME_INFINITE_S = 0xFFFF

TUNNEL_DATA = 4  # a message type too, which no control message has


class Discard(Malformed):
    """Nothing is known to be wrong, but the RFC wants the message silently discarded."""


# `extensions`: named tuples of wire.mip_extensions, in order, without those that authenticate. What came
# after the mobile-home authentication is not among them: see Received.
RegistrationRequest = namedtuple(
    "RegistrationRequest",
    "flags lifetime_s home_address home_agent care_of_address identification extensions",
)
RegistrationReply = namedtuple(
    "RegistrationReply", "code lifetime_s home_address home_agent identification extensions"
)
Revocation = namedtuple("Revocation", "flags home_address home_domain foreign_domain identifier extensions")
RevocationAcknowledgment = namedtuple("RevocationAcknowledgment", "flags home_address identifier extensions")

# Message: its type on the wire, name, named tuple, fixed part (after the type; the last field of all), flags
# that are sent, and what extensions call it.
_Kind = namedtuple("_Kind", "kind name message layout size flags place")
_KINDS = (
    _Kind(1, "request", RegistrationRequest, ">BBH4s4s4sQ", 24, FLAGS, REQUEST),
    _Kind(3, "reply", RegistrationReply, ">BBH4s4sQ", 20, None, REPLY),
    _Kind(7, "revocation", Revocation, ">BxH4s4s4sI", 20, 0xC000, REVOCATION),
    _Kind(15, "acknowledgment", RevocationAcknowledgment, ">BxH4sI", 12, 0x8000, ACKNOWLEDGMENT),
)
_BY_KIND = {row.kind: row for row in _KINDS}
_BY_TYPE = {row.message: row for row in _KINDS}

REQUEST_SIZE = _BY_TYPE[RegistrationRequest].size  # of its fixed part, with the identification

# What unpack() returns.
#   authentication        the MobileHomeAuthentication or None
#   protected             the octets that its authenticator covers
#   relayed               the octets that a foreign agent passes on as they are: up to and with the last
#                         authentication that is for the home agent; all of the message if there is none
#   unprotected           the extensions that came after the mobile-home authentication (all without one)
#   agent_authentication  the MobileForeign- or ForeignHomeAuthentication or None; of the latter there may be
#                         more than one, which an agent has to refuse: then it is a SeveralAuthentications
#   agent_protected       the octets that its authenticator covers
#   aaa_authentication, aaa_protected: as much for MobileAaaAuthentication
Received = namedtuple(
    "Received",
    "message authentication protected relayed unprotected agent_authentication agent_protected "
    "aaa_authentication aaa_protected",
)


def pack(message):
    """The octets of a message with its extensions, without an authentication."""
    row = _BY_TYPE[type(message)]
    if row.flags is not None and message.flags & ~row.flags:
        raise ValueError("flags 0x%02x are not to be sent" % (message.flags & ~row.flags))
    data = struct.pack(row.layout, row.kind, *message[:-1])
    for extension in message.extensions:
        data += pack_extension(extension)
    return data


def pack_to_sign(message, spi, authenticator_size, kind=MOBILE_HOME):
    """All that the authenticator covers; the datagram is this and the authenticator after it."""
    return pack(message) + pack_head_to_sign(kind, spi, authenticator_size)


def unpack(data):
    """The message in a datagram (bytes), as Received. Raises Malformed, or Discard."""
    size = len(data)
    if not size:
        raise Malformed("message", "empty")
    row = _BY_KIND.get(data[0])
    if row is None:
        raise Discard("message.type", "%d is not known" % data[0])
    if size < row.size:
        raise Malformed(row.name, "%d octets, at least %d" % (size, row.size))
    fields = struct.unpack_from(row.layout, data, 0)
    extensions, home, home_at, relayed, rest, agent, agent_at, aaa, aaa_at = _unpack_extensions(data, row)
    if row.flags is not None:
        message = row.message(fields[1] & row.flags, *fields[2:], extensions)
    else:
        message = row.message(*fields[1:], extensions)
    return Received(
        message, home, data[:home_at], data[:relayed], rest, agent, data[:agent_at], aaa, data[:aaa_at]
    )


def skips(data):
    """Has a message that unpack() took an extension that is skipped, since its type is not known (1.8)?"""
    at = _BY_KIND[data[0]].size
    while at < len(data):
        kind = data[at]
        if kind == PADDING:
            at += 1
            continue
        row = BY_KIND.get(kind)
        if row is None:
            return True
        at += row.header + (data[at + 1] if row.header == 2 else data[at + 2] << 8 | data[at + 3])
    return False


def _unpack_extensions(data, message):
    """What Received has of the chain, in its order: each authentication with the offset of its authenticator,
    `relayed` by its end."""
    where, at, size = message.place, message.size, len(data)
    protected, rest = [], []  # before and after the mobile-home authentication
    home = agent = aaa = None
    home_at = agent_at = aaa_at = relayed = 0
    left, seen, legal = EXTENSIONS_MAX, {}, where | PROTECTED | UNPROTECTED
    while at < size:
        left -= 1
        if left < 0:
            raise _malformed(message, "extensions", "more than %d" % EXTENSIONS_MAX)
        kind = data[at]
        if kind == PADDING:
            at += 1
            continue
        row = BY_KIND.get(kind)
        if row is None and kind < SKIPPABLE_FROM:
            raise Discard("%s.extension %d" % (message.name, kind), "unknown and not skippable")
        header = 2 if row is None else row.header
        start = at + header
        if start > size:
            raise _malformed(message, kind, "cut off before its length")
        length = data[at + 1] if header == 2 else data[at + 2] << 8 | data[at + 3]
        at = start + length
        if at > size:
            raise _malformed(message, kind, "says %d octets, %d left" % (length, size - start))
        if row is None:
            continue
        if length < row.size_min or length > row.size_max:
            raise _malformed(message, kind, "%d octets, %d to %d" % (length, row.size_min, row.size_max))
        extension = row.unpack(data, start, at)
        if extension is None:
            if kind < SKIPPABLE_FROM:
                raise Discard("%s.extension %d" % (message.name, kind), "a form that is not known")
            continue
        count = seen[kind] = seen.get(kind, 0) + 1
        if count > row.at_most:
            raise _malformed(message, kind, "more than %d" % row.at_most)
        if agent is not None:
            if kind != FOREIGN_HOME or type(agent) is MobileForeignAuthentication:
                raise _malformed(message, kind, "after what signs all of the message")
            agent = SeveralAuthentications(agent.spi)  # and none of them is looked at
            continue
        if not row.legal & where:
            raise _malformed(message, kind, "not legal here")
        if kind == MOBILE_HOME:
            if not legal & PROTECTED:
                raise _malformed(message, kind, "what came before it must come after it")
            home, home_at, relayed = extension, start + 4, at
            protected, rest, legal = rest, [], where | PROTECTED | UNPROTECTED
            continue
        legal &= row.legal
        if kind == MOBILE_AAA:
            aaa, aaa_at, relayed = extension, start + 4, at
        elif kind in (MOBILE_FOREIGN, FOREIGN_HOME):
            agent, agent_at = extension, start + 4
        else:
            rest.append(extension)
    if not legal & UNPROTECTED and home is not None:
        raise _malformed(message, "extensions", "one that must be protected came after the authentication")
    extensions = protected if home is not None else rest
    return extensions, home, home_at, relayed or size, rest, agent, agent_at, aaa, aaa_at


def _malformed(message, kind, why):
    name = kind if kind == "extensions" else "extension %d" % kind
    return Malformed("%s.%s" % (message.name, name), why)


# -- Tunnel data (RFC 3519 3.3) ---------------------------------------------------------------------
# tunneld makes and takes these; here for tests, tools and the simulator.
TunnelData = namedtuple("TunnelData", "next_header data")
_TUNNEL_DATA_SIZE = 4


def pack_tunnel_data(message):
    """The datagram that carries `message.data`, a packet of protocol `message.next_header`."""
    return struct.pack(">BBH", TUNNEL_DATA, message.next_header, 0) + message.data


def unpack_tunnel_data(data):
    """The TunnelData of a datagram. Raises Malformed."""
    if len(data) < _TUNNEL_DATA_SIZE:
        raise Malformed("tunnel data", "%d octets, at least %d" % (len(data), _TUNNEL_DATA_SIZE))
    if data[0] != TUNNEL_DATA:
        raise Malformed("tunnel data.type", "%d, not %d" % (data[0], TUNNEL_DATA))
    return TunnelData(data[1], data[4:])

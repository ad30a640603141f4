"""Mobile IPv4 control messages, the payload of UDP port 434 (RFC 5944 sections 3.3 to 3.5).

A message is a fixed part and a chain of extensions. Extensions before the mobile-home authentication
extension are covered by it ("protected"), those after it are for a foreign agent or come from one
(3.6.1.3, 3.8.3.3); unpack() tells the two apart and keeps the octets that the authenticator covers.

An extension is one row: its type, its named tuple, where it is legal and how often, how long its data
may be, pack beside unpack. The loop in _unpack_extensions() checks type, place, count and length
against the row, once; so the rows read without checking. This is the path of every registration of
a home agent, hence no Reader here.

Extensions that are not known: 0 to 127 mean that the message is silently discarded, those from 128 are
skipped (1.8). A row's unpack returns None for a sub-type or a reserved field that makes a known type one
that is "not understood".
"""

import struct
from collections import namedtuple

from .reader import Malformed

EXTENSIONS_MAX = 64  # and paddings, in one message: bounds the work before it is authenticated

REGISTRATION_REQUEST, REGISTRATION_REPLY, TUNNEL_DATA = 1, 3, 4  # message types

# Flags of a request (RFC 5944 3.3, T: RFC 3024 3.2). 0x04 (r) and 0x01 (x) are sent as zero and ignored.
FLAG_S = 0x80  # simultaneous bindings: keep the others
FLAG_B = 0x40  # broadcast datagrams too
FLAG_D = 0x20  # decapsulation by the mobile node: the care-of address is co-located
FLAG_M = 0x10  # minimal encapsulation
FLAG_G = 0x08  # GRE encapsulation
FLAG_T = 0x02  # reverse tunnelling
FLAGS = FLAG_S | FLAG_B | FLAG_D | FLAG_M | FLAG_G | FLAG_T

LIFETIME_INFINITE_S = 0xFFFF

# UDP Tunnel Request and Reply (RFC 3519 3.1, 3.2)
UDP_FORCE = 0x80  # F: request: even without a NAT; reply: was forced
UDP_THROUGH_AGENT = 0x40  # R: registered through a foreign agent, as that demands
ENCAPSULATION_ANY = 0  # as the flags M and G say
ENCAPSULATION_IPIP, ENCAPSULATION_GRE, ENCAPSULATION_MINIMAL = 4, 47, 55  # protocol numbers
UDP_TUNNEL_WILL_DO, UDP_TUNNEL_DECLINED = 0, 64
UDP_TUNNEL_DECLINED_FROM = 64  # any code below assents

ENTERPRISE = 32473  # for documentation (RFC 5612): careof has no number of its own

REASONS = {  # what a reply's code means, in the words of the RFC that defines it
    # RFC 5944 3.4
    0: "registration accepted",
    1: "registration accepted, but simultaneous mobility bindings unsupported",
    64: "reason unspecified",
    65: "administratively prohibited",
    66: "insufficient resources",
    67: "mobile node failed authentication",
    68: "home agent failed authentication",
    69: "requested Lifetime too long",
    70: "poorly formed Request",
    71: "poorly formed Reply",
    72: "requested encapsulation unavailable",
    73: "reserved and unavailable",
    77: "invalid care-of address",
    78: "registration timeout",
    80: "home network unreachable (ICMP error received)",
    81: "home agent host unreachable (ICMP error received)",
    82: "home agent port unreachable (ICMP error received)",
    88: "home agent unreachable (other ICMP error received)",
    128: "reason unspecified",
    129: "administratively prohibited",
    130: "insufficient resources",
    131: "mobile node failed authentication",
    132: "foreign agent failed authentication",
    133: "registration Identification mismatch",
    134: "poorly formed Request",
    135: "too many simultaneous mobility bindings",
    136: "unknown home agent address",
    194: "Invalid Home Agent Address",
    # RFC 3024 3.4
    74: "requested reverse tunnel unavailable",
    75: "reverse tunnel is mandatory and 'T' bit not set",
    76: "mobile node too distant",
    79: "delivery style not supported",
    137: "requested reverse tunnel unavailable",
    138: "reverse tunnel is mandatory and 'T' bit not set",
    139: "requested encapsulation unavailable",
    # RFC 3115 2.4
    100: "unsupported Vendor-ID or Vendor-CVSE-Type sent by the Mobile Node to the Foreign Agent",
    101: "unsupported Vendor-ID or Vendor-CVSE-Type sent by the Home Agent to the Foreign Agent",
    140: "unsupported Vendor-ID or Vendor-CVSE-Type sent by the Mobile Node to the Home Agent",
    141: "unsupported Vendor-ID or Vendor-CVSE-Type sent by the Foreign Agent to the Home Agent",
    # RFC 3519 3.5
    142: "Requested UDP tunnel encapsulation unavailable",
}


def describe_code(code):
    """A reply's code for a log line: its number and what it means."""
    return "code %d (%s)" % (code, REASONS.get(code, "not known"))


class Discard(Malformed):
    """Nothing is known to be wrong, but the RFC wants the message silently discarded."""


# `extensions`: named tuples of the rows below, in order, without the mobile-home authentication.
RegistrationRequest = namedtuple(
    "RegistrationRequest",
    "flags lifetime_s home_address home_agent care_of_address identification extensions",
)
RegistrationReply = namedtuple(
    "RegistrationReply", "code lifetime_s home_address home_agent identification extensions"
)
# What unpack() returns. authentication: the MobileHomeAuthentication or None; protected: the octets that
# its authenticator covers; unprotected: the extensions that came after it.
Received = namedtuple("Received", "message authentication protected unprotected")

_REQUEST = ">BBH4s4s4sQ"
_REQUEST_SIZE = 24
_REPLY = ">BBH4s4sQ"
_REPLY_SIZE = 20

# -- Extensions -----------------------------------------------------------------------------------
MobileHomeAuthentication = namedtuple("MobileHomeAuthentication", "spi authenticator")  # RFC 5944 3.5.2
MobileForeignAuthentication = namedtuple("MobileForeignAuthentication", "spi authenticator")  # 3.5.3
ForeignHomeAuthentication = namedtuple("ForeignHomeAuthentication", "spi authenticator")  # 3.5.4
UdpTunnelRequest = namedtuple("UdpTunnelRequest", "flags encapsulation")  # RFC 3519 3.1
UdpTunnelReply = namedtuple("UdpTunnelReply", "code forced keepalive_s")  # 3.2; 0 s: the node's own default
CriticalVendor = namedtuple("CriticalVendor", "vendor kind value")  # RFC 3115 2.1
NormalVendor = namedtuple("NormalVendor", "vendor kind value")  # RFC 3115 2.2
Nai = namedtuple("Nai", "name")  # RFC 2794 2: the mobile node's, as octets
EncapsulatingDelivery = namedtuple("EncapsulatingDelivery", "")  # RFC 3024 3.3

# Ours: "do not change a binding, only say whether you would" (proves an idle uplink).
NO_CHANGE = CriticalVendor(ENTERPRISE, 1, b"")


# The rows' functions. pack returns the data after the length; unpack reads data[at:end].
def _pack_authentication(extension):
    return struct.pack(">I", extension.spi) + extension.authenticator


def _unpack_mobile_home(data, at, end):
    return MobileHomeAuthentication(struct.unpack_from(">I", data, at)[0], data[at + 4 : end])


def _unpack_mobile_foreign(data, at, end):
    return MobileForeignAuthentication(struct.unpack_from(">I", data, at)[0], data[at + 4 : end])


def _unpack_foreign_home(data, at, end):
    return ForeignHomeAuthentication(struct.unpack_from(">I", data, at)[0], data[at + 4 : end])


def _pack_udp_request(extension):
    return struct.pack(">BBBBH", 0, 0, extension.flags, extension.encapsulation, 0)


def _unpack_udp_request(data, at, end):
    sub_type, _, flags, encapsulation, reserved = struct.unpack_from(">BBBBH", data, at)
    if sub_type or reserved:
        return None  # 3.1.3: a reserved field 3 that is not 0 is "not understood and silently skipped"
    return UdpTunnelRequest(flags & (UDP_FORCE | UDP_THROUGH_AGENT), encapsulation)


def _pack_udp_reply(extension):
    flags = UDP_FORCE if extension.forced else 0
    return struct.pack(">BBBBH", 0, extension.code, flags, 0, extension.keepalive_s)


def _unpack_udp_reply(data, at, end):
    sub_type, code, flags, _, keepalive_s = struct.unpack_from(">BBBBH", data, at)
    return None if sub_type else UdpTunnelReply(code, bool(flags & UDP_FORCE), keepalive_s)


def _pack_critical(extension):
    return struct.pack(">IH", extension.vendor, extension.kind) + extension.value


def _unpack_critical(data, at, end):
    vendor, kind = struct.unpack_from(">IH", data, at)
    return CriticalVendor(vendor, kind, data[at + 6 : end])


def _pack_normal(extension):
    return struct.pack(">HIH", 0, extension.vendor, extension.kind) + extension.value


def _unpack_normal(data, at, end):
    _, vendor, kind = struct.unpack_from(">HIH", data, at)
    return NormalVendor(vendor, kind, data[at + 8 : end])


def _pack_nai(extension):
    return extension.name


def _unpack_nai(data, at, end):
    return Nai(data[at:end])


def _pack_empty(extension):
    return b""


def _unpack_delivery(data, at, end):
    return EncapsulatingDelivery()


# Where an extension is legal, as bits: in which message, on which side of the authentication.
REQUEST, REPLY, PROTECTED, UNPROTECTED = 1, 2, 4, 8
_ANYWHERE = REQUEST | REPLY | PROTECTED | UNPROTECTED

# header: octets of type and length; 4 is RFC 5944 1.10's long form (type, sub-type, 16 bits of length).
Row = namedtuple("Row", "kind extension legal at_most header size_min size_max pack unpack")
# fmt: off
ROWS = (
    Row(32, MobileHomeAuthentication, REQUEST | REPLY | PROTECTED, 1, 2, 5, 255,
        _pack_authentication, _unpack_mobile_home),
    Row(33, MobileForeignAuthentication, REQUEST | REPLY | UNPROTECTED, 1, 2, 5, 255,
        _pack_authentication, _unpack_mobile_foreign),
    Row(34, ForeignHomeAuthentication, REQUEST | REPLY | UNPROTECTED, 1, 2, 5, 255,
        _pack_authentication, _unpack_foreign_home),
    Row(38, CriticalVendor, _ANYWHERE, 8, 4, 6, 65535, _pack_critical, _unpack_critical),
    Row(44, UdpTunnelReply, REPLY | PROTECTED, 1, 2, 6, 6, _pack_udp_reply, _unpack_udp_reply),
    Row(130, EncapsulatingDelivery, REQUEST | UNPROTECTED, 1, 2, 0, 0, _pack_empty, _unpack_delivery),
    Row(131, Nai, REQUEST | REPLY | PROTECTED, 1, 2, 1, 255, _pack_nai, _unpack_nai),
    Row(134, NormalVendor, _ANYWHERE, 8, 2, 8, 255, _pack_normal, _unpack_normal),
    # Unprotected, a foreign agent added it (RFC 3519 4.5).
    Row(144, UdpTunnelRequest, REQUEST | PROTECTED | UNPROTECTED, 1, 2, 6, 6,
        _pack_udp_request, _unpack_udp_request),
)
# fmt: on
PADDING = 0  # one octet, without a length (RFC 5944 1.8)
SKIPPABLE_FROM = 128
_MOBILE_HOME = 32
_BY_KIND = {row.kind: row for row in ROWS}
_BY_TYPE = {row.extension: row for row in ROWS}


def find(extensions, kind):
    """The first extension that is a `kind` (one of the named tuples above), or None."""
    for extension in extensions:
        if type(extension) is kind:
            return extension
    return None


def pack_extension(extension):
    """The octets of one extension. Raises ValueError if it does not fit its length field."""
    row = _BY_TYPE[type(extension)]
    data = row.pack(extension)
    size = len(data)
    if size < row.size_min or size > row.size_max:
        raise ValueError("extension %d: %d octets, %d to %d" % (row.kind, size, row.size_min, row.size_max))
    if row.header == 4:
        return struct.pack(">BBH", row.kind, 0, size) + data
    return bytes((row.kind, size)) + data


def pack(message):
    """The octets of a request or reply with its extensions, without an authentication."""
    if type(message) is RegistrationRequest:
        if message.flags & ~FLAGS:
            raise ValueError("flags 0x%02x are not to be sent" % (message.flags & ~FLAGS))
        data = struct.pack(
            _REQUEST,
            REGISTRATION_REQUEST,
            message.flags,
            message.lifetime_s,
            message.home_address,
            message.home_agent,
            message.care_of_address,
            message.identification,
        )
    else:
        data = struct.pack(
            _REPLY,
            REGISTRATION_REPLY,
            message.code,
            message.lifetime_s,
            message.home_address,
            message.home_agent,
            message.identification,
        )
    for extension in message.extensions:
        data += pack_extension(extension)
    return data


def pack_to_sign(message, spi, authenticator_size):
    """All that the mobile-home authenticator covers; the datagram is this and the authenticator after it."""
    return pack(message) + struct.pack(">BBI", _MOBILE_HOME, 4 + authenticator_size, spi)


def unpack(data):
    """The request or reply in a datagram (bytes), as Received. Raises Malformed, or Discard."""
    size = len(data)
    kind = data[0] if size else None
    if kind == REGISTRATION_REQUEST:
        if size < _REQUEST_SIZE:
            raise Malformed("request", "%d octets, at least %d" % (size, _REQUEST_SIZE))
        _, flags, lifetime_s, home, agent, care_of, identification = struct.unpack_from(_REQUEST, data, 0)
        protected, authentication, covered, rest = _unpack_extensions(data, _REQUEST_SIZE, REQUEST)
        message = RegistrationRequest(
            flags & FLAGS, lifetime_s, home, agent, care_of, identification, protected
        )
    elif kind == REGISTRATION_REPLY:
        if size < _REPLY_SIZE:
            raise Malformed("reply", "%d octets, at least %d" % (size, _REPLY_SIZE))
        _, code, lifetime_s, home, agent, identification = struct.unpack_from(_REPLY, data, 0)
        protected, authentication, covered, rest = _unpack_extensions(data, _REPLY_SIZE, REPLY)
        message = RegistrationReply(code, lifetime_s, home, agent, identification, protected)
    elif kind is None:
        raise Malformed("message", "empty")
    else:
        raise Discard("message.type", "%d is not known" % kind)
    return Received(message, authentication, data[:covered], rest)


def _unpack_extensions(data, at, where):
    """(protected extensions, MobileHomeAuthentication or None, octets it covers, the other extensions)."""
    size = len(data)
    protected, rest = [], []
    found, place = protected, PROTECTED
    authentication, covered = None, 0
    left = EXTENSIONS_MAX
    seen = {}
    while at < size:
        left -= 1
        if left < 0:
            raise _malformed(where, "extensions", "more than %d" % EXTENSIONS_MAX)
        kind = data[at]
        if kind == PADDING:
            at += 1
            continue
        row = _BY_KIND.get(kind)
        if row is None and kind < SKIPPABLE_FROM:
            raise Discard("%s.extension %d" % (_NAMES[where], kind), "unknown and not skippable")
        header = 2 if row is None else row.header
        start = at + header
        if start > size:
            raise _malformed(where, kind, "cut off before its length")
        length = data[at + 1] if header == 2 else data[at + 2] << 8 | data[at + 3]
        at = start + length
        if at > size:
            raise _malformed(where, kind, "says %d octets, %d left" % (length, size - start))
        if row is None:
            continue
        if length < row.size_min or length > row.size_max:
            raise _malformed(where, kind, "%d octets, %d to %d" % (length, row.size_min, row.size_max))
        extension = row.unpack(data, start, at)
        if extension is None:
            if kind < SKIPPABLE_FROM:
                raise Discard("%s.extension %d" % (_NAMES[where], kind), "a form that is not known")
            continue
        count = seen[kind] = seen.get(kind, 0) + 1
        if count > row.at_most:
            raise _malformed(where, kind, "more than %d" % row.at_most)
        if not (row.legal & where and row.legal & place):
            raise _malformed(where, kind, "not legal here")
        if kind == _MOBILE_HOME:
            authentication, covered = extension, start + 4
            found, place = rest, UNPROTECTED
        else:
            found.append(extension)
    return protected, authentication, covered, rest


_NAMES = {REQUEST: "request", REPLY: "reply"}


def _malformed(where, kind, why):
    name = kind if kind == "extensions" else "extension %d" % kind
    return Malformed("%s.%s" % (_NAMES[where], name), why)


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

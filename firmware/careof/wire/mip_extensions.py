"""The extensions of Mobile IPv4 control messages: a row each (RFC 5944 1.8 to 1.10, 3.5).

A row has the type, its named tuple, where it is legal and how often, how long its data may be, and pack
beside unpack. The loop of wire.mip checks type, place, count and length against the row, once; so the rows
read without checking. A row's unpack returns None for a sub-type or a reserved field that makes a known type
one that is "not understood": then it is as an unknown type of the same number.
"""

import struct
from collections import namedtuple

# UDP Tunnel Request and Reply (RFC 3519 3.1, 3.2)
UDP_FORCE = 0x80  # F: request: even without a NAT; reply: was forced
UDP_THROUGH_AGENT = 0x40  # R: registered through a foreign agent, as that demands
ENCAPSULATION_ANY = 0  # as the flags M and G say
ENCAPSULATION_IPIP, ENCAPSULATION_GRE, ENCAPSULATION_MINIMAL = 4, 47, 55  # protocol numbers
UDP_TUNNEL_WILL_DO, UDP_TUNNEL_DECLINED = 0, 64
UDP_TUNNEL_DECLINED_FROM = 64  # any code below assents

ENTERPRISE = 32473  # for documentation (RFC 5612): careof has no number of its own
CISCO = 9  # whose vendor extension carries the host configuration (RFC 4332 3)
_HOST_CONFIGURATION = 14

MESSAGE_FROM_HOME_AGENT, MESSAGE_FROM_FOREIGN_AGENT = 1, 2  # RFC 4917 3
HA_REQUESTED, HA_REDIRECTED = 1, 2  # RFC 4433 3.4
NETWORK_REQUEST, NETWORK_EXPLICIT, NETWORK_IMPLICIT = 0, 1, 2  # RFC 5177 4: sub-types
NETWORK_FINE, NETWORK_INVALID, NETWORK_UNAUTHORIZED, NETWORK_NOT_SET_UP = 0, 1, 2, 3  # 4.2: codes
AAA_SUBTYPE = 1  # RFC 4721 6
HA_IDENTITY, AAAH_IDENTITY = 1, 2  # RFC 3846 4, 5

# RFC 4332 3: sub-types of the host configuration
HOST_REQUEST, HOST_PREFIX_LENGTH, HOST_DNS, HOST_DHCP_SERVER = 0, 1, 2, 3
HOST_CLIENT_ID, HOST_GATEWAY, HOST_DNS_SUFFIX, HOST_URL = 4, 5, 6, 7

# -- What each carries ------------------------------------------------------------------------------
MobileHomeAuthentication = namedtuple("MobileHomeAuthentication", "spi authenticator")  # RFC 5944 3.5.2
MobileForeignAuthentication = namedtuple("MobileForeignAuthentication", "spi authenticator")  # 3.5.3
ForeignHomeAuthentication = namedtuple("ForeignHomeAuthentication", "spi authenticator")  # 3.5.4
SeveralAuthentications = namedtuple("SeveralAuthentications", "spi")  # Foreign-home ones; the first's SPI
MobileAaaAuthentication = namedtuple("MobileAaaAuthentication", "spi authenticator")  # RFC 4721 5, 6
Challenge = namedtuple("Challenge", "value")  # RFC 4721 4: Mobile-Foreign Challenge
UdpTunnelRequest = namedtuple("UdpTunnelRequest", "flags encapsulation")  # RFC 3519 3.1
UdpTunnelReply = namedtuple("UdpTunnelReply", "code forced keepalive_s")  # 3.2; 0 s: the node's own default
AgentError = namedtuple("AgentError", "status")  # RFC 4636 3: what the foreign agent holds against a reply
CriticalVendor = namedtuple("CriticalVendor", "vendor kind value")  # RFC 3115 2.1
NormalVendor = namedtuple("NormalVendor", "vendor kind value")  # RFC 3115 2.2
Nai = namedtuple("Nai", "name")  # RFC 2794 2: the mobile node's, as octets
CarriedNai = namedtuple("CarriedNai", "kind name")  # RFC 3846 3: of a home agent or an AAA server
EncapsulatingDelivery = namedtuple("EncapsulatingDelivery", "")  # RFC 3024 3.3
RevocationSupport = namedtuple("RevocationSupport", "inform timestamp")  # RFC 3543 3.2; inform: the I bit
DynamicHomeAgent = namedtuple("DynamicHomeAgent", "kind address")  # RFC 4433 3.4
MessageString = namedtuple("MessageString", "origin text")  # RFC 4917 3; text: UTF-8 octets, as they came
MobileNetworkRequest = namedtuple("MobileNetworkRequest", "prefix length")  # RFC 5177 4.1
MobileNetworkReply = namedtuple("MobileNetworkReply", "kind code prefix length")  # 4.2

# Ours: "do not change a binding, only say whether you would" (proves an idle uplink).
NO_CHANGE = CriticalVendor(ENTERPRISE, 1, b"")


def host_configuration(kind, value):
    """RFC 4332 3: one item as the vendor extension that carries it.

    The figures of 3.1 to 3.8 draw a sub-type of 16 bits, and so it is here.
    """
    return NormalVendor(CISCO, _HOST_CONFIGURATION, struct.pack(">H", kind) + value)


def host_configuration_of(extensions):
    """{sub-type: value octets} of all host configuration in some extensions; of two the first."""
    found = {}
    for extension in extensions:
        if type(extension) is not NormalVendor or extension[:2] != (CISCO, _HOST_CONFIGURATION):
            continue
        if len(extension.value) >= 2:
            found.setdefault(struct.unpack(">H", extension.value[:2])[0], extension.value[2:])
    return found


# -- The rows' functions: pack returns the data after the length; unpack reads data[at:end] -----------
def _pack_authentication(extension):
    return struct.pack(">I", extension.spi) + extension.authenticator


def _unpacks_authentication(make):
    def unpack(data, at, end):
        return make(struct.unpack_from(">I", data, at)[0], data[at + 4 : end])

    return unpack


def _unpack_mobile_aaa(data, at, end):
    if data[at - 3] != AAA_SUBTYPE:
        return None
    return MobileAaaAuthentication(struct.unpack_from(">I", data, at)[0], data[at + 4 : end])


def _pack_octets(extension):
    return extension[0]


def _unpacks_octets(make):
    def unpack(data, at, end):
        return make(data[at:end])

    return unpack


def _pack_kind_and_octets(extension):
    return bytes((extension[0],)) + extension[1]


def _unpacks_kind_and_octets(make, kinds):
    def unpack(data, at, end):
        return make(data[at], data[at + 1 : end]) if data[at] in kinds else None

    return unpack


def _pack_empty(extension):
    return b""


def _unpack_delivery(data, at, end):
    return EncapsulatingDelivery()


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


def _pack_agent_error(extension):
    return bytes((0, extension.status))


def _unpack_agent_error(data, at, end):
    return None if data[at] else AgentError(data[at + 1])


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


def _pack_revocation_support(extension):
    return struct.pack(">HI", 0x8000 if extension.inform else 0, extension.timestamp)


def _unpack_revocation_support(data, at, end):
    flags, timestamp = struct.unpack_from(">HI", data, at)
    return RevocationSupport(bool(flags & 0x8000), timestamp)


def _unpack_dynamic_home_agent(data, at, end):
    kind = data[at - 3]  # the long form's sub-type stands before its length
    return DynamicHomeAgent(kind, data[at:end]) if kind in (HA_REQUESTED, HA_REDIRECTED) else None


def _pack_mobile_network(extension):
    if type(extension) is MobileNetworkRequest:
        return struct.pack(">BB", NETWORK_REQUEST, extension.length) + extension.prefix
    return struct.pack(">BBBB", extension.kind, extension.code, extension.length, 0) + extension.prefix


def _unpack_mobile_network(data, at, end):
    kind, size = data[at], end - at
    if kind == NETWORK_REQUEST and size == 6:
        return MobileNetworkRequest(data[at + 2 : end], data[at + 1])
    if kind in (NETWORK_EXPLICIT, NETWORK_IMPLICIT) and size == 8:
        return MobileNetworkReply(kind, data[at + 1], data[at + 4 : end], data[at + 2])
    return None


# Where an extension is legal, as bits: in which message, on which side of the mobile-home authentication.
REQUEST, REPLY, REVOCATION, ACKNOWLEDGMENT, PROTECTED, UNPROTECTED = 1, 2, 4, 8, 16, 32
_ANYWHERE = REQUEST | REPLY | REVOCATION | ACKNOWLEDGMENT | PROTECTED | UNPROTECTED
_SIGNS_ALL = REQUEST | REPLY | REVOCATION | ACKNOWLEDGMENT
NETWORKS_MAX = 64  # prefixes in one request
_ANY_NUMBER = 255  # as many as a message may have extensions: who gets them says what is wrong (3.8.2.1)

# header: octets of type and length; 4 is RFC 5944 1.10's long form (type, sub-type, 16 bits of length), where
# sub_type is what stands there; None: it is the tuple's first field.
Row = namedtuple("Row", "kind extension legal at_most header sub_type size_min size_max pack unpack")


def _row(kind, extension, legal, at_most, size_min, size_max, pack, unpack, header=2, sub_type=0):
    return Row(kind, extension, legal, at_most, header, sub_type, size_min, size_max, pack, unpack)


# fmt: off
MOBILE_HOME, MOBILE_FOREIGN, FOREIGN_HOME, MOBILE_AAA = 32, 33, 34, 36  # what signs
ROWS = (
    _row(MOBILE_HOME, MobileHomeAuthentication, _SIGNS_ALL | PROTECTED | UNPROTECTED, 1, 5, 255,
         _pack_authentication, _unpacks_authentication(MobileHomeAuthentication)),
    _row(MOBILE_FOREIGN, MobileForeignAuthentication, REQUEST | REPLY | UNPROTECTED, 1, 5, 255,
         _pack_authentication, _unpacks_authentication(MobileForeignAuthentication)),
    _row(FOREIGN_HOME, ForeignHomeAuthentication, _SIGNS_ALL | UNPROTECTED, _ANY_NUMBER, 5, 255,
         _pack_authentication, _unpacks_authentication(ForeignHomeAuthentication)),
    _row(MOBILE_AAA, MobileAaaAuthentication, REQUEST | UNPROTECTED, 1, 20, 65535,
         _pack_authentication, _unpack_mobile_aaa, 4, AAA_SUBTYPE),
    _row(38, CriticalVendor, _ANYWHERE, 8, 6, 65535, _pack_critical, _unpack_critical, 4),
    # Unprotected, it answers the foreign agent, which takes it out: a node need not know it.
    _row(44, UdpTunnelReply, REPLY | PROTECTED | UNPROTECTED, 1, 6, 6, _pack_udp_reply, _unpack_udp_reply),
    _row(45, AgentError, REPLY | UNPROTECTED, 1, 2, 2, _pack_agent_error, _unpack_agent_error),
    _row(130, EncapsulatingDelivery, REQUEST | UNPROTECTED, 1, 0, 0, _pack_empty, _unpack_delivery),
    _row(131, Nai, REQUEST | REPLY | REVOCATION | ACKNOWLEDGMENT | PROTECTED | UNPROTECTED, 1, 1, 255,
         _pack_octets, _unpacks_octets(Nai)),
    _row(132, Challenge, REQUEST | REPLY | UNPROTECTED, 1, 1, 255, _pack_octets, _unpacks_octets(Challenge)),
    _row(134, NormalVendor, _ANYWHERE, 16, 8, 255, _pack_normal, _unpack_normal),
    _row(136, CarriedNai, REQUEST | REPLY | PROTECTED | UNPROTECTED, 4, 2, 255,
         _pack_kind_and_octets, _unpacks_kind_and_octets(CarriedNai, (HA_IDENTITY, AAAH_IDENTITY))),
    _row(137, RevocationSupport, REQUEST | REPLY | PROTECTED | UNPROTECTED, 1, 6, 255,
         _pack_revocation_support, _unpack_revocation_support),
    _row(139, DynamicHomeAgent, REQUEST | REPLY | PROTECTED, 2, 4, 4,
         lambda extension: extension.address, _unpack_dynamic_home_agent, 4, None),
    # Unprotected, a foreign agent added it (RFC 3519 4.5).
    _row(144, UdpTunnelRequest, REQUEST | PROTECTED | UNPROTECTED, 1, 6, 6,
         _pack_udp_request, _unpack_udp_request),
    _row(145, MessageString, REPLY | REVOCATION | PROTECTED | UNPROTECTED, 2, 2, 255, _pack_kind_and_octets,
         _unpacks_kind_and_octets(MessageString, (MESSAGE_FROM_HOME_AGENT, MESSAGE_FROM_FOREIGN_AGENT))),
    _row(148, MobileNetworkRequest, REQUEST | REPLY | PROTECTED, NETWORKS_MAX, 6, 8,
         _pack_mobile_network, _unpack_mobile_network),
)
# fmt: on
PADDING = 0  # one octet, without a length (RFC 5944 1.8)
SKIPPABLE_FROM = 128
BY_KIND = {row.kind: row for row in ROWS}
_BY_TYPE = {row.extension: row for row in ROWS}
_BY_TYPE[MobileNetworkReply] = BY_KIND[148]


def find(extensions, kind):
    """The first extension that is a `kind` (one of the named tuples above), or None."""
    for extension in extensions:
        if type(extension) is kind:
            return extension
    return None


def find_all(extensions, kind):
    """Those that are a `kind`, in their order."""
    return [extension for extension in extensions if type(extension) is kind]


def _header(row, sub_type, size):
    if row.header == 4:
        return struct.pack(">BBH", row.kind, sub_type, size)
    return bytes((row.kind, size))


def pack_extension(extension):
    """The octets of one extension. Raises ValueError if it does not fit its length field."""
    row = _BY_TYPE[type(extension)]
    data = row.pack(extension)
    size = len(data)
    if size < row.size_min or size > row.size_max:
        raise ValueError("extension %d: %d octets, %d to %d" % (row.kind, size, row.size_min, row.size_max))
    if row.header == 2:
        return bytes((row.kind, size)) + data
    return _header(row, extension[0] if row.sub_type is None else row.sub_type, size) + data


def pack_head_to_sign(kind, spi, authenticator_size):
    """An authentication extension up to its authenticator, all of which that covers (RFC 5944 3.5.1)."""
    row = BY_KIND[kind]
    return _header(row, row.sub_type, 4 + authenticator_size) + struct.pack(">I", spi)

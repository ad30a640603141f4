"""Messages between careofd and careof-tunneld (DESIGN section 2): one table, both ends.

A message is one datagram of an AF_UNIX SOCK_SEQPACKET socket (wire/messages has its form and the types of its
fields). Nothing in here knows what a message is for.
"""

from .messages import Table, named_counters

VERSION = 3

TO_TUNNELD, FROM_TUNNELD = "to", "from"

# How one tunnel encapsulates (SetTunnel.kind). Room is left for those of later protocols.
KIND_IPIP = 1  # RFC 2003, protocol 4 on the uplink's raw socket
KIND_MIP_UDP = 2  # RFC 3519, next header 4 (IP in IP) after the four octets of tunnel data header
KIND_MINIMAL = 3  # RFC 2004, protocol 55
KIND_GRE = 4  # RFC 2784, protocol 47; with the key of RFC 2890 if has_key
KIND_MIP_UDP_GRE = 6  # RFC 3519 with next header 47
KIND_LINK = 7  # no encapsulation: to a link-layer address (SetLinkTunnel)

# What a route does with traffic (SetRoute.gate).
GATE_CLOSED, GATE_HOLD, GATE_OPEN = 0, 1, 2

# What the tunneld's kernel and TUN can do (Hello.offloads), as bits.
OFFLOAD_TUN_TSO, OFFLOAD_TUN_USO, OFFLOAD_UDP_SEGMENT, OFFLOAD_UDP_GRO = 1, 2, 4, 8

FOREVER_S = 0xFFFFFFFF  # SetRoute.valid_s of a route that does not run out

# Every drop has a name; Counters.values has one u64 each, in this order. The traffic counters come first.
COUNTERS = (
    # traffic, inner packets and octets
    "out_packets",
    "out_octets",
    "in_packets",
    "in_octets",
    # system calls and batches, to see that batching works
    "tun_reads",
    "tun_writes",
    "uplink_sends",
    "uplink_receives",
    # outbound drops
    "out_not_ipv4",
    "out_malformed",
    "out_ttl_exceeded",
    "out_no_route",
    "out_gate_closed",
    "out_hold_full",
    "out_hold_late",
    "out_too_big",
    "out_no_path",
    "out_loop",
    "out_uplink_error",
    # inbound drops
    "in_short",
    "in_unknown_kind",
    "in_no_tunnel",
    "in_malformed",
    "in_bad_source",
    "in_bad_destination",
    "in_nested",
    "in_key",
    "in_ecn",
    "in_ecn_unused",
    "in_duplicate",
    "in_ttl_zero",
    "in_tun_error",
    # made here
    "icmp_too_big_sent",
    "icmp_ttl_sent",
    "icmp_unreachable_sent",
    "icmp_limited",
    "fragments_made",
    "mss_lowered",
    "broadcast_copies",
    "broadcast_limited",
    # signalling
    "signals_up",
    "signals_sent",
    "signal_source_limited",
    "signal_all_limited",
    "signal_no_client",
    "signal_client_full",
    "signal_send_error",
    # ICMP errors from outside about what was sent
    "errors_in",
    "errors_up",
    "errors_malformed",
    "errors_not_ours",
    "errors_limited",
    # links
    "frames_up",
    "frames_sent",
    "frame_send_error",
    # the socket to careofd
    "client_refused",
    "client_malformed",
    "client_unknown_kind",
    "client_refused_value",
)

_table = Table("tunneld message")
_row = _table.row
ROWS = _table.rows
pack, unpack = _table.pack, _table.unpack

# Both say Hello first. tunneld's `epoch` differs each time it starts: a new one wants a replay.
Hello = _row(1, "Hello", TO_TUNNELD, (("version", "u16"),))
HelloBack = _row(2, "HelloBack", FROM_TUNNELD, (("version", "u16"), ("epoch", "u64"), ("offloads", "u32")))
# All that is held again between the two stays as it was; at ReplayEnd what was not is removed.
ReplayBegin = _row(3, "ReplayBegin", TO_TUNNELD, ())
ReplayEnd = _row(4, "ReplayEnd", TO_TUNNELD, ())
# The answer to every message to tunneld that has a `Set` or `Drop` in its name and failed, and to
# every ReplayEnd (error 0). `error` is an errno, `text` UTF-8 for a log line.
Done = _row(5, "Done", FROM_TUNNELD, (("of_number", "u32"), ("error", "u16"), ("text", "octets")))
#
# State. An object is named by its first field (routes, sources and kernel rows by the whole prefix);
# setting it again changes it in place without losing a packet.
SetTun = _row(16, "SetTun", TO_TUNNELD, (("address", "ip"), ("mtu", "u16")))  # careof0; 0.0.0.0: no address
SetUplink = _row(
    17, "SetUplink", TO_TUNNELD, (("uplink", "u32"), ("device", "device"), ("address", "ip"), ("port", "u16"))
)
DropUplink = _row(18, "DropUplink", TO_TUNNELD, (("uplink", "u32"),))
# peer_port: of the UDP kinds, else 0. One of them with port 0 is half-bound (RFC 3519 4.6): nothing leaves by
# it, and tunnel data from the peer's address that is of no tunnel goes up as a Signal. key: of GRE, if
# has_key; else both are 0.
SetTunnel = _row(
    19,
    "SetTunnel",
    TO_TUNNELD,
    (
        ("tunnel", "u32"),
        ("kind", "u8"),
        ("uplink", "u32"),
        ("peer", "ip"),
        ("peer_port", "u16"),
        ("has_key", "u8"),
        ("key", "u32"),
    ),
)
DropTunnel = _row(20, "DropTunnel", TO_TUNNELD, (("tunnel", "u32"),))
# tunnels: innermost first. packet_size: the largest inner packet, octets. patience_ms 0: do not watch.
SetPath = _row(
    21,
    "SetPath",
    TO_TUNNELD,
    (("path", "u32"), ("packet_size", "u16"), ("patience_ms", "u32"), ("tunnels", "list32")),
)
DropPath = _row(22, "DropPath", TO_TUNNELD, (("path", "u32"),))
# A route is for packets from `source`: of the routes of the longest source that has one for the
# destination, that of the longest destination. paths: a copy of each packet goes to every one of them
# (simultaneous bindings, RFC 5944 3.3). After valid_s seconds without being set again the gate closes by
# itself.
_ROUTE = (("destination", "ip"), ("length", "u8"), ("source", "ip"), ("source_length", "u8"))
SetRoute = _row(
    23,
    "SetRoute",
    TO_TUNNELD,
    _ROUTE + (("gate", "u8"), ("valid_s", "u32"), ("paths", "list32")),
)
DropRoute = _row(24, "DropRoute", TO_TUNNELD, _ROUTE)
# Inner packets that come by this tunnel may have these sources and destinations; without a row, none.
_INNER = (
    ("tunnel", "u32"),
    ("source", "ip"),
    ("source_length", "u8"),
    ("destination", "ip"),
    ("destination_length", "u8"),
)
SetInner = _row(25, "SetInner", TO_TUNNELD, _INNER)
DropInner = _row(26, "DropInner", TO_TUNNELD, _INNER)
# The kernel's side, done by the privileged helper. Deliver: this prefix is routed to careof0 (main table).
# Capture: packets from this source that come in by this device (empty: any) are routed to careof0, whatever
# the main table says, but for destinations that are spared. Neighbour: the address is behind this device
# and link-layer address, whatever prefix it is of; no ARP asks for it. Proxy: ARP requests on this device
# for this address, which is behind another one, are answered (RFC 5944 4.6). OnLink: the prefix is that of
# this device's link (a mobile node is at home). Quiet: on this device ARP is answered, and asked, for its own
# addresses alone: not for a home address, which is the TUN's (4.6 again). Ingress: what comes in by this
# device from a source that is not captured goes nowhere (RFC 5177 10), but for this machine's own addresses.
SetDeliver = _row(27, "SetDeliver", TO_TUNNELD, (("destination", "ip"), ("length", "u8")))
DropDeliver = _row(28, "DropDeliver", TO_TUNNELD, (("destination", "ip"), ("length", "u8")))
_CAPTURE = (("source", "ip"), ("length", "u8"), ("device", "device"))
SetCapture = _row(29, "SetCapture", TO_TUNNELD, _CAPTURE)
DropCapture = _row(30, "DropCapture", TO_TUNNELD, _CAPTURE)
SetSpare = _row(31, "SetSpare", TO_TUNNELD, (("destination", "ip"), ("length", "u8")))
DropSpare = _row(32, "DropSpare", TO_TUNNELD, (("destination", "ip"), ("length", "u8")))
# Inner ICMP echo replies with this identifier are handed up as Inner and never reach the TUN.
SetProbe = _row(33, "SetProbe", TO_TUNNELD, (("identifier", "u16"),))
DropProbe = _row(34, "DropProbe", TO_TUNNELD, (("identifier", "u16"),))
# A link: a device whose agent solicitations and advertisements, and datagrams to UDP port 434, are handed
# up as whole IPv4 packets with their link-layer addresses. An uplink on the same device sees the datagrams
# too.
SetLink = _row(35, "SetLink", TO_TUNNELD, (("link", "u32"), ("device", "device")))
DropLink = _row(36, "DropLink", TO_TUNNELD, (("link", "u32"),))
SetNeighbour = _row(
    37, "SetNeighbour", TO_TUNNELD, (("device", "device"), ("address", "ip"), ("link_address", "mac"))
)
DropNeighbour = _row(38, "DropNeighbour", TO_TUNNELD, (("device", "device"), ("address", "ip")))
SetProxy = _row(39, "SetProxy", TO_TUNNELD, (("device", "device"), ("address", "ip")))
DropProxy = _row(40, "DropProxy", TO_TUNNELD, (("device", "device"), ("address", "ip")))
# A tunnel in name only: packets go as they are to a link-layer address on a link (direct delivery to a
# foreign agent, RFC 3024 5.1). What comes back comes by the kernel. DropTunnel drops it.
SetLinkTunnel = _row(
    41, "SetLinkTunnel", TO_TUNNELD, (("tunnel", "u32"), ("link", "u32"), ("link_address", "mac"))
)
_ON_LINK = (("destination", "ip"), ("length", "u8"), ("device", "device"))
SetOnLink = _row(42, "SetOnLink", TO_TUNNELD, _ON_LINK)
DropOnLink = _row(43, "DropOnLink", TO_TUNNELD, _ON_LINK)
SetQuiet = _row(44, "SetQuiet", TO_TUNNELD, (("device", "device"),))
DropQuiet = _row(45, "DropQuiet", TO_TUNNELD, (("device", "device"),))
# A node that listens to its home network (RFC 5944 4.3): what is sent there to all or to several goes to it
# by the route of its home address as well, at a bounded rate. length: of the home network. outer: what is
# put around each such packet has this source and the home address as destination, so that a foreign agent
# knows for whom it is; 0.0.0.0: nothing is, the care-of address is the node's own.
SetListener = _row(46, "SetListener", TO_TUNNELD, (("home_address", "ip"), ("length", "u8"), ("outer", "ip")))
DropListener = _row(47, "DropListener", TO_TUNNELD, (("home_address", "ip"),))
SetIngress = _row(55, "SetIngress", TO_TUNNELD, (("device", "device"),))
DropIngress = _row(56, "DropIngress", TO_TUNNELD, (("device", "device"),))
#
# Signalling and probes.
SendSignal = _row(
    48,
    "SendSignal",
    TO_TUNNELD,
    (("uplink", "u32"), ("destination", "ip"), ("destination_port", "u16"), ("data", "octets")),
)
Signal = _row(
    49,
    "Signal",
    FROM_TUNNELD,
    (
        ("uplink", "u32"),
        ("source", "ip"),
        ("source_port", "u16"),
        ("destination", "ip"),
        ("ttl", "u8"),
        ("interface", "u32"),
        ("data", "octets"),
    ),
)
SendInner = _row(50, "SendInner", TO_TUNNELD, (("path", "u32"), ("data", "octets")))
Inner = _row(51, "Inner", FROM_TUNNELD, (("tunnel", "u32"), ("data", "octets")))
# On a link. group: it came to a broadcast or multicast link-layer address. ethertype: of what is sent.
Frame = _row(
    52, "Frame", FROM_TUNNELD, (("link", "u32"), ("link_address", "mac"), ("group", "u8"), ("data", "octets"))
)
SendFrame = _row(
    53,
    "SendFrame",
    TO_TUNNELD,
    (("link", "u32"), ("link_address", "mac"), ("ethertype", "u16"), ("data", "octets")),
)
# After SetLink: the device's own address.
LinkUp = _row(54, "LinkUp", FROM_TUNNELD, (("link", "u32"), ("link_address", "mac")))
#
# A path's silence: something was sent and nothing came for patience_ms; later, that something came.
Unanswered = _row(64, "Unanswered", FROM_TUNNELD, (("path", "u32"), ("since_ms", "u32")))
Answered = _row(65, "Answered", FROM_TUNNELD, (("path", "u32"),))
Expired = _row(66, "Expired", FROM_TUNNELD, _ROUTE)  # a route ran out
AskCounters = _row(67, "AskCounters", TO_TUNNELD, ())
Counters = _row(68, "Counters", FROM_TUNNELD, (("values", "octets"),))  # u64 each, as COUNTERS names them
AskTunnel = _row(69, "AskTunnel", TO_TUNNELD, (("tunnel", "u32"),))
TunnelCounters = _row(
    70,
    "TunnelCounters",
    FROM_TUNNELD,
    (
        ("tunnel", "u32"),
        ("out_packets", "u64"),
        ("out_octets", "u64"),
        ("in_packets", "u64"),
        ("in_octets", "u64"),
    ),
)
# An ICMP error about signalling that was sent there: its type and code, and as much of the datagram as it
# quotes, which may be nothing. Anyone may have made it.
Unreachable = _row(
    71,
    "Unreachable",
    FROM_TUNNELD,
    (
        ("uplink", "u32"),
        ("destination", "ip"),
        ("destination_port", "u16"),
        ("kind", "u8"),
        ("code", "u8"),
        ("data", "octets"),
    ),
)


def counters(values):
    """{name: count} of the octets of a Counters message. Raises Malformed."""
    return named_counters(COUNTERS, values)


_DROPS = {
    SetUplink: DropUplink,
    SetTunnel: DropTunnel,
    SetPath: DropPath,
    SetRoute: DropRoute,
    SetInner: DropInner,
    SetDeliver: DropDeliver,
    SetCapture: DropCapture,
    SetSpare: DropSpare,
    SetProbe: DropProbe,
    SetListener: DropListener,
    SetLink: DropLink,
    SetLinkTunnel: DropTunnel,
    SetNeighbour: DropNeighbour,
    SetProxy: DropProxy,
    SetOnLink: DropOnLink,
    SetQuiet: DropQuiet,
    SetIngress: DropIngress,
}


_RANKS = {35: 17, 41: 19}  # links are as uplinks, their tunnels as tunnels


def drop_of(message):
    """The Drop... that undoes a Set..., or None for what cannot be dropped (SetTun)."""
    drop = _DROPS.get(type(message))
    return drop(*message[: len(_table.row_of(drop).fields)]) if drop else None


def rank(message):
    """Sorts Set... messages so that each comes after those that it names."""
    kind = _table.row_of(type(message)).kind
    return _RANKS.get(kind, kind)

"""What a home agent makes of a request that is genuine and fresh (RFC 5944 3.8.2, 3024 4.3, 3519 4.6).

judge() looks at one request alone: which code refuses it, or where its tunnel ends and how it
encapsulates. Nothing here is remembered and nothing here is believed before the request was
authenticated; whether there is room for the binding is for proto.bindings to say.

The outer source differs from the care-of address: there is a NAT between, or a forger who may change a
packet under way; in both cases only UDP tunnelling to the address and port that were seen can
work, and only if it was asked for (3519 4.6). It moves the tunnel's end, but no more than every
authenticated request does.
"""

from collections import namedtuple

from ..wire import mip, mip_extensions
from ..wire.tunneld import KIND_IPIP, KIND_MIP_UDP, KIND_MIP_UDP_GRE
from .kinds import kind_of, udp_kind_of
from .visiting import ANYONE as ANY_HOME_AGENT
from .visiting import is_unicast

ACCEPTED = 0
PROHIBITED, POORLY_FORMED, UNKNOWN_HOME_AGENT = 129, 134, 136
UNKNOWN_CRITICAL, UNKNOWN_CRITICAL_OF_AGENT, UDP_ENCAPSULATION_UNAVAILABLE = 140, 141, 142

# What a UDP Tunnel Request names (RFC 3519 3.1), if it does not leave it to the flags.
UDP_KINDS = {
    mip_extensions.ENCAPSULATION_IPIP: KIND_MIP_UDP,
    mip_extensions.ENCAPSULATION_GRE: KIND_MIP_UDP_GRE,
}
UDP_ENCAPSULATIONS = (mip_extensions.ENCAPSULATION_ANY,) + tuple(UDP_KINDS)

# code 0: the tunnel's kind, peer and port. udp: the answer to a UDP Tunnel Request; None: it was not asked.
Verdict = namedtuple("Verdict", "code kind peer port udp forced no_change")


def refusal(code):
    return Verdict(code, 0, b"", 0, None, False, False)


def judge(received, source, port, home_agent, udp_tunnelling):
    """The verdict on a genuine request (mip.Received) that came from `source` and `port`.

    home_agent: our address. udp_tunnelling: may UDP tunnels be made.
    """
    request = received.message
    if request.home_agent != home_agent and request.home_agent not in ANY_HOME_AGENT:
        return refusal(UNKNOWN_HOME_AGENT)  # 3.8.3.2: the reply carries the right one
    udp_request, no_change = None, False
    for extension in request.extensions:
        if isinstance(extension, mip_extensions.UdpTunnelRequest):
            udp_request = extension
        elif extension == mip_extensions.NO_CHANGE:
            no_change = True
        elif isinstance(extension, mip_extensions.DynamicHomeAgent):
            if extension.kind == mip_extensions.HA_REQUESTED and extension.address != home_agent:
                return refusal(UNKNOWN_HOME_AGENT)  # RFC 4433 5.3
        elif isinstance(extension, mip_extensions.CriticalVendor):
            return refusal(UNKNOWN_CRITICAL)  # RFC 3115 2.3
    for_agent = None
    for extension in received.unprotected:
        if isinstance(extension, mip_extensions.UdpTunnelRequest):
            for_agent = extension
        elif isinstance(extension, mip_extensions.CriticalVendor):
            return refusal(UNKNOWN_CRITICAL_OF_AGENT)
    co_located = request.flags & mip.FLAG_D
    if (udp_request is not None and not co_located) or (for_agent is not None and co_located):
        return refusal(POORLY_FORMED)  # RFC 3519 4.6.1
    if not is_unicast(request.care_of_address):
        return refusal(POORLY_FORMED)
    if request.lifetime_s == 0:
        return Verdict(ACCEPTED, KIND_IPIP, source, 0, None, False, no_change)
    if request.care_of_address in (request.home_address, home_agent):
        return refusal(POORLY_FORMED)  # a tunnel that begins or ends in itself
    return _tunnel(request, udp_request or for_agent, source, port, udp_tunnelling, no_change)


def _tunnel(request, udp_request, source, port, udp_tunnelling, no_change):
    """Which kind of tunnel, and to where."""
    translated = source != request.care_of_address
    forced = udp_request is not None and bool(udp_request.flags & mip_extensions.UDP_FORCE)
    if not (translated or forced):
        udp = None if udp_request is None else False
        return Verdict(ACCEPTED, kind_of(request.flags), request.care_of_address, 0, udp, False, no_change)
    through_agent = udp_request is not None and udp_request.flags & mip_extensions.UDP_THROUGH_AGENT
    if udp_request is None or not udp_tunnelling or (through_agent and not request.flags & mip.FLAG_D):
        return refusal(PROHIBITED)
    kind = UDP_KINDS.get(udp_request.encapsulation, udp_kind_of(request.flags))
    if udp_request.encapsulation not in UDP_ENCAPSULATIONS or kind is None:
        return refusal(UDP_ENCAPSULATION_UNAVAILABLE)
    port = 0 if through_agent else port  # the agent's: the node's own is known from its first keepalive
    return Verdict(ACCEPTED, kind, source, port, True, forced and not translated, no_change)

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
from ..wire.tunneld import KIND_IPIP, KIND_MIP_UDP

ACCEPTED = 0
PROHIBITED, POORLY_FORMED, UNKNOWN_HOME_AGENT = 129, 134, 136
ENCAPSULATION_UNAVAILABLE, UNKNOWN_CRITICAL, UDP_ENCAPSULATION_UNAVAILABLE = 139, 140, 142

# code 0: the tunnel's kind, peer and port. udp: the answer to a UDP Tunnel Request; None: it was not asked.
Verdict = namedtuple("Verdict", "code kind peer port udp forced no_change")


def refusal(code):
    return Verdict(code, 0, b"", 0, None, False, False)


def judge(request, source, port, home_agent, udp_tunnelling):
    """The verdict on a genuine request that came from `source` and `port`.

    home_agent: our address. udp_tunnelling: may UDP tunnels be made.
    """
    if request.home_agent != home_agent:
        return refusal(UNKNOWN_HOME_AGENT)  # 3.8.3.2: the reply carries the right one
    udp_request, no_change = None, False
    for extension in request.extensions:
        if isinstance(extension, mip_extensions.UdpTunnelRequest):
            udp_request = extension
        elif extension == mip_extensions.NO_CHANGE:
            no_change = True
        elif isinstance(extension, mip_extensions.CriticalVendor):
            return refusal(UNKNOWN_CRITICAL)  # RFC 3115 2.3
    co_located = request.flags & mip.FLAG_D
    if udp_request is not None and not co_located:
        return refusal(POORLY_FORMED)  # RFC 3519 4.6.1
    if request.flags & (mip.FLAG_M | mip.FLAG_G):
        return refusal(ENCAPSULATION_UNAVAILABLE)  # RFC 3024 4.3.1
    if request.lifetime_s == 0:
        return Verdict(ACCEPTED, KIND_IPIP, source, 0, None, False, no_change)
    return _tunnel(request, udp_request, source, port, udp_tunnelling, no_change)


def _tunnel(request, udp_request, source, port, udp_tunnelling, no_change):
    """Which kind of tunnel, and to where."""
    translated = source != request.care_of_address
    forced = udp_request is not None and bool(udp_request.flags & mip_extensions.UDP_FORCE)
    if not (translated or forced):
        udp = None if udp_request is None else False
        return Verdict(ACCEPTED, KIND_IPIP, request.care_of_address, 0, udp, False, no_change)
    through_agent = udp_request is not None and udp_request.flags & mip_extensions.UDP_THROUGH_AGENT
    if udp_request is None or not udp_tunnelling or through_agent:
        return refusal(PROHIBITED)
    if udp_request.encapsulation not in (mip_extensions.ENCAPSULATION_ANY, mip_extensions.ENCAPSULATION_IPIP):
        return refusal(UDP_ENCAPSULATION_UNAVAILABLE)
    return Verdict(ACCEPTED, KIND_MIP_UDP, source, port, True, forced and not translated, no_change)

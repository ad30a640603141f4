"""Which encapsulation was agreed on: a request's flags, and the answer to UDP tunnelling, as tunneld's kind.

With both M and G an agent may choose (RFC 5944 3.3); all of ours choose GRE.
"""

from ..wire import mip, tunneld

_M, _G = mip.FLAG_M, mip.FLAG_G

KIND_OF_FLAGS = {
    0: tunneld.KIND_IPIP,
    _M: tunneld.KIND_MINIMAL,
    _G: tunneld.KIND_GRE,
    _M | _G: tunneld.KIND_GRE,
}
UDP_KIND_OF_FLAGS = {  # RFC 3519 3.3: with minimal encapsulation the inner header could not be restored whole
    0: tunneld.KIND_MIP_UDP,
    _G: tunneld.KIND_MIP_UDP_GRE,
    _M | _G: tunneld.KIND_MIP_UDP_GRE,
}
NAMES = {
    tunneld.KIND_IPIP: "ipip",
    tunneld.KIND_MIP_UDP: "mip-udp",
    tunneld.KIND_MINIMAL: "minimal",
    tunneld.KIND_GRE: "gre",
    tunneld.KIND_MIP_UDP_GRE: "mip-udp-gre",
}


def kind_of(flags):
    """Of a request's flags, without UDP."""
    return KIND_OF_FLAGS[flags & (_M | _G)]


def udp_kind_of(flags):
    """Of a request's flags, in UDP; None: there is none."""
    return UDP_KIND_OF_FLAGS.get(flags & (_M | _G))

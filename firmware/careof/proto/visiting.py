"""What a foreign agent makes of a request before it is relayed (RFC 5944 3.7.2.1, 3024 4.2.1, 4721 3.2,
4433 5.2).

judge() looks at one request alone and remembers nothing, and so does judge_reply() at a reply. The order is
that of the texts: who sent it and what it is, then what is asked for; authentication is asked for by the
caller, before anything is relayed. Whether there is room is for the table of visitors to say.
"""

from collections import namedtuple

from ..wire import icmp, ipv4, mip, mip_codes, mip_extensions

ACCEPTED = 0
PROHIBITED, NO_ROOM, FAILED_AUTHENTICATION, HOME_AGENT_FAILED = 65, 66, 67, 68
LIFETIME_TOO_LONG, POORLY_FORMED, NO_ENCAPSULATION = 69, 70, 72
NO_REVERSE_TUNNEL, REVERSE_TUNNEL_MANDATORY, TOO_DISTANT, INVALID_CARE_OF = 74, 75, 76, 77
HOME_NETWORK_UNREACHABLE, HOME_AGENT_UNREACHABLE, PORT_UNREACHABLE, OTHER_UNREACHABLE = 80, 81, 82, 88
TIMED_OUT, NO_DELIVERY, NONZERO_HOME_AGENT, MISSING_NAI = 78, 79, 90, 97
MISSING_HOME_AGENT, MISSING_HOME_ADDRESS = 98, 99
UNKNOWN_CRITICAL, UNKNOWN_CRITICAL_OF_HOME_AGENT, INVALID_HOME_AGENT = 100, 101, 194
WRONG_CHALLENGE = 109  # RFC 4721 10

OFF, OPTIONAL, PRIVATE, REQUIRED = "off", "optional", "private", "required"
UNREACHABLE = {  # of the codes of "destination unreachable", those that say what: network, host or port
    0: HOME_NETWORK_UNREACHABLE,
    6: HOME_NETWORK_UNREACHABLE,
    11: HOME_NETWORK_UNREACHABLE,
    1: HOME_AGENT_UNREACHABLE,
    7: HOME_AGENT_UNREACHABLE,
    12: HOME_AGENT_UNREACHABLE,
    3: PORT_UNREACHABLE,
}
_PRIVATE = ((b"\x0a\0\0\0", 8), (b"\xac\x10\0\0", 12), (b"\xc0\xa8\0\0", 16))
TTL_OF_NEIGHBOUR = 255  # RFC 3024 4.1.1: nobody farther away can make it
ANYONE = (bytes(4), b"\xff\xff\xff\xff")  # RFC 4433 2: home agent addresses that ask for any

# What an agent offers on a link. reverse_tunnel: as above, from OFF on; own_addresses: of this machine;
# home_agent: where requests go that name none (RFC 4433 5.2), or None.
Offer = namedtuple(
    "Offer",
    "care_of lifetime_max_s reverse_tunnel encapsulating_delivery minimal gre own_addresses home_agent",
)
# code 0: where the request goes. encapsulating: the delivery style (RFC 3024 5.2).
Verdict = namedtuple("Verdict", "code home_agent encapsulating")


def is_unicast(address):
    """May one host have it? Not 0.x, 127.x, multicast, reserved or broadcast (RFC 1122 3.2.1.3)."""
    return 0 < address[0] < 224 and address[0] != 127


def unreachable_code(kind, code):
    """RFC 5944 3.4: what refuses a request after an ICMP error of that type and code (RFC 792, 1122)."""
    return UNREACHABLE.get(code, OTHER_UNREACHABLE) if kind == icmp.UNREACHABLE else OTHER_UNREACHABLE


def is_private(address):
    """Is it one of those that other networks have, too? (RFC 1918 3)"""
    return any([ipv4.covers(prefix, address) for prefix in _PRIVATE])


def must_reverse(home_address, reverse_tunnel):
    """Has who visits with this home address to ask for a reverse tunnel? PRIVATE: RFC 3024 A.4."""
    return reverse_tunnel == REQUIRED or (reverse_tunnel == PRIVATE and is_private(home_address))


def is_signed_by_agents(request):
    """Do the two agents authenticate this request to one another, if they share an association?

    RFC 5944 3.5.4: neither a deregistration nor one whose care-of address is not the foreign agent's.
    """
    return bool(request.lifetime_s) and not request.flags & mip.FLAG_D


def judge(received, ttl, offer):
    """The verdict on a request (mip.Received) that came from the link with this TTL."""
    request = received.message
    code = _who(request, received.unprotected, offer)
    home_agent = _home_agent(request, offer)
    if not code and home_agent is None:
        code = NONZERO_HOME_AGENT
    if not code and home_agent in offer.own_addresses:
        code = INVALID_HOME_AGENT  # 3.7.2: never sent on
    if not code:
        code = _what(request, received.unprotected, ttl, offer)
    delivery = mip_extensions.find(received.unprotected, mip_extensions.EncapsulatingDelivery)
    return Verdict(code, home_agent, delivery is not None)


def judge_reply(request, received):
    """Why a genuine reply (mip.Received) cannot be passed on as it is: a code, or 0."""
    reply = received.message
    for extension in received.unprotected:
        if type(extension) is mip_extensions.CriticalVendor:
            return UNKNOWN_CRITICAL_OF_HOME_AGENT  # RFC 3115 2.3: we are where it passes
    if not mip_codes.accepts(reply.code) or not reply.lifetime_s or not request.lifetime_s:
        return ACCEPTED
    nai = mip_extensions.find(request.extensions, mip_extensions.Nai)
    if nai is not None and mip_extensions.find(reply.extensions, mip_extensions.Nai) != nai:
        return MISSING_NAI  # RFC 2794 3, and the next two
    if not is_unicast(reply.home_agent):
        return MISSING_HOME_AGENT
    return ACCEPTED if reply.home_address != bytes(4) else MISSING_HOME_ADDRESS


def _home_agent(request, offer):
    """Where the request goes: RFC 4433 4.1 step 2; None: it does not say."""
    for extension in request.extensions:
        if (
            type(extension) is mip_extensions.DynamicHomeAgent
            and extension.kind == mip_extensions.HA_REQUESTED
        ):
            return extension.address if is_unicast(extension.address) else None
    if request.home_agent in ANYONE:
        return offer.home_agent
    return request.home_agent if is_unicast(request.home_agent) else None


def _who(request, unprotected, offer):
    home = request.home_address
    if home == bytes(4):
        if mip_extensions.find(request.extensions, mip_extensions.Nai) is None:
            return MISSING_NAI  # RFC 2794 3
    elif not is_unicast(home) or home in offer.own_addresses:
        return POORLY_FORMED
    for extension in unprotected:
        if type(extension) is mip_extensions.CriticalVendor:
            return UNKNOWN_CRITICAL  # RFC 3115 2.3
    return ACCEPTED


def _what(request, unprotected, ttl, offer):
    flags = request.flags
    if not flags & mip.FLAG_D and request.lifetime_s and request.care_of_address not in offer.care_of:
        return INVALID_CARE_OF
    if flags & mip.FLAG_D and not is_unicast(request.care_of_address):
        return INVALID_CARE_OF
    if request.lifetime_s > offer.lifetime_max_s:
        return LIFETIME_TOO_LONG
    too_distant = bool(flags & mip.FLAG_T) and ttl != TTL_OF_NEIGHBOUR
    if flags & mip.FLAG_D or not request.lifetime_s:
        return TOO_DISTANT if too_distant else ACCEPTED  # there is no tunnel of ours
    if (flags & mip.FLAG_M and not offer.minimal) or (flags & mip.FLAG_G and not offer.gre):
        return NO_ENCAPSULATION
    encapsulating = mip_extensions.find(unprotected, mip_extensions.EncapsulatingDelivery) is not None
    if flags & mip.FLAG_T:
        if too_distant:
            return TOO_DISTANT
        if offer.reverse_tunnel == OFF:
            return NO_REVERSE_TUNNEL
        return NO_DELIVERY if encapsulating and not offer.encapsulating_delivery else ACCEPTED
    if encapsulating:
        return POORLY_FORMED
    mandatory = must_reverse(request.home_address, offer.reverse_tunnel)
    return REVERSE_TUNNEL_MANDATORY if mandatory else ACCEPTED

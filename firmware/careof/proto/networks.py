"""Mobile networks in registrations (RFC 5177): which prefixes a router asks for, and which it gets.

    implicit   the request names none: all that are configured for the router are routed to it
    explicit   it names some: of these, what is configured; each has a code of its own in the reply, and the
               registration is refused only if not one could be had

The prefix table (6.2.2) is the node's configured networks, prefix by prefix: one that only overlaps them is
not the node's.
"""

from collections import namedtuple

from ..wire import ipv4, mip_extensions
from ..wire.mip_extensions import (
    NETWORK_EXPLICIT,
    NETWORK_FINE,
    NETWORK_IMPLICIT,
    NETWORK_INVALID,
    NETWORK_NOT_SET_UP,
    NETWORK_UNAUTHORIZED,
)

ACCEPTED = 0
NETWORK_ERROR, DISALLOWED = 147, 148  # 11: HA_MOBNET_ERROR, HA_MOBNET_DISALLOWED

# routed: the prefixes that are routed to the router if the request is accepted.
Verdict = namedtuple("Verdict", "code routed")
_NONE = Verdict(ACCEPTED, ())  # made once: of every host


def _asked_for(request):
    if not request.extensions:
        return ()
    return mip_extensions.find_all(request.extensions, mip_extensions.MobileNetworkRequest)


def _code(wanted, allowed):
    if not 0 < wanted.length <= 32 or ipv4.masked(wanted.prefix, wanted.length) != wanted.prefix:
        return NETWORK_INVALID
    return NETWORK_FINE if (wanted.prefix, wanted.length) in allowed else NETWORK_UNAUTHORIZED


def _set_up(prefix, routed):
    return NETWORK_FINE if prefix in routed else NETWORK_NOT_SET_UP


def _told(wanted, allowed, routed):
    code = _code(wanted, allowed)
    return _set_up((wanted.prefix, wanted.length), routed) if code == NETWORK_FINE else code


def judge(request, allowed):
    """What a request may have of the prefixes that are allowed for its node (6.3)."""
    wanted = _asked_for(request)
    if not wanted or not request.lifetime_s:
        return Verdict(ACCEPTED, tuple(allowed)) if allowed else _NONE
    if not allowed:
        return Verdict(DISALLOWED, ())
    fine = [(w.prefix, w.length) for w in wanted if _code(w, allowed) == NETWORK_FINE]
    routed = tuple([prefix for index, prefix in enumerate(fine) if prefix not in fine[:index]])
    return Verdict(ACCEPTED if routed else NETWORK_ERROR, routed)


def acknowledge(request, allowed, routed, code):
    """The reply's extensions (4.2): a code for each prefix that was asked for, or all that it has.

    routed: those that are forwarded to it.
    """
    if not allowed and code == ACCEPTED:
        return []
    wanted = _asked_for(request)
    if not request.lifetime_s or code not in (ACCEPTED, NETWORK_ERROR):
        return []
    if wanted:
        return [
            mip_extensions.MobileNetworkReply(NETWORK_EXPLICIT, _told(w, allowed, routed), w.prefix, w.length)
            for w in wanted
        ]
    return [
        mip_extensions.MobileNetworkReply(NETWORK_IMPLICIT, _set_up((prefix, length), routed), prefix, length)
        for prefix, length in allowed
    ]

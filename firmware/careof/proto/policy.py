"""What a group of mobile nodes may do, and the code that refuses more (RFC 5944 3.4, 3024 3.4, 3519 4.6).

Asked after the request is genuine, fresh and otherwise right. Simultaneous bindings are not refused: the
registration is granted as if S had not been asked for, with code 1. Broadcasts that a node may not have are
not refused either: it gets none.
"""

from collections import namedtuple

from ..wire import mip
from .kinds import NAMES

ACCEPTED = 0
NO_REVERSE_TUNNEL, REVERSE_TUNNEL_MANDATORY, NO_ENCAPSULATION, NO_UDP = 137, 138, 139, 142
OFF, REQUIRED = "off", "required"
_UDP = "mip-udp"

# encapsulation: names of what may be asked for; none: anything
Policy = namedtuple("Policy", "lifetime_max_s simultaneous reverse_tunnel encapsulation broadcast")
ANYTHING = Policy(0xFFFF, True, "optional", (), False)


def policy_of(group):
    """Of a section node_group."""
    return Policy(
        group.lifetime_max_s or 0xFFFF,
        group.simultaneous,
        group.reverse_tunnel,
        tuple(group.encapsulation),
        group.broadcast,
    )


def judge(policy, request, kind):
    """The code for a request that would be given a tunnel of that kind."""
    if policy is ANYTHING or not request.lifetime_s:
        return ACCEPTED
    reverse = request.flags & mip.FLAG_T
    if reverse and policy.reverse_tunnel == OFF:
        return NO_REVERSE_TUNNEL
    if not reverse and policy.reverse_tunnel == REQUIRED:
        return REVERSE_TUNNEL_MANDATORY
    if not policy.encapsulation:
        return ACCEPTED
    name = NAMES[kind]
    if name.startswith(_UDP):
        if "udp" not in policy.encapsulation:
            return NO_UDP
        name = "gre" if name != _UDP else "udp"
    return ACCEPTED if name in policy.encapsulation else NO_ENCAPSULATION

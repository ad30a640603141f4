"""What each code of a refusal means to who asked (RFC 5944 3.6.2.3, 3.6.3): when to ask again, and what else.

proto.registration has the repairs by their names; wire.mip_codes the words for people.
"""

from collections import namedtuple

# wait_s: before asking again, doubled each time. repair: what to change first, so that the next request, sent
# as soon as may be, has a chance.
Refusal = namedtuple("Refusal", "wait_s repair")
REFUSALS = {
    128: Refusal(30, None),  # reason unspecified
    129: Refusal(60, "terms"),  # administratively prohibited: an administrator may change it
    130: Refusal(10, None),  # insufficient resources: bindings of others run out
    131: Refusal(60, None),  # we failed authentication: the keys differ
    132: Refusal(60, None),
    133: Refusal(10, "identification"),
    134: Refusal(300, None),  # poorly formed: the same again will be, too
    135: Refusal(30, "one_binding"),  # too many simultaneous bindings: ask for the only one
    65: Refusal(300, None),  # by a foreign agent, here and below: another one is tried meanwhile
    66: Refusal(10, None),
    67: Refusal(60, None),
    68: Refusal(60, None),
    69: Refusal(60, "lifetime"),  # the reply says the longest one
    72: Refusal(300, "encapsulation"),  # the foreign agent has not this one
    76: Refusal(60, None),
    77: Refusal(1, None),  # it has another care-of address: its next advertisement says which
    78: Refusal(1, None),  # its request to the home agent was not answered in time
    # An ICMP error says that its request did not arrive there: as if it had not been answered.
    80: Refusal(1, None),
    81: Refusal(1, None),
    82: Refusal(1, None),
    88: Refusal(1, None),
    104: Refusal(60, "challenge"),
    105: Refusal(60, "challenge"),
    106: Refusal(60, "challenge"),
    136: Refusal(60, "home_agent"),  # unknown home agent address: the reply names the right one
    137: Refusal(300, None),  # no reverse tunnel: we cannot do without
    138: Refusal(300, None),
    139: Refusal(300, "encapsulation"),  # not this one
    140: Refusal(300, "no_vendor_extension"),  # it does not know "no change" (RFC 3115 2.4)
    142: Refusal(300, "encapsulation"),  # not this one in UDP (RFC 3519 3.5)
    143: Refusal(60, "terms"),  # another home agent: the terms name it, unless they did before (RFC 4433 4.2)
    147: Refusal(300, "terms"),  # no prefix of those: the terms name them no more (RFC 5177 5.1)
    148: Refusal(300, "terms"),
}
UNKNOWN_REFUSAL = Refusal(60, None)
# What a foreign agent may say of itself, without an authentication. Clock, nonce and home agent it may not: a
# request signed for a time to come could be kept until then.
REPAIRED_BY_AGENTS = ("lifetime", "encapsulation", "challenge")

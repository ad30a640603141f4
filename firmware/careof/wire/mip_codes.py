"""What the codes of Mobile IPv4 say: the words of the RFC that defines each, and what to change about it.

1 to 63 accept, 64 to 127 are a foreign agent's refusals, 128 to 255 a home agent's (RFC 5944 3.4).
"""

ACCEPTED, ACCEPTED_NOT_SIMULTANEOUS = 0, 1
FOREIGN_AGENT_FROM, HOME_AGENT_FROM = 64, 128  # the first refusals of each

_KEYS = "compare SPI, algorithm and key of the association on both ends"
_CLOCK = "the next request repairs it; if it stays, compare the clocks, or `replay` of the associations"
_LIMIT = "raise the agent's limits, or wait until others have left"
_ASK_ADMIN = "ask who runs the agent"
_DEFECT = "report it: one of the two ends builds messages wrongly"
_ANOTHER_AGENT = "another foreign agent, or a care-of address of one's own, may do"
_PATH = "see whether the home agent's address is right and can be reached from the foreign agent"
_NETWORKS = "list the prefixes as `mobile_network` of the node at the home agent"
_NAME = "set `nai` of the mobile router, and the same at the home agent"
_VENDOR = "unsupported Vendor-ID or Vendor-CVSE-Type sent by the "
_CHALLENGE = "the next request carries the challenge of this reply"

# code -> (meaning, what to change)
CODES = {
    # RFC 5944 3.4
    0: ("registration accepted", ""),
    1: (
        "registration accepted, but simultaneous mobility bindings unsupported",
        "moves lose what is in flight; set `simultaneous` off to ask no more",
    ),
    64: ("reason unspecified", _ASK_ADMIN),
    65: ("administratively prohibited", _ASK_ADMIN),
    66: ("insufficient resources", _LIMIT),
    67: ("mobile node failed authentication", _KEYS),
    68: ("home agent failed authentication", _KEYS + " (foreign and home agent)"),
    69: ("requested Lifetime too long", "the reply says the longest one; it is asked for next"),
    70: ("poorly formed Request", _DEFECT),
    71: ("poorly formed Reply", _DEFECT),
    72: ("requested encapsulation unavailable", "choose another `encapsulation`"),
    73: ("reserved and unavailable", _ASK_ADMIN),
    77: ("invalid care-of address", "the agent advertises others now: it is solicited again"),
    78: ("registration timeout", _PATH),
    80: ("home network unreachable (ICMP error received)", _PATH),
    81: ("home agent host unreachable (ICMP error received)", _PATH),
    82: ("home agent port unreachable (ICMP error received)", _PATH + ", and that it runs"),
    88: ("home agent unreachable (other ICMP error received)", _PATH),
    128: ("reason unspecified", _ASK_ADMIN),
    129: ("administratively prohibited", "see the home agent's log: NAT without UDP tunnelling, or policy"),
    130: ("insufficient resources", _LIMIT),
    131: ("mobile node failed authentication", _KEYS),
    132: ("foreign agent failed authentication", _KEYS + " (foreign and home agent)"),
    133: ("registration Identification mismatch", _CLOCK),
    134: ("poorly formed Request", _DEFECT),
    135: ("too many simultaneous mobility bindings", "the only binding is asked for next"),
    136: ("unknown home agent address", "the reply names the right one; set `home_agent` to it"),
    194: ("Invalid Home Agent Address", "set `home_agent`: the foreign agent itself has that address"),
    # RFC 3024 3.4
    74: ("requested reverse tunnel unavailable", _ANOTHER_AGENT),
    75: ("reverse tunnel is mandatory and 'T' bit not set", "set `reverse_tunnel`"),
    76: ("mobile node too distant", "the request must come from the agent's own link"),
    79: ("delivery style not supported", "choose another `delivery`"),
    137: ("requested reverse tunnel unavailable", _ASK_ADMIN),
    138: ("reverse tunnel is mandatory and 'T' bit not set", "set `reverse_tunnel`"),
    139: ("requested encapsulation unavailable", "choose another `encapsulation`"),
    # RFC 2794 5
    96: ("Non-zero Mobile Node Home Address required", "set `home_address`"),
    97: ("NAI Extension required", _NAME),
    98: ("Home Agent Address required", "set `home_agent`"),
    99: ("Mobile Node Home Address required", "set `home_address`"),
    # RFC 4433 7
    90: ("Non-zero HA address required in Registration Request", "set `home_agent`"),
    143: ("Re-register with redirected HA", "the home agent that the reply names is asked next"),
    # RFC 3115 2.4
    100: (_VENDOR + "Mobile Node to the Foreign Agent", _ANOTHER_AGENT),
    101: (_VENDOR + "Home Agent to the Foreign Agent", _ANOTHER_AGENT),
    140: (
        _VENDOR + "Mobile Node to the Home Agent",
        "the home agent is of another make: it is asked without",
    ),
    141: (_VENDOR + "Foreign Agent to the Home Agent", _ASK_ADMIN),
    # RFC 3519 3.5
    142: ("Requested UDP tunnel encapsulation unavailable", "choose another `encapsulation`"),
    # RFC 4721 10
    104: ("unknown challenge", _CHALLENGE),
    105: ("missing challenge", _CHALLENGE),
    106: ("stale challenge", _CHALLENGE),
    108: ("mobile node failed AAA authentication at the foreign agent", _KEYS),
    109: ("home agent returned a wrong challenge", _DEFECT),
    144: ("mobile node failed AAA authentication at the home agent", _KEYS),
    # RFC 5177 11
    147: ("Mobile Network Prefix operation error", _NETWORKS),
    148: ("Mobile Router operation is not permitted", _NETWORKS),
}  # fmt: skip


def accepts(code):
    return code in (ACCEPTED, ACCEPTED_NOT_SIMULTANEOUS)


def describe_code(code):
    """A code for a log line: its number and what it means."""
    return "code %d (%s)" % (code, CODES[code][0] if code in CODES else "not known")


def explain_code(code):
    """{"code", "means", "change"} for status: what it is, in the RFC's words, and what to do about it."""
    means, change = CODES.get(code, ("not known", _ASK_ADMIN))
    return {"code": code, "means": means, "change": change}

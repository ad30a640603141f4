"""What each counter of careofd means, and what to change when it grows where it should not.

A refusal with a code is explained by wire.mip_codes, in the words of its RFC. Much is refused without a word,
since the texts want it silently discarded or since an answer would help a forger; it has a counter, and here
is what a person should know of it. Names that end in a code (reply_131, visitor_denied_77) are explained by
the code.
"""

from collections import namedtuple

from ..wire import mip_codes

# change: "" where there is nothing to be changed: a thing that happens.
Reason = namedtuple("Reason", "means change")

_KEYS = "compare SPI, algorithm and key of the association on both ends; if they agree, somebody forges"
_DEFECT = "report it with a capture: one of the two ends builds messages wrongly"
_SPI = "give both ends the same `spi` in their association"
_NONE = ""

REASONS = {
    # -- Home agent: requests
    "request_malformed": Reason("a datagram on port 434 that is no message of Mobile IP", _DEFECT),
    "source_not_unicast": Reason(
        "a datagram on port 434 from an address or port that nobody can be answered at",
        "somebody forges: filter such sources on the way here",
    ),
    "not_a_request": Reason("a message that a home agent is not asked by", _DEFECT),
    "request_unknown_node": Reason(
        "a request for a home address that no mobile_node has",
        "add a mobile_node with this home_address, or correct it at the node",
    ),
    "request_not_authenticated": Reason(
        "a request without a mobile-home authentication", "give the node an association with this home agent"
    ),
    "request_unknown_spi": Reason("a request with an SPI that its node has no association of", _SPI),
    "request_unknown_agent": Reason(
        "a request that an agent signed with which no association is shared",
        "add a config agent_peer with its address and association, or it is somebody else",
    ),
    "request_false_authenticator": Reason("a request whose authenticator is false", _KEYS),
    "request_stale": Reason(
        "a genuine request with an identification that does not fit: replayed, or the clocks differ",
        "the answer repairs the clock; if it stays, compare `replay` of both ends, or somebody replays",
    ),
    "request_repeated": Reason("a request that came again: its reply was lost", _NONE),
    "request_deregister": Reason("a request that ends a binding", _NONE),
    "reply_deregister": Reason("an answer to a request that ends a binding", _NONE),
    "keepalive_malformed": Reason(
        "tunnel data from where a tunnel has no port yet, which is no keepalive", _NONE
    ),
    "keepalive_not_awaited": Reason(
        "a keepalive from where a tunnel has no port yet, of somebody else than the node that is awaited",
        "nothing, if it passes: other nodes behind the same NAT. Else somebody forges",
    ),
    "half_bound_completed": Reason(
        "a node that registered through a foreign agent was heard from itself: its tunnel has a port now",
        _NONE,
    ),
    "network_not_set_up": Reason(
        "a registration whose networks, or some of them, cannot be forwarded to (RFC 5177)",
        "see the line before it for what careof-tunneld could not do",
    ),
    "confirmations_too_many": Reason(
        "a registration that is not answered, as too many wait for careof-tunneld; the node asks again",
        "nothing, if it passes: a storm of registrations",
    ),
    "binding_expired": Reason(
        "a binding's lifetime ended and was not renewed", "see why its node is not reached any more"
    ),
    "lease_reclaimed": Reason(
        "a home address was taken from who was away for longest, for another node",
        "make address_pool of the home agent larger",
    ),
    "gratuitous_arp_sent": Reason("neighbours were told that the agent answers for a node", _NONE),
    "proxy_set": Reason("the kernel was told to answer ARP for a node that is away", _NONE),
    # -- Foreign agent: from visitors
    "visitor_malformed": Reason("a datagram from the LAN on port 434 that is no message", _DEFECT),
    "visitor_not_a_request": Reason("a message from the LAN that no visitor sends", _DEFECT),
    "visitor_request": Reason("a request of a mobile node, well formed", _NONE),
    "visitor_revocation_support": Reason(
        "a request in which the node itself speaks of revocation, which is for the agents (RFC 3543 4.2.1)",
        "set the node to use its own care-of address, or not to ask for revocation",
    ),
    "visitor_challenge_not_authenticated": Reason(
        "a request with a challenge and no authentication for this agent (RFC 4721 3.2)",
        "add a `visitor` section with an association here and at the node, or set `challenge` off",
    ),
    "visitor_false_authenticator": Reason(
        "a request without the mobile-foreign authentication that its `visitor` section asks for, or a false "
        "one",
        _KEYS,
    ),
    "visitor_no_room": Reason(
        "a request when all places were taken", "raise max_visitors or max_pending of the foreign agent"
    ),
    "visitor_request_relayed": Reason("a request went on to its home agent", _NONE),
    "visitor_denial_limited": Reason(
        "a refusal that was not sent: the node was refused less than a second ago", _NONE
    ),
    "visitor_timed_out": Reason(
        "a request that its home agent did not answer",
        "see whether the home agent runs, knows the node, and can be reached from the uplink",
    ),
    "unreachable": Reason(
        "ICMP said of a request that its home agent cannot be reached, and quoted it",
        "see whether the home agent's address is right and a route leads there from the uplink",
    ),
    "unreachable_doubted": Reason(
        "ICMP said that a home agent cannot be reached, and did not quote the request: believed if no reply "
        "comes within a second",
        "see whether the home agent's address is right and a route leads there from the uplink",
    ),
    "unreachable_not_awaited": Reason(
        "ICMP said of something that no request waits for that it did not arrive",
        "nothing, if it passes: it came late, or a home agent does not listen any more. Else somebody forges",
    ),
    "visitor_expired": Reason("a visitor's lifetime ended and was not renewed", _NONE),
    # -- Foreign agent: from home agents
    "agent_malformed": Reason("a datagram from the outside on port 434 that is no message", _DEFECT),
    "agent_not_for_us": Reason("a message from the outside that is not for a foreign agent", _NONE),
    "agent_unknown_peer": Reason(
        "a message from a home agent that is not served here", "add an agent_peer with its address"
    ),
    "visitor_reply": Reason("a reply of a home agent, well formed", _NONE),
    "visitor_reply_not_awaited": Reason(
        "a reply to a request that is not pending: late, twice, or forged",
        "if it comes often, look at the delay to the home agent",
    ),
    "visitor_reply_false_authenticator": Reason(
        "a reply without a genuine foreign-home authentication", _KEYS + " (foreign and home agent)"
    ),
    # -- Advertisements
    "link_malformed": Reason("a packet on a link that is not what it says", _DEFECT),
    "solicitation": Reason("a mobile node asked for an advertisement", _NONE),
    "solicitation_limited": Reason("a solicitation without an answer: too many in a second", _NONE),
    "advertisement_sent": Reason("an agent advertisement went out", _NONE),
    "advertisement_solicited": Reason("an advertisement answered a solicitation", _NONE),
    # -- Revocation (RFC 3543)
    "revocation_sent": Reason("the other end of a binding was told that it ended", _NONE),
    "revocation_acknowledged": Reason("the other end knows that a binding ended", _NONE),
    "revocation_taken": Reason("a binding ended since the other agent revoked it", _NONE),
    "revocation_not_authenticated": Reason(
        "a revocation message from somebody with whom we share no association",
        "give both agents an agent_peer with the same association",
    ),
    "revocation_false_authenticator": Reason("a revocation message with a false authenticator", _KEYS),
    "revocation_reflected": Reason("one of our own revocations came back", "somebody on the way reflects it"),
    "revocation_of_nobody": Reason("a revocation of a binding that is not here", _NONE),
    "revocation_stale": Reason(
        "a revocation from before the binding's last registration: replayed, or a clock was set back",
        "compare the agents' clocks; if they agree, somebody replays",
    ),
    "acknowledgment_not_awaited": Reason("an acknowledgment of no revocation of ours", _NONE),
    # -- Mobile router
    "request_sent": Reason("a request went out", _NONE),
    "deregistration_sent": Reason("a request to end a binding went out", _NONE),
    "request_to_any_home_agent": Reason("a request went out that names no home agent", _NONE),
    "reply_received": Reason("a reply to this router came in", _NONE),
    "reply_received_deregistered": Reason("a reply with lifetime 0 came in", _NONE),
    "reply_unknown_extension": Reason("a reply with an extension that is not known, and skipped", _NONE),
    "reply_for_another": Reason(
        "a reply for another home address", "see whether another router is taken for this one"
    ),
    "reply_from_other_agent": Reason("a message from an agent that was not asked", _NONE),
    "advertisement_heard": Reason("an advertisement came in", _NONE),
    "advertisement_malformed": Reason("an advertisement that is not what its format says", _DEFECT),
    "advertisement_unknown_extension": Reason(
        "an advertisement with an extension that is not known, and skipped", _NONE
    ),
    "agent_restarted": Reason("an agent's sequence number began anew: it lost its visitors", _NONE),
    "moved_home_to_foreign": Reason("what carries is away from home now", _NONE),
    "moved_foreign_to_foreign": Reason("what carries is on another foreign network now", _NONE),
    "moved_foreign_to_home": Reason("what carries is at home now", _NONE),
    "reply_malformed": Reason("a datagram on port 434 that is no message of Mobile IP", _DEFECT),
    "reply_from_elsewhere": Reason(
        "a message from somebody who was not asked",
        "if the home agent answers by another address, set `contact` to it",
    ),
    "not_our_reply": Reason("a message that is no reply", _DEFECT),
    "reply_not_awaited": Reason("a reply to no request that is under way: late, twice, or forged", _NONE),
    "reply_not_authenticated": Reason(
        "a reply without our association's authentication: the home agent does not know us, or it is another",
        "give the home agent a mobile_node with this home_address and the same `spi`",
    ),
    "reply_false_authenticator": Reason("a reply with a false authenticator", _KEYS),
    "reply_unknown_critical": Reason(
        "an authentic reply with a critical extension that is not known: taken for a refusal",
        "the home agent is of another make and insists on what careof does not know: ask who runs it",
    ),
    "reply_without_address": Reason(
        "a grant without the home address or home agent that was asked for: taken for a refusal",
        "give the home agent an address_pool, or this router a home_address and a home_agent",
    ),
    "learnt": Reason("a reply said a home address, home agent, networks or the like that are new", _NONE),
    "redirect_failed": Reason(
        "the home agent that we were sent to sends us back, or does not answer",
        "look at `redirect` of the home agents",
    ),
    "no_contact": Reason(
        "a request by an uplink with an address of its own, and nobody to send it to",
        "set `contact` or `home_agent`, or attach that uplink by agents alone",
    ),
    "resolv_unwritable": Reason(
        "the name servers that were learnt cannot be written to the run folder", "make room there"
    ),
    "reply_too_many": Reason(
        "a reply while too many wait for the key provider", "if it comes often, somebody floods port 434"
    ),
    "solicited": Reason("a solicitation for agents went out", _NONE),
    "agent_moves": Reason("an uplink is attached by another agent, or by none any more", _NONE),
    "agent_not_authenticated": Reason(
        "a foreign agent's refusal without the authentication that we share with it",
        "add a `visitor` section with the association at the foreign agent, or take agent_association away",
    ),
    "agent_false_authenticator": Reason("a foreign agent's refusal with a false authenticator", _KEYS),
    "inner_not_awaited": Reason("an answer to no probe of ours", _NONE),
    "path_dead": Reason("data went out by a path and nothing came back", "see the uplink's network"),
    "route_expired": Reason("tunneld closed a route whose registration was not renewed", _NONE),
    "moves": Reason("another uplink came to carry", _NONE),
    # -- All
    "questions_too_many": Reason(
        "a message while too many wait for the key provider",
        "if it comes often, somebody floods port 434, or the machine is too slow",
    ),
    "questions_behind": Reason(
        "a message of who proved nothing yet, while the key provider is behind",
        "if it comes often, somebody floods port 434, or the machine is too slow",
    ),
    "source_limited": Reason(
        "a message from an address whose false authenticators have used up its share",
        "see request_false_authenticator: one of its nodes has a wrong key, or somebody forges",
    ),
    "unproven_limited": Reason(
        "a message while false authenticators of many addresses have used up the share of all",
        "somebody floods port 434 from invented addresses: filter them on the way here",
    ),
    "keyd_lost": Reason("the connection to careof-keyd broke", "see the log of careof-keyd"),
    "keyd_malformed": Reason(
        "careof-keyd sent something that is none of its messages", "both must be of one version"
    ),
    "keyd_unexpected": Reason(
        "careof-keyd sent a message that is not for careofd", "both must be of one version"
    ),
    "keyd_refused": Reason("careof-keyd refused a key or a value", "see the log for its reason"),
    "keyd_questions_again": Reason("questions were asked again of a careof-keyd that was restarted", ""),
    "keyd_questions_lost": Reason(
        "careof-keyd did not answer in time; the node asks again", "see the log of careof-keyd"
    ),
    "keyd_questions_too_many": Reason(
        "more questions wait for careof-keyd than are kept; the node asks again",
        "nothing, if it passes: a storm of registrations. Else more processor for careof-keyd",
    ),
    "key_missing": Reason(
        "a node of a file whose key is not in the file of keys",
        "add the key to the file of keys, and `careof reload`",
    ),
    "state_unreadable": Reason(
        "what was saved cannot be read: nodes register again", "see the log; if it stays, check the disk"
    ),
    "state_unwritable": Reason("what should be kept cannot be written", "make room on the disk"),
    "netlink_malformed": Reason("the kernel said something that is not understood", _DEFECT),
    "netlink_overrun": Reason("the kernel said more than was read in time: all is asked again", _NONE),
    "tunneld_lost": Reason("the connection to careof-tunneld broke", "see the log of careof-tunneld"),
    "tunneld_malformed": Reason("careof-tunneld said what is not understood", "install both of one version"),
    "tunneld_refused": Reason("careof-tunneld could not do what it was told", "the log says what and why"),
    "tunneld_unexpected": Reason("careof-tunneld said what nobody asked for", "install both of one version"),
    "status_refused": Reason("a request at the status socket that is not understood", _NONE),
    "status_no_memory": Reason("an answer at the status socket was too large for the memory", _NONE),
    "status_slow_reader": Reason("a reader of the status socket was too slow, and is dropped", _NONE),
    "status_too_many": Reason("more readers of the status socket than there is room for", _NONE),
}
# Names that end in a code.
WITH_CODE = ("denied_by_agent_", "reply_", "visitor_reply_", "visitor_denied_", "visitor_error_")


def code_of(name):
    """The code that a counter's name ends in, or None."""
    for prefix in WITH_CODE:
        if name.startswith(prefix) and name[len(prefix) :].isdigit():
            return int(name[len(prefix) :])
    return None


def explain(name, code=None):
    """{"name", "code", "means", "change"} of a refusal: by its code, or by its counter's name without one."""
    if code is None:
        code = code_of(name)
    if code is not None:
        told = mip_codes.explain_code(code)
        return {"name": name, "code": code, "means": told["means"], "change": told["change"]}
    reason = REASONS.get(name, Reason("not known", ""))
    return {"name": name, "code": None, "means": reason.means, "change": reason.change}


def why(name):
    """For a log line: what the counter means, and what to change."""
    reason = REASONS.get(name)
    if reason is None:
        return name
    return reason.means + ("; " + reason.change if reason.change else "")


def why_code(code):
    """For a log line: number, the RFC's words, and what to change."""
    change = mip_codes.explain_code(code)["change"]
    return mip_codes.describe_code(code) + ("; " + change if change else "")

"""The option table: every section and option of /etc/config/careof.

What is accepted, the errors, docs/configuration.md and, later, the console and the web form are made from it.
A section becomes a record: a named tuple of its name and its options.
"""

from collections import namedtuple

from .option_types import (
    ADDRESS,
    BOOLEAN,
    CONTACT,
    DEVICE,
    DOMAIN,
    NAME,
    PATH,
    PREFIX,
    SECRET,
    SENTENCE,
    TEXT,
    URL,
    choice,
    whole,
)

NETWORKS_MAX = 64  # prefixes behind one router
UPLINKS_MAX = 16
LINKS_MAX = 16  # of a foreign agent
POOLS_MAX = 16  # prefixes of a home agent's address pool
DNS_SERVERS_MAX = 2  # RFC 4332 3.3: primary and secondary

REQUIRED, LATER = "required", "later"  # LATER: load() knows what an absent one means
# many: None for an option, else how long a list may be. refers: the kind of section that it names.
Option = namedtuple("Option", "name type default unit help many refers secret")


def _option(name, type_, default, unit, help_, many=None, refers=None, secret=False):
    return Option(name, type_, default, unit, help_, many, refers, secret)


SectionRow = namedtuple("SectionRow", "kind help options record")
SECTIONS: list = []
BY_KIND: dict = {}


def _section(kind, help_, *options):
    record = namedtuple(kind, ["name"] + [option.name for option in options])
    row = SectionRow(kind, help_, options, record)
    SECTIONS.append(row)
    BY_KIND[kind] = row
    return record


Globals = _section(
    "globals",
    "What concerns all of careof. One section at most, with or without a name.",
    _option(
        "log_level", choice("error", "warning", "notice", "info", "debug"), "info", None, "how much is logged"
    ),
    _option(
        "key_provider",
        choice("soft", "keyd"),
        "soft",
        None,
        "who has the keys and keeps the state: soft, careofd itself, whose state a power cut takes; keyd, "
        "careof-keyd, which has a file of keys that nobody else reads, every algorithm, and a state file",
    ),
    _option(
        "enabled",
        BOOLEAN,
        True,
        None,
        "whether the service is started (for OpenWrt's init script; careofd itself does not look at it)",
    ),
)
MobileRouter = _section(
    "mobile_router",
    "A router that keeps its home address, and its LAN's sessions, whatever uplink it uses.",
    _option(
        "home_address",
        ADDRESS,
        None,
        None,
        "the address that it keeps. Default: the home agent gives it one; then it needs a nai",
    ),
    _option("nai", TEXT, None, None, "its network access identifier (RFC 2794), such as branch7@example.net"),
    _option(
        "home_agent",
        ADDRESS,
        None,
        None,
        "the home agent's address, as requests name it. Default: the contact says, or sends us to another "
        "(RFC 4433); then it needs a nai",
    ),
    _option(
        "home_prefix_length",
        whole(8, 30),
        None,
        None,
        "of the home network: without a home_agent and a contact, all home agents there are asked by its "
        "broadcast address (RFC 5944 3.6.1.2), where routers on the way let that pass. Default: not asked",
    ),
    _option(
        "contact",
        CONTACT,
        LATER,
        None,
        "where the home agent is reached, if not at its address: behind a NAT, at another port. Another "
        "address means UDP tunnelling always. Default: home_agent, port 434",
    ),
    _option("lifetime_s", whole(10, 65535), 600, "s", "lifetime asked for; 65535: for ever"),
    _option(
        "encapsulation",
        choice("auto", "udp", "ipip", "minimal", "gre"),
        "auto",
        None,
        "auto: IP in IP, and UDP where a NAT is found; udp: always UDP; ipip: never UDP; minimal, gre: that "
        "(RFC 2004, 2784) where it is to be had, and UDP where a NAT is found",
    ),
    _option("packet_size", whole(576, 9000), 1400, "octets", "largest inner packet; TCP is told so"),
    _option("simultaneous", BOOLEAN, True, None, "keep the old binding until the new one carries traffic"),
    _option(
        "broadcast",
        BOOLEAN,
        False,
        None,
        "ask for the home network's broadcasts (to 255.255.255.255) and multicasts; the home agent's "
        "node_group has to allow it",
    ),
    _option("mobile_network", PREFIX, (), None, "a prefix behind the router", NETWORKS_MAX),
    _option(
        "lan_device",
        DEVICE,
        (),
        None,
        "a device that the mobile network is on: what comes in there from another source goes nowhere (RFC "
        "5177 10), but to the router itself. Default: none, it is routed as any other",
        LINKS_MAX,
    ),
    _option(
        "agent_association",
        NAME,
        None,
        None,
        "security association shared with foreign agents; an agent that does not show it is not heard. "
        "Default: none",
        None,
        "association",
    ),
    _option(
        "aaa_association",
        NAME,
        None,
        None,
        "security association with the AAA server of home, by which foreign agents' challenges are answered "
        "(RFC 4721) where there is no agent_association. Default: none, they are not answered",
        None,
        "association",
    ),
    _option("revocation", BOOLEAN, True, None, "let the home agent say that it ended a binding (RFC 3543)"),
    _option(
        "own_traffic",
        BOOLEAN,
        False,
        None,
        "what this machine itself sends has the home address too, as on a laptop; else only what the LAN "
        "sends",
    ),
    _option(
        "network_mode",
        choice("configured", "explicit", "implicit"),
        LATER,
        None,
        "of its prefixes (RFC 5177). configured: the home agent has the same ones; explicit: each is asked "
        "for, and one that is not granted is captured and goes nowhere; implicit: the home agent says which "
        "they are. Default: configured; without a home_address and any mobile_network, implicit",
    ),
    _option(
        "host_configuration",
        BOOLEAN,
        LATER,
        None,
        "ask for name servers and the like (RFC 4332), for status and as /var/run/careof/resolv-NAME.conf. "
        "Default: without a home_address",
    ),
    _option("uplink", NAME, REQUIRED, None, "an uplink that it may use", UPLINKS_MAX, "uplink"),
    _option(
        "association",
        NAME,
        None,
        None,
        "security association of uplinks without their own",
        None,
        "association",
    ),
)
Uplink = _section(
    "uplink",
    "A device through which the outside may be reached.",
    _option("device", DEVICE, REQUIRED, None, "the network device"),
    _option("preference", whole(1, 255), 100, None, "the lowest that works carries"),
    _option(
        "association",
        NAME,
        None,
        None,
        "its own security association, so that requests by different uplinks need not wait for one another. "
        "Default: the router's",
        None,
        "association",
    ),
    _option(
        "hysteresis_s",
        whole(0, 3600),
        10,
        "s",
        "how long it must work before a return to it; longer if it flaps",
    ),
    _option(
        "attachment",
        choice("own", "agent", "auto"),
        "own",
        None,
        "own: by an address of the device; agent: through a foreign agent on its link; auto: through one "
        "that requires it, or where there is no address",
    ),
    _option(
        "movement",
        choice("eager", "lazy"),
        "eager",
        None,
        "when to move from agent to agent: at once when one with another prefix is heard, or when the old "
        "one is no more",
    ),
    _option(
        "delivery",
        choice("direct", "encapsulating"),
        "direct",
        None,
        "how packets get to a foreign agent (RFC 3024 5)",
    ),
)
Association = _section(
    "association",
    "A mobility security association (RFC 5944 section 1.6): both ends have the same.",
    _option("spi", whole(256, 4294967295), REQUIRED, None, "security parameters index"),
    _option(
        "algorithm",
        choice("hmac-md5", "hmac-sha1", "hmac-sha256"),
        "hmac-sha256",
        None,
        "of the authenticator; with key_provider soft, what this interpreter has",
    ),
    _option(
        "key",
        SECRET,
        None,
        None,
        "the shared secret. With key_provider keyd it may be left out: then careof-keyd's file has a key of "
        "this section's name",
        None,
        None,
        True,
    ),
    _option(
        "replay",
        choice("timestamps", "nonces"),
        "timestamps",
        None,
        "replay protection; nonces need no clock, and a round trip more",
    ),
)
HomeAgent = _section(
    "home_agent",
    "The agent at home, which tunnels to where its mobile nodes are.",
    _option("address", ADDRESS, REQUIRED, None, "its address, on this machine"),
    _option("lifetime_max_s", whole(10, 65535), 1800, "s", "longest lifetime that is granted"),
    _option("packet_size", whole(576, 9000), 1400, "octets", "largest inner packet; TCP is told so"),
    _option("max_bindings", whole(1, 100000), 1000, None, "bindings at a time, of all nodes together"),
    _option("udp_tunnelling", BOOLEAN, True, None, "serve nodes behind a NAT (RFC 3519)"),
    _option("keepalive_s", whole(10, 3600), 110, "s", "how often nodes behind a NAT keep its mapping alive"),
    _option(
        "home_device",
        DEVICE,
        None,
        None,
        "the home link: home addresses of its prefix are answered for by ARP while their nodes are away, and "
        "the agent advertises itself there. Default: home networks are virtual",
    ),
    _option("interval_ms", whole(100, 1800000), 1000, "ms", "between advertisements on the home link"),
    _option(
        "prefix_lengths", BOOLEAN, True, None, "say the link's prefix length; all agents of a link or none"
    ),
    _option(
        "address_pool",
        PREFIX,
        (),
        None,
        "home addresses for nodes that are known by nai alone, and for nobody else; a node finds its address "
        "again as long as nobody else needs it",
        POOLS_MAX,
    ),
    _option(
        "redirect",
        ADDRESS,
        None,
        None,
        "another home agent, to which nodes that leave the choice to us are sent (RFC 4433). Default: they "
        "are served here",
    ),
    _option("home_prefix_length", whole(1, 32), None, None, "told to nodes that ask (RFC 4332): of home"),
    _option("gateway", ADDRESS, None, None, "told to nodes that ask: the default gateway at home"),
    _option("dns_server", ADDRESS, (), None, "told to nodes that ask: a name server", DNS_SERVERS_MAX),
    _option("dns_suffix", DOMAIN, None, None, "told to nodes that ask: the domain of short names"),
    _option("configuration_url", URL, None, None, "told to nodes that ask: where more is to be had"),
    _option("message_accepted", SENTENCE, None, None, "said to the user of a node that registers (RFC 4917)"),
    _option(
        "message_refused",
        SENTENCE,
        None,
        None,
        "said to the user of a node that is refused, or whose bindings are revoked",
    ),
    _option(
        "nodes_file",
        PATH,
        None,
        None,
        "more mobile nodes, one a line: WHO GROUP SPI[,SPI...] [PREFIX ...]. WHO is HOME_ADDRESS, or "
        "HOME_ADDRESS,NAI, or an NAI with an @, whose address is one of the address_pool. The key of each is "
        "node-HOME_ADDRESS-SPI, or node-NAI-SPI, in the file of keys. Default: only those of config "
        "mobile_node",
    ),
    _option(
        "home_network",
        PREFIX,
        (),
        None,
        "a virtual home network: what goes there is ours as a whole. Home addresses and networks outside are "
        "routed to us one by one, those of nodes_file while their node is registered",
        NETWORKS_MAX,
    ),
)
MobileNode = _section(
    "mobile_node",
    "A node or router that may register with this machine's home agents.",
    _option(
        "home_address",
        ADDRESS,
        None,
        None,
        "its home address. Default: one of the home agent's address_pool; then it needs a nai",
    ),
    _option("nai", TEXT, None, None, "its network access identifier (RFC 2794), such as branch7@example.net"),
    _option("mobile_network", PREFIX, (), None, "a prefix behind it", NETWORKS_MAX),
    _option("association", NAME, REQUIRED, None, "a security association of it", UPLINKS_MAX, "association"),
    _option(
        "aaa_association",
        NAME,
        None,
        None,
        "security association by which its mobile-AAA authentication is verified here, if a request has one "
        "(RFC 4721). Default: that is for an AAA server, and of no effect here",
        None,
        "association",
    ),
    _option("redirect", ADDRESS, None, None, "as the home agent's redirect, for this node"),
    _option("message", SENTENCE, None, None, "said to its user with every reply, instead of the agent's"),
    _option("group", NAME, None, None, "what it may do. Default: all but broadcasts", None, "node_group"),
)
NodeGroup = _section(
    "node_group",
    "What mobile nodes may do: those of a home agent's nodes_file, and config mobile_node that names it.",
    _option(
        "algorithm",
        choice("hmac-md5", "hmac-sha256"),
        "hmac-sha256",
        None,
        "of authenticators, for nodes of nodes_file; others have their association's",
    ),
    _option(
        "replay",
        choice("timestamps", "nonces"),
        "timestamps",
        None,
        "replay protection, for nodes of nodes_file; others have their association's",
    ),
    _option("lifetime_max_s", whole(10, 65535), None, "s", "longest lifetime. Default: the home agent's"),
    _option("simultaneous", BOOLEAN, True, None, "several bindings at a time; else granted as one (code 1)"),
    _option(
        "reverse_tunnel",
        choice("off", "optional", "required"),
        "optional",
        None,
        "what they send comes by the tunnel (RFC 3024)",
    ),
    _option(
        "encapsulation",
        choice("ipip", "minimal", "gre", "udp"),
        (),
        None,
        "a tunnel that may be asked for. Default: any",
        4,
    ),
    _option(
        "network_within",
        PREFIX,
        (),
        None,
        "networks behind them lie in one of these. Default: anywhere",
        NETWORKS_MAX,
    ),
    _option(
        "broadcast", BOOLEAN, False, None, "the home network's broadcasts and multicasts may be asked for (B)"
    ),
)

ForeignAgent = _section(
    "foreign_agent",
    "The agent for visitors on this router's LAN: it offers them a care-of address, and their home agents' "
    "tunnels end here.",
    _option("device", DEVICE, REQUIRED, None, "a device that visitors are on", LINKS_MAX),
    _option(
        "uplink_device",
        DEVICE,
        None,
        None,
        "by which home agents are reached; careof0: through the mobile router of this machine, whose moves "
        "visitors then do not notice. Default: as the kernel routes",
    ),
    _option(
        "care_of_address",
        ADDRESS,
        None,
        None,
        "an address of this machine that home agents tunnel to. Default: that of uplink_device",
    ),
    _option("interval_ms", whole(100, 1800000), 1000, "ms", "between advertisements"),
    _option(
        "prefix_lengths", BOOLEAN, True, None, "say the link's prefix length; all agents of a link or none"
    ),
    _option("lifetime_max_s", whole(10, 65535), 1800, "s", "longest lifetime that is relayed"),
    _option(
        "registration_required",
        BOOLEAN,
        False,
        None,
        "also with a care-of address of one's own (R); with `revocation` those are "
        "refused, at home agents that share an association, since they cannot be revoked (RFC 3543 4.3.1)",
    ),
    _option(
        "reverse_tunnel",
        choice("off", "optional", "private", "required"),
        "optional",
        None,
        "what visitors send goes by their home agents (RFC 3024); required where the way out filters "
        "sources; private: of those with a private home address, which is nobody's here (RFC 1918)",
    ),
    _option("encapsulating_delivery", BOOLEAN, True, None, "visitors may choose packet by packet"),
    _option("minimal", BOOLEAN, True, None, "minimal encapsulation may be asked for (RFC 2004)"),
    _option("gre", BOOLEAN, True, None, "GRE may be asked for (RFC 2784)"),
    _option(
        "udp_tunnelling",
        choice("off", "auto", "force"),
        "auto",
        None,
        "tunnels in UDP where a NAT is between us and a home agent (RFC 3519); force: always",
    ),
    _option(
        "challenge",
        BOOLEAN,
        True,
        None,
        "requests must answer a challenge (RFC 4721) or be authenticated to us",
    ),
    _option("challenge_window", whole(2, 16), 2, None, "advertised challenges that may still be answered"),
    _option("revocation", BOOLEAN, True, None, "with home agents that share an association (RFC 3543)"),
    _option(
        "any_home_agent",
        BOOLEAN,
        False,
        None,
        "relay to any home agent, not only to a config agent_peer. Whoever is on the LAN can then have any "
        "address routed to himself that his home agent says is his: set visitor_prefix too",
    ),
    _option(
        "home_agent",
        ADDRESS,
        None,
        None,
        "where requests go that leave the choice of a home agent to us (RFC 4433). Default: they are refused",
    ),
    _option("message", SENTENCE, None, None, "said to the user of a node with every reply (RFC 4917)"),
    _option("visitor_prefix", PREFIX, (), None, "home addresses that may visit. Default: any", NETWORKS_MAX),
    _option("max_visitors", whole(1, 10000), 100, None, "registered at a time"),
    _option("max_pending", whole(1, 1000), 32, None, "requests that wait for their home agent"),
    _option("packet_size", whole(576, 9000), 1400, "octets", "largest inner packet; TCP is told so"),
)
AgentPeer = _section(
    "agent_peer",
    "An agent at the other end: for a foreign agent a home agent, for a home agent a foreign agent.",
    _option("address", ADDRESS, REQUIRED, None, "its address (a foreign agent's care-of address)"),
    _option(
        "association",
        NAME,
        None,
        None,
        "security association of the two agents. Default: none, messages between them are not authenticated",
        None,
        "association",
    ),
)
Visitor = _section(
    "visitor",
    "A mobile node that shares a security association with this machine's foreign agents.",
    _option("home_address", ADDRESS, None, None, "its home address; or else its NAI"),
    _option("nai", TEXT, None, None, "its network access identifier (RFC 2794)"),
    _option("association", NAME, REQUIRED, None, "the security association", None, "association"),
)

# One field a kind of section, each a tuple in the file's order; globals is one record.
Configuration = namedtuple(
    "Configuration",
    "globals mobile_router uplink association home_agent mobile_node node_group foreign_agent agent_peer"
    " visitor",
)

DEFAULTS = Globals("globals", *[option.default for option in BY_KIND["globals"].options])

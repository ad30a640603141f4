"""The option table: every section and option of /etc/config/careof.

What is accepted, the errors, docs/configuration.md and, later, the console and the web form are made from it.
A section becomes a record: a named tuple of its name and its options.
"""

from collections import namedtuple

from .option_types import ADDRESS, BOOLEAN, CONTACT, DEVICE, NAME, PREFIX, SECRET, choice, whole

NETWORKS_MAX = 64  # prefixes behind one router
UPLINKS_MAX = 16

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
)
MobileRouter = _section(
    "mobile_router",
    "A router that keeps its home address, and its LAN's sessions, whatever uplink it uses.",
    _option("home_address", ADDRESS, REQUIRED, None, "the address that it keeps"),
    _option("home_agent", ADDRESS, REQUIRED, None, "the home agent's address, as requests name it"),
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
        choice("auto", "udp", "ipip"),
        "auto",
        None,
        "auto: IP in IP, and UDP where a NAT is found; udp: always UDP; ipip: never UDP",
    ),
    _option("packet_size", whole(576, 9000), 1400, "octets", "largest inner packet; TCP is told so"),
    _option("simultaneous", BOOLEAN, True, None, "keep the old binding until the new one carries traffic"),
    _option("mobile_network", PREFIX, (), None, "a prefix behind the router", NETWORKS_MAX),
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
)
Association = _section(
    "association",
    "A mobility security association (RFC 5944 section 1.6): both ends have the same.",
    _option("spi", whole(256, 4294967295), REQUIRED, None, "security parameters index"),
    _option("algorithm", choice("hmac-md5", "hmac-sha256"), "hmac-sha256", None, "of the authenticator"),
    _option("key", SECRET, REQUIRED, None, "the shared secret", None, None, True),
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
)
MobileNode = _section(
    "mobile_node",
    "A node or router that may register with this machine's home agents.",
    _option("home_address", ADDRESS, REQUIRED, None, "its home address"),
    _option("mobile_network", PREFIX, (), None, "a prefix behind it", NETWORKS_MAX),
    _option("association", NAME, REQUIRED, None, "a security association of it", UPLINKS_MAX, "association"),
)

# One field a kind of section, each a tuple in the file's order; globals is one record.
Configuration = namedtuple("Configuration", "globals mobile_router uplink association home_agent mobile_node")

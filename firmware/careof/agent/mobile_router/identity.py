"""What a mobile router is to its home agent: configured, or learnt (RFC 2794, 4433, 4332, 5177).

    home address    configured, or granted in a reply; then asked for again, also after a restart. It changes
                    when a reply grants another one, and by nothing else.
    home agent      configured, or the one that granted; it is asked for by name from then on (RFC 4433 5.1.2)
    contact         configured, or where a reply 143 sent us (followed a few times, never in a loop); or all
                    home agents of the home network: each refuses with 136, one is asked (RFC 5944 3.6.1.2)
    networks        configured and the same at both ends; or asked for, and routed as far as each is granted
                    (explicit); or those that the reply lists (implicit)
    host            what the home agent says of the home network, if it was asked

Nothing is learnt from a reply that is not authenticated. For the other parts of the role this object is the
section of options, with what was learnt in the place of what was configured: what is learnt is held as if it
were configured.
"""

from ...limits import MIP_PORT, REDIRECTS_MAX
from ...proto import hosting
from ...proto.registration import BIND, Terms, Wishes
from ...proto.visiting import ANYONE, is_unicast
from ...wire import ipv4, mip, mip_codes, mip_extensions
from ...wire.mip_extensions import HA_REDIRECTED, NETWORK_FINE, NETWORK_IMPLICIT

FLAGS = {"minimal": mip.FLAG_M, "gre": mip.FLAG_G}  # what an option's value asks for
CONFIGURED, EXPLICIT, IMPLICIT = "configured", "explicit", "implicit"  # network_mode
NOT_ADDRESS, UNKNOWN_AGENT, REDIRECTED, NO_NETWORK, NO_NETWORKS = 129, 136, 143, 147, 148
HOME_DOMAIN = ANYONE[1]  # RFC 4433 2: any home agent, rather one at home

WORDS = {0: "granted", 1: "invalid", 2: "not this router's", 3: "cannot be forwarded"}  # RFC 5177 4.2


class Identity:
    """Of one router. `router`: its section of options, whose other options are found here, too."""

    def __init__(self, router):
        self.configured = router
        self._forget_all()

    def __getattr__(self, name):
        return getattr(self.configured, name)

    def take(self, router):
        """Other options. What was learnt stays if they are of the same router."""
        before, self.configured = self.configured, router
        if not router.host_configuration:
            self.host = hosting.NOTHING
        if kept_for(before) != kept_for(router):
            self._forget_all()
        elif (before.network_mode, before.mobile_network) != (router.network_mode, router.mobile_network):
            self._forget_networks()

    def _forget_all(self):
        router = self.configured
        self.home_address, self.home_agent = router.home_address, router.home_agent
        self.contact = _first_contact(router)  # None: only foreign agents know a home agent
        self.host = hosting.NOTHING
        self._asks_for_address = True  # that we have
        self._sent_by, self._turns_back = [], False  # home agents that sent us elsewhere, and in a circle
        self._found = False  # has one of all home agents said who it is, and has not granted yet?
        self._forget_networks()

    def asks_everybody(self):
        """Do requests go to all home agents of the home network? Then any of them may answer."""
        return self.contact is not None and self.contact == _everybody(self.configured)

    def _forget_networks(self):
        router = self.configured
        explicit = router.network_mode == EXPLICIT
        self.mobile_network = () if router.network_mode == IMPLICIT else tuple(router.mobile_network)
        self.closed_networks = ()  # ours, and not to be had: captured, and going nowhere
        self.network_codes = {}  # prefix -> what the home agent said of it last
        self._asked_networks = tuple(router.mobile_network) if explicit else ()

    def text(self):
        """Who it is, for people."""
        return self.configured.nai if self.home_address is None else ipv4.address_text(self.home_address)

    # -- What is asked for

    def terms(self):
        """What the next requests ask for. To a home agent at another address, only UDP gets through."""
        router, known = self.configured, self.home_agent is not None
        elsewhere = known and self.contact is not None and self.contact[0] != self.home_agent
        forced = router.encapsulation == "udp" or elsewhere
        home_address = self.home_address if self._asks_for_address else None
        requested, anybody = None, HOME_DOMAIN
        if not known and self.asks_everybody():
            anybody = self.contact[0]
        elif not known and self.contact is not None:
            requested = self.contact[0]
        nai = None if router.nai is None else router.nai.encode()
        return Terms(
            home_address or bytes(4),
            self.home_agent if known else anybody,
            router.lifetime_s,
            router.encapsulation != "ipip" or forced,
            forced,
            FLAGS.get(router.encapsulation, 0) | (mip.FLAG_B if router.broadcast else 0),
            Wishes(nai, requested, self._asked_networks, router.host_configuration),
        )

    def is_ours(self, reply):
        """Is it a reply to us, as far as one can tell before it is authenticated?"""
        if self.configured.nai is None:
            return reply.home_address == self.home_address
        nai = mip_extensions.find(reply.extensions, mip_extensions.Nai)
        return nai is None or nai.name == self.configured.nai.encode()

    def lacks(self, reply):
        """Does a grant leave us without a home address or a home agent?"""
        if not mip_codes.accepts(reply.code) or not reply.lifetime_s:
            return False
        ends = ((self.home_address, reply.home_address), (self.home_agent, reply.home_agent))
        return any([known is None and not is_unicast(granted) for known, granted in ends])

    # -- What is learnt

    def hear(self, reply, kind):
        """An authenticated reply to a request of that kind. Returns what changed by it, in words."""
        if mip_codes.accepts(reply.code):
            return self._granted(reply) if kind == BIND and reply.lifetime_s else []
        rule = REFUSED.get(reply.code)
        return rule(self, reply) if rule else []

    def _granted(self, reply):
        news = []
        self._sent_by, self._turns_back, self._found = [], False, False
        self._asks_for_address = True
        for name, words in (("home_address", "home address"), ("home_agent", "home agent")):
            address = getattr(reply, name)
            if address != getattr(self, name) and is_unicast(address):
                setattr(self, name, address)
                news.append("%s %s" % (words, ipv4.address_text(address)))
        news += self._networks_granted(reply)
        if self.configured.host_configuration:
            host = hosting.read(reply.extensions)
            if host != self.host:
                self.host = host
                news.append("host configuration")
        return news

    def _networks_granted(self, reply):
        """RFC 5177 5, 5.1. Without any word of networks, the home agent does not know them."""
        router = self.configured
        if router.network_mode == CONFIGURED:
            return []
        told = mip_extensions.find_all(reply.extensions, mip_extensions.MobileNetworkReply)
        codes = {(row.prefix, row.length): row.code for row in told}
        if router.network_mode == IMPLICIT:
            granted = [(row.prefix, row.length) for row in told if row.kind == NETWORK_IMPLICIT]
            granted = [prefix for prefix in granted if codes[prefix] == NETWORK_FINE and _may_be_ours(prefix)]
        else:
            granted = [prefix for prefix in router.mobile_network if codes.get(prefix) == NETWORK_FINE]
        return self._networks_are(tuple(granted), codes)

    def _networks_are(self, granted, codes):
        before = (self.mobile_network, self.network_codes)
        self.mobile_network, self.network_codes = granted, codes
        if self.configured.network_mode == EXPLICIT:
            self.closed_networks = tuple([p for p in self.configured.mobile_network if p not in granted])
        if before == (granted, codes):
            return []
        texts = [ipv4.prefix_text(prefix) for prefix in granted]
        news = ["networks " + (", ".join(texts) or "none")]
        for prefix in self.closed_networks:
            news.append("network %s: %s" % (ipv4.prefix_text(prefix), self.network_state(prefix)))
        return news

    def network_state(self, prefix):
        """What the home agent says of a prefix, in words."""
        code = self.network_codes.get(prefix)
        return "not granted" if code is None else WORDS.get(code, "code %d" % code)

    def _address_refused(self, reply):
        """129 may mean that somebody else has it now: any will do. It is kept until there is another one."""
        if self.configured.home_address is not None or self.home_address is None:
            return []
        self._asks_for_address = False
        return ["another home address will do"]

    def _agent_refused(self, reply):
        if reply.home_agent == self.home_agent or not is_unicast(reply.home_agent):
            return []
        if self.asks_everybody():
            self.contact, self._found = (reply.home_agent, MIP_PORT), True
        self.home_agent = reply.home_agent
        return ["home agent %s" % ipv4.address_text(reply.home_agent)]

    def _redirected(self, reply):
        """RFC 4433 4.2. Once a home agent has granted, it stays the one."""
        found = mip_extensions.find_all(reply.extensions, mip_extensions.DynamicHomeAgent)
        targets = [row.address for row in found if row.kind == HA_REDIRECTED and is_unicast(row.address)]
        if self.home_agent is not None or not targets:
            return []
        if self.contact is not None:
            self._sent_by.append(self.contact[0])
        if targets[0] in self._sent_by or len(self._sent_by) > REDIRECTS_MAX:
            self._turns_back = True  # but not before a while: what is asked for is the same until then
            return ["home agents send us to and fro: " + ipv4.address_text(targets[0])]
        self.contact = (targets[0], MIP_PORT)
        return ["sent to home agent " + ipv4.address_text(targets[0])]

    def turns_back(self, unanswered):
        """Sent in a circle, or to where nobody answers? Then begin with the configured contact; True."""
        sent_away = self._found or (bool(self._sent_by) and self.home_agent is None)
        if not self._turns_back and not (unanswered and sent_away):
            return False
        self.contact, self.home_agent = _first_contact(self.configured), self.configured.home_agent
        self._sent_by, self._turns_back, self._found = [], False, False
        return True

    def _networks_refused(self, reply):
        """MUST not be asked for any more (RFC 5177 5.1): those that are named, or (148) any."""
        asked = self._asked_networks
        told = mip_extensions.find_all(reply.extensions, mip_extensions.MobileNetworkReply)
        codes = {(row.prefix, row.length): row.code for row in told if row.code != NETWORK_FINE}
        if reply.code == NO_NETWORKS or not codes:
            codes = {prefix: 2 for prefix in asked}
        self._asked_networks = tuple([prefix for prefix in asked if prefix not in codes])
        if not asked:
            return []
        kept = dict(self.network_codes)
        kept.update(codes)
        return self._networks_are(self._asked_networks, kept)

    # -- Over a restart

    def saved(self):
        return {
            "home_address": _hex(self.home_address),
            "home_agent": _hex(self.home_agent),
            "contact": None if self.contact is None else [self.contact[0].hex(), self.contact[1]],
            "networks": [[p.hex(), n, self.network_codes.get((p, n))] for p, n in self.mobile_network],
            "closed": [[p.hex(), n, self.network_codes.get((p, n))] for p, n in self.closed_networks],
            "host": hosting.saved(self.host),
        }

    def restore(self, value):
        """Take over what was kept for the same configured router."""
        router = self.configured
        self.home_address = router.home_address or _octets(value["home_address"])
        self.home_agent = _octets(value["home_agent"])
        if value["contact"] is not None:
            self.contact = (bytes.fromhex(value["contact"][0]), value["contact"][1])
        if router.network_mode != CONFIGURED:
            networks, closed = [_networks(value[name]) for name in ("networks", "closed")]
            known = sorted([row[:2] for row in networks + closed])
            if router.network_mode == EXPLICIT and known != sorted(router.mobile_network):
                return
            self.mobile_network = tuple([row[:2] for row in networks])
            self.closed_networks = tuple([row[:2] for row in closed])
            self.network_codes = {row[:2]: row[2] for row in networks + closed if row[2] is not None}
        self.host = hosting.restored(value["host"])


def kept_for(router):
    """What a section of options says of who the router is: what was learnt by another is not its."""
    return router.home_address, router.home_agent, _first_contact(router), router.nai


def _first_contact(router):
    return router.contact or _everybody(router)


def _everybody(router):
    """(the subnet-directed broadcast address of the home network, port), if that is to be asked; or None."""
    if router.home_agent is not None or router.contact is not None or router.home_prefix_length is None:
        return None
    beyond = (1 << 32 - router.home_prefix_length) - 1
    address = int.from_bytes(router.home_address, "big") | beyond
    return address.to_bytes(4, "big"), MIP_PORT


def _may_be_ours(prefix):
    """A default route, or what is no network at all, is nothing that lies behind a router."""
    address, length = prefix
    return 0 < length <= 32 and ipv4.masked(address, length) == address and is_unicast(address)


def _hex(address):
    return None if address is None else address.hex()


def _networks(rows):
    return [(bytes.fromhex(address), length, code) for address, length, code in rows]


def _octets(text):
    return None if text is None else bytes.fromhex(text)


REFUSED = {
    NOT_ADDRESS: Identity._address_refused,
    UNKNOWN_AGENT: Identity._agent_refused,
    REDIRECTED: Identity._redirected,
    NO_NETWORK: Identity._networks_refused,
    NO_NETWORKS: Identity._networks_refused,
}

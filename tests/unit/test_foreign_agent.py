"""The foreign agent's role: a laptop on its link, a home agent played by hand or by ours (RFC 5944 3.7)."""

from collections import namedtuple

from careof.agent import events
from careof.agent.foreign_agent import ForeignAgent
from careof.agent.home_agent import HomeAgent
from careof.crypt.soft import SoftProvider
from careof.limits import PENDING_REPLY_MS
from careof.wire import ipv4, mip, tunneld, udp
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from careof.wire.reader import Malformed
from office import AGENT, AssociationSection, Node, agent_options
from world import Chance

UNIX_MS = 1790000000000
HOME, CARE_OF, LINK, GATEWAY = (
    ipv4.parse_address(a) for a in ("10.77.0.2", "192.0.2.7", "10.9.0.1", "192.0.2.1")
)
STRANGER = ipv4.parse_address("203.0.113.66")
MAC, OTHER_MAC = b"\x02\x00\x00\x00\x00\x05", b"\x02\x00\x00\x00\x00\x06"
FIRST = 1
LAN = FIRST + 1
NODE_SPI, NODE_FOREIGN_SPI, AGENTS_SPI = 256, 512, 768
SECTIONS = {
    "node": AssociationSection("node", NODE_SPI, "hmac-md5", bytes(range(16)), "timestamps"),
    "node_fa": AssociationSection(
        "node_fa", NODE_FOREIGN_SPI, "hmac-sha256", bytes(range(1, 33)), "timestamps"
    ),
    "agents": AssociationSection("agents", AGENTS_SPI, "hmac-sha256", bytes(range(2, 34)), "timestamps"),
}
Peer = namedtuple("Peer", "name address association")
VisitorSection = namedtuple("VisitorSection", "name home_address nai association")
DEFAULTS = {
    "name": "lan",
    "device": ("lan0",),
    "uplink_device": "wan0",
    "care_of_address": None,
    "interval_ms": 1000,
    "prefix_lengths": True,
    "lifetime_max_s": 1800,
    "registration_required": False,
    "reverse_tunnel": "optional",
    "encapsulating_delivery": True,
    "minimal": True,
    "gre": True,
    "udp_tunnelling": "off",
    "challenge": False,
    "challenge_window": 2,
    "revocation": True,
    "any_home_agent": False,
    "home_agent": None,
    "message": None,
    "visitor_prefix": (),
    "max_visitors": 3,
    "max_pending": 4,
    "packet_size": 1400,
}
Section = namedtuple("Section", sorted(DEFAULTS))


HQ = (Peer("hq", AGENT, None),)


def foreign_options(peers=HQ, visitors=(), **changes):
    values = dict(DEFAULTS)
    values.update(changes)
    section = Section(*[values[name] for name in sorted(DEFAULTS)])
    return events.ForeignOptions(section, list(peers), list(visitors), SECTIONS)


class Foreign:
    """The role with a key provider. to_node: (mac, packet); to_agent: (address, octets)."""

    def __init__(self, options=None, saved=None, now_ms=0, **changes):
        self.options = options or foreign_options(**changes)
        self.role = ForeignAgent(self.options, Chance(1).octets, FIRST)
        self.keys = SoftProvider()
        for section in SECTIONS.values():
            self.keys.add_key(section.name, section.algorithm, section.key)
        self.to_node, self.to_agent, self.held, self.counts = [], [], {}, {}
        self.saved, self.others = {}, []
        self.changed = {}  # (table, key) -> how often
        self._serial = 0
        self.tell(events.WallClock(UNIX_MS), now_ms)
        for name, value in (saved or {}).items():
            self.tell(events.Restored(name, value), now_ms)
        self.tell(events.Start(), now_ms)
        self.tell(events.Link("wan0", True, CARE_OF, 24, GATEWAY), now_ms)
        self.tell(events.Link("lan0", True, LINK, 24, None), now_ms)

    def tell(self, event, now_ms=0):
        waiting = [event]
        while waiting:
            for action in self.role.handle(waiting.pop(0), now_ms):
                self._perform(action, waiting)
        return self

    def _perform(self, action, waiting):
        if isinstance(action, events.Verify):
            genuine = self.keys.verify(action.key, action.data, action.authenticator)
            waiting.append(events.Verified(action.token, genuine))
        elif isinstance(action, events.Authenticate):
            waiting.append(
                events.Authenticated(action.token, self.keys.authenticate(action.key, action.data))
            )
        elif isinstance(action, events.Send):
            assert action.uplink == FIRST
            self.to_agent.append((action.destination, action.port, action.data))
        elif isinstance(action, events.SendFrame):
            assert action.link == LAN
            self.to_node.append((action.link_address, action.data))
        elif isinstance(action, events.Hold):
            self.held[action.key] = action.message
        elif isinstance(action, events.Release):
            self.held.pop(action.key, None)
        elif isinstance(action, events.Count):
            self.counts[action.name] = self.counts.get(action.name, 0) + 1
        elif isinstance(action, events.Changed):
            self.changed[action] = self.changed.get(action, 0) + 1
        elif isinstance(action, events.Save):
            self.saved[action.name] = action.value
        else:
            self.others.append(action)

    # -- The node

    def request(
        self, flags=mip.FLAG_T, lifetime_s=600, home=HOME, care_of=CARE_OF, agent=AGENT, extensions=()
    ):
        self._serial += 1
        identification = (UNIX_MS // 1000 + 2208988800) << 32 | self._serial
        message = mip.RegistrationRequest(
            flags, lifetime_s, home, agent, care_of, identification, list(extensions)
        )
        data = mip.pack_to_sign(message, NODE_SPI, 16)
        return data + self.keys.authenticate("node", data)

    def for_agent(self, data, key="node_fa"):
        """The mobile-foreign authentication after all."""
        data += ext.pack_head_to_sign(ext.MOBILE_FOREIGN, NODE_FOREIGN_SPI, 32)
        return data + self.keys.authenticate(key, data)

    def ask(self, data, now_ms=0, mac=MAC, source=HOME, destination=LINK, ttl=255, port=5434):
        packet = udp.pack_packet(udp.Datagram(source, port, destination, 434, ttl, data))
        return self.tell(events.Frame(LAN, mac, 0, packet), now_ms)

    def solicit(self, now_ms=0, source=HOME, mac=MAC):
        packet = discovery.pack_packet(source, discovery.MOBILE_AGENTS, discovery.Solicitation())
        return self.tell(events.Frame(LAN, mac, 1, packet), now_ms)

    def node_got(self):
        """The last reply to the node: (mac, udp.Datagram, mip.Received)."""
        mac, packet = self.to_node[-1]
        datagram = udp.unpack(ipv4.unpack(packet))
        return mac, datagram, mip.unpack(datagram.data)

    def code(self):
        return self.node_got()[2].message.code

    def advertisements(self):
        found = []
        for mac, packet in self.to_node:
            try:
                found.append((mac, discovery.unpack_packet(packet)[1]))
            except Malformed:
                pass
        return found

    # -- The home agent, by hand

    def reply(
        self,
        code=0,
        lifetime_s=None,
        now_ms=0,
        source=AGENT,
        home=None,
        sign=False,
        port=434,
        tamper=None,
        after=(),
        agent=None,
        nai=None,
    ):
        """Answer the last request that was relayed. after: extensions behind its authentication."""
        request = mip.unpack(self.to_agent[-1][2]).message
        lifetime_s = request.lifetime_s if lifetime_s is None else lifetime_s
        names = [e for e in request.extensions if isinstance(e, ext.Nai)]
        if nai is not None:
            names = [ext.Nai(nai)] if nai else []
        message = mip.RegistrationReply(
            code, lifetime_s, home or request.home_address, agent or source, request.identification, names
        )
        data = mip.pack_to_sign(message, NODE_SPI, 16)
        data += self.keys.authenticate("node", data)
        self.signed_by_home_agent = data
        for extension in after:
            data += ext.pack_extension(extension)
        if sign:
            data += ext.pack_head_to_sign(ext.FOREIGN_HOME, AGENTS_SPI, 32)
            data += self.keys.authenticate(tamper or "agents", data)
        return self.from_agent(data, now_ms, source, port)

    def from_agent(self, data, now_ms=0, source=AGENT, port=434):
        return self.tell(events.Datagram(FIRST, source, port, CARE_OF, 60, data), now_ms)

    def visiting(self, **changes):
        """Registered, as most stories begin."""
        return self.ask(self.request(**changes)).reply()

    def visitors(self, now_ms=0):
        return [row["home_address"] for row in self.role.snapshot(now_ms)["visitors"]]

    def holds(self, kind):
        return {key: message for key, message in self.held.items() if key[0] == kind}


# -- Registering


def test_a_request_is_relayed_as_it_is_and_its_reply_comes_back():
    foreign = Foreign()
    asked = foreign.request()
    foreign.ask(asked)
    assert foreign.to_agent == [(AGENT, 434, asked)] and foreign.visitors() == []
    foreign.reply()
    mac, datagram, received = foreign.node_got()
    assert mac == MAC and datagram.data == foreign.signed_by_home_agent
    # RFC 5944 3.7.2.3
    assert datagram[:4] == (LINK, 434, HOME, 5434)
    assert received.message.code == 0 and foreign.visitors() == ["10.77.0.2"]


def test_what_is_held_for_a_visitor_with_direct_delivery():
    foreign = Foreign().visiting()
    [(_, tunnel)] = foreign.holds("tunnel").items()
    assert tunnel[1:] == (tunneld.KIND_IPIP, FIRST, AGENT, 0, 0, 0)
    number = tunnel.tunnel
    assert list(foreign.holds("inner").values()) == [tunneld.SetInner(number, bytes(4), 0, HOME, 32)]
    assert list(foreign.holds("neighbour").values()) == [tunneld.SetNeighbour("lan0", HOME, MAC)]
    assert list(foreign.holds("capture").values()) == [tunneld.SetCapture(HOME, 32, "lan0")]
    assert list(foreign.holds("route").values()) == [
        tunneld.SetRoute(bytes(4), 0, HOME, 32, tunneld.GATE_OPEN, 600, (number,))
    ]


def test_encapsulating_delivery_captures_what_comes_out_of_the_tunnel_from_the_visitor():
    foreign = Foreign()
    style = ext.pack_extension(ext.EncapsulatingDelivery())
    foreign.ask(foreign.request() + style)
    assert not foreign.to_agent[0][2].endswith(style)  # 3.7.2.2: processed and removed
    foreign.reply()
    assert list(foreign.holds("capture").values()) == [tunneld.SetCapture(HOME, 32, "careof0")]
    from_visitor = [t for t in foreign.holds("tunnel").values() if t.uplink == LAN]
    assert [t[1:] for t in from_visitor] == [(tunneld.KIND_IPIP, LAN, HOME, 0, 0, 0)]
    assert tunneld.SetInner(from_visitor[0].tunnel, HOME, 32, bytes(4), 0) in foreign.holds("inner").values()
    # It asks for direct delivery now.
    foreign.ask(foreign.request(), 2000).reply(now_ms=2000)
    assert list(foreign.holds("capture").values()) == [tunneld.SetCapture(HOME, 32, "lan0")]
    assert len(foreign.holds("tunnel")) == 1


def test_without_a_reverse_tunnel_only_the_way_in_is_held():
    foreign = Foreign().visiting(flags=0)
    assert not foreign.holds("capture") and not foreign.holds("route")
    assert foreign.holds("neighbour") and foreign.holds("inner")


def test_a_co_located_node_that_registers_through_us_gets_no_tunnel_of_ours():
    foreign = Foreign(registration_required=True)
    foreign.ask(foreign.request(mip.FLAG_D | mip.FLAG_T, care_of=ipv4.parse_address("10.9.0.50"))).reply()
    assert foreign.visitors() == ["10.77.0.2"]
    for kind in ("tunnel", "neighbour", "capture", "route", "inner"):
        assert not foreign.holds(kind), kind


def test_deregistration_ends_the_visit_and_all_that_was_held():
    foreign = Foreign()
    before = dict(foreign.held)
    foreign.visiting()
    foreign.ask(foreign.request(lifetime_s=0), 2000).reply(now_ms=2000)
    assert foreign.visitors() == [] and foreign.held == before
    assert foreign.node_got()[2].message.lifetime_s == 0


def test_the_lifetime_is_the_shorter_of_both_and_ends_the_visit():
    foreign = Foreign(lifetime_max_s=100)
    before = dict(foreign.held)
    foreign.ask(foreign.request(lifetime_s=100)).reply(lifetime_s=90)
    foreign.tell(events.Late(), 89999)
    assert foreign.visitors(89999) == ["10.77.0.2"]
    foreign.tell(events.Late(), 90000)
    assert foreign.visitors(90000) == [] and foreign.counts["visitor_expired"] == 1 and foreign.held == before


def test_a_renewal_renews_the_route_and_touches_nothing_else():
    foreign = Foreign().visiting()
    before = {key: message for key, message in foreign.held.items() if key[0] != "route"}
    foreign.ask(foreign.request(lifetime_s=900), 300000).reply(now_ms=300000)
    assert {key: message for key, message in foreign.held.items() if key[0] != "route"} == before
    assert [route.valid_s for route in foreign.holds("route").values()] == [900]


def test_visitors_of_one_home_agent_share_its_tunnel():
    foreign = Foreign().visiting()
    other = ipv4.parse_address("10.77.0.3")
    foreign.ask(foreign.request(home=other), mac=OTHER_MAC, source=other).reply()
    assert len(foreign.holds("tunnel")) == 1 and len(foreign.holds("neighbour")) == 2
    foreign.ask(foreign.request(lifetime_s=0), 3000).reply(now_ms=3000)
    assert len(foreign.holds("tunnel")) == 1
    foreign.ask(foreign.request(lifetime_s=0, home=other), 3000, OTHER_MAC, other).reply(now_ms=3000)
    assert len(foreign.holds("tunnel")) == 0


def test_encapsulations_that_are_asked_for():
    for flags, kind in (
        (0, tunneld.KIND_IPIP),
        (mip.FLAG_M, tunneld.KIND_MINIMAL),
        (mip.FLAG_G, tunneld.KIND_GRE),
        (mip.FLAG_M | mip.FLAG_G, tunneld.KIND_GRE),
    ):
        foreign = Foreign().visiting(flags=mip.FLAG_T | flags)
        assert [t.kind for t in foreign.holds("tunnel").values()] == [kind], flags


def test_behind_a_nat_we_ask_for_udp_and_take_the_home_agent_at_its_word():
    for assents, kind, port in ((True, tunneld.KIND_MIP_UDP, 4434), (False, tunneld.KIND_IPIP, 0)):
        foreign = Foreign(udp_tunnelling="auto")
        foreign.ask(foreign.request())
        [wanted] = mip.unpack(foreign.to_agent[0][2]).unprotected
        assert wanted == ext.UdpTunnelRequest(0, ext.ENCAPSULATION_ANY)
        foreign.reply(port=4434, after=[ext.UdpTunnelReply(0 if assents else 64, False, 30)])
        assert [(t.kind, t.peer_port) for t in foreign.holds("tunnel").values()] == [(kind, port)]
        assert foreign.node_got()[1].data == foreign.signed_by_home_agent  # it was for us
    forced = Foreign(udp_tunnelling="force")
    forced.ask(forced.request())
    assert mip.unpack(forced.to_agent[0][2]).unprotected[0].flags == ext.UDP_FORCE
    # RFC 3519 4.5: never for a node with a care-of address of its own.
    forced.ask(forced.request(mip.FLAG_D, care_of=ipv4.parse_address("10.9.0.50")), 2000)
    assert mip.unpack(forced.to_agent[-1][2]).unprotected == []


# -- Who is refused, and how


def test_refusals_and_their_codes():
    own, broadcast = LINK, b"\xff\xff\xff\xff"
    for code, changes, ttl in (
        (65, {"agent": STRANGER}, 255),
        (69, {"lifetime_s": 1801}, 255),
        (69, {"lifetime_s": 0xFFFF}, 255),
        (70, {"home": own}, 255),
        (70, {"home": bytes((224, 0, 0, 5))}, 255),
        (70, {"home": bytes((127, 0, 0, 1))}, 255),
        (70, {"home": broadcast}, 255),
        (76, {}, 254),
        (77, {"care_of": STRANGER}, 255),
        (77, {"care_of": broadcast, "flags": mip.FLAG_D}, 255),
        (90, {"agent": bytes(4)}, 255),
        (90, {"agent": broadcast}, 255),
        (97, {"home": bytes(4)}, 255),
        (194, {"agent": LINK}, 255),
        (194, {"agent": CARE_OF}, 255),
    ):
        foreign = Foreign()
        asked = mip.unpack(foreign.request(**changes)).message
        foreign.ask(foreign.request(**changes), ttl=ttl)
        assert foreign.code() == code and foreign.to_agent == [], (code, changes)
        mac, datagram, received = foreign.node_got()
        reply = received.message
        assert (
            mac == MAC and reply.home_address == asked.home_address and reply.home_agent == asked.home_agent
        )
        assert datagram.destination == (asked.home_address if asked.home_address != bytes(4) else broadcast)
        assert reply.lifetime_s == (1800 if code == 69 else asked.lifetime_s)
        assert foreign.counts["visitor_denied_%d" % code] == 1


def test_what_this_agent_does_not_offer():
    style = ext.pack_extension(ext.EncapsulatingDelivery())
    for code, options, flags, after in (
        (72, {"minimal": False}, mip.FLAG_T | mip.FLAG_M, b""),
        (72, {"gre": False}, mip.FLAG_T | mip.FLAG_G, b""),
        (74, {"reverse_tunnel": "off"}, mip.FLAG_T, b""),
        (75, {"reverse_tunnel": "required"}, 0, b""),
        (79, {"encapsulating_delivery": False}, mip.FLAG_T, style),
        (70, {}, 0, style),
        (65, {"visitor_prefix": ((bytes((10, 88, 0, 0)), 16),)}, mip.FLAG_T, b""),
        (100, {}, mip.FLAG_T, ext.pack_extension(ext.CriticalVendor(9, 1, b""))),
    ):
        foreign = Foreign(**options)
        foreign.ask(foreign.request(flags) + after)
        assert foreign.code() == code and foreign.to_agent == [], (code, options)
        # The control: with the defaults it is relayed.
        if options:
            foreign = Foreign()
            foreign.ask(foreign.request(flags) + after)
            assert len(foreign.to_agent) == 1, options


def test_one_refusal_a_second_for_one_node():
    foreign = Foreign()
    for at_ms in (0, 500, 999, 1000):
        foreign.ask(foreign.request(care_of=STRANGER), at_ms)
    assert len(foreign.to_node) == 2 and foreign.counts["visitor_denial_limited"] == 2
    foreign.ask(foreign.request(care_of=STRANGER), 1001, mac=OTHER_MAC)
    assert len(foreign.to_node) == 3


def test_a_flood_of_refusals_from_many_is_bounded():
    foreign = Foreign()
    for number in range(2000):
        foreign.ask(foreign.request(care_of=STRANGER), 0, mac=b"\x02\x01\x00\x00" + number.to_bytes(2, "big"))
    assert len(foreign.to_node) == 256
    foreign.ask(foreign.request(), 10)
    assert len(foreign.to_agent) == 1  # whoever asks for what he may have is served all the while


def test_no_room_for_more_visitors_and_those_that_are_there_stay():
    foreign = Foreign(max_visitors=2)
    for last in (2, 3, 4):
        home = bytes((10, 77, 0, last))
        foreign.ask(foreign.request(home=home), mac=MAC[:5] + bytes((last,)), source=home)
        if last < 4:
            foreign.reply()
    assert foreign.code() == 66 and len(foreign.to_agent) == 2
    foreign.ask(foreign.request(lifetime_s=1000), 2000).reply(now_ms=2000)
    assert foreign.code() == 0
    foreign.solicit(2000)
    assert foreign.advertisements()[-1][1].agent.flags & discovery.AGENT_B
    foreign.ask(foreign.request(lifetime_s=0), 4000).reply(now_ms=4000)
    foreign.solicit(4000)
    assert not foreign.advertisements()[-1][1].agent.flags & discovery.AGENT_B


def test_pending_requests_are_bounded_and_time_out():
    foreign = Foreign()
    for last in range(2, 8):
        home = bytes((10, 77, 0, last))
        foreign.ask(foreign.request(home=home), 0, MAC[:5] + bytes((last,)), home)
    assert len(foreign.to_agent) == 4 and foreign.code() == 66
    before = len(foreign.to_node)
    foreign.tell(events.Late(), PENDING_REPLY_MS - 1)
    assert [m for m in foreign.to_node[before:] if len(m[1]) > 100] == []
    foreign.tell(events.Late(), PENDING_REPLY_MS)
    assert foreign.counts["visitor_timed_out"] == 4 and foreign.counts["visitor_denied_78"] == 4
    foreign.reply(now_ms=PENDING_REPLY_MS + 1)  # too late
    assert foreign.visitors() == [] and foreign.counts["visitor_reply_not_awaited"] == 1


def test_a_refusal_by_the_home_agent_is_relayed_and_changes_no_visitor():
    foreign = Foreign().visiting()
    before = dict(foreign.held)
    foreign.ask(foreign.request(), 2000).reply(code=133, now_ms=2000)
    assert foreign.code() == 133 and foreign.visitors() == ["10.77.0.2"] and foreign.held == before


def test_replies_that_nobody_waits_for_do_nothing():
    foreign = Foreign()
    foreign.ask(foreign.request())
    sent = len(foreign.to_node)
    foreign.reply(source=STRANGER)
    assert foreign.counts["agent_unknown_peer"] == 1
    wrong = mip.RegistrationReply(0, 600, HOME, AGENT, 77, [])
    foreign.from_agent(mip.pack(wrong))
    assert foreign.counts["visitor_reply_not_awaited"] == 1
    foreign.reply()
    foreign.reply()  # the same again
    assert foreign.counts["visitor_reply_not_awaited"] == 2 and len(foreign.to_node) == sent + 1


def test_somebody_else_who_asks_for_our_visitors_home_address_changes_nothing():
    foreign = Foreign().visiting()
    before = dict(foreign.held)
    foreign.ask(foreign.request(), 2000, mac=OTHER_MAC).reply(code=131, now_ms=2000)
    assert foreign.held == before and foreign.node_got()[0] == OTHER_MAC


def test_nonsense_on_the_link_is_counted_and_answered_by_nothing():
    foreign = Foreign()
    sent = len(foreign.to_node)
    for data in (b"", b"x", bytes(40), b"\x45" + bytes(60)):
        foreign.tell(events.Frame(LAN, MAC, 0, data))
    foreign.ask(b"\x01short")
    foreign.ask(mip.pack(mip.RegistrationReply(0, 1, HOME, AGENT, 1, [])))
    foreign.ask(foreign.request()[:-3])
    foreign.ask(foreign.request(), destination=STRANGER)
    foreign.tell(events.Frame(99, MAC, 0, bytes(40)))
    assert len(foreign.to_node) == sent and foreign.to_agent == []
    assert foreign.counts["link_malformed"] == 4 and foreign.counts["visitor_malformed"] == 2


def test_a_nai_stands_in_for_a_home_address_that_is_not_known_yet():
    foreign = Foreign()
    foreign.ask(foreign.request(home=bytes(4), extensions=[ext.Nai(b"node@example.net")]), source=bytes(4))
    assert len(foreign.to_agent) == 1
    foreign.reply(home=HOME)
    mac, datagram, _ = foreign.node_got()
    assert mac == MAC and datagram.destination == b"\xff\xff\xff\xff"
    assert (
        foreign.visitors() == ["10.77.0.2"]
        and foreign.role.snapshot(0)["visitors"][0]["nai"] == "node@example.net"
    )


def named(foreign, now_ms=0, **more):
    """A request that says a name and no home address."""
    data = foreign.request(home=bytes(4), extensions=[ext.Nai(b"node@example.net")], **more)
    return foreign.ask(data, now_ms, source=bytes(4))


def test_a_reply_without_what_a_name_needs_is_refused_with_its_code():
    """RFC 2794 3; the control is a reply that has it all."""
    for code, changes in (
        (97, {"home": HOME, "nai": b""}),
        (98, {"home": HOME, "agent": bytes(4)}),
        (99, {}),
        (0, {"home": HOME}),
    ):
        foreign = Foreign()
        named(foreign).reply(**changes)
        assert foreign.code() == code
        assert foreign.visitors() == ([] if code else ["10.77.0.2"])
        assert foreign.node_got()[2].message.extensions == [ext.Nai(b"node@example.net")]
    foreign = Foreign()
    named(foreign).reply(home=HOME, nai=b"other@example.net")
    assert foreign.visitors() == [] and foreign.counts["visitor_reply_not_awaited"] == 1
    foreign.reply(code=130)  # a refusal has no home address to give
    assert foreign.code() == 130


def test_who_is_known_by_name_finds_room_where_all_is_taken():
    foreign = Foreign(max_visitors=1)
    named(foreign).reply(home=HOME)
    named(foreign, 2000).reply(home=HOME, now_ms=2000)
    assert foreign.code() == 0 and foreign.visitors() == ["10.77.0.2"]
    other = foreign.request(home=bytes(4), extensions=[ext.Nai(b"other@example.net")])
    foreign.ask(other, 4000, OTHER_MAC, bytes(4))
    assert foreign.code() == 66


def test_two_names_without_an_address_are_told_apart_by_their_replies():
    foreign = Foreign()
    named(foreign)
    other = foreign.request(home=bytes(4), extensions=[ext.Nai(b"other@example.net")])
    foreign.ask(other, 0, OTHER_MAC, bytes(4))
    foreign.reply(home=ipv4.parse_address("10.77.0.3"))
    assert foreign.node_got()[0] == OTHER_MAC and foreign.visitors() == ["10.77.0.3"]


def test_a_request_for_any_home_agent_goes_to_ours_or_is_refused_with_90():
    for any_agent in (bytes(4), b"\xff\xff\xff\xff"):
        foreign = Foreign(home_agent=AGENT)
        named(foreign, agent=any_agent)
        assert foreign.to_agent[0][0] == AGENT
        assert mip.unpack(foreign.to_agent[0][2]).message.home_agent == any_agent  # as it came
        foreign.reply(home=HOME)
        assert foreign.visitors() == ["10.77.0.2"]
        assert foreign.role.snapshot(0)["visitors"][0]["home_agent"] == "198.51.100.10"
        refused = Foreign()
        named(refused, agent=any_agent)
        assert refused.code() == 90 and refused.to_agent == []
    crooked = Foreign(home_agent=AGENT)
    wanted = ext.DynamicHomeAgent(ext.HA_REQUESTED, bytes((224, 0, 0, 1)))
    crooked.ask(crooked.request(agent=bytes(4), extensions=[wanted]))
    assert crooked.code() == 90  # RFC 4433 5.2: the default is not asked for


def test_critical_extensions_that_nobody_knows():
    """RFC 3115 2.3: for us behind the node's authentication; before it they are the home agent's."""
    critical = ext.CriticalVendor(99999, 1, b"?")
    foreign = Foreign()
    foreign.ask(foreign.request() + ext.pack_extension(critical))
    assert foreign.code() == 100 and foreign.to_agent == []
    foreign = Foreign()
    foreign.ask(foreign.request(extensions=[critical])).reply()
    assert foreign.code() == 0  # passed on, both ways
    foreign = Foreign()
    foreign.ask(foreign.request()).reply(after=[critical])
    assert foreign.code() == 101 and foreign.visitors() == []
    foreign = Foreign()
    foreign.ask(foreign.request()).reply(after=[ext.NormalVendor(99999, 1, b"?")])
    assert foreign.code() == 0 and foreign.visitors() == ["10.77.0.2"]


def test_our_words_for_the_user_stand_behind_the_nodes_authentication():
    foreign = Foreign(message="Café, first floor")
    foreign.ask(foreign.request()).reply()
    received = foreign.node_got()[2]
    assert received.relayed == foreign.signed_by_home_agent
    assert received.unprotected == [ext.MessageString(2, "Café, first floor".encode())]
    foreign.ask(foreign.request(lifetime_s=9999), 2000)
    [words] = foreign.node_got()[2].message.extensions
    assert foreign.code() == 69 and words.origin == ext.MESSAGE_FROM_FOREIGN_AGENT


def test_the_home_agent_that_is_asked_for_may_be_said_in_an_extension():
    foreign = Foreign()
    wanted = ext.DynamicHomeAgent(ext.HA_REQUESTED, AGENT)
    foreign.ask(foreign.request(agent=b"\xff\xff\xff\xff", extensions=[wanted]))
    assert foreign.to_agent[0][0] == AGENT
    foreign.reply()
    assert foreign.visitors() == ["10.77.0.2"]


# -- Authentication


def with_node_association(**more):
    return Foreign(visitors=[VisitorSection("laptop", HOME, None, "node_fa")], **more)


def test_with_a_shared_association_the_node_must_be_authenticated_to_us_and_we_to_it():
    foreign = with_node_association()
    asked = foreign.request()
    foreign.ask(foreign.for_agent(asked))
    assert foreign.to_agent == [(AGENT, 434, asked)]  # ours is taken out
    foreign.reply()
    received = foreign.node_got()[2]
    proof = received.agent_authentication
    assert type(proof) is ext.MobileForeignAuthentication and proof.spi == NODE_FOREIGN_SPI
    assert foreign.keys.verify("node_fa", received.agent_protected, proof.authenticator)
    assert received.relayed == foreign.signed_by_home_agent
    for at_ms, data in enumerate((foreign.request(), foreign.for_agent(foreign.request(), "agents"))):
        foreign.ask(data, 5000 * (1 + at_ms))
        assert foreign.code() == 67 and len(foreign.to_agent) == 1
    assert foreign.counts["visitor_false_authenticator"] == 2


def shared(**more):
    return Foreign(peers=(Peer("hq", AGENT, "agents"),), **more)


def test_with_a_shared_association_both_agents_sign():
    foreign = shared(revocation=False)
    foreign.ask(foreign.request())
    received = mip.unpack(foreign.to_agent[0][2])
    proof = received.agent_authentication
    assert type(proof) is ext.ForeignHomeAuthentication and proof.spi == AGENTS_SPI
    assert foreign.keys.verify("agents", received.agent_protected, proof.authenticator)
    foreign.reply(sign=True)
    assert foreign.code() == 0 and foreign.node_got()[1].data == foreign.signed_by_home_agent


def test_a_forged_reply_does_not_refuse_for_the_home_agent():
    for forged in ({}, {"sign": True, "tamper": "node_fa"}):
        foreign = shared()
        sent = len(foreign.to_node)
        foreign.ask(foreign.request()).reply(**forged)
        assert len(foreign.to_node) == sent and foreign.visitors() == []
        assert foreign.counts["visitor_reply_false_authenticator"] == 1
        foreign.reply(sign=True, now_ms=100)
        assert foreign.code() == 0 and foreign.visitors() == ["10.77.0.2"]
    # And if no genuine one comes, the refusal says what was seen (3.7.3.1).
    foreign = shared()
    foreign.ask(foreign.request()).reply()
    foreign.tell(events.Late(), PENDING_REPLY_MS)
    assert foreign.counts["visitor_denied_68"] == 1


# -- Challenges (RFC 4721)


def challenged(**more):
    return with_node_association(challenge=True, **more)


def last_challenge(foreign):
    return foreign.advertisements()[-1][1].challenge


def with_challenge(foreign, value, **changes):
    return foreign.for_agent(foreign.request(**changes) + ext.pack_extension(ext.Challenge(value)))


def test_a_challenge_is_advertised_answered_once_and_a_new_one_comes_with_the_reply():
    foreign = challenged().tell(events.Late(), 0)
    value = last_challenge(foreign)
    foreign.ask(with_challenge(foreign, value)).reply()
    assert foreign.code() == 0
    fresh = ext.find(foreign.node_got()[2].unprotected, ext.Challenge).value
    assert fresh != value
    foreign.ask(with_challenge(foreign, value), 2000)
    assert foreign.code() == 106 and len(foreign.to_agent) == 1
    again = ext.find(foreign.node_got()[2].unprotected, ext.Challenge).value
    assert again == fresh  # not used yet, hence the same
    foreign.ask(with_challenge(foreign, fresh), 4000)
    assert len(foreign.to_agent) == 2


def test_an_unknown_challenge_and_one_that_left_the_window():
    foreign = challenged().tell(events.Late(), 0)
    old = last_challenge(foreign)
    foreign.ask(with_challenge(foreign, b"never said"), 0)
    assert foreign.code() == 104
    for at_ms in (1000, 2000, 3000):
        foreign.tell(events.Late(), at_ms)
    foreign.ask(with_challenge(foreign, old), 3000)
    assert foreign.code() == 104 and foreign.to_agent == []


def test_without_an_association_a_challenge_is_missed():
    foreign = Foreign(challenge=True)
    foreign.ask(foreign.request())
    assert foreign.code() == 105
    value = ext.find(foreign.node_got()[2].unprotected, ext.Challenge).value
    # RFC 4721 3.2: a challenge that nothing authenticates is silently discarded
    sent = len(foreign.to_node)
    foreign.ask(foreign.request() + ext.pack_extension(ext.Challenge(value)), 2000)
    assert len(foreign.to_node) == sent and foreign.counts["visitor_challenge_not_authenticated"] == 1
    aaa = b"\x24\x01\x00\x14" + (300).to_bytes(4, "big") + bytes(16)
    asked = foreign.request() + ext.pack_extension(ext.Challenge(value)) + aaa
    foreign.ask(asked, 4000)
    assert foreign.to_agent == [(AGENT, 434, asked)]  # both stay in (3.2)


def test_a_repetition_may_say_the_same_challenge_while_it_is_pending():
    foreign = challenged().tell(events.Late(), 0)
    value = last_challenge(foreign)
    foreign.ask(with_challenge(foreign, value)).ask(with_challenge(foreign, value), 1000)
    assert len(foreign.to_agent) == 2 and foreign.reply(now_ms=1100).code() == 0
    foreign.ask(with_challenge(foreign, value), 3000)
    assert foreign.code() == 106


def test_a_challenge_that_the_home_agent_changed_is_told_and_replaced():
    foreign = challenged().tell(events.Late(), 0)
    foreign.ask(with_challenge(foreign, last_challenge(foreign)))
    foreign.reply(after=[ext.Challenge(b"another")])
    received = foreign.node_got()[2]
    assert ext.find(received.unprotected, ext.AgentError) == ext.AgentError(109)
    assert ext.find(received.unprotected, ext.Challenge).value != b"another"
    assert foreign.visitors() == []  # what the home agent granted is not honoured


def test_solicited_advertisements_repeat_a_challenge_until_it_is_used():
    foreign = challenged().tell(events.Late(), 0)
    first = last_challenge(foreign.solicit(10))
    assert last_challenge(foreign.solicit(20)) == first
    foreign.ask(with_challenge(foreign, first), 30).reply(now_ms=40)
    assert last_challenge(foreign.solicit(50)) != first


# -- Advertisements


def test_advertisements_say_what_is_offered():
    foreign = Foreign(udp_tunnelling="auto", registration_required=True).tell(events.Late(), 0)
    [(mac, message)] = foreign.advertisements()
    assert mac == b"\x01\x00\x5e\x00\x00\x01" and message.lifetime_s == 3
    assert message.routers == [(LINK, 0)] and message.prefix_lengths == (24,)
    agent = message.agent
    assert agent.care_of == (CARE_OF,) and agent.lifetime_s == 1800 and agent.sequence == 0
    wanted = (discovery.AGENT_F, discovery.AGENT_R, discovery.AGENT_M, discovery.AGENT_G, discovery.AGENT_T)
    assert agent.flags == sum(wanted) | discovery.AGENT_U | discovery.AGENT_X


def test_they_come_at_their_interval_with_jitter_and_rising_numbers():
    foreign, at_ms, times = Foreign(), 0, []
    while len(times) < 30:
        at_ms = foreign.role.deadline()
        times.append(at_ms)
        foreign.tell(events.Late(), at_ms)
    gaps = [times[index + 1] - times[index] for index in range(len(times) - 1)]
    assert min(gaps) >= 875 and max(gaps) <= 1000 and len(set(gaps)) > 5
    assert [message.agent.sequence for _, message in foreign.advertisements()] == list(range(30))


def test_sequence_numbers_wrap_to_256():
    from careof.agent.advertiser import after

    assert [after(n) for n in (0, 255, 0xFFFE, 0xFFFF)] == [1, 256, 0xFFFF, 256]


def test_solicitations_are_answered_to_whoever_asked_at_a_bounded_rate():
    foreign = Foreign()
    foreign.solicit(0, source=STRANGER, mac=OTHER_MAC)
    mac, packet = foreign.to_node[-1]
    assert mac == OTHER_MAC and ipv4.unpack(packet).destination == STRANGER and ipv4.unpack(packet).ttl == 1
    foreign.solicit(0, source=bytes(4))
    assert ipv4.unpack(foreign.to_node[-1][1]).destination == b"\xff\xff\xff\xff"
    for _ in range(500):
        foreign.solicit(1)
    assert len(foreign.to_node) == 20 and foreign.counts["solicitation_limited"] == 482
    foreign.solicit(1001)
    assert len(foreign.to_node) == 21


def test_without_a_care_of_address_nothing_is_offered():
    foreign = Foreign()
    silent = ForeignAgent(foreign_options(), Chance(1).octets, FIRST)
    actions = silent.handle(events.Start(), 0) + silent.handle(events.Link("lan0", True, LINK, 24, None), 0)
    actions += silent.handle(events.Late(), 0)
    assert not [action for action in actions if isinstance(action, events.SendFrame)]
    assert foreign.role.snapshot(0)["state"] == "serving"


def test_another_care_of_address_voids_all_visits_and_says_so():
    foreign = Foreign().visiting().tell(events.Late(), 0).tell(events.Late(), 1000)
    foreign.tell(events.Link("wan0", True, STRANGER, 24, GATEWAY), 1500)
    assert foreign.visitors() == [] and not foreign.holds("tunnel")
    foreign.tell(events.Late(), 1500)
    agent = foreign.advertisements()[-1][1].agent
    assert agent.sequence == 0 and agent.care_of == (STRANGER,)
    assert foreign.held["uplink", FIRST].address == STRANGER


def test_a_link_that_goes_and_comes_back_is_opened_again_with_its_neighbours():
    foreign = Foreign().visiting()
    foreign.tell(events.Link("lan0", False, None, 0, None), 1000)
    assert ("link", LAN) not in foreign.held
    sent = len(foreign.to_node)
    foreign.tell(events.Late(), 5000)
    assert len(foreign.to_node) == sent
    foreign.tell(events.Link("lan0", True, LINK, 24, None), 6000)
    assert (
        ("link", LAN) in foreign.held
        and foreign.holds("neighbour")
        and foreign.visitors(6000) == ["10.77.0.2"]
    )


# -- Revocation (RFC 3543)


def revocable(inform=True):
    foreign = shared()
    foreign.ask(foreign.request())
    ours = ext.find(mip.unpack(foreign.to_agent[0][2]).unprotected, ext.RevocationSupport)
    assert ours is not None and ours.inform and ours.timestamp == UNIX_MS // 1000 % (1 << 32)
    return foreign.reply(sign=True, after=[ext.RevocationSupport(inform, 5000)])


def revocation(
    foreign, identifier=5001, flags=mip.REVOKED_BY_HOME_AGENT, home=HOME, care_of=CARE_OF, key="agents"
):
    message = mip.Revocation(flags, home, AGENT, care_of, identifier, [])
    data = mip.pack_to_sign(message, AGENTS_SPI, 32, ext.FOREIGN_HOME)
    return data + foreign.keys.authenticate(key, data)


def test_a_home_agent_revokes_and_is_acknowledged():
    foreign = revocable()
    foreign.from_agent(
        revocation(foreign, flags=mip.REVOKED_BY_HOME_AGENT | mip.REVOCATION_INFORM), 1000, port=999
    )
    assert foreign.visitors() == [] and not foreign.holds("neighbour")
    address, port, data = foreign.to_agent[-1]
    received = mip.unpack(data)
    assert (address, port) == (AGENT, 999)
    assert received.message == mip.RevocationAcknowledgment(mip.ACKNOWLEDGMENT_INFORM, HOME, 5001, [])
    proof = received.agent_authentication
    assert foreign.keys.verify("agents", received.agent_protected, proof.authenticator)
    mac, told = foreign.advertisements()[-1]  # 4.1
    assert mac == MAC and told.agent.sequence == 0 and told.agent.flags & discovery.AGENT_B
    # Its repetition, for a lost acknowledgment, is acknowledged; nothing else happens.
    foreign.from_agent(revocation(foreign, 5003), 2000)
    assert mip.unpack(foreign.to_agent[-1][2]).message.identifier == 5003


def test_without_the_i_bit_the_node_is_not_told():
    foreign = revocable()
    before = len(foreign.advertisements())
    foreign.from_agent(revocation(foreign), 1000)
    assert foreign.visitors() == [] and len(foreign.advertisements()) == before
    assert mip.unpack(foreign.to_agent[-1][2]).message.flags == 0


def test_forged_replayed_and_reflected_revocations_do_nothing():
    for name, data in (
        ("revocation_false_authenticator", lambda f: revocation(f, key="node_fa")),
        ("revocation_not_authenticated", lambda f: revocation(f)[:20]),
        ("revocation_stale", lambda f: revocation(f, 5000)),
        ("revocation_stale", lambda f: revocation(f, 4000)),
        ("revocation_reflected", lambda f: revocation(f, flags=0)),
        ("revocation_of_nobody", lambda f: revocation(f, care_of=STRANGER)),
        ("revocation_of_nobody", lambda f: revocation(f, home=STRANGER)),
    ):
        foreign = revocable()
        sent = len(foreign.to_agent)
        foreign.from_agent(data(foreign), 1000)
        assert foreign.visitors() == ["10.77.0.2"] and len(foreign.to_agent) == sent, name
        assert foreign.counts[name] == 1
        foreign.from_agent(revocation(foreign), 1000)  # the control
        assert foreign.visitors() == []


def test_a_grant_that_is_not_honoured_is_revoked_at_once():
    """RFC 4636 6. The control shares no association: then nothing may be said to the home agent."""
    support = ext.RevocationSupport(False, 5000)
    for kept in (True, False):
        foreign = shared(visitor_prefix=((bytes((10, 99, 0, 0)), 16),))
        named(foreign, lifetime_s=600).reply(home=HOME, sign=True, after=[support] if kept else [])
        [error] = foreign.node_got()[2].unprotected
        assert error == ext.AgentError(65) and foreign.code() == 0 and foreign.visitors() == []
        sent = [mip.unpack(data).message for _, _, data in foreign.to_agent[1:]]
        assert [type(message) for message in sent] == ([mip.Revocation] if kept else [])
        if kept:
            assert sent[0][:4] == (0, HOME, AGENT, CARE_OF)
            ack = mip.RevocationAcknowledgment(0, HOME, sent[0].identifier, [])
            data = mip.pack_to_sign(ack, AGENTS_SPI, 32, ext.FOREIGN_HOME)
            foreign.from_agent(data + foreign.keys.authenticate("agents", data))
            assert foreign.counts["revocation_acknowledged"] == 1


def test_what_was_not_agreed_on_cannot_be_revoked():
    foreign = shared()
    foreign.ask(foreign.request()).reply(sign=True)
    foreign.from_agent(revocation(foreign), 1000)
    assert foreign.visitors() == ["10.77.0.2"] and foreign.counts["revocation_stale"] == 1


def test_a_node_must_not_ask_for_revocations_itself():
    foreign = Foreign()
    for data in (
        foreign.request(extensions=[ext.RevocationSupport(False, 1)]),
        foreign.request() + ext.pack_extension(ext.RevocationSupport(False, 1)),
    ):
        foreign.ask(data)
    assert foreign.to_agent == [] and foreign.counts["visitor_revocation_support"] == 2


def test_we_revoke_repeat_and_stop_when_it_is_acknowledged():
    foreign = revocable()
    sent = len(foreign.to_agent)
    foreign.tell(events.Command("revoke", ["10.77.0.2"]), 1000)
    assert foreign.visitors() == []
    [answer] = [action for action in foreign.others if isinstance(action, events.Answer)]
    assert answer == events.Answer("revoke", "10.77.0.2 revoked")
    first = mip.unpack(foreign.to_agent[sent][2]).message
    assert first.flags == mip.REVOCATION_INFORM and first[1:4] == (HOME, AGENT, CARE_OF)
    foreign.tell(events.Late(), 1999)
    assert len(foreign.to_agent) == sent + 1
    foreign.tell(events.Late(), 2000)
    second = mip.unpack(foreign.to_agent[sent + 1][2]).message
    assert second.identifier > first.identifier  # 4.2.3.1: a new timestamp each time
    before = len(foreign.advertisements())
    ack = mip.RevocationAcknowledgment(mip.ACKNOWLEDGMENT_INFORM, HOME, first.identifier, [])
    data = mip.pack_to_sign(ack, AGENTS_SPI, 32, ext.FOREIGN_HOME)
    foreign.from_agent(data + foreign.keys.authenticate("node_fa", data), 2100)
    foreign.tell(events.Late(), 4000)
    assert len(foreign.to_agent) == sent + 3  # a forged acknowledgment ends nothing
    foreign.from_agent(data + foreign.keys.authenticate("agents", data), 4100)
    assert [m for m in foreign.advertisements()[before:] if m[1].agent.flags & discovery.AGENT_B]
    for at_ms in range(5000, 120000, 1000):
        foreign.tell(events.Late(), at_ms)
    assert len(foreign.to_agent) == sent + 3


def test_a_revocation_that_nobody_acknowledges_is_given_up():
    foreign = revocable()
    sent = len(foreign.to_agent)
    foreign.tell(events.Command("revoke", ["10.77.0.2"]), 0)
    times = []
    for at_ms in range(0, 200000, 500):
        before = len(foreign.to_agent)
        foreign.tell(events.Late(), at_ms)
        times += [at_ms] * (len(foreign.to_agent) - before)
    assert times == [1000, 3000, 7000, 15000] and len(foreign.to_agent) == sent + 5


def test_what_cannot_be_revoked_says_why():
    foreign = Foreign()
    for argument, why in (("10.77.0.9", "no visitor"), ("nonsense", "expected a home address")):
        foreign.tell(events.Command("revoke", [argument]))
        assert why in foreign.others[-1].value["error"]


# -- Over a restart, and a new configuration


def test_visitors_survive_a_restart_with_the_same_numbers():
    foreign = revocable()
    foreign.tell(events.Late(), 2000)
    assert foreign.saved
    again = Foreign(foreign.options, foreign.saved, 3000)
    assert again.visitors(3000) == ["10.77.0.2"]
    assert {k: v for k, v in again.held.items() if k[0] != "route"} == {
        k: v for k, v in foreign.held.items() if k[0] != "route"
    }
    assert [route.valid_s for route in again.holds("route").values()] == [597]
    again.tell(events.Late(), 3000)
    assert again.advertisements()[-1][1].agent.sequence == 256  # no start to those who are registered
    again.from_agent(revocation(again), 4000)
    assert again.visitors() == []


def test_what_cannot_be_read_is_left_out():
    for value in (None, 7, [], {}, {"care_of": "zz"}, {"care_of": "c0000207", "visitors": [[1]]}):
        again = Foreign(saved={"foreign_agent-lan.visitors": value})
        assert again.visitors() == []
        again.visiting()
        assert again.visitors() == ["10.77.0.2"]


def test_a_new_configuration_keeps_who_may_stay():
    foreign = Foreign().visiting()
    before = dict(foreign.held)
    foreign.tell(events.Reconfigured(foreign_options(interval_ms=500, max_visitors=9)), 1000)
    assert foreign.held == before and foreign.visitors() == ["10.77.0.2"]
    foreign.tell(events.Reconfigured(foreign_options(peers=())), 2000)
    assert foreign.visitors() == [] and not foreign.holds("tunnel")
    foreign.tell(events.Reconfigured(foreign_options(device=("lan1",))), 3000)
    assert ("link", LAN) not in foreign.held


def test_challenges_that_are_asked_for_from_now_on_are_advertised_and_visitors_stay():
    foreign = Foreign().visiting()
    foreign.tell(events.Late(), 500)
    assert foreign.advertisements()[-1][1].challenge is None
    before = len(foreign.advertisements())
    foreign.tell(events.Reconfigured(foreign_options(challenge=True)), 1000)
    foreign.tell(events.Late(), 1000)
    assert len(foreign.advertisements()) > before and foreign.advertisements()[-1][1].challenge is not None
    assert foreign.visitors() == ["10.77.0.2"]
    foreign.tell(events.Reconfigured(foreign_options()), 2000)
    foreign.tell(events.Late(), 2000)
    assert foreign.advertisements()[-1][1].challenge is None


# -- With our home agent at the other end


def test_our_home_agent_at_the_other_end():
    sections = {"node": SECTIONS["node"]}
    options = agent_options()
    node = Node("branch", HOME, options.nodes[0].mobile_network, ("node",))
    role = HomeAgent(events.AgentOptions(options.agent, [node], [], sections, {}, None), Chance(2).octets, 1)
    foreign = Foreign()
    waiting, sent, held = [events.WallClock(UNIX_MS), events.Start()], [], {}
    foreign.ask(foreign.request(flags=mip.FLAG_T))
    waiting.append(events.Datagram(1, CARE_OF, 434, AGENT, 60, foreign.to_agent[0][2]))
    while waiting:
        for action in role.handle(waiting.pop(0), 0):
            if isinstance(action, events.Verify):
                good = foreign.keys.verify(action.key, action.data, action.authenticator)
                waiting.append(events.Verified(action.token, good))
            elif isinstance(action, events.Authenticate):
                octets = foreign.keys.authenticate(action.key, action.data)
                waiting.append(events.Authenticated(action.token, octets))
            elif isinstance(action, events.Send):
                sent.append(action)
            elif isinstance(action, events.Hold):
                held[action.key] = action.message
    assert (sent[0].destination, sent[0].port) == (CARE_OF, 434)
    foreign.from_agent(sent[0].data)
    assert foreign.code() == 0 and foreign.visitors() == ["10.77.0.2"]
    assert [m.peer for key, m in held.items() if key[0] == "tunnel"] == [CARE_OF]


if __name__ == "__main__":
    from runner import main

    main(globals())

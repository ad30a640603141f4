"""A mobile router on a link with agents: requests by one, its refusals, at home (RFC 5944 3.6, 4.6)."""

from careof.agent import events
from careof.agent.events import RouterOptions
from careof.agent.mobile_router.paths import NESTED_BACK, NESTED_OUT, NESTED_PORT
from careof.agent.mobile_router.role import MobileRouter
from careof.crypt.soft import SoftProvider
from careof.limits import AGENT_TRIES, GRATUITOUS_ARPS, PROBE_IDENTIFIER
from careof.wire import icmp, ipv4, link, mip, tunneld, udp
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from careof.wire.reader import Malformed
from office import AGENT, HOME, LAN, AssociationSection, UplinkSection, router_options
from world import Chance

FIRST = 100
UNIX_MS = 1790000000000
A, B = bytes((10, 9, 1, 1)), bytes((10, 9, 2, 1))
CARE_OF, OTHER_CARE_OF = bytes((192, 0, 2, 7)), bytes((192, 0, 2, 8))
A_MAC, B_MAC, HOME_MAC, OWN_MAC = (b"\x02\x00\x00\x00\x00" + bytes([n]) for n in (1, 2, 3, 4))
AGENTS = AssociationSection("agents", 512, "hmac-sha256", bytes(range(32)), "timestamps")
ROUTE = ("route", bytes(4), 0, HOME, 32)


def options(attachment="agent", delivery="direct", shared=None, **changes):
    made = router_options(names=("wan",), agent_association=shared, **changes)
    associations = dict(made.associations)
    associations["agents"] = AGENTS
    uplink = UplinkSection("wan", "wan0", 10, "branch-wan", 10, attachment, "eager", delivery)
    return RouterOptions(made.router, [uplink], associations)


class Node:
    """The role on one link, with a key provider; frames: what it sent there."""

    def __init__(self, made=None, saved=None, **changes):
        self.options = made or options(**changes)
        self.role = MobileRouter(self.options, Chance(1).octets, FIRST)
        self.keys = SoftProvider()
        for section in self.options.associations.values():
            self.keys.add_key(section.name, section.algorithm, section.key)
        self.frames, self.sent, self.held, self.counts, self.saved = [], [], {}, {}, {}
        self.inner, self.order, self.sequence = [], [], 0
        self.tell(events.WallClock(UNIX_MS))
        for name, value in (saved or {}).items():
            self.tell(events.Restored(name, value))
        self.tell(events.Start()).tell(events.TunneldUp(0))

    def tell(self, event, now_ms=0):
        waiting = [event]
        while waiting:
            for action in self.role.handle(waiting.pop(0), now_ms):
                if not isinstance(action, events.Count):  # many, and of no order
                    self.order.append(action)
                if isinstance(action, events.Verify):
                    genuine = self.keys.verify(action.key, action.data, action.authenticator)
                    waiting.append(events.Verified(action.token, genuine))
                elif isinstance(action, events.Authenticate):
                    octets = self.keys.authenticate(action.key, action.data)
                    waiting.append(events.Authenticated(action.token, octets))
                elif isinstance(action, events.SendFrame):
                    self.frames.append(action)
                elif isinstance(action, events.Send):
                    self.sent.append(action)
                elif isinstance(action, events.SendInner):
                    self.inner.append(icmp.unpack_packet(action.data))
                elif isinstance(action, events.Hold):
                    self.held[action.key] = action.message
                elif isinstance(action, events.Release):
                    del self.held[action.key]
                elif isinstance(action, events.Count):
                    self.counts[action.name] = self.counts.get(action.name, 0) + 1
                elif isinstance(action, events.Save):
                    self.saved[action.name] = action.value
        return self

    def late(self, now_ms):
        return self.tell(events.Late(), now_ms)

    def up(self, now_ms=0, address=None):
        gateway = None if address is None else bytes((203, 0, 113, 1))
        self.tell(events.Link("wan0", True, address, 24, gateway), now_ms)
        return self.tell(events.LinkUp(FIRST, OWN_MAC), now_ms)

    def hears(self, source=A, mac=A_MAC, now_ms=0, flags=discovery.AGENT_F, care_of=CARE_OF, **more):
        self.sequence += 1
        agent = discovery.Agent(
            more.get("sequence", self.sequence),
            more.get("lifetime_s", 300),
            flags,
            (care_of,) if care_of else (),
        )
        message = discovery.Advertisement(0, 3, [(source, 0)], agent, (24,), more.get("challenge"))
        return self.frame(discovery.pack_packet(source, discovery.ALL_SYSTEMS, message), mac, now_ms)

    def frame(self, packet, mac=A_MAC, now_ms=0):
        return self.tell(events.Frame(FIRST, mac, 0, packet), now_ms)

    def requests(self):
        """[(to which link-layer address, the datagram, what it says)] so far."""
        found = []
        for frame in self.frames:
            try:
                datagram = udp.unpack(ipv4.unpack(frame.data))
            except Malformed:
                continue
            found.append((frame.link_address, datagram, mip.unpack(datagram.data)))
        return found

    def last(self):
        return self.requests()[-1]

    def reply(
        self, code=0, lifetime_s=300, now_ms=20, source=A, mac=A_MAC, signed=True, extra=(), of=None, **more
    ):
        """What comes back by the agent: the home agent's word, or (not signed) the agent's own."""
        request = (of or self.last())[2].message
        identification = request.identification + (more.get("identification", 0) << 32)
        message = mip.RegistrationReply(
            code, lifetime_s, HOME, more.get("home_agent", AGENT), identification, []
        )
        if signed:
            data = mip.pack_to_sign(message, 256, 16)
            data += self.keys.authenticate("branch-wan", data)
        else:
            data = mip.pack(message)
        for extension in extra:
            data += ext.pack_extension(extension)
        if self.options.router.agent_association is not None and more.get("by_agent", True):
            data += ext.pack_head_to_sign(ext.MOBILE_FOREIGN, AGENTS.spi, 32)
            data += self.keys.authenticate("agents", data) if more.get("genuine", True) else bytes(32)
        packet = udp.pack_packet(udp.Datagram(source, 434, HOME, 434, 255, data))
        return self.frame(packet, mac, now_ms)

    def answer_probe(self, now_ms):
        _, _, echo = self.inner[-1]
        assert echo.identifier == PROBE_IDENTIFIER
        reply = icmp.Echo(icmp.ECHO_REPLY, echo.identifier, echo.sequence, echo.data)
        return self.frame(icmp.pack_packet(AGENT, HOME, reply), A_MAC, now_ms)

    def row(self, now_ms=0):
        return self.role.snapshot(now_ms)["uplinks"][0]

    def gratuitous(self):
        arps = [f for f in self.frames if f.ethertype == link.ETHERTYPE_ARP]
        return [(f.link_address, link.unpack_arp(f.data)) for f in arps]


def test_a_link_is_solicited_and_nothing_is_said_of_the_home_address_by_arp():
    node = Node().up()
    assert node.held["link", FIRST] == tunneld.SetLink(FIRST, "wan0")
    assert node.held["quiet", "wan0"] == tunneld.SetQuiet("wan0")
    [frame] = node.frames
    assert frame.link_address == b"\x01\x00\x5e\x00\x00\x0b"
    assert discovery.unpack_packet(frame.data) == (HOME, discovery.Solicitation())
    assert node.row()["agent"] is None and not node.requests()


def test_a_request_goes_by_the_agent_to_its_link_layer_address():
    node = Node().up().hears()
    mac, datagram, received = node.last()
    assert mac == A_MAC and datagram.ttl == 255
    assert (datagram.source, datagram.destination, datagram.destination_port) == (HOME, A, 434)
    request = received.message
    assert request.care_of_address == CARE_OF and request.home_agent == AGENT
    assert request.flags & mip.FLAG_T and not request.flags & mip.FLAG_D
    assert request.lifetime_s == 300  # no longer than the agent takes, though 600 are configured
    assert ext.find(request.extensions, ext.UdpTunnelRequest) is None
    assert node.sent == []
    assert node.held["neighbour", "wan0", A] == tunneld.SetNeighbour("wan0", A, A_MAC)
    assert node.held["uplink", FIRST] == tunneld.SetUplink(FIRST, "wan0", HOME, 434)


def test_a_grant_carries_by_direct_delivery():
    node = Node().up().hears().reply()
    assert node.held["tunnel", FIRST] == tunneld.SetLinkTunnel(FIRST, FIRST, A_MAC)
    assert node.held["path", FIRST].patience_ms == 0
    assert node.held[ROUTE].gate == tunneld.GATE_OPEN and node.held[ROUTE].valid_s == 300
    assert not node.row()["live"]
    node.answer_probe(60)
    assert node.row(60)["live"] and node.row(60)["tunnel"] == "direct"


def test_encapsulating_delivery_is_asked_for_and_tunnels_to_the_agent():
    node = Node(delivery="encapsulating").up().hears()
    assert ext.find(node.last()[2].unprotected, ext.EncapsulatingDelivery) is not None
    node.reply()
    assert node.held["tunnel", FIRST] == tunneld.SetTunnel(FIRST, tunneld.KIND_IPIP, FIRST, A, 0, 0, 0)


def test_what_is_shared_with_the_agent_signs_the_request_and_its_challenge():
    node = Node(shared="agents").up().hears(challenge=b"abcdefgh")
    received = node.last()[2]
    assert ext.find(received.unprotected, ext.Challenge).value == b"abcdefgh"
    proof = received.agent_authentication
    assert type(proof) is ext.MobileForeignAuthentication and proof.spi == AGENTS.spi
    assert node.keys.verify("agents", received.agent_protected, proof.authenticator)
    # Without an association nothing can answer a challenge (RFC 4721 3.1).
    bare = Node().up().hears(challenge=b"abcdefgh").last()[2]
    assert bare.agent_authentication is None and bare.unprotected == []


def test_an_agent_that_does_not_show_the_association_is_not_heard():
    for lie in ({"by_agent": False}, {"genuine": False}):
        node = Node(shared="agents").up().hears().reply(**lie)
        assert not node.row()["bound"]
        assert (
            node.counts.get("agent_not_authenticated", 0) + node.counts.get("agent_false_authenticator", 0)
            == 1
        )
    assert Node(shared="agents").up().hears().reply().row()["bound"]  # the control


def test_replies_from_elsewhere_on_the_link_are_not_heard():
    for lie in ({"source": B}, {"mac": B_MAC}):
        node = Node().up().hears().reply(**lie)
        assert not node.row()["bound"] and node.counts["reply_from_other_agent"] == 1
    # What tunneld hands up by the uplink as well is the same datagram once more.
    node = Node().up().hears()
    node.tell(events.Datagram(FIRST, A, 434, HOME, 255, b"\x03" * 40))
    assert node.counts.get("reply_malformed") is None


def test_an_agents_refusal_teaches_nothing_and_another_one_is_tried():
    node = Node().up().hears().hears(B, B_MAC, 1010, prefix=8)
    assert node.last()[0] == B_MAC
    node.reply(code=66, signed=False, source=B, mac=B_MAC, now_ms=1020)
    assert node.row(1020)["agent"] == "10.9.1.1" and node.last()[0] == B_MAC
    node.late(2009)
    assert node.last()[0] == B_MAC  # 3.6: no link changed, hence not within a second
    node.late(2010)
    assert node.last()[0] == A_MAC
    assert node.counts["denied_by_agent_66"] == 1
    assert "insufficient resources" in node.row(1020)["last_refusal"]


def test_a_refusal_in_the_home_agents_name_without_its_authentication_is_not_heard():
    node = Node().up().hears().reply(code=131, signed=False)
    assert node.counts["reply_not_authenticated"] == 1
    assert node.row()["last_refusal"] is None


def test_the_only_agent_that_refuses_is_asked_again_later():
    node = Node().up().hears().reply(code=65, signed=False)
    assert node.row(20)["agent"] == "10.9.1.1" and "prohibited" in node.row(20)["last_refusal"]
    count = len(node.requests())
    for now_ms in range(1000, 120000, 1000):
        node.hears(now_ms=now_ms).late(now_ms)
    assert len(node.requests()) == count  # 300 s for what an administrator has to change


def test_a_stale_challenge_is_replaced_at_once():
    node = Node(shared="agents").up().hears(challenge=b"old-one!")
    node.reply(code=106, signed=False, extra=[ext.Challenge(b"new-one!")])
    node.late(1100)
    assert ext.find(node.last()[2].unprotected, ext.Challenge).value == b"new-one!"


def test_a_lifetime_that_is_too_long_is_asked_for_shorter():
    node = Node().up().hears(lifetime_s=300).reply(code=69, lifetime_s=120, signed=False)
    node.late(1100)
    assert node.last()[2].message.lifetime_s == 120


def test_the_agents_error_beside_a_grant_is_a_refusal():
    node = Node().up().hears().reply(extra=[ext.AgentError(72)])
    assert not node.row()["bound"] and node.counts["denied_by_agent_72"] == 1


def test_an_agent_that_does_not_answer_is_left_for_another():
    node = Node().up().hears().hears(B, B_MAC, 10)
    now_ms = 0
    while node.row(now_ms)["agent"] == "10.9.2.1":
        now_ms = node.role.deadline()
        assert now_ms < 60000
        node.late(now_ms).hears(now_ms=now_ms).hears(B, B_MAC, now_ms)
    asked = [mac for mac, _, _ in node.requests()]
    assert asked.count(B_MAC) == AGENT_TRIES and asked[-1] == A_MAC


def test_moving_to_another_agent_holds_what_is_sent_until_it_has_granted():
    node = Node().up().hears().reply().answer_probe(60)
    node.hears(B, B_MAC, 1000, care_of=OTHER_CARE_OF)
    assert (
        node.held[ROUTE].gate == tunneld.GATE_HOLD and node.last()[2].message.care_of_address == OTHER_CARE_OF
    )
    # The only link there is: the binding of before is of no use, and no second request has to undo it.
    assert not node.last()[2].message.flags & mip.FLAG_S
    node.reply(source=B, mac=B_MAC, now_ms=1020)
    assert node.held[ROUTE].gate == tunneld.GATE_OPEN
    assert node.held["tunnel", FIRST].link_address == B_MAC
    assert ("neighbour", "wan0", A) not in node.held
    count = len(node.requests())
    assert len(node.answer_probe(1040).late(2500).requests()) == count


def test_an_agent_that_restarted_is_registered_with_again():
    node = Node().up().hears(sequence=5000).reply().answer_probe(60)
    node.hears(now_ms=2000, sequence=0)
    assert len(node.requests()) == 2 and node.row(2000)["agent"] == "10.9.1.1"


def test_an_address_of_its_own_is_used_where_no_agent_wants_a_registration():
    own = bytes((203, 0, 113, 2))
    node = Node(attachment="auto").up(address=own)
    node.hears(now_ms=10)
    assert node.row(10)["agent"] is None and node.sent and node.requests() == []
    node.hears(now_ms=20, flags=discovery.AGENT_F | discovery.AGENT_R).late(1000)
    assert node.row(1000)["agent"] == "10.9.1.1" and node.last()[2].message.care_of_address == CARE_OF


def test_an_address_of_its_own_that_comes_after_the_agents_refusal_is_used_at_once():
    required, own = discovery.AGENT_F | discovery.AGENT_R, bytes((203, 0, 113, 2))
    node = Node(attachment="auto").up().hears(flags=required).reply(code=65, signed=False)
    assert node.row(20)["agent"] == "10.9.1.1"  # there is nothing else
    node.up(30, own)
    assert node.row(30)["agent"] is None and node.sent[-1].uplink == FIRST
    asked = mip.unpack(node.sent[-1].data).message
    assert asked.care_of_address == own and asked.flags & mip.FLAG_D


def test_an_address_of_its_own_changes_nothing_for_who_is_at_an_agent():
    required, own = discovery.AGENT_F | discovery.AGENT_R, bytes((203, 0, 113, 2))
    node = Node(attachment="auto").up().hears(flags=required).reply().answer_probe(60)
    before = len(node.requests())
    node.up(100, own)
    assert node.row(100)["agent"] == "10.9.1.1" and node.row(100)["bound"]
    assert len(node.requests()) == before and not node.sent


def home(node, now_ms=0):
    home_agent = node.options.router.home_agent
    return node.hears(home_agent, HOME_MAC, now_ms, flags=discovery.AGENT_H, care_of=None)


def test_at_home_everybody_is_told_before_the_home_agent():
    node = home(Node().up())
    frames = [frame for frame in node.frames if frame.link_address != b"\x01\x00\x5e\x00\x00\x0b"]
    arp = link.unpack_arp(frames[0].data)
    assert frames[0].link_address == link.EVERYONE and frames[0].ethertype == link.ETHERTYPE_ARP
    assert (arp.sender_address, arp.target_address, arp.sender_link_address) == (HOME, HOME, OWN_MAC)
    assert ("quiet", "wan0") not in node.held
    released = [i for i, a in enumerate(node.order) if a == events.Release(("quiet", "wan0"))]
    assert released[-1] < node.order.index(frames[0]) < node.order.index(frames[1])
    mac, datagram, received = node.last()
    assert mac == HOME_MAC and datagram.destination == AGENT
    request = received.message
    assert request.lifetime_s == 0 and request.care_of_address == HOME and not request.extensions


def test_at_home_the_link_is_used_as_it_is():
    agent, prefix = bytes((10, 77, 0, 1)), bytes((10, 77, 0, 0))
    node = home(Node(home_agent=agent, contact=(agent, 434)).up())
    assert ("on_link", prefix, 24, "wan0") not in node.held  # not before the home agent agreed
    node.reply(lifetime_s=0, source=agent, mac=HOME_MAC, home_agent=agent)
    assert node.row(20)["bound"] and node.row(20)["tunnel"] == "at home"
    assert node.held["on_link", prefix, 24, "wan0"] == tunneld.SetOnLink(prefix, 24, "wan0")
    assert ("spare", prefix, 24) in node.held
    assert node.held[ROUTE].valid_s == tunneld.FOREVER_S
    assert node.held["tunnel", FIRST] == tunneld.SetLinkTunnel(FIRST, FIRST, HOME_MAC)
    for now_ms in (1100, 2200, 3300, 4400):
        home(node, now_ms)
        node.late(now_ms)
    assert len(node.gratuitous()) == GRATUITOUS_ARPS


def test_home_that_is_not_heard_any_more_is_left():
    node = home(Node().up()).reply(lifetime_s=0, source=AGENT, mac=HOME_MAC)
    node.hears(now_ms=1000)  # a foreign agent beside home is not moved to
    assert node.row(1000)["tunnel"] == "at home"
    node.hears(now_ms=3100)
    node.late(3200)
    assert node.row(3200)["agent"] == "10.9.1.1" and node.last()[2].message.lifetime_s == 300


def test_a_foreign_link_that_calls_itself_home_gets_nothing_without_the_home_agents_word():
    node = home(Node().up())
    assert not [key for key in node.held if key[0] == "on_link"]
    node.reply(lifetime_s=0, source=AGENT, mac=HOME_MAC, signed=False)
    assert not node.row(20)["bound"] and node.held[ROUTE].gate == tunneld.GATE_HOLD


def forged_error(node, status, later_s, home_agent=AGENT):
    """Whoever saw the request, without any key: a reply that the agent seems to hold this against."""
    request = node.last()[2].message
    identification = request.identification + (later_s << 32)
    message = mip.RegistrationReply(0, 300, HOME, home_agent, identification, [])
    data = mip.pack_to_sign(message, 256, 16) + bytes(16) + ext.pack_extension(ext.AgentError(status))
    return node.frame(udp.pack_packet(udp.Datagram(A, 434, HOME, 434, 255, data)), A_MAC, 20)


def test_nothing_of_the_home_agent_is_learnt_from_what_it_did_not_sign():
    """Its clock (133) and its address (136): requests signed for a time to come could be kept until then."""
    for status, later_s, home_agent in ((133, 86400, AGENT), (136, 0, bytes((192, 0, 2, 66)))):
        node = Node().up().hears()
        asked = node.last()[2].message
        forged_error(node, status, later_s, home_agent)
        for now_ms in range(1000, 20000, 500):
            node.late(now_ms)
        requests = [received.message for _, _, received in node.requests()]
        assert len(requests) > 1
        for request in requests:
            assert (request.identification - asked.identification) >> 32 < 60, status
            assert request.home_agent == AGENT, status
    node = Node().up().hears().reply(133, identification=86400)  # the control: the home agent's own word
    node.late(2000)
    assert (node.last()[2].message.identification - asked.identification) >> 32 >= 86400 - 60


def test_a_restart_keeps_the_visit():
    node = Node().up().hears(challenge=b"abcdefgh").reply().answer_probe(60)
    again = Node(saved=node.saved)
    assert again.row()["bound"] and again.row()["agent"] == "10.9.1.1"
    assert again.held["link", FIRST] == tunneld.SetLink(FIRST, "wan0")
    assert again.held[ROUTE].gate == tunneld.GATE_OPEN and again.requests() == []
    again.up(100).hears(now_ms=200, sequence=node.sequence + 1)
    assert again.requests() == [] and again.row(200)["bound"]


def test_malformed_frames_are_counted():
    node = Node().up()
    for packet in (b"", b"\x45", ipv4.pack(ipv4.Packet(A, HOME, ipv4.ICMP, 1, 0, 0, False, b"\x09" * 9))):
        node.frame(packet)
    assert node.counts["link_malformed"] == 3


def test_networks_behind_us_are_tunnelled_to_the_home_agent_through_the_foreign_one():
    """RFC 5177 7: the agent passes on what the home address sends, and nothing of the networks."""
    node = Node().up().hears()
    node.reply().answer_probe(40)
    out, back = FIRST + NESTED_OUT, FIRST + NESTED_BACK
    assert node.held["uplink", out] == tunneld.SetUplink(out, "careof0", HOME, NESTED_PORT)
    assert node.held["tunnel", out] == tunneld.SetTunnel(out, tunneld.KIND_IPIP, out, AGENT, 0, 0, 0)
    assert node.held["tunnel", back] == tunneld.SetTunnel(back, tunneld.KIND_IPIP, FIRST, AGENT, 0, 0, 0)
    assert node.held["path", out].packet_size == 1360
    assert node.held["route", bytes(4), 0, LAN[0], LAN[1]].paths == (out,)
    assert node.held[ROUTE].paths == (FIRST,)
    inner = {key[1:2] + key[4:] for key in node.held if key[0] == "inner"}
    assert inner == {(FIRST, HOME, 32), (back,) + LAN}
    # By an address of its own there is one tunnel for all.
    node.late(4000)  # the agent is heard no more
    assert [key for key in node.held if key[0] in ("tunnel", "path", "inner")] == []
    assert ("uplink", out) not in node.held
    alone = Node(mobile_network=()).up().hears()
    alone.reply().answer_probe(40)
    assert {key[1] for key in alone.held if key[0] == "tunnel"} == {FIRST}  # the control


if __name__ == "__main__":
    from runner import main

    main(globals())

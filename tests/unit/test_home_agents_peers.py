"""A home agent beside other agents, and on a real home link: RFC 3543, 5177, 4721 and 5944 4.6."""

from collections import namedtuple

from careof.agent import events
from careof.limits import CONFIRMATIONS_MAX, GRATUITOUS_ARPS
from careof.wire import ipv4, link, mip, tunneld
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from office import AGENT, HOME, LAN, AssociationSection, Node, agent_options
from test_home_agent import CARE_OF, FORGER, OUTSIDE, SPI, UNIX_MS, Agent

AGENTS_SPI = 768
PEER_SECTION = AssociationSection("agents", AGENTS_SPI, "hmac-sha256", bytes(range(2, 34)), "timestamps")
Peer = namedtuple("Peer", "name address association")
OTHER_CARE_OF = bytes((203, 0, 113, 9))
MORE = (bytes((10, 77, 2, 0)), 24)
MAC, NODE_MAC = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x07"


class Home(Agent):
    """The home agent of the other tests, with foreign agents that share an association with it, and with the
    whole of what it sent."""

    def __init__(self, peers=(CARE_OF, OTHER_CARE_OF), networks=(LAN,), others=(), **changes):
        kept = agent_options(**changes)
        sections = dict(kept.associations)
        sections["agents"] = PEER_SECTION
        sections["wrong"] = AssociationSection("wrong", 1, "hmac-sha256", bytes(range(3, 35)), "timestamps")
        node = Node("branch", HOME, networks, kept.nodes[0].association)
        found = [Peer("p%d" % n, address, "agents") for n, address in enumerate(peers)]
        self.whole, self.frames = [], []
        nodes = [node] + [Node("another", home, (), kept.nodes[0].association) for home in others]
        super().__init__(events.AgentOptions(kept.agent, nodes, found, sections, {}, None))
        self.started()

    def tell(self, event, now_ms=0):
        before = len(self.others)
        super().tell(event, now_ms)
        for action in self.others[before:]:
            if isinstance(action, events.SendFrame):
                self.frames.append(action)
        return self

    def by_agent(self, data, after=b"", key="agents", source=CARE_OF, now_ms=0):
        """A request as a foreign agent relays it."""
        data += after + ext.pack_head_to_sign(ext.FOREIGN_HOME, AGENTS_SPI, 32)
        return self.datagram(data + self.keys.authenticate(key, data), source, now_ms=now_ms)

    def signed(self, message, key="agents"):
        data = mip.pack_to_sign(message, AGENTS_SPI, 32, ext.FOREIGN_HOME)
        return data + self.keys.authenticate(key, data)

    def received(self):
        """What it sent last, unpacked whole."""
        return mip.unpack(self.sent_octets[-1])

    def bound(self):
        return [row["care_of"] for row in self.role.snapshot(0)["bound"]]


def through_agent(home, flags=mip.FLAG_T, care_of=CARE_OF, **more):
    return home.request(flags=flags, care_of=care_of, **more)


# -- The foreign-home authentication


def test_both_agents_sign_and_a_false_one_is_refused_with_132():
    home = Home()
    home.by_agent(through_agent(home))
    proof = home.received().agent_authentication
    assert home.code() == 0 and type(proof) is ext.ForeignHomeAuthentication and proof.spi == AGENTS_SPI
    assert home.keys.verify("agents", home.received().agent_protected, proof.authenticator)
    for send in (
        lambda: home.datagram(through_agent(home)),
        lambda: home.by_agent(through_agent(home), key="wrong"),
    ):
        send()
        assert home.code() == 132
    # The control: who shares no association with us needs none.
    home.datagram(through_agent(home, care_of=OUTSIDE), OUTSIDE)
    assert home.code() == 0 and home.received().agent_authentication is None


def test_a_node_of_its_own_address_behind_an_agents_nat_signs_for_itself():
    """Its request comes from where the agent's come from, but not through it."""
    home = Home()
    home.datagram(home.request(care_of=OUTSIDE, extensions=(ext.UdpTunnelRequest(0, 0),)))
    assert home.code() == 0 and home.received().agent_authentication is None
    # The control: with an agent's authentication, this has to be genuine.
    home.by_agent(home.request(care_of=OUTSIDE), key="wrong")
    assert home.code() == 132


def test_a_tunnel_to_one_of_the_home_addresses_lies_in_another_and_is_smaller():
    sizes, other = [], bytes((10, 77, 0, 9))
    for others in ((), (other,)):
        home = Home(peers=(), others=others, networks=())
        home.datagram(through_agent(home, care_of=other), other)
        assert home.code() == 0
        sizes += [message.packet_size for key, message in home.held.items() if key[0] == "path"]
    assert sizes == [1400, 1360]


def test_a_challenge_comes_back_behind_the_nodes_authentication():
    home = Home()
    home.by_agent(through_agent(home), ext.pack_extension(ext.Challenge(b"answer me")))
    assert home.received().unprotected == [ext.Challenge(b"answer me")]


def test_udp_for_a_foreign_agent_behind_a_nat():
    home = Home(peers=(), networks=())
    data = through_agent(home) + ext.pack_extension(ext.UdpTunnelRequest(0, 0))
    home.datagram(data, OUTSIDE, 40001)
    assert home.code() == 0 and home.received().unprotected == [ext.UdpTunnelReply(0, False, 110)]
    [tunnel] = [m for key, m in home.held.items() if key[0] == "tunnel"]
    assert (tunnel.kind, tunnel.peer, tunnel.peer_port) == (tunneld.KIND_MIP_UDP, OUTSIDE, 40001)


def test_encapsulations():
    for flags, kind in ((mip.FLAG_M, tunneld.KIND_MINIMAL), (mip.FLAG_G, tunneld.KIND_GRE)):
        home = Home(networks=())
        home.by_agent(through_agent(home, flags=mip.FLAG_T | flags))
        assert [m.kind for key, m in home.held.items() if key[0] == "tunnel"] == [kind]


# -- Revocation


def supported(inform=True, timestamp=5000):
    return ext.pack_extension(ext.RevocationSupport(inform, timestamp))


def test_support_is_answered_only_where_it_was_said_and_can_be_signed():
    home = Home()
    home.by_agent(through_agent(home), supported())
    [ours] = home.received().unprotected
    assert ours == ext.RevocationSupport(True, UNIX_MS // 1000 % (1 << 32))
    home.by_agent(through_agent(home))
    assert home.received().unprotected == []
    stranger = Home(peers=())
    stranger.datagram(through_agent(stranger) + supported())
    assert stranger.received().unprotected == []


def test_a_foreign_agent_revokes():
    home = Home()
    home.by_agent(through_agent(home), supported())
    revocation = mip.Revocation(mip.REVOCATION_INFORM, HOME, AGENT, CARE_OF, 5001, [])
    home.datagram(home.signed(revocation), CARE_OF, 999, now_ms=1000)
    assert home.bound() == [] and home.routes() == {}
    acknowledged = home.received()
    assert acknowledged.message == mip.RevocationAcknowledgment(mip.ACKNOWLEDGMENT_INFORM, HOME, 5001, [])
    assert home.sent[-1][:2] == (CARE_OF, 999)
    home.datagram(home.signed(mip.Revocation(0, HOME, AGENT, CARE_OF, 5002, [])), now_ms=2000)
    assert home.received().message.identifier == 5002  # its repetition is acknowledged


def test_forged_replayed_reflected_and_misdirected_revocations_do_nothing():
    def make(flags=0, home_address=HOME, agent=AGENT, care_of=CARE_OF, identifier=5001):
        return mip.Revocation(flags, home_address, agent, care_of, identifier, [])

    for name, message, key, source in (
        ("revocation_false_authenticator", make(), "wrong", CARE_OF),
        ("revocation_not_authenticated", make(), "agents", FORGER),
        ("revocation_reflected", make(flags=mip.REVOKED_BY_HOME_AGENT), "agents", CARE_OF),
        ("revocation_stale", make(identifier=5000), "agents", CARE_OF),
        ("revocation_stale", make(identifier=4999), "agents", CARE_OF),
        ("revocation_of_nobody", make(home_address=FORGER), "agents", CARE_OF),
        ("revocation_of_nobody", make(agent=FORGER), "agents", CARE_OF),
        ("revocation_of_nobody", make(care_of=FORGER), "agents", CARE_OF),
    ):
        home = Home()
        home.by_agent(through_agent(home), supported())
        sent = len(home.sent)
        home.datagram(home.signed(message, key), source, now_ms=1000)
        assert home.bound() == ["203.0.113.2"] and len(home.sent) == sent, name
        assert home.counts[name] == 1, name
        home.datagram(home.signed(make()), now_ms=1000)  # the control
        assert home.bound() == []


def test_an_administrator_removes_a_binding_and_the_foreign_agent_hears_of_it():
    home = Home()
    home.by_agent(through_agent(home), supported())
    home.tell(events.Command("revoke", ["10.77.0.2"]), 1000)
    assert home.bound() == [] and home.routes() == {}
    first = home.received().message
    assert first.flags == mip.REVOKED_BY_HOME_AGENT | mip.REVOCATION_INFORM
    assert first[1:4] == (HOME, AGENT, CARE_OF)
    home.tell(events.Late(), 2000)
    second = home.received().message
    assert second.identifier > first.identifier  # 4.2.2.1: a current timestamp each time
    sent = len(home.sent)
    ack = mip.RevocationAcknowledgment(0, HOME, second.identifier, [])
    home.datagram(home.signed(ack, "wrong"), now_ms=2100)
    home.tell(events.Late(), 4000)
    assert len(home.sent) == sent + 1  # a forged acknowledgment ends nothing
    home.datagram(home.signed(ack), now_ms=4100)
    for at_ms in range(5000, 60000, 1000):
        home.tell(events.Late(), at_ms)
    assert len(home.sent) == sent + 1 and home.counts["revocation_acknowledged"] == 1


def test_a_node_that_moves_leaves_word_with_the_agent_that_it_left():
    home = Home()
    home.by_agent(through_agent(home), supported())
    home.by_agent(through_agent(home, care_of=OTHER_CARE_OF), supported(), source=OTHER_CARE_OF, now_ms=3000)
    assert home.bound() == ["203.0.113.9"]
    told = [message for address, _, message in home.sent if isinstance(message, mip.Revocation)]
    assert [m.foreign_domain for m in told] == [CARE_OF] and told[0].flags == mip.REVOKED_BY_HOME_AGENT
    # With simultaneous bindings nothing ended.
    both = Home()
    both.by_agent(through_agent(both), supported())
    data = through_agent(both, flags=mip.FLAG_T | mip.FLAG_S, care_of=OTHER_CARE_OF)
    both.by_agent(data, supported(), source=OTHER_CARE_OF, now_ms=3000)
    assert len(both.bound()) == 2
    assert not [m for _, _, m in both.sent if isinstance(m, mip.Revocation)]


def test_a_node_that_comes_home_leaves_word_with_the_agent_that_it_left():
    for care_of, through in ((HOME, False), (CARE_OF, True)):
        home = Home()
        home.by_agent(through_agent(home), supported())
        away = through_agent(home, flags=mip.FLAG_T, care_of=care_of, lifetime_s=0)
        if through:  # the agent relays it, and needs no word
            home.by_agent(away, now_ms=3000)
        else:
            home.datagram(away, HOME, now_ms=3000)
        told = [message for _, _, message in home.sent if isinstance(message, mip.Revocation)]
        assert home.bound() == []
        assert [m.foreign_domain for m in told] == ([] if through else [CARE_OF])


def test_a_co_located_node_is_told_under_its_own_association():
    home = Home()
    support = ext.RevocationSupport(False, 5000)
    home.datagram(home.request(care_of=OUTSIDE, extensions=[support]), OUTSIDE)
    assert ext.find(home.received().message.extensions, ext.RevocationSupport) is not None
    home.tell(events.Command("revoke", ["10.77.0.2"]), 1000)
    received = home.received()
    assert home.sent[-1][0] == OUTSIDE and received.message.foreign_domain == OUTSIDE
    assert received.authentication.spi == SPI
    assert home.keys.verify("branch-wan", received.protected, received.authentication.authenticator)


def test_what_was_agreed_survives_a_restart():
    home = Home()
    home.by_agent(through_agent(home), supported())
    home.tell(events.Late(), home.role.deadline())
    other = Home()
    for name, value in home.saved.items():
        other.tell(events.Restored(name, value), 1000)
    other.tell(events.Command("revoke", ["10.77.0.2"]), 2000)
    assert isinstance(other.received().message, mip.Revocation)


# -- Mobile networks (RFC 5177)


def networks(home, *prefixes, **more):
    wanted = [ext.MobileNetworkRequest(address, length) for address, length in prefixes]
    home.datagram(home.request(care_of=OUTSIDE, extensions=wanted, **more), OUTSIDE)
    return [e for e in home.received().message.extensions if isinstance(e, ext.MobileNetworkReply)]


def test_implicit_networks_are_told():
    home = Home(networks=(LAN, MORE))
    assert networks(home) == [
        ext.MobileNetworkReply(ext.NETWORK_IMPLICIT, 0, LAN[0], LAN[1]),
        ext.MobileNetworkReply(ext.NETWORK_IMPLICIT, 0, MORE[0], MORE[1]),
    ]
    assert set(home.routes()) == {(HOME, 32), LAN, MORE}


def test_explicit_networks_each_have_their_code_and_only_they_are_routed():
    home = Home(networks=(LAN, MORE))
    foreign, crooked = (bytes((10, 99, 0, 0)), 16), (bytes((10, 77, 1, 1)), 24)
    told = networks(home, LAN, foreign, crooked)
    assert [(t.kind, t.code) for t in told] == [(1, 0), (1, 2), (1, 1)] and home.code() == 0
    assert set(home.routes()) == {(HOME, 32), LAN}
    networks(home, MORE)
    assert set(home.routes()) == {(HOME, 32), MORE}
    networks(home)
    assert set(home.routes()) == {(HOME, 32), LAN, MORE}


def test_networks_that_cannot_be_had():
    home = Home(networks=(LAN,))
    told = networks(home, (bytes((10, 99, 0, 0)), 16))
    assert home.code() == 147 and [t.code for t in told] == [2] and home.routes() == {}
    none = Home(networks=())
    assert networks(none, LAN) == [] and none.code() == 148
    networks(none)
    assert none.code() == 0


def refusing(*kinds):
    """What tunneld cannot do for MORE; without kinds: any tunnel."""

    def refuses(message):
        if not kinds:
            return isinstance(message, tunneld.SetTunnel)
        return isinstance(message, kinds) and MORE[0] in message and MORE[1] in message

    return refuses


def test_a_network_that_cannot_be_forwarded_to_has_a_code_of_its_own():
    """6.6: as the request names it, and where it names none; what can be is."""
    for wanted in ((LAN, MORE), ()):
        for kind in (tunneld.SetRoute, tunneld.SetInner):
            home = Home(networks=(LAN, MORE))
            home.refuses = refusing(kind)
            told = networks(home, *wanted)
            assert home.code() == 0 and [(t.prefix, t.code) for t in told] == [(LAN[0], 0), (MORE[0], 3)]
            assert set(home.routes()) == {(HOME, 32), LAN} and home.counts["network_not_set_up"] == 1
            assert [key for key in home.held if key[0] == "inner" and MORE[0] in key] == []
            # It is tried again by the next request, which a renewal is, too; the control: it can be done now.
            assert [t.code for t in networks(home, *wanted)] == [0, 3]
            home.refuses = lambda message: False
            assert [t.code for t in networks(home, *wanted)] == [0, 0]
            assert set(home.routes()) == {(HOME, 32), LAN, MORE}


def test_without_one_that_can_be_forwarded_to_the_request_is_refused_and_binds_nothing():
    """6.3: 147."""
    for refuses, of_all in ((refusing(tunneld.SetRoute), (MORE,)), (refusing(), (LAN, MORE))):
        home = Home(networks=of_all)
        home.refuses = refuses
        told = networks(home)
        assert home.code() == 147 and [t.code for t in told] == [3] * len(of_all)
        assert home.bound() == [] and home.routes() == {}
        last = home.received().message.identification
        home.refuses = lambda message: False
        networks(home)
        assert home.code() == 0 and len(home.bound()) == 1 and home.received().message.identification != last


def test_a_repeated_request_gets_the_same_codes():
    home = Home(networks=(LAN, MORE))
    home.refuses = refusing(tunneld.SetRoute)
    wanted = [ext.MobileNetworkRequest(*prefix) for prefix in (LAN, MORE)]
    data = home.request(care_of=OUTSIDE, extensions=wanted)
    for _ in range(2):
        home.datagram(data, OUTSIDE)
        told = [e for e in home.received().message.extensions if isinstance(e, ext.MobileNetworkReply)]
        assert home.code() == 0 and [t.code for t in told] == [0, 3]
    assert home.counts["request_repeated"] == 1
    home.refuses = refusing()
    moved = home.request(care_of=OTHER_CARE_OF, extensions=wanted)
    for _ in range(2):
        home.datagram(moved, OTHER_CARE_OF)
        assert home.code() == 147 and home.bound() == []


def test_a_network_that_the_kernel_does_not_deliver_is_none_until_there_is_another_tunneld():
    home = Home(networks=(LAN, MORE))
    home.tell(events.Refused(tunneld.SetDeliver(*MORE), 17, "deliver: File exists"))
    assert [t.code for t in networks(home)] == [0, 3]
    home.tell(events.TunneldDown()).tell(events.TunneldUp(0))
    assert [t.code for t in networks(home)] == [0, 0]


def test_a_renewal_waits_for_nobody():
    home = Home(networks=(LAN, MORE))
    asked = []
    home.refuses = lambda message: asked.append(message)
    networks(home)
    of_first = home.role.forwarding._token
    for _ in range(3):
        networks(home)
    assert of_first == home.role.forwarding._token == 1 and home.code() == 0 and asked
    bare = Home(networks=())
    networks(bare)
    assert bare.role.forwarding._token == 0 and bare.code() == 0


def test_what_tunneld_never_answers_is_bounded():
    home = Home(networks=(LAN,))
    node = home.role.nodes.find(HOME)
    for _ in range(CONFIRMATIONS_MAX + 5):
        actions = home.role.forwarding.confirm(node, None)
    assert len(home.role.forwarding._open) == CONFIRMATIONS_MAX
    assert events.Count("confirmations_too_many") in actions
    home.role.handle(events.Confirmed(1), 0)  # it was forgotten


def test_which_networks_were_asked_for_survives_a_restart():
    home = Home(networks=(LAN, MORE))
    networks(home, MORE)
    home.tell(events.Late(), home.role.deadline())
    other = Home(networks=(LAN, MORE))
    for name, value in home.saved.items():
        other.tell(events.Restored(name, value), 1000)
    other.tell(events.Start(), 1000)
    assert set(other.routes()) == {(HOME, 32), MORE}


def test_networks_behind_a_router_at_a_foreign_agent_are_tunnelled_to_its_home_address_first():
    """RFC 5177 7: the agent knows of the home address alone."""
    home = Home(networks=(LAN, MORE))
    home.by_agent(through_agent(home))
    tunnels = {m.peer: m for key, m in home.held.items() if key[0] == "tunnel"}
    assert set(tunnels) == {CARE_OF, HOME}
    by_agent, nested = tunnels[CARE_OF].tunnel, tunnels[HOME].tunnel
    assert tunnels[HOME][1:] == (tunneld.KIND_IPIP, 1, HOME, 0, 0, 0)
    assert home.routes() == {(HOME, 32): (by_agent,), LAN: (nested,), MORE: (nested,)}
    inner = {key[1:4] for key in home.held if key[0] == "inner"}
    assert inner == {(by_agent, HOME, 32), (nested,) + LAN, (nested,) + MORE}
    assert home.held["path", nested].packet_size < home.held["path", by_agent].packet_size
    # With an address of its own, one tunnel is for all; what is no more in use goes after a grace.
    home.datagram(home.request(care_of=OUTSIDE), OUTSIDE, now_ms=3000)
    own = [m.tunnel for key, m in home.held.items() if key[0] == "tunnel" and m.peer == OUTSIDE]
    assert home.routes() == {prefix: (own[0],) for prefix in ((HOME, 32), LAN, MORE)}
    home.tell(events.Late(), 10000)
    assert [m.peer for key, m in home.held.items() if key[0] == "tunnel"] == [OUTSIDE]
    home.by_agent(through_agent(home, lifetime_s=0), now_ms=20000)


def test_such_tunnels_keep_their_numbers_over_a_restart_and_go_with_their_networks():
    home = Home(networks=(LAN,))
    home.by_agent(through_agent(home))
    home.tell(events.Late(), home.role.deadline())
    other = Home(networks=(LAN,))
    for name, value in home.saved.items():
        other.tell(events.Restored(name, value), 1000)
    other.tell(events.Start(), 1000)
    held = [{k: m for k, m in h.held.items() if k[0] in ("tunnel", "path", "inner")} for h in (home, other)]
    assert held[0] == held[1] and other.routes() == home.routes()
    before = other.options
    node = Node("branch", HOME, (), before.nodes[0].association)
    other.tell(events.Reconfigured(type(before)(before.agent, [node], *before[2:])), 2000)
    other.tell(events.Late(), 10000)
    assert [m.peer for key, m in other.held.items() if key[0] == "tunnel"] == [CARE_OF]
    assert [key[2:4] for key in other.held if key[0] == "inner"] == [(HOME, 32)]


# -- A home link (RFC 5944 2.3, 4.6)

AT_HOME = bytes((10, 77, 0, 1))


def on_link():
    home = Home(home_device="home0")
    home.tell(events.Link("home0", True, AT_HOME, 24, None))
    return home.tell(events.LinkUp(1, MAC))


def arps(home):
    found = [f for f in home.frames if f.ethertype == link.ETHERTYPE_ARP]
    return [(f.link_address, link.unpack_arp(f.data)) for f in found]


def test_the_agent_stands_in_for_a_node_that_is_away():
    home = on_link()
    assert home.held["link", 1] == tunneld.SetLink(1, "home0")
    home.by_agent(through_agent(home))
    assert home.held["proxy", HOME] == tunneld.SetProxy("home0", HOME)
    for at_ms in range(0, 10000, 500):
        home.tell(events.Late(), at_ms)
    said = arps(home)
    assert len(said) == GRATUITOUS_ARPS
    for to, arp in said:
        assert to == link.EVERYONE
        assert (arp.sender_address, arp.target_address, arp.sender_link_address) == (HOME, HOME, MAC)
    home.by_agent(through_agent(home, lifetime_s=0), now_ms=5000)
    assert ("proxy", HOME) not in home.held


def test_an_expired_or_revoked_binding_ends_the_proxy_too():
    for end in (
        lambda home: home.tell(events.Late(), 700000),
        lambda home: home.tell(events.Command("revoke", ["10.77.0.2"]), 1000),
    ):
        home = on_link()
        home.by_agent(through_agent(home))
        assert ("proxy", HOME) in home.held
        end(home)
        assert ("proxy", HOME) not in home.held


def test_a_node_of_another_prefix_has_no_proxy():
    home = Home(home_device="home0")
    home.tell(events.Link("home0", True, bytes((10, 66, 0, 1)), 24, None)).tell(events.LinkUp(1, MAC))
    home.by_agent(through_agent(home))
    assert ("proxy", HOME) not in home.held and arps(home) == []


def test_the_agent_advertises_itself_at_home():
    home = on_link()
    home.tell(events.Late(), 0)
    _, message = discovery.unpack_packet(home.frames[-1].data)
    assert message.agent.flags & discovery.AGENT_H and not message.agent.flags & discovery.AGENT_F
    assert message.routers == [(AT_HOME, 0)] and message.agent.care_of == ()
    asked = discovery.pack_packet(HOME, discovery.ALL_ROUTERS, discovery.Solicitation())
    home.tell(events.Frame(1, NODE_MAC, 1, asked), 10)
    assert home.frames[-1].link_address == NODE_MAC and ipv4.unpack(home.frames[-1].data).destination == HOME


def test_a_home_link_that_comes_back_is_told_again():
    home = on_link()
    home.by_agent(through_agent(home))
    for at_ms in range(0, 5000, 500):
        home.tell(events.Late(), at_ms)
    before = len(arps(home))
    home.tell(events.Link("home0", False, None, 0, None), 6000)
    assert ("link", 1) not in home.held
    home.tell(events.Link("home0", True, AT_HOME, 24, None), 7000).tell(events.LinkUp(1, MAC), 7000)
    for at_ms in range(7000, 12000, 500):
        home.tell(events.Late(), at_ms)
    assert len(arps(home)) > before


if __name__ == "__main__":
    from runner import main

    main(globals())

"""What RFC 5944 demands of a home agent beside the stories of test_home_agent, rule by rule."""

from careof.agent import events
from careof.limits import GRATUITOUS_ARPS, REFUSALS_PER_S
from careof.wire import ipv4, link, mip, tunneld, udp
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from office import AGENT, HOME, LAN, AssociationSection, Node, agent_options
from test_home_agent import CARE_OF, FORGER, OUTSIDE, SPI, Agent
from test_home_agents_peers import (
    AGENTS_SPI,
    AT_HOME,
    MAC,
    NODE_MAC,
    OTHER_CARE_OF,
    Home,
    arps,
    on_link,
    through_agent,
)

SUBNET = bytes((10, 77, 0, 255))


def security_logs(home):
    return [a for a in home.others if isinstance(a, events.Log) and a.tag == "security"]


def frame(home, data, source=HOME, destination=AGENT, now_ms=0, port=434):
    """A request as it is seen on the home link."""
    packet = udp.pack_packet(udp.Datagram(source, port, destination, 434, 64, data))
    return home.tell(events.Frame(1, NODE_MAC, 0, packet), now_ms)


def datagram_frames(home):
    """[(to which link-layer address, the datagram)] of the frames that it sent."""
    frames = [f for f in home.frames if f.ethertype == link.ETHERTYPE_IPV4]
    packets = [(f.link_address, ipv4.unpack(f.data)) for f in frames]
    return [(mac, udp.unpack(packet)) for mac, packet in packets if packet.protocol == ipv4.UDP]


# -- The foreign-home authentication (3.8.2.1 c and d)


def test_a_goodbye_needs_no_agents_authentication_and_its_reply_has_none():
    """3.5.4; the control is a request with a lifetime."""
    home = Home()
    home.by_agent(through_agent(home))
    home.datagram(through_agent(home))
    assert home.code() == 132
    home.datagram(through_agent(home, lifetime_s=0))
    assert home.code() == 0 and home.bound() == []
    assert home.received().agent_authentication is None and home.received().authentication is not None


def test_an_agents_false_authentication_of_a_goodbye_is_refused():
    home = Home()
    home.by_agent(through_agent(home))
    home.by_agent(through_agent(home, lifetime_s=0), key="wrong")
    assert home.code() == 132 and home.bound() == ["203.0.113.2"] and security_logs(home)


def test_a_false_authenticator_by_a_genuine_agent_is_refused_with_131_each_time():
    """3.8.2.1 a. The control: of what nobody proved, no more than so many a second are answered."""
    for by_agent in (True, False):
        home = Home() if by_agent else Home(peers=())
        for _ in range(2 * REFUSALS_PER_S):
            data = through_agent(home)
            data = data[:-1] + bytes((data[-1] ^ 1,))
            if by_agent:
                home.by_agent(data)
            else:
                home.datagram(data)
        assert len(home.sent) == (2 if by_agent else 1) * REFUSALS_PER_S and home.code() == 131
        assert home.bound() == []


def test_who_signs_as_an_agent_that_shares_nothing_is_discarded():
    home = Home(peers=())
    home.by_agent(through_agent(home))
    assert home.sent == [] and home.counts["request_unknown_agent"] == 1 and security_logs(home)
    home.datagram(through_agent(home))  # the control
    assert home.code() == 0


def test_two_foreign_home_authentications_are_one_too_many():
    """3.8.2.1 c: refused with 132, though the last of them is genuine."""
    first = ext.pack_extension(ext.ForeignHomeAuthentication(AGENTS_SPI, bytes(32)))
    for before in (first, first + first, first * 40):
        home = Home()
        home.by_agent(through_agent(home), before)
        assert home.bound() == [] and home.code() == 132
        assert home.counts["request_false_authenticator"] == 1
        assert security_logs(home)
        home.by_agent(through_agent(home))  # the control
        assert home.code() == 0 and home.bound() == [ipv4.address_text(CARE_OF)]
    # Of an agent that shares nothing with us they are discarded, as one is (3.8.2.1 d).
    stranger = Home(peers=())
    stranger.by_agent(through_agent(stranger), first)
    assert stranger.sent == [] and stranger.counts["request_unknown_agent"] == 1


AAA_SPI = 900
AAA_SECTION = AssociationSection("aaa", AAA_SPI, "hmac-md5", bytes(range(100, 116)), "timestamps")


def with_aaa(key="aaa"):
    """A home agent that has the key of the node's mobile-AAA authentication; None: it has not."""
    kept = agent_options()
    sections = dict(kept.associations)
    sections["aaa"] = AAA_SECTION
    sections["wrong"] = AssociationSection("wrong", AAA_SPI, "hmac-md5", bytes(16), "timestamps")
    node = Node("branch", HOME, (LAN,), kept.nodes[0].association, aaa_association=key, message="welcome")
    return Agent(events.AgentOptions(kept.agent, [node], [], sections, {}, None)).started()


def aaa_of(home, data, key="aaa", spi=AAA_SPI):
    data += ext.pack_extension(ext.Challenge(b"challenge"))
    data += ext.pack_head_to_sign(ext.MOBILE_AAA, spi, 16)
    return data + home.keys.authenticate(key, data)


def test_an_authentication_for_an_aaa_server_is_verified_where_its_key_is():
    """3.8.2.1 a and RFC 4721 3.4: refused with 144 if it is false, or of another SPI."""
    for how in ({"key": "wrong"}, {"spi": AAA_SPI + 1}):
        home = with_aaa()
        data = home.request()
        home.datagram(aaa_of(home, data, **how))
        reply = mip.unpack(home.sent_octets[-1])
        assert home.code() == 144 and home.routes() == {} and security_logs(home)
        assert ext.find(reply.message.extensions, ext.MessageString) is None  # no more than he asked
        home.datagram(aaa_of(home, data))  # the control: nothing was used up by it
        assert home.code() == 0 and home.routes() != {}
    home = with_aaa()
    home.datagram(aaa_of(home, home.request())[:-1] + b"\xff")
    assert home.code() == 144
    home.datagram(home.request())  # nobody has to have one
    assert home.code() == 0
    # Without the key it is no business of the home agent's.
    home = with_aaa(None)
    home.datagram(aaa_of(home, home.request(), key="wrong"))
    assert home.code() == 0


def test_false_ones_for_an_aaa_server_are_answered_at_a_bounded_rate():
    home = with_aaa()
    for _ in range(3 * REFUSALS_PER_S):
        home.datagram(aaa_of(home, home.request(), key="wrong"))
    assert len(home.sent) == REFUSALS_PER_S and home.code() == 144


def test_a_reply_to_an_agent_goes_to_where_the_request_came_from():
    home = Home()
    home.by_agent(through_agent(home))
    assert home.sent[-1][:2] == (CARE_OF, 434)
    home.by_agent(through_agent(home, care_of=OTHER_CARE_OF), source=OTHER_CARE_OF)
    assert home.sent[-1][0] == OTHER_CARE_OF
    # By another agent than that whose care-of address ends (3.8.2.2); nobody else hears of it.
    sent = len(home.sent)
    home.datagram(through_agent(home, lifetime_s=0, care_of=OTHER_CARE_OF), CARE_OF)
    assert [address for address, _, _ in home.sent[sent:]] == [CARE_OF] and home.bound() == []


# -- What every reply has


def ways_to_be_answered(home):
    good = home.request()
    yield 131, good[:-1] + bytes((good[-1] ^ 1,))
    yield 136, home.request(agent=FORGER)
    yield 134, home.request(flags=mip.FLAG_T, extensions=[ext.UdpTunnelRequest(0, 0)])
    yield 140, home.request(extensions=[ext.CriticalVendor(9, 1, b"")])
    yield 141, home.request() + ext.pack_extension(ext.CriticalVendor(9, 1, b""))
    yield 147, home.request(extensions=[ext.MobileNetworkRequest(bytes((10, 99, 0, 0)), 16)])
    fresh = home.request()
    yield 0, fresh
    stale = home.request()
    yield 0, stale
    yield 133, fresh
    yield 0, home.request(flags=mip.FLAG_D | mip.FLAG_T | mip.FLAG_B)  # 3.8.2: what is not done is ignored
    yield 0, home.request(lifetime_s=0)


def test_every_reply_is_authenticated_and_says_what_it_answers():
    home = Home(peers=())
    for code, data in ways_to_be_answered(home):
        sent = len(home.sent)
        home.datagram(data, now_ms=sent * 500)
        assert len(home.sent) == sent + 1 and home.code() == code, code
        received, request = home.received(), mip.unpack(data).message
        proof = received.authentication
        assert proof.spi == SPI and received.unprotected == []
        assert home.keys.verify("branch-wan", received.protected, proof.authenticator), code
        reply = received.message
        assert (reply.home_address, reply.home_agent) == (request.home_address, AGENT)
        assert (reply.identification ^ request.identification) & 0xFFFFFFFF == 0
        assert reply.lifetime_s <= request.lifetime_s
        if code in (131, 133):
            assert security_logs(home)


def test_the_parts_of_a_reply_are_in_their_order():
    """3.8.3.3: for the node, its authentication, for the foreign agent, its authentication."""
    home = Home()
    challenge = ext.pack_extension(ext.Challenge(b"fresh one"))
    support = ext.pack_extension(ext.RevocationSupport(False, 1))
    wanted = [ext.MobileNetworkRequest(LAN[0], LAN[1])]
    home.by_agent(through_agent(home, extensions=wanted), challenge + support)
    data, at, kinds = home.sent_octets[-1], 20, []
    while at < len(data):
        kinds.append(data[at])
        at += 2 + data[at + 1]
    assert kinds == [148, ext.MOBILE_HOME, 132, 137, ext.FOREIGN_HOME]


def test_the_lifetime_that_is_granted_is_what_was_asked_for_or_the_longest():
    home = Home(peers=(), lifetime_max_s=500)
    for asked, granted in ((499, 499), (500, 500), (501, 500), (0xFFFF, 500)):
        home.datagram(home.request(lifetime_s=asked))
        assert home.sent[-1][2].lifetime_s == granted


def test_a_repetition_is_granted_no_longer_than_the_first_time():
    home = Home(peers=())
    data = home.request(lifetime_s=100)
    home.datagram(data).datagram(data, now_ms=60000)
    assert home.sent[-1][2].lifetime_s == 40
    home.tell(events.Late(), 99999)
    assert home.bound() == ["203.0.113.2"]
    home.tell(events.Late(), 100000)
    assert home.bound() == []


def test_nothing_is_said_of_its_own_accord():
    """3.8: a binding that runs out is nobody's message."""
    home = Home(peers=())
    home.datagram(home.request(lifetime_s=10))
    sent = len(home.sent)
    for at_ms in range(0, 30000, 500):
        home.tell(events.Late(), at_ms)
    assert home.bound() == [] and len(home.sent) == sent


def test_simultaneous_bindings_are_kept_one_by_one():
    """3.8.2.2, 4.2.3: one that runs out or is ended leaves the others."""
    home = Home(peers=())
    flags = mip.FLAG_D | mip.FLAG_T | mip.FLAG_S
    home.datagram(home.request(flags=flags, lifetime_s=10))
    home.datagram(home.request(flags=flags, care_of=OUTSIDE), OUTSIDE)
    assert home.bound() == ["203.0.113.2", "203.0.113.77"] and len(home.routes()[HOME, 32]) == 2
    home.tell(events.Late(), 10000)
    assert home.bound() == ["203.0.113.77"] and len(home.routes()[HOME, 32]) == 1


def test_a_mobility_binding_has_what_its_request_said():
    home = Home(peers=())
    home.datagram(home.request(flags=mip.FLAG_D | mip.FLAG_T | mip.FLAG_G, lifetime_s=300))
    [row] = home.role.snapshot(100000)["bound"]
    assert (row["care_of"], row["lifetime_left_s"], row["tunnel"]) == ("203.0.113.2", 200, "gre")
    [tunnel] = [m for key, m in home.held.items() if key[0] == "tunnel"]
    # 4.2.3: it begins at the address that replies name
    assert home.held["uplink", tunnel.uplink].address == AGENT == home.sent[-1][2].home_agent


def test_who_asks_for_udp_is_answered_whether_it_gets_it_or_not():
    """RFC 3519 4.6: assented to where there is a NAT or it is forced; else declined, always the same."""
    asks, forces = ext.UdpTunnelRequest(0, 0), ext.UdpTunnelRequest(ext.UDP_FORCE, 0)
    home = Home(peers=(), keepalive_s=77)
    for wanted, source, answer, kind in (
        (asks, OUTSIDE, ext.UdpTunnelReply(0, False, 77), tunneld.KIND_MIP_UDP),
        (forces, CARE_OF, ext.UdpTunnelReply(0, True, 77), tunneld.KIND_MIP_UDP),
        (asks, CARE_OF, ext.UdpTunnelReply(64, False, 0), tunneld.KIND_IPIP),
        (asks, CARE_OF, ext.UdpTunnelReply(64, False, 0), tunneld.KIND_IPIP),
    ):
        home.datagram(home.request(extensions=[wanted]), source, 40001)
        received = home.received()
        assert received.message.extensions[-1] == answer and received.unprotected == []
        [binding] = home.role.snapshot(0)["bound"]
        assert binding["tunnel"] == {tunneld.KIND_MIP_UDP: "mip-udp", tunneld.KIND_IPIP: "ipip"}[kind]
    home.datagram(home.request(), CARE_OF)
    assert ext.find(home.received().message.extensions, ext.UdpTunnelReply) is None  # it was not asked


def test_lengths_that_no_prefix_has_are_refused():
    """RFC 5177 6.6; the control is the node's own network."""
    home = Home(peers=())
    asked = ((LAN[0], 0), (LAN[0], 33), (LAN[0], 255), LAN)
    home.datagram(home.request(extensions=[ext.MobileNetworkRequest(*prefix) for prefix in asked]))
    told = ext.find_all(home.received().message.extensions, ext.MobileNetworkReply)
    assert [(t.length, t.code) for t in told] == [(0, 1), (33, 1), (255, 1), (24, 0)]
    assert home.code() == 0 and set(home.routes()) == {(HOME, 32), LAN}


# -- At home (3.8.3.1, 4.6)


def test_who_looks_for_any_home_agent_of_the_link_is_refused_and_told_ours():
    for destination in (SUBNET, discovery.BROADCAST):
        home = on_link()
        asked = home.request(care_of=OUTSIDE, agent=SUBNET)
        frame(home, asked, OUTSIDE, destination)
        assert home.code() == 136 and home.sent[-1][0] == OUTSIDE and home.bound() == []
        assert home.sent[-1][2].home_agent == AGENT
    # Whatever address it names, and nobody without its authentication.
    home = on_link()
    frame(home, home.request(), CARE_OF, SUBNET)
    assert home.code() == 136 and home.bound() == []
    frame(home, home.request()[:24], CARE_OF, SUBNET)
    assert len(home.sent) == 1
    # The control: what is for us alone comes by the uplink, and here it is only seen.
    frame(home, home.request(), CARE_OF, AGENT)
    assert len(home.sent) == 1


def test_solicitations_to_all_agents_are_answered():
    home = on_link()
    for destination in (discovery.MOBILE_AGENTS, discovery.ALL_ROUTERS, discovery.BROADCAST):
        before = len(home.frames)
        home.tell(
            events.Frame(1, NODE_MAC, 1, discovery.pack_packet(HOME, destination, discovery.Solicitation()))
        )
        assert home.frames[before].link_address == NODE_MAC


def away(home):
    """Bound by a foreign agent, and its gratuitous ARPs are over."""
    home.by_agent(through_agent(home))
    for at_ms in range(0, 5000, 500):
        home.tell(events.Late(), at_ms)
    home.frames[:] = []
    return home


def test_a_refusal_of_who_comes_home_is_sent_to_the_link_and_not_to_the_care_of_address():
    home = away(on_link())
    data = home.request(lifetime_s=0, care_of=HOME)
    data = data[:-1] + bytes((data[-1] ^ 1,))
    frame(home, data, now_ms=6000, port=5434)
    sent = len(home.sent)
    home.datagram(data, HOME, 5434, now_ms=6000)
    [(mac, datagram)] = datagram_frames(home)
    assert mac == NODE_MAC and datagram[:4] == (AGENT, 434, HOME, 5434) and len(home.sent) == sent
    assert mip.unpack(datagram.data).message.code == 131
    # The refusal changes nothing about ARP.
    assert ("proxy", HOME) in home.held and arps(home) == [] and home.bound() == ["203.0.113.2"]
    # The control: who is let in has no binding any more, and is answered as anybody is.
    data = home.request(lifetime_s=0, care_of=HOME)
    frame(home, data, now_ms=7000)
    home.datagram(data, HOME, now_ms=7000)
    assert home.code() == 0 and home.sent[-1][0] == HOME and home.bound() == []


def test_who_came_home_is_told_to_everybody_at_its_own_link_layer_address():
    """4.6; in whichever order the frame and the datagram of its request come."""
    for frame_first in (True, False):
        home = away(on_link())
        data = home.request(lifetime_s=0, care_of=HOME)
        if frame_first:
            frame(home, data, now_ms=6000)
        home.datagram(data, HOME, now_ms=6000)
        if not frame_first:
            frame(home, data, now_ms=6000)
        assert ("proxy", HOME) not in home.held and ("deliver", HOME, 32) not in home.held
        for at_ms in range(6000, 12000, 500):
            home.tell(events.Late(), at_ms)
        said = arps(home)
        assert len(said) == GRATUITOUS_ARPS
        for to, arp in said:
            assert to == link.EVERYONE
            assert (arp.sender_address, arp.sender_link_address) == (HOME, NODE_MAC)


def test_another_binding_of_who_is_away_already_keeps_the_proxy_and_says_nothing():
    home = away(on_link())
    home.by_agent(through_agent(home, care_of=OTHER_CARE_OF), source=OTHER_CARE_OF, now_ms=6000)
    assert home.held["proxy", HOME] == tunneld.SetProxy("home0", HOME)
    for _, arp in arps(home):
        assert arp.sender_link_address == MAC


def test_it_is_never_busy_and_no_foreign_agent():
    home = on_link()
    home.tell(events.Late(), 0)
    source, message = discovery.unpack_packet(home.frames[-1].data)
    flags = message.agent.flags
    assert source == AT_HOME and flags & discovery.AGENT_H
    assert not flags & (discovery.AGENT_F | discovery.AGENT_B | discovery.AGENT_R)


if __name__ == "__main__":
    from runner import main

    main(globals())

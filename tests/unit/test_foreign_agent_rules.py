"""What RFC 5944 demands of a foreign agent beside the stories of test_foreign_agent, rule by rule."""

from careof.agent import events
from careof.limits import ADVERTISEMENT_GAP_MIN_MS, PENDING_REPLY_MS
from careof.wire import icmp, ipv4, mip, udp
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from foreign import (
    AGENTS_SPI,
    CARE_OF,
    FIRST,
    HOME,
    LAN,
    LINK,
    MAC,
    NODE_FOREIGN_SPI,
    OTHER_MAC,
    SECTIONS,
    STRANGER,
    Foreign,
    Peer,
    VisitorSection,
    named,
    shared,
    with_node_association,
)
from office import AGENT, AssociationSection

OWN = ipv4.parse_address("10.9.0.50")  # a care-of address of the node's own, on the link
FOREIGN_HOME = ext.ForeignHomeAuthentication


def signed_by(foreign, data, key, spi, kind=ext.FOREIGN_HOME):
    data += ext.pack_head_to_sign(kind, spi, 32)
    return data + foreign.keys.authenticate(key, data)


def relayed(foreign):
    """The last request that went on, unpacked."""
    return mip.unpack(foreign.to_agent[-1][2])


def security_logs(foreign):
    return [a for a in foreign.others if isinstance(a, events.Log) and a.tag == "security"]


# -- The foreign-home authentication (3.5.4, 3.7.2.2)


def test_a_request_is_signed_for_the_home_agent_but_a_goodbye_is_not():
    foreign = shared()
    foreign.ask(foreign.request())
    assert type(relayed(foreign).agent_authentication) is FOREIGN_HOME
    foreign.reply(sign=True)
    asked = foreign.request(lifetime_s=0)
    foreign.ask(asked, 2000)
    assert foreign.to_agent[-1] == (AGENT, 434, asked)  # as it came: nothing is added
    foreign.reply(now_ms=2000)  # and its reply needs none
    assert foreign.visitors() == [] and foreign.code() == 0


def test_a_request_with_a_care_of_address_of_the_nodes_own_is_not_signed():
    foreign = shared(registration_required=True, revocation=False)
    asked = foreign.request(mip.FLAG_D | mip.FLAG_T, care_of=OWN)
    foreign.ask(asked)
    assert foreign.to_agent == [(AGENT, 434, asked)]
    foreign.reply()
    assert foreign.code() == 0


def test_who_asks_for_all_to_revoke_them_refuses_a_care_of_address_of_the_nodes_own():
    """RFC 3543 4.3.1: it could not be revoked (4.3.2)."""
    asked = {"flags": mip.FLAG_D | mip.FLAG_T, "care_of": OWN}
    foreign = shared(registration_required=True)
    foreign.ask(foreign.request(**asked))
    assert foreign.code() == 65 and foreign.to_agent == []
    foreign.ask(foreign.request(lifetime_s=0, **asked), 2000)  # leaving is nobody's business
    assert len(foreign.to_agent) == 1
    foreign.ask(foreign.request(), 3000)  # nor is the agent's own care-of address, which can be revoked
    assert len(foreign.to_agent) == 2
    # The controls: without R, without revocation, and where there is none for want of an association.
    unsigned = Foreign(registration_required=True)
    for able in (shared(), shared(registration_required=True, revocation=False), unsigned):
        able.ask(able.request(**asked))
        assert len(able.to_agent) == 1


def test_a_false_authentication_of_a_goodbyes_reply_is_not_believed():
    foreign = shared()
    foreign.ask(foreign.request()).reply(sign=True)
    foreign.ask(foreign.request(lifetime_s=0), 2000).reply(now_ms=2000, sign=True, tamper="node_fa")
    assert foreign.visitors() == ["10.77.0.2"] and security_logs(foreign)
    foreign.reply(now_ms=2100, sign=True)  # the control
    assert foreign.visitors() == []


def test_a_reply_that_is_signed_twice_is_none():
    """3.7.3.1: discarded and logged; and if no other comes, the node is refused with 68."""
    foreign = shared()
    sent = len(foreign.to_node)
    foreign.ask(foreign.request())
    twice = [FOREIGN_HOME(AGENTS_SPI, bytes(32))]
    foreign.reply(after=twice, sign=True)  # and the second one is genuine
    assert foreign.counts["visitor_reply_false_authenticator"] == 1 and len(foreign.to_node) == sent
    assert security_logs(foreign) and foreign.visitors() == []
    foreign.reply(sign=True)
    assert foreign.code() == 0
    foreign = shared()
    foreign.ask(foreign.request()).reply(after=twice, sign=True)
    foreign.tell(events.Late(), PENDING_REPLY_MS)
    assert foreign.counts["visitor_denied_68"] == 1 and foreign.visitors() == []


def test_agents_and_nodes_may_share_hmac_md5_and_any_octets_of_a_key():
    """5.1: 128 bits and more, every value of an octet."""
    kept = dict(SECTIONS)
    try:
        for number in range(0, 256, 16):
            for name, spi in (("agents", AGENTS_SPI), ("node_fa", NODE_FOREIGN_SPI)):
                secret = bytes(range(number, number + 16))
                SECTIONS[name] = AssociationSection(name, spi, "hmac-md5", secret, "timestamps")
            foreign = Foreign(
                peers=(Peer("hq", AGENT, "agents"),),
                visitors=[VisitorSection("laptop", HOME, None, "node_fa")],
            )
            asked = foreign.request() + ext.pack_head_to_sign(ext.MOBILE_FOREIGN, NODE_FOREIGN_SPI, 16)
            foreign.ask(asked + foreign.keys.authenticate("node_fa", asked))
            received = relayed(foreign)
            proof = received.agent_authentication
            assert len(proof.authenticator) == 16
            assert foreign.keys.verify("agents", received.agent_protected, proof.authenticator)
    finally:
        SECTIONS.update(kept)


# -- Requests (3.7.2)


def test_a_request_is_heard_at_each_address_of_an_agent():
    for destination in (LINK, CARE_OF, discovery.MOBILE_AGENTS, discovery.BROADCAST):
        foreign = Foreign()
        foreign.ask(foreign.request(), destination=destination).reply()
        assert foreign.code() == 0
        source = foreign.node_got()[1].source
        # 3.7.2.3: from where it was sent to; if that was to all, from the interface's address
        assert source == (destination if destination in (LINK, CARE_OF) else LINK)


def test_it_is_relayed_from_the_care_of_address_to_port_434_of_the_home_agent():
    foreign = Foreign()
    foreign.ask(foreign.request())
    assert foreign.to_agent[-1][:2] == (AGENT, 434)
    uplink = foreign.held["uplink", FIRST]
    assert (uplink.address, uplink.device) == (CARE_OF, "wan0")


def test_udp_checksums_are_verified_where_there_are_any():
    for wrong in (False, True):
        foreign = Foreign()
        datagram = udp.Datagram(HOME, 5434, LINK, 434, 255, foreign.request())
        packet = bytearray(udp.pack_packet(datagram))
        assert packet[26:28] != b"\0\0"  # 3.1: what we send has one
        packet[27] ^= wrong
        foreign.tell(events.Frame(LAN, MAC, 0, bytes(packet)))
        assert len(foreign.to_agent) == (0 if wrong else 1), wrong
        if wrong:
            assert foreign.counts["visitor_malformed"] == 1
    packet[26:28] = b"\0\0"
    foreign.tell(events.Frame(LAN, MAC, 0, bytes(packet)))
    assert len(foreign.to_agent) == 1  # without one it is accepted


def test_whoever_asks_for_a_reverse_tunnel_is_a_neighbour_also_with_an_address_of_its_own_or_to_leave():
    """RFC 3024 4.2.1: 76; without T nobody is asked."""
    for changes in ({}, {"flags": mip.FLAG_T | mip.FLAG_D, "care_of": OWN}, {"lifetime_s": 0}):
        foreign = Foreign()
        foreign.ask(foreign.request(**changes), ttl=254)
        assert foreign.code() == 76 and foreign.to_agent == [], changes
        foreign.ask(foreign.request(**changes), 2000, ttl=255)
        assert len(foreign.to_agent) == 1
    foreign = Foreign()
    foreign.ask(foreign.request(flags=0), ttl=1)
    assert len(foreign.to_agent) == 1


def test_two_mobile_foreign_authentications_are_one_too_many():
    foreign = with_node_association()
    data = foreign.for_agent(foreign.for_agent(foreign.request()))
    foreign.ask(data)
    assert foreign.to_agent == [] and foreign.counts["visitor_malformed"] == 1
    foreign.ask(foreign.for_agent(foreign.request()))
    assert len(foreign.to_agent) == 1


def test_a_visit_stays_as_it_is_until_the_home_agent_says_otherwise():
    """3.7.2: neither a renewal nor a goodbye changes anything before its reply."""
    foreign = Foreign().visiting()
    before, left_s = dict(foreign.held), foreign.role.snapshot(1000)["visitors"]
    for number, changes in enumerate(({"flags": 0}, {"lifetime_s": 0}, {"flags": mip.FLAG_G})):
        at_ms = 1000 + 1000 * number
        foreign.ask(foreign.request(**changes), at_ms)
        assert foreign.held == before and foreign.role.snapshot(1000)["visitors"] == left_s
        foreign.reply(code=128, now_ms=at_ms)
        assert foreign.held == before and foreign.role.snapshot(1000)["visitors"] == left_s
    foreign.ask(foreign.request(lifetime_s=0), 9000).reply(now_ms=9000)
    assert foreign.visitors() == []


def test_a_request_waits_no_longer_than_its_own_lifetime():
    """3.7.2.2; and one with a longer one does not hide it."""
    foreign = Foreign()
    foreign.ask(foreign.request(lifetime_s=600))
    other = ipv4.parse_address("10.77.0.3")
    foreign.ask(foreign.request(lifetime_s=3, home=other), 0, OTHER_MAC, other)
    assert foreign.role.deadline() <= 3000
    foreign.tell(events.Late(), 2999)
    assert "visitor_denied_78" not in foreign.counts
    foreign.tell(events.Late(), 3000)
    assert foreign.counts["visitor_denied_78"] == 1 and foreign.role.snapshot(3000)["pending"] == 1
    foreign.tell(events.Late(), PENDING_REPLY_MS)
    assert foreign.role.snapshot(0)["pending"] == 0


def test_nothing_is_said_of_its_own_accord():
    """3.7: a visit that runs out is nobody's message, neither to the home agent nor to the node."""
    foreign = Foreign(lifetime_max_s=100)
    foreign.ask(foreign.request(lifetime_s=100)).reply()
    to_agent = len(foreign.to_agent)
    replies = len([m for m in foreign.to_node if ipv4.unpack(m[1]).protocol == ipv4.UDP])
    for at_ms in range(0, 200000, 500):
        foreign.tell(events.Late(), at_ms)
    assert foreign.counts["visitor_expired"] == 1 and len(foreign.to_agent) == to_agent
    assert len([m for m in foreign.to_node if ipv4.unpack(m[1]).protocol == ipv4.UDP]) == replies


# -- Replies (3.7.3)


def test_two_nodes_with_one_home_address_are_told_apart_by_their_names():
    foreign = Foreign()
    names = b"one@example.net", b"two@example.net"
    for name, mac in zip(names, (MAC, OTHER_MAC)):
        foreign.ask(foreign.request(extensions=[ext.Nai(name)]), mac=mac)
    replied = foreign.to_agent
    foreign.to_agent = replied[:1]  # a reply to the first of them, which names the second
    foreign.reply(nai=names[1])
    assert foreign.counts["visitor_reply_not_awaited"] == 1
    foreign.reply()
    assert foreign.node_got()[0] == MAC
    foreign.to_agent = replied
    foreign.reply()
    assert foreign.node_got()[0] == OTHER_MAC


def test_what_is_behind_the_nodes_authentication_is_taken_out_both_ways():
    """3.7.2.2, 3.7.3.2: processed and removed; what is before it stays octet for octet."""
    foreign = Foreign()
    before = ext.NormalVendor(9, 1, b"for the home agent")
    asked = foreign.request(extensions=[before])
    foreign.ask(asked + ext.pack_extension(ext.NormalVendor(9, 2, b"for the foreign agent")))
    assert foreign.to_agent == [(AGENT, 434, asked)]
    foreign.reply(after=[ext.NormalVendor(9, 3, b"for the foreign agent")])
    assert foreign.node_got()[1].data == foreign.signed_by_home_agent


def test_a_lifetime_of_zero_ends_the_visit_whatever_was_asked():
    foreign = Foreign().visiting()
    foreign.ask(foreign.request(), 2000).reply(lifetime_s=0, now_ms=2000)
    assert foreign.visitors() == []


def test_every_refusal_of_the_home_agent_ends_the_wait_and_nothing_else():
    foreign = Foreign().visiting()
    for number, code in enumerate((128, 129, 130, 131, 133, 136, 143, 144, 255)):
        at_ms = 2000 * (number + 1)
        foreign.ask(foreign.request(), at_ms)
        assert foreign.role.snapshot(0)["pending"] == 1
        foreign.reply(code=code, now_ms=at_ms)
        assert foreign.code() == code and foreign.role.snapshot(0)["pending"] == 0
        assert foreign.visitors() == ["10.77.0.2"]


# -- Tunnels in UDP (RFC 3519)


def keepalives(foreign):
    return [a for a in foreign.others if isinstance(a, events.SendInner)]


def in_udp(keepalive_s, **more):
    foreign = Foreign(udp_tunnelling="auto", interval_ms=1000000, **more)
    return foreign.ask(foreign.request()).reply(after=[ext.UdpTunnelReply(0, False, keepalive_s)])


def late(foreign, from_ms, to_ms):
    for at_ms in range(from_ms, to_ms, 500):
        foreign.tell(events.Late(), at_ms)
    return foreign


def test_a_tunnel_in_udp_is_kept_alive_as_often_as_the_home_agent_says():
    for keepalive_s, interval_ms in ((30, 30000), (0, 110000), (3, 10000)):
        foreign = late(in_udp(keepalive_s), 0, interval_ms)
        assert keepalives(foreign) == []
        late(foreign, interval_ms, 4 * interval_ms)
        assert len(keepalives(foreign)) == 3, keepalive_s
        [tunnel] = foreign.holds("tunnel").values()
        for number, action in enumerate(keepalives(foreign)):
            source, destination, echo = icmp.unpack_packet(action.data)
            assert action.path == tunnel.tunnel and (source, destination) == (HOME, AGENT)
            assert (echo.kind, echo.sequence) == (icmp.ECHO_REQUEST, number + 1)
    # The controls: a home agent that declines; a visit that is over.
    declined = Foreign(udp_tunnelling="auto", interval_ms=1000000)
    declined.ask(declined.request()).reply(after=[ext.UdpTunnelReply(64, False, 0)])
    assert keepalives(late(declined, 0, 300000)) == []
    gone = in_udp(30)
    gone.ask(gone.request(lifetime_s=0), 2000).reply(now_ms=2000)
    assert keepalives(late(gone, 2000, 300000)) == []


def test_visitors_share_the_keepalives_of_their_tunnel_over_a_restart():
    foreign = in_udp(30)
    other = ipv4.parse_address("10.77.0.3")
    foreign.ask(foreign.request(home=other), 1000, OTHER_MAC, other)
    foreign.reply(now_ms=1000, after=[ext.UdpTunnelReply(0, False, 30)])
    assert len(keepalives(late(foreign, 1000, 100000))) == 3
    again = Foreign(foreign.options, foreign.saved, 100000)
    assert len(again.visitors(100000)) == 2
    assert len(keepalives(late(again, 100000, 199000))) == 3


def test_a_nat_is_advertised_when_a_home_agent_has_seen_it_and_only_then():
    """RFC 3519 3.4: U is set behind a NAT, and must not be elsewhere."""

    def says_so(foreign, now_ms):
        foreign.tell(events.Late(), now_ms)
        foreign.solicit(now_ms)
        return bool(foreign.advertisements()[-1][1].agent.flags & discovery.AGENT_U)

    foreign = Foreign(udp_tunnelling="auto")
    assert not says_so(foreign, 0)
    for number, (answers, expected) in enumerate(
        (
            ([ext.UdpTunnelReply(0, False, 30)], True),
            ([ext.UdpTunnelReply(64, False, 0)], False),
            ([ext.UdpTunnelReply(0, False, 30)], True),
            ([], False),
        )
    ):
        at_ms = 2000 * (number + 1)
        foreign.ask(foreign.request(), at_ms).reply(now_ms=at_ms, after=answers)
        assert says_so(foreign, at_ms + 200) == expected, number
    assert says_so(Foreign(udp_tunnelling="force"), 0) and not says_so(Foreign(), 0)
    visited = in_udp(30)
    visited.tell(events.Late(), 2000)
    assert says_so(Foreign(visited.options, visited.saved, 3000), 3000)


def test_what_asks_for_udp_stands_behind_the_node_and_before_the_agents_authentication():
    foreign = shared(udp_tunnelling="auto", revocation=False)
    asked = foreign.request()
    foreign.ask(asked)
    data = foreign.to_agent[-1][2]
    wanted = ext.pack_extension(ext.UdpTunnelRequest(0, ext.ENCAPSULATION_ANY))
    assert data.startswith(asked + wanted) and data[len(asked + wanted)] == ext.FOREIGN_HOME


# -- Advertisements (2.1 to 2.3)


def test_they_go_to_all_systems_and_say_prefixes_only_if_all_agents_do():
    for said in (True, False):
        foreign = Foreign(prefix_lengths=said).tell(events.Late(), 0)
        packet = ipv4.unpack(foreign.to_node[-1][1])
        assert packet.destination == discovery.ALL_SYSTEMS and packet.source == LINK
        assert discovery.unpack(packet.payload).prefix_lengths == ((24,) if said else None)


def test_visitors_that_come_and_go_make_no_flood_of_advertisements():
    """2.3: each of them makes the last place taken or free, which is told at once, but not more often."""
    foreign = Foreign(max_visitors=1, interval_ms=60000).tell(events.Late(), 0)
    for at_ms in range(0, 3000, 20):
        lifetime_s = 0 if foreign.visitors() else 600
        foreign.ask(foreign.request(lifetime_s=lifetime_s), at_ms).reply(now_ms=at_ms)
        if foreign.role.deadline() <= at_ms:
            foreign.tell(events.Late(), at_ms)
    told = [m for mac, m in foreign.advertisements() if mac == b"\x01\x00\x5e\x00\x00\x01"]
    assert 10 < len(told) <= 1 + 3000 // ADVERTISEMENT_GAP_MIN_MS
    busy = [bool(message.agent.flags & discovery.AGENT_B) for message in told]
    assert True in busy and False in busy


def test_a_name_without_an_address_is_answered_to_everybody_at_its_own_link_layer_address():
    foreign = Foreign()
    named(foreign).reply(code=129, home=bytes(4))
    mac, datagram, _ = foreign.node_got()
    assert mac == MAC and datagram.destination == b"\xff\xff\xff\xff" and foreign.code() == 129


def test_strangers_replies_and_requests_of_an_agent_are_not_looked_at():
    foreign = Foreign()
    foreign.ask(foreign.request())
    foreign.from_agent(foreign.request(), source=AGENT)
    foreign.from_agent(foreign.request(), source=STRANGER)
    assert foreign.counts["agent_not_for_us"] == 2 and len(foreign.to_agent) == 1


if __name__ == "__main__":
    from runner import main

    main(globals())

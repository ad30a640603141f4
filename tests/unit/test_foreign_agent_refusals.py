"""Whom a foreign agent refuses, with which code, and whom it believes (RFC 5944 3.7.2, 3.7.3)."""

from careof.agent import events
from careof.limits import PENDING_REPLY_MS
from careof.wire import ipv4, mip
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from foreign import (
    AGENTS_SPI,
    CARE_OF,
    HOME,
    LAN,
    LINK,
    MAC,
    NODE_FOREIGN_SPI,
    OTHER_MAC,
    STRANGER,
    Foreign,
    named,
    shared,
    with_node_association,
)
from office import AGENT

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
        (75, {"reverse_tunnel": "private"}, 0, b""),
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


def test_who_has_a_private_home_address_needs_a_reverse_tunnel():
    """RFC 3024 A.4: the ranges of RFC 1918 to their first and last address, and nobody else."""
    for text, private in (
        ("9.255.255.255", False),
        ("10.0.0.1", True),
        ("10.255.255.254", True),
        ("11.0.0.1", False),
        ("172.15.255.254", False),
        ("172.16.0.1", True),
        ("172.31.255.254", True),
        ("172.32.0.1", False),
        ("192.167.255.254", False),
        ("192.168.0.1", True),
        ("192.168.255.254", True),
        ("192.169.0.1", False),
    ):
        home = ipv4.parse_address(text)
        foreign = Foreign(reverse_tunnel="private")
        foreign.ask(foreign.request(0, home=home), source=home)
        assert len(foreign.to_agent) == (0 if private else 1), text
        assert not private or foreign.code() == 75
        foreign.ask(foreign.request(mip.FLAG_T, home=home), 2000, source=home)
        assert len(foreign.to_agent) == (1 if private else 2), text


def test_a_private_home_address_that_the_home_agent_gave_needs_one_too():
    """Then the agent knows it only from the reply, and does not honour that (RFC 4636)."""
    for address, flags, status in ((HOME, 0, 75), (HOME, mip.FLAG_T, None), (b"\xc0\x00\x02\x09", 0, None)):
        foreign = Foreign(reverse_tunnel="private")
        named(foreign, flags=flags).reply(home=address)
        error = ext.find(foreign.node_got()[2].unprotected, ext.AgentError)
        assert (error and error.status) == status, (address, flags)
        assert len(foreign.visitors()) == (0 if status else 1)


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


if __name__ == "__main__":
    from runner import main

    main(globals())

"""What a mobile router counts and shows of its registrations and agents (RFC 2006, RFC 4917, RFC 4636)."""

import json
import struct

from careof.agent import events
from careof.wire import ipv4, mip
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from office import AGENT, HOME, WAN
from test_mobile_router import FIRST, Router
from test_router_visiting import B_MAC, CARE_OF, OTHER_CARE_OF, A, B, Node


def table(role, name, now_ms=0):
    rows, after = role.rows(name, -1, now_ms)
    assert after is None and json.loads(json.dumps(rows)) == rows
    return rows


def registrations(role, now_ms):
    """(the registration by wan, the last refusal or None)"""
    rows = table(role, "registrations", now_ms)
    refusals = [row for row in rows if "number" in row]
    [wan] = [row for row in rows if row.get("uplink") == "wan"]
    return wan, refusals[0] if refusals else None


def answer(router, code=0, lifetime_s=600, home=HOME, before=(), raw=b"", now_ms=20):
    """A reply by the contact; raw: octets of extensions before the authentication."""
    request = router.sent[-1][1].message
    reply = mip.RegistrationReply(code, lifetime_s, home, AGENT, request.identification, list(before))
    data = mip.pack(reply) + raw + ext.pack_head_to_sign(ext.MOBILE_HOME, 256, 16)
    data += router.keys.authenticate("branch-wan", data)
    return router.tell(events.Datagram(FIRST, AGENT, 434, WAN, 64, data), now_ms)


def test_a_registration_shows_its_request_and_its_reply():
    router = Router().link()
    row, _ = registrations(router.role, 5)
    assert (row["uplink"], row["state"], row["to"], row["sent_ago_ms"]) == (
        "wan",
        "pending",
        "198.51.100.10",
        5,
    )
    assert row["care_of"] == ipv4.address_text(WAN) and row["accepted"] is False
    answer(router)
    row, _ = registrations(router.role, 1020)
    assert (row["state"], row["code"], row["means"]) == ("registered", 0, "registration accepted")
    assert (row["lifetime_left_s"], row["ago_ms"], row["accepted"]) == (598, 1000, True)
    [request] = table(router.role, "requests", 1020)
    assert request["co_located"] and request["lifetime_s"] == 600 and request["remaining_s"] == 598
    assert request["identification"] == router.sent[-1][1].message.identification


def test_a_refusal_says_why_and_what_the_home_agent_says_of_it():
    router = Router().link()
    words = ext.MessageString(ext.MESSAGE_FROM_HOME_AGENT, b"pay your\x1b[31m bill\xff")
    answer(router, 129, 0, before=[words])
    row, refusal = registrations(router.role, 30)
    assert (row["state"], row["code"], refusal["code"]) == ("refused", 129, 129)
    assert row["means"] == refusal["means"] == "administratively prohibited"
    assert row["message"] == refusal["message"] == "pay your?[31m bill?"
    assert refusal["change"] and refusal["ago_ms"] == 10
    snapshot = router.role.snapshot(30)
    assert snapshot["last_refusal"][0]["message"] == row["message"]


def test_what_the_home_agent_says_when_it_accepts_is_shown_too():
    router = Router().link()
    answer(router, before=[ext.MessageString(ext.MESSAGE_FROM_HOME_AGENT, b"welcome")])
    assert table(router.role, "registrations", 30)[0]["message"] == "welcome"
    answer(Router().link())


def test_requests_and_replies_are_counted_as_the_mib_wants_them():
    router = Router().link()
    answer(router, raw=bytes((200, 2, 1, 1)))  # an extension that nobody knows
    assert router.counts["request_sent"] == 1 and router.counts["reply_received"] == 1
    assert router.counts["reply_unknown_extension"] == 1
    router.tell(events.Command("stop", []), 2000)
    answer(router, 0, 0, now_ms=2020)
    assert router.counts["deregistration_sent"] == 1 and router.counts["reply_received_deregistered"] == 1
    router = Router().link()
    answer(router, home=bytes((10, 77, 0, 9)))
    assert router.counts == {"request_sent": 1, "reply_for_another": 1}


def test_a_false_reply_is_a_violation_of_its_source():
    router = Router().link().reply(key="branch-lte")
    [row] = table(router.role, "violations", 100)
    assert (row["address"], row["count"], row["spi"]) == ("198.51.100.10", 1, 256)
    _, newest = registrations(router.role, 100)
    assert newest["name"] == "reply_false_authenticator" and "forges" in newest["change"]
    assert router.role.facts(0)["violations"] == 1


def test_agents_that_are_heard_and_the_last_advertisement():
    node = Node().up()
    assert "adv_source" not in node.role.facts(0)
    node.hears().hears(B, B_MAC, 500, care_of=OTHER_CARE_OF)  # eager: it moves at once
    configured, a, b = table(node.role, "agents", 1000)
    assert (configured["what"], configured["how"]) == ("home agent", "configured")
    assert (a["agent"], a["what"], a["how"]) == ("10.9.1.1", "foreign agent", "heard")
    assert (b["care_of"], b["expires_in_ms"], b["how"]) == (["192.0.2.8"], 2500, "heard, and used")
    facts = node.role.facts(1000)
    assert (facts["adv_source"], facts["adv_sequence"], facts["adv_ago_ms"]) == ("10.9.2.1", 2, 500)
    assert facts["adv_flags"] == discovery.AGENT_F and facts["adv_max_registration_s"] == 300
    assert node.counts["advertisement_heard"] == 2
    changed = [a.table for a in node.order if isinstance(a, events.Changed)]
    assert changed.count("agents") == 4  # each was new, and then attached to


def test_by_a_foreign_agent_a_request_goes_to_it():
    node = Node().up().hears()
    [request] = table(node.role, "requests", 0)
    assert (request["to"], request["care_of"], request["co_located"]) == ("10.9.1.1", "192.0.2.7", False)
    assert node.role.facts(0)["state"] == "pending"
    node.reply()
    assert node.role.facts(20)["state"] == "registered"
    assert node.counts["reply_received"] == 1 and node.counts["reply_0"] == 1


def test_a_foreign_agents_refusal_shows_its_words():
    node = Node().up().hears()
    node.reply(66, 0, signed=False, extra=[ext.MessageString(ext.MESSAGE_FROM_FOREIGN_AGENT, b"full house")])
    row, refusal = registrations(node.role, 50)
    assert (row["code"], refusal["code"], refusal["source"]) == (66, 66, "10.9.1.1")
    assert row["message"] == refusal["message"] == "full house"
    assert row["means"] == "insufficient resources"


def test_an_error_that_the_agent_adds_to_a_reply_is_shown():
    """RFC 4636: the home agent accepted, and the foreign agent does not honour it."""
    node = Node().up().hears()
    node.reply(extra=[ext.AgentError(72)])
    row, refusal = registrations(node.role, 50)
    assert (row["code"], refusal["code"]) == (72, 72)
    assert "encapsulation" in refusal["means"] and node.counts["denied_by_agent_72"] == 1


def test_an_agent_that_began_anew_is_counted():
    node = Node().up().hears(sequence=700).reply().hears(now_ms=1000, sequence=3)
    assert node.counts["agent_restarted"] == 1


def test_extensions_of_advertisements_are_counted():
    node = Node().up()
    agent = discovery.Agent(1, 300, discovery.AGENT_F, (CARE_OF,))
    good = discovery.pack(discovery.Advertisement(0, 3, [(A, 0)], agent, None, None))

    def said(more):
        data = good + more
        data = data[:2] + bytes(2) + data[4:]
        data = data[:2] + struct.pack(">H", ipv4.checksum(data)) + data[4:]
        node.frame(ipv4.pack(ipv4.Packet(A, discovery.ALL_SYSTEMS, ipv4.ICMP, 1, 0, 0, False, data)))

    said(b"")
    assert "advertisement_unknown_extension" not in node.counts
    said(bytes((200, 2, 0, 0)))
    assert node.counts["advertisement_unknown_extension"] == 1
    said(bytes((100, 2, 0, 0)))  # unknown, and not to be skipped
    assert node.counts["advertisement_malformed"] == 1 and node.counts["advertisement_heard"] == 2


def test_moves_are_counted_by_where_from_and_where_to():
    node = Node().up().hears().reply()
    assert not [name for name in node.counts if name.startswith("moved_")]  # the first one is no move
    node.hears(B, B_MAC, 1000, care_of=OTHER_CARE_OF)
    while node.last()[0] != B_MAC:
        node.late(node.role.deadline())
    node.reply(source=B, mac=B_MAC, now_ms=3000)
    assert node.counts["moved_foreign_to_foreign"] == 1
    node.late(node.role.deadline())
    assert node.counts["moved_foreign_to_foreign"] == 1


if __name__ == "__main__":
    from runner import main

    main(globals())

"""What roles show of themselves: pages of tables, counts of nodes, refusals with their why."""

import json

from careof.agent import events
from careof.agent.home_agent.nodes import Served
from careof.agent.refusals import BAD_AUTHENTICATOR, BAD_IDENTIFIER, NO_ASSOCIATION, Refusals
from careof.answers import together
from careof.limits import PAGE_ROWS, REFUSALS_KEPT, VIOLATORS_KEPT
from careof.wire import ipv4, mip
from foreign import CARE_OF, OTHER_MAC, Foreign
from office import AGENT, HOME, Node, agent_options
from test_home_agent import FORGER, Agent

PEER = bytes((192, 0, 2, 9))


def test_of_several_roles_the_one_that_did_it_answers():
    """A home agent and a foreign agent in one careofd: a visitor is revoked, whoever is asked first."""
    home, foreign = Agent().started(), Foreign().visiting()

    def say(address):
        said = []
        for world in (home, foreign):
            world.tell(events.Command("revoke", [address]), 1000)
            said += [action.value for action in world.others if isinstance(action, events.Answer)][-1:]
        return said

    said = say("10.77.0.2")
    assert len(said) == 2 and "error" in said[0]  # the control: the first word is not the last
    assert together(said) == {"answer": said[1]} and foreign.visitors() == []
    why = together(say("10.77.0.2"))["error"]
    assert "has no binding here" in why and "is no visitor here" in why
    assert together([{"error": "so"}, {"error": "so"}]) == {"error": "so"}


def changes(role):
    """(table, key) of the Changed that a test's world has seen."""
    return [(a.table, a.key) for a in role.others if isinstance(a, events.Changed)]


def all_rows(role, table, now_ms=0):
    """The whole table, page by page; and how many pages."""
    rows, after, pages = [], -1, 0
    while after is not None:
        more, after = role.rows(table, after, now_ms)
        assert json.loads(json.dumps(more)) == more
        rows += more
        pages += 1
    return rows, pages


# -- Refusals


def test_the_last_refusals_are_kept_and_no_more():
    refusals = Refusals()
    for number in range(3 * REFUSALS_KEPT):
        refusals.note(number, "request_unknown_node", "10.0.0.%d" % (number % 250), PEER)
    rows = refusals.rows(1000)
    assert len(rows) == REFUSALS_KEPT
    assert rows[0]["number"] == 3 * REFUSALS_KEPT and rows[0]["ago_ms"] == 1000 - (3 * REFUSALS_KEPT - 1)
    assert rows[0]["code"] is None and "mobile_node" in rows[0]["change"]
    assert refusals.last_row(1000) == rows[:1]


def test_a_violator_is_remembered_by_his_address_and_the_silent_one_is_forgotten():
    refusals = Refusals()
    refusals.note(1, "request_false_authenticator", "n", PEER, 131, 256, 7 << 32 | 9)
    refusals.note(2, "request_unknown_node", "n", PEER, None, 256, 5)
    [row] = refusals.violation_rows(10)
    assert (row["count"], row["reason"], row["spi"], row["ago_ms"]) == (2, NO_ASSOCIATION, 0, 8)
    refusals.note(3, "request_stale", "n", PEER, 133, 300, 5)
    [row] = refusals.violation_rows(10)
    assert (row["reason"], row["spi"], row["identification"]) == (BAD_IDENTIFIER, 300, 5)
    for number in range(VIOLATORS_KEPT):
        refusals.note(4, "request_stale", "n", bytes((10, 0, number >> 8, number & 255)), 133)
    rows = refusals.violation_rows(10)
    assert len(rows) == VIOLATORS_KEPT and "192.0.2.9" not in [row["address"] for row in rows]
    assert refusals.violations == 3 + VIOLATORS_KEPT


def test_what_is_no_violation_is_none():
    refusals = Refusals()
    refusals.note(1, "reply_130", "n", PEER, 130)
    assert refusals.violations == 0 and refusals.violation_rows(2) == [] and len(refusals.rows(2)) == 1


# -- Home agent


def test_a_refusal_by_the_home_agent_says_why():
    agent = Agent().started()
    agent.datagram(agent.request(home=bytes((10, 77, 0, 3))), FORGER)
    data = agent.request()
    agent.datagram(data[:-1] + bytes((data[-1] ^ 1,)), FORGER)
    newest, older = agent.role.rows("registrations", -1, 0)[0]
    assert (newest["name"], newest["code"], newest["source"]) == (
        "request_false_authenticator",
        131,
        "192.0.2.66",
    )
    assert newest["means"] == "mobile node failed authentication" and "key" in newest["change"]
    assert (older["name"], older["code"]) == ("request_unknown_node", None)
    [violator] = agent.role.rows("violations", -1, 0)[0]
    assert (violator["count"], violator["reason"], violator["spi"]) == (2, BAD_AUTHENTICATOR, 256)
    assert changes(agent) == [("registrations", None)] * 2
    assert agent.counts["reply_131"] == 1
    texts = [action.text for action in agent.others if isinstance(action, events.Log)]
    assert "add a mobile_node" in texts[-2] and "code 131" in texts[-1] and "compare SPI" in texts[-1]


def test_requests_and_replies_are_counted_by_what_they_ask():
    agent = Agent().started()
    agent.datagram(agent.request())
    agent.datagram(agent.request(lifetime_s=0))
    assert (agent.counts["reply_0"], agent.counts["request_deregister"]) == (2, 1)
    assert agent.counts["reply_deregister"] == 1


def test_a_binding_shows_how_it_was_asked_for_and_a_change_is_told():
    agent = Agent().started()
    agent.datagram(agent.request())
    [row] = agent.role.rows("bindings", -1, 1000)[0]
    assert (row["lifetime_s"], row["lifetime_left_s"], row["source"]) == (600, 599, "203.0.113.2")
    assert row["flags"] == mip.FLAG_D | mip.FLAG_T and row["identification"] & 0xFFFFFFFF == 1
    assert changes(agent) == [("bindings", HOME)]
    agent.datagram(agent.request(), now_ms=2000)  # a renewal is no change
    assert changes(agent) == [("bindings", HOME)]
    assert agent.role.rows_about("bindings", HOME, 2000)[0]["care_of"] == "203.0.113.2"
    agent.datagram(agent.request(lifetime_s=0), now_ms=3000)
    assert agent.role.rows_about("bindings", HOME, 3000) == [{"home_address": "10.77.0.2", "gone": True}]
    assert changes(agent) == [("bindings", HOME)] * 2


def test_a_binding_that_expires_is_a_change():
    agent = Agent().started()
    agent.datagram(agent.request(lifetime_s=10))
    agent.tell(events.Late(), 10000)
    assert changes(agent) == [("bindings", HOME)] * 2


def test_how_a_binding_was_asked_for_survives_a_restart():
    agent = Agent().started()
    agent.datagram(agent.request())
    agent.tell(events.Command("stop", []))
    again = Agent()
    for name, value in agent.saved.items():
        again.tell(events.Restored(name, json.loads(json.dumps(value))))
    again.started()
    assert again.role.rows("bindings", -1, 0) == agent.role.rows("bindings", -1, 0)


def test_served_counts_of_one_node():
    served = Served()
    served.granted(5)
    served.refused(131, 6)
    served.is_bound(True, 1000)
    assert served.service_s(4000) == 3
    served.is_bound(True, 5000)
    served.is_bound(False, 6000)
    served.is_bound(False, 7000)
    assert served.service_s(9000) == 5
    assert (served.accepted, served.accepted_ms, served.denied, served.denied_code) == (1, 5, 1, 131)


def test_counts_of_a_node_are_its_own():
    agent = Agent().started()
    agent.datagram(agent.request(), now_ms=1000)
    data = agent.request()
    agent.datagram(data[:-1] + bytes((data[-1] ^ 1,)), FORGER, now_ms=3000)
    [row] = agent.role.rows("nodes", -1, 5000)[0]
    assert (row["accepted"], row["denied"], row["denied_code"], row["service_s"]) == (1, 1, 131, 4)
    assert (row["accepted_ago_ms"], row["denied_ago_ms"]) == (4000, 2000)


def many_nodes(count):
    options = agent_options()
    name = sorted(options.associations)[0]
    sections = [Node("n%d" % n, bytes((10, 88, n >> 8, n & 255)), (), (name,)) for n in range(count)]
    sections.reverse()
    return events.AgentOptions(options.agent, sections, *options[2:])


def test_a_large_table_comes_in_pages_in_the_order_of_addresses():
    agent = Agent(many_nodes(200)).started()
    rows, pages = all_rows(agent.role, "nodes")
    assert [row["home_address"] for row in rows] == ["10.88.0.%d" % n for n in range(200)]
    assert pages == 200 // PAGE_ROWS + 1
    assert all_rows(agent.role, "bindings") == ([], 1)
    rows, after = agent.role.rows("nodes", int.from_bytes(bytes((10, 88, 0, 197)), "big"), 0)
    assert [row["node"] for row in rows] == ["n198", "n199"] and after is None


def test_a_page_of_nodes_without_bindings_ends_too():
    from careof.agent.home_agent import view as home_view

    scanned, home_view.PAGE_SCANNED = home_view.PAGE_SCANNED, 16
    try:
        agent = Agent(many_nodes(100)).started()
        assert all_rows(agent.role, "bindings") == ([], 7)
    finally:
        home_view.PAGE_SCANNED = scanned


def test_facts_and_tables_are_plain_values():
    agent = Agent().started()
    facts = agent.role.facts(0)
    assert json.loads(json.dumps(facts)) == facts and facts["nodes"] == 1
    assert [row["peer"] for row in agent.role.rows("associations", -1, 0)[0]] == ["10.77.0.2"] * 3
    assert agent.role.rows("no_such_table", -1, 0) == ([], None)


# -- Foreign agent


def test_visitors_in_pages_and_what_changes():
    foreign = Foreign()
    assert foreign.role.rows("visitors", -1, 0) == ([], None)
    foreign.visiting()
    [row] = foreign.role.rows("visitors", -1, 1000)[0]
    assert (row["source"], row["flags"], row["lifetime_s"]) == ("10.77.0.2", mip.FLAG_T, 600)
    assert foreign.changed["visitors", HOME_OF_NODE] == foreign.changed["registrations", HOME_OF_NODE] == 1
    assert foreign.changed["agents", "lan0"] == 2  # a care-of address came, and the link
    assert foreign.role.rows_about("agents", "lan0", 0)[0]["agent"] == "10.9.0.1"
    assert foreign.role.rows_about("visitors", HOME_OF_NODE, 0)[0]["care_of"] == "192.0.2.7"
    number = int.from_bytes(HOME_OF_NODE, "big")
    assert foreign.role.rows("visitors", number, 0) == ([], None)
    assert len(foreign.role.rows("visitors", number - 1, 0)[0]) == 1


HOME_OF_NODE = ipv4.parse_address("10.77.0.2")


def test_a_pending_request_and_a_refusal_are_registrations():
    foreign = Foreign()
    foreign.ask(foreign.request())
    foreign.ask(foreign.request(care_of=PEER, home=bytes((10, 77, 0, 9))), mac=OTHER_MAC)
    pending, refused = foreign.role.rows("registrations", -1, 500)[0]
    assert (pending["state"], pending["home_agent"], pending["care_of"]) == (
        "pending",
        "198.51.100.10",
        "192.0.2.7",
    )
    assert (refused["state"], refused["code"], refused["means"]) == ("refused", 77, "invalid care-of address")
    assert foreign.counts["visitor_request"] == 2
    facts = foreign.role.facts(0)
    assert (facts["pending"], facts["busy"], facts["address"]) == (1, False, "192.0.2.7")


def test_a_reply_from_a_home_agent_that_is_not_served_is_noted():
    foreign = Foreign()
    reply = mip.pack(mip.RegistrationReply(0, 600, HOME_OF_NODE, PEER, 1, []))
    foreign.tell(events.Datagram(1, PEER, 434, CARE_OF, 64, reply))
    [row] = foreign.role.rows("registrations", -1, 0)[0]
    assert row["name"] == "agent_unknown_peer" and "agent_peer" in row["change"]


def test_links_and_agents_of_a_foreign_agent():
    foreign = Foreign()
    [link] = foreign.role.rows("links", -1, 0)[0]
    assert (link["address"], link["interval_ms"], link["lifetime_max_s"]) == ("10.9.0.1", 1000, 1800)
    advertised, peer = foreign.role.rows("agents", -1, 0)[0]
    assert (advertised["how"], advertised["care_of"]) == ("advertised here", ["192.0.2.7"])
    assert (peer["agent"], peer["what"]) == (ipv4.address_text(AGENT), "home agent")
    assert foreign.role.rows("care_of", -1, 0)[0] == [{"care_of": "192.0.2.7"}]
    foreign.tell(events.Link("lan0", False, None, 0, None), 1000)
    assert foreign.role.rows("agents", -1, 0)[0][0]["how"].startswith("not advertised")


if __name__ == "__main__":
    from runner import main

    main(globals())

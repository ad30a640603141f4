"""A home agent and nodes that it knows by name: RFC 2794, 4433, 4332, 4917, 5177."""

from careof.agent import events
from careof.proto.pool import Pool
from careof.wire import ipv4, mip, tunneld
from careof.wire import mip_extensions as ext
from office import AGENT, HOME, LAN, Node, agent_options
from test_home_agent import OUTSIDE, Agent

POOL = ipv4.parse_prefix("10.80.0.0/29")  # six addresses
NOWHERE, ANY, HOME_DOMAIN = bytes(4), bytes(4), b"\xff\xff\xff\xff"
ELSEWHERE = ipv4.parse_address("198.51.100.99")
KEYS = ("branch-wan",)


def nai(number):
    return "router%d@example.net" % number


class Home(Agent):
    """With nodes that have no home address of their own: router0@example.net and so on."""

    def __init__(self, nodes=2, pool=(POOL,), more=(), saved=None, changes=None):
        kept = agent_options(address_pool=pool, **(changes or {}))
        sections = [Node("n%d" % n, None, (), KEYS, nai=nai(n)) for n in range(nodes)]
        super().__init__(type(kept)(kept.agent, sections + list(more), [], kept.associations, {}, None))
        for name, value in (saved or {}).items():
            self.tell(events.Restored(name, value))
        self.started()

    def ask(self, number=0, home=NOWHERE, now_ms=0, extensions=(), **more):
        """A request of router N; the reply."""
        extensions = [ext.Nai(nai(number).encode())] + list(extensions)
        care_of = more.pop("care_of", bytes((203, 0, 113, 100 + number)))
        data = self.request(home=home, extensions=extensions, care_of=care_of, **more)
        return self.datagram(data, care_of, now_ms=now_ms).sent[-1][2]

    def given(self, number=0, **more):
        """The home address that router N is granted, or the code that refuses it."""
        reply = self.ask(number, **more)
        return ipv4.address_text(reply.home_address) if reply.code == 0 else reply.code

    def kept(self):
        """What a restart would find."""
        while self.role.deadline() is not None and self.role.deadline() < 60000:
            self.tell(events.Late(), self.role.deadline())
        return self.saved

    def options_with(self, pool, nodes):
        kept = self.options
        agent = agent_options(address_pool=pool).agent
        return type(kept)(agent, kept.nodes[:nodes], [], kept.associations, {}, None)


# -- The pool


def test_a_pool_is_counted_through_without_the_ends_of_its_subnets():
    pool = Pool([POOL, ipv4.parse_prefix("10.81.0.0/31"), ipv4.parse_prefix("10.82.0.9/32")])
    texts = [ipv4.address_text(pool.at(index)) for index in range(pool.size)]
    assert texts == ["10.80.0.%d" % n for n in range(1, 7)] + ["10.81.0.0", "10.81.0.1", "10.82.0.9"]
    assert sorted(pool.search(b"anyone", 99)) == sorted([pool.at(index) for index in range(pool.size)])
    assert not pool.has(ipv4.parse_address("10.80.0.0")) and not pool.has(ipv4.parse_address("10.80.0.7"))
    assert pool.has(ipv4.parse_address("10.82.0.9"))
    assert len(list(pool.search(b"anyone", 3))) == 3
    assert Pool([]).size == 0 and list(Pool([]).search(b"anyone", 99)) == []


# -- A home address for a name


def test_a_node_that_says_its_name_gets_an_address_and_its_tunnel():
    home = Home()
    reply = home.ask()
    assert reply.code == 0 and POOL[0] < reply.home_address and ipv4.covers(POOL, reply.home_address)
    assert ext.find(reply.extensions, ext.Nai) == ext.Nai(nai(0).encode())  # RFC 2794 3
    assert reply.home_agent == AGENT
    assert set(home.routes()) == {(reply.home_address, 32)}
    assert home.held["deliver", POOL[0], POOL[1]] == tunneld.SetDeliver(POOL[0], POOL[1])


def test_the_same_node_has_the_same_address_while_its_binding_lasts_and_after_it():
    home = Home()
    first, other = home.given(0), home.given(1)
    assert first != other
    assert [home.given(0), home.given(1)] == [first, other]
    assert home.given(0, home=ipv4.parse_address(first)) == first  # as it is renewed
    home.tell(events.Late(), 700000)
    assert home.role.bindings.count == 0 and home.routes() == {}
    home.tell(events.WallClock(1790000000000 - 700000), 700000)
    assert [home.given(1, now_ms=700000), home.given(0, now_ms=700000)] == [other, first]


def test_two_of_one_hash_get_two_addresses_and_an_agent_without_memory_gives_the_same_ones():
    given = [Home(nodes=6).given(number) for number in range(6)]
    assert len(set(given)) < 6  # the control: some share their first choice
    home = Home(nodes=6)
    assert len(set([home.given(number) for number in range(6)])) == 6
    assert Home(nodes=6).given(3) == given[3]


def test_leases_and_bindings_survive_a_restart():
    home = Home()
    first, other = home.given(0), home.given(1)
    home.ask(1, home=ipv4.parse_address(other), lifetime_s=0)
    again = Home(saved=home.kept())
    assert set(again.routes()) == {(ipv4.parse_address(first), 32)}
    assert again.role.leases.count == 2
    again._serial = 100
    assert [again.given(1), again.given(0)] == [other, first]


def test_what_was_kept_and_is_not_of_the_pool_any_more_is_left_out():
    home = Home()
    home.given(0)
    other_pool = ipv4.parse_prefix("10.90.0.0/29")
    again = Home(saved=home.kept(), pool=(other_pool,))
    assert again.routes() == {} and again.role.leases.count == 0 and again.role.bindings.count == 0
    again._serial = 100
    assert again.given(0).startswith("10.90.0.")


def test_an_exhausted_pool_refuses_with_130_and_takes_the_longest_idle_lease():
    home = Home(nodes=8)
    given = [home.given(number) for number in range(6)]
    assert home.given(6) == 130 and home.role.leases.count == 6
    home.ask(4, home=ipv4.parse_address(given[4]), lifetime_s=0)
    home.ask(2, home=ipv4.parse_address(given[2]), lifetime_s=0)
    assert home.given(6) == given[4] and home.given(7) == given[2]
    assert home.given(4) == 130 and home.counts["lease_reclaimed"] == 2
    assert home.given(0) == given[0]
    assert set(home.routes()) == set([(ipv4.parse_address(text), 32) for text in given])
    saved = home.kept()
    again = Home(nodes=8, saved=saved)
    assert again.role.leases.count == 6 and again.role.bindings.count == 6  # whoever had it last has it


def test_an_address_that_is_asked_for_is_a_wish():
    wished = ipv4.parse_address("10.80.0.5")
    assert Home().given(0, home=wished) == "10.80.0.5"
    home = Home()
    first = home.given(0)
    assert home.given(1, home=ipv4.parse_address(first)) == 129  # somebody has it
    for wrong in ("10.80.0.0", "10.80.0.7", "10.99.0.1", "198.51.100.10"):
        assert home.given(1, home=ipv4.parse_address(wrong)) == 129, wrong
    assert home.given(1) != first
    assert home.given(0, home=wished) == 129 and home.given(0) == first  # not while its binding lasts


def test_a_name_and_an_address_of_its_own():
    more = (Node("branch", HOME, (), KEYS, nai="branch@example.net"),)
    home = Home(more=more)
    named = [ext.Nai(b"branch@example.net")]
    for address in (HOME, NOWHERE):
        home.datagram(home.request(home=address, extensions=named))
        assert home.code() == 0 and home.sent[-1][2].home_address == HOME
    home.datagram(home.request(home=HOME))  # without its name
    assert home.code() == 0
    home.datagram(home.request(home=ipv4.parse_address("10.80.0.3"), extensions=named))
    assert home.code() == 129
    sent = len(home.sent)
    home.datagram(home.request(home=HOME, extensions=[ext.Nai(b"thief@example.net")]))
    home.datagram(home.request(home=NOWHERE, extensions=[ext.Nai(b"nobody@example.net")]))
    home.datagram(home.request(home=NOWHERE))
    assert len(home.sent) == sent and home.counts["request_unknown_node"] == 3


def test_a_static_address_and_the_agents_own_are_never_leased():
    pool = ipv4.parse_prefix("198.51.100.8/30")  # .9 and .10, which is the agent's
    more = (Node("fixed", ipv4.parse_address("198.51.100.9"), (), KEYS),)
    assert Home(pool=(pool,), more=more).given(0) == 130
    assert Home(pool=(pool,)).given(0) == "198.51.100.9"  # the control


def test_who_only_claims_a_name_takes_no_address():
    home = Home(nodes=8)
    for number in range(7):
        data = home.request(home=NOWHERE, extensions=[ext.Nai(nai(number).encode())])
        home.datagram(data[:-1] + bytes((data[-1] ^ 1,)))
        assert home.code() == 131
    assert home.role.leases.count == 0
    assert home.given(7) != 130  # the control


def test_a_goodbye_needs_no_address():
    home = Home()
    assert home.ask(0, lifetime_s=0).code == 0 and home.role.leases.count == 0
    first = home.given(0)
    address = ipv4.parse_address(first)
    assert home.ask(0, home=address, care_of=address, lifetime_s=0).code == 0
    assert home.role.bindings.count == 0 and home.routes() == {} and home.given(0) == first


def test_another_configuration_keeps_the_leases_that_it_has_room_for():
    home = Home()
    first, other = home.given(0), home.given(1)
    home.tell(events.Reconfigured(home.options_with((POOL,), 1)), 1000)
    assert set(home.routes()) == {(ipv4.parse_address(first), 32)} and home.role.leases.count == 1
    home.tell(events.Reconfigured(home.options_with((POOL,), 2)), 2000)
    assert home.given(1) == other and home.given(0) == first
    home.tell(events.Reconfigured(home.options_with((ipv4.parse_prefix("10.90.0.0/29"),), 2)), 3000)
    assert home.routes() == {} and home.role.bindings.count == 0 and home.role.leases.count == 0
    assert ("deliver", POOL[0], POOL[1]) not in home.held
    assert home.given(0).startswith("10.90.0.")


def test_a_binding_is_revoked_by_name():
    home = Home()
    home.given(0)
    home.tell(events.Command("revoke", [nai(0)]), 1000)
    assert home.routes() == {}
    home.tell(events.Command("revoke", ["nobody@example.net"]), 1000)
    answers = [action.value for action in home.others if isinstance(action, events.Answer)]
    assert "revoked" in answers[0] and "error" in answers[1]


def test_status_shows_names_and_how_full_the_pool_is():
    home = Home()
    first = home.given(0)
    shown = home.role.snapshot(0)
    assert shown["addresses"] == "1 of 6 leased"
    assert [(row["home_address"], row["nai"]) for row in shown["bound"]] == [(first, nai(0))]


def test_leased_addresses_on_a_real_home_link():
    """Stood in for by ARP while their nodes are away, and the link's own while they are at home."""
    home = Home(changes={"home_device": "home0"})
    home.tell(events.Link("home0", True, ipv4.parse_address("10.80.0.1"), 29, None))
    home.tell(events.LinkUp(1, b"\x02\0\0\0\0\x01"))
    assert ("deliver", POOL[0], POOL[1]) not in home.held
    given = ipv4.parse_address(home.given(0))
    assert given != ipv4.parse_address("10.80.0.1")  # the agent's own, there
    assert home.held["proxy", given] == tunneld.SetProxy("home0", given)
    assert home.held["deliver", given, 32] == tunneld.SetDeliver(given, 32)
    home.ask(0, home=given, care_of=given, lifetime_s=0)
    assert ("proxy", given) not in home.held and ("deliver", given, 32) not in home.held
    elsewhere = Home(changes={"home_device": "home0"})
    elsewhere.tell(events.Link("home0", True, ipv4.parse_address("10.66.0.1"), 24, None))
    given = ipv4.parse_address(elsewhere.given(0))
    assert ("proxy", given) not in elsewhere.held and ("deliver", given, 32) in elsewhere.held
    elsewhere.tell(events.Late(), 700000)
    assert ("deliver", given, 32) not in elsewhere.held


# -- The home agent that is found on the way (RFC 4433)


def test_a_request_for_any_home_agent_is_served_and_the_reply_names_us():
    for agent in (ANY, HOME_DOMAIN):
        reply = Home().ask(0, agent=agent)
        assert reply.code == 0 and reply.home_agent == AGENT
    other = Home().ask(0, agent=ELSEWHERE)
    assert other.code == 136 and other.home_agent == AGENT


def test_a_requested_home_agent_that_we_are_not_is_refused_with_136():
    home = Home()
    ours, theirs = [ext.DynamicHomeAgent(ext.HA_REQUESTED, address) for address in (AGENT, ELSEWHERE)]
    assert home.ask(0, agent=ANY, extensions=[theirs]).code == 136
    assert home.ask(0, agent=AGENT, extensions=[theirs]).code == 136
    assert home.ask(0, agent=ANY, extensions=[ours]).code == 0


def test_who_leaves_the_choice_to_us_may_be_sent_elsewhere():
    home = Home(changes={"redirect": ELSEWHERE})
    reply = home.ask(0, agent=ANY)
    assert reply.code == 143 and reply.home_agent == AGENT and home.role.leases.count == 0
    expected = ext.DynamicHomeAgent(ext.HA_REDIRECTED, ELSEWHERE)
    assert ext.find(reply.extensions, ext.DynamicHomeAgent) == expected
    assert home.ask(0, agent=AGENT).code == 0  # who asks for us is served,
    assert home.ask(0, agent=ANY, lifetime_s=0).code == 0  # and so is who leaves
    own = Home(nodes=0, more=(Node("n0", None, (), KEYS, nai=nai(0), redirect=ELSEWHERE),))
    assert own.ask(0, agent=HOME_DOMAIN).code == 143
    assert Home(nodes=0, more=(Node("n0", None, (), KEYS, nai=nai(0), redirect=AGENT),)).ask().code == 0


def test_a_forged_request_is_redirected_nowhere():
    home = Home(changes={"redirect": ELSEWHERE, "message_refused": "no"})
    data = home.request(home=NOWHERE, agent=ANY, extensions=[ext.Nai(nai(0).encode())])
    home.datagram(data[:-1] + bytes((data[-1] ^ 1,)))
    reply = home.sent[-1][2]
    assert reply.code == 131 and reply.extensions == [ext.Nai(nai(0).encode())]
    assert len(home.sent_octets[-1]) <= len(data)  # no longer than what was sent


# -- Host configuration (RFC 4332)

HOST = {
    "home_prefix_length": 29,
    "gateway": ipv4.parse_address("10.80.0.1"),
    "dns_server": (ipv4.parse_address("10.1.0.53"), ipv4.parse_address("10.1.1.53")),
    "dns_suffix": "example.net",
    "configuration_url": "https://example.net/branch",
}
ASK_HOST = ext.host_configuration(ext.HOST_REQUEST, b"\x00\x00")


def test_host_configuration_is_told_to_who_asks_and_is_granted():
    home = Home(changes=HOST)
    assert ext.host_configuration_of(home.ask(0).extensions) == {}
    assert ext.host_configuration_of(home.ask(0, extensions=[ASK_HOST]).extensions) == {
        ext.HOST_PREFIX_LENGTH: b"\x00\x1d",
        ext.HOST_DNS: bytes((10, 1, 0, 53, 10, 1, 1, 53)),
        ext.HOST_GATEWAY: bytes((10, 80, 0, 1)),
        ext.HOST_DNS_SUFFIX: b"example.net",
        ext.HOST_URL: b"https://example.net/branch",
    }
    assert ext.host_configuration_of(home.ask(0, lifetime_s=0, extensions=[ASK_HOST]).extensions) == {}
    assert ext.host_configuration_of(home.ask(0, agent=ELSEWHERE, extensions=[ASK_HOST]).extensions) == {}
    assert ext.host_configuration_of(Home().ask(0, extensions=[ASK_HOST]).extensions) == {}


def test_host_configuration_is_covered_by_the_nodes_authentication():
    home = Home(changes=HOST)
    home.ask(0, extensions=[ASK_HOST])
    received = mip.unpack(home.sent_octets[-1])
    assert received.unprotected == [] and len(received.message.extensions) == 6
    assert home.keys.verify("branch-wan", received.protected, received.authentication.authenticator)


# -- Words for people (RFC 4917)


def said(reply):
    return [(e.origin, e.text.decode()) for e in reply.extensions if type(e) is ext.MessageString]


def test_words_for_who_is_accepted_and_who_is_refused():
    home = Home(changes={"message_accepted": "Willkommen, Zürich", "message_refused": "Call 4711"})
    assert said(home.ask(0)) == [(1, "Willkommen, Zürich")]
    assert said(home.ask(0, agent=ELSEWHERE)) == [(1, "Call 4711")]
    assert said(home.ask(0, lifetime_s=0)) == []
    home.ask(0, extensions=[ext.RevocationSupport(False, 1)])
    home.tell(events.Command("revoke", ["router0@example.net"]), 1000)
    assert type(home.sent[-1][2]) is mip.Revocation and said(home.sent[-1][2]) == [(1, "Call 4711")]
    assert said(Home().ask(0)) == []
    own = Home(nodes=0, more=(Node("n0", None, (), KEYS, nai=nai(0), message="pay"),), changes={})
    assert said(own.ask(0)) == [(1, "pay")] and said(own.ask(0, agent=ELSEWHERE)) == [(1, "pay")]


# -- Mobile networks (RFC 5177)


def networks(home, *prefixes, **more):
    wanted = [ext.MobileNetworkRequest(address, length) for address, length in prefixes]
    home.datagram(home.request(care_of=OUTSIDE, extensions=wanted, **more), OUTSIDE)
    return [e.code for e in home.sent[-1][2].extensions if isinstance(e, ext.MobileNetworkReply)]


def test_prefixes_that_overlap_what_is_the_nodes_are_refused_each_for_itself():
    home = Agent().started()
    wider, narrower = (bytes((10, 77, 0, 0)), 16), (bytes((10, 77, 1, 128)), 25)
    assert networks(home, wider, LAN, narrower) == [2, 0, 2] and home.code() == 0
    assert set(home.routes()) == {(HOME, 32), LAN}
    assert networks(home, LAN, LAN) == [0, 0] and set(home.routes()) == {(HOME, 32), LAN}
    everything = (bytes(4), 0)
    assert networks(home, everything, LAN) == [1, 0]  # 6.6: a length of zero is invalid
    assert networks(home, everything, wider) == [1, 2] and home.code() == 147


def test_a_goodbye_ignores_networks_and_a_lost_prefix_is_routed_no_more():
    home = Agent().started()
    assert networks(home) == [0] and set(home.routes()) == {(HOME, 32), LAN}
    assert networks(home, (bytes((10, 99, 0, 0)), 16), lifetime_s=0) == [] and home.code() == 0
    assert home.routes() == {}


def test_networks_of_a_node_that_is_known_by_name():
    more = (Node("n0", None, (LAN,), KEYS, nai=nai(0)),)
    home = Home(nodes=0, more=more)
    reply = home.ask(0, extensions=[ext.MobileNetworkRequest(LAN[0], LAN[1])])
    assert ext.find(reply.extensions, ext.MobileNetworkReply).code == 0
    assert set(home.routes()) == {(reply.home_address, 32), LAN}


if __name__ == "__main__":
    from runner import main

    main(globals())

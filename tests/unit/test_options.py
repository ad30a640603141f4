"""The option table: defaults, values, and the words in which mistakes are told."""

from careof.crypt import ALGORITHMS
from careof.system import option_table, options, uci
from careof.wire.ipv4 import parse_address, parse_prefix

KEY = "00112233445566778899aabbccddeeff"
BRANCH = """config mobile_router 'branch'
	option home_address '10.77.0.2'
	option home_agent '198.51.100.10'
	option association 'main'
	list mobile_network '10.77.1.0/24'
	list uplink 'lte'
	list uplink 'wan'
config uplink 'wan'
	option device 'eth1'
	option preference '10'
	option association 'second'
config uplink 'lte'
	option device 'wwan0'
config association 'main'
	option spi '256'
	option key '%s'
config association 'second'
	option spi '257'
	option key '%s'
	option algorithm 'hmac-md5'
	option replay 'nonces'
""" % (KEY, KEY)
AGENT = (
    """config home_agent 'ha'
	option address '198.51.100.10'
config mobile_node 'branch'
	option home_address '10.77.0.2'
	list mobile_network '10.77.1.0/24'
	list association 'main'
config association 'main'
	option spi '256'
	option key '%s'
"""
    % KEY
)


def read(text):
    return options.read(uci.Document(text, "careof"))


def mistakes(text):
    try:
        read(text)
    except options.ConfigError as e:
        return e.messages
    return []


def changed(old, new, text=BRANCH):
    assert old in text
    return mistakes(text.replace(old, new))


def test_a_router_with_its_defaults():
    configuration = read(BRANCH)
    assert configuration.globals.log_level == "info"
    [(router, uplinks, associations)] = options.routers(configuration)
    assert router.name == "branch" and router.home_address == parse_address("10.77.0.2")
    assert router.contact == (parse_address("198.51.100.10"), 434)
    assert (router.lifetime_s, router.packet_size, router.simultaneous) == (600, 1400, True)
    assert router.mobile_network == (parse_prefix("10.77.1.0/24"),)
    assert [uplink.name for uplink in uplinks] == ["lte", "wan"]
    assert [uplink.association for uplink in uplinks] == ["main", "second"]
    assert [uplink.preference for uplink in uplinks] == [100, 10]
    assert sorted(associations) == ["main", "second"]
    assert associations["second"].key == bytes.fromhex(KEY) and associations["second"].replay == "nonces"
    assert sorted(options.devices(configuration)) == ["eth1", "wwan0"]
    assert options.agents(configuration) == []


def test_a_home_agent_with_its_nodes():
    configuration = read(AGENT)
    [(agent, nodes, _, associations, _)] = options.agents(configuration)
    assert (agent.lifetime_max_s, agent.max_bindings, agent.udp_tunnelling) == (1800, 1000, True)
    assert [node.name for node in nodes] == ["branch"] and list(associations) == ["main"]


def test_equal_files_are_equal_and_others_differ():
    assert read(BRANCH) == read("# a comment\n" + BRANCH)
    assert read(BRANCH) != read(BRANCH.replace("'10'", "'11'"))


def test_the_words_of_mistakes():
    assert changed("'10'\n", "'0'\n") == [
        "careof:10: option 'preference' '0': expected a number from 1 to 255"
    ]
    assert changed("option home_agent", "option home_agnet")[1] == (
        "careof:3: option 'home_agnet': not known: did you mean 'home_agent'?"
    )
    assert "option 'home_agent' is missing" in changed("option home_agent", "option home_agnet")[0]
    assert changed("config uplink 'lte'", "config uplnk 'lte'") == [
        "careof:6: 'uplink' 'lte': there is no config uplink 'lte'",
        "careof:12: config uplnk: not known: did you mean 'uplink'?",
    ]
    assert changed("option device 'eth1'", "option device 'eth1/x'") == [
        "careof:9: option 'device' 'eth1/x': expected a network device, such as wan (1 to 15 characters)"
    ]
    assert changed("10.77.1.0/24", "10.77.1.1/24") == [
        "careof:5: list 'mobile_network' '10.77.1.1/24': expected an IPv4 prefix without bits beyond its "
        "length, such as 10.77.1.0/24"
    ]
    assert changed("option replay 'nonces'", "option replay 'luck'") == [
        "careof:21: option 'replay' 'luck': expected one of timestamps, nonces"
    ]


def test_reserved_spis_are_refused():
    """RFC 5944 1.6: 0 to 255; of the others each will do."""
    for spi in ("0", "1", "255", "4294967296"):
        assert (
            "expected a number from 256 to 4294967295"
            in changed("option spi '256'", "option spi '%s'" % spi)[0]
        )
    for spi in ("258", "65536", "4294967295"):
        assert changed("option spi '256'", "option spi '%s'" % spi) == []


def test_all_mistakes_are_told_at_once():
    text = BRANCH.replace("'256'", "'255'").replace("'eth1'", "''").replace("10.77.0.2", "224.0.0.1")
    assert len(mistakes(text)) == 3


def test_keys_are_never_shown():
    for wrong in (KEY[:-1], KEY[:-2] + "xx", "secret"):
        [told] = mistakes(
            BRANCH.replace("key '%s'\n\toption algorithm" % KEY, "key '%s'\n\toption algorithm" % wrong)
        )
        assert wrong not in told and "(%d characters)" % len(wrong) in told


def test_references_must_be_there():
    assert changed("option association 'second'", "option association 'secnd'") == [
        "careof:11: 'association' 'secnd': there is no config association 'secnd'"
    ]
    told = changed("\toption association 'main'\n", "")
    assert told == [
        "careof:11: config uplink 'lte': option 'association' is missing: expected here or in "
        "mobile_router 'branch'"
    ]


POOLED = AGENT.replace("\toption home_address '10.77.0.2'", "\toption nai 'branch@example.net'").replace(
    "config mobile_node", "\tlist address_pool '10.80.0.0/24'\nconfig mobile_node"
)


ENDS = "\toption home_address '10.77.0.2'\n\toption home_agent '198.51.100.10'\n"
NAMELESS = BRANCH.replace(ENDS, "\toption nai 'branch@example.net'\n\toption contact '198.51.100.10'\n")


def test_a_router_that_knows_its_name_and_a_contact():
    text = NAMELESS.replace("\tlist mobile_network '10.77.1.0/24'\n", "")
    [(router, _, _)] = options.routers(read(text))
    assert (router.home_address, router.home_agent, router.nai) == (None, None, "branch@example.net")
    assert router.contact == (parse_address("198.51.100.10"), 434)
    assert router.network_mode == "implicit" and router.host_configuration
    [(router, _, _)] = options.routers(read(NAMELESS))
    assert router.network_mode == "configured"
    [(router, _, _)] = options.routers(read(BRANCH))
    assert router.network_mode == "configured" and not router.host_configuration


def test_what_is_not_configured_must_be_there_to_be_learnt():
    nai = "\toption nai 'branch@example.net'\n"
    assert changed(nai, "", NAMELESS) == [
        "careof:1: config mobile_router 'branch': option 'home_address' is missing: expected it, or a nai to "
        "get one",
        "careof:1: config mobile_router 'branch': option 'home_agent' is missing: expected it, or a contact "
        "and a nai to get one",
    ]
    ends = "\toption home_address '10.77.0.2'\n\toption home_prefix_length '24'\n"
    assert changed(ENDS, ends, BRANCH) == []  # all home agents at home are asked
    assert "'home_agent' is missing" in changed(ENDS, ends.splitlines()[0] + "\n", BRANCH)[0]
    alone = changed("\toption contact '198.51.100.10'\n", "", NAMELESS)
    assert len(alone) == 1 and "option 'home_agent' is missing" in alone[0]
    agents = NAMELESS.replace("\toption contact '198.51.100.10'\n", "").replace(
        "\toption device 'eth1'", "\toption device 'eth1'\n\toption attachment 'agent'"
    )
    assert mistakes(agents) == [] and options.routers(read(agents))[0][0].contact is None
    mode = "\toption network_mode '%s'\n" + nai
    assert changed(nai, mode % "implicit", NAMELESS) == [
        "careof:2: option 'network_mode' 'implicit': expected no mobile_network"
    ]
    assert changed(nai, mode % "explicit", NAMELESS) == []
    without = NAMELESS.replace("\tlist mobile_network '10.77.1.0/24'\n", "")
    assert changed(nai, mode % "explicit", without) == [
        "careof:2: option 'network_mode' 'explicit': expected a mobile_network"
    ]


def test_a_device_of_the_lan_is_no_uplinks():
    line = "\tlist lan_device '%s'\n" + ENDS
    [(router, _, _)] = options.routers(read(BRANCH.replace(ENDS, line % "br-lan")))
    assert router.lan_device == ("br-lan",)
    for device, whose in (("eth1", "of uplink 'wan'"), ("careof0", "the tunnels'")):
        assert changed(ENDS, line % device, BRANCH) == [
            "careof:2: list 'lan_device' '%s': it is %s: expected the device of a mobile network"
            % (device, whose)
        ]


def test_a_node_is_known_by_its_address_or_its_name():
    [(agent, [node], _, _, _)] = options.agents(read(POOLED))
    assert (node.home_address, node.nai) == (None, "branch@example.net")
    assert agent.address_pool == (parse_prefix("10.80.0.0/24"),)
    missing = "option 'home_address' is missing: expected here, or a nai and a home_agent's address_pool"
    assert changed("\tlist address_pool '10.80.0.0/24'\n", "", POOLED) == [
        "careof:3: config mobile_node 'branch': " + missing
    ]
    assert changed("\toption nai 'branch@example.net'\n", "", POOLED) == [
        "careof:4: config mobile_node 'branch': " + missing
    ]
    twice = (
        POOLED + "config mobile_node 'other'\n\toption nai 'branch@example.net'\n\tlist association 'main'\n"
    )
    assert mistakes(twice) == ["careof:12: option 'nai': it is that of 'branch'"]


def test_a_pool_is_nobody_elses():
    def pools(text):
        return changed("10.80.0.0/24", text, POOLED)

    assert pools("10.77.0.0/16") == [
        "careof:3: list 'address_pool' '10.77.0.0/16': it overlaps 10.77.1.0/24, mobile_network of "
        "mobile_node 'branch'"
    ]
    assert pools("10.80.0.0/24'\n\tlist address_pool '10.80.0.128/25") == [
        "careof:4: list 'address_pool' '10.80.0.128/25': it overlaps 10.80.0.0/24, address_pool of "
        "home_agent 'ha'"
    ]
    assert len(pools("10.80.0.1/24")) == 2  # no prefix, and so no pool


def test_what_a_home_agent_says_to_its_nodes():
    def agent(*lines):
        return AGENT.replace(
            "config mobile_node", "".join(["\t%s\n" % x for x in lines]) + "config mobile_node"
        )

    text = agent(
        "option message_accepted 'Grüße'", "list dns_server '10.1.0.53'", "option dns_suffix 'a.example'"
    )
    [(read_agent, _, _, _, _)] = options.agents(read(text))
    assert (read_agent.message_accepted, read_agent.dns_suffix) == ("Grüße", "a.example")
    for line, expected in (
        ("option message_refused '%s'" % ("ü" * 101), "1 to 200 octets of UTF-8"),
        ("option message_refused 'a\tb'", "1 to 200 octets of UTF-8"),
        ("option dns_suffix 'a..example'", "a domain name"),
        ("option dns_suffix '-a.example'", "a domain name"),
        ("option dns_suffix '%s'" % ("a." * 123), "a domain name"),
        ("option configuration_url 'ftp://a.example'", "an http or https URL"),
        ("option home_prefix_length '33'", "a number from 1 to 32"),
        ("option redirect '198.51.100.10'", "another address than the agent's own"),
    ):
        [told] = mistakes(agent(line))
        assert expected in told and told.startswith("careof:3: "), told
    servers = ["list dns_server '10.1.0.%d'" % n for n in range(3)]
    assert mistakes(agent(*servers)) == ["careof:5: list 'dns_server': at most 2"]


def test_a_challenge_window_has_two_places_at_least():
    """RFC 4721 9."""
    foreign = "config foreign_agent 'lan'\n\tlist device 'lan0'\n\toption care_of_address '192.0.2.1'\n"
    foreign += "\toption any_home_agent '1'\n"
    assert mistakes(foreign + "\toption challenge_window '2'\n") == []
    [told] = mistakes(foreign + "\toption challenge_window '1'\n")
    assert "expected a number from 2 to 16" in told


def test_a_foreign_agents_home_agent_is_one_that_it_serves():
    foreign = """config foreign_agent 'lan'
	list device 'lan0'
	option uplink_device 'wan0'
	option home_agent '198.51.100.10'
"""
    peer = "config agent_peer 'hq'\n\toption address '198.51.100.10'\n"
    assert mistakes(foreign) == ["careof:4: option 'home_agent': expected the address of a config agent_peer"]
    assert mistakes(foreign + peer) == [] and mistakes(foreign + "\toption any_home_agent '1'\n") == []


def test_what_must_differ():
    assert "SPI 256 is that of" in changed("'257'", "'256'")[0]
    assert changed("'wwan0'", "'eth1'") == ["careof:13: option 'device' 'eth1': it is that of uplink 'wan'"]
    assert "there is one already, at line 8" in changed("config uplink 'lte'", "config uplink 'wan'")[1]
    two = AGENT + AGENT[AGENT.index("config mobile_node") : AGENT.index("config association")].replace(
        "branch", "other"
    )
    assert len(mistakes(two)) == 2  # the home address and the network
    assert (
        mistakes(two.replace("10.77.1.0/24", "10.77.2.0/24", 1).replace("'10.77.0.2'", "'10.77.0.3'", 1))
        == []
    )
    [_, told] = mistakes(two.replace("10.77.1.0/24", "10.77.0.0/16", 1))
    assert told.endswith("'10.77.1.0/24': it overlaps 10.77.0.0/16 of 'branch'")


def test_a_contact_elsewhere_needs_udp():
    elsewhere = BRANCH.replace(
        "\tlist uplink 'lte'", "\toption contact '203.0.113.5:4434'\n\tlist uplink 'lte'"
    )
    assert options.routers(read(elsewhere))[0][0].contact == (parse_address("203.0.113.5"), 4434)
    told = mistakes(
        elsewhere.replace("\tlist uplink 'lte'", "\toption encapsulation 'ipip'\n\tlist uplink 'lte'")
    )
    assert len(told) == 1 and "expected auto or udp" in told[0]
    for wrong in (
        "203.0.113.5:",
        "203.0.113.5:0",
        "203.0.113.5:65536",
        "ha.example.net",
        ":434",
        "1.2.3.4:5:6",
    ):
        assert mistakes(elsewhere.replace("203.0.113.5:4434", wrong)), wrong


def test_options_said_twice_and_lists_where_none_is():
    assert changed("option preference '10'", "option preference '10'\n\toption preference '20'") == [
        "careof:11: option 'preference': there is one already, at line 10"
    ]
    assert changed("option preference '10'", "list preference '10'") == [
        "careof:10: list 'preference': expected option: it has one value"
    ]
    assert changed("list uplink 'wan'", "list uplink 'lte'")[0].endswith("it is there already")


def test_every_row_has_help_and_a_default_of_its_own_type():
    for row in option_table.SECTIONS:
        assert row.help.endswith(".")
        for option in row.options:
            assert option.help and "\n" not in option.help
            if isinstance(option.default, str) and option.default not in (
                option_table.REQUIRED,
                option_table.LATER,
            ):
                assert option.type.read(option.default) == option.default
            elif isinstance(option.default, int) and not isinstance(option.default, bool):
                assert option.type.read(str(option.default)) == option.default


def test_a_key_may_be_left_to_keyd():
    told = mistakes(BRANCH.replace("\toption key '%s'\n" % KEY, ""))
    assert told and "option 'key' is missing: expected here, or in careof-keyd's file" in told[0]
    keyd = "config globals\n\toption key_provider 'keyd'\n"
    read_without = read(keyd + BRANCH.replace("\toption key '%s'\n" % KEY, ""))
    assert [a.key for a in read_without.association] == [None] * len(read_without.association)
    assert read_without.globals.key_provider == "keyd" and read(BRANCH).globals.key_provider == "soft"
    assert read(keyd + BRANCH).association[0].key is not None
    assert mistakes("config globals\n\toption key_provider 'tpm'\n") == [
        "careof:2: option 'key_provider' 'tpm': expected one of soft, keyd"
    ]
    long = "x" * 64
    told = mistakes("config association '%s'\n\toption spi '300'\n\toption key '%s'\n" % (long, KEY))
    assert told == ["careof:1: config association: a name of 64 characters: expected 63 at most"]


def test_the_algorithms_are_those_of_the_key_provider():
    rows = {row.kind: row for row in option_table.SECTIONS}
    option = {option.name: option for option in rows["association"].options}["algorithm"]
    for name in ALGORITHMS:
        assert option.type.read(name) == name
    assert option.type.text == "one of " + ", ".join(sorted(ALGORITHMS))


def test_a_foreign_agent_behind_a_mobile_router_of_the_same_machine():
    """Its care-of address is the one that the router keeps, and a tunnel fits into the router's."""
    configuration = read(
        BRANCH
        + """config foreign_agent 'lan'
	list device 'lan0'
	option uplink_device 'careof0'
	option any_home_agent '1'
"""
    )
    agent = options.foreign_agents(configuration)[0][0]
    assert agent.care_of_address == parse_address("10.77.0.2")
    assert agent.packet_size == configuration.mobile_router[0].packet_size - 40 == 1360


def test_the_examples_are_accepted():
    folder = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
    for name in ("branch", "home_agent", "branch_by_name", "home_agent_by_name"):
        assert options.load(folder + "/../../packaging/examples/" + name)


if __name__ == "__main__":
    from runner import main

    main(globals())

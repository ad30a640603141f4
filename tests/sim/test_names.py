"""A router that knows its name, its keys and a contact, and learns the rest (RFC 2794, 4433, 4332, 5177).

Topology: office.py; more home agents beside the one, where a story sends the router on.
"""

from careof.agent import events
from careof.agent.home_agent.role import HomeAgent
from careof.limits import REDIRECTS_MAX
from careof.wire import icmp, ipv4, mip, tunneld
from careof.wire import mip_extensions as ext
from machine import Machine
from office import AGENT, HOME, LAN, Node, Office, agent_options, router_options
from world import Wire

NAI = "branch7@example.net"
POOL, OTHER_POOL = ipv4.parse_prefix("10.80.0.0/28"), ipv4.parse_prefix("10.90.0.0/28")
MORE, FOREIGN = ipv4.parse_prefix("10.77.2.0/24"), ipv4.parse_prefix("10.99.0.0/16")
SECOND, THIRD = ipv4.parse_address("198.51.100.20"), ipv4.parse_address("198.51.100.30")
DNS = ipv4.parse_address("10.1.0.53")
AT_HOME = {"dns_server": (DNS,), "dns_suffix": "example.net", "home_prefix_length": 28}


def nameless(**changes):
    """Options of a router that knows its name and a contact."""
    values = {
        "home_address": None,
        "nai": NAI,
        "home_agent": None,
        "mobile_network": (),
        "network_mode": "implicit",
        "host_configuration": True,
        "lifetime_s": 60,
    }
    values.update(changes)
    return router_options(**values)


def knowing(networks=(LAN,), pool=POOL, **changes):
    """Options of a home agent that knows the router's name."""
    kept = agent_options(address_pool=(pool,), **changes)
    node = Node("branch", None, networks, kept.nodes[0].association, nai=NAI)
    return type(kept)(kept.agent, [node], [], kept.associations, {}, None)


def office(*devices, router=None, agent=None):
    made = Office(router=router or nameless(), agent=agent or knowing(**AT_HOME)).open(*devices)
    made.world.run(2000)
    return made


def talking(*devices, **options):
    made = office(*devices, **options)
    made.session.begin()
    made.world.run(3000)
    return made


def shown(made):
    return made.router.role.snapshot(made.world.now_ms)


def home_of(made):
    return made.router.tunneld.held["tun",].address


def another_agent(made, address, options):
    def at_agent(inner):
        """Its kernel: echoes to itself."""
        source, destination, echo = icmp.unpack_packet(inner)
        if destination == address and echo.kind == icmp.ECHO_REQUEST:
            reply = icmp.Echo(icmp.ECHO_REPLY, echo.identifier, echo.sequence, echo.data)
            agent.tunneld.out(icmp.pack_packet(destination, source, reply))

    wires = {"eth0": Wire(made.world, address, 0)}
    chance = made.world.chance.octets
    agent = Machine(made.world, lambda: HomeAgent(options, chance), wires, options.associations, at_agent)
    agent.start()
    return agent


def requests(made, device="wan0"):
    return [mip.unpack(packet.payload).message for _, packet in made.wires[device].passed["out"]]


# -- From nothing


def test_a_router_gets_its_address_its_agent_its_networks_and_its_name_servers():
    made = talking("wan0")
    status = shown(made)
    assert status["state"] == "connected" and status["home_agent"] == "198.51.100.10"
    assert ipv4.covers(POOL, home_of(made)) and status["home_address"] == ipv4.address_text(home_of(made))
    assert status["networks"] == [{"network": "10.77.1.0/24", "routed": True, "home_agent": "granted"}]
    assert status["host"] == {"prefix_length": 28, "dns_servers": ["10.1.0.53"], "dns_suffix": "example.net"}
    assert made.router.resolv == ((DNS,), "example.net")
    assert made.session.lost() == 0
    first = requests(made)[0]
    assert (first.home_address, first.home_agent) == (bytes(4), b"\xff\xff\xff\xff")
    assert ext.find(first.extensions, ext.DynamicHomeAgent) == ext.DynamicHomeAgent(ext.HA_REQUESTED, AGENT)


def test_renewals_ask_for_what_was_granted_and_by_name():
    made = talking("wan0")
    home, since = home_of(made), len(requests(made))
    made.world.run(70000)
    renewals = requests(made)[since:]
    assert renewals and made.session.lost() == 0 and home_of(made) == home
    for request in renewals:
        assert (request.home_address, request.home_agent) == (home, AGENT)  # RFC 4433 5.1.2
        assert ext.find(request.extensions, ext.Nai) == ext.Nai(NAI.encode())
        assert ext.find(request.extensions, ext.DynamicHomeAgent) is None
    assert made.router.counters["learnt"] == 1


def test_it_moves_between_uplinks_and_keeps_its_address():
    made = talking("wan0", "wwan0")
    home, pulled_ms = home_of(made), made.world.now_ms
    made.router.cable("wan0", False)
    made.world.run(5000)
    assert made.carrying() == "wwan" and home_of(made) == home
    assert made.session.interruption_ms(pulled_ms) <= 120


def test_before_anything_is_granted_nothing_of_the_lan_leaves():
    explicit = nameless(mobile_network=(LAN,), network_mode="explicit")
    made = Office(router=explicit, agent=knowing())
    made.wires["wan0"].up = True
    made.router.start()
    made.world.run(1000)
    held = made.router.tunneld.held
    assert [key[1:3] for key in held if key[0] == "capture"] == [LAN]
    assert held["route", bytes(4), 0, LAN[0], LAN[1]].gate == tunneld.GATE_HOLD
    assert held["tun",].address == bytes(4)


# -- Over restarts


def test_what_was_learnt_is_kept_over_a_restart_and_nothing_is_lost():
    made = talking("wan0")
    held, killed_ms = dict(made.router.tunneld.held), made.world.now_ms
    made.router.kill()
    made.world.run(2000)
    made.router.start()
    assert made.router.settled and made.router.resolv is not None
    made.world.run(20000)
    assert made.session.lost(killed_ms) == 0 and made.session.interruption_ms(killed_ms) == 0
    for key, message in held.items():
        assert key[0] == "route" or made.router.tunneld.held.get(key) == message
    assert shown(made)["host"]["dns_servers"] == ["10.1.0.53"]
    assert made.router.counters["learnt"] == 1


def test_the_address_outlives_a_home_agent_that_forgot_everything():
    made = talking("wan0")
    home = home_of(made)
    made.agent.kill()
    made.agent.saved = {}
    made.agent.tunneld.restart()
    made.agent.start()
    made.world.run(70000)
    assert home_of(made) == home and shown(made)["state"] == "connected"
    assert made.router.counters["learnt"] == 1


def test_another_configuration_of_the_router_starts_from_nothing():
    made = talking("wan0")
    named = nameless(home_address=HOME)
    kept = agent_options()
    node = Node("branch", HOME, (LAN,), kept.nodes[0].association, nai=NAI)
    changed = type(kept)(kept.agent, [node], [], kept.associations, {}, None)
    made.agent.tell(events.Reconfigured(changed))
    made.router.tell(events.Reconfigured(named))
    made.world.run(5000)
    assert home_of(made) == HOME and shown(made)["state"] == "connected"


# -- A lease that is another's


def test_the_home_address_changes_when_the_lease_does_and_only_then():
    made = talking("wan0")
    first = home_of(made)
    made.agent.tell(events.Reconfigured(knowing(pool=OTHER_POOL)))
    assert home_of(made) == first  # nobody has told it yet; but nothing comes back any more
    made.world.run(20000)
    assert ipv4.covers(OTHER_POOL, home_of(made)) and shown(made)["state"] == "connected"
    assert made.router.counters["reply_129"] == 1  # asked for the old one, and then for any
    homes = [key[1] for key in made.router.tunneld.held if key[0] == "capture" and key[2] == 32]
    assert homes == [home_of(made)]


def test_a_refusal_for_another_reason_changes_no_address():
    made = office("wan0")
    home = home_of(made)
    made.agent.refuse_with = 129
    made.world.run(300000)
    assert home_of(made) == home and made.router.counters["reply_129"] > 1
    made.agent.refuse_with = None
    made.world.run(700000)
    assert home_of(made) == home and shown(made)["state"] == "connected"


# -- Networks that are asked for (RFC 5177)


def explicit(*prefixes):
    return nameless(mobile_network=prefixes, network_mode="explicit")


def gate_of(made, prefix):
    return made.router.tunneld.held["route", bytes(4), 0, prefix[0], prefix[1]].gate


def test_a_network_that_is_not_granted_is_captured_and_goes_nowhere():
    made = talking("wan0", router=explicit(LAN, FOREIGN))
    assert made.session.lost() == 0
    assert gate_of(made, LAN) == tunneld.GATE_OPEN and gate_of(made, FOREIGN) == tunneld.GATE_CLOSED
    held = made.router.tunneld.held
    assert ("capture",) + FOREIGN + ("",) in held and ("spare",) + FOREIGN in held
    assert [key for key in held if key[0] == "inner" and key[4:6] == FOREIGN] == []
    assert shown(made)["networks"] == [
        {"network": "10.77.1.0/24", "routed": True, "home_agent": "granted"},
        {"network": "10.99.0.0/16", "routed": False, "home_agent": "not this router's"},
    ]


def test_a_network_that_is_granted_later_and_one_that_is_taken_back():
    made = talking("wan0", router=explicit(LAN, MORE))
    assert gate_of(made, MORE) == tunneld.GATE_CLOSED
    made.agent.tell(events.Reconfigured(knowing(networks=(LAN, MORE))))
    made.world.run(70000)
    assert gate_of(made, MORE) == tunneld.GATE_OPEN and made.session.lost() == 0
    made.agent.tell(events.Reconfigured(knowing(networks=(MORE,))))
    made.world.run(70000)
    assert (gate_of(made, LAN), gate_of(made, MORE)) == (tunneld.GATE_CLOSED, tunneld.GATE_OPEN)


def test_networks_that_are_refused_altogether_are_not_asked_for_again():
    for networks, prefixes, code in (((LAN,), (MORE, FOREIGN), 147), ((), (LAN,), 148)):
        made = office("wan0", router=explicit(*prefixes), agent=knowing(networks=networks))
        assert made.router.counters["reply_%d" % code] == 1 and shown(made)["state"] == "connected"
        asked = [ext.find(r.extensions, ext.MobileNetworkRequest) is not None for r in requests(made)]
        assert asked[0] and not asked[-1]
        made.world.run(70000)
        assert made.router.counters["reply_%d" % code] == 1
        for prefix in prefixes:
            assert gate_of(made, prefix) == tunneld.GATE_CLOSED
        made.router.kill()
        made.router.start()
        for prefix in prefixes:
            assert gate_of(made, prefix) == tunneld.GATE_CLOSED


def test_implicit_networks_follow_the_home_agent():
    made = talking("wan0")
    made.agent.tell(events.Reconfigured(knowing(networks=(LAN, MORE))))
    made.world.run(70000)
    assert [row["network"] for row in shown(made)["networks"]] == ["10.77.1.0/24", "10.77.2.0/24"]
    assert gate_of(made, MORE) == tunneld.GATE_OPEN and made.session.lost() == 0


# -- Home agents that send us on (RFC 4433 4.2)


def test_a_router_goes_where_it_is_sent_and_stays_there():
    made = Office(router=nameless(), agent=knowing(redirect=SECOND))
    second = another_agent(made, SECOND, knowing(address=SECOND, redirect=THIRD))
    third = another_agent(made, THIRD, knowing(address=THIRD))
    made.open("wan0")
    made.world.run(2000)
    assert shown(made)["state"] == "connected" and shown(made)["home_agent"] == "198.51.100.30"
    assert shown(made)["contact"] == "198.51.100.30:434" and made.router.counters["reply_143"] == 2
    assert third.role.bindings.count == 1 and second.role.bindings.count == 0
    requested = [ext.find(r.extensions, ext.DynamicHomeAgent) for r in requests(made)]
    assert [e.address for e in requested if e is not None][:3] == [AGENT, SECOND, THIRD]
    made.router.kill()
    made.router.start()
    made.world.run(70000)
    assert shown(made)["home_agent"] == "198.51.100.30" and made.router.counters["reply_143"] == 2


def test_home_agents_that_send_us_to_and_fro_are_not_followed_for_ever():
    made = Office(router=nameless(), agent=knowing(redirect=SECOND))
    another_agent(made, SECOND, knowing(address=SECOND, redirect=AGENT))
    made.open("wan0")
    made.world.run(50000)
    assert made.router.counters["reply_143"] == 2  # there and back: then it waits
    assert "home agents send us to and fro: 198.51.100.10" in [text for _, _, text in made.router.log]
    made.world.run(60000)
    assert made.router.counters["reply_143"] > 2


def test_a_long_chain_of_home_agents_is_given_up():
    chain = [bytes((198, 51, 100, 100 + n)) for n in range(REDIRECTS_MAX + 2)]
    made = Office(router=nameless(), agent=knowing(redirect=chain[0]))
    for address, then in zip(chain, chain[1:] + [bytes((198, 51, 100, 200))]):
        another_agent(made, address, knowing(address=address, redirect=then))
    made.open("wan0")
    made.world.run(20000)
    assert made.router.counters["reply_143"] == REDIRECTS_MAX + 1
    assert shown(made)["contact"] == "198.51.100.10:434"


def test_a_home_agent_that_is_not_there_is_left_for_the_configured_one():
    made = Office(router=nameless(), agent=knowing(redirect=SECOND))
    made.open("wan0")
    assert shown(made)["contact"] == "198.51.100.20:434"
    made.agent.tell(events.Reconfigured(knowing()))
    made.world.run(120000)
    assert made.router.counters["redirect_failed"] == 1
    assert shown(made)["state"] == "connected" and shown(made)["home_agent"] == "198.51.100.10"


# -- Words for the user (RFC 4917)


def test_what_the_home_agent_says_is_shown_and_logged_once():
    made = talking("wan0", agent=knowing(message_accepted="Quota: 80 %"))
    made.world.run(70000)
    assert shown(made)["messages"] == {"home agent": "Quota: 80 %"}
    assert [text for _, _, text in made.router.log].count("home agent says: Quota: 80 %") == 1


if __name__ == "__main__":
    from runner import main

    main(globals())

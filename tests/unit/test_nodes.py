"""A home agent whose nodes come from a table of many: what they may do, what they cost, how they change."""

from collections import namedtuple

from careof.agent import events
from careof.limits import SAVE_ROWS, SAVE_SHARE, SAVE_SOON_MS, SWEEP_NODES
from careof.wire import ipv4, mip, mip_extensions, tunneld
from careof.wire import mip_extensions as ext
from office import AGENT, HOME, LAN, Node, agent_options
from test_home_agent import CARE_OF, FORGER, NTP_S, OUTSIDE, UNIX_MS, Agent
from values import of

Group = namedtuple(
    "Group",
    "name algorithm replay lifetime_max_s simultaneous reverse_tunnel encapsulation network_within broadcast",
)
KEY = bytes(range(16))
VAN, NETWORK = bytes((10, 64, 0, 1)), (bytes((10, 65, 1, 0)), 24)


def group(**changes):
    values = {
        "name": "vans",
        "algorithm": "hmac-md5",
        "replay": "timestamps",
        "lifetime_max_s": None,
        "simultaneous": True,
        "reverse_tunnel": "optional",
        "encapsulation": (),
        "network_within": (),
        "broadcast": False,
    }
    values.update(changes)
    return Group(**values)


class Table:
    """As system.nodes_file makes it."""

    def __init__(self, rows, names=None):
        self.rows = {int.from_bytes(home, "big"): row for home, row in rows.items()}
        self.names = {nai: int.from_bytes(home, "big") for nai, home in (names or {}).items()}

    def __len__(self):
        return len(self.rows)

    def row(self, key):
        return self.rows.get(key)

    def named(self, nai):
        return nai if nai in self.rows else self.names.get(nai)

    def nai(self, number):
        return next(iter([nai for nai, home in self.names.items() if home == number]), None)


def vans(count=1, networks=(), spis=(256,)):
    return Table({bytes((10, 64, n >> 8, n & 255)): ("vans", spis, networks) for n in range(1, count + 1)})


def options(table=None, groups=None, nodes=(), **changes):
    kept = agent_options(**changes)
    groups = groups or group()
    return events.AgentOptions(
        kept.agent,
        list(nodes),
        [],
        kept.associations,
        {groups.name: groups},
        vans() if table is None else table,
    )


class Fleet(Agent):
    def __init__(self, chosen=None, saved=()):
        self._last = 0
        super().__init__(chosen or options())
        for name, value in saved:
            self.tell(events.Restored(name, value), 1000)
        self.started()

    def ask(self, home=VAN, key=None, spi=256, now_ms=0, source=CARE_OF, at=None, who=None, **more):
        """A van registers; returns the code of the reply, or None. who: what its key is named after."""
        name = "node-%s-%d" % (who or "%d.%d.%d.%d" % tuple(home), spi)
        self.keys.add_key(name, "hmac-md5", KEY)
        self._last += 1
        values = {
            "flags": mip.FLAG_D | mip.FLAG_T,
            "lifetime_s": 600,
            "home_address": home,
            "home_agent": AGENT,
            "care_of_address": CARE_OF,
            "identification": at or ((UNIX_MS + now_ms) // 1000 + NTP_S) << 32 | self._last,
            "extensions": [],
        }
        values.update(more)
        data = mip.pack_to_sign(mip.RegistrationRequest(**values), spi, 16)
        self.last = data + (self.keys.authenticate(name, data) if key is None else key)
        return self.say(self.last, source, now_ms)

    def say(self, data, source=CARE_OF, now_ms=0):
        before = len(self.sent)
        self.datagram(data, source, now_ms=now_ms)
        return self.code() if len(self.sent) > before else None

    def kept(self):
        return len(list(self.role.nodes))

    def reload(self, chosen, now_ms=1000):
        self.tell(events.Reconfigured(chosen), now_ms)
        while self.role.deadline() is not None and self.role.deadline() <= now_ms:
            self.tell(events.Late(), now_ms)


def test_a_node_of_the_table_registers_under_the_key_that_its_address_names():
    fleet = Fleet(options(vans(networks=(NETWORK,))))
    assert fleet.ask() == 0
    assert set(fleet.routes()) == {(VAN, 32), NETWORK}
    assert fleet.role.snapshot(0)["nodes"] == 1 and fleet.role.snapshot(0)["bound"][0]["node"] == "vans"
    assert fleet.ask(home=bytes((10, 64, 0, 2))) is None and fleet.counts["request_unknown_node"] == 1
    assert fleet.ask(spi=300) is None and fleet.counts["request_unknown_spi"] == 1


def test_its_prefixes_are_ours_while_it_is_bound_or_as_part_of_a_home_network():
    fleet = Fleet(options(vans(networks=(NETWORK,))))
    assert [key for key in fleet.held if key[0] == "deliver"] == []
    fleet.ask()
    assert {key[1:] for key in fleet.held if key[0] == "deliver"} == {(VAN, 32), NETWORK}
    fleet.ask(lifetime_s=0, now_ms=2000)
    assert [key for key in fleet.held if key[0] == "deliver"] == []
    whole = (bytes((10, 64, 0, 0)), 15)
    fleet = Fleet(options(vans(networks=(NETWORK,)), home_network=(whole,)))
    for _ in range(2):
        assert {key[1:] for key in fleet.held if key[0] == "deliver"} == {whole}
        fleet.ask()


def test_false_authenticators_for_a_hundred_nodes_leave_nothing_behind():
    fleet = Fleet(options(vans(100)))
    for n in range(1, 101):
        fleet.ask(home=bytes((10, 64, 0, n)), key=bytes(16), source=bytes((192, 0, 2, n)), now_ms=n)
    assert fleet.counts["request_false_authenticator"] == 100
    assert fleet.kept() == 0 and fleet.role.deadline() is None
    assert fleet.ask(now_ms=200) == 0 and fleet.kept() == 1  # the control


def test_what_was_let_in_once_is_a_replay_the_second_time():
    fleet = Fleet()
    assert fleet.ask() == 0
    recorded = fleet.last
    assert fleet.say(recorded, FORGER, 300) == 133
    # Two at a time, both unanswered by the key provider: the second is judged by what the first left behind.
    fleet = Fleet()
    fleet.ask(lifetime_s=0)
    first, second = [
        fleet.role.handle(events.Datagram(1, source, 434, AGENT, 64, recorded), 500)[0].token
        for source in (CARE_OF, FORGER)
    ]
    fleet.tell(events.Verified(first, True), 500)
    fleet.tell(events.Verified(second, True), 500)
    assert [message.code for _, _, message in fleet.sent[-2:]] in ([0, 133], [133, 133])
    assert len([m for key, m in fleet.held.items() if key[0] == "tunnel"]) <= 1


def test_a_genuine_but_old_request_is_answered_at_a_bounded_rate():
    fleet = Fleet()
    old = ((UNIX_MS // 1000 - 3600) + NTP_S) << 32
    answers = [fleet.ask(at=old + n, now_ms=n) for n in range(50)]
    assert answers.count(133) == 1 and fleet.counts["request_stale"] == 50


def test_what_was_asked_of_a_node_that_vanished_meanwhile_is_forgotten():
    fleet = Fleet()
    fleet.ask(lifetime_s=0)
    asked = fleet.role.handle(events.Datagram(1, CARE_OF, 434, AGENT, 64, fleet.last[:-1] + b"\0"), 0)
    fleet.reload(options(Table({})))
    assert fleet.role.handle(events.Verified(asked[0].token, True), 1000) == [
        events.Count("request_unknown_node")
    ]


# -- What a group may do


def test_policies_and_the_codes_that_say_so():
    udp = mip_extensions.UdpTunnelRequest(mip_extensions.UDP_FORCE, 0)
    co_located = mip.FLAG_D
    for changes, flags, extensions, code in (
        ({}, co_located | mip.FLAG_T, [], 0),
        ({"reverse_tunnel": "off"}, co_located | mip.FLAG_T, [], 137),
        ({"reverse_tunnel": "off"}, co_located, [], 0),
        ({"reverse_tunnel": "required"}, co_located, [], 138),
        ({"reverse_tunnel": "required"}, co_located | mip.FLAG_T, [], 0),
        ({"encapsulation": ("gre",)}, co_located, [], 139),
        ({"encapsulation": ("gre",)}, co_located | mip.FLAG_G, [], 0),
        ({"encapsulation": ("gre",)}, co_located | mip.FLAG_M, [], 139),
        ({"encapsulation": ("gre", "ipip")}, co_located, [udp], 142),
        ({"encapsulation": ("udp",)}, co_located, [udp], 0),
        ({"encapsulation": ("udp",)}, co_located | mip.FLAG_G, [udp], 139),
        ({"encapsulation": ("udp", "gre")}, co_located | mip.FLAG_G, [udp], 0),
        ({"simultaneous": False}, co_located | mip.FLAG_S, [], 1),
        ({"simultaneous": False}, co_located, [], 0),
    ):
        fleet = Fleet(options(groups=group(**changes)))
        assert fleet.ask(flags=flags, extensions=extensions) == code, (changes, fleet.code())
        assert bool(fleet.routes()) == (code in (0, 1))


def test_one_binding_only_where_simultaneous_ones_are_not_granted():
    for simultaneous, care_ofs in ((False, 1), (True, 2)):
        fleet = Fleet(options(groups=group(simultaneous=simultaneous)))
        fleet.ask(flags=mip.FLAG_D | mip.FLAG_S)
        fleet.ask(flags=mip.FLAG_D | mip.FLAG_S, care_of_address=OUTSIDE, source=OUTSIDE, now_ms=1000)
        assert len(fleet.role.snapshot(0)["bound"]) == care_ofs
        again = fleet.say(fleet.last, OUTSIDE, 1500)  # a repetition gets the same answer
        assert again == (0 if simultaneous else 1) and fleet.counts["request_repeated"] == 1


def test_a_lifetime_of_the_group():
    fleet = Fleet(options(groups=group(lifetime_max_s=60)))
    fleet.ask()
    assert fleet.sent[-1][2].lifetime_s == 60
    fleet.ask(extensions=[mip_extensions.NO_CHANGE], now_ms=1000)
    assert fleet.sent[-1][2].lifetime_s == 60


def test_a_single_node_may_be_of_a_group_too():
    kept = agent_options()
    node = Node("branch", HOME, (LAN,), kept.nodes[0].association, group="vans")
    chosen = options(groups=group(reverse_tunnel="required"), nodes=[node])
    agent = Agent(chosen).started()
    agent.datagram(agent.request(flags=mip.FLAG_D))
    assert agent.code() == 138
    agent.datagram(agent.request())
    assert agent.code() == 0


# -- Broadcasts (RFC 5944 4.3)


def listeners(fleet):
    return [m for key, m in fleet.held.items() if key[0] == "listener"]


def test_who_asks_for_broadcasts_and_may_have_them_listens_to_its_home_network():
    home = (bytes((10, 64, 0, 0)), 16)
    for allowed, flags, outer in (
        (False, mip.FLAG_B | mip.FLAG_D, None),
        (True, mip.FLAG_D, None),
        (True, mip.FLAG_B | mip.FLAG_D, bytes(4)),
        (True, mip.FLAG_B, AGENT),  # a foreign agent has to know for whom each is
    ):
        fleet = Fleet(options(groups=group(broadcast=allowed), home_network=(home,)))
        assert fleet.ask(flags=flags) == 0
        wanted = [] if outer is None else [tunneld.SetListener(VAN, 16, outer)]
        assert listeners(fleet) == wanted, (allowed, flags)
        fleet.ask(flags=flags & ~mip.FLAG_B, now_ms=1000)
        assert listeners(fleet) == []
        fleet.ask(flags=flags, now_ms=2000)
        assert listeners(fleet) == wanted
        fleet.ask(flags=flags, lifetime_s=0, now_ms=3000)
        assert listeners(fleet) == []


def test_what_was_listened_to_survives_a_restart_and_ends_with_the_binding():
    home = (bytes((10, 64, 0, 0)), 16)
    chosen = options(groups=group(broadcast=True), home_network=(home,))
    fleet = Fleet(chosen)
    fleet.ask(flags=mip.FLAG_B | mip.FLAG_D)
    other = Fleet(chosen, last_saved(fleet).saved.items())
    assert listeners(other) == [tunneld.SetListener(VAN, 16, bytes(4))]
    other.reload(options(groups=group(broadcast=False), home_network=(home,)), 3000)
    assert listeners(other) == []
    other.reload(chosen, 4000)
    assert listeners(other) == [tunneld.SetListener(VAN, 16, bytes(4))]
    other.tell(events.Late(), 700000)
    assert listeners(other) == [] and other.role.bindings.count == 0
    nowhere = Fleet(options(groups=group(broadcast=True)))
    assert nowhere.ask(flags=mip.FLAG_B | mip.FLAG_D) == 0 and listeners(nowhere) == []


# -- Another table


def test_another_table_counts_at_once_and_ends_what_vanished():
    many = SWEEP_NODES + 8
    fleet = Fleet(options(vans(many)))
    for n in range(1, many + 1):
        assert fleet.ask(home=bytes((10, 64, n >> 8, n & 255))) == 0
    assert fleet.role.bindings.count == many
    fleet.tell(events.Reconfigured(options(vans(2))), 1000)
    assert fleet.ask(home=bytes((10, 64, 0, 9)), now_ms=1000) is None  # at once, though not swept yet
    assert fleet.role.deadline() <= 1000 and fleet.role.bindings.count > 2
    while fleet.role.nodes.unswept():
        fleet.tell(events.Late(), 1000)
    assert fleet.role.bindings.count == 2 and fleet.kept() == 2
    assert set(fleet.routes()) == {(bytes((10, 64, 0, n)), 32) for n in (1, 2)}
    saved = rows_of(last_saved(fleet))
    assert sorted([key for key in saved if saved[key] is not None]) == ["0a400001", "0a400002"]
    assert fleet.ask(now_ms=2000) == 0


def last_saved(fleet, from_ms=2000):
    for at_ms in range(from_ms, from_ms + 4000, 50):
        fleet.tell(events.Late(), at_ms)
    return fleet


def test_a_change_of_networks_or_associations_reaches_who_is_bound():
    fleet = Fleet(options(vans(networks=(NETWORK,))))
    fleet.ask()
    fleet.reload(options(vans()))
    assert set(fleet.routes()) == {(VAN, 32)} and ("deliver",) + NETWORK not in fleet.held
    fleet.reload(options(vans(networks=(NETWORK,))), 2000)
    assert set(fleet.routes()) == {(VAN, 32), NETWORK} and ("deliver",) + NETWORK in fleet.held
    fleet.reload(options(vans(spis=(300,))), 3000)
    assert fleet.routes() == {} and [key for key in fleet.held if key[0] == "deliver"] == []
    assert fleet.ask(now_ms=4000) is None and fleet.ask(spi=300, now_ms=4000) == 0


def test_a_restart_restores_the_tables_nodes_and_their_identifications():
    fleet = Fleet(options(vans(200)))
    for n in (1, 200):
        fleet.ask(home=bytes((10, 64, 0, n)), now_ms=0)
    recorded = fleet.last
    saved = last_saved(fleet).saved
    other = Fleet(options(vans(200)), saved.items())
    assert set(other.routes()) == {(bytes((10, 64, 0, n)), 32) for n in (1, 200)}
    other.keys.add_key("node-10.64.0.200-256", "hmac-md5", KEY)
    other.datagram(recorded, FORGER, now_ms=1000)
    assert other.code() == 133


def test_after_a_restart_of_many_the_loop_goes_on_and_who_renews_is_served_at_once():
    many = SWEEP_NODES + 14
    fleet = Fleet(options(vans(many)))
    homes = [bytes((10, 64, n >> 8, n & 255)) for n in range(1, many + 1)]
    for home in homes:
        assert fleet.ask(home=home) == 0
    saved = last_saved(fleet).saved
    other = Fleet(options(vans(many)), saved.items())
    assert len(other.routes()) == SWEEP_NODES and not of(events.Settled, other.others)
    assert other.role.deadline() == 0
    waiting = [home for home in homes if (home, 32) not in other.routes()]
    other._last = 1000
    assert other.ask(home=waiting[0], now_ms=1500) == 0 and (waiting[0], 32) in other.routes()
    other.tell(events.Late(), 1500)
    assert set(other.routes()) == {(home, 32) for home in homes}
    assert len(of(events.Settled, other.others)) == 1


def rows_of(fleet):
    """{key of a node: its row} of what is saved."""
    return {name[len("home_agent-ha.n.") :]: value for name, value in fleet.saved.items() if ".n." in name}


def test_each_row_is_saved_by_itself_a_moment_after_it_changed():
    fleet = Fleet(options(vans(200)))
    fleet.ask()
    assert fleet.role._state.deadline() == SAVE_SOON_MS and fleet.saved == {}
    fleet.tell(events.Late(), SAVE_SOON_MS)
    assert list(rows_of(fleet)) == ["0a400001"] and fleet.role._state.deadline() is None
    fleet.saved.clear()
    fleet.ask(now_ms=1000)
    fleet.ask(home=bytes((10, 64, 0, 33)), now_ms=1010)
    assert fleet.role._state.deadline() == 1000 + SAVE_SOON_MS
    fleet.tell(events.Late(), 1000 + SAVE_SOON_MS)
    assert sorted(rows_of(fleet)) == ["0a400001", "0a400021"]


def test_of_many_rows_some_are_saved_at_a_time_and_the_first_ones_first():
    many = 2 * SAVE_ROWS * SAVE_SHARE
    fleet = Fleet(options(vans(many)))
    homes = [bytes((10, 64, n >> 8, n & 255)) for n in range(1, many + 1)]
    for home in homes:
        assert fleet.ask(home=home) == 0
    state, turns = fleet.role._state, 0
    while state.deadline() is not None:
        before = len(fleet.saved)
        fleet.tell(events.Late(), SAVE_SOON_MS)
        turns += 1
        assert SAVE_ROWS <= len(fleet.saved) - before <= 2 * SAVE_ROWS or state.deadline() is None
        if turns == 1:
            assert sorted(rows_of(fleet)) == [home.hex() for home in homes[: 2 * SAVE_ROWS]]
    assert len(rows_of(fleet)) == many and turns <= 2 * SAVE_SHARE


def test_what_was_kept_in_pieces_becomes_rows_and_the_pieces_go_after_them():
    """Whatever the number of pieces was; and a kill in between loses nothing."""
    fleet = Fleet(options(vans(5)))
    for n in range(1, 6):
        fleet.ask(home=bytes((10, 64, 0, n)))
    rows = list(rows_of(last_saved(fleet)).values())
    pieces = [("home_agent-ha.1", rows[:2]), ("home_agent-ha.77", rows[2:])]
    other = Fleet(options(vans(5)), pieces)
    assert other.role.bindings.count == 5 and set(other.routes()) == set(fleet.routes())
    saved = rows_of(last_saved(other))
    assert sorted(saved) == ["0a40000%d" % n for n in range(1, 6)]
    assert [name for name in other.saved if other.saved[name] is None] == [name for name, _ in pieces]
    # Killed before the pieces went: the rows are newer, and count.
    fleet.ask(home=VAN, lifetime_s=0, now_ms=60000)
    gone = rows_of(last_saved(fleet, 61000))["0a400001"]
    both = Fleet(options(vans(5)), pieces + [("home_agent-ha.n.0a400001", gone)])
    assert both.role.bindings.count == 4


def test_a_tunnel_in_udp_of_a_van_behind_a_nat():
    fleet = Fleet()
    assert fleet.ask(extensions=[ext.UdpTunnelRequest(0, 0)], source=OUTSIDE) == 0
    [tunnel] = [m for key, m in fleet.held.items() if key[0] == "tunnel"]
    assert (tunnel.kind, tunnel.peer) == (tunneld.KIND_MIP_UDP, OUTSIDE)


# -- Known by name (RFC 2794)

NAI = b"van7@example.net"
BY_NAME = [ext.Nai(NAI)]
ANY, POOL = bytes(4), (bytes((10, 80, 0, 0)), 29)


def named(networks=(), spis=(256,), more=0):
    """One that the table knows by name alone, beside others."""
    table = vans(1)
    for n in range(more + 1):
        nai = NAI if n == 0 else b"van%d@example.org" % n
        table.rows[nai] = ("vans", spis, networks)
    return table


def with_pool(table, **changes):
    return options(table, address_pool=(POOL,), **changes)


def by_name(fleet, home=ANY, nai=NAI, **more):
    """(code or None, the home address of the reply)"""
    code = fleet.ask(home, who=nai.decode(), extensions=[ext.Nai(nai)], **more)
    return code, None if code is None else fleet.sent[-1][2].home_address


def test_a_home_address_of_the_table_may_be_asked_for_by_name():
    fleet = Fleet(options(Table({VAN: ("vans", (256,), ())}, {NAI: VAN})))
    assert fleet.ask(ANY, who="10.64.0.1", extensions=BY_NAME) == 0  # its keys are named after the address
    assert fleet.sent[-1][2].home_address == VAN and set(fleet.routes()) == {(VAN, 32)}
    assert fleet.role.snapshot(0)["bound"][0]["nai"] == NAI.decode()
    assert fleet.ask(VAN, who="10.64.0.1", now_ms=1000) == 0
    other = [ext.Nai(b"somebody@else.example")]
    assert fleet.ask(VAN, who="10.64.0.1", extensions=other, now_ms=2000) is None  # the address is another's
    assert fleet.ask(ANY, who="10.64.0.1", extensions=other, now_ms=2000) is None


def test_who_the_table_knows_by_name_alone_has_an_address_of_the_pool():
    fleet = Fleet(with_pool(named((NETWORK,))))
    code, home = by_name(fleet)
    assert code == 0 and ipv4.covers(POOL, home) and set(fleet.routes()) == {(home, 32), NETWORK}
    assert ("deliver",) + NETWORK in fleet.held  # while it is bound
    assert fleet.kept() == 1 and fleet.role.snapshot(0)["nodes"] == 2
    assert by_name(fleet, now_ms=1000) == (0, home) and by_name(fleet, home, now_ms=2000) == (0, home)
    assert fleet.ask(home, who=NAI.decode(), now_ms=3000) == 0  # and without its name, now that it has one
    assert by_name(fleet, lifetime_s=0, now_ms=4000)[0] == 0 and fleet.routes() == {}
    assert ("deliver",) + NETWORK not in fleet.held and by_name(fleet, now_ms=5000) == (0, home)
    fleet.tell(events.Command("revoke", [NAI.decode()]), 6000)
    assert fleet.routes() == {}


def test_who_does_not_prove_a_name_costs_nothing():
    fleet = Fleet(with_pool(named(more=5)))
    for n in range(5):
        nai = b"van%d@example.org" % (n + 1)
        assert by_name(fleet, nai=nai, key=bytes(16), now_ms=n * 10)[0] in (None, 131)
    assert by_name(fleet, nai=b"nobody@example.net", now_ms=1000)[0] is None
    assert fleet.kept() == 0 and fleet.role.leases.count == 0 and fleet.routes() == {}
    assert by_name(fleet, now_ms=2000)[0] == 0 and fleet.role.leases.count == 1  # the control


def test_a_name_that_leaves_the_table_leaves_its_address_and_a_changed_one_keeps_it():
    fleet = Fleet(with_pool(named((NETWORK,))))
    _, home = by_name(fleet)
    fleet.reload(with_pool(named()))
    assert set(fleet.routes()) == {(home, 32)} and ("deliver",) + NETWORK not in fleet.held
    fleet.reload(with_pool(named(spis=(300,))), 2000)
    assert fleet.routes() == {} and by_name(fleet, now_ms=3000)[0] is None
    assert by_name(fleet, spi=300, now_ms=3000) == (0, home)
    fleet.reload(with_pool(vans(1)), 4000)
    assert fleet.routes() == {} and fleet.kept() == 0 and fleet.role.leases.count == 0
    assert fleet.ask(home, who=NAI.decode(), spi=300, now_ms=5000) is None
    fleet.reload(with_pool(named(more=1)), 6000)
    assert by_name(fleet, home, nai=b"van1@example.org", now_ms=7000) == (0, home)  # it is free again
    without = options(named(more=1))  # and goes with the pool
    fleet.reload(without, 8000)
    assert fleet.routes() == {} and fleet.role.leases.count == 0


def test_a_restart_restores_who_is_known_by_name_with_its_address():
    fleet = Fleet(with_pool(named((NETWORK,))))
    _, home = by_name(fleet)
    recorded, saved = fleet.last, last_saved(fleet).saved
    other = Fleet(with_pool(named((NETWORK,))), saved.items())
    assert set(other.routes()) == {(home, 32), NETWORK} and other.role.leases.count == 1
    other.keys.add_key("node-%s-256" % NAI.decode(), "hmac-md5", KEY)
    other.datagram(recorded, FORGER, now_ms=1000)
    assert other.code() == 133  # a replay


if __name__ == "__main__":
    from runner import main

    main(globals())

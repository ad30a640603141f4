"""The home agent's role, one event at a time. Whole conversations are in tests/sim."""

from careof.agent import events
from careof.agent.allowance import Allowance
from careof.agent.home_agent import role as module
from careof.agent.home_agent.role import HomeAgent
from careof.crypt.soft import SoftProvider
from careof.limits import PENDING_MAX, REFUSALS_PER_S, SAVE_SOON_MS, UPLINK_RETRY_MS
from careof.wire import mip, mip_extensions, tunneld
from office import AGENT, HOME, LAN, Node, agent_options
from values import of
from world import Chance

UNIX_MS = 1790000000000
CARE_OF, OUTSIDE, FORGER = bytes((203, 0, 113, 2)), bytes((203, 0, 113, 77)), bytes((192, 0, 2, 66))
NTP_S = 2208988800
SPI = 256
PIECE = 4  # nodes


class Agent:
    """The role with a key provider beside it; `sent` are the replies, unpacked."""

    def __init__(self, options=None):
        self.options = options or agent_options()
        self.role = HomeAgent(self.options, Chance(1).octets, 1)
        self.keys = SoftProvider()
        for section in self.options.associations.values():
            self.keys.add_key(section.name, section.algorithm, section.key)
        self.sent, self.held, self.counts, self.saved = [], {}, {}, {}
        self.sent_octets = []
        self.others = []
        self._serial = 0
        self.refuses = lambda message: False  # what tunneld cannot do
        self.tell(events.WallClock(UNIX_MS))

    def tell(self, event, now_ms=0):
        waiting = [event]
        while waiting:
            for action in self.role.handle(waiting.pop(0), now_ms):
                if isinstance(action, events.Verify):
                    genuine = self.keys.verify(action.key, action.data, action.authenticator)
                    waiting.append(events.Verified(action.token, genuine))
                elif isinstance(action, events.Authenticate):
                    octets = self.keys.authenticate(action.key, action.data)
                    waiting.append(events.Authenticated(action.token, octets))
                elif isinstance(action, events.Confirm):
                    waiting.append(events.Confirmed(action.token))
                elif isinstance(action, events.Send):
                    self.sent.append((action.destination, action.port, mip.unpack(action.data).message))
                    self.sent_octets.append(action.data)
                elif isinstance(action, events.Hold):
                    self.held[action.key] = action.message
                    if self.refuses(action.message):
                        waiting.append(events.Refused(action.message, 28, "No space left on device"))
                elif isinstance(action, events.Release):
                    self.held.pop(action.key, None)
                elif isinstance(action, events.Count):
                    self.counts[action.name] = self.counts.get(action.name, 0) + 1
                elif isinstance(action, events.Save):
                    self.saved[action.name] = action.value
                else:
                    self.others.append(action)
        return self

    def started(self):
        return self.tell(events.Start())

    def request(
        self,
        flags=mip.FLAG_D | mip.FLAG_T,
        lifetime_s=600,
        home=HOME,
        care_of=CARE_OF,
        extensions=(),
        agent=AGENT,
    ):
        """A signed request, with an identification later than those before."""
        self._serial += 1
        identification = (UNIX_MS // 1000 + NTP_S) << 32 | self._serial
        message = mip.RegistrationRequest(
            flags, lifetime_s, home, agent, care_of, identification, list(extensions)
        )
        data = mip.pack_to_sign(message, SPI, 16)
        return data + self.keys.authenticate("branch-wan", data)

    def datagram(self, data, source=CARE_OF, port=434, now_ms=0, uplink=1):
        return self.tell(events.Datagram(uplink, source, port, AGENT, 64, data), now_ms)

    def code(self):
        return self.sent[-1][2].code if self.sent else None

    def routes(self):
        return {key[1:3]: m.paths for key, m in self.held.items() if key[0] == "route"}


def test_the_ground_is_held_at_the_start():
    agent = Agent().started()
    assert agent.held["tun",] == tunneld.SetTun(bytes(4), 1400)
    assert agent.held["uplink", 1] == tunneld.SetUplink(1, "", AGENT, 434)
    assert {key[1:] for key in agent.held if key[0] == "deliver"} == {(HOME, 32), LAN}
    assert settled(agent)


def test_an_address_that_is_not_there_yet_is_tried_again_and_told_once():
    agent = Agent().started()
    uplink = agent.held[("uplink", 1)]
    for _ in range(2):
        agent.tell(events.Refused(uplink, 99, "cannot assign"), 1000)
        assert ("uplink", 1) not in agent.held
        assert agent.role.deadline() == 1000 + UPLINK_RETRY_MS
        agent.tell(events.Late(), 1000 + UPLINK_RETRY_MS)
        assert agent.held[("uplink", 1)] == uplink
    levels = [action.level for action in agent.others if isinstance(action, events.Log)]
    assert levels == ["error", "debug"]
    other = tunneld.SetUplink(7, "wan", bytes(4), 434)
    agent.tell(events.Refused(other, 99, "another role's"))
    assert ("uplink", 1) in agent.held


def test_what_is_held_for_a_node_is_said_before_its_reply():
    agent = Agent().started()
    order = []
    data = agent.request()
    first = agent.role.handle(events.Datagram(1, CARE_OF, 434, AGENT, 64, data), 0)
    actions = agent.role.handle(events.Verified(first[0].token, True), 0)
    for action in actions:
        order.append(type(action))
    assert order.index(events.Hold) < order.index(events.Confirm) and events.Send not in order
    assert events.Authenticate not in order  # nor is it signed before tunneld has taken it
    actions = agent.role.handle(events.Confirmed(actions[order.index(events.Confirm)].token), 0)
    assert events.Authenticate in [type(action) for action in actions]


def test_a_binding_makes_tunnel_path_routes_and_sources():
    agent = Agent().started()
    agent.datagram(agent.request())
    assert agent.code() == 0
    tunnels = [m for key, m in agent.held.items() if key[0] == "tunnel"]
    assert tunnels == [tunneld.SetTunnel(2, tunneld.KIND_IPIP, 1, CARE_OF, 0, 0, 0)]
    assert agent.routes() == {(HOME, 32): (2,), LAN: (2,)}
    sources = {(m.source, m.source_length) for key, m in agent.held.items() if key[0] == "inner"}
    assert sources == {(HOME, 32), LAN}


def test_without_reverse_tunnelling_nothing_is_taken_from_the_node():
    agent = Agent().started()
    agent.datagram(agent.request(flags=mip.FLAG_D))
    assert agent.code() == 0
    assert [key for key in agent.held if key[0] == "inner"] == []


def test_what_is_not_ours_is_dropped_without_a_word():
    for name, mutate in (
        ("request_malformed", lambda a, data: data[:20]),
        ("request_malformed", lambda a, data: b""),
        ("not_a_request", lambda a, data: mip.pack(mip.RegistrationReply(0, 1, HOME, AGENT, 1, []))),
        ("request_unknown_node", lambda a, data: a.request(home=bytes((10, 77, 0, 3)))),
        ("request_not_authenticated", lambda a, data: data[:24]),
        ("request_unknown_spi", lambda a, data: data[:26] + bytes((0, 0, 9, 9)) + data[30:]),
    ):
        agent = Agent().started()
        agent.datagram(mutate(agent, agent.request()))
        assert agent.sent == [] and agent.counts == {name: 1}, (name, agent.counts)


def test_another_roles_datagram_is_not_looked_at():
    agent = Agent().started()
    agent.datagram(agent.request(), uplink=77)
    assert agent.sent == [] and agent.counts == {}


def test_a_false_authenticator_is_refused_at_a_bounded_rate():
    agent = Agent().started()
    for n in range(3 * REFUSALS_PER_S):
        data = agent.request()
        agent.datagram(data[:-1] + bytes((data[-1] ^ 1,)), FORGER, now_ms=n)
    assert len(agent.sent) == REFUSALS_PER_S
    assert {message.code for _, _, message in agent.sent} == {131}
    assert agent.counts["request_false_authenticator"] == 3 * REFUSALS_PER_S
    assert agent.routes() == {}


def test_a_refusal_is_no_longer_than_its_request():
    agent = Agent().started()
    data = agent.request()
    reply_size = len(mip.pack_to_sign(mip.RegistrationReply(131, 0, HOME, AGENT, 1, []), SPI, 16)) + 16
    assert reply_size <= len(data)


def test_the_same_request_from_the_same_place_is_answered_the_same():
    agent = Agent().started()
    data = agent.request()
    agent.datagram(data, now_ms=0).datagram(data, now_ms=2000)
    assert [message.code for _, _, message in agent.sent] == [0, 0]
    assert agent.sent[1][2].lifetime_s <= 598
    agent.datagram(data, source=FORGER, now_ms=3000)
    assert agent.code() == 133
    assert agent.counts["request_stale"] == 1
    assert agent.held["tunnel", 2].peer == CARE_OF


def test_a_repetition_of_every_kind_is_answered_alike_and_changes_nothing():
    """Its reply was lost (3.8.2.2): whatever was asked, and whatever came of it."""
    critical = mip_extensions.CriticalVendor(9, 1, b"")
    forced = mip_extensions.UdpTunnelRequest(mip_extensions.UDP_FORCE, 0)
    networks = [mip_extensions.MobileNetworkRequest(LAN[0], LAN[1])]
    for code, asked in (
        (0, {}),
        (0, {"flags": mip.FLAG_D | mip.FLAG_S, "care_of": OUTSIDE, "extensions": [forced]}),
        (0, {"lifetime_s": 0}),
        (0, {"lifetime_s": 0, "care_of": HOME}),
        (0, {"lifetime_s": 65535}),
        (0, {"extensions": [mip_extensions.NO_CHANGE]}),
        (0, {"extensions": [forced]}),
        (0, {"extensions": networks}),
        (134, {"care_of": bytes(4)}),
        (140, {"extensions": [critical]}),
        (147, {"extensions": [mip_extensions.MobileNetworkRequest(bytes((10, 9, 0, 0)), 16)]}),
    ):
        agent = Agent().started()
        agent.datagram(agent.request())
        agent.tell(events.Late(), 100)
        again = agent.request(**asked)
        agent.datagram(again, now_ms=1000)
        first, held, moved = agent.sent[-1], dict(agent.held), len(agent.others)
        assert first[2].code == code, (asked, first)
        for now_ms in (1000, 1500, 1900):
            agent.datagram(again, now_ms=now_ms)
            assert agent.sent[-1][:2] == first[:2] and agent.held == held, asked
            reply = agent.sent[-1][2]
            assert reply[2:] == first[2][2:] and reply.code == first[2].code, asked
            assert 0 <= first[2].lifetime_s - reply.lifetime_s <= 1
        assert [a for a in agent.others[moved:] if not isinstance(a, events.Log)] == [], asked
        assert agent.counts["request_repeated"] == 3


def test_the_tunnel_follows_only_an_authenticated_request():
    agent = Agent().started()
    extension = mip_extensions.UdpTunnelRequest(0, 0)
    agent.datagram(agent.request(extensions=[extension]), OUTSIDE, 40001)
    agent.datagram(agent.request(extensions=[extension]), OUTSIDE, 40002, now_ms=2000)
    assert agent.sent[-1][:2] == (OUTSIDE, 40002)
    ports = [agent.held[key].peer_port for key in agent.held if key[0] == "tunnel"]
    assert sorted(ports) == [40001, 40002]  # the old one has its grace
    agent.tell(events.Late(), agent.role.deadline())
    agent.tell(events.Late(), 4100)
    assert [agent.held[key].peer_port for key in agent.held if key[0] == "tunnel"] == [40002]


def test_a_proof_binds_nothing():
    agent = Agent().started()
    agent.datagram(agent.request(extensions=[mip_extensions.NO_CHANGE]))
    assert agent.code() == 0 and agent.sent[-1][2].lifetime_s == 600
    assert agent.routes() == {}


def test_an_expired_binding_is_gone_with_all_that_was_held():
    agent = Agent().started()
    before = dict(agent.held)
    agent.datagram(agent.request(lifetime_s=10))
    agent.tell(events.Late(), 10000)
    assert agent.routes() == {}
    agent.tell(events.Late(), 13000)
    assert agent.held == before


def test_unanswered_questions_are_bounded_and_forgotten():
    agent = Agent().started()
    for n in range(PENDING_MAX):
        source = bytes((192, 0, n >> 8, n & 255))
        agent.role.handle(events.Datagram(1, source, 434, AGENT, 64, agent.request()), 0)
    full = agent.role.handle(events.Datagram(1, CARE_OF, 434, AGENT, 64, agent.request()), 100)
    assert full == [events.Count("questions_too_many")]
    later = agent.role.handle(events.Datagram(1, CARE_OF, 434, AGENT, 64, agent.request()), 5000)
    assert isinstance(later[0], events.Verify)


def test_what_it_knows_survives_a_restart_under_the_same_numbers():
    agent = Agent().started()
    data = agent.request()
    agent.datagram(data)
    agent.tell(events.Late(), agent.role.deadline())
    assert len(agent.saved) == 1
    other = Agent()
    for name, value in agent.saved.items():
        other.tell(events.Restored(name, value), 1000)
    other.tell(events.Start(), 1000)
    assert {key: m for key, m in other.held.items() if key[0] != "route"} == {
        key: m for key, m in agent.held.items() if key[0] != "route"
    }
    assert other.routes() == agent.routes()
    other.datagram(data, FORGER, now_ms=1000)
    assert other.code() == 133


def saved_by():
    agent = Agent().started()
    agent.datagram(agent.request())
    agent.tell(events.Late(), agent.role.deadline())
    [(name, row)] = agent.saved.items()
    return agent, name, row


def test_what_the_first_careofd_kept_is_read():
    """Pieces of the table; their first rows knew nothing of leases, bindings nothing of how they were asked
    for. They become rows, and then the piece goes."""
    agent, name, row = saved_by()
    key, guards, bindings, routed, lease = row
    guards = [[spi, replay, [value[0]]] for spi, replay, value in guards]
    for old in ([key, guards, bindings, routed, lease], [key, guards, [b[:6] for b in bindings], routed]):
        newer = Agent()
        newer.tell(events.Restored("home_agent-ha.2", [old]), 1000)
        newer.tell(events.Start(), 1000)
        assert newer.routes() == agent.routes() and "state_unreadable" not in newer.counts
        newer.tell(events.Late(), 1000 + SAVE_SOON_MS)
        assert list(newer.saved) == [name, "home_agent-ha.2"] or sorted(newer.saved) == [
            "home_agent-ha.2",
            name,
        ]
        assert newer.saved["home_agent-ha.2"] is None and newer.saved[name][0] == key


def test_one_row_of_a_piece_that_cannot_be_read_takes_no_other_with_it():
    agent, _, row = saved_by()
    other = Agent()
    other.tell(events.Restored("home_agent-ha.2", [["zz", 5, []], row]), 1000)
    other.tell(events.Start(), 1000)
    assert other.routes() == agent.routes() and other.counts["state_unreadable"] == 1


def test_the_row_of_a_node_that_is_configured_no_more_is_forgotten():
    _, name, row = saved_by()
    other = Agent(many_options([Node("n", bytes((10, 78, 0, 1)), (), ("branch-wan",))]))
    other.tell(events.Restored(name, row), 1000)
    assert other.saved == {name: None} and "state_unreadable" not in other.counts


def test_every_field_of_a_row_is_checked():
    """Another type, a number too few or too many: named, and nothing of the row is taken."""
    _, name, row = saved_by()
    damaged = [row[:-1], row + [None], None, 5, {}]
    damaged += [row[:n] + [wrong] + row[n + 1 :] for n in range(len(row)) for wrong in (7.5, {"a": 1})]
    for part, at in ((row[2][0], 2), (row[1][0], 1)):
        for n in range(len(part)):
            damaged.append(row[:at] + [[part[:n] + [7.5] + part[n + 1 :]]] + row[at + 1 :])
        damaged.append(row[:at] + [[part[:-1]]] + row[at + 1 :])
    for value in damaged:
        agent = Agent()
        agent.tell(events.Restored(name, value), 1000)
        assert agent.counts.get("state_unreadable") == 1, value
        assert agent.role.bindings.count == 0, value
        agent.started().datagram(agent.request())
        assert agent.code() == 0
    # The control: it is none of these that keeps it out.
    agent = Agent()
    agent.tell(events.Restored(name, row), 1000)
    assert agent.role.bindings.count == 1 and "state_unreadable" not in agent.counts


# -- A restart that nobody prepared


def ntp(unix_ms):
    return (unix_ms // 1000 + NTP_S) << 32 | (unix_ms % 1000 << 32) // 1000


def asks(agent, made_ms, now_ms):
    """A request with a timestamp of that time; the code of the reply."""
    message = mip.RegistrationRequest(
        mip.FLAG_D | mip.FLAG_T, 600, HOME, AGENT, CARE_OF, ntp(UNIX_MS + made_ms), []
    )
    data = mip.pack_to_sign(message, SPI, 16)
    agent.datagram(data + agent.keys.authenticate("branch-wan", data), now_ms=now_ms)
    return agent.code()


def begun_again(agent, at_ms, offset_ms=UNIX_MS):
    again = Agent()
    again.tell(events.WallClock(offset_ms), 0)
    for name, value in agent.saved.items():
        if value is not None:
            again.tell(events.Restored(name, value), at_ms)
    return again.tell(events.Start(), at_ms)


def killed_behind(ahead_ms):
    """A node with such a clock registered, and again a moment before a kill: the last one is not kept."""
    agent = Agent().started()
    assert asks(agent, 11000 + ahead_ms, 11000) == 0
    agent.tell(events.Late(), 11000 + SAVE_SOON_MS)
    assert asks(agent, 12000 + ahead_ms, 12000) == 0
    return agent


def test_what_was_let_in_just_before_a_kill_is_not_let_in_again():
    for ahead_ms in (0, -3000, 5000):
        agent = killed_behind(ahead_ms)
        again = begun_again(agent, 12300)
        assert asks(again, 12000 + ahead_ms, 12400) == 133, ahead_ms
        assert asks(again, 12500 + ahead_ms, 12500) == 0, ahead_ms  # its owner does not notice
        # The control: with all that was let in kept, and the end prepared, that alone keeps it out; without,
        # it is let in.
        again = begun_again(agent, 12300)
        again.role.nodes.beginning.unix_ms = 0
        assert asks(again, 12000 + ahead_ms, 12400) == 0, ahead_ms


def test_a_node_that_was_never_kept_is_let_in_with_what_is_new():
    agent = Agent().started()
    assert asks(agent, 1000, 1000) == 0
    again = begun_again(agent, 1500)  # nothing of it
    assert asks(again, 1000, 1600) == 133
    assert asks(again, 1700, 1700) == 0


def test_after_an_end_that_was_prepared_an_earlier_timestamp_is_good_once():
    agent = Agent().started()
    assert asks(agent, 1000, 1000) == 0
    agent.tell(events.Command("stop", []), 2000)
    assert agent.saved["home_agent-ha.clean"] is True
    again = begun_again(agent, 2300)
    assert again.saved["home_agent-ha.clean"] is None  # it is true only once
    assert asks(again, 2200, 2400) == 0
    agent.saved["home_agent-ha.clean"] = None
    assert asks(begun_again(agent, 2300), 2200, 2400) == 133  # the control


def test_a_clock_that_is_set_after_the_restart_moves_the_beginning():
    """A router without a clock of its own: what was recorded before it stopped is older than the moment when
    it learnt the time."""
    agent = killed_behind(0)
    hour_ms = 3600000
    again = begun_again(agent, 12300, UNIX_MS - hour_ms)
    again.tell(events.WallClock(UNIX_MS), 13000)
    assert asks(again, 12000, 13100) == 133 and asks(again, 13200, 13200) == 0
    # The control: by its first clock alone that was not before the beginning.
    again = begun_again(agent, 12300, UNIX_MS - hour_ms)
    again.role.unix_offset_ms = UNIX_MS
    assert asks(again, 12000, 13100) == 0


def many_options(nodes):
    kept = agent_options()
    return type(kept)(kept.agent, nodes, [], kept.associations, {}, None)


def few_at_a_time(test):
    """Run it with pieces of PIECE nodes."""

    def run():
        before, module.SWEEP_NODES = module.SWEEP_NODES, PIECE
        try:
            test()
        finally:
            module.SWEEP_NODES = before

    return run


def starting_again():
    """An agent that bound many nodes, all at one address; and its successor that has begun to hold them."""
    nodes = [Node("n%d" % n, bytes((10, 78, 0, n)), (), ("branch-wan",)) for n in range(3 * PIECE)]
    agent = Agent(many_options(nodes)).started()
    for node in nodes:
        agent.datagram(agent.request(home=node.home_address))
    agent.tell(events.Command("stop", []), 1000)
    other = Agent(many_options(nodes))
    other._serial = agent._serial
    for name, value in agent.saved.items():
        other.tell(events.Restored(name, value), 2000)
    return agent, other.started(), nodes


def settled(agent):
    return bool(of(events.Settled, agent.others))


@few_at_a_time
def test_many_are_held_again_in_pieces_and_served_meanwhile():
    agent, other, nodes = starting_again()
    assert len(other.routes()) == PIECE and not settled(other)
    waiting = [node.home_address for node in nodes if (node.home_address, 32) not in other.routes()]
    other.datagram(other.request(home=waiting[0]), now_ms=2000)
    assert other.code() == 0
    for _ in range(2):
        assert other.role.deadline() <= 2000 and not settled(other)
        other.tell(events.Late(), 2000)
    assert sorted(other.routes()) == sorted(agent.routes()) and settled(other)
    assert other.role.deadline() > 2000


@few_at_a_time
def test_who_goes_while_others_wait_to_be_held_takes_nothing_of_theirs():
    _, other, nodes = starting_again()
    stay = [node for node in nodes if (node.home_address, 32) not in other.routes()]
    other.tell(events.Reconfigured(many_options(stay)), 2000)
    other.saved = {}
    for node in stay:
        other.role.touched(other.role.nodes.find(node.home_address), 2000)
    other.tell(events.Command("stop", []), 2000)
    rows = [value for name, value in other.saved.items() if ".n." in name and value is not None]
    assert len(rows) == len(stay)
    while not settled(other):
        other.tell(events.Late(), 2000)
    assert len(other.routes()) == len(stay)


def test_damaged_state_is_left_out():
    for value in (5, [5], [["zz", [], 5]], [[HOME.hex(), [[SPI, "timestamps", 5]], []]]):
        agent = Agent()
        agent.tell(events.Restored("home_agent-ha.2", value))
        assert agent.counts.get("state_unreadable") == 1, value
        agent.started().datagram(agent.request())
        assert agent.code() == 0


def test_status_lists_so_many_and_counts_all():
    nodes = [Node("n%d" % n, bytes((10, 78, 0, n)), (), ("branch-wan",)) for n in range(8)]
    kept = agent_options()
    agent = Agent(type(kept)(kept.agent, nodes, [], kept.associations, {}, None)).started()
    for node in nodes:
        agent.datagram(agent.request(home=node.home_address))
    before, module.STATUS_ROWS_MAX = module.STATUS_ROWS_MAX, 5
    try:
        snapshot = agent.role.snapshot(1000)
    finally:
        module.STATUS_ROWS_MAX = before
    assert (snapshot["nodes"], snapshot["bindings"], len(snapshot["bound"])) == (8, 8, 5)
    assert snapshot["bound"][0]["lifetime_left_s"] == 599


def test_an_allowance_is_for_each_second():
    allowance = Allowance(2)
    assert [allowance.take(0), allowance.take(1), allowance.take(2)] == [True, True, False]
    assert allowance.take(1001)


if __name__ == "__main__":
    from runner import main

    main(globals())

"""The foreign agent's role: visits, a restart, and our home agent at the other end (RFC 5944 3.7)."""

from careof.agent import events
from careof.agent.home_agent.role import HomeAgent
from careof.wire import ipv4, mip, tunneld
from careof.wire import mip_extensions as ext
from foreign import (
    CARE_OF,
    FIRST,
    HOME,
    LAN,
    LINK,
    MAC,
    OTHER_MAC,
    SECTIONS,
    UNIX_MS,
    Foreign,
    foreign_options,
    revocable,
    revocation,
)
from office import AGENT, Node, agent_options
from world import Chance

# -- Registering


def test_a_request_is_relayed_as_it_is_and_its_reply_comes_back():
    foreign = Foreign()
    asked = foreign.request()
    foreign.ask(asked)
    assert foreign.to_agent == [(AGENT, 434, asked)] and foreign.visitors() == []
    foreign.reply()
    mac, datagram, received = foreign.node_got()
    assert mac == MAC and datagram.data == foreign.signed_by_home_agent
    # RFC 5944 3.7.2.3
    assert datagram[:4] == (LINK, 434, HOME, 5434)
    assert received.message.code == 0 and foreign.visitors() == ["10.77.0.2"]


def test_what_is_held_for_a_visitor_with_direct_delivery():
    foreign = Foreign().visiting()
    [(_, tunnel)] = foreign.holds("tunnel").items()
    assert tunnel[1:] == (tunneld.KIND_IPIP, FIRST, AGENT, 0, 0, 0)
    number = tunnel.tunnel
    assert list(foreign.holds("inner").values()) == [tunneld.SetInner(number, bytes(4), 0, HOME, 32)]
    assert list(foreign.holds("neighbour").values()) == [tunneld.SetNeighbour("lan0", HOME, MAC)]
    assert list(foreign.holds("capture").values()) == [tunneld.SetCapture(HOME, 32, "lan0")]
    assert list(foreign.holds("route").values()) == [
        tunneld.SetRoute(bytes(4), 0, HOME, 32, tunneld.GATE_OPEN, 600, (number,))
    ]


def test_encapsulating_delivery_captures_what_comes_out_of_the_tunnel_from_the_visitor():
    foreign = Foreign()
    style = ext.pack_extension(ext.EncapsulatingDelivery())
    foreign.ask(foreign.request() + style)
    assert not foreign.to_agent[0][2].endswith(style)  # 3.7.2.2: processed and removed
    foreign.reply()
    assert list(foreign.holds("capture").values()) == [tunneld.SetCapture(HOME, 32, "careof0")]
    from_visitor = [t for t in foreign.holds("tunnel").values() if t.uplink == LAN]
    assert [t[1:] for t in from_visitor] == [(tunneld.KIND_IPIP, LAN, HOME, 0, 0, 0)]
    assert tunneld.SetInner(from_visitor[0].tunnel, HOME, 32, bytes(4), 0) in foreign.holds("inner").values()
    # It asks for direct delivery now.
    foreign.ask(foreign.request(), 2000).reply(now_ms=2000)
    assert list(foreign.holds("capture").values()) == [tunneld.SetCapture(HOME, 32, "lan0")]
    assert len(foreign.holds("tunnel")) == 1


def test_without_a_reverse_tunnel_only_the_way_in_is_held():
    foreign = Foreign().visiting(flags=0)
    assert not foreign.holds("capture") and not foreign.holds("route")
    assert foreign.holds("neighbour") and foreign.holds("inner")


def test_a_co_located_node_that_registers_through_us_gets_no_tunnel_of_ours():
    foreign = Foreign(registration_required=True)
    foreign.ask(foreign.request(mip.FLAG_D | mip.FLAG_T, care_of=ipv4.parse_address("10.9.0.50"))).reply()
    assert foreign.visitors() == ["10.77.0.2"]
    for kind in ("tunnel", "neighbour", "capture", "route", "inner"):
        assert not foreign.holds(kind), kind


def test_deregistration_ends_the_visit_and_all_that_was_held():
    foreign = Foreign()
    before = dict(foreign.held)
    foreign.visiting()
    foreign.ask(foreign.request(lifetime_s=0), 2000).reply(now_ms=2000)
    assert foreign.visitors() == [] and foreign.held == before
    assert foreign.node_got()[2].message.lifetime_s == 0


def test_the_lifetime_is_the_shorter_of_both_and_ends_the_visit():
    foreign = Foreign(lifetime_max_s=100)
    before = dict(foreign.held)
    foreign.ask(foreign.request(lifetime_s=100)).reply(lifetime_s=90)
    foreign.tell(events.Late(), 89999)
    assert foreign.visitors(89999) == ["10.77.0.2"]
    foreign.tell(events.Late(), 90000)
    assert foreign.visitors(90000) == [] and foreign.counts["visitor_expired"] == 1 and foreign.held == before


def test_a_renewal_renews_the_route_and_touches_nothing_else():
    foreign = Foreign().visiting()
    before = {key: message for key, message in foreign.held.items() if key[0] != "route"}
    foreign.ask(foreign.request(lifetime_s=900), 300000).reply(now_ms=300000)
    assert {key: message for key, message in foreign.held.items() if key[0] != "route"} == before
    assert [route.valid_s for route in foreign.holds("route").values()] == [900]


def test_visitors_of_one_home_agent_share_its_tunnel():
    foreign = Foreign().visiting()
    other = ipv4.parse_address("10.77.0.3")
    foreign.ask(foreign.request(home=other), mac=OTHER_MAC, source=other).reply()
    assert len(foreign.holds("tunnel")) == 1 and len(foreign.holds("neighbour")) == 2
    foreign.ask(foreign.request(lifetime_s=0), 3000).reply(now_ms=3000)
    assert len(foreign.holds("tunnel")) == 1
    foreign.ask(foreign.request(lifetime_s=0, home=other), 3000, OTHER_MAC, other).reply(now_ms=3000)
    assert len(foreign.holds("tunnel")) == 0


def test_encapsulations_that_are_asked_for():
    for flags, kind in (
        (0, tunneld.KIND_IPIP),
        (mip.FLAG_M, tunneld.KIND_MINIMAL),
        (mip.FLAG_G, tunneld.KIND_GRE),
        (mip.FLAG_M | mip.FLAG_G, tunneld.KIND_GRE),
    ):
        foreign = Foreign().visiting(flags=mip.FLAG_T | flags)
        assert [t.kind for t in foreign.holds("tunnel").values()] == [kind], flags


def test_behind_a_nat_we_ask_for_udp_and_take_the_home_agent_at_its_word():
    for assents, kind, port in ((True, tunneld.KIND_MIP_UDP, 4434), (False, tunneld.KIND_IPIP, 0)):
        foreign = Foreign(udp_tunnelling="auto")
        foreign.ask(foreign.request())
        [wanted] = mip.unpack(foreign.to_agent[0][2]).unprotected
        assert wanted == ext.UdpTunnelRequest(0, ext.ENCAPSULATION_ANY)
        foreign.reply(port=4434, after=[ext.UdpTunnelReply(0 if assents else 64, False, 30)])
        assert [(t.kind, t.peer_port) for t in foreign.holds("tunnel").values()] == [(kind, port)]
        assert foreign.node_got()[1].data == foreign.signed_by_home_agent  # it was for us
    forced = Foreign(udp_tunnelling="force")
    forced.ask(forced.request())
    assert mip.unpack(forced.to_agent[0][2]).unprotected[0].flags == ext.UDP_FORCE
    # RFC 3519 4.5: never for a node with a care-of address of its own.
    forced.ask(forced.request(mip.FLAG_D, care_of=ipv4.parse_address("10.9.0.50")), 2000)
    assert mip.unpack(forced.to_agent[-1][2]).unprotected == []


# -- Over a restart, and a new configuration


def test_visitors_survive_a_restart_with_the_same_numbers():
    foreign = revocable()
    foreign.tell(events.Late(), 2000)
    assert foreign.saved
    again = Foreign(foreign.options, foreign.saved, 3000)
    assert again.visitors(3000) == ["10.77.0.2"]
    assert {k: v for k, v in again.held.items() if k[0] != "route"} == {
        k: v for k, v in foreign.held.items() if k[0] != "route"
    }
    assert [route.valid_s for route in again.holds("route").values()] == [597]
    again.tell(events.Late(), 3000)
    assert again.advertisements()[-1][1].agent.sequence == 256  # no start to those who are registered
    again.from_agent(revocation(again), 4000)
    assert again.visitors() == []


def kept(foreign):
    """(name, row) of its one visitor."""
    [(name, row)] = [(name, row) for name, row in foreign.saved.items() if ".v." in name]
    return name, row


def test_what_the_first_careofd_kept_is_read():
    """One list, whose rows knew nothing of how a visitor asked at first; one that cannot be read takes no
    other with it. They become rows, and then the list goes."""
    foreign = revocable()
    foreign.tell(events.Late(), 2000)
    name, row = kept(foreign)
    care_of = foreign.saved["foreign_agent-lan.care_of"]
    for old in (row, row[:13] + [row[13][:3]], row[:13]):
        older = {"foreign_agent-lan.visitors": {"care_of": care_of, "visitors": [["zz"], old]}}
        again = Foreign(foreign.options, older, 3000)
        assert again.visitors(3000) == ["10.77.0.2"] and again.counts["state_unreadable"] == 1
        again.tell(events.Late(), 4000)
        assert again.saved["foreign_agent-lan.visitors"] is None and kept(again)[0] == name
        assert again.saved["foreign_agent-lan.care_of"] == care_of


def test_what_cannot_be_read_is_left_out():
    for value in (
        None,
        7,
        [],
        {},
        {"care_of": "zz"},
        {"care_of": "c0000207", "visitors": [[1]]},
        {"care_of": "c0000207", "visitors": 5},
    ):
        again = Foreign(saved={"foreign_agent-lan.visitors": value})
        assert again.visitors() == [] and again.counts["state_unreadable"] == 1
        again.visiting()
        assert again.visitors() == ["10.77.0.2"]


def test_every_field_of_a_row_is_checked():
    foreign = revocable()
    foreign.tell(events.Late(), 2000)
    name, row = kept(foreign)
    damaged = [row[:-1], row + [None], None, 5]
    for n in range(len(row)):
        damaged.append(row[:n] + [7.5] + row[n + 1 :])
        if isinstance(row[n], list):
            damaged.append(row[:n] + [row[n][:-1]] + row[n + 1 :])
            damaged.append(row[:n] + [[7.5] + row[n][1:]] + row[n + 1 :])
    for value in damaged:
        again = Foreign(foreign.options, dict(foreign.saved, **{name: value}), 3000)
        assert again.visitors(3000) == [] and again.counts["state_unreadable"] == 1, value
    again = Foreign(foreign.options, dict(foreign.saved, **{"foreign_agent-lan.care_of": "zz"}), 3000)
    assert again.counts["state_unreadable"] == 1
    # The control
    again = Foreign(foreign.options, foreign.saved, 3000)
    assert again.visitors(3000) == ["10.77.0.2"] and "state_unreadable" not in again.counts


def test_a_visitor_that_is_gone_is_kept_no_more():
    foreign = revocable()
    foreign.tell(events.Late(), 2000)
    name, _ = kept(foreign)
    foreign.from_agent(revocation(foreign), 4000)
    assert foreign.visitors() == [] and foreign.saved[name] is None


def test_a_new_configuration_keeps_who_may_stay():
    foreign = Foreign().visiting()
    before = dict(foreign.held)
    foreign.tell(events.Reconfigured(foreign_options(interval_ms=500, max_visitors=9)), 1000)
    assert foreign.held == before and foreign.visitors() == ["10.77.0.2"]
    foreign.tell(events.Reconfigured(foreign_options(peers=())), 2000)
    assert foreign.visitors() == [] and not foreign.holds("tunnel")
    foreign.tell(events.Reconfigured(foreign_options(device=("lan1",))), 3000)
    assert ("link", LAN) not in foreign.held


def test_challenges_that_are_asked_for_from_now_on_are_advertised_and_visitors_stay():
    foreign = Foreign().visiting()
    foreign.tell(events.Late(), 500)
    assert foreign.advertisements()[-1][1].challenge is None
    before = len(foreign.advertisements())
    foreign.tell(events.Reconfigured(foreign_options(challenge=True)), 1000)
    foreign.tell(events.Late(), 1000)
    assert len(foreign.advertisements()) > before and foreign.advertisements()[-1][1].challenge is not None
    assert foreign.visitors() == ["10.77.0.2"]
    foreign.tell(events.Reconfigured(foreign_options()), 2000)
    foreign.tell(events.Late(), 2000)
    assert foreign.advertisements()[-1][1].challenge is None


# -- With our home agent at the other end


def test_our_home_agent_at_the_other_end():
    sections = {"node": SECTIONS["node"]}
    options = agent_options()
    node = Node("branch", HOME, (), ("node",))
    role = HomeAgent(events.AgentOptions(options.agent, [node], [], sections, {}, None), Chance(2).octets, 1)
    foreign = Foreign()
    waiting, sent, held = [events.WallClock(UNIX_MS), events.Start()], [], {}
    foreign.ask(foreign.request(flags=mip.FLAG_T))
    waiting.append(events.Datagram(1, CARE_OF, 434, AGENT, 60, foreign.to_agent[0][2]))
    while waiting:
        for action in role.handle(waiting.pop(0), 0):
            if isinstance(action, events.Verify):
                good = foreign.keys.verify(action.key, action.data, action.authenticator)
                waiting.append(events.Verified(action.token, good))
            elif isinstance(action, events.Authenticate):
                octets = foreign.keys.authenticate(action.key, action.data)
                waiting.append(events.Authenticated(action.token, octets))
            elif isinstance(action, events.Send):
                sent.append(action)
            elif isinstance(action, events.Hold):
                held[action.key] = action.message
    assert (sent[0].destination, sent[0].port) == (CARE_OF, 434)
    foreign.from_agent(sent[0].data)
    assert foreign.code() == 0 and foreign.visitors() == ["10.77.0.2"]
    assert [m.peer for key, m in held.items() if key[0] == "tunnel"] == [CARE_OF]


if __name__ == "__main__":
    from runner import main

    main(globals())

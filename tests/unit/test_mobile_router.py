"""The mobile router's role, one event at a time. Whole stories are in tests/sim."""

from careof.agent import events
from careof.agent.mobile_router.role import MobileRouter
from careof.crypt.soft import SoftProvider
from careof.limits import KEEPALIVE_IDENTIFIER, PROBE_IDENTIFIER, SETTLE_MAX_MS
from careof.wire import icmp, mip, mip_extensions, tunneld
from office import AGENT, HOME, LAN, NAMES, WAN, WWAN, router_options
from values import of
from world import Chance

GATEWAY = bytes((203, 0, 113, 1))
ROUTE = ("route", bytes(4), 0, HOME, 32)
FIRST = 100


class Router:
    """The role with a key provider beside it, and what it sent and holds."""

    def __init__(self, options=None, started=True):
        self.options = options or router_options()
        self.role = MobileRouter(self.options, Chance(1).octets, FIRST)
        self.keys = SoftProvider()
        for section in self.options.associations.values():
            self.keys.add_key(section.name, section.algorithm, section.key)
        self.sent, self.inner, self.held, self.counts = [], [], {}, {}
        self.others, self.order = [], []
        if started:
            self.tell(events.WallClock(1790000000000)).tell(events.Start()).tell(events.TunneldUp(0))

    def tell(self, event, now_ms=0):
        waiting = [event]
        while waiting:
            for action in self.role.handle(waiting.pop(0), now_ms):
                self.order.append(action)
                if isinstance(action, events.Verify):
                    genuine = self.keys.verify(action.key, action.data, action.authenticator)
                    waiting.append(events.Verified(action.token, genuine))
                elif isinstance(action, events.Authenticate):
                    octets = self.keys.authenticate(action.key, action.data)
                    waiting.append(events.Authenticated(action.token, octets))
                elif isinstance(action, events.Send):
                    self.sent.append((action.uplink, mip.unpack(action.data)))
                elif isinstance(action, events.SendInner):
                    self.inner.append((action.path, icmp.unpack_packet(action.data)))
                elif isinstance(action, events.Hold):
                    self.held[action.key] = action.message
                elif isinstance(action, events.Release):
                    del self.held[action.key]
                elif isinstance(action, events.Count):
                    self.counts[action.name] = self.counts.get(action.name, 0) + 1
                elif not isinstance(action, (events.Log, events.Save)):
                    self.others.append(action)
        return self

    def link(self, device="wan0", address=WAN, now_ms=0, carrier=True, prefix_length=24):
        return self.tell(events.Link(device, carrier, address, prefix_length, GATEWAY), now_ms)

    def reply(self, code=0, lifetime_s=600, now_ms=20, extensions=(), source=AGENT, key=None):
        """The home agent's answer to the last request."""
        uplink, received = self.sent[-1]
        spi = received.authentication.spi
        name = key or "branch-" + NAMES[spi - 256]
        message = mip.RegistrationReply(
            code, lifetime_s, HOME, AGENT, received.message.identification, list(extensions)
        )
        data = mip.pack_to_sign(message, spi, 16)
        data += self.keys.authenticate(name, data)
        return self.tell(events.Datagram(uplink, source, 434, WAN, 64, data), now_ms)

    def answer_probe(self, now_ms, path=None, data=None, identifier=PROBE_IDENTIFIER):
        """The home agent's kernel answers the last probe, by that tunnel."""
        sent_by, (_, _, echo) = self.inner[-1]
        reply = icmp.Echo(icmp.ECHO_REPLY, identifier, echo.sequence, echo.data if data is None else data)
        packet = icmp.pack_packet(AGENT, HOME, reply)
        return self.tell(events.Inner(sent_by if path is None else path, packet), now_ms)

    def bound(self):
        """By wan, with data passing."""
        return self.link().reply().answer_probe(40)

    def carrying(self):
        return self.role.snapshot(0)["carrying"]

    def row(self, name="wan"):
        return self.role.snapshot(0)["uplinks"][NAMES.index(name)]

    def keys_of(self, kind):
        return [key for key in self.held if key[0] == kind]


def test_the_ground_is_held_at_the_start_and_the_gate_holds():
    router = Router()
    assert router.held["tun",] == tunneld.SetTun(HOME, 1400)
    assert {key[1:3] for key in router.keys_of("capture")} == {(HOME, 32), LAN}
    assert {key[1:] for key in router.keys_of("spare")} == {LAN}
    assert {key[1] for key in router.keys_of("probe")} == {PROBE_IDENTIFIER, KEEPALIVE_IDENTIFIER}
    assert router.held[ROUTE].gate == tunneld.GATE_HOLD and router.held[ROUTE].paths == ()
    assert router.sent == []


def test_a_device_of_the_lan_lets_nothing_in_that_is_not_of_its_networks():
    """RFC 5177 10. The control: one that is not named does."""
    assert Router().keys_of("ingress") == []
    router = Router(router_options(lan_device=("br-lan",)))
    assert router.held["ingress", "br-lan"] == tunneld.SetIngress("br-lan")
    router.tell(events.Reconfigured(router_options(lan_device=("lan1",))))
    assert router.keys_of("ingress") == [("ingress", "lan1")]


def test_only_local_ranges_of_an_uplinks_network_are_spared():
    router = Router()
    router.link("wwan0", bytes((192, 168, 8, 2)))
    assert ("spare", bytes((192, 168, 8, 0)), 24) in router.held
    router.link("wwan0", bytes((8, 8, 8, 2)))
    assert {key[1:] for key in router.keys_of("spare")} == {LAN}
    router.link("wwan0", bytes((10, 0, 0, 2)), prefix_length=4)
    assert {key[1:] for key in router.keys_of("spare")} == {LAN}


def test_a_link_is_opened_and_asked_in_the_same_call():
    router = Router().link()
    assert router.held["uplink", FIRST] == tunneld.SetUplink(FIRST, "wan0", WAN, 434)
    uplink, received = router.sent[0]
    assert uplink == FIRST and received.message.care_of_address == WAN


def test_nothing_is_asked_before_tunneld_is_there():
    router = Router(started=False)
    router.tell(events.WallClock(1790000000000)).tell(events.Start()).link()
    assert router.sent == [] and ("uplink", FIRST) in router.held
    router.tell(events.TunneldUp(0), 50)
    assert len(router.sent) == 1


def test_a_grant_opens_the_route_through_what_was_held_before_it():
    router = Router().link()
    del router.order[:]
    router.reply()
    holds = [action.key[0] for action in router.order if isinstance(action, events.Hold)]
    assert holds.index("tunnel") < holds.index("path") < holds.index("inner") < holds.index("route")
    assert router.held["tunnel", FIRST] == tunneld.SetTunnel(FIRST, tunneld.KIND_IPIP, FIRST, AGENT, 0, 0, 0)
    assert router.held[ROUTE] == tunneld.SetRoute(bytes(4), 0, HOME, 32, tunneld.GATE_OPEN, 600, (FIRST,))
    assert {key[-2:] for key in router.keys_of("inner")} == {(HOME, 32), LAN}
    assert events.Moved("mobile_router-branch", None, "wan", "start") in router.others
    path, (source, destination, echo) = router.inner[-1]
    assert (path, source, destination, echo.identifier) == (FIRST, HOME, AGENT, PROBE_IDENTIFIER)


def test_udp_goes_to_the_contact():
    contact = (bytes((198, 51, 100, 99)), 4434)
    router = Router(router_options(contact=contact))
    router.link()
    uplink, received = router.sent[-1]
    assert received.message.home_agent == AGENT
    assert received.message.extensions[0].flags & mip_extensions.UDP_FORCE
    data = mip.pack_to_sign(
        mip.RegistrationReply(
            0, 600, HOME, AGENT, received.message.identification, [mip_extensions.UdpTunnelReply(0, True, 30)]
        ),
        256,
        16,
    )
    data += router.keys.authenticate("branch-wan", data)
    router.tell(events.Datagram(uplink, AGENT, 434, WAN, 64, data), 20)
    assert router.counts == {"reply_from_elsewhere": 1, "request_sent": 1}
    router.tell(events.Datagram(uplink, contact[0], contact[1], WAN, 64, data), 20)
    assert router.held["tunnel", FIRST] == tunneld.SetTunnel(
        FIRST, tunneld.KIND_MIP_UDP, FIRST, contact[0], contact[1], 0, 0
    )


def test_a_probe_counts_only_by_its_own_tunnel_with_its_own_octets():
    router = Router().link().reply()
    assert not router.row()["live"]
    router.answer_probe(30, path=FIRST + 1)
    router.answer_probe(31, data=bytes(8))
    router.answer_probe(32, identifier=KEEPALIVE_IDENTIFIER)
    router.tell(events.Inner(FIRST, b"nonsense"), 33)
    assert not router.row()["live"]
    router.answer_probe(40)
    assert router.row()["live"]
    router.answer_probe(41)
    assert router.counts["inner_not_awaited"] == 5


def test_copies_that_come_by_a_new_path_do_not_show_that_one_can_send_by_it():
    router = Router().bound()
    router.link("wwan0", WWAN, 1500)
    router.tell(events.Command("move", ["wwan"]), 1600)
    while router.sent[-1][0] != FIRST + 1 or not router.sent[-1][1].message.flags & mip.FLAG_S:
        router.tell(events.Late(), router.role.deadline())
    router.reply(now_ms=3000, extensions=[mip_extensions.UdpTunnelReply(0, False, 0)])
    router.tell(events.Unanswered(FIRST + 1, 300), 3300).tell(events.Answered(FIRST + 1), 3301)
    assert not router.row("wwan")["live"] and router.carrying() == "wan"
    router.answer_probe(3350)
    assert router.row("wwan")["live"] and router.carrying() == "wwan"


def test_settled_is_said_once_when_data_passes():
    router = Router().link().reply()
    assert not of(events.Settled, router.others)
    router.answer_probe(40)
    assert len(of(events.Settled, router.others)) == 1
    router.tell(events.Late(), SETTLE_MAX_MS + 1)
    assert len(of(events.Settled, router.others)) == 1


def test_settled_is_said_after_a_while_whatever_happens():
    router = Router()
    assert router.role.deadline() == SETTLE_MAX_MS
    router.tell(events.Late(), SETTLE_MAX_MS)
    assert of(events.Settled, router.others)


def test_a_pulled_cable_closes_and_asks_the_next_in_one_call():
    router = Router().bound()
    router.link("wwan0", WWAN, 1000)
    assert len(router.sent) == 1  # what is not needed is not asked for a binding
    router.link(carrier=False, now_ms=5000)
    assert router.held[ROUTE].gate == tunneld.GATE_HOLD
    uplink, received = router.sent[-1]
    assert uplink == FIRST + 1 and received.message.care_of_address == WWAN
    assert router.keys_of("tunnel") == [] and ("uplink", FIRST) not in router.held
    router.reply(now_ms=5050, extensions=[mip_extensions.UdpTunnelReply(0, False, 0)])
    assert router.held[ROUTE].paths == (FIRST + 1,) and router.held[ROUTE].gate == tunneld.GATE_OPEN
    assert events.Moved("mobile_router-branch", "wan", "wwan", "link lost") in router.others


def test_the_second_request_to_tidy_has_no_s_and_waits_a_second():
    router = Router().bound()
    assert router.sent[-1][1].message.flags & mip.FLAG_S
    while router.role.deadline() < 2000:
        router.tell(events.Late(), router.role.deadline())
    assert len(router.sent) == 2 and not router.sent[-1][1].message.flags & mip.FLAG_S


def test_a_proof_that_shows_udp_lets_the_tunnel_stand_before_the_reply():
    router = Router().bound()
    router.link("wwan0", WWAN, 1500)
    while not router.sent[-1][1].message.extensions[-1:] == [mip_extensions.NO_CHANGE]:
        router.tell(events.Late(), router.role.deadline())
    router.reply(now_ms=1800, extensions=[mip_extensions.UdpTunnelReply(0, False, 0)])
    assert router.row("wwan")["proven"] and router.row("wwan")["tunnel"] == "mip-udp"
    del router.order[:]
    router.link(carrier=False, now_ms=5000)
    kinds = [type(a) if isinstance(a, events.Send) else getattr(a, "key", ("",))[0] for a in router.order]
    assert kinds.index("tunnel") < kinds.index(events.Send)


def test_a_refused_uplink_is_retried_and_its_devices_return_too():
    router = Router().bound()
    message = router.held["uplink", FIRST]
    router.tell(events.Refused(message, 19, "no such device"), 1000)
    assert router.carrying() is None and not router.row()["carrier"]
    sent = len(router.sent)
    router.tell(events.Late(), 3000)
    assert ("uplink", FIRST) in router.held and len(router.sent) == sent + 1


def test_other_refusals_are_said_and_change_nothing():
    router = Router().bound()
    router.tell(events.Refused(router.held["tun",], 1, "not permitted"), 1000)
    assert router.carrying() == "wan"


def test_a_route_that_ran_out_is_said_again_while_the_binding_lasts():
    router = Router().bound()
    del router.held[ROUTE]
    router.tell(events.Expired(bytes(4), 0, HOME, 32), 100000)
    assert router.held[ROUTE].valid_s == 500
    router.tell(events.Expired(bytes(4), 0, bytes((10, 0, 0, 0)), 8), 100000)
    assert router.counts["route_expired"] == 1


def test_a_binding_that_ends_closes_the_gate():
    router = Router().link().reply(lifetime_s=10).answer_probe(40)
    while router.carrying():
        router.tell(events.Late(), router.role.deadline())
    assert router.held[ROUTE].gate == tunneld.GATE_HOLD


def test_replies_that_are_not_ours_are_counted_and_have_no_effect():
    for name, change in (
        ("reply_malformed", lambda data, r: data[:10]),
        ("reply_malformed", lambda data, r: b"\x09"),
        ("not_our_reply", lambda data, r: mip.pack(r.sent[-1][1].message)),
        ("reply_not_awaited", lambda data, r: data[:16] + bytes(4) + data[20:]),
        ("reply_not_authenticated", lambda data, r: data[:20]),
        ("reply_false_authenticator", lambda data, r: data[:-1] + bytes((data[-1] ^ 1,))),
    ):
        router = Router().link()
        request = router.sent[-1][1].message
        message = mip.RegistrationReply(0, 600, HOME, AGENT, request.identification, [])
        data = mip.pack_to_sign(message, 256, 16)
        data += router.keys.authenticate("branch-wan", data)
        router.tell(events.Datagram(FIRST, AGENT, 434, WAN, 64, change(data, router)), 20)
        counts = {name: 1, "request_sent": 1}
        if name in ("reply_not_awaited", "reply_not_authenticated", "reply_false_authenticator"):
            counts["reply_received"] = 1
        assert router.counts == counts, (name, router.counts)
        assert not router.row()["bound"]
        router.tell(events.Datagram(99, AGENT, 434, WAN, 64, data), 20)
        assert router.counts == counts
        router.tell(events.Datagram(FIRST, AGENT, 434, WAN, 64, data), 20)
        assert router.row()["bound"], name


def test_another_associations_key_does_not_do():
    router = Router().link().reply(key="branch-lte")
    assert router.counts == {"reply_false_authenticator": 1, "request_sent": 1, "reply_received": 1}


def test_signatures_that_never_come_do_not_pile_up():
    """The key provider is away, or has no such key: the request is begun again and again."""
    role, now_ms, asked = Router().role, 0, []
    event = events.Link("wan0", True, WAN, 24, GATEWAY)
    while now_ms < 600000:
        for action in role.handle(event, now_ms):
            if isinstance(action, events.Authenticate):
                asked.append(action.token)
                if len(asked) % 2:
                    assert role.handle(events.Authenticated(action.token, None), now_ms) == []
        event, now_ms = events.Late(), max(now_ms + 1, role.deadline())
    assert len(asked) > 10 and len(role.requests._questions) <= 1


def test_every_event_in_every_state_is_survived():
    told = [
        events.TunneldUp(0),
        events.TunneldDown(),
        events.Unanswered(FIRST, 100),
        events.Unanswered(7, 100),
        events.Answered(FIRST),
        events.Answered(7),
        events.Expired(bytes(4), 0, HOME, 32),
        events.Inner(FIRST, b""),
        events.Inner(7, bytes(28)),
        events.Authenticated(12345, bytes(16)),
        events.Verified(12345, True),
        events.Datagram(FIRST, AGENT, 434, WAN, 64, b""),
        events.Link("nothing0", True, WAN, 24, GATEWAY),
        events.Link("wan0", False, None, 0, None),
        events.Command("move", []),
        events.Command("move", [5]),
        events.Command("unheard", []),
        events.Late(),
        events.WallClock(5),
    ]
    for prepare in (lambda r: r, lambda r: r.link(), lambda r: r.link().reply(), lambda r: r.bound()):
        for event in told:
            router = prepare(Router())
            router.tell(event, 50)
            router.link("wwan0", WWAN, 60)
            assert isinstance(router.role.snapshot(60), dict)


def test_a_snapshot_says_what_was_refused():
    router = Router().link().reply(code=129)
    row = router.row()
    assert row["last_code"] == 129 and "administratively prohibited" in row["last_refusal"]
    assert router.role.snapshot(0)["state"] == "searching"


if __name__ == "__main__":
    from runner import main

    main(globals())

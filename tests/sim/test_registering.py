"""Both ends of a registration, over a network that loses, copies, delays and forges. Topology: office.py."""

from careof.proto.refusals import REFUSALS
from careof.wire import mip, mip_extensions
from office import AGENT, HOME, LTE, WAN, WWAN, Office, agent_options, router_options
from world import UDP, Packet, deliver

WAYS = [
    (algorithm, replay) for algorithm in ("hmac-md5", "hmac-sha256") for replay in ("timestamps", "nonces")
]


def requests(office, device):
    """[(ms, request)] that left by a device."""
    return [
        (at_ms, mip.unpack(packet.payload).message) for at_ms, packet in office.wires[device].passed["out"]
    ]


def codes(office, device):
    return [mip.unpack(packet.payload).message.code for _, packet in office.wires[device].passed["in"]]


def test_every_algorithm_and_every_replay_protection_registers():
    for algorithm, replay in WAYS:
        office = Office(algorithm=algorithm, replay=replay).open("wan0", "wwan0")
        assert office.bindings() == [WAN], (algorithm, replay)
        # Who knows no nonce yet is told one by a 133, and then asks again at once.
        assert codes(office, "wan0")[0] == (133 if replay == "nonces" else 0)
        office.session.begin()
        office.router.cable("wan0", False)
        office.world.run(3000)
        assert office.bindings() == [WWAN]
        assert office.session.lost() <= 2  # on the cable


def test_a_wrong_clock_is_corrected_from_the_home_agents_reply():
    for error_ms in (-86400000, 86400000, 365 * 86400000):
        office = Office()
        office.router.clock_error_ms = error_ms
        office.open("wan0")
        assert codes(office, "wan0")[0] == 133
        assert office.bindings() == [WAN]
        assert office.carrying() == "wan"
        # And it stays corrected: later requests are let in the first time.
        office.world.run(1000000)
        assert codes(office, "wan0").count(133) == 1


def test_a_revoked_router_is_told_and_registers_again():
    for device, address in (("wan0", WAN), ("wwan0", WWAN)):  # and behind a NAT
        office = Office().open(device)
        assert office.agent.command("revoke", "10.77.0.2") == "10.77.0.2 revoked"
        assert office.bindings() == []
        office.world.run(500)
        assert office.router.counters["revocation_taken"] == 1
        assert office.agent.counters["revocation_acknowledged"] == 1
        office.world.run(3000)
        assert office.bindings() == [address] and office.carrying() == device[:-1]


def test_a_move_is_no_revocation_to_a_router_with_addresses_of_its_own():
    office = Office().open("wan0", "wwan0")
    office.router.cable("wan0", False)
    office.world.run(5000)
    assert office.bindings() == [WWAN]
    assert "revocation_sent" not in office.agent.counters


def test_a_clock_that_is_a_little_off_is_within_the_tolerance():
    office = Office()
    office.router.clock_error_ms = 5000
    office.open("wan0")
    assert set(codes(office, "wan0")) == {0}


def test_behind_a_nat_it_is_udp_and_elsewhere_ip_in_ip():
    office = Office().open("wan0", "wwan0")
    assert office.status("wan")["tunnel"] == "ipip"
    office.router.cable("wan0", False)
    office.world.run(1000)
    assert office.status("wwan")["tunnel"] == "mip-udp"
    assert office.status("wwan")["nat"] is True


def test_keepalives_pass_at_the_interval_of_the_reply():
    office = Office(agent=agent_options(keepalive_s=20)).open("wwan0")
    before = len(office.keepalives)
    office.world.run(100000)
    assert len(office.keepalives) - before == 5


def test_no_keepalive_without_a_nat():
    office = Office(agent=agent_options(keepalive_s=20)).open("wan0")
    office.world.run(100000)
    assert office.keepalives == []


def test_udp_can_be_forced_and_is_when_the_contact_is_another_address():
    forced = Office(router=router_options(encapsulation="udp")).open("wan0")
    assert forced.status("wan")["tunnel"] == "mip-udp"
    assert (
        mip_extensions.find(requests(forced, "wan0")[0][1].extensions, mip_extensions.UdpTunnelRequest).flags
        == mip_extensions.UDP_FORCE
    )
    inside = bytes((10, 9, 9, 9))
    office = Office(router=router_options(home_agent=inside), agent=agent_options(address=inside))
    office.open("wan0")
    assert office.status("wan")["tunnel"] == "mip-udp"
    assert requests(office, "wan0")[0][1].home_agent == inside
    office.session.begin()
    office.world.run(3000)
    assert office.session.lost() == 0


def test_ip_in_ip_alone_is_refused_behind_a_nat_and_said_so():
    office = Office(router=router_options(encapsulation="ipip")).open("wwan0")
    assert office.carrying() is None
    assert office.status("wwan")["last_code"] == 129
    assert "administratively prohibited" in office.status("wwan")["last_refusal"]


def test_it_registers_again_before_the_lifetime_ends():
    office = Office(router=router_options(lifetime_s=60)).open("wan0")
    office.session.begin()
    office.world.run(20000)
    office.router.silence("wan0", False)
    asked = len(requests(office, "wan0"))
    office.world.run(160000)
    more = len(requests(office, "wan0")) - asked
    assert 5 <= more <= 8, more  # each at half of the lifetime, or up to an eighth of it sooner
    assert office.session.lost() == 0
    assert office.bindings() == [WAN]


def test_the_home_agent_may_grant_less():
    office = Office(agent=agent_options(lifetime_max_s=100)).open("wan0")
    assert office.status("wan")["lifetime_left_s"] <= 100


def test_a_lost_reply_is_made_up_for_and_nothing_is_bound_twice():
    for replay in ("timestamps", "nonces"):
        office = Office(replay=replay)
        office.wires["wan0"].lose_next = ["in"]
        office.open("wan0")
        assert office.carrying() == "wan", office.world.log
        assert office.bindings() == [WAN]


def test_requests_never_come_faster_than_the_rfc_allows():
    """RFC 5944 3.6.3: not in less than a second, and each time twice as long, to a bound of ours."""
    office = Office()
    for wire in office.wires.values():
        wire.silent = True
    office.open("wan0", "wwan0")
    office.world.run(300000)
    for device in ("wan0", "wwan0"):
        times = [at_ms for at_ms, _ in requests(office, device)]
        gaps = [times[n + 1] - times[n] for n in range(len(times) - 1)]
        assert len(gaps) >= 6 and min(gaps) >= 1000, gaps
        for n in range(1, len(gaps)):
            assert min(2 * gaps[n - 1], 32000) <= gaps[n] <= 40000, gaps  # jitter: up to a quarter
        if office.wires[device] is office.wires["wan0"]:
            identifications = [request.identification for _, request in requests(office, device)]
            assert identifications == sorted(set(identifications))


def test_requests_of_one_association_are_serialised():
    office = Office(router=router_options(shared="branch-wan"), seed=3)
    office.open("wan0", "wwan0", "lte0")
    for device in ("wan0", "wwan0", "wan0", "lte0"):
        office.router.cable(device, False)
        office.world.run(3000)
        office.router.cable(device, True)
        office.world.run(20000)
    rows = [row for device in office.wires for row in requests(office, device)]
    sent = sorted([(at_ms, request.identification) for at_ms, request in rows])
    identifications = [identification for _, identification in sent]
    assert identifications == sorted(set(identifications))
    assert office.carrying() == "wan"
    # When the cable was pulled, a proof was under way by a slower uplink: it was overtaken, and harmless.
    assert office.agent.counters.get("request_stale", 0) <= 1


def test_copies_and_late_packets_do_no_harm():
    for seed in range(1, 6):
        office = Office(seed=seed)
        for wire in office.wires.values():
            wire.copies, wire.jitter_ms, wire.loss = 0.1, 40, 0.02
        office.open("wan0", "wwan0", "lte0")
        for device in ("wan0", "wwan0"):
            office.router.cable(device, False)
            office.world.run(10000)
            assert office.carrying() is not None, (seed, office.world.log)
            office.router.cable(device, True)
        office.world.run(60000)
        assert office.carrying() == "wan", (seed, office.world.log)
        assert office.bindings() == [WAN], seed


def test_forged_messages_have_no_effect_on_either_end():
    office = Office().open("wan0")
    before = office.bindings()
    forger = bytes((192, 0, 2, 66))
    request = requests(office, "wan0")[-1][1]
    stolen = mip.RegistrationRequest(
        request.flags, 600, HOME, AGENT, forger, request.identification + (5 << 32), request.extensions
    )
    forged = mip.pack_to_sign(stolen, 256, 16) + bytes(16)
    deliver(office.world, Packet(UDP, forger, 434, AGENT, 434, forged))
    for code, source in ((0, AGENT), (131, AGENT), (0, forger)):
        reply = mip.RegistrationReply(code, 0, HOME, AGENT, request.identification, [])
        data = mip.pack_to_sign(reply, 256, 16) + bytes(16)
        deliver(office.world, Packet(UDP, source, 434, WAN, 434, data))
    office.world.run(1000)
    assert office.bindings() == before
    assert office.carrying() == "wan"
    assert office.agent.counters["request_false_authenticator"] == 1
    assert office.router.counters["reply_from_elsewhere"] == 1
    assert office.router.counters["reply_not_awaited"] == 2


def test_a_forged_refusal_of_an_awaited_request_is_not_believed():
    office = Office().open("wan0")
    office.wires["wan0"].lose_next = ["out"]
    office.router.cable("wan0", False)
    office.router.cable("wan0", True)
    office.world.run(30)
    request = requests(office, "wan0")[-1][1]
    reply = mip.RegistrationReply(131, 0, HOME, AGENT, request.identification, [])
    deliver(office.world, Packet(UDP, AGENT, 434, WAN, 434, mip.pack_to_sign(reply, 256, 16) + bytes(16)))
    deliver(office.world, Packet(UDP, AGENT, 434, WAN, 434, mip.pack(reply)))
    office.world.run(20)
    assert office.router.counters["reply_false_authenticator"] == 1
    assert office.router.counters["reply_not_authenticated"] == 1
    office.world.run(8000)
    assert office.carrying() == "wan"


def test_an_old_request_sent_again_by_another_is_stale():
    office = Office().open("wan0")
    _, packet = office.wires["wan0"].passed["out"][0]
    office.world.run(5000)
    before = office.bindings()
    deliver(office.world, packet.altered(source=bytes((192, 0, 2, 66))))
    office.world.run(1000)
    assert office.agent.counters["request_stale"] == 1
    assert office.bindings() == before


def test_stop_deregisters_and_leaves_nothing_open():
    office = Office().open("wan0", "wwan0")
    office.router.command("stop")
    office.world.run(1000)
    assert office.router.stopped
    assert office.bindings() == []
    held = office.router.tunneld.held
    assert [key for key in held if key[0] in ("uplink", "tunnel", "path", "inner")] == []
    assert held["route", bytes(4), 0, HOME, 32].gate == 0


def test_stop_deregisters_with_a_nonce_that_is_out_of_date():
    office = Office(replay="nonces").open("wan0")
    office.router.role.requests.associations["branch-wan"].turn.source.restore({"nonce": 1}, 0)
    office.router.command("stop")
    office.world.run(1100)  # 133 brings the nonce; a second request is not sent in the same second
    assert office.router.stopped and office.bindings() == []


def test_stop_does_not_wait_for_ever():
    office = Office().open("wan0")
    office.router.silence("wan0")
    office.router.command("stop")
    office.world.run(2900)
    assert not office.router.stopped
    office.world.run(200)
    assert office.router.stopped
    quiet = Office()
    quiet.open()
    quiet.router.command("stop")
    assert quiet.router.stopped


def test_a_command_for_an_unknown_or_absent_uplink_says_what_was_expected():
    office = Office().open("wan0")
    assert office.router.command("move", "dsl") == {"error": "uplink 'dsl': expected one of wan, wwan, lte"}
    assert office.router.command("move", "lte") == {"error": "uplink lte: no carrier"}


def test_two_routers_addresses_behind_two_nats_may_be_the_same():
    office = Office()
    office.wires["lte0"].plug(WWAN)
    office.open("wwan0", "lte0")
    office.session.begin()
    office.router.command("move", "lte")
    office.world.run(8000)
    assert office.carrying() == "lte"
    assert office.session.lost() == 0
    assert LTE != WWAN and office.bindings() == [WWAN]


def test_every_refusal_is_waited_out_and_then_asked_again():
    for code in sorted(REFUSALS):
        office = Office()
        office.agent.refuse_with = code
        office.open("wan0")
        assert office.carrying() is None, code
        assert office.status("wan")["last_code"] == code
        office.agent.refuse_with = None
        office.world.run(700000)
        assert office.carrying() == "wan", code


if __name__ == "__main__":
    from runner import main

    main(globals())

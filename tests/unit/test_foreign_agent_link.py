"""What a foreign agent says on its links: advertisements, and challenges in them (RFC 5944 2.3, RFC 4721)."""

from careof.agent import events
from careof.agent.foreign_agent.role import ForeignAgent
from careof.wire import ipv4
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from foreign import (
    CARE_OF,
    FIRST,
    GATEWAY,
    LAN,
    LINK,
    OTHER_MAC,
    STRANGER,
    Foreign,
    foreign_options,
    with_node_association,
)
from office import AGENT
from world import Chance

# -- Advertisements


def test_advertisements_say_what_is_offered():
    foreign = Foreign(udp_tunnelling="force", registration_required=True).tell(events.Late(), 0)
    [(mac, message)] = foreign.advertisements()
    assert mac == b"\x01\x00\x5e\x00\x00\x01" and message.lifetime_s == 3
    assert message.routers == [(LINK, 0)] and message.prefix_lengths == (24,)
    agent = message.agent
    assert agent.care_of == (CARE_OF,) and agent.lifetime_s == 1800 and agent.sequence == 0
    wanted = (discovery.AGENT_F, discovery.AGENT_R, discovery.AGENT_M, discovery.AGENT_G, discovery.AGENT_T)
    assert agent.flags == sum(wanted) | discovery.AGENT_U | discovery.AGENT_X


def test_they_come_at_their_interval_with_jitter_and_rising_numbers():
    foreign, at_ms, times = Foreign(), 0, []
    while len(times) < 30:
        at_ms = foreign.role.deadline()
        times.append(at_ms)
        foreign.tell(events.Late(), at_ms)
    gaps = [times[index + 1] - times[index] for index in range(len(times) - 1)]
    assert min(gaps) >= 875 and max(gaps) <= 1000 and len(set(gaps)) > 5
    assert [message.agent.sequence for _, message in foreign.advertisements()] == list(range(30))


def test_sequence_numbers_wrap_to_256():
    from careof.agent.advertiser import after

    assert [after(n) for n in (0, 255, 0xFFFE, 0xFFFF)] == [1, 256, 0xFFFF, 256]


def test_solicitations_are_answered_to_whoever_asked_at_a_bounded_rate():
    foreign = Foreign()
    foreign.solicit(0, source=STRANGER, mac=OTHER_MAC)
    mac, packet = foreign.to_node[-1]
    assert mac == OTHER_MAC and ipv4.unpack(packet).destination == STRANGER and ipv4.unpack(packet).ttl == 1
    foreign.solicit(0, source=bytes(4))
    assert ipv4.unpack(foreign.to_node[-1][1]).destination == b"\xff\xff\xff\xff"
    for _ in range(500):
        foreign.solicit(1)
    assert len(foreign.to_node) == 20 and foreign.counts["solicitation_limited"] == 482
    foreign.solicit(1001)
    assert len(foreign.to_node) == 21


def test_without_a_care_of_address_nothing_is_offered():
    foreign = Foreign()
    silent = ForeignAgent(foreign_options(), Chance(1).octets, FIRST)
    actions = silent.handle(events.Start(), 0) + silent.handle(events.Link("lan0", True, LINK, 24, None), 0)
    actions += silent.handle(events.Late(), 0)
    assert not [action for action in actions if isinstance(action, events.SendFrame)]
    assert foreign.role.snapshot(0)["state"] == "serving"


def test_another_care_of_address_voids_all_visits_and_says_so():
    foreign = Foreign().visiting().tell(events.Late(), 0).tell(events.Late(), 1000)
    foreign.tell(events.Link("wan0", True, STRANGER, 24, GATEWAY), 1500)
    assert foreign.visitors() == [] and not foreign.holds("tunnel")
    foreign.tell(events.Late(), 1500)
    agent = foreign.advertisements()[-1][1].agent
    assert agent.sequence == 0 and agent.care_of == (STRANGER,)
    assert foreign.held["uplink", FIRST].address == STRANGER


def test_a_link_that_goes_and_comes_back_is_opened_again_with_its_neighbours():
    foreign = Foreign().visiting()
    foreign.tell(events.Link("lan0", False, None, 0, None), 1000)
    assert ("link", LAN) not in foreign.held
    sent = len(foreign.to_node)
    foreign.tell(events.Late(), 5000)
    assert len(foreign.to_node) == sent
    foreign.tell(events.Link("lan0", True, LINK, 24, None), 6000)
    assert (
        ("link", LAN) in foreign.held
        and foreign.holds("neighbour")
        and foreign.visitors(6000) == ["10.77.0.2"]
    )


# -- Challenges (RFC 4721)


def challenged(**more):
    return with_node_association(challenge=True, **more)


def last_challenge(foreign):
    return foreign.advertisements()[-1][1].challenge


def with_challenge(foreign, value, **changes):
    return foreign.for_agent(foreign.request(**changes) + ext.pack_extension(ext.Challenge(value)))


def test_a_challenge_is_advertised_answered_once_and_a_new_one_comes_with_the_reply():
    foreign = challenged().tell(events.Late(), 0)
    value = last_challenge(foreign)
    foreign.ask(with_challenge(foreign, value)).reply()
    assert foreign.code() == 0
    fresh = ext.find(foreign.node_got()[2].unprotected, ext.Challenge).value
    assert fresh != value
    foreign.ask(with_challenge(foreign, value), 2000)
    assert foreign.code() == 106 and len(foreign.to_agent) == 1
    again = ext.find(foreign.node_got()[2].unprotected, ext.Challenge).value
    assert again == fresh  # not used yet, hence the same
    foreign.ask(with_challenge(foreign, fresh), 4000)
    assert len(foreign.to_agent) == 2


def test_an_unknown_challenge_and_one_that_left_the_window():
    foreign = challenged().tell(events.Late(), 0)
    old = last_challenge(foreign)
    foreign.ask(with_challenge(foreign, b"never said"), 0)
    assert foreign.code() == 104
    for at_ms in (1000, 2000, 3000):
        foreign.tell(events.Late(), at_ms)
    foreign.ask(with_challenge(foreign, old), 3000)
    assert foreign.code() == 104 and foreign.to_agent == []


def test_without_an_association_a_challenge_is_missed():
    foreign = Foreign(challenge=True)
    foreign.ask(foreign.request())
    assert foreign.code() == 105
    value = ext.find(foreign.node_got()[2].unprotected, ext.Challenge).value
    # RFC 4721 3.2: a challenge that nothing authenticates is silently discarded
    sent = len(foreign.to_node)
    foreign.ask(foreign.request() + ext.pack_extension(ext.Challenge(value)), 2000)
    assert len(foreign.to_node) == sent and foreign.counts["visitor_challenge_not_authenticated"] == 1
    aaa = b"\x24\x01\x00\x14" + (300).to_bytes(4, "big") + bytes(16)
    asked = foreign.request() + ext.pack_extension(ext.Challenge(value)) + aaa
    foreign.ask(asked, 4000)
    assert foreign.to_agent == [(AGENT, 434, asked)]  # both stay in (3.2)


def test_a_repetition_may_say_the_same_challenge_while_it_is_pending():
    foreign = challenged().tell(events.Late(), 0)
    value = last_challenge(foreign)
    foreign.ask(with_challenge(foreign, value)).ask(with_challenge(foreign, value), 1000)
    assert len(foreign.to_agent) == 2 and foreign.reply(now_ms=1100).code() == 0
    foreign.ask(with_challenge(foreign, value), 3000)
    assert foreign.code() == 106


def test_a_challenge_that_the_home_agent_changed_is_told_and_replaced():
    foreign = challenged().tell(events.Late(), 0)
    foreign.ask(with_challenge(foreign, last_challenge(foreign)))
    foreign.reply(after=[ext.Challenge(b"another")])
    received = foreign.node_got()[2]
    assert ext.find(received.unprotected, ext.AgentError) == ext.AgentError(109)
    assert ext.find(received.unprotected, ext.Challenge).value != b"another"
    assert foreign.visitors() == []  # what the home agent granted is not honoured


def test_solicited_advertisements_repeat_a_challenge_until_it_is_used():
    foreign = challenged().tell(events.Late(), 0)
    first = last_challenge(foreign.solicit(10))
    assert last_challenge(foreign.solicit(20)) == first
    foreign.ask(with_challenge(foreign, first), 30).reply(now_ms=40)
    assert last_challenge(foreign.solicit(50)) != first


if __name__ == "__main__":
    from runner import main

    main(globals())

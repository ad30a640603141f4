"""Challenges of RFC 4721, rule by rule: what a foreign agent offers and believes, and what a node answers."""

import hashlib

from careof.agent import events
from careof.limits import CHALLENGE_SIZE, CHALLENGED_MAX
from careof.proto.challenges import FINE, MISSING, STALE, UNKNOWN, Challenges
from careof.wire import mip
from careof.wire import mip_extensions as ext
from foreign import AGENT, AGENTS_SPI, MAC, OTHER_MAC, Foreign, Peer, shared, with_node_association
from office import AssociationSection
from test_foreign_agent_link import challenged, last_challenge, with_challenge
from test_router_visiting import A_MAC, Node, options
from world import Chance

AAA = ext.MobileAaaAuthentication(300, bytes(16))


def table(window=2):
    return Challenges(window, Chance(1).octets)


def kinds_behind(data, at):
    """The types of the extensions of a message from there on."""
    kinds = []
    while at < len(data):
        long_form = ext.BY_KIND[data[at]].header == 4
        kinds.append(data[at])
        at += 4 + int.from_bytes(data[at + 2 : at + 4], "big") if long_form else 2 + data[at + 1]
    return kinds


# -- What is offered (2, 2.1, 3.2.1, 12)


def test_challenges_are_long_and_random():
    challenges = table()
    values = [challenges.to_advertise() for _ in range(50)]
    assert len(set(values)) == 50 and set([len(value) for value in values]) == {CHALLENGE_SIZE}
    assert CHALLENGE_SIZE >= 4


def test_only_the_last_ones_may_be_answered():
    for window in (2, 3, 16):
        challenges = table(window)
        values = [challenges.to_advertise() for _ in range(20)]
        codes = [challenges.judge(MAC, value) for value in values]
        assert codes == [UNKNOWN] * (20 - window) + [FINE] * window


def test_each_is_answered_once_and_none_that_is_older():
    """3.2, 4; by one node: another one may still answer it."""
    challenges = table(3)
    first, second, third = [challenges.to_advertise() for _ in range(3)]
    challenges.used(MAC, second)
    assert [challenges.judge(MAC, value) for value in (first, second, third)] == [STALE, STALE, FINE]
    assert [challenges.judge(OTHER_MAC, value) for value in (first, second, third)] == [FINE, FINE, FINE]
    assert challenges.judge(MAC, None) == MISSING and challenges.judge(MAC, b"never said") == UNKNOWN


def test_who_only_asks_takes_no_memory_and_nobody_elses_challenge():
    """12: nothing is kept for who proved nothing, and no challenge is lost that nobody used."""
    challenges = table()
    offered = challenges.to_advertise()
    challenges.used(MAC, offered)
    own = challenges.for_node(MAC)
    assert own != offered and challenges.for_node(MAC) == own
    for number in range(2 * CHALLENGED_MAX):
        assert challenges.for_node(number.to_bytes(6, "big")) == offered
    assert len(challenges._nodes) == 1
    assert challenges.judge(MAC, own) == FINE and challenges.judge(MAC, offered) == STALE
    assert challenges.judge(OTHER_MAC, offered) == FINE


def test_what_was_used_is_remembered_of_so_many():
    challenges = table()
    offered = challenges.to_advertise()
    for number in range(CHALLENGED_MAX + 10):
        challenges.used(number.to_bytes(6, "big"), offered)
    assert len(challenges._nodes) == CHALLENGED_MAX
    assert challenges.judge((CHALLENGED_MAX + 9).to_bytes(6, "big"), offered) == STALE


# -- Requests (3.2)


def test_a_repetition_is_told_by_what_it_asks_and_not_by_its_identification_or_lifetime():
    for changes, code in (({"lifetime_s": 500}, None), ({"flags": 0}, 106), ({"flags": mip.FLAG_G}, 106)):
        foreign = challenged().tell(events.Late(), 0)
        value = last_challenge(foreign)
        foreign.ask(with_challenge(foreign, value)).ask(with_challenge(foreign, value, **changes), 1000)
        if code is None:
            assert len(foreign.to_agent) == 2
        else:
            assert foreign.code() == code and len(foreign.to_agent) == 1


def test_a_challenge_that_an_aaa_server_is_to_check_goes_on_before_our_authentication():
    foreign = Foreign(peers=(Peer("hq", AGENT, "agents"),), challenge=True, revocation=False)
    foreign.tell(events.Late(), 0)
    value = last_challenge(foreign)
    asked = foreign.request() + ext.pack_extension(ext.Challenge(value)) + ext.pack_extension(AAA)
    foreign.ask(asked)
    data = foreign.to_agent[-1][2]
    assert data.startswith(asked)
    assert kinds_behind(data, 24) == [ext.MOBILE_HOME, 132, ext.MOBILE_AAA, ext.FOREIGN_HOME]
    assert mip.unpack(data).agent_authentication.spi == AGENTS_SPI


def test_the_order_of_challenge_and_authentications_is_the_rfcs():
    """6: mobile-home, then mobile-AAA, then mobile-foreign; a reply has no mobile-AAA."""
    foreign = with_node_association()
    right = foreign.request() + ext.pack_extension(ext.Challenge(b"12345678")) + ext.pack_extension(AAA)
    assert mip.unpack(foreign.for_agent(right)).aaa_authentication == AAA
    for wrong in (
        foreign.for_agent(foreign.request()) + ext.pack_extension(AAA),
        foreign.request()[:24] + ext.pack_extension(AAA) + foreign.request()[24:],
        mip.pack(mip.RegistrationReply(0, 1, AGENT, AGENT, 1, [])) + ext.pack_extension(AAA),
    ):
        try:
            mip.unpack(wrong)
        except mip.Malformed:
            continue
        assert False, wrong


# -- Replies (3.3)


def test_the_challenge_of_a_reply_is_ours_and_stands_before_our_authentication():
    foreign = challenged().tell(events.Late(), 0)
    value = last_challenge(foreign)
    foreign.ask(with_challenge(foreign, value)).reply(after=[ext.Challenge(value)])
    _, datagram, received = foreign.node_got()
    assert foreign.code() == 0 and foreign.visitors() == ["10.77.0.2"]
    assert kinds_behind(datagram.data, 20) == [ext.MOBILE_HOME, 132, ext.MOBILE_FOREIGN]
    assert ext.find(received.unprotected, ext.Challenge).value != value


def test_a_refusal_has_a_challenge_that_may_be_answered():
    foreign = challenged().tell(events.Late(), 0)
    foreign.ask(with_challenge(foreign, last_challenge(foreign), lifetime_s=9999))
    assert foreign.code() == 69
    value = ext.find(foreign.node_got()[2].unprotected, ext.Challenge).value
    foreign.ask(with_challenge(foreign, value), 2000)
    assert len(foreign.to_agent) == 1


def test_a_home_agent_that_failed_aaa_is_passed_on():
    foreign = shared()
    foreign.ask(foreign.request()).reply(code=144, sign=True)
    assert foreign.code() == 144 and foreign.node_got()[1].data == foreign.signed_by_home_agent


# -- The mobile node (3.1, 3.5, 4)


def test_a_node_answers_the_newest_challenge_wherever_it_came_from():
    node = Node(shared="agents").up().hears(challenge=b"first---")
    node.hears(now_ms=500, challenge=b"second--")
    node.reply(code=106, signed=False, extra=[ext.Challenge(b"third---")], now_ms=600)
    node.late(1100)
    assert ext.find(node.last()[2].unprotected, ext.Challenge).value == b"third---"
    # One that brings none: it is asked for, and the old one is not said again.
    requests, solicited = len(node.requests()), node.counts["solicited"]
    node.reply(code=106, signed=False, now_ms=1200).late(1300)
    assert len(node.requests()) == requests and node.counts["solicited"] == solicited + 1
    for now_ms in range(1400, 3200, 100):
        node.hears(now_ms=now_ms, challenge=b"fourth--").late(now_ms)
    assert len(node.requests()) == requests + 1
    assert ext.find(node.last()[2].unprotected, ext.Challenge).value == b"fourth--"
    assert node.last()[0] == A_MAC


def test_without_an_association_with_the_agent_the_aaa_servers_answers():
    """3.1, 6: HMAC-MD5 over all before it and its own type, sub-type, length and SPI."""
    aaa = AssociationSection("aaa", 900, "hmac-md5", bytes(range(100, 116)), "timestamps")
    made = options(aaa_association="aaa")
    made.associations["aaa"] = aaa
    node = Node(made).up().hears(challenge=b"abcdefgh")
    data = node.last()[1].data
    assert kinds_behind(data, 24)[-3:] == [ext.MOBILE_HOME, 132, ext.MOBILE_AAA]
    received = node.last()[2]
    assert received.agent_authentication is None and received.aaa_authentication.spi == 900
    assert data[-24:-16] == b"\x24\x01\x00\x14" + (900).to_bytes(4, "big")
    assert received.aaa_authentication.authenticator == hmac_md5(aaa.key, data[:-16])
    # No challenge, nothing to answer; and what is shared with the agent goes before.
    bare = Node(made).up().hears().last()[2]
    assert bare.aaa_authentication is None and bare.unprotected == []
    both = options(aaa_association="aaa", shared="agents")
    both.associations["aaa"] = aaa
    shared_with = Node(both).up().hears(challenge=b"abcdefgh").last()[2]
    assert shared_with.aaa_authentication is None and shared_with.agent_authentication is not None


def hmac_md5(key, data):
    """RFC 2104, written down."""
    padded = key + bytes(64 - len(key))
    inner = hashlib.md5(bytes([octet ^ 0x36 for octet in padded]) + data).digest()
    return hashlib.md5(bytes([octet ^ 0x5C for octet in padded]) + inner).digest()


def test_our_foreign_agent_lets_such_an_answer_pass():
    """Both ends of ours: the node's request, and a foreign agent that shares nothing with it."""
    aaa = AssociationSection("aaa", 900, "hmac-md5", bytes(range(100, 116)), "timestamps")
    made = options(aaa_association="aaa")
    made.associations["aaa"] = aaa
    foreign = Foreign(challenge=True).tell(events.Late(), 0)
    node = Node(made).up().hears(challenge=last_challenge(foreign))
    foreign.ask(node.last()[1].data)
    assert len(foreign.to_agent) == 1
    silent = Node().up().hears(challenge=last_challenge(foreign))  # the control
    foreign.ask(silent.last()[1].data, 2000)
    assert foreign.code() == 105 and len(foreign.to_agent) == 1


if __name__ == "__main__":
    from runner import main

    main(globals())

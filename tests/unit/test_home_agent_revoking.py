"""What RFC 3543 demands of a home agent beside the stories of test_home_agents_peers, rule by rule."""

from careof.agent import events
from careof.wire import mip
from careof.wire import mip_extensions as ext
from office import AGENT, HOME
from test_home_agent import CARE_OF, OUTSIDE, SPI
from test_home_agents_peers import AGENTS_SPI, OTHER_CARE_OF, Home, supported, through_agent


def bound(inform=True, **more):
    home = Home()
    return home.by_agent(through_agent(home, **more), supported(inform))


def revoke(home, now_ms=1000):
    home.tell(events.Command("revoke", ["10.77.0.2"]), now_ms)
    return home.received()


def revocations(home):
    return [(to, m) for to, _, m in home.sent if isinstance(m, mip.Revocation)]


def sent_times(home, from_ms, to_ms):
    times, sent = [], len(home.sent)
    for at_ms in range(from_ms, to_ms, 250):
        home.tell(events.Late(), at_ms)
        times += [at_ms] * (len(home.sent) - sent)
        sent = len(home.sent)
    return times


def test_a_revocation_is_signed_and_i_is_set_only_where_it_was_agreed_on():
    for inform in (True, False):
        home = bound(inform)
        [ours] = home.received().unprotected
        assert ours.inform == inform  # 3.2: never more than was said
        received = revoke(home)
        proof = received.agent_authentication
        assert type(proof) is ext.ForeignHomeAuthentication and proof.spi == AGENTS_SPI
        assert home.keys.verify("agents", received.agent_protected, proof.authenticator)
        flags = mip.REVOKED_BY_HOME_AGENT | (mip.REVOCATION_INFORM if inform else 0)
        assert received.message.flags == flags
        # 3.5: by the clock of the support that it said
        assert received.message.identifier == ours.timestamp + 1


def test_revocations_back_off_and_end_with_the_life_of_the_binding():
    for lifetime_s, times in ((5, [2000, 4000]), (600, [2000, 4000, 8000, 16000])):
        home = bound(lifetime_s=lifetime_s)
        revoke(home)
        assert sent_times(home, 1000, 100000) == times
        identifiers = [message.identifier for _, message in revocations(home)]
        assert identifiers == sorted(set(identifiers))  # a current one each time
    over = bound(lifetime_s=10)
    over.tell(events.Late(), 10000)
    sent = len(over.sent)
    over.tell(events.Command("revoke", ["10.77.0.2"]), 10001)
    assert len(over.sent) == sent


def test_acknowledgments_of_something_else_end_nothing():
    home = bound()
    first = revoke(home).message
    for identifier, address in ((first.identifier + 7, HOME), (first.identifier, OUTSIDE)):
        home.datagram(home.signed(mip.RevocationAcknowledgment(0, address, identifier, [])), now_ms=1100)
    assert home.counts["acknowledgment_not_awaited"] == 2
    assert sent_times(home, 1000, 3000) == [2000]
    home.datagram(home.signed(mip.RevocationAcknowledgment(0, HOME, first.identifier, [])), now_ms=3000)
    assert sent_times(home, 3000, 60000) == []


def test_an_acknowledgment_is_signed_and_has_i_only_where_the_revocation_has():
    for flags, expected in ((mip.REVOCATION_INFORM, mip.ACKNOWLEDGMENT_INFORM), (0, 0)):
        home = bound()
        home.datagram(home.signed(mip.Revocation(flags, HOME, AGENT, CARE_OF, 5001, [])), now_ms=1000)
        received = home.received()
        proof = received.agent_authentication
        assert received.message == mip.RevocationAcknowledgment(expected, HOME, 5001, [])
        assert home.keys.verify("agents", received.agent_protected, proof.authenticator)


def test_what_a_foreign_agent_says_with_a_revocation_is_logged():
    words = ext.MessageString(ext.MESSAGE_FROM_FOREIGN_AGENT, b"closed at night")
    home = bound()
    home.datagram(home.signed(mip.Revocation(0, HOME, AGENT, CARE_OF, 5001, [words])), now_ms=1000)
    logs = [a.text for a in home.others if isinstance(a, events.Log) and a.tag == "revocation"]
    [text] = logs
    assert text == '10.77.0.2: a binding was revoked by foreign agent 203.0.113.2; it says "closed at night"'


def test_a_node_of_its_own_is_told_with_i():
    """3.3: the bit is irrelevant there, but should be set."""
    home = Home()
    home.datagram(home.request(care_of=OUTSIDE, extensions=[ext.RevocationSupport(False, 1)]), OUTSIDE)
    received = revoke(home)
    assert received.message.flags == mip.REVOKED_BY_HOME_AGENT | mip.REVOCATION_INFORM
    assert received.authentication.spi == SPI and received.agent_authentication is None


def test_who_registers_again_is_not_revoked_by_a_repetition():
    home = bound()
    revoke(home)
    home.by_agent(through_agent(home), supported(), now_ms=1500)
    assert home.bound() == ["203.0.113.2"]
    assert sent_times(home, 1500, 60000) == []


def test_the_same_identifier_from_two_agents_is_two_revocations():
    """3.5: clocks are nobody's but one's own."""
    home = Home()
    flags = mip.FLAG_T | mip.FLAG_S
    home.by_agent(through_agent(home, flags=flags), supported())
    home.by_agent(through_agent(home, flags=flags, care_of=OTHER_CARE_OF), supported(), source=OTHER_CARE_OF)
    assert len(home.bound()) == 2
    for care_of in (CARE_OF, OTHER_CARE_OF):
        home.datagram(home.signed(mip.Revocation(0, HOME, AGENT, care_of, 5001, [])), care_of, now_ms=1000)
    assert home.bound() == [] and home.counts["revocation_taken"] == 2


if __name__ == "__main__":
    from runner import main

    main(globals())

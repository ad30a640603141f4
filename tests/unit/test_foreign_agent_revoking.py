"""What RFC 3543 demands of a foreign agent beside the stories of test_foreign_agent, rule by rule."""

from careof.agent import events
from careof.wire import mip
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from foreign import AGENT, AGENTS_SPI, HOME, STRANGER, Foreign, revocable, revocation, shared


def revoke(foreign, now_ms=1000):
    """An administrator ends the visit; the message that says so, unpacked whole."""
    foreign.tell(events.Command("revoke", ["10.77.0.2"]), now_ms)
    return mip.unpack(foreign.to_agent[-1][2])


def acknowledge(foreign, identifier, now_ms, flags=0, home=HOME):
    ack = mip.RevocationAcknowledgment(flags, home, identifier, [])
    data = mip.pack_to_sign(ack, AGENTS_SPI, 32, ext.FOREIGN_HOME)
    return foreign.from_agent(data + foreign.keys.authenticate("agents", data), now_ms)


def told_busy(foreign):
    found = foreign.advertisements()
    return len([m for _, m in found if m.agent is not None and m.agent.flags & discovery.AGENT_B])


def sent_times(foreign, from_ms, to_ms):
    times, sent = [], len(foreign.to_agent)
    for at_ms in range(from_ms, to_ms, 250):
        foreign.tell(events.Late(), at_ms)
        times += [at_ms] * (len(foreign.to_agent) - sent)
        sent = len(foreign.to_agent)
    return times


def test_a_revocation_is_signed_and_says_by_whom():
    """4.2.3.1: A is 0; I asks whether the node is told, if that was agreed on."""
    for inform in (True, False):
        foreign = revocable(inform)
        received = revoke(foreign)
        proof = received.agent_authentication
        assert type(proof) is ext.ForeignHomeAuthentication and proof.spi == AGENTS_SPI
        assert foreign.keys.verify("agents", received.agent_protected, proof.authenticator)
        assert received.message.flags == (mip.REVOCATION_INFORM if inform else 0)


def test_the_node_is_told_when_the_home_agent_says_so_or_was_never_asked():
    agreed = revocable(True)
    first = revoke(agreed).message
    assert told_busy(agreed) == 0  # MUST NOT inform at this time
    acknowledge(agreed, first.identifier, 1100)
    assert told_busy(agreed) == 0 and agreed.counts["revocation_acknowledged"] == 1
    agreed = revocable(True)
    acknowledge(agreed, revoke(agreed).message.identifier, 1100, mip.ACKNOWLEDGMENT_INFORM)
    assert told_busy(agreed) == 1
    # I was not agreed on: our own policy is to tell; the bit in the acknowledgment is ignored (3.4).
    alone = revocable(False)
    first = revoke(alone).message
    assert told_busy(alone) == 1
    acknowledge(alone, first.identifier, 1100, mip.ACKNOWLEDGMENT_INFORM)
    assert told_busy(alone) == 1 and alone.counts["revocation_acknowledged"] == 1


def test_acknowledgments_of_something_else_end_nothing():
    """3.5; the control is the right one."""
    foreign = revocable()
    first = revoke(foreign).message
    acknowledge(foreign, first.identifier + 7, 1100)
    acknowledge(foreign, first.identifier, 1100, home=STRANGER)
    assert foreign.counts["acknowledgment_not_awaited"] == 2
    assert sent_times(foreign, 1000, 3000) == [2000]
    acknowledge(foreign, first.identifier, 3000)
    assert sent_times(foreign, 3000, 60000) == []


def test_revocations_end_with_the_life_of_the_binding():
    """3.3, 4.2.3.1; the control lives for long."""
    for lifetime_s, times in ((5, [2000, 4000]), (600, [2000, 4000, 8000, 16000])):
        foreign = shared()
        foreign.ask(foreign.request(lifetime_s=lifetime_s))
        foreign.reply(sign=True, after=[ext.RevocationSupport(True, 5000)])
        revoke(foreign)
        assert sent_times(foreign, 1000, 100000) == times
    over = revocable()
    over.tell(events.Late(), 600000)
    sent = len(over.to_agent)
    over.tell(events.Command("revoke", ["10.77.0.2"]), 600001)
    assert len(over.to_agent) == sent and "no visitor" in over.others[-1].value["error"]


def test_who_registers_again_is_not_revoked_by_a_repetition():
    foreign = revocable()
    revoke(foreign)
    foreign.ask(foreign.request(), 1500)
    foreign.reply(now_ms=1500, sign=True, after=[ext.RevocationSupport(True, 6000)])
    assert foreign.visitors(1500) == ["10.77.0.2"]
    assert sent_times(foreign, 1500, 60000) == [] and told_busy(foreign) == 0


def test_support_that_nobody_signed_is_none():
    """3.2: the control is signed."""
    for signed in (True, False):
        foreign = Foreign() if not signed else shared()
        support = ext.RevocationSupport(True, 5000)
        foreign.ask(foreign.request()).reply(sign=signed, after=[support])
        sent = len(foreign.to_agent)
        foreign.tell(events.Command("revoke", ["10.77.0.2"]), 1000)
        assert foreign.visitors() == [] and len(foreign.to_agent) == sent + signed


def test_a_revocation_of_no_home_agents_binding_is_discarded():
    """A.2: the home domain is the zero address; 4.2.2.2: or another one."""
    for domain in (bytes(4), STRANGER):
        foreign = revocable()
        message = mip.Revocation(mip.REVOKED_BY_HOME_AGENT, HOME, domain, foreign.role.care_of, 5001, [])
        data = mip.pack_to_sign(message, AGENTS_SPI, 32, ext.FOREIGN_HOME)
        sent = len(foreign.to_agent)
        foreign.from_agent(data + foreign.keys.authenticate("agents", data), 1000)
        assert foreign.visitors() == ["10.77.0.2"] and len(foreign.to_agent) == sent
        assert foreign.counts["revocation_of_nobody"] == 1
        foreign.from_agent(revocation(foreign), 1000, AGENT)  # the control
        assert foreign.visitors() == []


def test_a_visit_is_ended_by_the_name_of_who_visits():
    foreign = shared()
    name = [ext.Nai(b"node@example.net")]
    foreign.ask(foreign.request(home=bytes(4), extensions=name), source=bytes(4))
    foreign.reply(home=HOME, sign=True, after=[ext.RevocationSupport(False, 5000)])
    assert foreign.visitors() == ["10.77.0.2"]
    foreign.tell(events.Command("revoke", ["other@example.net"]), 500)
    assert foreign.visitors() == ["10.77.0.2"]
    foreign.tell(events.Command("revoke", ["node@example.net"]), 1000)
    assert foreign.visitors() == []
    assert mip.unpack(foreign.to_agent[-1][2]).message[:4] == (0, HOME, AGENT, foreign.role.care_of)


if __name__ == "__main__":
    from runner import main

    main(globals())

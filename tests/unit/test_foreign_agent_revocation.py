"""A foreign agent that is told of revocations, and that revokes (RFC 3543)."""

from careof.agent import events
from careof.wire import mip
from careof.wire import mip_extensions as ext
from careof.wire import router_discovery as discovery
from foreign import (
    AGENTS_SPI,
    CARE_OF,
    HOME,
    MAC,
    STRANGER,
    Foreign,
    named,
    revocable,
    revocation,
    shared,
)
from office import AGENT


def test_a_home_agent_revokes_and_is_acknowledged():
    foreign = revocable()
    foreign.from_agent(
        revocation(foreign, flags=mip.REVOKED_BY_HOME_AGENT | mip.REVOCATION_INFORM), 1000, port=999
    )
    assert foreign.visitors() == [] and not foreign.holds("neighbour")
    address, port, data = foreign.to_agent[-1]
    received = mip.unpack(data)
    assert (address, port) == (AGENT, 999)
    assert received.message == mip.RevocationAcknowledgment(mip.ACKNOWLEDGMENT_INFORM, HOME, 5001, [])
    proof = received.agent_authentication
    assert foreign.keys.verify("agents", received.agent_protected, proof.authenticator)
    mac, told = foreign.advertisements()[-1]  # 4.1
    assert mac == MAC and told.agent.sequence == 0 and told.agent.flags & discovery.AGENT_B
    # Its repetition, for a lost acknowledgment, is acknowledged; nothing else happens.
    foreign.from_agent(revocation(foreign, 5003), 2000)
    assert mip.unpack(foreign.to_agent[-1][2]).message.identifier == 5003


def test_without_the_i_bit_the_node_is_not_told():
    foreign = revocable()
    before = len(foreign.advertisements())
    foreign.from_agent(revocation(foreign), 1000)
    assert foreign.visitors() == [] and len(foreign.advertisements()) == before
    assert mip.unpack(foreign.to_agent[-1][2]).message.flags == 0


def test_forged_replayed_and_reflected_revocations_do_nothing():
    for name, data in (
        ("revocation_false_authenticator", lambda f: revocation(f, key="node_fa")),
        ("revocation_not_authenticated", lambda f: revocation(f)[:20]),
        ("revocation_stale", lambda f: revocation(f, 5000)),
        ("revocation_stale", lambda f: revocation(f, 4000)),
        ("revocation_reflected", lambda f: revocation(f, flags=0)),
        ("revocation_of_nobody", lambda f: revocation(f, care_of=STRANGER)),
        ("revocation_of_nobody", lambda f: revocation(f, home=STRANGER)),
    ):
        foreign = revocable()
        sent = len(foreign.to_agent)
        foreign.from_agent(data(foreign), 1000)
        assert foreign.visitors() == ["10.77.0.2"] and len(foreign.to_agent) == sent, name
        assert foreign.counts[name] == 1
        foreign.from_agent(revocation(foreign), 1000)  # the control
        assert foreign.visitors() == []


def test_what_a_revocation_says_is_logged():
    for says, end in ((None, "home agent"), (b"quota\x1b[2J", 'home agent; it says "quota?[2J"')):
        foreign = revocable()
        foreign.from_agent(revocation(foreign, says=says), 1000)
        [text] = [a.text for a in foreign.others if isinstance(a, events.Log) and "gone" in a.text]
        assert text == "10.77.0.2 gone: revoked by its " + end


def test_a_grant_that_is_not_honoured_is_revoked_at_once():
    """RFC 4636 6. The control shares no association: then nothing may be said to the home agent."""
    support = ext.RevocationSupport(False, 5000)
    for kept in (True, False):
        foreign = shared(visitor_prefix=((bytes((10, 99, 0, 0)), 16),))
        named(foreign, lifetime_s=600).reply(home=HOME, sign=True, after=[support] if kept else [])
        [error] = foreign.node_got()[2].unprotected
        assert error == ext.AgentError(65) and foreign.code() == 0 and foreign.visitors() == []
        sent = [mip.unpack(data).message for _, _, data in foreign.to_agent[1:]]
        assert [type(message) for message in sent] == ([mip.Revocation] if kept else [])
        if kept:
            assert sent[0][:4] == (0, HOME, AGENT, CARE_OF)
            ack = mip.RevocationAcknowledgment(0, HOME, sent[0].identifier, [])
            data = mip.pack_to_sign(ack, AGENTS_SPI, 32, ext.FOREIGN_HOME)
            foreign.from_agent(data + foreign.keys.authenticate("agents", data))
            assert foreign.counts["revocation_acknowledged"] == 1


def test_what_was_not_agreed_on_cannot_be_revoked():
    foreign = shared()
    foreign.ask(foreign.request()).reply(sign=True)
    foreign.from_agent(revocation(foreign), 1000)
    assert foreign.visitors() == ["10.77.0.2"] and foreign.counts["revocation_stale"] == 1


def test_a_node_must_not_ask_for_revocations_itself():
    foreign = Foreign()
    for data in (
        foreign.request(extensions=[ext.RevocationSupport(False, 1)]),
        foreign.request() + ext.pack_extension(ext.RevocationSupport(False, 1)),
    ):
        foreign.ask(data)
    assert foreign.to_agent == [] and foreign.counts["visitor_revocation_support"] == 2


def test_we_revoke_repeat_and_stop_when_it_is_acknowledged():
    foreign = revocable()
    sent = len(foreign.to_agent)
    foreign.tell(events.Command("revoke", ["10.77.0.2"]), 1000)
    assert foreign.visitors() == []
    [answer] = [action for action in foreign.others if isinstance(action, events.Answer)]
    assert answer == events.Answer("revoke", "10.77.0.2 revoked")
    first = mip.unpack(foreign.to_agent[sent][2]).message
    assert first.flags == mip.REVOCATION_INFORM and first[1:4] == (HOME, AGENT, CARE_OF)
    foreign.tell(events.Late(), 1999)
    assert len(foreign.to_agent) == sent + 1
    foreign.tell(events.Late(), 2000)
    second = mip.unpack(foreign.to_agent[sent + 1][2]).message
    assert second.identifier > first.identifier  # 4.2.3.1: a new timestamp each time
    before = len(foreign.advertisements())
    ack = mip.RevocationAcknowledgment(mip.ACKNOWLEDGMENT_INFORM, HOME, first.identifier, [])
    data = mip.pack_to_sign(ack, AGENTS_SPI, 32, ext.FOREIGN_HOME)
    foreign.from_agent(data + foreign.keys.authenticate("node_fa", data), 2100)
    foreign.tell(events.Late(), 4000)
    assert len(foreign.to_agent) == sent + 3  # a forged acknowledgment ends nothing
    foreign.from_agent(data + foreign.keys.authenticate("agents", data), 4100)
    assert [m for m in foreign.advertisements()[before:] if m[1].agent.flags & discovery.AGENT_B]
    for at_ms in range(5000, 120000, 1000):
        foreign.tell(events.Late(), at_ms)
    assert len(foreign.to_agent) == sent + 3


def test_a_revocation_that_nobody_acknowledges_is_given_up():
    foreign = revocable()
    sent = len(foreign.to_agent)
    foreign.tell(events.Command("revoke", ["10.77.0.2"]), 0)
    times = []
    for at_ms in range(0, 200000, 500):
        before = len(foreign.to_agent)
        foreign.tell(events.Late(), at_ms)
        times += [at_ms] * (len(foreign.to_agent) - before)
    assert times == [1000, 3000, 7000, 15000] and len(foreign.to_agent) == sent + 5


def test_what_cannot_be_revoked_says_why():
    foreign = Foreign()
    for argument, why in (("10.77.0.9", "no visitor"), ("nonsense", "expected a home address")):
        foreign.tell(events.Command("revoke", [argument]))
        assert why in foreign.others[-1].value["error"]


if __name__ == "__main__":
    from runner import main

    main(globals())

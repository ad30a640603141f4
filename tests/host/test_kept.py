"""What careofd keeps, under kill -9 at any moment, and in the hands of another version of it."""

import random
import time

import pytest
from careof.system import kept
from careof.wire import keyd as wire
from careof_office import INTERPRETERS, Office, wait_until
from keyd_process import cannot_run as no_keyd
from test_careofd import Stranger, registration
from test_careofd_keyd import make_office, power_cut, start_again
from tunneld_process import cannot_run as no_tunneld

WHY_NOT = no_keyd() or no_tunneld()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
ENOUGH_S = 1.0  # by then a change is on the disk, also of a machine that has other work
EXIT_STATE = 6


def lifetime_of_the_binding(office):
    status = office.agent.status()
    return [row["lifetime_s"] for row in status["bound"]] if status else None


def makes(provider, interpreter):
    """An office whose branch says nothing any more; what kills its agent, and starts it again."""
    if provider == "keyd":
        office = make_office(interpreter)
        cut, again = power_cut, start_again
    else:
        office = Office(interpreter)

        def cut(end):
            end.kill()

        def again(end):
            end.start()

    office.branch.kill()
    return office, cut, again


@pytest.mark.parametrize("provider", ("keyd", "soft"))
@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_kill_at_any_moment_leaves_the_new_binding_or_the_one_before_it(interpreter, provider):
    """The new one if it had a moment; and what was let in is never let in again, kept or not."""
    rng = random.Random(5944)
    office, cut, again = makes(provider, interpreter)
    try:
        stranger = Stranger(office)
        before = None
        for turn, wait_s in enumerate([0, 0.01, 0.05, 0.1, ENOUGH_S, 0, rng.uniform(0, 0.2)]):
            lifetime_s, waits_s = 100 + turn, rng.uniform(0, 0.05) + wait_s
            data = registration(lifetime_s=lifetime_s)
            wait_until(lambda data=data: stranger.reply_to(data) == 0, "the binding to be made")
            time.sleep(waits_s)
            cut(office.agent)
            again(office.agent)
            wait_until(lambda: office.agent.status() is not None, "careofd to be there")
            wait_until(lambda: lifetime_of_the_binding(office) is not None, "it to have read what was kept")
            found = lifetime_of_the_binding(office)
            may_be = [[lifetime_s]] if waits_s >= ENOUGH_S else [[lifetime_s], before]
            assert found in may_be or (before is None and len(found) <= 1), (turn, found, office.agent.log())
            assert stranger.reply_to(data) != 0, turn
            assert lifetime_of_the_binding(office) == found
            before = found
    finally:
        office.remove()


@pytest.mark.parametrize("provider", ("keyd", "soft"))
@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_what_a_newer_careofd_kept_stays_as_it_is_and_none_is_started_over_it(interpreter, provider):
    office, cut, _ = makes(provider, interpreter)
    agent = office.agent
    try:
        stranger = Stranger(office)
        assert stranger.reply_to(registration()) == 0
        time.sleep(ENOUGH_S)
        newer = b"%d {of another form}" % (kept.VERSION + 1)
        if provider == "keyd":
            agent.kill()
            agent.keyd.client().save("home_agent-ha.n.0a4d0002", newer)
            agent.keyd.kill()
            agent.keyd.start()
            states = [agent.keyd.state]
        else:
            cut(agent)
            states = sorted((agent.run_folder / "state").iterdir())
            with open(states[0], "ab") as file:
                file.write(b"home_agent-ha.n.0a4d0009 " + newer + b"\n")
        before = [state.read_bytes() for state in states]
        agent.start()
        assert agent.process.wait(10) == EXIT_STATE
        text = "version %d of what is kept is a newer careofd's, this one reads up to %d: nothing was changed"
        assert text % (kept.VERSION + 1, kept.VERSION) in agent.log()
        assert [state.read_bytes() for state in states] == before
        # The control: without it the same careofd starts over the rest.
        if provider == "keyd":
            agent.keyd.client().save("home_agent-ha.n.0a4d0002", b"2 []")
        else:
            states[0].write_bytes(before[0][: before[0].index(b"home_agent-ha.n.0a4d0009")])
        agent.start()
        wait_until(lambda: agent.status() is not None, "careofd to be there")
    finally:
        office.remove()


def test_the_first_careofds_state_is_read_from_keyd():
    """A piece of the table, as it was kept before there were rows."""
    office, cut, again = makes("keyd", "CPython")
    try:
        stranger = Stranger(office)
        assert stranger.reply_to(registration(lifetime_s=123)) == 0
        time.sleep(ENOUGH_S)
        cut(office.agent)
        office.agent.keyd.start()
        client = office.agent.keyd.client()
        [(name, row)] = [(name, row) for name, row in client.restore().items() if ".n." in name]
        client.send(*[wire.Forget(name) for name in client.restore()])
        client.save("home_agent-ha.2", b"[" + row[2:] + b"]")
        office.agent.keyd.stop()
        again(office.agent)
        wait_until(lambda: lifetime_of_the_binding(office) == [123], "the binding to come back")
        time.sleep(ENOUGH_S)
        assert sorted(office.agent.keyd.client().restore()) == [name]
        cut(office.agent)
        again(office.agent)
        wait_until(lambda: lifetime_of_the_binding(office) == [123], "the binding to come back again")
    finally:
        office.remove()

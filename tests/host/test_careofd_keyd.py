"""careofd with careof-keyd, as processes on both interpreters: keys that careofd never sees, every algorithm,
and the death of either, or of both at once, which is a power cut but for the disk."""

import json
import signal
import time

import pytest
from careof.wire import keyd as wire
from careof.wire import mip
from careof_office import AGENT, BRANCH, INTERPRETERS, KEY, Office, wait_until
from keyd_process import cannot_run as no_keyd
from test_careofd import Stranger, registration
from tunneld_process import cannot_run as no_tunneld
from visit import AGENTS_KEY, FOREIGN, HOME_AGENT, Visit

WHY_NOT = no_keyd() or no_tunneld()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
PROVIDER = "config globals\n\toption key_provider 'keyd'\n"
KEYED = f"\toption key '{KEY}'\n"


FALSE, GENUINE_BUT_OLD = 131, 133


def old():
    """A request that changes nothing, and is answered otherwise if the key is right."""
    return registration(at_s=-3600)


def with_keyd(text, algorithm="hmac-sha256"):
    """The same configuration with all keys in keyd's file."""
    assert text.count(KEYED) == 1
    return PROVIDER + text.replace(KEYED, f"\toption algorithm '{algorithm}'\n")


def keys(algorithm="hmac-sha256"):
    return f"# of one node\nwan_key {algorithm} {KEY}\n"


def make_office(interpreter, algorithm="hmac-sha256"):
    made = keys(algorithm)
    return Office(interpreter, with_keyd(AGENT, algorithm), with_keyd(BRANCH, algorithm), (made, made))


@pytest.fixture(params=INTERPRETERS)
def office(request):
    office = make_office(request.param)
    yield office
    office.remove()


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("algorithm", ("hmac-md5", "hmac-sha1"))
def test_every_algorithm_on_every_interpreter(interpreter, algorithm):
    """MicroPython without a TLS library has no MD5; careof-keyd has it."""
    office = make_office(interpreter, algorithm)
    assert office.ping() == 3
    office.remove()


def test_it_serves_and_says_so(office):
    assert office.ping() == 3
    status, out, _ = office.agent.careof("status")
    assert status == 0 and "keys up" in out
    counters = json.loads(office.agent.careof("counters", "--json")[1])
    assert counters["keyd"]["verified_genuine"] >= 1 and counters["keyd"]["values"] >= 1
    # The key is in neither careofd: not in its memory, not in its folder.
    for end in (office.agent, office.branch):
        assert not holds(end.process.pid, KEY) and holds(end.process.pid, "wan_key")
        assert KEY not in end.log() + end.keyd.log()


def holds(pid, text):
    """Is this, as text or as the octets that it says, in the memory of a process?"""
    wanted = [text.encode()]
    if text == KEY:
        wanted.append(bytes.fromhex(text))
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights, *rest = line.split()
            if "w" not in rights or (len(rest) > 3 and rest[3].startswith("[v")):
                continue
            begin, end = (int(number, 16) for number in span.split("-"))
            memory.seek(begin)
            content = memory.read(end - begin)
            if any(octets in content for octets in wanted):
                return True
    return False


def test_the_death_of_keyd_loses_nothing(office):
    """Traffic goes on meanwhile, and registrations as soon as it is back."""
    stranger = Stranger(office)
    ping = office.start_ping(150)
    for end in (office.branch, office.agent):
        end.keyd.kill()
    assert stranger.reply_to(old()) is None  # the control: it is needed
    for end in (office.branch, office.agent):
        end.keyd.start()
    wait_until(lambda: "keys up" in office.agent.careof("status")[1], "keyd to be found again")
    assert stranger.reply_to(old()) == GENUINE_BUT_OLD
    assert ping() == 150
    assert office.agent.counters()["keyd_lost"] == 1


def test_a_question_that_keyd_died_over_is_asked_again(office):
    """Killed while a request lies before it (stopped first, so that it surely does), and back in a second."""
    stranger = Stranger(office)
    office.agent.keyd.process.send_signal(signal.SIGSTOP)
    stranger.say(old())
    time.sleep(0.2)
    office.agent.keyd.kill()
    office.agent.keyd.start()
    stranger.socket.settimeout(5)
    assert mip.unpack(stranger.socket.recv(2000)).message.code == GENUINE_BUT_OLD
    assert office.agent.counters()["keyd_questions_again"] >= 1


def power_cut(end):
    """All processes of one end at once; the disk stays."""
    end.keyd.kill()
    end.kill()
    end.tunneld.kill()


def start_again(end):
    end.tunneld.start()
    end.keyd.start()
    end.start()


def test_a_power_cut_takes_no_binding_and_no_identification(office):
    stranger = Stranger(office)
    genuine = registration()
    assert stranger.reply_to(genuine) == 0
    wait_until(lambda: "192.0.2.2" in stranger.where_the_branch_is(), "the branch to register again")
    time.sleep(0.5)
    office.branch.kill()  # it must not help itself by a new registration
    power_cut(office.agent)
    start_again(office.agent)
    wait_until(lambda: "192.0.2.2" in stranger.where_the_branch_is(), "the binding to come back")
    assert "reply_0" not in office.agent.counters()  # nobody registered it anew
    assert Stranger(office).reply_to(genuine) in (133, None)
    assert office.agent.counters()["request_stale"] >= 1
    assert "192.0.2.3" not in stranger.where_the_branch_is() and office.ping() == 3
    # The control: without what was kept, and as if it had ended in an orderly way, the same octets are new.
    genuine = registration()
    assert stranger.reply_to(genuine) == 0
    power_cut(office.agent)
    office.agent.keyd.start()
    client = office.agent.keyd.client()
    for name in client.restore():
        client.send(wire.Forget(name))
    client.save("home_agent-ha.clean", b"2 true")
    office.agent.keyd.stop()
    start_again(office.agent)
    wait_until(lambda: office.agent.status() is not None, "careofd to be there")
    wait_until(lambda: stranger.reply_to(genuine) == 0, "the replayed request to be accepted")


def test_an_orderly_stop_waits_for_the_disk(office):
    """A binding of the last moment, and a keyd that takes its time (stopped, so that it surely does)."""
    stranger = Stranger(office)
    assert stranger.reply_to(registration()) == 0
    office.branch.kill()
    office.agent.keyd.process.send_signal(signal.SIGSTOP)
    assert office.agent.careof("stop")[0] == 0
    time.sleep(1)
    assert office.agent.process.poll() is None
    office.agent.keyd.process.send_signal(signal.SIGCONT)
    assert office.agent.process.wait(5) == 0
    office.agent.start()
    wait_until(lambda: "192.0.2.3" in stranger.where_the_branch_is(), "the binding to come back")
    assert "reply_0" not in office.agent.counters()


def test_a_power_cut_at_the_branch(office):
    """It comes back with identifications above all that it used, and is served at once."""
    for _ in range(3):
        power_cut(office.branch)
        start_again(office.branch)
        wait_until(lambda: office.connected() and office.ping() == 3, "the branch to be connected")
    assert not office.agent.counters().get("request_stale")


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_power_cut_takes_no_visitor(interpreter):
    """Of the foreign agent, then of the home agent; the node, played by hand, does nothing about it."""
    keys = f"agents hmac-sha256 {AGENTS_KEY}\nlaptop_key hmac-sha256 {KEY}\n"
    texts = [PROVIDER + text.replace(f"\toption key '{AGENTS_KEY}'\n", "") for text in (FOREIGN, HOME_AGENT)]
    visit = Visit(interpreter, texts[0], texts[1].replace(KEYED, ""), keys)
    try:
        wait_until(lambda: visit.register() == 0, "the home agent to be there, and serve")
        assert visit.ping() == 3
        time.sleep(0.5)
        for end in (visit.foreign, visit.home_agent):
            power_cut(end)
            assert visit.ping(1) == 0  # the control: it was needed
            start_again(end)
            wait_until(lambda: visit.ping(1) == 1, f"the visitor to be served again: {end.log()}")
            assert visit.ping_back() == 3
    finally:
        visit.remove()


def test_careofd_waits_for_the_state(office):
    """Without keyd nothing has started that could take an old request for new, and it says so."""
    office.agent.kill()
    office.agent.keyd.kill()
    office.agent.start()
    wait_until(lambda: "waits for careof-keyd" in office.agent.log(), "careofd to say that it waits")
    stranger = Stranger(office)
    assert stranger.reply_to(registration()) is None
    status, _, err = office.agent.careof("reload")
    assert status == 1 and "still reading" in err
    assert "keys away" in office.agent.careof("status")[1]
    office.agent.keyd.start()
    wait_until(lambda: stranger.reply_to(registration()) == 0, "a registration")


def test_reload_takes_the_file_of_keys_along(office):
    """A mistake in it leaves everything in force."""
    agent = office.agent
    other = KEY[::-1]
    agent.keyd.write_keys(keys().replace(KEY, "zz"))
    status, _, err = agent.careof("reload")
    assert status == 1 and "keys:2: 'wan_key': key of 2 characters: expected 32 to 128" in err
    stranger = Stranger(office)
    assert stranger.reply_to(old()) == GENUINE_BUT_OLD
    agent.keyd.write_keys(keys().replace(KEY, other))
    status, out, _ = agent.careof("reload", "--json")
    assert status == 0 and json.loads(out) == {"changed": []}
    assert stranger.reply_to(old()) == FALSE
    # A key in the configuration goes before that of the file.
    agent.config_path.write_text(PROVIDER + AGENT)
    assert agent.careof("reload")[0] == 0
    assert stranger.reply_to(old()) == GENUINE_BUT_OLD
    agent.config_path.write_text(AGENT)
    status, _, err = agent.careof("reload")
    assert status == 1 and "key_provider changed: restart careofd" in err


def test_a_key_that_nobody_has(office):
    agent = office.agent
    agent.keyd.write_keys("# none\n")
    assert agent.careof("reload")[0] == 0
    assert Stranger(office).reply_to(registration()) in (131, None)
    assert agent.counters()["key_missing"] >= 1 and "there is no key wan_key" in agent.log()


def test_a_missing_key_with_the_soft_provider_says_where_it_could_be(tmp_path):
    from careof.system import options, uci

    config = tmp_path / "config"
    config.write_text(AGENT.replace(KEYED, ""))
    with pytest.raises(
        options.ConfigError, match=r"config:\d+: .*'key' is missing.*careof-keyd's file.*key_provider"
    ):
        options.read(uci.load(str(config)))
    config.write_text(PROVIDER + AGENT.replace(KEYED, ""))
    assert options.read(uci.load(str(config))).association[0].key is None

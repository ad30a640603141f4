"""careofd as a process, on both interpreters, with real tunnels: its commands, its life, and attacks on it.

Each attack has a control: the same thing done rightly works."""

import json
import socket
import subprocess
import time

import pytest
from careof.crypt.soft import SoftProvider
from careof.limits import UPLINK_RETRY_MS
from careof.wire import ipv4, mip
from careof.wire import mip_extensions as ext
from careof_office import (
    AGENT,
    AGENT_ADDRESS,
    BRANCH,
    HOME_ADDRESS,
    INTERPRETERS,
    KEY,
    SPI,
    End,
    Office,
    environment,
    wait_until,
)
from namespaces import Namespace
from tunneld_process import cannot_run

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
NTP_UNIX_S = 2208988800


@pytest.fixture(scope="module", params=INTERPRETERS)
def shared(request):
    """An office for tests that leave it as it was."""
    office = Office(request.param)
    yield office
    office.remove()


@pytest.fixture(params=INTERPRETERS)
def office(request):
    office = Office(request.param)
    yield office
    office.remove()


# -- Commands ---------------------------------------------------------------------------------------


def test_traffic_passes(shared):
    assert shared.ping(10) == 10


def test_status_is_a_table_and_json(shared):
    status, out, _ = shared.branch.careof("status")
    assert status == 0 and "up0" in out and HOME_ADDRESS in out and "connected" in out
    everything = json.loads(shared.branch.careof("status", "--json")[1])
    assert everything["interpreter"].lower().startswith(shared.branch.interpreter.lower())
    assert everything["roles"][0]["carrying"] == "wan"
    assert "192.0.2.2" in shared.agent.careof("status")[1]


def test_counters_of_both_processes(shared):
    both = json.loads(shared.branch.careof("counters", "--json")[1])
    assert both["tunneld"]["out_packets"] > 0


def test_wrong_commands_are_told_what_was_expected(shared):
    assert shared.branch.careof()[0] == 2
    assert shared.branch.careof("dance")[0] == 2
    status, _, err = shared.branch.careof("move", "moon")
    assert status == 1 and "moon" in err and "wan" in err
    status, _, err = shared.agent.careof("move", "wan")
    assert status == 1 and err


def test_a_command_without_careofd_says_so(shared, tmp_path):
    command = [*INTERPRETERS["MicroPython"], "careof.status.cli", "--run", str(tmp_path), "status"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 3 and "does not answer" in done.stderr


# -- Starting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_wrong_starts_end_with_a_status_and_a_line(interpreter, tmp_path):
    def start(*arguments):
        command = [*INTERPRETERS[interpreter], "careof.main", *map(str, arguments)]
        return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=20)

    config = tmp_path / "config"
    assert start("--konfig").returncode == 2
    config.write_text(BRANCH.replace("'10'", "'0'"))
    done = start("--config", config, "--run", tmp_path)
    assert done.returncode == 3 and f"{config}:8: option 'preference' '0': expected" in done.stderr
    done = start("--config", tmp_path / "nowhere", "--run", tmp_path)
    assert done.returncode == 3 and "nowhere: cannot be read" in done.stderr
    config.write_text(BRANCH)
    done = start("--config", config, "--run", tmp_path / "missing/folder")
    assert done.returncode == 4 and "missing/folder" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_port_that_is_in_use_is_told_once_and_tried_again(interpreter):
    space = Namespace("agent")
    space.ip("address", "add", f"{AGENT_ADDRESS}/32", "dev", "lo")
    other = space.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    other.bind((AGENT_ADDRESS, 434))
    end = End(space, AGENT, interpreter)
    try:
        told = f"refused SetUplink: any device: bind {AGENT_ADDRESS}:434: Address already in use"
        wait_until(lambda: told in end.log(), f"the port to be told: {end.log()}")
        time.sleep(2 * UPLINK_RETRY_MS / 1000)
        assert end.log().count("Address already in use") == 1 and end.careof("status")[0] == 0
        other.close()
        sender = space.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

        def is_heard():
            sender.sendto(b"\1", (AGENT_ADDRESS, 434))
            return end.counters().get("request_malformed", 0) > 0

        wait_until(is_heard, "the port to be taken")
        sender.close()
    finally:
        end.remove()
        space.remove()


def test_a_second_one_in_the_same_folder_is_refused(shared):
    branch = shared.branch
    command = [*INTERPRETERS[branch.interpreter], "careof.main", "--config", branch.config_path]
    command += ["--run", branch.run_folder]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=20)
    assert done.returncode == 4 and "status.sock: " in done.stderr and "another careofd" in done.stderr
    assert branch.careof("status")[0] == 0


# -- Reload -----------------------------------------------------------------------------------------


def test_a_mistake_leaves_what_is_in_force(shared):
    branch = shared.branch
    branch.config_path.write_text(BRANCH.replace("option device 'up0'", "option device 'up0/x'"))
    ping = shared.start_ping(50)
    status, _, err = branch.careof("reload")
    assert status == 1 and "config:7: option 'device' 'up0/x': expected" in err
    assert ping() == 50
    branch.config_path.write_text(BRANCH)
    status, out, _ = branch.careof("reload", "--json")
    assert status == 0 and json.loads(out) == {"changed": []}


def test_a_change_touches_nothing_else(office):
    branch = office.branch
    sockets = office.router.run("ss", "-lune")
    ping = office.start_ping(50)
    branch.config_path.write_text(BRANCH.replace("'10'\n", "'20'\n"))
    status, out, _ = branch.careof("reload", "--json")
    assert status == 0 and json.loads(out) == {"changed": ["mobile_router-branch"]}
    assert ping() == 50
    assert office.router.run("ss", "-lune") == sockets
    assert branch.status()["uplinks"][0]["preference"] == 20


# -- Life and death ---------------------------------------------------------------------------------


def test_the_death_of_careofd_loses_nothing(office):
    ping = office.start_ping(150)
    time.sleep(0.4)
    for end in (office.branch, office.agent):
        end.kill()
        time.sleep(0.3)
        end.start()
    assert ping() == 150
    wait_until(office.connected, "the branch to know that it is connected")
    assert office.ping() == 3


def test_the_death_of_tunneld_is_repaired(office):
    for end in (office.branch, office.agent):
        end.tunneld.kill()
        end.tunneld.start()
        wait_until(lambda: office.ping() == 3, "pings to be answered again")


def test_stop_says_goodbye_to_the_home_agent(office):
    assert office.branch.careof("stop")[0] == 0
    assert office.branch.process.wait(timeout=10) == 0
    wait_until(lambda: "192.0.2.2" not in office.agent.careof("status")[1], "the binding to end")
    assert office.ping() == 0  # nothing leaves beside the tunnel either
    office.branch.start()
    wait_until(office.connected, "the branch to be connected again")


# -- Attacks on the home agent ----------------------------------------------------------------------

keys = SoftProvider()
keys.add_key("right", "hmac-sha256", bytes.fromhex(KEY))
keys.add_key("wrong", "hmac-sha256", bytes(32))


def identification(off_s=0):
    now = time.time() + off_s
    return (int(now) + NTP_UNIX_S) << 32 | int(now % 1 * (1 << 32))


def registration(key="right", spi=SPI, home=HOME_ADDRESS, at_s=0, care_of="192.0.2.3", lifetime_s=600):
    addresses = [ipv4.parse_address(text) for text in (home, AGENT_ADDRESS, care_of)]
    stamp = identification(at_s)
    request = mip.RegistrationRequest(mip.FLAG_D | mip.FLAG_T, lifetime_s, *addresses, stamp, [])
    data = mip.pack_to_sign(request, spi, 32)
    return data + keys.authenticate(key, data)


class Stranger:
    """A socket beside the home agent, at another address than the branch's."""

    def __init__(self, office):
        self.office = office
        self.socket = office.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.socket.bind(("192.0.2.3", 0))
        self.socket.settimeout(1)

    def say(self, data):
        self.socket.sendto(data, (AGENT_ADDRESS, 434))

    def reply_to(self, data):
        """The code of the reply, or None: silence. No refusal is longer than what it answers: no amplifier.

        A request that was granted had the key; its reply may list networks.
        """
        self.say(data)
        try:
            reply = self.socket.recv(2000)
        except TimeoutError:
            return None
        assert reply[1] == 0 or len(reply) <= len(data)
        return mip.unpack(reply).message.code

    def where_the_branch_is(self):
        """Its care-of addresses, as the home agent has them."""
        status = self.office.agent.status() or {"bound": []}
        return [row["care_of"] for row in status["bound"]]


def test_a_network_that_the_kernel_routes_elsewhere_is_told_as_not_set_up(office):
    """RFC 5177 6.6: what careof-tunneld cannot do is known before the reply."""
    stranger, other = Stranger(office), "10.66.0.0/24"
    office.outside.ip("route", "add", other, "dev", "lo")
    networks = f"\tlist mobile_network '{other}'\n\tlist mobile_network '10.77.1.0/24'"
    office.agent.config_path.write_text(AGENT.replace("\tlist mobile_network '10.77.1.0/24'", networks))
    assert office.agent.careof("reload")[0] == 0

    def codes():
        stranger.say(registration())
        try:
            reply = mip.unpack(stranger.socket.recv(2000)).message
        except TimeoutError:
            return None  # tunneld is not there
        assert reply.code == 0
        found = [e for e in reply.extensions if isinstance(e, ext.MobileNetworkReply)]
        return {ipv4.prefix_text((e.prefix, e.length)): e.code for e in found}

    wait_until(lambda: "File exists" in office.agent.log(), "the route to be refused")
    assert codes() == {other: 3, "10.77.1.0/24": 0}
    office.outside.ip("route", "del", other, "dev", "lo")
    office.agent.tunneld.kill()
    office.agent.tunneld.start()
    wait_until(lambda: codes() == {other: 0, "10.77.1.0/24": 0}, "the control: nobody else routes it")


UNSIGNED = registration()[: -32 - 6]
ATTACKS = {
    "request_unknown_node": lambda: registration(home="10.77.0.9"),
    "request_unknown_spi": lambda: registration(spi=9999),
    "request_not_authenticated": lambda: UNSIGNED,
    "request_malformed": lambda: registration()[:-40],
    "not_a_request": lambda: mip.pack(
        mip.RegistrationReply(0, 600, bytes(4), bytes(4), identification(), [])
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_proves_nothing_gets_silence_and_a_counter(shared, name):
    stranger = Stranger(shared)
    before = shared.agent.counters().get(name, 0)
    assert stranger.reply_to(ATTACKS[name]()) is None
    assert shared.agent.wait_for_counter(name, before + 1) == before + 1
    assert "192.0.2.2" in stranger.where_the_branch_is() and shared.ping() == 3


def test_a_false_authenticator_is_refused(shared):
    stranger = Stranger(shared)
    assert stranger.reply_to(registration(key="wrong")) == 131
    assert shared.agent.counters()["request_false_authenticator"] >= 1
    assert "192.0.2.2" in stranger.where_the_branch_is() and shared.ping() == 3


def test_a_flipped_bit_anywhere_is_refused(shared):
    """Wherever one bit of a genuine request is changed, it does nothing."""
    stranger = Stranger(shared)
    genuine = registration()
    for at in range(0, len(genuine), 3):
        stranger.say(genuine[:at] + bytes([genuine[at] ^ 1]) + genuine[at + 1 :])
    time.sleep(0.5)
    assert "192.0.2.3" not in stranger.where_the_branch_is()
    assert shared.ping() == 3


def test_old_and_replayed_requests_are_refused_and_a_genuine_one_is_not(office):
    stranger = Stranger(office)
    genuine = registration()
    assert stranger.reply_to(registration(at_s=-3600)) == 133
    time.sleep(0.3)
    assert stranger.reply_to(genuine) == 0  # the control: who has the key is the branch, until that notices
    assert "binding: branch 10.77.0.2 at 192.0.2.3" in office.agent.log()
    wait_until(
        lambda: "192.0.2.2" in stranger.where_the_branch_is(), "the branch to notice and register again"
    )
    time.sleep(0.3)
    replayed = Stranger(office)
    assert replayed.reply_to(genuine) in (133, None)
    assert office.agent.counters()["request_stale"] >= 2
    assert "192.0.2.3" not in stranger.where_the_branch_is() and office.ping() == 3


def test_a_forged_reply_does_nothing_to_the_router(shared):
    """From the home agent's own address, for a request that is under way or not."""
    sender = shared.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.bind((AGENT_ADDRESS, 0))
    home, agent = ipv4.parse_address(HOME_ADDRESS), ipv4.parse_address(AGENT_ADDRESS)
    for code in (0, 133, 136):
        reply = mip.RegistrationReply(code, 0, home, agent, identification(), [])
        data = mip.pack_to_sign(reply, SPI, 32)
        sender.sendto(data + keys.authenticate("wrong", data), ("192.0.2.2", 434))
        sender.sendto(data, ("192.0.2.2", 434))
    time.sleep(0.3)
    assert shared.connected() and shared.ping() == 3
    dropped = {name: count for name, count in shared.branch.counters().items() if name.startswith("reply_")}
    assert sum(dropped.values()) >= 6


def test_a_flood_of_rubbish_does_not_stop_the_office(office):
    """CVE-2009-0633: after a flood of bad datagrams on UDP 434 a valid request is answered, and in time."""
    stranger, other = Stranger(office), Stranger(office)
    unsigned, false = UNSIGNED, registration(key="wrong")
    ping = office.start_ping(50)
    for number in range(2000):
        stranger.say(bytes([1]) + number.to_bytes(4, "big") * 6)
        stranger.say(unsigned)
        stranger.say(false)
    assert ping() == 50
    other.socket.close()
    other.socket = office.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    other.socket.bind(("192.0.2.4", 0))
    other.socket.settimeout(1)
    assert other.reply_to(registration(care_of="192.0.2.4")) == 0


def test_the_status_socket_takes_rubbish(shared):
    for rubbish in (
        b"\xff\n",
        b"{}\n",
        b"[1]\n",
        b'{"command": 1}\n',
        b"x" * 5000 + b"\n",
        b'{"command":"status"',
    ):
        asking = socket.socket(socket.AF_UNIX)
        asking.connect(str(shared.branch.run_folder / "status.sock"))
        asking.settimeout(2)
        asking.sendall(rubbish)
        if rubbish.endswith(b"\n"):
            assert b"error" in asking.recv(4096)
        asking.close()
    assert shared.branch.status()["state"] == "connected"


def test_configurations_of_this_test_differ_only_in_their_role():
    assert BRANCH.count(KEY) == AGENT.count(KEY) == 1

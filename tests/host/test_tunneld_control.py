"""careof-tunneld as a process: its rights, its socket, replay, death and wrong use."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
from careof.wire import tunneld as wire
from namespaces import Namespace, join
from tunneld_process import BINARY, NOBODY, Client, Tunneld, cannot_run, ip, status_of

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
ANY = bytes(4)


@pytest.fixture
def namespaces():
    router, outside = Namespace("router"), Namespace("outside")
    join(router, "up0", "192.0.2.1/24", outside, "out0", "192.0.2.2/24")
    yield router, outside
    router.remove()
    outside.remove()


@pytest.fixture
def tunneld(namespaces):
    process = Tunneld(namespaces[0])
    process.client().close()
    yield process
    process.remove()


STATE = (
    wire.SetTun(ip("10.77.0.2"), 1400),
    wire.SetUplink(1, "up0", ANY, 434),
    wire.SetTunnel(1, wire.KIND_MIP_UDP, 1, ip("192.0.2.2"), 434, 0, 0),
    wire.SetInner(1, ANY, 0, ip("10.77.0.2"), 32),
    wire.SetPath(1, 1400, 0, (1,)),
    wire.SetRoute(ANY, 0, ANY, 0, wire.GATE_OPEN, wire.FOREVER_S, (1,)),
    wire.SetDeliver(ip("10.9.0.0"), 16),
    wire.SetCapture(ip("10.77.1.0"), 24, ""),
    wire.SetSpare(ip("192.0.2.0"), 24),
)


def test_the_part_that_parses_packets_has_no_rights(tunneld):
    packets, helper = tunneld.processes()
    status = status_of(packets)
    assert set(status["Uid"].split()) == {str(NOBODY)} and set(status["Gid"].split()) == {str(NOBODY)}
    assert status["Groups"] == "" and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[which], 16) == 0, which
    # The control: the helper has three rights, and no others.
    status = status_of(helper)
    assert status["Uid"].split()[0] == "0" and status["Seccomp"] == "2"
    assert bin(int(status["CapEff"], 16)).count("1") == 3


def test_hello_names_version_epoch_and_offloads(tunneld):
    client = tunneld.client()
    client.send(wire.Hello(wire.VERSION))
    first = client.wait_for(wire.HelloBack)
    assert first.version == wire.VERSION and first.offloads & wire.OFFLOAD_TUN_TSO
    again = tunneld.client()
    again.send(wire.Hello(wire.VERSION))
    assert again.wait_for(wire.HelloBack).epoch == first.epoch


def test_a_new_client_takes_the_place_of_the_old_one(tunneld):
    old = tunneld.client()
    old.counters()
    new = tunneld.client()
    new.counters()
    assert old.socket.recv(10) == b""


def test_a_client_of_another_user_is_refused(tunneld):
    tunneld.path.chmod(0o666)
    pid = os.fork()
    if pid == 0:
        os.setuid(12345)
        try:
            client = Client(tunneld.path)
            os._exit(0 if client.socket.recv(10) == b"" else 1)
        except OSError:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert tunneld.client().counters()["client_refused"] == 1


def test_what_is_not_set_again_is_swept(tunneld, namespaces):
    router = namespaces[0]
    client = tunneld.client()
    client.replay(*STATE, wire.SetDeliver(ip("10.10.0.0"), 16), wire.SetUplink(7, "lo", ANY, 4340))
    routes = router.ip("route", "show", "table", "all")
    assert "10.9.0.0/16 dev careof0" in routes and "10.10.0.0/16 dev careof0" in routes
    assert "throw 192.0.2.0/24 table 434" in routes
    assert "10.77.1.0/24 lookup 434" in router.ip("rule")
    assert ":4340" in router.run("ss", "-lun")

    client.close()
    client = tunneld.client()
    client.replay(*STATE)
    routes = router.ip("route", "show", "table", "all")
    assert "10.9.0.0/16 dev careof0" in routes and "10.10.0.0/16" not in routes
    sockets = router.run("ss", "-lun")
    assert ":4340" not in sockets and ":434 " in sockets


def test_a_replay_keeps_the_sockets(tunneld, namespaces):
    client = tunneld.client()
    client.replay(*STATE)
    before = namespaces[0].run("ss", "-lune")
    client.close()
    client = tunneld.client()
    client.replay(*STATE)
    assert namespaces[0].run("ss", "-lune") == before  # the same inode


def test_what_was_made_ends_with_it(tunneld, namespaces):
    router = namespaces[0]
    tunneld.client().replay(*STATE)
    assert "proto 202" in router.ip("rule")
    tunneld.kill()
    tunneld.start()
    client = tunneld.client()
    assert "lookup 434" not in router.ip("rule")
    client.replay(*STATE)  # the control: nothing is in its way
    assert "lookup 434" in router.ip("rule")
    assert tunneld.stop() == 0
    assert "lookup 434" not in router.ip("rule") and "careof0" not in router.ip("link")


def test_the_death_of_the_helper_ends_it(tunneld):
    os.kill(tunneld.processes()[1], signal.SIGKILL)
    assert tunneld.process.wait(timeout=5) == 6
    assert "the helper died" in tunneld.log()


REFUSED = (
    wire.SetTunnel(9, 77, 1, ip("192.0.2.2"), 434, 0, 0),
    wire.SetTunnel(9, wire.KIND_MIP_UDP, 1, ANY, 434, 0, 0),
    wire.SetTunnel(9, wire.KIND_MIP_UDP, 1, ip("192.0.2.2"), 434, 0, 0),  # that of tunnel 1
    wire.SetPath(9, 1400, 0, ()),
    wire.SetPath(9, 1400, 0, (1, 2)),
    wire.SetPath(9, 67, 0, (1,)),
    wire.SetRoute(ip("10.0.0.1"), 8, ANY, 0, wire.GATE_OPEN, 60, (1,)),
    wire.SetRoute(ANY, 33, ANY, 0, wire.GATE_OPEN, 60, (1,)),
    wire.SetRoute(ANY, 0, ANY, 0, 3, 60, (1,)),
    wire.SetRoute(ANY, 0, ANY, 0, wire.GATE_OPEN, 60, tuple(range(9))),
    wire.SetInner(1, ip("10.0.0.1"), 8, ANY, 0),
    wire.SetInner(55, ANY, 0, ANY, 0),
    wire.SetDeliver(ip("10.0.0.1"), 8),
    wire.SetUplink(9, "nosuchdevice", ANY, 434),
    wire.DropTunnel(55),
    wire.DropPath(55),
    wire.DropRoute(ip("10.0.0.0"), 8, ANY, 0),
    wire.DropUplink(55),
    wire.DropDeliver(ip("10.0.0.0"), 8),
    wire.DropProbe(1),
    wire.HelloBack(1, 1, 1),
)


def test_wrong_values_are_refused_and_nothing_else_changes(tunneld):
    client = tunneld.client()
    client.replay(*STATE)
    for message in REFUSED:
        number = client.send(message)
        done = client.wait_for(wire.Done)
        assert done.of_number == number and done.error, message
    assert client.counters()["client_refused_value"] == len(REFUSED)
    client.set(*STATE)


def test_malformed_messages_are_counted_and_the_client_stays(tunneld):
    client = tunneld.client()
    good = wire.pack(wire.SetPath(1, 1400, 0, (1,)), 1)
    before = client.counters()
    malformed = [good[:size] for size in range(1, len(good))]
    malformed += [good + b"\0", b"\xff" * 65000, good[:-6] + b"\xff\xff" + good[-4:]]
    for octets in malformed:
        client.socket.send(octets)
    client.socket.send(wire.pack(wire.SetProbe(1), 1).replace(b"\0\x21", b"\7\x77", 1))
    after = client.counters()
    assert after["client_malformed"] - before["client_malformed"] == len(malformed)
    assert after["client_unknown_kind"] == 1


def test_a_port_in_use_is_told_and_can_be_tried_again(tunneld, namespaces):
    taken = namespaces[0].inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    taken.bind(("0.0.0.0", 434))
    client = tunneld.client()
    client.send(wire.SetUplink(1, "up0", ANY, 434))
    done = client.wait_for(wire.Done)
    assert done.error == errno.EADDRINUSE and b"434" in done.text and b"up0" in done.text
    taken.close()
    client.set(wire.SetUplink(1, "up0", ANY, 434))


def test_a_device_that_comes_back_gets_new_sockets(tunneld, namespaces):
    router, outside = namespaces
    client = tunneld.client()
    client.replay(*STATE)
    router.ip("link", "del", "up0")
    client.send(wire.SetUplink(1, "up0", ANY, 434))
    assert client.wait_for(wire.Done).error == errno.ENODEV
    join(router, "up0", "192.0.2.1/24", outside, "out0", "192.0.2.2/24")
    client.set(wire.SetUplink(1, "up0", ANY, 434))
    peer = outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    peer.bind(("192.0.2.2", 434))
    peer.settimeout(5)
    client.send(wire.SendSignal(1, ip("192.0.2.2"), 434, b"\1signal"))
    assert peer.recv(100) == b"\1signal"


def test_a_client_that_reads_nothing_is_hung_up_on(tunneld):
    client = tunneld.client()
    client.socket.settimeout(0.2)
    with pytest.raises(OSError):
        for _ in range(200000):
            client.send(wire.AskCounters())
    fresh = tunneld.client()
    assert fresh.counters()
    assert "does not read" in tunneld.log() or "takes its place" in tunneld.log()


def start(*arguments, binary=BINARY, **more):
    return subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=20, **more)


def test_wrong_use_and_missing_rights_have_an_exit_status_and_a_line(tunneld, namespaces, tmp_path):
    assert start().returncode == 2
    assert "usage" in start("--socket").stderr
    assert "no such user" in start("--socket", "x", "--user", "nosuchuser").stderr
    copy = shutil.copy(BINARY, tunneld.folder / "careof-tunneld")  # the checkout may be root's alone
    done = start("--socket", tmp_path / "x", binary=copy, user=NOBODY)
    assert done.returncode == 4 and "root" in done.stderr
    nowhere = start_in(namespaces[1], "--socket", tmp_path / "no/x")
    assert nowhere.returncode == 3 and "No such file" in nowhere.stderr
    assert tunneld.client().counters()["client_refused"] == 0  # the control: the first is untouched


def start_in(namespace, *arguments):
    inside = ("ip", "netns", "exec", namespace.name, str(BINARY))
    return subprocess.run([*inside, *map(str, arguments)], capture_output=True, text=True, timeout=20)


def test_a_second_one_takes_nothing_from_the_first(tunneld, namespaces, tmp_path):
    """Neither its TUN, nor its rules, which another TUN's would be too, nor its socket, nor its client."""
    client = tunneld.client()
    client.replay(*STATE)
    rules, log = namespaces[0].ip("rule", "show"), tunneld.log()
    for where, arguments, told in (
        (0, ("--socket", tmp_path / "x"), "another careof-tunneld is in this network namespace"),
        (0, ("--socket", tmp_path / "x", "--tun", "other0"), "another careof-tunneld is in this network"),
        (0, ("--socket", tunneld.path, "--tun", "other0"), "another careof-tunneld is in this network"),
        (1, ("--socket", tunneld.path), f"{tunneld.path}: another process listens there"),
    ):
        done = start_in(namespaces[where], *arguments)
        assert done.returncode == 8 and told in done.stderr, done.stderr
        assert client.counters()["client_refused"] == 0 and namespaces[0].ip("rule", "show") == rules
    assert "lookup 434" in rules and tunneld.log() == log
    assert tunneld.client().counters()  # whoever may connect still does
    # What a life left that was killed is in nobody's way.
    tunneld.kill()
    assert tunneld.path.exists()
    tunneld.start()
    assert tunneld.client().counters()


def test_what_is_no_socket_is_left_alone(namespaces, tmp_path):
    config = tmp_path / "config"
    config.write_text("config globals\n")
    done = start_in(namespaces[1], "--socket", config)
    assert done.returncode == 3 and f"{config}: it is there, and no socket" in done.stderr
    assert config.read_text() == "config globals\n"


def test_stop_is_quick_and_clean(tunneld):
    began = time.monotonic()
    assert tunneld.stop() == 0
    assert time.monotonic() - began < 2


def test_a_missing_tun_is_told(tmp_path, namespaces):
    hide = 'mount -t tmpfs none /dev/net && exec "$0" --socket "$1"'
    command = ["unshare", "--mount", "sh", "-c", hide, str(BINARY), str(tmp_path / "x")]
    done = namespaces[0].start(*command, stderr=subprocess.PIPE, text=True)
    _, said = done.communicate(timeout=20)
    assert done.returncode == 5 and "no TUN" in said and "tun module" in said

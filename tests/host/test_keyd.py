"""careof-keyd as a process: its rights, how it starts and ends, and its socket."""

import errno
import signal
import subprocess
from pathlib import Path

import pytest
from careof.wire import keyd as wire
from keyd_process import BINARY, NOBODY, Keyd, cannot_run

WHY_NOT = cannot_run()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
KEY = bytes(range(32))


# -- Rights -----------------------------------------------------------------------------------------


def statuses(process):
    """{name: text} of /proc/PID/status, of each thread."""
    found = []
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found.append({name: value.strip() for name, _, value in (line.partition(":") for line in lines)})
    return found


def test_it_has_no_rights(keyd):
    keyd.client()
    threads = statuses(keyd.process)
    assert len(threads) == 2
    for status in threads:
        assert set(status["Uid"].split()) == {str(NOBODY)} and set(status["Gid"].split()) == {str(NOBODY)}
        assert status["Groups"] == "" and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[which], 16) == 0, which
    limits = Path(f"/proc/{keyd.process.pid}/limits").read_text().splitlines()
    assert [line.split()[4:6] for line in limits if line.startswith("Max core")] == [["0", "0"]]
    # Nobody of the same user may look into it: what is not dumpable belongs to root.
    assert Path(f"/proc/{keyd.process.pid}/mem").stat().st_uid == 0


@pytest.mark.skipif(
    WHY_NOT is None and b"__asan_init" in BINARY.read_bytes(), reason="the address sanitizer locks nothing"
)
def test_keys_are_locked_in_memory(keyd):
    keyd.client()
    before = int(statuses(keyd.process)[0]["VmLck"].split()[0])
    client = keyd.client()
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_SHA256, KEY))
    client.counters()
    assert int(statuses(keyd.process)[0]["VmLck"].split()[0]) > before


def test_only_root_and_the_owner_may_ask(keyd):
    keyd.client()
    keyd.path.chmod(0o666)  # the rights of the file are the first door; this is the second
    script = (
        f"import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect('{keyd.path}');"
        "s.send(b'x'); print(s.recv(10))"
    )
    command = ["python3", "-c", script]
    stranger = subprocess.run(command, capture_output=True, text=True, user=NOBODY - 1, timeout=20)
    assert stranger.stdout == "b''\n" or "Error" in stranger.stderr
    assert keyd.client().counters()["client_refused"] == 1
    keyd.stop()
    keyd._options = ("--owner", str(NOBODY - 1))
    keyd.start().client()
    script = script.replace("s.send(b'x')", f"s.send({hello()!r})")
    owner = subprocess.run(["python3", "-c", script], capture_output=True, text=True, user=NOBODY - 1)
    assert owner.stdout.startswith("b'\\x00\\x02"), owner


def hello():
    return wire.pack(wire.Hello(wire.VERSION), 1)


# -- Wrong starts -----------------------------------------------------------------------------------


def test_wrong_use():
    assert subprocess.run([BINARY], capture_output=True).returncode == 2
    done = subprocess.run(
        [BINARY, "--socket", "/x", "--state", "/y", "--user", "no-such-user"], capture_output=True
    )
    assert done.returncode == 2 and b"no-such-user" in done.stderr


def test_what_is_no_state_file_is_left_alone(keyd):
    keyd.client().save("name", b"value")
    keyd.stop()
    foreign, newer = "not a state file", "of another version, of a newer careof-keyd"
    for content, text in (
        (b"config globals\n" * 40, foreign),
        (b"x", foreign),
        (b"careof-state 2\n\0" + bytes(64), newer),
        (b"careof-state 10\n" + bytes(64), newer),
    ):
        keyd.state.write_bytes(content)
        keyd.start().ends(5, text)
        assert keyd.state.read_bytes() == content


def test_a_folder_has_one_keyd(keyd):
    keyd.client()
    second = Keyd(state=keyd.state).start()
    second.ends(8, "another careof-keyd has its folder")
    assert keyd.client().counters()
    second.remove()


def test_a_socket_has_one_keyd(keyd, tmp_path):
    client = keyd.client()
    command = [BINARY, "--socket", keyd.path, "--state", tmp_path / "folder/state"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 8 and f"{keyd.path}: another process listens there" in done.stderr
    assert client.counters() and "takes its place" not in keyd.log()
    command[2] = tmp_path / "config"  # a mistake that must not cost the file
    command[2].write_text("config globals\n")
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 3 and "config: it is there, and no socket" in done.stderr
    assert command[2].read_text() == "config globals\n"


def test_a_folder_that_is_not_there(tmp_path):
    keyd = Keyd(state=tmp_path / "no/such/state").start()
    keyd.ends(5, "no/such/state: No such file")
    keyd.remove()


def test_it_stops_when_asked_to(keyd):
    for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        keyd.client()
        keyd.process.send_signal(stop)
        assert keyd.process.wait(10) == 0
        keyd.start()


# -- The socket -------------------------------------------------------------------------------------


def test_another_epoch_after_a_restart(keyd):
    epoch = keyd.client().hello().epoch
    assert keyd.client().hello().epoch == epoch
    keyd.kill()
    assert keyd.start().client().hello().epoch != epoch


def test_malformed_datagrams_are_counted(keyd):
    client = keyd.client()
    good = wire.pack(wire.AskCounters(), 1)
    for bad in (b"x", good[:7], good + b"\0", good[:2] + b"\0\7" + good[4:], b"\x7f\xff" + good[2:]):
        client.socket.send(bad)
    client.wait_for(wire.Counters)  # of the good one before the octet that is too many
    counters = client.counters()
    assert counters["client_malformed"] == 4 and counters["client_unknown_kind"] == 1
    assert client.ask(wire.RestoreEnd(), wire.Done).error == errno.EPROTO


def test_a_client_that_does_not_read_waits_for_itself(keyd):
    """Answers are not lost, memory is bounded, and the next client is served."""
    client = keyd.client()
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_MD5, KEY))
    client.socket.settimeout(1)
    sent = 0
    question = wire.pack(wire.Authenticate(1, "key", b""), 1)
    with pytest.raises(TimeoutError):
        for _ in range(10000):
            client.socket.send(question * 500)
            sent += 500
    got = 0
    while got < sent:
        client.socket.settimeout(10)
        got += len(wire.messages(client.socket.recv(65536)))
    assert got == sent
    with pytest.raises(TimeoutError):
        for _ in range(10000):
            client.socket.send(question * 500)
    assert keyd.client().counters()

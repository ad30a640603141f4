"""careof-keyd as a process: its rights, keys, questions, and the state under death and full disks.

What is a forgery here has its control: the genuine one beside it is answered otherwise."""

import errno
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from careof.wire import keyd as wire
from keyd_process import BINARY, NOBODY, Keyd, cannot_run, hmac_of

WHY_NOT = cannot_run()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))
KEY = bytes(range(32))
BACKENDS = {
    path.name: path
    for path in (BINARY, BINARY.with_name("careof-keyd-mbedtls"), BINARY.with_name("careof-keyd-openssl"))
    if path.exists()
}


@pytest.fixture
def keyd():
    process = Keyd()
    process.start()
    yield process
    process.remove()


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


def ended(keyd, status, *texts):
    assert keyd.process.wait(10) == status, keyd.log()
    for text in texts:
        assert text in keyd.log()


def test_wrong_use():
    assert subprocess.run([BINARY], capture_output=True).returncode == 2
    done = subprocess.run(
        [BINARY, "--socket", "/x", "--state", "/y", "--user", "no-such-user"], capture_output=True
    )
    assert done.returncode == 2 and b"no-such-user" in done.stderr


def test_what_is_no_state_file_is_left_alone(keyd):
    keyd.client().save("name", b"value")
    keyd.stop()
    for foreign in (b"config globals\n" * 40, b"x", b"careof-state 2\n\0" + bytes(64)):
        keyd.state.write_bytes(foreign)
        ended(keyd.start(), 5, "not a state file")
        assert keyd.state.read_bytes() == foreign


def test_a_folder_has_one_keyd(keyd):
    keyd.client()
    second = Keyd(state=keyd.state).start()
    ended(second, 8, "another careof-keyd has its folder")
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
    ended(keyd, 5, "no/such/state: No such file")
    keyd.remove()


def test_it_stops_when_asked_to(keyd):
    for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        keyd.client()
        keyd.process.send_signal(stop)
        assert keyd.process.wait(10) == 0
        keyd.start()


# -- Keys and questions -----------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_authenticators_of_every_algorithm(backend):
    keyd = Keyd(binary=BACKENDS[backend]).start()
    client = keyd.client()
    for name, number in wire.ALGORITHMS.items():
        for key in (KEY[:16], KEY, KEY * 2):
            client.send(wire.AddKey("key", number, key))
            for size in (0, 1, 63, 64, 65, 200, 4000):
                data = random.randbytes(size)
                right = hmac_of(name, key, data)
                told = client.ask(wire.Authenticate(size, "key", data), wire.Authenticated)
                assert told == wire.Authenticated(size, right)
                assert client.ask(wire.Verify(9, "key", right, data), wire.Verified).genuine == 1
                wrong = [right[:-1], right + b"\0", b"", bytes(len(right))]
                wrong += [right[:i] + bytes([right[i] ^ 1]) + right[i + 1 :] for i in (0, len(right) - 1)]
                for forged in wrong:
                    assert client.ask(wire.Verify(9, "key", forged, data), wire.Verified).genuine == 0
                assert client.ask(wire.Verify(9, "key", right, data + b"\0"), wire.Verified).genuine == 0
    keyd.remove()


def test_many_questions_in_one_datagram(keyd):
    client = keyd.client()
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_MD5, KEY))
    client.send(*[wire.Authenticate(token, "key", b"%d" % token) for token in range(500)])
    for token in range(500):
        right = hmac_of("hmac-md5", KEY, b"%d" % token)
        assert client.wait_for(wire.Authenticated) == wire.Authenticated(token, right)


def test_a_key_that_is_not_there(keyd):
    client = keyd.client()
    assert client.ask(wire.Verify(5, "key", bytes(32), b""), wire.NoKey).token == 5
    assert client.ask(wire.Authenticate(6, "key", b""), wire.NoKey).token == 6
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_SHA256, KEY))
    assert client.ask(wire.Authenticate(7, "key", b""), wire.Authenticated).token == 7
    client.send(wire.DropKey("key"))
    assert client.ask(wire.Authenticate(8, "key", b""), wire.NoKey).token == 8
    assert client.ask(wire.DropKey("key"), wire.Done).error == errno.ENOENT


def test_keys_that_will_not_do(keyd):
    client = keyd.client()
    for algorithm, key in ((0, KEY), (6, KEY), (255, KEY), (3, KEY[:15]), (3, KEY * 2 + b"\0"), (3, b"")):
        number = client.send(wire.AddKey("key", algorithm, key))
        done = client.wait_for(wire.Done)
        assert done.of_number == number and done.error == errno.EINVAL and b"key 'key'" in done.text
        assert client.ask(wire.Authenticate(1, "key", b""), wire.NoKey)


def test_added_keys_go_with_the_connection(keyd):
    client = keyd.client()
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_SHA256, KEY))
    assert client.ask(wire.Authenticate(1, "key", b""), wire.Authenticated)
    client.close()
    assert keyd.client().ask(wire.Authenticate(1, "key", b""), wire.NoKey)


LINES = """# keys of nodes
node-10.77.0.2-256 hmac-sha256 000102030405060708090a0b0c0d0e0f

\tnode-10.77.0.3-256\thmac-md5   000102030405060708090A0B0C0D0E0F   # with a comment
key hmac-sha1 0f0e0d0c0b0a09080706050403020100
"""


def test_keys_of_the_file(keyd):
    keyd.stop()
    keyd.write_keys(LINES)
    client = keyd.start().client()
    assert client.hello().keys_of_file == 3
    for name, algorithm, key in (
        ("node-10.77.0.2-256", "hmac-sha256", KEY[:16]),
        ("node-10.77.0.3-256", "hmac-md5", KEY[:16]),
        ("key", "hmac-sha1", KEY[:16][::-1]),
    ):
        told = client.ask(wire.Authenticate(1, name, b"data"), wire.Authenticated)
        assert told.authenticator == hmac_of(algorithm, key, b"data")
    # One that is added goes before one of the file, and gives way again.
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_MD5, KEY))
    told = client.ask(wire.Authenticate(1, "key", b"data"), wire.Authenticated)
    assert told.authenticator == hmac_of("hmac-md5", KEY, b"data")
    client.send(wire.DropKey("key"))
    told = client.ask(wire.Authenticate(1, "key", b"data"), wire.Authenticated)
    assert told.authenticator == hmac_of("hmac-sha1", KEY[:16][::-1], b"data")


MISTAKES = {
    "name": "expected a name, an algorithm and a key",
    "name hmac-md5": "expected a name, an algorithm and a key",
    "name hmac-md5 %s more" % KEY.hex(): "expected a name, an algorithm and a key",
    "name hmac-md4 %s" % KEY.hex(): "expected one of hmac-md5, hmac-sha1, hmac-sha256",
    "name hmac-md5 %s" % KEY[:15].hex(): "key of 30 characters: expected 32 to 128 hexadecimal digits",
    "name hmac-md5 %sf" % KEY.hex(): "key of 65 characters",
    "name hmac-md5 %sxx" % KEY.hex(): "key of 66 characters",
    "%s hmac-md5 %s" % ("n" * 64, KEY.hex()): "a name of 64 characters",
    "n\0me hmac-md5 %s" % KEY.hex(): "a name of 4 characters",
    "key hmac-md5 %s" % KEY.hex(): "'key': there is one already",
    "#" * 1025: "longer than 1024 octets",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_leaves_the_keys_as_they_were(keyd, mistake):
    keyd.stop()
    keyd.write_keys(LINES)
    client = keyd.start().client()
    keyd.write_keys("other hmac-md5 %s\n%s%s\n" % (KEY.hex(), LINES, mistake))
    number = client.send(wire.LoadKeys())
    done = client.wait_for(wire.Done)
    assert done.of_number == number and done.error and b"keys:7: " in done.text
    assert MISTAKES[mistake].encode() in done.text, done
    assert KEY.hex()[:20] not in keyd.log() and KEY.hex()[:20].encode() not in done.text
    assert client.ask(wire.Authenticate(1, "key", b""), wire.Authenticated)
    assert client.ask(wire.Authenticate(1, "other", b""), wire.NoKey)
    # The control: without the mistake the same file is taken.
    keyd.write_keys("other hmac-md5 %s\n%s" % (KEY.hex(), LINES))
    assert client.ask(wire.LoadKeys(), wire.Done) == wire.Done(client.number, 0, b"4 keys")
    assert client.ask(wire.Authenticate(1, "other", b""), wire.Authenticated)
    # At the start there are no keys to fall back to.
    keyd.write_keys(mistake + "\n" if mistake[:3] != "key" else (mistake + "\n") * 2)
    keyd.stop()
    ended(keyd.start(), 6, MISTAKES[mistake])


def test_a_file_that_others_may_read(keyd):
    client = keyd.client()
    keyd.keys.chmod(0o440)
    done = client.ask(wire.LoadKeys(), wire.Done)
    assert (
        done.error == errno.EPERM and b"mode 440: expected no rights for others than its owner" in done.text
    )
    keyd.keys.unlink()
    assert client.ask(wire.LoadKeys(), wire.Done).error == errno.ENOENT
    keyd.keys.symlink_to("/etc/shadow")
    assert client.ask(wire.LoadKeys(), wire.Done).error == errno.ELOOP


def test_a_hundred_thousand_keys(keyd):
    """While they are loaded, questions are answered."""
    client = keyd.client()
    client.send(wire.AddKey("key", wire.ALGORITHM_HMAC_MD5, KEY))
    many = "".join(
        f"node-10.{i >> 16}.{i >> 8 & 255}.{i & 255}-256 hmac-md5 {i:032x}\n" for i in range(100000)
    )
    keyd.write_keys(many)
    client.send(wire.LoadKeys())
    answered = 0
    while not any(isinstance(message, wire.Done) for message in client.told):
        client.ask(wire.Authenticate(1, "key", b""), wire.Authenticated)
        answered += 1
    assert client.wait_for(wire.Done).text == b"100000 keys" and answered > 1
    for i in (0, 1, 77777, 99999):
        name = f"node-10.{i >> 16}.{i >> 8 & 255}.{i & 255}-256"
        told = client.ask(wire.Authenticate(1, name, b"x"), wire.Authenticated)
        assert told.authenticator == hmac_of("hmac-md5", i.to_bytes(16, "big"), b"x")
    keyd.write_keys(LINES)
    assert client.ask(wire.LoadKeys(), wire.Done).text == b"3 keys"
    assert client.ask(wire.Authenticate(1, "node-10.0.0.1-256", b""), wire.NoKey)


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


# -- The state --------------------------------------------------------------------------------------


def test_values_come_back_after_kill(keyd):
    rng = random.Random(1)
    values = {f"ha.{i}": rng.randbytes(rng.choice((0, 1, 100, 3000))) for i in range(300)}
    values["large"] = rng.randbytes(wire.VALUE_SIZE_MAX)
    client = keyd.client()
    for name, value in values.items():
        client.send_value(name, value)
    client.wait_for_saved(client.number)
    client.send(wire.Forget("ha.7"), wire.Forget("never-there"))
    client.wait_for_saved(client.number)
    del values["ha.7"]
    assert client.restore() == values
    keyd.kill()
    assert keyd.start().client().restore() == values


def test_who_is_asked_to_stop_writes_what_was_said(keyd):
    """Values and the signal lie before it together (stopped meanwhile, so that they surely do)."""
    client = keyd.client()
    values = {f"value.{n}": bytes([n]) * 5000 for n in range(5)}
    keyd.process.send_signal(signal.SIGSTOP)
    for name, value in values.items():
        client.send_value(name, value)
    keyd.process.terminate()
    keyd.process.send_signal(signal.SIGCONT)
    assert keyd.process.wait(10) == 0
    keyd.start()
    assert keyd.client().restore() == values


def test_what_is_too_long_is_refused(keyd):
    client = keyd.client()
    client.save("name", b"old")
    client.send_value("name", bytes(wire.VALUE_SIZE_MAX + 1))
    assert client.wait_for(wire.Done).error == errno.EMSGSIZE
    assert client.restore() == {"name": b"old"}


def test_a_value_half_said_is_forgotten(keyd):
    client = keyd.client()
    client.save("name", b"old")
    client.send(wire.Save("name", 1, b"half of the new"))
    client.send(wire.Save("other", 0, b"whole"))
    client.wait_for_saved(client.number)
    assert client.restore() == {"name": b"old", "other": b"whole"}


def test_the_file_is_compacted(keyd):
    client = keyd.client()
    for i in range(400):
        client.save("name", b"%d" % i * 2000)
    assert keyd.state.stat().st_size < 500000
    counters = client.counters()
    assert counters["state_rewritten"] > 2 and counters["values"] == 1
    keyd.kill()
    assert keyd.start().client().restore() == {"name": b"399" * 2000}


def test_a_value_that_did_not_change_is_not_written(keyd):
    client = keyd.client()
    client.save("name", b"value")
    size = keyd.state.stat().st_size
    for _ in range(10):
        client.save("name", b"value")
    assert keyd.state.stat().st_size == size
    client.save("name", b"other")
    assert keyd.state.stat().st_size > size


def test_a_power_cut_at_every_octet_of_the_last_record(keyd):
    """Cut off there, or spoilt there: the new value if it is whole, else the old one."""
    client = keyd.client()
    client.save("name", b"the old value")
    client.save("other", b"kept")
    before = keyd.state.stat().st_size
    client.save("name", b"the new value")
    keyd.kill()
    whole = keyd.state.read_bytes()
    old, new = {"name": b"the old value", "other": b"kept"}, {"name": b"the new value", "other": b"kept"}
    assert len(whole) > before
    for at in range(before, len(whole) + 1):
        spoilt = whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] if at < len(whole) else whole
        for content in (whole[:at], spoilt):
            keyd.state.write_bytes(content)
            keyd.start()
            assert keyd.client().restore() == (new if content == whole else old), at
            keyd.kill()


def test_a_power_cut_while_the_file_is_rewritten(keyd):
    """The temporary file, whatever is in it, is nobody's."""
    keyd.client().save("name", b"value")
    keyd.kill()
    for left in (b"", keyd.state.read_bytes()[:40], b"\xff" * 5000):
        keyd.state.with_name("state.new").write_bytes(left)
        assert keyd.start().client().restore() == {"name": b"value"}
        keyd.kill()


def test_kills_under_load(keyd):
    """After each kill -9 a name has a value that was said, not older than the last that was acknowledged."""
    rng = random.Random(434)
    keyd.client()
    acknowledged, said = {}, {}
    for _ in range(25):
        client = keyd.client()
        restored = client.restore()
        for name, versions in said.items():
            version = int(restored[name].split()[0]) if name in restored else -1
            assert version >= acknowledged.get(name, -1) and (version == -1 or version in versions), name
            assert name not in restored or restored[name] == value_of(version)
        deadline = time.monotonic() + rng.uniform(0.01, 0.12)
        numbers = {}
        while time.monotonic() < deadline:
            name = f"ha.{rng.randrange(8)}"
            version = max(said.get(name, {-1})) + 1
            said.setdefault(name, set()).add(version)
            numbers[client.send(wire.Save(name, 0, value_of(version)))] = (name, version)
            client.socket.setblocking(False)
            try:
                while True:
                    for message, _ in wire.messages(client.socket.recv(65536)):
                        assert isinstance(message, wire.Saved)
                        for number in [number for number in numbers if number <= message.of_number]:
                            name, version = numbers.pop(number)
                            acknowledged[name] = version
            except BlockingIOError:
                pass
            client.socket.settimeout(10)
        keyd.kill()
        keyd.start()
    assert sum(acknowledged.values()) > 100


def value_of(version):
    return b"%d " % version + bytes([version % 251]) * (version * 7 % 3000)


def test_a_full_disk(tmp_path):
    """Nothing is lost but the news, and that is written as soon as there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0777", "none", disk], check=True)
    keyd = Keyd(state=disk / "state").start()
    try:
        client = keyd.client()
        client.save("name", b"old")
        fill = disk / "fill"
        with pytest.raises(OSError), open(fill, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        client.send_value("name", b"new" * 10000)
        trouble = client.wait_for(wire.Trouble)
        assert trouble.error == errno.ENOSPC and b"No space" in trouble.text
        with pytest.raises(TimeoutError):
            client.wait_for(wire.Saved, 0.5)
        assert client.counters()["state_failed"] >= 1
        keyd.kill()
        keyd.start()
        client = keyd.client()
        assert client.restore() == {"name": b"old"}
        client.send_value("name", b"new" * 10000)
        assert client.wait_for(wire.Trouble).error == errno.ENOSPC
        fill.unlink()
        client.wait_for_saved(client.number)
        keyd.kill()
        assert keyd.start().client().restore() == {"name": b"new" * 10000}
    finally:
        keyd.remove()
        subprocess.run(["umount", disk], check=True)


def test_a_file_that_may_not_grow():
    """EFBIG in the middle of a record: what is behind the good end is cut off again."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))

    keyd = Keyd(preexec_fn=limit).start()
    client = keyd.client()
    client.save("name", b"old")
    client.send_value("name", bytes(50000))
    assert client.wait_for(wire.Trouble).error == errno.EFBIG
    client.save("name", b"short again")
    keyd.kill()
    assert keyd.start().client().restore() == {"name": b"short again"}
    keyd.remove()


def test_a_state_folder_that_is_taken_away(keyd):
    client = keyd.client()
    client.save("name", b"value")
    shutil.rmtree(keyd.state.parent)
    client.save("name", b"other")  # the file is still open
    assert client.restore() == {"name": b"other"}


def test_restoring_is_not_disturbed_by_saving(keyd):
    client = keyd.client()
    for i in range(200):
        client.send_value(f"ha.{i}", bytes(1000))
    client.wait_for_saved(client.number)
    client.send(wire.Restore())
    client.wait_for(wire.RestorePause)
    client.send(wire.Save("late", 0, b"value"))
    assert client.wait_for(wire.Done).error == errno.EBUSY
    client.send(wire.Forget("ha.0"))
    assert client.wait_for(wire.Done).error == errno.EBUSY
    while True:
        client.send(wire.RestoreMore())
        if isinstance(client.wait_for((wire.RestorePause, wire.RestoreEnd)), wire.RestoreEnd):
            break
    values = [message for message in client.told if isinstance(message, wire.Value)]
    assert sorted(value.name for value in values) == sorted(f"ha.{i}" for i in range(200))

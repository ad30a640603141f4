"""careof-keyd's state under death, full disks and power cuts: a value is the old one or the new one."""

import errno
import random
import shutil
import signal
import subprocess
import time

import pytest
from careof.wire import keyd as wire
from keyd_process import Keyd, cannot_run

WHY_NOT = cannot_run()
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


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

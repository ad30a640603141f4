"""careof-keyd as a process, and the client that a careofd would be."""

import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from careof.wire import keyd as wire

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("CAREOF_KEYD", ROOT / "build/native/keyd/careof-keyd"))
NOBODY = 65534
PATIENCE_S = 10
HASHES = {"hmac-md5": "md5", "hmac-sha1": "sha1", "hmac-sha256": "sha256"}
HASHES.update({"hmac-sha384": "sha384", "hmac-sha512": "sha512"})


def cannot_run():
    """Why these tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root to give up its rights"
    if not BINARY.exists():
        return f"needs {BINARY.relative_to(ROOT)}: ./dev build"
    return None


def hmac_of(algorithm, key, data):
    return hmac.new(key, data, getattr(hashlib, HASHES[algorithm])).digest()


class Client:
    """Speaks wire.keyd; answers that are not waited for are kept in `told`."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))
        self.number = 0
        self.told = []

    def send(self, *messages):
        """All in one datagram; the number of the last."""
        packed = []
        for message in messages:
            self.number += 1
            packed.append(wire.pack(message, self.number))
        self.socket.send(b"".join(packed))
        return self.number

    def wait_for(self, kind, timeout_s=PATIENCE_S):
        """The next message of a kind. Raises TimeoutError, ConnectionError."""
        deadline = time.monotonic() + timeout_s
        while True:
            for message in self.told:
                if isinstance(message, kind):
                    self.told.remove(message)
                    return message
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            datagram = self.socket.recv(65536)
            if not datagram:
                raise ConnectionError("hung up")
            self.told += [message for message, _ in wire.messages(datagram)]

    def hello(self):
        self.send(wire.Hello(wire.VERSION))
        return self.wait_for(wire.HelloBack)

    def ask(self, question, answer):
        self.send(question)
        return self.wait_for(answer)

    def counters(self):
        return wire.counters(self.ask(wire.AskCounters(), wire.Counters).values)

    def save(self, name, value, timeout_s=PATIENCE_S):
        """Save and wait until it is on the disk."""
        self.send_value(name, value)
        self.wait_for_saved(self.number, timeout_s)

    def send_value(self, name, value):
        at = 0
        while True:
            part = value[at : at + wire.PART_SIZE_MAX]
            at += len(part)
            self.send(wire.Save(name, int(at < len(value)), part))
            if at >= len(value):
                return

    def wait_for_saved(self, number, timeout_s=PATIENCE_S):
        while self.wait_for(wire.Saved, timeout_s).of_number < number:
            pass

    def restore(self):
        """{name: value} of all that keyd has."""
        values, parts = {}, {}
        self.send(wire.Restore())
        while True:
            message = self.wait_for((wire.Value, wire.RestorePause, wire.RestoreEnd))
            if isinstance(message, wire.RestoreEnd):
                assert not parts
                return values
            if isinstance(message, wire.RestorePause):
                self.send(wire.RestoreMore())
                continue
            parts[message.name] = parts.get(message.name, b"") + message.value
            if not message.more:
                assert message.name not in values
                values[message.name] = parts.pop(message.name)

    def close(self):
        self.socket.close()


class Keyd:
    """One process; `log` is what it said."""

    def __init__(self, *options, binary=BINARY, state=None, keys=None, path=None, **more):
        self.folder = Path(tempfile.mkdtemp(prefix="careof-keyd-"))
        self.folder.chmod(0o755)
        self.path, self.log_path = path or self.folder / "keyd.sock", self.folder / "log"
        self.state = state or self.folder / "state/state"
        self.keys = self.folder / "keys" if keys is None else keys
        self._binary, self._options, self._more = binary, options, more
        if keys is None:
            self.write_keys("")

    def write_keys(self, text):
        self.keys.write_text(text)
        self.keys.chmod(0o400)
        os.chown(self.keys, NOBODY, NOBODY)

    def start(self):
        with open(self.log_path, "a") as log:
            paths = ("--socket", self.path, "--state", self.state, "--keys", self.keys)
            command = [self._binary, *paths, *self._options]
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **self._more)
        return self

    def client(self):
        """A client as soon as there is somebody to talk to. Raises RuntimeError with the log."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                client = Client(self.path)
                client.hello()
                return client
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(self.log()) from None
                time.sleep(0.02)

    def log(self):
        return self.log_path.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)

    def ends(self, status, *texts):
        """It ends by itself, with this status, and says this."""
        assert self.process.wait(PATIENCE_S) == status, self.log()
        for text in texts:
            assert text in self.log()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

"""careof-tunneld as a process in a namespace, and the client that a careofd would be."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from careof.wire import tunneld as wire

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("CAREOF_TUNNELD", ROOT / "build/native/tunneld/careof-tunneld"))
NOBODY = 65534
PATIENCE_S = 5


def cannot_run():
    """Why these tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root for namespaces"
    if not BINARY.exists():
        return f"needs {BINARY.relative_to(ROOT)}: ./dev build"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    return None


def ip(text):
    return socket.inet_aton(text)


class Client:
    """Speaks wire.tunneld; answers that are not waited for are kept in `told`."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))
        self.number = 0
        self.told = []

    def send(self, *messages):
        for message in messages:
            self.number += 1
            self.socket.send(wire.pack(message, self.number))
        return self.number

    def receive(self, timeout_s=PATIENCE_S):
        """The next message; raises TimeoutError."""
        self.socket.settimeout(timeout_s)
        datagram = self.socket.recv(65536)
        if not datagram:
            raise ConnectionError("hung up")
        return wire.unpack(datagram)[0]

    def wait_for(self, kind, timeout_s=PATIENCE_S):
        for message in self.told:
            if isinstance(message, kind):
                self.told.remove(message)
                return message
        deadline = time.monotonic() + timeout_s
        while True:
            message = self.receive(max(0.01, deadline - time.monotonic()))
            if isinstance(message, kind):
                return message
            self.told.append(message)

    def set(self, *messages):
        """Send state and wait until it is done. Raises ValueError with what was refused."""
        self.send(*messages)
        self.counters()
        refused = [m for m in self.told if isinstance(m, wire.Done) and m.error]
        self.told = [m for m in self.told if m not in refused]
        if refused:
            raise ValueError(refused)

    def replay(self, *messages):
        self.send(wire.Hello(wire.VERSION), wire.ReplayBegin(), *messages, wire.ReplayEnd())
        while True:
            done = self.wait_for(wire.Done)
            if done.of_number == self.number:
                return
            raise ValueError(done)

    def counters(self):
        self.send(wire.AskCounters())
        return wire.counters(self.wait_for(wire.Counters).values)

    def close(self):
        self.socket.close()


class Tunneld:
    """One process; `log` is what it said. launcher: the beginning of the command that starts it."""

    def __init__(self, namespace, *options, tun="careof0", launcher=()):
        self.folder = Path(tempfile.mkdtemp(prefix="careof-tunneld-"))
        self.folder.chmod(0o755)
        self.path = self.folder / "tunneld.sock"
        self.log_path = self.folder / "log"
        self._namespace, self._options, self._tun, self._launcher = namespace, options, tun, launcher
        self.start()

    def start(self):
        with open(self.log_path, "a") as log:
            command = (*self._launcher, BINARY, "--socket", self.path, "--tun", self._tun, *self._options)
            self.process = self._namespace.start(*command, stdout=log, stderr=subprocess.STDOUT)

    def client(self):
        """A client as soon as there is somebody to talk to. Raises RuntimeError with the log."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return Client(self.path)
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(self.log()) from None
                time.sleep(0.02)

    def log(self):
        return self.log_path.read_text()

    def processes(self):
        """Process numbers: [packet part, helper]."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def status_of(pid):
    """{name: text} of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

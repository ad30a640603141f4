"""A router's console behind a serial line: `careof console` on a pty, and between it and whoever asks a relay
that is as slow as a line, loses and garbles octets, and can be unplugged.

    careof console == pty <-- relay: PACE octets each way a turn --> pty or TCP == pyserial, a test

Pacing is virtual: the relay carries as many octets one way as the other in a turn, as a line with one speed
does, and never sleeps for it. What does not fit waits, as with XOFF.
"""

import contextlib
import fcntl
import os
import pty
import random
import re
import select
import signal
import socket
import subprocess
import termios
import threading
import time
import tty

from careof_office import INTERPRETERS, environment

PATIENCE_S = 30
PACE = 64


class Console:
    """`careof console` as the leader of a session on its own terminal."""

    def __init__(self, interpreter, config, run_folder, *arguments, argv=None):
        self.master, slave = pty.openpty()
        # What a getty leaves: cooked. Kept to see that it comes back.
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        command = argv or [
            *INTERPRETERS[interpreter], "careof.console.main",
            "--config", str(config), "--run", str(run_folder), *arguments,
        ]  # fmt: skip

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment(), preexec_fn=own_terminal
        )

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for descriptor in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)


class Relay:
    """Between two descriptors. harm(octets) -> octets that arrive; carried: [to the router, from it]."""

    def __init__(self, router, host, harm=None):
        self._ends = (host, router)
        self.harm = harm or (lambda octets: octets)
        self.carried = [0, 0]
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        for end in self._ends:
            os.set_blocking(end, False)
        waiting = [b"", b""]  # read and not yet written, by direction
        while self._running:
            wanted = [self._ends[way] for way in (0, 1) if not waiting[way]]
            full = [self._ends[1 - way] for way in (0, 1) if waiting[way]]
            select.select(wanted, full, [], 0.05)
            for way in (0, 1):
                try:
                    if not waiting[way]:
                        octets = os.read(self._ends[way], PACE)
                        self.carried[way] += len(octets)
                        waiting[way] = self.harm(octets)
                    if waiting[way]:
                        waiting[way] = waiting[way][os.write(self._ends[1 - way], waiting[way]) :]
                except BlockingIOError:
                    pass
                except OSError:
                    time.sleep(0.01)  # nobody is at that end now

    def stop(self):
        self._running = False
        self._thread.join()


class Harm:
    """One octet in `often` is lost, and one is another."""

    def __init__(self, seed, often):
        self._random = random.Random(seed)
        self._often = often
        self.harmed = 0

    def __call__(self, octets):
        arrived = bytearray()
        for octet in octets:
            fate = self._random.randrange(self._often * 2)
            self.harmed += fate < 2
            if fate == 0:
                continue
            arrived.append(octet ^ 1 << self._random.randrange(8) if fate == 1 else octet)
        return bytes(arrived)


class Line:
    """What a test types and sees at the other end of a relay; port: a path or URL for pyserial."""

    def __init__(self, console, harm=None, tcp=False):
        self.console = console
        self._listener = self._socket = None
        if tcp:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
            self.near = None
            self.relay = None
            self._harm = harm
            threading.Thread(target=self._accept, daemon=True).start()
        else:
            far, self.near = pty.openpty()
            tty.setraw(self.near)
            self.port = os.ttyname(self.near)
            self._far = far
            self.relay = Relay(console.master, far, harm)
        self.heard = b""

    def _accept(self):
        with contextlib.suppress(OSError):
            self._socket, _ = self._listener.accept()
            self.relay = Relay(self.console.master, self._socket.fileno(), self._harm)

    def type(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        while data:
            select.select([self.near], [self.near], [], 1)
            self._hear()
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self.near, data[:512]) :]

    def _hear(self):
        while select.select([self.near], [], [], 0)[0]:
            self.heard += os.read(self.near, 4096)

    def expect(self, pattern):
        """What matches; all up to its end is heard no more."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = re.search(pattern.encode(), self.heard, re.DOTALL)
            if found:
                self.heard = self.heard[found.end() :]
                return found[0].decode(errors="replace")
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for {pattern!r}; heard {self.heard[-600:]!r}")
            select.select([self.near], [], [], 0.1)
            self._hear()

    def command(self, text, prompt=r"careof(\*| \(on trial\))?> "):
        """What a command says, up to the next prompt."""
        self.type(text + "\r")
        self.expect(re.escape(text.split(" ")[-1]) + r"(\x1b\[K)?\r\n")
        return self.expect(".*?" + prompt).replace("\r\n", "\n").rpartition("\n")[0]

    def remove(self):
        if self.relay is not None:
            self.relay.stop()
        for closing in (self._socket, self._listener):
            if closing is not None:
                closing.close()
        if self.near is not None:
            os.close(self.near)
            os.close(self._far)
        self.console.remove()

    def unplug(self):
        """The far end of a TCP line goes."""
        self._socket.shutdown(socket.SHUT_RDWR)

    def kill(self):
        self.console.process.send_signal(signal.SIGKILL)
        self.console.process.wait()

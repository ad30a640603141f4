"""One careof-tunneld with the state that a careofd would make it hold, for benchmarks of the data plane."""

import os
import socket
import subprocess
import time

from careof.wire import tunneld as wire

BINARY = os.environ.get("CAREOF_TUNNELD")


class TunneldEnd:
    UPLINK, TUNNEL, PATH = 1, 1, 1

    def __init__(self, chain, host):
        self._chain, self._host, self._number = chain, host, 0
        self._path = f"{chain.folder.name}/{host}-{time.monotonic_ns()}.sock"

    def __enter__(self):
        from chain import READY_S, ROOT

        binary = BINARY or str(ROOT / "build/native/tunneld/careof-tunneld")
        log = open(f"{self._chain.folder.name}/tunneld-{self._host}.log", "a")
        self._process = self._chain.start(
            self._host,
            binary,
            "--socket",
            self._path,
            "--user",
            "65534",
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        deadline = time.monotonic() + READY_S
        while True:
            try:
                self._socket.connect(self._path)
                break
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"careof-tunneld did not start: see {log.name}") from None
                time.sleep(0.05)
        return self

    def _send(self, message):
        self._number += 1
        self._socket.send(wire.pack(message, self._number))

    def hold(self, kind, peer, prefix, size):
        """Everything for `prefix` goes to `peer` in one tunnel of `kind`, open, and may come from there."""
        address, length = socket.inet_aton(prefix[0]), prefix[1]
        any_address = bytes(4)
        for message in (
            wire.Hello(wire.VERSION),
            wire.ReplayBegin(),
            wire.SetTun(any_address, size),
            wire.SetUplink(self.UPLINK, "outer", any_address, 434),
            wire.SetTunnel(
                self.TUNNEL,
                kind,
                self.UPLINK,
                socket.inet_aton(peer),
                434 if kind == wire.KIND_MIP_UDP else 0,
                0,
                0,
            ),
            wire.SetInner(self.TUNNEL, address, length, any_address, 0),
            wire.SetPath(self.PATH, size, 0, (self.TUNNEL,)),
            wire.SetRoute(address, length, bytes(4), 0, wire.GATE_OPEN, wire.FOREVER_S, (self.PATH,)),
            wire.SetDeliver(address, length),
            wire.ReplayEnd(),
        ):
            self._send(message)
        self._wait_for_replay()

    def _wait_for_replay(self):
        self._socket.settimeout(5)
        while True:
            message, _ = wire.unpack(self._socket.recv(65536))
            if isinstance(message, wire.Done):
                if message.error:
                    raise RuntimeError(f"{self._host}: {message.text.decode()}")
                return

    def counters(self):
        self._send(wire.AskCounters())
        while True:
            message, _ = wire.unpack(self._socket.recv(65536))
            if isinstance(message, wire.Counters):
                return wire.counters(message.values)

    def __exit__(self, *_):
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

"""Sessions of programs that were not written here, between laptop and intranet server, and checked.

    ssh        OpenSSH: a line is typed every 0.2 s and has to come back
    download   curl from nginx: every octet is compared with the file that is served
    iperf3     one TCP flow towards the server, as the server counts it
    ping       fping, which keeps an even interval of 10 ms without spinning

A session is one connection. When it dies it is started again, as its user would, and counts as another
one: so survived = started only if none ever died. A session that makes no progress for STALL_S is dead.
"""

import contextlib
import errno
import os
import pty
import re
import select
import shutil
import subprocess
import threading
import time
from typing import ClassVar

from .measure import INTERVAL_MS, Answers
from .process import CommandFailed, end, run, wait_until
from .topology import SERVER

STALL_S = 12  # a user's patience
AGAIN_S = 1  # until a user tries again
CHECK_S = 0.05
READ_SIZE = 65536
READY_S = 10
CONTENT_SIZE = 48 * 1024 * 1024  # octets that nginx serves
DOWNLOAD_RATE = "400k"  # octets a second; with iperf3's, less than the slowest uplink carries
IPERF_RATE = "3M"  # bits a second
TYPE_EVERY_S = 0.2
LOST_AFTER_MS = 3000  # an echo reply that took longer is lost
PORT_SSH, PORT_HTTP, PORT_IPERF = 22, 80, 5201

SSHD = """
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
"""

NGINX = """
daemon off;
worker_processes 1;
error_log {folder}/nginx-error.log;
pid {folder}/nginx.pid;
user root;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx-tmp; proxy_temp_path {folder}/nginx-tmp;
  fastcgi_temp_path {folder}/nginx-tmp; uwsgi_temp_path {folder}/nginx-tmp; scgi_temp_path {folder}/nginx-tmp;
  # Small pieces at an even rate: curl's own limit would take one large burst after another.
  sendfile off; output_buffers 1 16k; limit_rate {rate};
  server {{ listen {address}:{port}; root {folder}/www; }}
}}
"""


class Servers:
    """The intranet's server: sshd, nginx; iperf3's server belongs to its session."""

    def __init__(self, lab):
        self.folder = folder = lab.folder / "server"
        (folder / "www").mkdir(parents=True)
        self.content = os.urandom(CONTENT_SIZE)
        (folder / "www/content").write_bytes(self.content)
        for key in ("host_key", "user_key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key)
        os.makedirs("/run/sshd", exist_ok=True)  # sshd insists on it
        (folder / "sshd.conf").write_text(SSHD.format(port=PORT_SSH, address=SERVER, folder=folder))
        (folder / "nginx.conf").write_text(
            NGINX.format(port=PORT_HTTP, address=SERVER, folder=folder, rate=DOWNLOAD_RATE)
        )
        lab.serve(
            "sshd",
            "intranet",
            shutil.which("sshd") or "/usr/sbin/sshd",
            "-D",
            "-e",
            "-f",
            folder / "sshd.conf",
        )
        lab.serve(
            "nginx",
            "intranet",
            "nginx",
            "-p",
            folder,
            "-e",
            folder / "nginx-error.log",
            "-c",
            folder / "nginx.conf",
        )
        for port in (PORT_SSH, PORT_HTTP):
            wait_until(lambda p=port: f":{p} " in lab.run("intranet", "ss", "-Hltn"), READY_S, f"port {port}")


class Session:
    """A connection that must live. A subclass begins it, and says how it gets on with `progressed()`."""

    name = "session"

    def __init__(self, lab):
        self.lab = lab
        self.started, self.deaths = 0, []  # deaths: [(time, why)]
        self.samples = []  # [(time, octets)] that got through
        self._ended = threading.Event()
        self._progress_at = 0.0
        self._processes = []
        self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)

    def begin(self):
        self._thread.start()

    def progressed(self, octets=0):
        self._progress_at = time.time()
        if octets:
            self.samples.append((self._progress_at, octets))

    def idle_s(self):
        return time.time() - self._progress_at

    def progressed_after(self, moment):
        return self._progress_at > moment

    def died(self, why):
        self.deaths.append((time.time(), why))

    @property
    def alive(self):
        """Is the connection that was started last still there, and getting on?"""
        return len(self.deaths) < self.started

    @property
    def survived(self):
        return self.started - len(self.deaths)

    def end(self):
        """End it from our side, which is not a death."""
        self._ended.set()
        if self._thread.ident:
            self._thread.join(STALL_S)
        self._kill()

    def _start(self, node, *command, **more):
        process = self.lab.start(node, *command, **more)
        self._processes.append(process)
        return process

    def _kill(self):
        while self._processes:
            process = self._processes.pop()
            end(process)
            for stream in (process.stdin, process.stdout):
                if stream:
                    with contextlib.suppress(OSError):
                        stream.close()

    def _live(self):
        while not self._ended.is_set():
            self.started += 1
            self._progress_at = time.time()
            try:
                why = self._run()
            except (CommandFailed, TimeoutError) as e:
                why = str(e)
            self._kill()
            if self._ended.is_set():
                return
            self.died(why)
            self._ended.wait(AGAIN_S)

    def _run(self):
        """One connection, until it dies (why) or until self._ended is set."""
        raise NotImplementedError

    def _follow(self, stream, process, take, tick=lambda: None):
        """Give take() the octets that come from a descriptor, and call tick() often, until the session ends
        (None) or the connection died (why). take() may say why as well."""
        while not self._ended.is_set():
            tick()
            ready, _, _ = select.select([stream], [], [], CHECK_S)
            if ready:
                try:
                    chunk = os.read(stream, READ_SIZE)
                except OSError as e:
                    if e.errno != errno.EIO:  # a pty whose other side has gone
                        raise
                    chunk = b""
                why = take(chunk) if chunk else f"ended, status {process.wait()}"
                if why:
                    return why
            if self.idle_s() > STALL_S:
                return f"nothing for {STALL_S} s"
        return None


class Ssh(Session):
    """Types lines into a remote pty, where cat runs: each must come back twice, from the pty and from cat."""

    name = "ssh"

    def __init__(self, lab):
        super().__init__(lab)
        self.echoes_ms = []  # [(time, ms from key to echo)]

    def _run(self):
        folder = self.lab.folder / "server"
        options = ("StrictHostKeyChecking=no", f"UserKnownHostsFile={folder}/known", "LogLevel=ERROR")
        ours, theirs = pty.openpty()
        try:
            process = self._start(
                *("laptop", "ssh", "-tt", "-F", "none", "-i", folder / "user_key", "-p", PORT_SSH),
                *(word for option in options for word in ("-o", option)),
                *(f"root@{SERVER}", "echo ready; exec cat"),
                **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
            )
        finally:
            os.close(theirs)
        try:
            typist = _Typist(self, ours)
            return self._follow(ours, process, typist.take, typist.tick)
        finally:
            os.close(ours)


class _Typist:
    def __init__(self, session, terminal):
        self._session, self._terminal = session, terminal
        self._received = b""
        self._line, self._times, self._number = b"ready\r\n", 1, 0  # what is waited for, how often
        self._typed_at = time.time()

    def take(self, chunk):
        self._received += chunk
        if self._line and self._received.count(self._line) >= self._times:
            now = time.time()
            if self._number:
                self._session.echoes_ms.append((now, (now - self._typed_at) * 1000))
            self._session.progressed(len(self._line))
            self._line, self._received = None, b""

    def tick(self):
        if self._line is None and time.time() - self._typed_at >= TYPE_EVERY_S:
            self._number += 1
            self._line, self._times = b"line %d\r\n" % self._number, 2
            self._typed_at = time.time()
            os.write(self._terminal, self._line.replace(b"\r\n", b"\n"))


class Download(Session):
    """One long download, compared octet by octet as it comes."""

    name = "download"

    def __init__(self, lab, content):
        super().__init__(lab)
        self._content = memoryview(content)
        self.bytes_verified = 0

    def _run(self):
        offset = 0

        def take(chunk):
            nonlocal offset
            if self._content[offset : offset + len(chunk)] != chunk:
                return f"wrong content after {offset} octets"
            offset += len(chunk)
            self.bytes_verified += len(chunk)
            self.progressed(len(chunk))
            return None

        url = f"http://{SERVER}:{PORT_HTTP}/content"
        curl = self._start("laptop", "curl", "-sS", "--no-buffer", url, **_piped(self.lab))
        return self._follow(curl.stdout.fileno(), curl, take)


class Iperf(Session):
    """One TCP flow from the laptop; the server's count of every interval is what got through."""

    name = "iperf3"
    _INTERVAL = re.compile(rb"\] +[\d.]+-[\d.]+ +sec +([\d.]+) ([KMG]?)Bytes")
    _UNITS: ClassVar = {b"": 1, b"K": 1 << 10, b"M": 1 << 20, b"G": 1 << 30}

    def _run(self):
        port = PORT_IPERF + self.started  # the one of a dead session may still wait for its client
        server = self._start(
            "intranet", "iperf3", "-s", "-1", "-p", port, "-i", "0.2", "--forceflush", **_piped(self.lab)
        )
        wait_until(lambda: f":{port} " in self.lab.run("intranet", "ss", "-Hltn"), READY_S, f"port {port}")
        client = self._start(
            *("laptop", "iperf3", "-c", SERVER, "-p", port, "-t", "3600", "-b", IPERF_RATE, "-l", "16K"),
            **_quiet(self.lab),
        )
        rest = b""

        def take(chunk):
            nonlocal rest
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                match = self._INTERVAL.search(line)
                if match and float(match[1]):
                    self.progressed(int(float(match[1]) * self._UNITS[match[2]]))
            return None if client.poll() is None else f"ended, status {client.returncode}"

        return self._follow(server.stdout.fileno(), client, take)


class Ping(Session):
    """The measure of the story: an echo request every 10 ms."""

    name = "ping"

    def __init__(self, lab):
        super().__init__(lab)
        self.answers = Answers()

    def _run(self):
        rest = ""
        self.answers.next_series()

        def take(chunk):
            nonlocal rest
            *lines, rest = (rest + chunk.decode()).split("\n")
            for line in lines:
                if self.answers.line(line):
                    self.progressed()

        fping = self._start(
            *("laptop", "fping", "-l", "-D", "-p", INTERVAL_MS, "-t", LOST_AFTER_MS, SERVER),
            **_piped(self.lab),
        )
        return self._follow(fping.stdout.fileno(), fping, take)


def _quiet(lab):
    """stdin and outputs of a process whose words go to the sessions' log."""
    log = open(lab.folder / "sessions.log", "ab")  # noqa: SIM115 (closed when the process has it)
    return {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}


def _piped(lab):
    return {**_quiet(lab), "stdout": subprocess.PIPE}

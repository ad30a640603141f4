"""A home agent as it runs, its processes on this machine: used by agent.py.

    load: every node at its own care-of address ---- home agent: careofd, careof-tunneld, careof-keyd

Nodes register, then renew in turn, a bounded number of them waiting for their replies at a time; the figure
is replies a second. Then careofd is killed and started again, with all bindings there: how long until it
answers, and how many it has by then. Traffic does not stop meanwhile: tunneld goes on with what it holds.
"""

import hmac
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "tests/host"), str(HERE.parents[1] / "firmware")]

from careof_office import INTERPRETERS, End  # noqa: E402
from interpreters import CPYTHON, MICROPYTHON  # noqa: E402
from namespaces import Namespace, join  # noqa: E402

AGENT, NODE = "192.0.2.1", "192.0.2.2"
NTP_UNIX_S = 2208988800
HEAP = "16M"  # of MicroPython: 1,000 nodes, their keys and bindings
INTERPRETERS["MicroPython"] = [MICROPYTHON, "-X", f"heapsize={HEAP}", "-m"]
INTERPRETERS["CPython"] = [CPYTHON, "-B", "-m"]
KEY, SPI = bytes(range(32)), 256
FLAGS = 0x22  # D, T
WINDOW = 192  # requests that wait for their replies: what a home agent's questions have room for
AGAIN_S = 2.0  # a reply that did not come by then is not waited for
HEAD = struct.Struct(">BBHHHBBH4s4sHHHH")
CONFIGURATION = f"""config home_agent 'ha'
	option address '{AGENT}'
	option max_bindings '%d'
	option nodes_file '%s'
	list home_network '10.64.0.0/10'
config node_group 'fleet'
config globals
	option log_level 'error'
"""


def home_of(number):
    return (0x0A400001 + number).to_bytes(4, "big")


def care_of(number):
    return (0x64400001 + number).to_bytes(4, "big")


def text(address):
    return ".".join(map(str, address))


class Load:
    """The nodes: raw packets out, frames in."""

    def __init__(self, namespace, device):
        self.raw = namespace.inside(
            lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        )
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self.link = namespace.inside(
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        )
        self.link.bind((device, 0x0800))
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        self.link.setblocking(False)
        self.serial = 0
        self.codes = {}

    def request(self, number):
        self.serial += 1
        now = time.time()
        identification = (
            (int(now) + NTP_UNIX_S) << 32 | int(now % 1 * (1 << 32)) & ~0xFFFF | self.serial & 0xFFFF
        )
        data = struct.pack(
            ">BBH4s4s4sQBBI",
            *(1, FLAGS, 1800, home_of(number), socket.inet_aton(AGENT), care_of(number)),
            *(identification, 32, 36, SPI),
        )
        data += hmac.digest(KEY, data, "sha256")
        size = 28 + len(data)
        head = HEAD.pack(
            *(
                0x45,
                0,
                size,
                0,
                0,
                64,
                17,
                0,
                care_of(number),
                socket.inet_aton(AGENT),
                434,
                434,
                size - 20,
                0,
            )
        )
        self.raw.sendto(head + data, (AGENT, 0))

    def replies(self):
        """Numbers of the nodes that were answered since the last look."""
        found = []
        while True:
            try:
                packet = self.link.recv(2000)
            except BlockingIOError:
                return found
            if packet[9] == 17 and packet[20:22] == b"\1\xb2" and packet[28] == 3:
                self.codes[packet[29]] = self.codes.get(packet[29], 0) + 1
                found.append(int.from_bytes(packet[32:36], "big") - 0x0A400001)

    def run(self, numbers, until=None):
        """Have these nodes ask; (replies, seconds, those without one). until: of the clock, to stop at."""
        waiting, late, answered = {}, [], 0
        numbers, begun = iter(numbers), time.monotonic()
        more = True
        while more or waiting:
            now = time.monotonic()
            more = more and not (until is not None and now >= until)
            while more and len(waiting) < WINDOW:
                number = next(numbers, None)
                if number is None:
                    more = False
                else:
                    self.request(number)
                    waiting[number] = now
            select.select([self.link], [], [], 0.05)
            for number in self.replies():
                answered += waiting.pop(number, None) is not None
            if waiting:
                oldest = next(iter(waiting))
                if now - waiting[oldest] > AGAIN_S:
                    late.append(oldest)
                    del waiting[oldest]
        return answered, time.monotonic() - begun, late


class Agent:
    """The home agent's processes, with so many nodes in its file. provider: soft or keyd."""

    def __init__(self, nodes, interpreter, provider):
        self.nodes = nodes
        self.namespace, self.outside = Namespace("agent"), Namespace("load")
        join(self.namespace, "out0", f"{AGENT}/24", self.outside, "load0", f"{NODE}/24")
        for device in ("all", "out0"):
            self.namespace.run("sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter=0")
        self.namespace.ip("route", "add", "100.64.0.0/10", "via", NODE)
        self.folder = Path(f"/tmp/careof-bench-{id(self):x}")
        self.folder.mkdir()
        file = self.folder / "nodes"
        homes = [text(home_of(number)) for number in range(nodes)]
        file.write_text("".join(f"{home} fleet {SPI}\n" for home in homes))
        keys = "".join(f"node-{home}-{SPI} hmac-sha256 {KEY.hex()}\n" for home in homes)
        configuration = CONFIGURATION % (nodes, file)
        given = {"keys": keys}
        if provider == "keyd":
            configuration += "\toption key_provider 'keyd'\n"
            given = {"keyd": keys}
        self.load = Load(self.outside, "load0")
        self.end = End(self.namespace, configuration, interpreter, **given)

    def wait(self, condition, timeout_s):
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"waited too long: {self.end.log()[-2000:]}")
            time.sleep(0.02)

    def status(self):
        status, out, _ = self.end.careof("--json", "status")
        return json.loads(out) if status == 0 else None

    def bindings(self):
        status = self.status()
        return status["roles"][0]["bindings"] if status else -1

    def memory_kb(self):
        found = {"careofd": rss_kb(self.end.process.pid)}
        found["tunneld"] = sum(rss_kb(pid) for pid in self.end.tunneld.processes())
        if self.end.keyd is not None:
            found["keyd"] = rss_kb(self.end.keyd.process.pid)
        return found

    def register_all(self):
        """(seconds, how many asked again)"""
        self.wait(lambda: self.bindings() >= 0, 120)
        left, spent, again = list(range(self.nodes)), 0, 0
        for _ in range(20):
            _, seconds, left = self.load.run(left)
            spent += seconds
            again += len(left)
            if not left:
                return spent, again
        raise SystemExit(f"{len(left)} nodes are never answered: codes {self.load.codes}")

    def cpu_s(self):
        """Processor time of each process so far: what a figure costs, whoever else has the machine."""
        found = {"careofd": cpu_s(self.end.process.pid)}
        found["tunneld"] = sum(cpu_s(pid) for pid in self.end.tunneld.processes())
        if self.end.keyd is not None:
            found["keyd"] = cpu_s(self.end.keyd.process.pid)
        return found

    def renewals(self, seconds):
        """(replies a second, {process: microseconds of processor time for each})"""
        before = self.cpu_s()
        numbers = (number for _ in range(1000) for number in range(self.nodes))
        answered, spent, _ = self.load.run(numbers, time.monotonic() + seconds)
        after = self.cpu_s()
        return answered / spent, {
            name: round(1e6 * (after[name] - before[name]) / answered) for name in after
        }

    def restart(self):
        """(seconds from the start of a careofd that was killed to its first answer, bindings before, and now)

        It answers when all that was kept has been restored: so all are served from then on.
        """
        time.sleep(3)  # what changed last is saved by now
        before = self.bindings()
        self.end.kill()
        begun = time.monotonic()
        self.end.start()
        number, first = 0, None
        while first is None:
            number += 1
            answered, _, _ = self.load.run([number % self.nodes])
            if answered:
                first = time.monotonic() - begun
            if time.monotonic() - begun > 300:
                raise SystemExit(f"no answer after a restart: {self.end.log()[-2000:]}")
        self.wait(lambda: self.bindings() >= 0, 60)
        restored = self.bindings()
        return first, before, restored

    def remove(self):
        self.end.remove()
        self.namespace.remove()
        self.outside.remove()
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()


def rss_kb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    return 0


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(nodes, interpreter, provider, seconds):
    """The figures of one home agent, as a dictionary."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # and all that was started with it
    agent = Agent(nodes, interpreter, provider)
    try:
        begun = time.monotonic()
        agent.wait(lambda: agent.bindings() >= 0, 300)
        started_s = time.monotonic() - begun
        first_s, again = agent.register_all()
        rate, cost_us = agent.renewals(seconds)
        pause_ms = agent.status()["longest_pause_ms"]
        memory = agent.memory_kb()
        restart_s, before, restored = agent.restart()
        return {
            "started_s": started_s,
            "first_registrations_1/s": nodes / first_s,
            "asked_again": again,
            "renewals_1/s": rate,
            "renewal_cpu_us": cost_us,
            "longest_pause_ms": pause_ms,
            "memory_kb": memory,
            "restart_s": restart_s,
            "bindings": before,
            "restored": restored,
            "codes": agent.load.codes,
        }
    finally:
        agent.remove()


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])), indent=1))

"""careof on the hardware that it is for, emulated (emulator.py), against a home agent on this machine.

    lan namespace --- eth1 [ the board: careofd on MicroPython, tunneld, keyd ] eth0 --- agent namespace
    10.77.1.10      10.77.1.1                                           192.0.2.2      192.0.2.1, 10.78.0.2

The unit tests pass on the board, it registers, and a download from behind the home agent arrives whole
in the LAN through the tunnel. What the processes take at rest is read from /proc on the board. Emulated
time says little about a real 24Kc: times are told, and nothing is made of them.
"""

import argparse
import contextlib
import hashlib
import json
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/host"), str(ROOT / "firmware")]

import debian  # noqa: E402
import emulator  # noqa: E402
import tunneld_process  # noqa: E402
from careof_office import AGENT, AGENT_ADDRESS, BRANCH, KEY, SERVER, End, wait_until  # noqa: E402
from emulator import PROJECT, RUN, Board  # noqa: E402
from namespaces import Namespace  # noqa: E402

from tasks.cross import boards, build, native, outputs, sources, targets, tools  # noqa: E402

FOLDER = ROOT / "build/smoke"
PROGRAMS = ("qemu-system-mipsel", "make", "apt-get", "curl")
LAN_HOST, LAN_BOARD, UPLINK = "10.77.1.10", "10.77.1.1", "192.0.2.2"
HEAP = "640K"
BOARD = boards.load("qemu-malta-le")
TARGET = targets.find(BOARD["target"]["triple"])
# All keys are keyd's.
CONFIGURATION = "config globals\n\toption key_provider 'keyd'\n" + BRANCH.replace("'up0'", "'eth0'").replace(
    f"\toption key '{KEY}'\n", "\toption algorithm 'hmac-sha256'\n"
)
KEYS = f"wan_key hmac-sha256 {KEY}\n"
DOWNLOAD_SIZE = 4 << 20
BOOT_S, REGISTER_S, TESTS_S, DOWNLOAD_S, REST_S = 300, 180, 1800, 400, 10
TESTED = ("tests/unit", "tests/sim", "tests/native/vectors", "packaging/examples")
# Of the source, and not of what runs; and what fills keyd's table to its bound of 262,144 keys: 28 MB, which
# a board of 64 MB has not while its file system is in memory too.
NOT_ON_THE_BOARD = ("test_rooms.py", "test_reasons.py", "test_keyd_keys_mbedtls")
ARGUMENTS = "tests/native/arguments_of_"  # and the test's name, where it has some
SKIPPED = 77  # the status by which Meson and Automake know it
IMPORT = """import gc, time
began_ms = time.ticks_ms()
import careof.main
from careof.agent.mobile_router import role as mobile_router
ended_ms = time.ticks_ms()
gc.collect()
print(time.ticks_diff(ended_ms, began_ms), gc.mem_alloc())
"""


def say(text):
    print(text, flush=True)


def why_not():
    """What this machine lacks, or None."""
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    return f"needs {', '.join(absent)}" if absent else tunneld_process.cannot_run()


class Smoke:
    def __init__(self):
        self.rows = []

    def row(self, name, passed, value=None, unit=None):
        self.rows.append({"name": name, "passed": passed, "value": value, "unit": unit})
        shown = "" if value is None else f"{value} {unit}"
        say(f"{'passed' if passed else 'FAILED':7} {name:56} {shown}")

    def make(self):
        """(kernel, initramfs) for the board. Raises sources.Unavailable, debian.Refused and tools.Failed."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        say("the board's kernel and busybox, of Debian")
        packages = debian.Packages(FOLDER / "debian", "mipsel")
        kernel, busybox = FOLDER / "kernel", FOLDER / "busybox"
        packages.unpack("linux-image-4kc-malta", kernel)
        packages.unpack("busybox-static", busybox)
        made = build.target(TARGET, lambda text: say(f"cross-building {text}"))
        for part, size in made["parts"].items():
            self.row(f"{part}: size", True, size["size"], "octets")
        for outcome in outputs.compare(made, BOARD["budget"]):
            within = outcome.size_kb <= outcome.budget_kb
            self.row(f"{outcome.name}: compressed", within, outcome.size_kb, "KB")
        initramfs = FOLDER / "initramfs.gz"
        emulator.image(
            initramfs,
            {"uplink": f"{UPLINK}/24", "lan": f"{LAN_BOARD}/24", "gateway": AGENT_ADDRESS},
            HEAP,
            CONFIGURATION,
            KEYS,
            outputs.folder(TARGET.triple),
            kernel,
            busybox / "bin/busybox",
            files_for_the_tests(native.where(TARGET)),
        )
        return next((kernel / "boot").glob("vmlinuz-*")), initramfs

    def run(self, kernel, initramfs):
        with contextlib.ExitStack() as stack:
            outside, lan = Namespace("agent"), Namespace("lan")
            stack.callback(lan.remove)
            stack.callback(outside.remove)
            outside.ip("address", "add", f"{SERVER}/24", "dev", "lo")
            began = time.monotonic()
            board = stack.enter_context(Board(FOLDER, kernel, initramfs, outside, lan))
            outside.ip("address", "add", f"{AGENT_ADDRESS}/24", "dev", "wan-tap")
            lan.ip("address", "add", f"{LAN_HOST}/24", "dev", "lan-tap")
            lan.ip("route", "add", "default", "via", LAN_BOARD)
            agent = End(outside, AGENT, "MicroPython")
            stack.callback(agent.remove)
            board.console.wait_for(emulator.PROMPT.encode(), BOOT_S)
            self.row("the board boots to a shell", True, round(time.monotonic() - began, 1), "s, emulated")
            self.registers(board, agent)
            self.starts(board)
            self.downloads(board, outside, lan, stack)
            time.sleep(REST_S)
            self.rests(board)
            self.tests(board)

    def registers(self, board, agent):
        deadline = time.monotonic() + REGISTER_S
        bound = False
        while not bound and time.monotonic() < deadline:
            time.sleep(0.3)
            bound = UPLINK in agent.careof("status")[1]
        self.row("the board registers with the home agent", bound)
        if not bound:
            raise RuntimeError(f"careofd on the board says:\n{board.run(f'cat {RUN}/log')}")

    def starts(self, board):
        text = board.run(f"micropython -X heapsize={HEAP} {PROJECT}/import.py")
        time_ms, heap = map(int, text.split())
        self.row("careofd: import time", True, time_ms, "ms, emulated")
        self.row("careofd: heap in use after import", True, heap, "octets")
        said = board.run(f"micropython -m careof.status.cli --run {RUN} status")
        self.row("careof status answers on the board", "connected" in said)
        self.row("its keys are keyd's", "keys up" in said and KEY not in board.run("cat /etc/config/careof"))

    def downloads(self, board, outside, lan, stack):
        content = secrets.token_bytes(DOWNLOAD_SIZE)
        folder = FOLDER / "download"
        folder.mkdir(exist_ok=True)
        (folder / "file").write_bytes(content)
        server = outside.start(
            *(sys.executable, "-m", "http.server", "--bind", SERVER, "--directory", folder, "8000"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(server.wait)
        stack.callback(server.kill)
        wait_until(lambda: ":8000" in outside.run("ss", "-Hltn"), "the download server")
        fetch = ("curl", "-sS", "--fail", "--max-time", str(DOWNLOAD_S), f"http://{SERVER}:8000/file")
        began = time.monotonic()
        done = lan.start(*fetch, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        data, error = done.communicate()
        rate = DOWNLOAD_SIZE * 8 / (time.monotonic() - began) / 1e6
        same = hashlib.sha256(data).digest() == hashlib.sha256(content).digest()
        name = f"a download of {DOWNLOAD_SIZE >> 20} MB arrives whole in the LAN"
        self.row(name, same, round(rate, 1), "Mb/s, emulated")
        if not same:
            raise RuntimeError(error.decode().strip() or "the file is another")
        passed = int(board.run("cat /sys/class/net/careof0/statistics/rx_bytes"))
        self.row("it came through the tunnel", passed > DOWNLOAD_SIZE, passed, "octets out of careof0")

    def rests(self, board):
        for program, name in (
            ("micropython", "careofd"),
            ("careof-tunneld", "tunneld"),
            ("careof-keyd", "keyd"),
        ):
            max_kb = BOARD["budget"][f"{name}_rss_kb"]
            processes = board.memory_kb(program)
            total = {field: sum(process[field] for process in processes) for field in processes[0]}
            many = f", {len(processes)} processes" if len(processes) > 1 else ""
            self.row(f"{name} at rest: resident{many}", total["VmRSS"] <= max_kb, total["VmRSS"], "kB")
            self.row(f"{name} at rest: of it anonymous", True, total["RssAnon"], "kB")
            of_files = total["RssFile"] + total["RssShmem"]  # an initramfs's files are shared memory
            self.row(f"{name} at rest: of it program text", True, of_files, "kB")
        free = board.run("grep MemAvailable /proc/meminfo").split()[1]
        self.row("the board: memory available", True, int(free), "kB")

    def tests(self, board):
        """The unit tests, on the board; last, since they would be in the way of what is measured."""
        path = ":".join(["/usr/lib/micropython", *(f"{PROJECT}/tests/{room}" for room in ("unit", "sim"))])
        for kind, run, files in (
            ("Python", f"MICROPYPATH={path} micropython -X heapsize=4M $t", "tests/unit/test_*.py"),
            ("C", f"$t $(cat {ARGUMENTS}${{t##*/}} 2>/dev/null)", "tests/native/test_*"),
        ):
            one = f"{{ {run} >/tmp/said 2>&1 && echo passed $t; }} || {{ cat /tmp/said; echo FAILED $t; }}"
            said = board.run(f"cd {PROJECT}; for t in {files}; do {one}; done", TESTS_S).splitlines()
            passed = sum(line.startswith("passed tests/") for line in said)
            failed = sum(line.startswith("FAILED tests/") for line in said)
            self.row(f"unit tests in {kind} on the board", passed > 0 and failed == 0, passed, "files")
            if failed:
                say("\n".join(line for line in said if not line.startswith("passed ")))


def files_for_the_tests(built):
    """{path in the project: octets} of what the tests on the board need."""
    files = {"import.py": IMPORT.encode()}
    for folder in TESTED:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix != ".pyc" and path.name not in NOT_ON_THE_BOARD:
                files[str(path.relative_to(ROOT))] = path.read_bytes()
    for path in (built / "tests/native").glob("test_*"):
        if path.is_file() and path.name not in NOT_ON_THE_BOARD:
            files[f"tests/native/{path.name}"] = path.read_bytes()
            if path.name.startswith("test_messages_"):
                golden = f"tests/unit/golden/{path.name.rpartition('_')[2]}.txt"
                files[ARGUMENTS + path.name] = golden.encode()
            elif path.name.startswith("test_crypto_"):
                files[ARGUMENTS + path.name] = b"tests/native/vectors/hmac.txt"
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="write the rows there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of everything's end
    smoke, skipped = Smoke(), why_not()
    try:
        if skipped is None:
            smoke.run(*smoke.make())
    except (sources.Unavailable, debian.Refused) as e:
        skipped = f"needs {e}"
    except (tools.Failed, RuntimeError, TimeoutError, AssertionError) as e:
        smoke.row(f"{type(e).__name__}: {e}", False)
    if skipped:
        smoke.rows.append({"name": "smoke", "passed": None, "skipped": skipped})
    if options.json:
        Path(options.json).write_text(json.dumps({"rows": smoke.rows}, indent=1) + "\n")
    if skipped:
        say(f"smoke: skipped: {skipped}")
        return SKIPPED
    return 0 if all(row["passed"] for row in smoke.rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""careof on the hardware that it is for, emulated: a MIPS 24Kc with 64 MB and its serial console.

    LAN namespace --- eth1 [ the board: careofd on MicroPython, careof-tunneld ] eth0 --- agent namespace
    10.77.1.10      10.77.1.1                                            192.0.2.2      192.0.2.1, 10.78.0.2

The board registers with a home agent that runs here, and a download from behind that one arrives whole in
the LAN. What processes take at rest is read from /proc on the board. Emulated time says little about a real
24Kc, so times are told and nothing is made of them. The kernel is Debian's.
"""

import argparse
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests/host"), str(ROOT / "firmware")]

import cross  # noqa: E402
from careof_office import AGENT, AGENT_ADDRESS, BRANCH, SERVER, End, wait_until  # noqa: E402
from console import Console  # noqa: E402
from debian import Archive  # noqa: E402
from image import Image  # noqa: E402
from namespaces import Namespace  # noqa: E402

FOLDER = ROOT / "build/smoke"
HEAP = os.environ.get("CAREOF_HEAP", "640K")
MODULES = (
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "tun",
)
APPLETS = [
    "sh",
    "mount",
    "mkdir",
    "insmod",
    "ip",
    "cat",
    "echo",
    "grep",
    "pidof",
    "kill",
    "reboot",
    "sleep",
    "ping",
]
DOWNLOAD_SIZE = 2 << 20
BOOT_S, REGISTER_S, DOWNLOAD_S = 90, 60, 120
LAN_HOST, LAN_BOARD = "10.77.1.10", "10.77.1.1"
INITTAB = """::sysinit:/etc/rc
::respawn:/usr/sbin/careof-tunneld --socket /var/run/careof/tunneld.sock
::respawn:/usr/bin/careofd
ttyS0::respawn:-/bin/sh
::ctrlaltdel:/bin/reboot
"""
RC = f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /var/run/careof
for module in {" ".join(MODULES)}; do insmod /lib/modules/$module.ko; done
ip link set lo up
ip address add 192.0.2.2/24 dev eth0
ip address add {LAN_BOARD}/24 dev eth1
ip link set eth0 up
ip link set eth1 up
ip route add default via {AGENT_ADDRESS} dev eth0
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
"""
CAREOFD = f"""#!/bin/sh
MICROPYPATH=/usr/lib/micropython exec micropython -X heapsize={HEAP} -m careof.main > /var/run/careof/log 2>&1
"""


def say(text):
    print(text, flush=True)


def make_image():
    """(kernel, initramfs, {name: size}) for the board. Raises cross.Missing."""
    for program in ("qemu-system-mipsel", "gpgv", "make"):
        if not shutil.which(program):
            raise cross.Missing(program)
    FOLDER.mkdir(parents=True, exist_ok=True)
    archive = Archive(FOLDER / "debian", "bookworm", "mipsel")
    system = FOLDER / "system"
    if not system.exists():
        say("fetching the kernel and busybox of the board")
        archive.unpack("linux-image-6", system)
        archive.unpack("busybox-static", system)
    say("cross-building careof-tunneld")
    tunneld = cross.tunneld(FOLDER)
    say("cross-building MicroPython")
    micropython = cross.micropython(FOLDER)
    firmware = cross.firmware(FOLDER)

    image = Image()
    for name in ("proc", "sys", "dev", "tmp", "var/run"):
        image.folder(name)
    image.file("bin/busybox", (system / "bin/busybox").read_bytes(), 0o755)
    for name in (
        "sh",
        "mount",
        "mkdir",
        "insmod",
        "ip",
        "cat",
        "echo",
        "cut",
        "grep",
        "pidof",
        "kill",
        "reboot",
        "sleep",
    ):
        image.link(f"bin/{name}", "busybox")
    image.link("init", "bin/busybox")
    image.file("etc/inittab", INITTAB.encode())
    image.file("etc/rc", RC.encode(), 0o755)
    image.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    image.file("etc/config/careof", BRANCH.replace("'up0'", "'eth0'").encode())
    image.file("usr/bin/careofd", CAREOFD.encode(), 0o755)
    image.file("usr/bin/micropython", micropython.read_bytes(), 0o755)
    image.file("usr/sbin/careof-tunneld", tunneld.read_bytes(), 0o755)
    image.tree("usr/lib/micropython", firmware)
    for module in MODULES:
        path = next(system.rglob(f"{module}.ko*"))
        image.file(f"lib/modules/{module}.ko", path.read_bytes())
    image.write(FOLDER / "initramfs.gz")
    sizes = {
        "careof-tunneld": tunneld.stat().st_size,
        "micropython": micropython.stat().st_size,
        "careof as byte code": sum(path.stat().st_size for path in firmware.rglob("*.mpy")),
    }
    return next((system / "boot").glob("vmlinu[xz]-*")), FOLDER / "initramfs.gz", sizes


class Board:
    """The emulated board, from enter to exit."""

    def __init__(self, kernel, initramfs, namespace, lan):
        self._kernel, self._initramfs, self._namespace, self._lan = kernel, initramfs, namespace, lan

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        nics = []
        for tap in ("wan-tap", "lan-tap"):
            nics += ["-netdev", f"tap,id={tap},ifname={tap},script=no,downscript=no"]
            nics += ["-device", f"virtio-net-pci,netdev={tap},romfile="]
        self._log = open(FOLDER / "qemu.log", "w")
        self._process = self._namespace.start(
            *(
                "qemu-system-mipsel",
                "-M",
                "malta",
                "-cpu",
                "24Kc",
                "-m",
                "64",
                "-vga",
                "none",
                "-nographic",
                "-no-reboot",
            ),
            *("-kernel", self._kernel, "-initrd", self._initramfs, "-append", "console=ttyS0 quiet panic=1"),
            *("-monitor", "none", "-serial", f"tcp:127.0.0.1:{port},server=on,wait=off"),
            *("-nic", "none", *nics),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._namespace.run("sh", "-c", "until ip link show lan-tap; do sleep 0.1; done")
        self._namespace.ip("address", "add", f"{AGENT_ADDRESS}/24", "dev", "wan-tap")
        self._namespace.ip("link", "set", "wan-tap", "up")
        self._namespace.ip("link", "set", "lan-tap", "netns", self._lan.name)
        self._lan.ip("address", "add", f"{LAN_HOST}/24", "dev", "lan-tap")
        self._lan.ip("link", "set", "lan-tap", "up")
        self._lan.ip("route", "add", "default", "via", LAN_BOARD)
        url = f"socket://127.0.0.1:{port}"
        self.console = self._namespace.inside(lambda: Console(url, FOLDER / "console.log"))
        return self

    def __exit__(self, *_):
        self.console.close()
        self._process.kill()
        self._process.wait()
        self._log.close()

    def memory_kb(self, program):
        """{"VmRSS": kB, ...} of a process on the board, summed over its processes."""
        _, text = self.console.run(
            f"for p in $(pidof {program}); do grep -E 'VmRSS|RssAnon|RssFile' /proc/$p/status; done"
        )
        sums = {}
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if value:
                sums[name.strip()] = sums.get(name.strip(), 0) + int(value.split()[0])
        return sums


class Smoke:
    def __init__(self):
        self.rows = []

    def row(self, name, passed, value=None, unit=None):
        self.rows.append({"name": name, "passed": bool(passed), "value": value, "unit": unit})
        shown = "" if value is None else f"{value} {unit}"
        say(f"{'passed' if passed else 'FAILED':7} {name:52} {shown}")

    def run(self, kernel, initramfs):
        with contextlib.ExitStack() as stack:
            outside, lan = Namespace("agent"), Namespace("lan")
            stack.callback(outside.remove)
            stack.callback(lan.remove)
            outside.ip("address", "add", f"{SERVER}/24", "dev", "lo")
            agent = End(outside, AGENT, "MicroPython")
            stack.callback(agent.remove)
            board = stack.enter_context(Board(kernel, initramfs, outside, lan))
            began = time.monotonic()
            board.console.wait_for(rb"~ # ", BOOT_S)
            self.row("the board boots to a shell", True, round(time.monotonic() - began, 1), "s (emulated)")
            self.registers(board, agent)
            self.downloads(outside, lan, stack)
            self.rests(board)

    def registers(self, board, agent):
        deadline = time.monotonic() + REGISTER_S
        bound = False
        while not bound and time.monotonic() < deadline:
            time.sleep(0.3)
            bound = "192.0.2.2" in agent.careof("status")[1]
        self.row("the board registers with the home agent", bound)
        _, log = board.console.run("cat /var/run/careof/log")
        if not bound:
            raise RuntimeError(f"careofd on the board says:\n{log}")
        _, started = board.console.run(
            "MICROPYPATH=/usr/lib/micropython micropython -X heapsize=" + HEAP + " -c "
            "'import time; t=time.ticks_ms(); import careof.main; from careof.agent import mobile_router; "
            "print(time.ticks_diff(time.ticks_ms(), t))'"
        )
        self.row("careofd's modules import", started.isdigit(), int(started), "ms (emulated)")

    def downloads(self, outside, lan, stack):
        content = secrets.token_bytes(DOWNLOAD_SIZE)
        folder = FOLDER / "download"
        folder.mkdir(exist_ok=True)
        (folder / "file").write_bytes(content)
        server = outside.start(
            *(sys.executable, "-m", "http.server", "--bind", SERVER, "--directory", folder, "8000"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(server.kill)
        fetch = ("curl", "-sS", "--fail", "--max-time", str(DOWNLOAD_S), f"http://{SERVER}:8000/file")
        wait_until(lambda: ":8000" in outside.run("ss", "-Hltn"), "the download server")
        began = time.monotonic()
        done = lan.start(*fetch, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        data, error = done.communicate()
        rate = DOWNLOAD_SIZE * 8 / (time.monotonic() - began) / 1e6
        same = hashlib.sha256(data).digest() == hashlib.sha256(content).digest()
        name = f"a download of {DOWNLOAD_SIZE >> 20} MB arrives whole in the LAN"
        self.row(name, same, round(rate, 1), "Mb/s (emulated)")
        if not same:
            raise RuntimeError(error.decode())

    def rests(self, board):
        for program, wanted_kb in (("micropython", 4096), ("careof-tunneld", 2048)):
            memory = board.memory_kb(program)
            self.row(f"{program} at rest: resident", memory["VmRSS"] <= wanted_kb, memory["VmRSS"], "kB")
            self.row(f"{program} at rest: of it anonymous", True, memory["RssAnon"], "kB")
        _, text = board.console.run("grep -E 'MemFree|MemAvailable' /proc/meminfo")
        self.row("the board has memory left", True, int(text.split()[1]), "kB free")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json")
    options = parser.parse_args()
    smoke = Smoke()
    try:
        kernel, initramfs, sizes = make_image()
        for name, size in sizes.items():
            smoke.row(f"{name}: size", True, size, "octets")
        smoke.run(kernel, initramfs)
    except cross.Missing as e:
        say(f"smoke: skipped: this machine has no {e}")
        return 0
    except (RuntimeError, TimeoutError) as e:
        smoke.row(f"{type(e).__name__}: {e}", False)
    if options.json:
        Path(options.json).write_text(json.dumps({"rows": smoke.rows}, indent=1) + "\n")
    return 0 if all(row["passed"] for row in smoke.rows) else 1


if __name__ == "__main__":
    sys.exit(main())

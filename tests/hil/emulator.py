"""The hardware that careof is for, emulated: a MIPS 24Kc with 64 MB, two Ethernets and a serial console.

    lan-tap ---- eth1 [ the board ] eth0 ---- wan-tap

Debian's kernel for the board (malta) and its busybox start from an initramfs; busybox's init keeps
careof's three processes running, as procd does on a router. The Ethernets are virtio with everything
switched off that a router's has not (the board's own kind stalls in the emulator under load).
"""

import contextlib
import subprocess
import time

from console import Console
from image import Image

# Loaded in this order.
MODULES = (
    *("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci"),
    *("failover", "net_failover", "virtio_net", "tun"),
)
PLAIN = ",".join(
    f"{feature}=off"
    for feature in (
        *("csum", "gso", "host_tso4", "host_tso6", "host_ecn", "host_ufo"),
        *("guest_csum", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo"),
    )
)
MEMORY_MB = 64
CONSOLE_PORT = 4000  # in the namespace where the emulator runs
TAP_S = 20
PROMPT = "board# "
RUN = "/var/run/careof"
STATE = "/etc/careof"  # keyd's, who becomes nobody and wants its files for itself
PROJECT = "/usr/lib/careof"  # what the tests need of the source tree, laid out as there
INITTAB = f"""::sysinit:/etc/rc
::respawn:/usr/sbin/careof-tunneld --socket {RUN}/tunneld.sock
::respawn:/usr/sbin/careof-keyd --socket {RUN}/keyd.sock --state {STATE}/state --keys {STATE}/keys
::respawn:/usr/bin/careofd
ttyS0::respawn:-/bin/sh
"""
RC = """#!/bin/sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p {run}
chown -R nobody {state}
chmod 600 {state}/keys
for module in {modules}; do insmod /lib/modules/$module.ko; done
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link set lo up
ip address add {uplink} dev eth0
ip address add {lan} dev eth1
ip link set eth0 up
ip link set eth1 up
ip route add default via {gateway} dev eth0
"""
# The heap is said, since the interpreter's own choice of 1 MB is more than careofd ever uses.
CAREOFD = """#!/bin/sh
MICROPYPATH=/usr/lib/micropython exec micropython -X heapsize={heap} -m careof.main > {run}/log 2>&1
"""


def image(path, addresses, heap, configuration, keys, outputs, kernel, busybox, tests):
    """Write the initramfs. `addresses`: uplink, lan (with length), gateway; `keys`: keyd's file of them;
    `outputs`: a folder as tasks/cross/outputs.py has it; `tests`: {path: octets}."""
    made = Image()
    for name in ("proc", "sys", "dev", "tmp", "var/run"):
        made.folder(name)
    for name in ("bin/sh", "init"):
        made.link(name, "/bin/busybox")
    made.file("bin/busybox", busybox.read_bytes(), 0o755)
    made.file("etc/inittab", INITTAB.encode())
    made.file(
        "etc/rc", RC.format(run=RUN, state=STATE, modules=" ".join(MODULES), **addresses).encode(), 0o755
    )
    made.file("etc/profile", f"export PS1='{PROMPT}' MICROPYPATH=/usr/lib/micropython\n".encode())
    made.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    made.file("etc/config/careof", configuration.encode())
    made.file("usr/bin/careofd", CAREOFD.format(heap=heap, run=RUN).encode(), 0o755)
    made.file(f"{STATE.lstrip('/')}/keys", keys.encode(), 0o600)
    made.file("usr/bin/micropython", (outputs / "bin/micropython").read_bytes(), 0o755)
    for daemon in ("careof-tunneld", "careof-keyd"):
        made.file(f"usr/sbin/{daemon}", (outputs / "bin" / daemon).read_bytes(), 0o755)
    made.tree("usr/lib/micropython", outputs / "lib")
    for module in MODULES:
        found = next((kernel / "lib/modules").rglob(f"{module}.ko"))
        made.file(f"lib/modules/{module}.ko", found.read_bytes())
    for name, data in tests.items():
        made.file(f"{PROJECT.lstrip('/')}/{name}", data, 0o755)
    made.write(path)


class Board:
    """Switched on from enter to exit, in a namespace; its other Ethernet's end is given to a second one."""

    def __init__(self, folder, kernel, initramfs, outside, lan):
        self._folder, self._kernel, self._initramfs = folder, kernel, initramfs
        self._outside, self._lan = outside, lan
        self._stack = contextlib.ExitStack()
        self.console = None

    def __enter__(self):
        with self._stack:
            log = self._stack.enter_context(open(self._folder / "qemu.log", "w"))
            # It is not to outlive this process, however that ends.
            command = ("setpriv", "--pdeathsig", "KILL", *self._command())
            process = self._outside.start(*command, stdout=log, stderr=subprocess.STDOUT)
            self._stack.callback(process.wait)
            self._stack.callback(process.kill)
            self._wait_for_taps(process)
            self._outside.ip("link", "set", "wan-tap", "up")
            self._outside.ip("link", "set", "lan-tap", "netns", self._lan.name)
            self._lan.ip("link", "set", "lan-tap", "up")
            url, heard = f"socket://127.0.0.1:{CONSOLE_PORT}", self._folder / "console.log"
            self.console = self._outside.inside(lambda: Console(url, heard))
            self._stack.callback(self.console.close)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _command(self):
        networks = []
        for tap in ("wan-tap", "lan-tap"):
            networks += ["-netdev", f"tap,id={tap},ifname={tap},script=no,downscript=no"]
            networks += ["-device", f"virtio-net-pci,netdev={tap},romfile=,{PLAIN}"]
        return (
            *("qemu-system-mipsel", "-M", "malta", "-cpu", "24Kc", "-m", str(MEMORY_MB)),
            *("-display", "none", "-vga", "none", "-monitor", "none", "-no-reboot"),
            *("-kernel", self._kernel, "-initrd", self._initramfs),
            *("-append", "console=ttyS0 quiet panic=1"),
            *("-serial", f"tcp:127.0.0.1:{CONSOLE_PORT},server=on,wait=on"),
            *("-nic", "none", *networks),
        )

    def _wait_for_taps(self, process):
        deadline = time.monotonic() + TAP_S
        while "lan-tap" not in self._outside.ip("link"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the emulator does not start: {(self._folder / 'qemu.log').read_text()}")
            time.sleep(0.05)

    def run(self, command, timeout_s=20):
        """What a shell command prints on the board. Raises RuntimeError where it fails."""
        status, text = self.console.run(command, timeout_s)
        if status:
            raise RuntimeError(f"the board: {command}: status {status}: {text}")
        return text

    def memory_kb(self, program):
        """[{"VmRSS": kB, "RssAnon": kB, "RssFile": kB, "RssShmem": kB}] of a program's processes."""
        found = []
        for process in self.run(f"pidof {program}").split():
            lines = self.run(f"grep -E '^(VmRSS|Rss[A-Z][a-z]+):' /proc/{process}/status").splitlines()
            found.append({line.split(":")[0]: int(line.split()[1]) for line in lines})
        return found

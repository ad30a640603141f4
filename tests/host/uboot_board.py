"""A board with a real U-Boot, emulated: QEMU's virt with a disk, its serial line a pseudo-terminal.

A Relay stands in the line where a test wants noise on it.
"""

import os
import random
import re
import select
import shutil
import subprocess
import threading
import tty
from pathlib import Path

LOADER = Path("/usr/lib/u-boot/qemu_arm/u-boot.bin")
SIZE = 64 << 20  # of the machine's flash, where the loader is, and of the disk
FIRMWARE = 0x40000


def cannot_run():
    if not LOADER.exists() or not shutil.which("qemu-system-arm"):
        return "needs Debian's u-boot-qemu and qemu-system-arm"
    return None


class Board:
    """namespace: where its network is, as device `tap`; None: it has none."""

    def __init__(self, folder, namespace=None, tap=None, loader=LOADER):
        self.disk = folder / "disk"
        if not self.disk.exists():
            self.disk.write_bytes(b"\xff" * SIZE)
        code = folder / "loader"
        code.write_bytes(loader.read_bytes())
        os.truncate(code, SIZE)
        network = ["-nic", "none"]
        if tap is not None:
            link = f"tap,id=net,ifname={tap},script=no,downscript=no"
            network = ["-netdev", link, "-device", "virtio-net-device,netdev=net"]
        command = ["qemu-system-arm", "-M", "virt", "-m", "128", "-display", "none", "-monitor", "none"]
        command += ["-drive", f"if=pflash,format=raw,unit=0,file={code}"]
        command += ["-drive", f"if=none,id=disk,format=raw,file={self.disk}"]
        command += ["-device", "virtio-blk-device,drive=disk", "-serial", "pty", *network]
        if namespace is not None:
            command = ["ip", "netns", "exec", namespace.name, *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.port = None
        for line in self.process.stdout:
            found = re.search(r"redirected to (/dev/pts/\d+)", line)
            if found:
                self.port = found[1]
                break
        assert self.port, "the emulator did not start"

    def flash(self, size):
        """The first octets of what an image is written to."""
        with self.disk.open("rb") as file:
            file.seek(FIRMWARE)
            return file.read(size)

    def cut_power(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Relay:
    """A line with noise: of what is typed to the board, one octet in `one_in` is lost or another one."""

    def __init__(self, port, one_in, seed=1):
        self._board = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._board)
        self._near, far = os.openpty()
        tty.setraw(far)
        self.port, self._far = os.ttyname(far), far
        self._one_in, self._chance = one_in, random.Random(seed)
        self.spoiled = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def _pass_on(self):
        while not self._stopped:
            ready, _, _ = select.select([self._board, self._near], [], [], 0.1)
            if self._board in ready:
                os.write(self._near, os.read(self._board, 4096))
            if self._near in ready:
                os.write(self._board, self._spoilt(os.read(self._near, 4096)))

    def _spoilt(self, octets):
        passed = bytearray()
        for octet in octets:
            if self._one_in and self._chance.randrange(self._one_in) == 0 and octet not in (3, 13):
                self.spoiled += 1
                if self._chance.random() < 0.5:
                    continue
                octet ^= 1 << self._chance.randrange(7)
                octet = octet if octet not in (3, 10, 13) else 0x41
            passed.append(octet)
        return bytes(passed)

    def close(self):
        self._stopped = True
        self._thread.join()
        for end in (self._board, self._near, self._far):
            os.close(end)

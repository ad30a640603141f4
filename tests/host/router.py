"""A router of tests: this machine's files under a layer of its own, with namespaces, and OpenWrt's userland.

What is installed or written there goes with it, and nothing outside is touched. /bin/sh is busybox, as on a
router; what OpenWrt's base-files would bring is in the folder standin.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import openwrt

ROOT = Path(__file__).resolve().parents[2]
STANDIN = Path(__file__).resolve().parent / "standin"
PATIENCE_S = 30
SET_UP = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
cd "$layer/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mkdir -p run/lock run/log
rm -rf etc/config etc/init.d/careof* usr/lib/careof
mkdir -p etc/config
ln -sf /usr/bin/busybox bin/sh
ip link set lo up
exec chroot . /bin/sh -c 'echo ready; exec sleep 100000'
"""


class Router:
    def __init__(self):
        self._layer = tempfile.mkdtemp(prefix="careof-router-")
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", SET_UP],
            env={**os.environ, "layer": self._layer},
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._holder.stdout.readline() != "ready\n":
            raise RuntimeError("no router: its namespaces cannot be set up")
        task = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self._inner = task.read_text().split()[0]
        self._started = []

    def close(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()
        for process in self._started:
            process.wait()
        shutil.rmtree(self._layer, ignore_errors=True)

    def path(self, name):
        """A file of the router, from outside."""
        return Path(f"/proc/{self._inner}/root{name}")

    def command(self, *words):
        where = ["nsenter", "--target", self._inner, "--mount", "--net", "--pid", "--root", "--wd=/"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        return [*where, *clean, *map(str, words)]

    def run(self, *words, check=True):
        done = subprocess.run(self.command(*words), capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(
                f"{shlex.join(map(str, words))}: {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def shell(self, text, check=True):
        return self.run("/bin/sh", "-c", text, check=check).stdout

    def start(self, *words):
        log = self.path(f"/run/log/{Path(str(words[0])).name}").open("ab")
        process = subprocess.Popen(self.command(*words), stdout=log, stderr=log)
        log.close()
        self._started.append(process)
        return process

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def wait(self, what, condition):
        """Until condition() is true; its value."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.1)
        logs = [f"== {path.name}\n{path.read_text()}" for path in sorted(self.path("/run/log").glob("*"))]
        raise AssertionError(f"never: {what}\n" + "\n".join(logs))

    def base_files(self):
        """What a package finds on every OpenWrt. Raises peers.Missing."""
        prefix = openwrt.router()
        for folder in ("bin", "sbin"):
            for program in (prefix / folder).iterdir():
                self.path(f"/usr/{folder}/{program.name}").unlink(missing_ok=True)
                self.path(f"/usr/{folder}/{program.name}").symlink_to(program)
        shutil.copytree(prefix / "share/libubox", self.path("/usr/share/libubox"), dirs_exist_ok=True)
        for name, place in (
            ("functions.sh", "/lib/functions.sh"),
            ("procd.sh", "/lib/functions/procd.sh"),
            ("rc.common", "/etc/rc.common"),
        ):
            self.write(place, (STANDIN / name).read_text(), 0o755)
        self.write("/usr/bin/micropython", f'#!/bin/sh\nexec {ROOT}/.venv/bin/micropython "$@"\n', 0o755)

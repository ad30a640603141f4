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
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mkdir -p run/lock run/log
rm -rf etc/config etc/init.d/careof* usr/lib/careof
mkdir -p etc/config
ln -sf /usr/bin/busybox bin/sh
ip link set lo up
"""
OF_OPENWRT = """
mount --rbind /dev dev
exec chroot . /bin/sh -c 'echo ready; exec sleep 100000'
"""
# systemd as it is on Debian, with none of this machine's services.
OF_DEBIAN = """
mount -t tmpfs tmpfs dev
mkdir dev/net dev/shm dev/pts dev/mqueue dev/hugepages
for name in null zero full random urandom tty net/tun; do
	touch dev/$name
	mount --bind /dev/$name dev/$name
done
touch dev/console
mount -t devpts devpts dev/pts
mount -t mqueue mqueue dev/mqueue || true
ln -s pts/ptmx dev/ptmx
mount -t cgroup2 cgroup2 sys/fs/cgroup
rm -rf etc/systemd/system/*.wants lib/systemd/system/sysinit.target.wants
rm -rf lib/systemd/system/sockets.target.wants lib/systemd/system/timers.target.wants
for name in journald.service journald.socket journald-dev-log.socket journald-audit.socket udevd.service; do
	ln -sf /dev/null etc/systemd/system/systemd-$name
done
ln -sf /dev/null etc/systemd/system/dev-hugepages.mount
ln -sf /dev/null etc/systemd/system/tmp.mount
export container=careof
exec chroot . /bin/sh -c 'echo ready; exec /lib/systemd/systemd --unit=basic.target --log-target=console'
"""


class Router:
    def __init__(self, first=OF_OPENWRT):
        self._layer = tempfile.mkdtemp(prefix="careof-router-")
        spaces = ("--mount", "--net", "--pid", "--cgroup")
        self._holder = subprocess.Popen(
            ["unshare", *spaces, "--fork", "--kill-child", "sh", "-c", SET_UP + first],
            env={**os.environ, "layer": self._layer},
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._holder.stdout.readline() != "ready\n":
            raise RuntimeError("no router: its namespaces cannot be set up")
        task = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self.pid = task.read_text().split()[0]
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
        return Path(f"/proc/{self.pid}/root{name}")

    def command(self, *words):
        where = ["nsenter", "--target", self.pid, "--mount", "--net", "--pid", "--cgroup", "--root"]
        where.append("--wd=/")
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
        logs = [
            self.shell("careof status; ubus call network.interface.office status 2>/dev/null", check=False)
        ]
        logs += [f"== {path.name}\n{path.read_text()}" for path in sorted(self.path("/run/log").glob("*"))]
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
        # This machine's MicroPython is inside a Python, which users of a router may read here.
        self.write("/usr/bin/micropython", f'#!/bin/sh\nexec {ROOT}/.venv/bin/micropython "$@"\n', 0o755)
        self.shell("chmod a+rx /root")
        self.path("/usr/sbin/ujail").unlink()  # it jails programs, not what needs half of Debian
        self.path("/lib/netifd/proto").mkdir(parents=True, exist_ok=True)
        for path in (prefix / "share/netifd").iterdir():
            shutil.copy(path, self.path("/lib/netifd"))
        # rpcd looks below where it was installed; on a router that is /usr.
        for folder in ("libexec/rpcd", "share/rpcd"):
            inside = self.path(str(prefix / folder))
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(inside, ignore_errors=True)
            inside.symlink_to(f"/usr/{folder}")

    def start_rpcd(self):
        self.start("rpcd")

    def start_netifd(self):
        self.start("netifd", "-S", "-r", "/run/resolv.auto", "-h", "/bin/true")

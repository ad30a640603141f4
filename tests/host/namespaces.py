"""Network namespaces for host tests: made, entered for a moment, and removed again."""

import ctypes
import os
import subprocess
import threading
import uuid

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def run(*command):
    """Run a command; raises CalledProcessError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Namespace:
    def __init__(self, label):
        self.name = f"careof-{label}-{uuid.uuid4().hex[:6]}"
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments):
        return run("ip", "-n", self.name, *arguments)

    def run(self, *command):
        return run("ip", "netns", "exec", self.name, *command)

    def start(self, *command, **more):
        return subprocess.Popen(("ip", "netns", "exec", self.name, *map(str, command)), **more)

    def inside(self, make):
        """What make() returns when called in this namespace: a socket opened there stays there."""
        result = []

        def enter():
            descriptor = os.open(f"/var/run/netns/{self.name}", os.O_RDONLY)
            try:
                if _libc.setns(descriptor, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            try:
                result.append(make())
            except OSError as e:
                result.append(e)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if isinstance(result[0], OSError):
            raise result[0]
        return result[0]

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name])


def join(one, device, address, other, other_device, other_address):
    """A veth pair between two namespaces, both ends up with their addresses ("192.0.2.1/24")."""
    one.ip("link", "add", device, "type", "veth", "peer", "name", other_device, "netns", other.name)
    for namespace, name, text in ((one, device, address), (other, other_device, other_address)):
        namespace.ip("address", "add", text, "dev", name)
        namespace.ip("link", "set", name, "up")

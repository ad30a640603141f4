"""Four hosts in a row, as namespaces, for the benchmarks; and what can connect the two in the middle.

    lan 10.91.0.2 -- 10.91.0.1 left 192.0.2.1 == outer link == 192.0.2.2 right 10.92.0.1 -- 10.92.0.2 server

A subject (plain routing, careof, wireguard-go, ...) is a context manager that makes 10.91.0.0/24 and
10.92.0.0/24 reach one another through left and right. All run on the same four hosts in one run,
so that their ratios mean something on a machine whose speed drifts.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "firmware"))

LEFT_LAN, RIGHT_LAN = ("10.91.0.0", 24), ("10.92.0.0", 24)
LEFT_OUTER, RIGHT_OUTER = "192.0.2.1", "192.0.2.2"
SERVER = "10.92.0.2"
READY_S = 10  # how long a subject may take to come up before it counts as failed


def run(*command, check=True):
    """Run a command to its end; its standard output. Raises CalledProcessError with what it said."""
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Chain:
    """The four namespaces; gone again at the end, with every process in them."""

    HOSTS = ("lan", "left", "right", "server")

    def __init__(self):
        self._prefix = f"careof-bench-{os.getpid()}"
        self.folder = tempfile.TemporaryDirectory(prefix="careof-bench-")

    def name(self, host):
        return f"{self._prefix}-{host}"

    def run(self, host, *command, check=True):
        return run("ip", "netns", "exec", self.name(host), *command, check=check)

    def start(self, host, *command, **options):
        return subprocess.Popen(["ip", "netns", "exec", self.name(host), *command], **options)

    def __enter__(self):
        for host in self.HOSTS:
            run("ip", "netns", "add", self.name(host))
            self.run(host, "ip", "link", "set", "lo", "up")
            self.run(host, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0")
        self._link("lan", "10.91.0.2/24", "left", "10.91.0.1/24", "lan")
        self._link("left", LEFT_OUTER + "/24", "right", RIGHT_OUTER + "/24", "outer")
        self._link("right", "10.92.0.1/24", "server", SERVER + "/24", "server")
        self.run("lan", "ip", "route", "add", "default", "via", "10.91.0.1")
        self.run("server", "ip", "route", "add", "default", "via", "10.92.0.1")
        return self

    def _link(self, one, one_address, other, other_address, device):
        run(
            *("ip", "link", "add", device, "netns", self.name(one), "type", "veth"),
            *("peer", "name", device, "netns", self.name(other)),
        )
        for host, address in ((one, one_address), (other, other_address)):
            self.run(host, "ip", "address", "add", address, "dev", device)
            self.run(host, "ip", "link", "set", device, "up")

    def set_outer_offloads(self, on):
        """Segmentation and receive offloads of the outer link, as a network card without them has."""
        for host in ("left", "right"):
            state = "on" if on else "off"
            features = ("gso", "gro", "tso", "tx-udp-segmentation", "rx-udp-gro-forwarding")
            for feature in features if not on else features[:-1]:
                self.run(host, "ethtool", "-K", "outer", feature, state, check=False)

    def wait_until_it_passes(self, why):
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if " 0% packet loss" in self.run("lan", "ping", "-c1", "-W1", SERVER, check=False):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{why}: no packet came through within {READY_S} s")

    def __exit__(self, *_):
        for host in self.HOSTS:
            for pid in run("ip", "netns", "pids", self.name(host), check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            run("ip", "netns", "delete", self.name(host), check=False)
        self.folder.cleanup()


@contextlib.contextmanager
def plain_routing(chain):
    chain.run("left", "ip", "route", "add", "10.92.0.0/24", "via", RIGHT_OUTER)
    chain.run("right", "ip", "route", "add", "10.91.0.0/24", "via", LEFT_OUTER)
    yield
    chain.run("left", "ip", "route", "delete", "10.92.0.0/24")
    chain.run("right", "ip", "route", "delete", "10.91.0.0/24")


@contextlib.contextmanager
def careof(chain, kind, size=1400):
    """careof-tunneld at both ends, told by a client of its own what careofd would tell it."""
    from subject_careof import TunneldEnd

    far = {"left": (RIGHT_OUTER, RIGHT_LAN), "right": (LEFT_OUTER, LEFT_LAN)}
    with contextlib.ExitStack() as stack:
        for host in ("left", "right"):
            peer, prefix = far[host]
            end = stack.enter_context(TunneldEnd(chain, host))
            end.hold(kind, peer, prefix, size)
        yield


@contextlib.contextmanager
def _routed_by(chain, device):
    chain.run("left", "ip", "route", "replace", "10.92.0.0/24", "dev", device)
    chain.run("right", "ip", "route", "replace", "10.91.0.0/24", "dev", device)
    yield


@contextlib.contextmanager
def wireguard_go(chain):
    keys = {host: run("wg", "genkey").strip() for host in ("left", "right")}
    public = {
        h: subprocess.run(["wg", "pubkey"], input=k, capture_output=True, text=True).stdout.strip()
        for h, k in keys.items()
    }
    started = []
    for host, peer, peer_address in (("left", "right", RIGHT_OUTER), ("right", "left", LEFT_OUTER)):
        # Its control socket has a fixed place, so each end has its own /var/run.
        command = (
            "mount -t tmpfs none /var/run && wireguard-go -f wg0 & "
            "until [ -S /var/run/wireguard/wg0.sock ]; do sleep 0.05; done; "
            f"wg setconf wg0 {chain.folder.name}/{host}.conf && ip link set wg0 mtu 1420 up && wait"
        )
        Path(chain.folder.name, f"{host}.conf").write_text(
            f"[Interface]\nPrivateKey = {keys[host]}\nListenPort = 51820\n"
            f"[Peer]\nPublicKey = {public[peer]}\nAllowedIPs = 0.0.0.0/0\nEndpoint = {peer_address}:51820\n"
        )
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(chain.start(host, "unshare", "-m", "sh", "-c", command, **quiet))
    try:
        _wait_for_device(chain, "wg0")
        with _routed_by(chain, "wg0"):
            yield
    finally:
        _end_all(chain, "wireguard-go", started)


def _certificate(folder, end):
    """Make one that signs itself, beside its key. Returns its fingerprint."""
    key, certificate = f"{folder}/{end}.key", f"{folder}/{end}.crt"
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={end}"),
    )
    shown = run("openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha256")
    return shown.split("=")[1].strip()


@contextlib.contextmanager
def openvpn(chain):
    """Peer to peer, each end known by its certificate's fingerprint; data in AES-128-GCM, its leanest."""
    folder = chain.folder.name
    fingerprint = {end: _certificate(folder, end) for end in ("server", "client")}
    common = ("--dev", "tun9", "--proto", "udp", "--port", "1194", "--data-ciphers", "AES-128-GCM")
    right = ("--tls-server", "--dh", "none", "--ifconfig", "10.93.0.2", "10.93.0.1")
    left = ("--tls-client", "--ifconfig", "10.93.0.1", "10.93.0.2", "--remote", RIGHT_OUTER)
    started = []
    for host, me, peer, extra in (("right", "server", "client", right), ("left", "client", "server", left)):
        own = ("--cert", f"{folder}/{me}.crt", "--key", f"{folder}/{me}.key")
        other = ("--peer-fingerprint", fingerprint[peer])
        to_file = ("--verb", "1", "--log", f"{folder}/openvpn-{host}.log")
        started.append(chain.start(host, "openvpn", *common, *own, *other, *extra, *to_file))
    try:
        _wait_for_device(chain, "tun9")
        with _routed_by(chain, "tun9"):
            yield
    finally:
        _end_all(chain, "openvpn", started)


def _wait_for_device(chain, device):
    deadline = time.monotonic() + READY_S
    for host in ("left", "right"):
        while "LOWER_UP" not in chain.run(host, "ip", "link", "show", device, check=False):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{device} did not come up in {host}")
            time.sleep(0.1)


def _end_all(chain, name, started):
    for host in ("left", "right"):
        for pid in chain.run(host, "ip", "netns", "pids", chain.name(host)).split():
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                if Path(f"/proc/{pid}/comm").read_text().strip() in (name, "sh", "unshare"):
                    os.kill(int(pid), signal.SIGKILL)
    for process in started:
        process.wait()

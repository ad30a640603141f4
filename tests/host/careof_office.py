"""A branch and its home agent as processes, joined by one cable: what tests of careofd as a whole stand on.

branch: up0 192.0.2.2, LAN address 10.77.1.1 ---- out0 192.0.2.1: home agent, intranet address 10.78.0.2
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keyd_process import Keyd
from namespaces import Namespace, join
from tunneld_process import ROOT, Tunneld

PATIENCE_S = 10
KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
SPI = 256
HOME_ADDRESS, AGENT_ADDRESS, LAN, SERVER = "10.77.0.2", "192.0.2.1", "10.77.1.1", "10.78.0.2"
INTERPRETERS = {
    "MicroPython": [str(Path(sys.executable).with_name("micropython")), "-m"],
    "CPython": [sys.executable, "-B", "-m"],
}
ASSOCIATION = f"""
config association 'wan_key'
	option spi '{SPI}'
	option key '{KEY}'
"""
BRANCH = f"""config mobile_router 'branch'
	option home_address '{HOME_ADDRESS}'
	option home_agent '{AGENT_ADDRESS}'
	list mobile_network '10.77.1.0/24'
	list uplink 'wan'
config uplink 'wan'
	option device 'up0'
	option preference '10'
	option association 'wan_key'
{ASSOCIATION}"""
AGENT = f"""config home_agent 'ha'
	option address '{AGENT_ADDRESS}'
config mobile_node 'branch'
	option home_address '{HOME_ADDRESS}'
	list mobile_network '10.77.1.0/24'
	list association 'wan_key'
{ASSOCIATION}"""


class End:
    """careofd and tunneld in one namespace; with `keyd`, the text of its file of keys, careof-keyd too."""

    def __init__(self, namespace, configuration, interpreter, keys=None, keyd=None):
        self.namespace, self.interpreter = namespace, interpreter
        self.tunneld = Tunneld(namespace)
        self.run_folder = self.tunneld.folder
        self.config_path = self.run_folder / "config"
        self.log_path = self.run_folder / "careofd.log"
        self.config_path.write_text(configuration)
        self.keys_path = None
        if keys is not None:
            self.keys_path = self.run_folder / "keys"
            self.keys_path.write_text(keys)
        self.keyd = None
        if keyd is not None:
            self.keyd = Keyd(path=self.run_folder / "keyd.sock")
            self.keyd.write_keys(keyd)
            self.keyd.start()
        self.process = None
        self.start()

    def start(self):
        with open(self.log_path, "a") as log:
            self.process = self.namespace.start(
                *INTERPRETERS[self.interpreter],
                *("careof.main", "--config", self.config_path, "--run", self.run_folder),
                *(("--keys", self.keys_path) if self.keys_path is not None else ()),
                env=environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def careof(self, *arguments):
        """The careof command: (exit status, standard output, standard error)."""
        command = (
            *INTERPRETERS[self.interpreter],
            "careof.status.cli",
            "--run",
            str(self.run_folder),
            *arguments,
        )
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout, done.stderr

    def status(self):
        """The one role's status, or None while careofd does not answer."""
        status, out, _ = self.careof("--json", "status")
        return json.loads(out)["roles"][0] if status == 0 else None

    def counters(self):
        return json.loads(self.careof("--json", "counters")[1])["careofd"]

    def wait_for_counter(self, name, value):
        wait_until(lambda: self.counters().get(name, 0) >= value, f"counter {name} to come to {value}")
        return self.counters()[name]

    def log(self):
        return self.log_path.read_text()

    def remove(self):
        self.kill()
        self.tunneld.stop()
        if self.keyd is not None:
            self.keyd.remove()
        shutil.rmtree(self.run_folder, ignore_errors=True)


def environment():
    firmware = str(ROOT / "firmware")
    return {**os.environ, "PYTHONPATH": firmware, "MICROPYPATH": firmware + ":.frozen"}


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)


class Office:
    """Both ends, registered. keyd: (the agent's file of keys, the branch's), or None."""

    def __init__(self, interpreter, agent=AGENT, branch=BRANCH, keyd=(None, None)):
        self.router, self.outside = Namespace("branch"), Namespace("agent")
        self.folder = Path(tempfile.mkdtemp(prefix="careof-office-"))
        join(self.router, "up0", "192.0.2.2/24", self.outside, "out0", f"{AGENT_ADDRESS}/24")
        for stranger in ("192.0.2.3/24", "192.0.2.4/24"):
            self.outside.ip("address", "add", stranger, "dev", "out0")
        self.router.ip("route", "add", "default", "via", AGENT_ADDRESS, "dev", "up0")
        self.router.ip("address", "add", f"{LAN}/24", "dev", "lo")
        self.outside.ip("address", "add", f"{SERVER}/24", "dev", "lo")
        self.agent = End(self.outside, agent, interpreter, keyd=keyd[0])
        self.branch = End(self.router, branch, interpreter, keyd=keyd[1])
        try:
            wait_until(self.connected, f"the branch to be connected: {self.branch.log()}")
        except BaseException:
            self.remove()
            raise

    def connected(self):
        status = self.branch.status()
        return status is not None and status["state"] == "connected" and status["uplinks"][0]["live"]

    def ping(self, count=3):
        """How many of some quick pings from the LAN to the intranet are answered."""
        return self.start_ping(count)()

    def start_ping(self, count):
        """Begin pinging; what is returned waits for the end and tells how many were answered."""
        command = ("ping", "-q", "-i", "0.02", "-c", count, "-W", "1", "-I", LAN, SERVER)
        ping = self.router.start(*command, stdout=subprocess.PIPE, text=True)

        def answered():
            out, _ = ping.communicate(timeout=60)
            return int(out.split(" received")[0].split()[-1])

        return answered

    def remove(self):
        for end in (self.branch, self.agent):
            end.remove()
        self.router.remove()
        self.outside.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

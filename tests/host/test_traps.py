"""The notification mipAuthFailure (RFC 2006), by Debian's snmptrap or by its snmpd, to Debian's snmptrapd.

Two namespaces, and in the second everything but who asks:

    sender -- requests, genuine and forged --> home agent, careof-traps --> snmptrapd
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import mip_mib
import pytest
from careof.crypt.soft import SoftProvider
from careof.limits import TRAPS_GAP_MS
from careof.wire import ipv4, mip
from careof_office import (
    AGENT,
    AGENT_ADDRESS,
    HOME_ADDRESS,
    INTERPRETERS,
    KEY,
    ROOT,
    SPI,
    End,
    environment,
    wait_until,
)
from namespaces import Namespace, join
from tunneld_process import cannot_run

pytestmark = [
    pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run())),
    pytest.mark.skipif(not shutil.which("snmptrapd"), reason="no snmptrapd: Debian's snmptrapd"),
]
SENDER = "192.0.2.9"
PROGRAM = ROOT / "packaging/snmp/careof-traps"
BAD_AUTHENTICATOR = 2


class World:
    """A home agent, somebody who sends requests to it, and who is told of false ones."""

    def __init__(self, interpreter, by_snmpd):
        self.agent, self.outside = Namespace("agent"), Namespace("outside")
        join(self.agent, "up0", f"{AGENT_ADDRESS}/24", self.outside, "out0", f"{SENDER}/24")
        self.end = End(self.agent, AGENT, interpreter)
        self.folder, self.processes, self.serial = self.end.run_folder, [], 0
        python = INTERPRETERS[interpreter][0]
        self.environment = {
            **environment(),
            "CAREOF_FIRMWARE": str(ROOT / "firmware"),
            "CAREOF_PYTHON": python,
            "PATH": f"{os.path.dirname(python)}:{os.environ['PATH']}",
            "SNMP_PERSISTENT_DIR": str(self.folder),
            "MIBDIRS": str(self.folder),
        }
        try:
            self._start_managers()
            command = ("snmptrap", "-v", "2c", "-c", "public", "127.0.0.1", "")
            if by_snmpd:
                self._start_snmpd()
                command = ("agentxtrap", "-x", self.folder / "agentx")
            self._start(PROGRAM, "--run", self.folder, "--", *command)
        except BaseException:
            self.remove()
            raise

    def _start(self, *command):
        with open(self.folder / "snmp.log", "a") as log:
            more = {"env": self.environment, "stdout": log, "stderr": log, "start_new_session": True}
            self.processes.append(self.agent.start(*command, **more))

    def _start_managers(self):
        (self.folder / "MIP-MIB.txt").write_text(mip_mib.text(mip_mib.objects()))
        config = self.folder / "snmptrapd.conf"
        config.write_text("disableAuthorization yes\n")
        self.heard_path = self.folder / "heard"
        listening = ("-f", "-C", "-c", config, "-Lf", self.heard_path, "-m", "", "-On", "-n")
        self._start("snmptrapd", *listening, "-p", self.folder / "trapd.pid", "udp:127.0.0.1:162")
        wait_until(lambda: "NET-SNMP version" in self._text(), "snmptrapd")

    def _start_snmpd(self):
        config = self.folder / "snmpd.conf"
        config.write_text(
            f"agentaddress udp:127.0.0.1:161\nmaster agentx\nagentXSocket {self.folder}/agentx\n"
            "trap2sink 127.0.0.1 public\n"
        )
        self._start("snmpd", "-f", "-C", "-c", config, "-Lf", self.folder / "snmpd.log", "-m", "")
        wait_until(lambda: (self.folder / "agentx").exists(), "snmpd")

    def _text(self):
        return self.heard_path.read_text() if self.heard_path.exists() else ""

    def heard(self):
        """[{OID: value}] of the notifications mipAuthFailure so far."""
        found = []
        for line in self._text().splitlines():
            if "= OID: .1.3.6.1.2.1.44.2.0.1\t" in line + "\t":
                parts = (part.split(" = ", 1) for part in line.split("\t") if " = " in part)
                found.append({oid.split()[-1]: value for oid, value in parts})
        return found

    def ask(self, genuine):
        """A request of the node, with an authenticator that is genuine or not; its identification."""
        keys = SoftProvider()
        keys.add_key("key", "hmac-sha256", bytes.fromhex(KEY if genuine else "00" * 32))
        self.serial += 1
        stamp = (int(time.time()) + 2208988800) << 32 | self.serial
        ends = [ipv4.parse_address(text) for text in (HOME_ADDRESS, AGENT_ADDRESS, SENDER)]
        message = mip.RegistrationRequest(mip.FLAG_D | mip.FLAG_T, 600, *ends, stamp, [])
        data = mip.pack_to_sign(message, SPI, 32)
        sender = self.outside.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with sender:
            sender.bind((SENDER, 0))
            sender.settimeout(2)
            sender.sendto(data + keys.authenticate("key", data), (AGENT_ADDRESS, 434))
            if genuine:
                assert mip.unpack(sender.recv(2000)).message.code == 0
        return stamp

    def remove(self):
        for process in reversed(self.processes):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=10)
        self.end.remove()
        for namespace in (self.agent, self.outside):
            namespace.remove()


@pytest.fixture(
    params=[("MicroPython", False), ("CPython", False), ("MicroPython", True)],
    ids=["MicroPython-snmptrap", "CPython-snmptrap", "MicroPython-snmpd"],
)
def world(request):
    made = World(*request.param)
    yield made
    made.remove()


def test_managers_are_told_who_failed_to_authenticate(world):
    wait_until(lambda: forged_is_heard(world), "the first notification")  # it may not follow yet at first
    wait_until(lambda: nothing_new(world), "all that was forged to be told")
    before = len(world.heard())
    world.ask(True)  # the control: who is genuine is no news
    assert nothing_new(world)
    stamp = world.ask(False)
    wait_until(lambda: len(world.heard()) > before, "a notification")
    entry = ".1.3.6.1.2.1.44.1.2.3.1.%d." + SENDER
    said = world.heard()[-1]
    low = stamp & 0xFFFFFFFF
    high = (stamp >> 32) - (1 << 32) if stamp >> 63 else stamp >> 32
    assert said[entry % 1] == f"IpAddress: {SENDER}"
    assert said[entry % 3] == f"INTEGER: {SPI}"
    assert said[entry % 5] == f"INTEGER: {low}" and said[entry % 6] == f"INTEGER: {high}"
    assert said[entry % 7] == f"INTEGER: {BAD_AUTHENTICATOR}"
    assert re.match(r"Timeticks: \(\d+\)", said[".1.3.6.1.2.1.1.3.0"])


def forged_is_heard(world):
    world.ask(False)
    time.sleep(0.3)
    return bool(world.heard())


def nothing_new(world):
    """For as long as two looks of careof-traps."""
    before = len(world.heard())
    time.sleep(2 * TRAPS_GAP_MS / 1000)
    return len(world.heard()) == before


def test_it_goes_on_when_careofd_was_restarted(world):
    wait_until(lambda: forged_is_heard(world), "the first notification")
    before = len(world.heard())
    world.end.kill()
    world.end.start()
    wait_until(lambda: forged_is_heard(world) and len(world.heard()) > before, "one of another life")


def test_wrong_use_is_told():
    for arguments in (("--nonsense",), ("--run",), ("--run", "/x y", "--", "true"), ("--run", "$(id)")):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=10)
        assert done.returncode == 2 and "usage: careof-traps" in done.stderr, arguments

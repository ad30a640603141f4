"""What a user has today: NAT on every uplink, and a script that follows a tracking address, as mwan3 does.

An uplink without carrier is left at once; one whose tracking address stays silent, after DOWN_AFTER tries,
one a second; it is taken again after UP_AFTER answers. What NAT knew is forgotten at every change, so
that new connections work at once. All of that is more eager than mwan3's defaults (5 tries of 10 s): it
is the best that this way can do, and it still changes the address under every connection.

    python -m lab.failover FOLDER DEVICE,GATEWAY ...      in order of preference; runs in the branch

FOLDER/prefer names the device that an operator wants, until it fails; FOLDER/carrying the one that carries.
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from .access import ACCESS
from .process import wait_until
from .topology import HOME_AGENT, INTRANET, ROOT, TRACKED

DOWN_AFTER, UP_AFTER = 3, 3
TRACK_EVERY_S = 1
LOOK_EVERY_S = 0.1
START_S = 5

MASQUERADE = """
table ip branch {
  chain translate {
    type nat hook postrouting priority srcnat;
    oifname { %s } masquerade
  }
}
"""


class PlainNat:
    """The branch as a plain router with three uplinks; the intranet's server is on the internet."""

    name = "plain NAT failover"
    interpreter = None

    def __init__(self, lab):
        self.lab = lab
        self.services = {}
        self._folder = lab.folder / "failover"

    def start(self):
        lab = self.lab
        self._folder.mkdir()
        lab.ip_batch("internet", f"route add {INTRANET} via {HOME_AGENT}")
        rules = MASQUERADE % ", ".join(access.device for access in ACCESS)
        lab.run("branch", "nft", "-f", "-", text=rules)
        uplinks = [f"{access.device},{access.gateway}" for access in ACCESS]
        command = (sys.executable, "-m", __name__, self._folder, *uplinks)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        self.services["failover"] = lab.serve("failover", "branch", *command, env=environment)
        wait_until(self.uplink, START_S, "failover script")

    def uplink(self):
        """Name of the uplink that carries, or None."""
        with contextlib.suppress(FileNotFoundError):
            device = (self._folder / "carrying").read_text()
            return next((access.name for access in ACCESS if access.device == device), None)
        return None

    def resident_kb(self):
        return {}

    def move(self, uplink):
        """An operator's wish, until that uplink fails."""
        device = next(access.device for access in ACCESS if access.name == uplink)
        (self._folder / "prefer").write_text(device)


class _Uplink:
    def __init__(self, device, gateway):
        self.device, self.gateway = device, gateway
        self.good, self._streak = True, 0
        self._asking, self._asked_at = None, 0

    def carrier(self):
        try:
            return Path(f"/sys/class/net/{self.device}/carrier").read_text().strip() == "1"
        except OSError:  # the device is down
            return False

    def track(self, now):
        """Take the answer to the last try, and begin the next in its time."""
        if self._asking and self._asking.poll() is not None:
            answered = self._asking.returncode == 0
            self._streak = self._streak + 1 if answered != self.good else 0
            if self._streak >= (UP_AFTER if answered else DOWN_AFTER):
                self.good, self._streak = answered, 0
            self._asking = None
        if not self._asking and now - self._asked_at >= TRACK_EVERY_S:
            self._asked_at = now
            command = ("ping", "-n", "-c1", "-W1", "-I", self.device, TRACKED)
            self._asking = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main(folder, *texts):
    uplinks = [_Uplink(*text.split(",")) for text in texts]
    carrying = None
    while True:
        now = time.monotonic()
        for uplink in uplinks:
            uplink.track(now)
        wanted = (folder / "prefer").read_text() if (folder / "prefer").exists() else None
        usable = [uplink for uplink in uplinks if uplink.good and uplink.carrier()]
        if wanted and wanted not in [uplink.device for uplink in usable]:
            (folder / "prefer").unlink()
        best = min(usable, key=lambda uplink: uplink.device != wanted, default=None)
        if best is not None and best is not carrying:
            carrying = best
            route = ("default", "via", best.gateway, "dev", best.device, "metric", "1")
            subprocess.run(["ip", "route", "delete", "default", "metric", "1"], stderr=subprocess.DEVNULL)
            subprocess.run(["ip", "route", "add", *route], check=True)
            subprocess.run(["conntrack", "-F"], stderr=subprocess.DEVNULL)
            (folder / "carrying").write_text(best.device)
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

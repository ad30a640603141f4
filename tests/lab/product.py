"""careof in the lab: the configuration of both ends, the processes, and what careofd says of itself.

At the branch and at the home agent run careof-tunneld and careofd, each kept running as procd keeps it
on a router. Each uplink has a security association of its own.
"""

import contextlib
import json
import os
import secrets
import socket
import sys
from pathlib import Path

from .access import ACCESS
from .process import wait_until
from .topology import HOME_ADDRESS, HOME_AGENT, MOBILE_NETWORK, ROOT

TUNNELD = Path(os.environ.get("CAREOF_TUNNELD", ROOT / "build/native/tunneld/careof-tunneld"))
MICROPYTHON = Path(sys.executable).with_name("micropython")
TUNNELD_USER = 65534  # nobody
HYSTERESIS_S = 1
LIFETIME_S = 600
CONNECT_S = 10
ASK_S = 2
ENDS = {"branch": "branch", "ha": "ha"}  # whose careof: the node where it runs

ROUTER = f"""
config mobile_router 'branch'
	option home_address '{HOME_ADDRESS}'
	option home_agent '{{home_agent}}'
	option lifetime_s '{LIFETIME_S}'
	list mobile_network '{MOBILE_NETWORK}'
"""
UPLINK = """
config uplink '{name}'
	option device '{device}'
	option preference '{preference}'
	option association 'branch_{name}'
	option hysteresis_s '{hysteresis_s}'
"""
ASSOCIATION = """
config association 'branch_{name}'
	option spi '{spi}'
	option algorithm 'hmac-sha256'
	option key '{key}'
"""
AGENT = f"""
config home_agent 'ha'
	option address '{HOME_AGENT}'

config mobile_node 'branch'
	option home_address '{HOME_ADDRESS}'
	list mobile_network '{MOBILE_NETWORK}'
"""


def configurations():
    """(the branch's file, the home agent's file), with new keys."""
    names = [access.name for access in ACCESS]
    associations = "".join(
        ASSOCIATION.format(name=name, spi=256 + i, key=secrets.token_hex(16)) for i, name in enumerate(names)
    )
    uplinks = "".join(
        UPLINK.format(
            name=access.name, device=access.device, preference=access.metric, hysteresis_s=HYSTERESIS_S
        )
        for access in ACCESS
    )
    router = ROUTER.format(home_agent=HOME_AGENT) + "".join(f"\tlist uplink '{name}'\n" for name in names)
    node = AGENT + "".join(f"\tlist association 'branch_{name}'\n" for name in names)
    return router + uplinks + associations, node + associations


class Ends:
    """careofd and careof-tunneld in some nodes of a lab; each has a name, an end's."""

    def __init__(self, lab):
        self.lab = lab
        self.services = {}

    def start_end(self, end, node, text, prefix=""):
        """Both processes with this configuration file, each a service whose name begins with the prefix."""
        run = self.run_folder(end)
        run.mkdir(mode=0o700, exist_ok=True)
        (run / "careof").write_text(text)
        self._serve(
            prefix + "tunneld", node, TUNNELD, "--socket", run / "tunneld.sock", "--user", TUNNELD_USER
        )
        self._serve(
            *(prefix + "careofd", node, MICROPYTHON, "-m", "careof.main"),
            *("--config", run / "careof", "--run", run),
        )

    def _serve(self, name, node, *command):
        path = f"{ROOT / 'firmware'}:.frozen"
        self.services[name] = self.lab.serve(name, node, *command, env={**os.environ, "MICROPYPATH": path})

    def run_folder(self, end):
        return self.lab.folder / f"careof-{end}"

    def ask(self, end, command, *arguments):
        """One command to a careofd; its answer. Raises OSError when it is away, ValueError if it says no."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(ASK_S)
            asking.connect(str(self.run_folder(end) / "status.sock"))
            request = {"command": command, "arguments": list(arguments)}
            asking.sendall(json.dumps(request).encode() + b"\n")
            received = b""
            while not received.endswith(b"\n"):
                more = asking.recv(65536)
                if not more:
                    raise ConnectionResetError("careofd hung up")
                received += more
        reply = json.loads(received)
        if "error" in reply:
            raise ValueError(reply["error"])
        return reply["answer"]

    def status(self, end):
        return self.ask(end, "status")

    def resident_kb(self):
        """{service: resident memory} of all processes that run now."""
        return {name: memory_kb(service.process.pid) for name, service in self.services.items()}


class Careof(Ends):
    """careof at both ends of a lab."""

    name = "careof"

    def __init__(self, lab):
        super().__init__(lab)
        self.interpreter = None

    def start(self):
        """Start both ends and wait until the branch is connected. Raises TimeoutError."""
        files = dict(zip(ENDS, configurations(), strict=True))
        for end, node in ENDS.items():
            self.start_end(end, node, files[end], "" if end == "branch" else f"{end}-")
        wait_until(self.connected, CONNECT_S, "careof of the branch")
        self.interpreter = self.status("branch")["interpreter"]

    def uplink(self):
        """Name of the uplink that carries, or None. Raises OSError when careofd is away."""
        router = self.status("branch")["roles"][0]
        return router["carrying"] if router["state"] in ("connected", "moving") else None

    def connected(self):
        with contextlib.suppress(OSError):
            return self.uplink() is not None
        return False

    def move(self, uplink):
        """An operator's wish, until that uplink fails."""
        self.ask("branch", "move", uplink)


def memory_kb(pid):
    """Resident memory of a process and its children (tunneld's helper)."""
    total = 0
    for process in [str(pid), *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total

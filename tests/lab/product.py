"""careof in the lab: the configuration of both ends, the processes, and what careofd says of itself.

At the branch and at the home agent run careof-tunneld, careof-keyd and careofd, each kept running as procd
keeps it on a router. Each uplink has a security association of its own, whose key keyd alone has.
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
KEYD = Path(os.environ.get("CAREOF_KEYD", ROOT / "build/native/keyd/careof-keyd"))
MICROPYTHON = Path(sys.executable).with_name("micropython")
NOBODY = 65534
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
	list lan_device 'lan0'
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
"""
PROVIDER = """
config globals
	option key_provider 'keyd'
"""
AGENT = f"""
config home_agent 'ha'
	option address '{HOME_AGENT}'

config mobile_node 'branch'
	option home_address '{HOME_ADDRESS}'
	list mobile_network '{MOBILE_NETWORK}'
"""


def configurations():
    """(the branch's file, the home agent's file, the keys of both), with new keys."""
    names = [access.name for access in ACCESS]
    associations = PROVIDER
    associations += "".join(ASSOCIATION.format(name=name, spi=256 + i) for i, name in enumerate(names))
    keys = "".join(f"branch_{name} hmac-sha256 {secrets.token_hex(16)}\n" for name in names)
    uplinks = "".join(
        UPLINK.format(
            name=access.name, device=access.device, preference=access.metric, hysteresis_s=HYSTERESIS_S
        )
        for access in ACCESS
    )
    router = ROUTER.format(home_agent=HOME_AGENT) + "".join(f"\tlist uplink '{name}'\n" for name in names)
    node = AGENT + "".join(f"\tlist association 'branch_{name}'\n" for name in names)
    return router + uplinks + associations, node + associations, keys


class Ends:
    """careofd, careof-tunneld and careof-keyd in some nodes of a lab; each has a name, an end's."""

    def __init__(self, lab):
        self.lab = lab
        self.services = {}

    def start_end(self, end, node, text, prefix="", keys=None):
        """All processes with this configuration file, each a service whose name begins with the prefix;
        careof-keyd is one of them if it has keys, the text of its file."""
        run = self.run_folder(end)
        run.mkdir(mode=0o700, exist_ok=True)
        (run / "careof").write_text(text)
        self._serve(prefix + "tunneld", node, TUNNELD, "--socket", run / "tunneld.sock", "--user", NOBODY)
        if keys is not None:
            kept = self._keyd_folder(run, keys)
            self._serve(
                *(prefix + "keyd", node, KEYD, "--socket", run / "keyd.sock", "--user", NOBODY),
                *("--state", kept / "state", "--keys", kept / "keys"),
            )
        self._serve(
            *(prefix + "careofd", node, MICROPYTHON, "-m", "careof.main"),
            *("--config", run / "careof", "--run", run),
        )

    @staticmethod
    def _keyd_folder(run, keys):
        """What careof-keyd alone may enter: its keys, and what it keeps."""
        folder = run / "kept"
        folder.mkdir(mode=0o700)
        (folder / "keys").write_text(keys)
        (folder / "keys").chmod(0o400)
        for path in (folder, folder / "keys"):
            os.chown(path, NOBODY, NOBODY)
        return folder

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
        *files, keys = configurations()
        files = dict(zip(ENDS, files, strict=True))
        for end, node in ENDS.items():
            self.start_end(end, node, files[end], "" if end == "branch" else f"{end}-", keys)
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

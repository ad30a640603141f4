"""A lab to explore by hand: `./dev lab up | status | shell | capture | move | fault | down`.

`up` leaves a process behind that holds the lab, with careof at every end and the intranet's servers, until
`down` or the end of the machine. The other commands find a lab by its folder, so they work on the one of a
running demo too; where several stand, --lab ID says which. There are two kinds: a branch that moves between
its uplinks (topology.py), and a laptop that moves between links (visited.py).
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import remains
from .agents import AGENTS, Roaming
from .process import CommandFailed, wait_until
from .product import MICROPYTHON, Careof
from .topology import LAPTOP, NODES, ROOT, SERVER, Lab
from .traffic import Servers
from .visited import DEVICES, LINKS, ROAMER, VisitedLab

LOG = ROOT / "build/lab.log"
UP_PATIENCE_S, DOWN_PATIENCE_S = 30, 15
FAULTS = ("unplug", "plug", "silence", "speak", "rebind")
KINDS = {kind.kind: kind for kind in (Lab, VisitedLab)}
MOVER = {Lab.kind: "branch", VisitedLab.kind: "laptop"}  # the end that moves
TOLD = {
    Lab.kind: f"""laptop {LAPTOP}, intranet server {SERVER} (ssh, http)
  ./dev lab shell laptop        then: ping {SERVER}; curl -O http://{SERVER}/content
  ./dev lab fault wan unplug    the office cable is pulled
""",
    VisitedLab.kind: f"""laptop {ROAMER} on [a], intranet server {SERVER} (ssh, http)
  ./dev lab shell laptop        then: ping {SERVER}; curl -O http://{SERVER}/content
  ./dev lab move b              the laptop is plugged in at branch-b; also: a, c, home
  ./dev lab move a --unseen     it is at branch-a, and its link says nothing
""",
}
CAPTURE = ("tcpdump", "-n", "-l", "-i", "any", "not", "port", "22")


def up(options):
    """Start the holder, and wait for its word."""
    LOG.parent.mkdir(exist_ok=True)
    reading, writing = os.pipe()
    with open(LOG, "ab") as log:
        command = [sys.executable, "-m", __spec__.name, "hold", str(writing), options.kind]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        subprocess.Popen(command, pass_fds=[writing], start_new_session=True, **quiet)
    os.close(writing)
    with open(reading) as word:
        lab_id = word.read().strip()
    if not lab_id:
        raise SystemExit(f"lab: did not come up: see {LOG}")
    print(f"lab {lab_id} is up: {TOLD[options.kind]}  ./dev lab down")


def hold(options):
    """The holder's life: until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with KINDS[options.kind]() as lab:
        Servers(lab)
        if options.kind == Lab.kind:
            Careof(lab).start()
        else:
            start_visit(lab)
        os.write(options.descriptor, lab.id.encode())
        os.close(options.descriptor)
        while True:
            time.sleep(3600)


def start_visit(lab):
    means = Roaming(lab)
    means.start()
    means.start_laptop()
    lab.plug(DEVICES[0], LINKS[1].name)
    wait_until(lambda: means.uplink() == LINKS[1].name, UP_PATIENCE_S, "the laptop's registration")


def chosen(lab_id):
    """The lab that is meant, among those that stand. Exits when that is not clear."""
    standing = [known for known in remains.labs() if remains.owner_of(known)]
    if lab_id:
        standing = [known for known in standing if known == lab_id]
    if len(standing) != 1:
        which = "none stands: ./dev lab up" if not standing else f"--lab ID: one of {', '.join(standing)}"
        raise SystemExit(f"lab: {which}")
    return opened(standing[0])


def opened(lab_id):
    """A lab that stands, as what it is."""
    return KINDS[remains.kind_of(lab_id)](lab_id)


def node_of(options):
    """(the lab, the node in it) that are meant."""
    lab = chosen(options.lab)
    if options.node not in lab.nodes:
        raise SystemExit(f"lab: node '{options.node}': expected one of {', '.join(lab.nodes)}")
    return lab, options.node


def status(options):
    for lab_id in remains.labs():
        owner = remains.owner_of(lab_id)
        if not owner:
            print(f"lab {lab_id}: a remainder; the next lab or `./dev lab down` removes it")
            continue
        lab = opened(lab_id)
        print(f"lab {lab_id}, held by process {owner}; nodes: {' '.join(lab.nodes)}")
        if lab.kind == VisitedLab.kind:
            for device in DEVICES:
                print(f"  laptop's {device}: on [{lab.where(device) or ''}]")
        for uplink in lab.uplinks.values():
            state = uplink.counters()
            silent = [way for way in ("out", "in") if state[way]["silent"]]
            plugged = "LOWER_UP" in lab.run(uplink.name, "ip", "link", "show", "access0")
            print(
                f"  {uplink.name:5} {state['delay_us'] * 2 / 1000:g} ms round trip, "
                f"{'cable in' if plugged else 'cable out'}{', silent ' + '+'.join(silent) if silent else ''}"
            )
        for folder in sorted(lab.folder.glob("careof-*")):
            print(f"-- careof at {folder.name.removeprefix('careof-')}", flush=True)
            careof_cli(folder, "status")


def careof_cli(folder, *arguments):
    """The careof command on the interpreter of the router; its exit status."""
    command = [MICROPYTHON, "-m", "careof.status.cli", "--run", folder, *arguments]
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"}
    return subprocess.run([str(part) for part in command], env=environment).returncode


def shell(options):
    lab, node = node_of(options)
    command = options.command or [os.environ.get("SHELL", "/bin/sh")]
    os.environ["PS1"] = f"{node}# "
    os.environ["CAREOF_RUN"] = str(lab.folder / f"careof-{end_at(lab, node)}")
    become(lab.inside(node, *command))


def end_at(lab, node):
    """Whose careof is spoken of in this node."""
    ends = {agent.node: agent.name for agent in AGENTS.values()} if lab.kind == VisitedLab.kind else {}
    return {"ha": "ha", **ends}.get(node, MOVER[lab.kind])


def capture(options):
    lab, node = node_of(options)
    become(lab.inside(node, *(options.command or CAPTURE)))


def become(command):
    os.execvp(command[0], command)


def move(options):
    lab = chosen(options.lab)
    if lab.kind == VisitedLab.kind and options.to in lab.links:
        (lab.slip if options.unseen else lab.plug)(options.device, options.to)
        return
    raise SystemExit(careof_cli(lab.folder / f"careof-{MOVER[lab.kind]}", "move", options.to))


def fault(options):
    getattr(chosen(options.lab).uplinks[options.uplink], options.what)()


def down(options):
    """End the holders that `up` left, and remove what nobody holds."""
    for lab_id in [options.lab] if options.lab else remains.labs():
        owner = remains.owner_of(lab_id)
        if owner is None:
            continue
        if "hold" not in Path(f"/proc/{owner}/cmdline").read_text().split("\0"):
            print(f"lab {lab_id} belongs to process {owner}, which is not of `lab up`: left alone")
            continue
        os.kill(owner, signal.SIGTERM)
        wait_until(lambda known=lab_id: known not in remains.labs(), DOWN_PATIENCE_S, f"lab {lab_id} down")
        print(f"lab {lab_id} is down")
    for lab_id in remains.sweep():
        print(f"lab {lab_id}: its remainders are removed")


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev lab", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)

    def command(function, *positional):
        one = commands.add_parser(function.__name__)
        one.set_defaults(run=function)
        one.add_argument("--lab", metavar="ID")
        for name, more in positional:
            one.add_argument(name, **more)

    kind = ("kind", {"choices": KINDS, "nargs": "?", "default": Lab.kind})
    uplink = ("uplink", {"choices": [node for node in NODES if node in ("wan", "wwan", "lte")]})
    node, rest = ("node", {}), ("command", {"nargs": "*"})
    for function in (status, down):
        command(function)
    command(up, kind)
    command(hold, ("descriptor", {"type": int}), kind)
    command(shell, node, rest)
    command(capture, node, rest)
    device = ("--device", {"choices": DEVICES, "default": DEVICES[0]})
    command(move, ("to", {}), device, ("--unseen", {"action": "store_true"}))
    command(fault, uplink, ("what", {"choices": FAULTS}))
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    try:
        options.run(options)
    except (CommandFailed, TimeoutError, OSError) as e:
        raise SystemExit(f"lab: {e}") from e


if __name__ == "__main__":
    main(sys.argv[1:])

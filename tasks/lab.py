"""./dev lab ...: the demo's topology, or a laptop's away from home, to explore by hand; and its scenarios."""

import os

from invoke import task

from .build import compile_kind
from .demo import become

WHICH = {"lab": "id of the lab, where several stand"}


def _lab(*words, lab=None):
    if os.geteuid() != 0:
        raise SystemExit("lab: needs root for its namespaces")
    become("lab.keep", words[0], *(["--lab", lab] if lab else []), *words[1:])


@task(help={"visited": "a laptop between a home link and visited branches, in place of a branch that moves"})
def up(_, visited=False):
    """Build everything and leave a lab standing, with careof at every end."""
    compile_kind("release")
    _lab("up", "visited" if visited else "branch")


@task(
    help={
        "json": "write the rows there",
        "only": "scenarios with this in their names",
    }
)
def scenarios(_, json=None, only=None):
    """A laptop away from home: each delivery, encapsulation, move, failure; status 0 only if all passed."""
    if os.geteuid() != 0:
        raise SystemExit("lab: needs root for its namespaces")
    compile_kind("release")
    options = ["--json", json] if json else []
    become("lab.scenarios", *options, *(["--only", only] if only else []))


@task(default=True)
def status(_):
    """The labs that stand, their uplinks, and what careof says at both ends."""
    _lab("status")


@task(help=WHICH)
def shell(_, node, lab=None):
    """A shell in a node: laptop, branch, wan, wwan, lte, internet, ha, intranet; `lab status` names more."""
    _lab("shell", node, lab=lab)


@task(help=WHICH)
def capture(_, node, lab=None):
    """tcpdump in a node, on all its devices."""
    _lab("capture", node, lab=lab)


@task(
    help={
        **WHICH,
        "to": "wan, wwan or lte; of a laptop away from home: home, a, b, c, or its device to be used",
        "device": "the laptop's that is plugged in there: eth0 or wlan0",
        "unseen": "its link says nothing",
    }
)
def move(_, to, lab=None, device="eth0", unseen=False):
    """Have careof move to an uplink; or the laptop plugged in elsewhere."""
    _lab("move", to, "--device", device, *(["--unseen"] if unseen else []), lab=lab)


@task(help={**WHICH, "what": "unplug, plug, silence, speak or rebind"})
def fault(_, uplink, what, lab=None):
    """Do something to an uplink: its cable, its silence, its NAT."""
    _lab("fault", uplink, what, lab=lab)


@task(help=WHICH)
def down(_, lab=None):
    """Remove the lab, and what is left of any that nobody holds."""
    _lab("down", lab=lab)

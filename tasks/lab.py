"""./dev lab ...: the demo's topology to explore by hand."""

import os

from invoke import task

from .build import compile_kind
from .demo import become

WHICH = {"lab": "id of the lab, where several stand"}


def _lab(*words, lab=None):
    if os.geteuid() != 0:
        raise SystemExit("lab: needs root for its namespaces")
    become("lab.keep", words[0], *(["--lab", lab] if lab else []), *words[1:])


@task
def up(_):
    """Build everything and leave a lab standing, with careof at both ends."""
    compile_kind("release")
    _lab("up")


@task(default=True)
def status(_):
    """The labs that stand, their uplinks, and what careof says at both ends."""
    _lab("status")


@task(help=WHICH)
def shell(_, node, lab=None):
    """A shell in a node: laptop, branch, wan, wwan, lte, internet, ha or intranet."""
    _lab("shell", node, lab=lab)


@task(help=WHICH)
def capture(_, node, lab=None):
    """tcpdump in a node, on all its devices."""
    _lab("capture", node, lab=lab)


@task(help=WHICH)
def move(_, uplink, lab=None):
    """Have careof move to an uplink: wan, wwan or lte."""
    _lab("move", uplink, lab=lab)


@task(help={**WHICH, "what": "unplug, plug, silence, speak or rebind"})
def fault(_, uplink, what, lab=None):
    """Do something to an uplink: its cable, its silence, its NAT."""
    _lab("fault", uplink, what, lab=lab)


@task(help=WHICH)
def down(_, lab=None):
    """Remove the lab, and what is left of any that nobody holds."""
    _lab("down", lab=lab)

"""./dev bench ...: figures, side by side in one run. Speed is measured here and never asserted in tests."""

import subprocess
import sys

from invoke import task

from .build import compile_kind
from .common import ROOT


def _run(script, *arguments):
    sys.exit(subprocess.run([sys.executable, ROOT / "tests/bench" / script, *arguments]).returncode)


@task(help={"json": "write the rows there", "rounds": "rounds of every subject", "seconds": "of each figure"})
def tunnel(_, json=None, rounds=3, seconds=3):
    """TCP and UDP through both ends: plain routing, careof, wireguard-go, OpenVPN."""
    compile_kind("release")
    extra = ["--json", json] if json else []
    _run("tunnel.py", "--rounds", str(rounds), "--seconds", str(seconds), *extra)


@task(help={"json": "write the rows there", "rounds": "rounds of every subject", "seconds": "of each figure"})
def agent(_, json=None, rounds=3, seconds=3):
    """Registrations of home and foreign agents, on both interpreters and as processes; a restart."""
    compile_kind("release")
    extra = ["--json", json] if json else []
    _run("agent.py", "--rounds", str(rounds), "--seconds", str(seconds), *extra)


@task(help={"json": "write the rows there"})
def keyd(_, json=None):
    """Memory of careof-keyd with many keys, and questions and values a second, with either library."""
    compile_kind("release")
    _run("keyd.py", *(["--json", json] if json else []))

"""./dev demo: live sessions over every change of uplink, in namespaces on this machine."""

import os
import sys

from invoke import task

from .build import compile_kind
from .common import ROOT


def become(module, *arguments):
    """Run a module of the lab in this process's place: Ctrl-C and the exit status are its own."""
    path = ":".join(str(ROOT / part) for part in ("tests", "firmware"))
    os.environ["PYTHONPATH"] = path
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


@task(
    help={
        "without": "the same over plain NAT failover: what a user has today",
        "json": "write what was measured there",
        "report": "the report page (default build/demo/report.html)",
        "keep": "leave the lab standing until Ctrl-C",
    }
)
def demo(_, without=False, json=None, report=None, keep=False):
    """Tell the story of a branch office that changes uplinks; status 0 only when all sessions survived."""
    if os.geteuid() != 0:
        raise SystemExit("demo: needs root for its namespaces")
    compile_kind("release")
    options = ["--without"] * without + ["--keep"] * keep
    options += ["--json", json] if json else []
    options += ["--report", report] if report else []
    become("lab.demo", *options)

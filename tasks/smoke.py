"""./dev smoke: both daemons on the hardware that they are for, emulated."""

import subprocess
import sys

from invoke import task

from .build import compile_kind
from .common import ROOT


@task(help={"json": "write the rows there"})
def smoke(_, json=None):
    """Cross-build for MIPS, boot on an emulated 24Kc with 64 MB, register, and pass a download."""
    compile_kind("release")
    extra = ["--json", json] if json else []
    sys.exit(subprocess.run([sys.executable, ROOT / "tests/hil/smoke.py", *extra]).returncode)

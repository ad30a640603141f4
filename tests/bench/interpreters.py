"""What careofd's figures are taken on: the interpreters that it would run on.

CPython is the distribution's, if that is new enough: it is what a data centre has, and may well be built
with other optimisations than the one that runs the tasks.
"""

import subprocess
import sys
from pathlib import Path

DISTRIBUTION = "/usr/bin/python3"
OLDEST = (3, 11)
MICROPYTHON = str(Path(sys.executable).with_name("micropython"))


def _version(python):
    done = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:3])"], capture_output=True, text=True
    )
    return tuple(int(word) for word in done.stdout.split())


def _cpython():
    if Path(DISTRIBUTION).exists() and _version(DISTRIBUTION) >= OLDEST:
        return DISTRIBUTION
    return sys.executable


CPYTHON = _cpython()
VERSIONS = {"CPython": "CPython " + ".".join(map(str, _version(CPYTHON))) + f" ({CPYTHON})"}

"""What every part of a cross-build uses: where things are put, and commands whose words go to a log."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from ..common import BUILD

HERE = Path(__file__).resolve().parent
WORK = BUILD / "cross"  # what is made on the way
# What zig makes of itself (libc), which depends on no folder, and what it makes of our sources
ZIG_CACHE, OUR_CACHE = WORK / "zig", WORK / "zig-ours"
JOBS = "-j2"
OPTIMIZE = "-Os"  # said at the link too: without it zig adds its runtime as for debugging, 400 KB more
DATE = "0"  # of everything that would say when it was built


class Failed(Exception):
    """A step that did not end well; str() says which, and where its words are."""


def environment():
    """For tools that should see neither the user's caches nor the repository that the build folder is in."""
    return {
        **os.environ,
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": DATE,
        "ZIG_GLOBAL_CACHE_DIR": str(ZIG_CACHE),
        "ZIG_LOCAL_CACHE_DIR": str(OUR_CACHE),
        "GIT_CEILING_DIRECTORIES": str(BUILD),
    }


def run(log, *command, cwd=None, env=None):
    """Run a command, its output to a file. Raises Failed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    with open(log, "w") as file:
        done = subprocess.run(
            words, cwd=cwd, env={**environment(), **(env or {})}, stdout=file, stderr=subprocess.STDOUT
        )
    if done.returncode:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
        raise Failed(
            f"{Path(words[0]).name} ended with {done.returncode}; its last words (all in {log}):\n{last}"
        )


class Zig:
    """zig's compiler and archiver for a target, as programs that any build system can call."""

    def __init__(self, target):
        folder = WORK / target.triple
        folder.mkdir(parents=True, exist_ok=True)
        python = shlex.quote(sys.executable)
        zigcc = shlex.quote(str(HERE / "zigcc.py"))
        self.cc = _script(folder / "cc", f'exec {python} {zigcc} {target.triple} {target.cpu} "$@"')
        self.ar = _script(folder / "ar", f'exec {python} -m ziglang ar "$@"')
        self.environment = {}


def _script(path, line):
    text = f"#!/bin/sh\n{line}\n"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        path.chmod(0o755)
    return path

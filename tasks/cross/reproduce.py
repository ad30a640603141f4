"""A target built again from a copy of the tree in another folder, and compared octet by octet.

Shared with the first build are the archives of others' sources and what zig makes of its own libc, which
depend on neither commit nor folder; nothing that is made of the tree is. MicroPython is made of the former
alone and takes the longest: it is built again only where that is asked for.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..common import BUILD, ROOT
from . import targets
from .tools import WORK, ZIG_CACHE, Failed, environment


def differences(target, made, with_micropython=False):
    """Names of the files that are not the same, or not there, in one of the two. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix="careof-another-folder-") as folder:
        copy = Path(folder) / "of" / "another" / "length"
        _copy_tree(copy)
        shared = [
            (BUILD / "sources", "build/sources"),
            (ZIG_CACHE, "build/cross/zig"),
            (ROOT / ".venv", ".venv"),
        ]
        if not with_micropython:
            home = WORK / target.triple
            shared += [(path, path.relative_to(ROOT)) for path in home.glob("micropython-*") if path.is_dir()]
        for source, name in shared:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).symlink_to(source)
        command = [sys.executable, "-m", "tasks.cross.reproduce", target.triple]
        done = subprocess.run(command, cwd=copy, env=environment(), capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"the build in another folder: {done.stderr.strip()[-2000:]}")
        other = json.loads(done.stdout)
    names = sorted(set(made["files"]) | set(other))
    return [name for name in names if made["files"].get(name, {}).get("sha256") != other.get(name)]


def _copy_tree(copy):
    """What git has and would have, as it is now."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)


def main(triple):
    """In the copy: build, and say the digest of each file."""
    from . import build

    made = build.target(targets.find(triple), lambda _: None)
    print(json.dumps({name: file["sha256"] for name, file in made["files"].items()}))


if __name__ == "__main__":
    main(sys.argv[1])

"""Packages of Debian for another architecture, by this machine's apt and its sources, but not its state.

apt is given lists and a cache of its own, so nothing here changes what this machine has installed or may
install, and what it fetches is believed as any package is: by the archive's signature.
"""

import os
import shutil
import subprocess
from pathlib import Path


class Refused(Exception):
    """apt could not do it; str() says what it said last."""


class Packages:
    """Those of one architecture; everything is kept in `folder`."""

    def __init__(self, folder, architecture):
        self._folder = Path(folder)
        settings = {
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "root",
            "Dir::State": self._folder / "state",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": self._folder / "cache",
        }
        self._options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        self._listed = False

    def unpack(self, name, target):
        """The files of a package, or of the one that a package of no files stands for, below `target`."""
        if target.exists():
            return
        self._update()
        for line in self._apt("apt-cache", "depends", "--important", name).splitlines():
            kind, _, needed = line.strip().partition(": ")
            if kind == "Depends" and needed.startswith("linux-image-"):
                name = needed
        unpacking = target.with_suffix(".new")
        shutil.rmtree(unpacking, ignore_errors=True)
        unpacking.mkdir(parents=True)
        self._apt("apt-get", "download", name, cwd=unpacking)
        (archive,) = unpacking.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, unpacking], check=True)
        archive.unlink()
        unpacking.rename(target)

    def _update(self):
        if not self._listed:
            for name in ("state/lists/partial", "cache/archives/partial"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            self._apt("apt-get", "update")
            self._listed = True

    def _apt(self, program, *words, cwd=None):
        environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        command = [program, "-q", *self._options, *words]
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise Refused(f"{program} {' '.join(words)}: {last}")
        return done.stdout

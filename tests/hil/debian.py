"""Packages of Debian for another architecture, without touching this machine's own apt.

They are believed only by the chain of the archive's signature: InRelease (gpgv) -> Packages.xz -> package."""

import hashlib
import lzma
import subprocess
import urllib.request
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Archive:
    """One suite and architecture; everything is kept in `cache`."""

    def __init__(self, cache, suite, architecture):
        self.cache, self.suite, self.architecture = Path(cache), suite, architecture
        self.cache.mkdir(parents=True, exist_ok=True)
        self._index = None

    def package(self, prefix):
        """Path of the .deb of the package with that name, or the first whose name begins with it and fits."""
        index = self._packages()
        name = (
            prefix
            if prefix in index
            else min(n for n in index if n.startswith(prefix) and n.endswith(SUFFIX))
        )
        entry = index[name]
        return self._fetch(entry["Filename"], entry["SHA256"])

    def unpack(self, prefix, target):
        """Unpack a package's files below `target`."""
        subprocess.run(["dpkg-deb", "-x", self.package(prefix), target], check=True)

    def _packages(self):
        if self._index is None:
            listed = f"main/binary-{self.architecture}/Packages.xz"
            path = self._fetch(f"dists/{self.suite}/{listed}", self._sums()[listed])
            self._index = {}
            for paragraph in lzma.decompress(path.read_bytes()).decode().split("\n\n"):
                fields = dict(
                    line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " "
                )
                if "Package" in fields:
                    self._index[fields["Package"]] = fields
        return self._index

    def _sums(self):
        """{path: SHA256} of the signed release file."""
        path = self.cache / f"{self.suite}-InRelease"
        if not path.exists():
            path.write_bytes(urllib.request.urlopen(f"{MIRROR}/dists/{self.suite}/InRelease").read())
        subprocess.run(["gpgv", "--quiet", "--keyring", KEYRING, path], check=True, capture_output=True)
        _, _, sums = path.read_text().partition("\nSHA256:\n")
        rows = [line.split() for line in sums.splitlines() if line.startswith(" ")]
        return {name: digest for digest, _, name in rows}

    def _fetch(self, name, digest):
        path = self.cache / digest[:16] / Path(name).name
        if not path.exists():
            data = urllib.request.urlopen(f"{MIRROR}/{name}").read()
            if hashlib.sha256(data).hexdigest() != digest:
                raise RuntimeError(f"{name}: not what the archive signed")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        return path


SUFFIX = "-4kc-malta"  # of kernels for the emulated board

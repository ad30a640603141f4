"""Sources of MicroPython and Mbed TLS: Debian's source packages, by this machine's apt and its archive.

apt is given lists and a cache of its own below build/, so nothing of this machine's apt changes; what it
fetches is believed as any package is, by the archive's signature, and compared with sources.toml.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tomllib
from collections import namedtuple
from pathlib import Path

from ..common import BUILD

PINS = Path(__file__).with_name("sources.toml")
FOLDER = BUILD / "sources"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Where it was unpacked, which version, the archive's digest, and whether that is the one of sources.toml
Source = namedtuple("Source", "name folder version sha256 pinned")


class Unavailable(Exception):
    """A source that this machine cannot have; str() says what apt said last."""


def get(name):
    """A source, unpacked. Raises Unavailable."""
    pin = tomllib.loads(PINS.read_text())[name]
    kept = sorted((FOLDER / "archives" / name / pin["version"]).glob("*.orig.tar.*"))
    archive = kept[0] if kept else _fetch(name, pin)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    folder = FOLDER / f"{name}-{digest[:12]}"
    if not folder.exists():
        _unpack(archive, folder)
    return Source(name, folder, archive.parent.name, digest, digest == pin["sha256"])


def _fetch(name, pin):
    options = _apt_for(pin["release"])
    target = FOLDER / "archives" / name
    version = pin["version"]
    try:
        return _download(options, target, pin["package"], version)
    except Unavailable:
        # Debian has another by now: what there is, is better than nothing, and told.
        said = _apt(options, "apt-cache", "showsrc", "--only-source", pin["package"])
        versions = [line.split()[1] for line in said.splitlines() if line.startswith("Version: ")]
        if not versions or version in versions:
            raise
        return _download(options, target, pin["package"], versions[-1])


def _download(options, target, package, version):
    folder = target / version
    fetching = target / f"{version}.new"
    shutil.rmtree(fetching, ignore_errors=True)
    fetching.mkdir(parents=True)
    command = ("apt-get", "source", "--download-only", "--tar-only", f"{package}={version}")
    try:
        _apt(options, *command, cwd=fetching)
    except Unavailable:
        shutil.rmtree(fetching)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    fetching.rename(folder)
    found = sorted(folder.glob("*.orig.tar.*"))
    if not found:
        raise Unavailable(f"{package} {version}: apt fetched no original archive")
    return found[0]


def _apt_for(release):
    """apt's options for the source packages of a release, with lists of their own, which are fetched once."""
    home = FOLDER / f"apt-{release}"
    sources = home / "sources.list"
    options = []
    for setting, value in {
        "APT::Sandbox::User": "root",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": home / "state",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": home / "cache",
    }.items():
        options += ["-o", f"{setting}={value}"]
    for name in ("state/lists/partial", "cache/archives/partial"):
        (home / name).mkdir(parents=True, exist_ok=True)
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    sources.write_text(f"deb-src {signed}{_debian()} {release} main\n")
    if not any((home / "state/lists").glob("*Sources*")):
        _apt(options, "apt-get", "update")
    return options


def _debian():
    """Where this machine has Debian from."""
    said = _apt(
        [], "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"
    )
    for uri in said.split():
        if uri.rstrip("/").endswith("/debian"):
            return uri
    raise Unavailable("apt on this machine knows no archive of Debian")


def _apt(options, program, *words, cwd=None):
    if not shutil.which(program):
        raise Unavailable(f"no {program} on this machine: sources come as Debian's packages")
    environment = {**os.environ, "LC_ALL": "C"}
    command = [program, "-q", *options, *words] if options else [program, *words]
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise Unavailable(f"{program} {' '.join(words)}: {last}")
    return done.stdout


def _unpack(archive, folder):
    unpacking = folder.with_suffix(".new")
    shutil.rmtree(unpacking, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(unpacking, filter="data")
    tops = list(unpacking.iterdir())
    (tops[0] if len(tops) == 1 else unpacking).rename(folder)
    shutil.rmtree(unpacking, ignore_errors=True)

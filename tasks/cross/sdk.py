"""An OpenWrt SDK in place of zig: its compiler, its flags, its Mbed TLS; what is built is for that release.

What is read of it: `.config` (which packages it makes, CONFIG_TARGET_ARCH_PACKAGES, and how it compiles,
CONFIG_TARGET_OPTIMIZATION), `staging_dir/toolchain-*/bin` and `staging_dir/target-*`, and which MicroPython
its feeds have: what that one reads is what the byte code is compared with.
"""

import re
from collections import namedtuple
from pathlib import Path

from . import micropython, native, targets
from .tools import Failed

# Its folder, the target that it is for, compiler and archiver, environment, flags, where Mbed TLS is, and the
# MicroPython of its feeds or None
Sdk = namedtuple("Sdk", "folder target cc ar environment flags include library micropython")


def find(folder):
    """The Sdk in a folder. Raises Failed with what is not there."""
    folder = Path(folder).resolve()
    config = folder / ".config"
    if not config.is_file():
        raise Failed(f"--sdk {folder}: no .config in it; expected the folder of an OpenWrt SDK")
    settings = dict(re.findall(r'^(CONFIG_\w+)="(.*)"$', config.read_text(), re.MULTILINE))
    arch = settings.get("CONFIG_TARGET_ARCH_PACKAGES")
    if not arch:
        raise Failed(f"{config}: no CONFIG_TARGET_ARCH_PACKAGES; expected what OpenWrt calls the processor")
    try:
        target = targets.find(arch)
    except targets.UnknownTarget as e:
        raise Failed(f"{config}: {e}") from None
    staging = folder / "staging_dir"
    cc = _one(staging, "toolchain-*/bin/*-openwrt-linux*-gcc", "make toolchain/install, or take a whole SDK")
    ar = _one(
        staging, "toolchain-*/bin/*-openwrt-linux*-gcc-ar", "make toolchain/install, or take a whole SDK"
    )
    header = _one(
        staging,
        "target-*/usr/include/mbedtls/md.h",
        "scripts/feeds install mbedtls; make package/mbedtls/compile",
    )
    usr = header.parents[2]
    flags = tuple(settings.get("CONFIG_TARGET_OPTIMIZATION", "-Os").split())
    environment = {"STAGING_DIR": str(staging)}
    return Sdk(folder, target, cc, ar, environment, flags, usr / "include", usr / "lib", _micropython(folder))


def _one(staging, pattern, cure):
    found = sorted(staging.glob(pattern))
    # The compiler has its name twice: with the C library's in it, and without.
    if not found:
        raise Failed(f"{staging}: no {pattern}; {cure}")
    return found[0]


def _micropython(folder):
    for makefile in sorted(folder.glob("feeds/*/lang/**/micropython/Makefile")):
        found = re.search(r"^PKG_VERSION:=(.+)$", makefile.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return None


def kind(sdk):
    return native.Kind(
        "sdk",
        (*sdk.flags, f"-I{sdk.include}"),
        ("-s", f"-L{sdk.library}"),
        False,
    )


def byte_code(sdk):
    """What its MicroPython reads, or None if it has none. Raises Failed for one that is too old."""
    return micropython.byte_code_of(sdk.micropython) if sdk.micropython else None

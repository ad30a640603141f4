"""The C processes for a target: Meson with a cross file, twice. All static, and with what a router has anyway
(musl, Mbed TLS) shared; and once more with an OpenWrt SDK, where one is given."""

import shutil
from collections import namedtuple

from ..common import BIN, ROOT
from .tools import JOBS, OPTIMIZE, WORK, run

CROSS_FILE = """[binaries]
c = '{c}'
ar = '{ar}'
{wrapper}[host_machine]
system = 'linux'
cpu_family = '{family}'
cpu = '{cpu}'
endian = '{endian}'
[properties]
needs_exe_wrapper = true
[built-in options]
c_args = {c_args}
c_link_args = {link_args}
"""
PROGRAMS = {
    "careof-tunneld": "native/tunneld/careof-tunneld",
    "careof-keyd": "native/keyd/careof-keyd",
}

# A kind of build: its name, arguments of the compiler and of the linker, whether the tests are built too
Kind = namedtuple("Kind", "name c_args link_args tests")


def static(library):
    return Kind(
        "static",
        ("-ffunction-sections", f"-I{library.include}"),
        ("-static", "-s", OPTIMIZE, "-Wl,--gc-sections", f"-L{library.static}"),
        True,
    )


def shared(library):
    return Kind(
        "shared",
        ("-ffunction-sections", "-fPIE", f"-I{library.include}"),
        # Position-independent: else libc's variables would be copied, and zig's stand-in for libc does not
        # say how they are aligned.
        ("-dynamic", "-pie", "-s", OPTIMIZE, "-Wl,--gc-sections", f"-L{library.shared}"),
        False,
    )


def where(target, kind="static"):
    """Where a kind is built, laid out as the source is."""
    return WORK / target.triple / kind


def build(target, tools, kind):
    """The folder where it was built, laid out as the source is; `meson test` there runs the tests where the
    emulator of the target's programs is. Raises Failed."""
    home = WORK / target.triple
    folder, file = where(target, kind.name), home / f"{kind.name}.ini"
    emulated = kind.tests and shutil.which(target.emulator)  # which has no libraries to share
    wanted = CROSS_FILE.format(
        c=tools.cc,
        ar=tools.ar,
        wrapper=f"exe_wrapper = '{target.emulator}'\n" if emulated else "",
        family=target.family,
        cpu=target.cpu,
        endian=target.endian,
        c_args=list(kind.c_args),
        link_args=list(kind.link_args),
    )
    if not (folder / "build.ninja").exists() or not file.exists() or file.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        file.write_text(wanted)
        options = (
            "-Dbuildtype=release",
            "-Doptimization=s",
            "-Dcrypto=mbedtls",
            f"-Dtests={str(kind.tests).lower()}",
        )
        log = home / f"{kind.name}-setup.log"
        run(log, BIN / "meson", "setup", *options, "--cross-file", file, folder, ROOT, env=tools.environment)
    run(home / f"{kind.name}.log", BIN / "meson", "compile", JOBS, "-C", folder, env=tools.environment)
    return folder

"""The C processes for a target: Meson with a cross file, twice. All static, and with what a router has anyway
(musl, Mbed TLS) shared; and once more with an OpenWrt SDK, where one is given."""

import shutil
from collections import namedtuple

from ..common import BIN, ROOT
from .tools import JOBS, OPTIMIZE, WORK, run

CROSS_FILE = """[binaries]
c = '{c}'
ar = '{ar}'
[host_machine]
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
        ("-ffunction-sections", f"-I{library.include}"),
        ("-dynamic", "-s", OPTIMIZE, "-Wl,--gc-sections", f"-L{library.shared}"),
        False,
    )


def build(target, tools, kind):
    """The folder where it was built, laid out as the source is. Raises Failed."""
    home = WORK / target.triple
    folder, file = home / kind.name, home / f"{kind.name}.ini"
    wanted = CROSS_FILE.format(
        c=tools.cc,
        ar=tools.ar,
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

"""What was built for routers, beside what others built: run by ./dev test --only cross, after its build.

A compiler that is laid out as an OpenWrt SDK has it (it is zig's: no SDK was at hand), and Debian's musl, a
shared one, which zig has not.
"""

import os
import shutil
import subprocess

import pytest

from tasks.cross import build, native, outputs, sdk, targets, tools
from tests.hil import debian

TARGET = targets.find("mips_24kc")


def manifest():
    try:
        return outputs.manifest(TARGET.triple)
    except outputs.NotBuilt as e:
        pytest.skip(str(e))


@pytest.fixture
def like_an_sdk(tmp_path):
    """A folder laid out as an SDK is, with the compiler and the Mbed TLS of the build before."""
    manifest()
    (library,) = (tools.WORK / TARGET.triple).glob("mbedtls-*[0-9a-f]")
    folder = tmp_path / "openwrt-sdk"
    usr = folder / "staging_dir/target-mips_24kc_musl/usr"
    shutil.copytree(library / "include", usr / "include")
    shutil.copytree(library / "shared", usr / "lib", symlinks=True)
    programs = folder / "staging_dir/toolchain-mips_24kc_gcc-14.3.0_musl/bin"
    programs.mkdir(parents=True)
    for name, words in (("gcc", 'cc" -dynamic -fPIC'), ("gcc-ar", 'ar"')):
        program = programs / f"mips-openwrt-linux-musl-{name}"
        # As the compiler of an SDK does, it wants to know where the SDK's folder is.
        program.write_text(
            f'#!/bin/sh\n: "${{STAGING_DIR:?}}"\nexec "{tools.WORK / TARGET.triple}/{words} "$@"\n'
        )
        program.chmod(0o755)
    feed = folder / "feeds/packages/lang/python/micropython"
    feed.mkdir(parents=True)
    (feed / "Makefile").write_text("PKG_NAME:=micropython\nPKG_VERSION:=1.26.1\n")
    (folder / ".config").write_text(
        'CONFIG_TARGET_ARCH_PACKAGES="mips_24kc"\nCONFIG_TARGET_OPTIMIZATION="-Os -pipe -mips32r2"\n'
    )
    return folder


def test_an_sdk_builds_both_processes_for_the_routers_own_libraries(like_an_sdk):
    made = build.with_sdk(sdk.find(like_an_sdk), lambda _: None)
    assert made["micropython"] == {"version": "1.26.1"} and made["byte_code"] == 6
    assert made["sdk"]["compiler"] == "mips-openwrt-linux-musl-gcc"
    assert {name for name in made["files"] if not name.startswith("lib/")} == {
        *("shared/careof-tunneld", "shared/careof-keyd")
    }
    said = subprocess.run(
        ["readelf", "-hd", outputs.file(TARGET.triple, "shared/careof-keyd", sdk=True)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "big endian" in said and "MIPS R3000" in said
    assert "[libmbedcrypto.so.16]" in said and "[libc.so]" in said


def test_what_shares_its_libraries_runs_with_a_musl_that_others_built(tmp_path):
    """For 64-bit ARM: Debian's musl for MIPS wants an FPU, and an emulator refuses to join the two."""
    target = targets.find("aarch64_generic")
    try:
        version = outputs.manifest(target.triple)["version"]
    except outputs.NotBuilt as e:
        pytest.skip(str(e))
    root = tmp_path / "root"
    try:
        debian.Packages(tmp_path / "debian", "arm64").unpack("musl", root)
    except debian.Refused as e:
        pytest.skip(f"needs {e}")
    (library,) = (tools.WORK / target.triple).glob("mbedtls-*[0-9a-f]")
    for program in native.PROGRAMS:
        done = subprocess.run(
            [target.emulator, "-L", root, outputs.file(target.triple, f"shared/{program}"), "--version"],
            env={**os.environ, "LD_LIBRARY_PATH": str(library / "shared")},
            capture_output=True,
            text=True,
        )
        assert done.stdout.split() == [program, version], done.stderr

"""OpenWrt's own userland, built from the archives among the peers, to run beside our packages and scripts."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import peers

BIN = peers.ROOT / ".venv/bin"
# libudebug is a project of its own: a ring buffer for debugging, which nobody needs to run these.
UDEBUG = """#include <libubox/udebug.h>
#include <libubus.h>
struct udebug_ubus { int nothing; };
struct udebug_ubus_ring {
    struct udebug_buf *buf;
    const struct udebug_buf_meta *meta;
    unsigned int default_entries, default_size;
};
#define udebug_ubus_init(...) ((void)0)
#define udebug_ubus_free(...) ((void)0)
#define udebug_ubus_ring_init(...) ((void)0)
#define udebug_ubus_apply_config(...) ((void)0)
#define udebug_netlink_msg(...) ((void)0)
"""
# What Debian's kernel headers, glibc and libnl lack, and these use.
OLDER = """#pragma once
#define ETHTOOL_A_C33_PSE_ADMIN_STATE 2
#define ETHTOOL_A_C33_PSE_ADMIN_CONTROL 3
#define ETHTOOL_A_C33_PSE_PW_D_STATUS 4
#define ETHTOOL_A_C33_PSE_PW_CLASS 4
#define ETHTOOL_A_C33_PSE_ACTUAL_PW 4
#define ETHTOOL_A_C33_PSE_AVAIL_PW_LIMIT 4
#define ETHTOOL_C33_PSE_ADMIN_STATE_DISABLED 902
#define ETHTOOL_C33_PSE_ADMIN_STATE_ENABLED 903
#define ETHTOOL_C33_PSE_PW_D_STATUS_DISABLED 902
#define ETHTOOL_C33_PSE_PW_D_STATUS_SEARCHING 903
#define ETHTOOL_C33_PSE_PW_D_STATUS_DELIVERING 904
#define ETHTOOL_C33_PSE_PW_D_STATUS_TEST 905
#define ETHTOOL_C33_PSE_PW_D_STATUS_FAULT 906
#define ETHTOOL_C33_PSE_PW_D_STATUS_OTHERFAULT 907
#define nl_socket_set_tx_debug_cb(...) ((void)0)
#define nl_socket_set_rx_debug_cb(...) ((void)0)
static inline unsigned long strlcpy(char *to, const char *from, unsigned long size)
{
    unsigned long length = __builtin_strlen(from), some = length < size ? length : size - 1;
    if (size) {
        __builtin_memcpy(to, from, some);
        to[some] = 0;
    }
    return length;
}
"""


def _home(name, archives, recipe=""):
    """(folder, {archive: path}): one for these very sources. Raises Missing."""
    found = {one: peers.archive(one) for one in archives}
    made_of = "".join(digest for _, digest in found.values()) + recipe
    folder = peers.BUILD / f"{name}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    return folder, {one: path for one, (path, _) in found.items()}


def _run(log, *command, **more):
    with open(log, "a") as file:
        done = subprocess.run(list(map(str, command)), stdout=file, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: see {log}")


def _fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder / "log"


def apk():
    """Path of `apk` 3, as OpenWrt has from 25.12. Raises Missing."""
    folder, archives = _home("apk", ["apk-tools"])
    binary = folder / "build/src/apk"
    if not binary.exists():
        log = _fresh(folder)
        peers.unpack(archives["apk-tools"], folder / "source")
        off = [f"-D{what}=disabled" for what in ("lua", "python", "docs", "help")]
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
        setup = [BIN / "meson", "setup", *off, folder / "build", folder / "source"]
        _run(log, *setup, "--default-library=static", env=environment)
        _run(log, BIN / "meson", "compile", "-C", folder / "build", env=environment)
    return binary


def _cmake(name, source, prefix, log, *options, target=None):
    """Build one in its own folder (procd and netifd run scripts of theirs there) and install it."""
    link = f"-L{prefix}/lib -Wl,-rpath,{prefix}/lib -Wl,-rpath-link,{prefix}/lib"
    flags = f"-I{prefix}/include -w -Wno-error -I/usr/include/libnl3"
    if name in ("procd", "netifd"):
        flags += f" -include {prefix}/include/older.h"
    command = ["cmake", "-S", source, "-B", source, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={BIN / 'ninja'}"]
    command += [
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_C_FLAGS={flags}",
    ]
    command += [f"-DCMAKE_EXE_LINKER_FLAGS={link}", f"-DCMAKE_SHARED_LINKER_FLAGS={link}", *options]
    _run(log, *command)
    _run(log, "cmake", "--build", source, *(["--target", target] if target else []))
    if target is None:
        _run(log, "cmake", "--install", source)


def opkg():
    """Path of `opkg`, as OpenWrt has to 24.10. Raises Missing."""
    folder, archives = _home("opkg", ["libubox", "opkg-lede"])
    binary = folder / "opkg-lede/src/opkg-cl"
    if not binary.exists():
        log, prefix = _fresh(folder), folder / "prefix"
        for name, path in archives.items():
            peers.unpack(path, folder / name)
        _cmake("libubox", folder / "libubox", prefix, log, "-DBUILD_LUA=OFF", "-DBUILD_EXAMPLES=OFF")
        _cmake("opkg-lede", folder / "opkg-lede", prefix, log, target="opkg-cl")
    return binary


# As OpenWrt's package micropython-mbedtls: with hashlib.md5 and cryptolib, without FFI.
MICROPYTHON_OPTIONS = (
    *("MICROPY_PY_FFI=0", "MICROPY_PY_BTREE=0", "MICROPY_SSL_AXTLS=0", "MICROPY_STANDALONE=1"),
    *("MICROPY_PY_SSL=1", "MICROPY_SSL_MBEDTLS=1", "FROZEN_MANIFEST="),
)


def micropython():
    """Path of a MicroPython that is one program, for this machine. Raises Missing."""
    folder, archives = _home("micropython", ["micropython", "mbedtls-3.6.6"], repr(MICROPYTHON_OPTIONS))
    binary = folder / "build/micropython"
    if not binary.exists():
        log, source = _fresh(folder), folder / "source"
        peers.unpack(archives["micropython"], source)
        shutil.rmtree(source / "lib/mbedtls", ignore_errors=True)
        peers.unpack(archives["mbedtls-3.6.6"], source / "lib/mbedtls")
        make = ("make", "-j2", "-C", source / "ports/unix", f"BUILD={binary.parent}")
        _run(log, *make, *MICROPYTHON_OPTIONS)
    return binary


ROUTER = ("libubox", "uci", "ubus", "ucode", "rpcd", "procd", "netifd")
OPTIONS = {
    "libubox": ("-DBUILD_LUA=OFF", "-DBUILD_EXAMPLES=OFF"),
    "uci": ("-DBUILD_LUA=OFF",),
    "ubus": ("-DBUILD_LUA=OFF", "-DBUILD_EXAMPLES=OFF"),
    "ucode": ("-DNL80211_SUPPORT=OFF", "-DRTNL_SUPPORT=OFF"),
    "rpcd": ("-DIWINFO_SUPPORT=OFF", "-DRPCSYS_SUPPORT=OFF", "-DUCODE_SUPPORT=OFF"),
    "procd": ("-DJAIL_SUPPORT=1",),
    "netifd": ("-DLIBNL_LIBS=nl-3;nl-genl-3",),
}


def router():
    """Folder with bin, sbin, lib and share of ubus, uci, procd, netifd and rpcd. Raises Missing."""
    folder, archives = _home("router", ROUTER, repr(OPTIONS) + UDEBUG + OLDER)
    prefix = folder / "prefix"
    if not (folder / "done").exists():
        log = _fresh(folder)
        (prefix / "include").mkdir(parents=True)
        (prefix / "include/udebug.h").write_text(f"#pragma once\n{UDEBUG}")
        (prefix / "include/older.h").write_text(OLDER)
        for name, path in archives.items():
            peers.unpack(path, folder / name)
            udebug = (f"-Dudebug_include_dir={prefix}/include", f"-Dudebug={prefix}/lib/libubox.so")
            more = udebug if name in ("procd", "netifd") else ()
            _cmake(name, folder / name, prefix, log, *OPTIONS[name], *more)
        shutil.copytree(folder / "netifd/scripts", prefix / "share/netifd")
        (folder / "done").touch()
    return prefix

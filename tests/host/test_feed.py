"""The feed's Makefile beside packages.toml: what the SDK would make is what `./dev package` makes.

OpenWrt's rules are replaced by ones that print what they are told, and run the recipes of installation.
"""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tasks import package as packages
from tasks.common import BUILD, ROOT

FIELDS = ("TITLE", "DEPENDS", "USERID", "PKGARCH", "SECTION")
RULES = """
INSTALL_DIR = install -d -m0755
INSTALL_BIN = install -m0755
CP = cp -fpR
define newline


endef
define BuildPackage
$(eval $(Package/$(1)))
$(foreach field,{fields},$(info $(1).$(field)=$($(field))))
$(foreach field,{fields},$(eval $(field):=))
$(info $(1).conffiles=$(strip $(subst $(newline), ,$(Package/$(1)/conffiles))))
install-$(1):
	mkdir -p $(OUT)/$(1)
	$$(call Package/$(1)/install,$(OUT)/$(1))
.PHONY: install-$(1)
all: install-$(1)
endef
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(what the Makefile says of each package, folder of what it installs)"""
    folder = tmp_path_factory.mktemp("feed")
    rules = RULES.replace("{fields}", " ".join(FIELDS))
    (folder / "rules.mk").write_text("all:\n")
    (folder / "package.mk").write_text(rules)
    (folder / "meson.mk").write_text("$(info cpe=$(PKG_CPE_ID) $(PKG_VERSION)-r$(PKG_RELEASE))\n")
    installed = folder / "built/usr/sbin"
    installed.mkdir(parents=True)
    for name in ("tunneld", "keyd"):
        (installed / f"careof-{name}").write_bytes((BUILD / f"native/{name}/careof-{name}").read_bytes())
    said = subprocess.run(
        [
            *("make", "-s", "-C", packages.FEED, f"TOPDIR={folder}", f"INCLUDE_DIR={folder}"),
            *(f"OUT={folder}/out", f"PKG_INSTALL_DIR={folder}/built"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "MAKEFLAGS": ""},
    )
    assert said.returncode == 0, said.stderr
    rows = dict(line.split("=", 1) for line in said.stdout.splitlines() if re.match(r"[\w.-]+=", line))
    return rows, folder / "out"


def test_the_feed_says_what_the_table_says(made):
    said, _ = made
    table = packages.table()
    assert said["cpe"] == f"{table['common']['cpe_id']} {packages.version()}"
    assert {name.split(".")[0] for name in said if "." in name} == set(table["package"])
    for name, row in table["package"].items():
        depends = row["depends"] + row.get("depends_of_shared", [])
        assert said[f"{name}.TITLE"] == row["title"]
        assert said[f"{name}.SECTION"] == table["common"]["section"]
        assert said[f"{name}.DEPENDS"].split() == [f"+{other}" for other in depends], name
        assert said[f"{name}.USERID"].split() == [f"{user}:{user}" for user in row.get("users", [])]
        assert said[f"{name}.PKGARCH"] == ("" if "program" in row else "all")
        assert said[f"{name}.conffiles"].split() == row.get("conffiles", [])


def test_the_feed_installs_what_we_pack(made, tmp_path):
    _, out = made
    table = packages.table()
    for name, row in table["package"].items():
        folder = tmp_path / name
        packages.staged(name, row, table["common"], packages.of_this_machine(), folder, True)
        assert files(out / name) == files(folder), name


def files(folder):
    """{path: may it be run?}"""
    return {
        str(path.relative_to(folder)): os.access(path, os.X_OK)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_one_version_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, pattern in (
        ("meson.build", r"version: '([\d.]+)'"),
        ("firmware/careof/version.py", r'VERSION = "([\d.]+)"'),
        ("firmware/careof/manifest.py", r'version="([\d.]+)"'),
        ("packaging/openwrt/careof/Makefile", r"PKG_VERSION:=([\d.]+)"),
    ):
        assert re.search(pattern, (ROOT / name).read_text())[1] == version, name


@pytest.mark.parametrize("name", ["careof-tunneld", "careof-keyd", "careof"])
def test_each_program_says_its_version(name, tmp_path):
    """The feed's test.sh is run for each package with its version."""
    firmware = ROOT / "firmware"
    (tmp_path / "careof").write_text(
        f'#!/bin/sh\nMICROPYPATH={firmware}:.frozen exec micropython -m careof.status.cli "$@"\n'
    )
    (tmp_path / "careof").chmod(0o755)
    where = [tmp_path, BUILD / "native/tunneld", BUILD / "native/keyd", *os.environ["PATH"].split(":")]
    environment = {**os.environ, "PATH": ":".join(map(str, where))}
    version = packages.version().split("-")[0]
    test = [packages.FEED / "test.sh", name]
    done = subprocess.run([*test, version], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([*test, "9.9.9"], env=environment, capture_output=True).returncode == 1


def test_the_list_of_what_is_kept_has_every_conffile():
    kept = [
        line
        for path in Path(packages.FEED / "files").glob("*/lib/upgrade/keep.d/*")
        for line in path.read_text().split()
    ]
    for row in packages.table()["package"].values():
        for name in row.get("conffiles", []):
            assert any(name == one or (one.endswith("/") and name.startswith(one)) for one in kept), name

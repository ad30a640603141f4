"""Each folder of firmware/ is a package as micropython-lib has them: installed by its manifest, it imports.

The functions of a manifest are those that MicroPython documents (reference/manifest.html); what it names is
copied to an empty folder, and a stock MicroPython that sees nothing else imports every module of it.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
PACKAGES = sorted(path.parent for path in FIRMWARE.glob("*/manifest.py"))
CPYTHON_ONLY = {"cryptolib.openssl"}


class Installer:
    """Runs a manifest.py and copies what it names."""

    def __init__(self, folder, target):
        self.folder, self.target = folder, target
        self.described = {}
        names = {
            "metadata": self.metadata,
            "package": self.package,
            "module": self.module,
            "require": self.require,
        }
        exec(compile((folder / "manifest.py").read_text(), folder / "manifest.py", "exec"), names)

    def metadata(self, **described):
        self.described.update(described)

    def package(self, name, files=None, base_path=".", opt=None):
        source = self.folder / base_path / name
        for path in sorted(source.rglob("*.py")):
            if path.name != "manifest.py" and (files is None or str(path.relative_to(source)) in files):
                copy = self.target / name / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)

    def module(self, name, base_path=".", opt=None):
        shutil.copy(self.folder / base_path / name, self.target / name)

    def require(self, name, **_):
        Installer(FIRMWARE / name, self.target)


def modules(target):
    for path in sorted(target.rglob("*.py")):
        parts = path.relative_to(target).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in CPYTHON_ONLY:
            yield name


def micropython(target, program):
    environment = {**os.environ, "MICROPYPATH": f"{target}:.frozen"}
    return subprocess.run(
        ["micropython", "-c", program], cwd=target, env=environment, capture_output=True, text=True
    )


def test_every_folder_is_a_package():
    assert {path.name for path in PACKAGES} == {path.name for path in FIRMWARE.iterdir() if path.is_dir()}


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_installed_alone_it_imports(folder, tmp_path):
    described = Installer(folder, tmp_path).described
    assert described["version"] and described["description"] and described["license"] == "Apache-2.0"
    names = list(modules(tmp_path))
    assert folder.name in names
    for name in names:
        done = micropython(tmp_path, f"import {name}")
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"


def test_what_is_not_installed_does_not_import(tmp_path):
    assert micropython(tmp_path, "import careof.main").returncode != 0


def test_micropythons_own_cryptolib_is_what_is_used(tmp_path):
    Installer(FIRMWARE / "cryptolib", tmp_path)
    program = (
        "import cryptolib, ucryptolib; assert cryptolib.aes is ucryptolib.aes; print(cryptolib.MODE_CBC)"
    )
    assert micropython(tmp_path, program).stdout.strip() == "2"

"""What a cross-build says of what it made, and how it refuses what does not fit: all but the compilers."""

import io
import json
import os
import subprocess
import sys
import tarfile

import pytest

from tasks.cross import byte_code, mbedtls, micropython, outputs, sdk, sources, targets, tools

MIPS = targets.find("mips_24kc")
BUDGET = {"careof_shared_kb": 400, "careof_static_kb": 700, "micropython_kb": 600}


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A target's outputs, of files that are no programs."""
    monkeypatch.setattr(outputs, "FOLDER", tmp_path / "targets")
    programs = {
        name: put(tmp_path / "made" / name, os.urandom(size))
        for name, size in {
            "bin/careof-tunneld": 3000,
            "bin/careof-keyd": 2000,
            "bin/micropython": 9000,
            "shared/careof-tunneld": 1500,
            "shared/careof-keyd": 1000,
        }.items()
    }
    put(tmp_path / "lib/careof/main.mpy", b"M\x06\x00\x1f" + bytes(5000))
    outputs.publish(MIPS, programs, tmp_path / "lib", {"byte_code": 6})
    return tmp_path


def test_outputs_are_where_they_are_said_to_be_and_the_manifest_names_each(published):
    made = outputs.manifest(MIPS.triple)
    folder = outputs.folder(MIPS.triple)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {*made["files"], outputs.MANIFEST}
    assert "lib/careof/main.mpy" in made["files"]
    sums = "".join(f"{file['sha256']}  {name}\n" for name, file in made["files"].items())
    checked = subprocess.run(["sha256sum", "--check", "--quiet"], cwd=folder, input=sums, text=True)
    assert checked.returncode == 0
    assert os.access(outputs.file(MIPS.triple, "bin/careof-keyd"), os.X_OK)


def test_what_was_not_built_is_said_with_the_command_that_builds_it(published):
    with pytest.raises(outputs.NotBuilt, match=r"\./dev build --target x86_64-linux-musl$"):
        outputs.manifest("x86_64-linux-musl")
    with pytest.raises(outputs.NotBuilt, match="bin/careof-streamd was not built"):
        outputs.file(MIPS.triple, "bin/careof-streamd")


def test_sizes_are_those_of_files_and_as_gzip_packs_them(published):
    made = outputs.manifest(MIPS.triple)
    packed = subprocess.run(
        ["gzip", "-9", "--no-name", "--stdout", outputs.file(MIPS.triple, "lib/careof/main.mpy")],
        capture_output=True,
        check=True,
    ).stdout
    assert made["parts"]["careofd"]["size"] == 5004
    assert abs(made["parts"]["careofd"]["compressed"] - len(packed)) <= 12  # gzip's head is longer


def test_a_budget_counts_all_parts_of_it_and_one_octet_too_many_is_too_many(published):
    made = outputs.manifest(MIPS.triple)
    shared, static, interpreter = outputs.compare(made, BUDGET)
    assert (shared.budget_kb, static.budget_kb, interpreter.budget_kb) == (400, 700, 600)
    parts = made["parts"]
    whole = sum(parts[part]["compressed"] for part in ("careof-tunneld", "careof-keyd", "careofd"))
    assert static.size_kb == round(whole / 1024, 1)
    assert shared.size_kb < static.size_kb
    parts["careof-keyd"]["compressed"] += 700 << 10
    assert outputs.compare(made, BUDGET)[1].size_kb > 700


def test_a_build_that_fails_leaves_the_one_before(published):
    before = outputs.manifest(MIPS.triple)
    with pytest.raises(FileNotFoundError):
        outputs.publish(MIPS, {"bin/careof-keyd": published / "absent"}, published / "lib", {})
    assert outputs.manifest(MIPS.triple) == before


def test_byte_code_that_the_target_does_not_read_is_refused():
    assert byte_code.check("careof/main.py", b"M\x06\x00\x1f", (6, 3)) == 6
    assert (
        byte_code.check("careof/main.py", b"M\x06\x02\x1f", (6, 3)) == 6
    )  # its sub-version is of native code
    for head, said in (
        (b"M\x05\x00\x1f", "byte code of version 5; the target's MicroPython reads 6.3"),
        (b"M\x07\x00\x1f", "byte code of version 7; the target's MicroPython reads 6.3"),
        (b"M\x06\x04\x1f", "has native code for processor 1; expected byte code alone"),
        (b"M\x06\x00\x3f", "has integers of 63 bits; expected 31"),
        (b"print(1)", "no byte code of MicroPython: it begins with b'print(1)'"),
        (b"M\x06", "no byte code"),
    ):
        with pytest.raises(tools.Failed) as caught:
            byte_code.check("careof/main.py", head, (6, 3))
        assert str(caught.value).startswith(f"careof/main.py: {said}")


def test_which_byte_code_a_release_reads():
    assert micropython.byte_code_of("1.24.1") == (6, 3)
    assert micropython.byte_code_of("1.29.0-preview") == (6, 3)
    for version in ("1.23.0", "1.9", "", "new"):
        with pytest.raises(tools.Failed, match=r"expected a version of 1\.24 or later"):
            micropython.byte_code_of(version)


def test_the_interpreter_of_this_machine_agrees_with_the_table():
    """Both of a stock MicroPython and of the table in its documentation."""
    program = "import sys; print(sys.implementation.version[:2], sys.implementation._mpy & 0xFF)"
    path = os.path.join(os.path.dirname(sys.executable), "micropython")
    said = subprocess.run([path, "-c", program], capture_output=True, text=True, check=True).stdout
    (major, minor), version = eval(said.replace(") ", "), "))
    assert micropython.byte_code_of(f"{major}.{minor}")[0] == version


def test_a_step_that_fails_says_its_last_words_and_where_all_are(tmp_path):
    with pytest.raises(tools.Failed) as caught:
        tools.run(tmp_path / "log", "sh", "-c", "seq 100; exit 3")
    said = str(caught.value)
    assert said.startswith(f"sh ended with 3; its last words (all in {tmp_path}/log):\n91\n92")
    assert (tmp_path / "log").read_text().startswith("1\n2\n")


def archive(path, name, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz") as packed:
        member = tarfile.TarInfo(f"{name}/README")
        member.size = len(text)
        packed.addfile(member, io.BytesIO(text))


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """An apt that has one version of each package; `asked` is what it was asked."""

    class Apt:
        version, asked = "1.25.0+ds-1", []

        def __call__(self, options, program, *words, cwd=None):
            self.asked.append((program, *words))
            if words[0] == "indextargets":
                return "http://security.invalid/debian-security/\nhttp://mirror.invalid/debian/\n"
            if words[0] == "showsrc":
                return f"Package: micropython\nVersion: {self.version}\n" if self.version else ""
            if words[0] == "source":
                if not words[-1].endswith(f"={self.version}"):
                    raise sources.Unavailable("E: Can not find version")
                archive(cwd / "micropython_1.25.0.orig.tar.xz", "micropython", b"it is")
            return ""

    fake = Apt()
    monkeypatch.setattr(sources, "FOLDER", tmp_path / "sources")
    monkeypatch.setattr(sources, "_apt", fake)
    return fake


def test_a_source_is_of_this_machines_archive_and_fetched_once(apt, tmp_path):
    source = sources.get("micropython")
    assert (source.folder / "README").read_text() == "it is"
    assert source.version == "1.25.0+ds-1"
    assert not source.pinned  # the archive of this test is not the one of sources.toml, and that is seen
    listed = (tmp_path / "sources/apt-trixie/sources.list").read_text()
    assert listed.endswith(" http://mirror.invalid/debian/ trixie main\n")
    before = len(apt.asked)
    assert sources.get("micropython") == source
    assert len(apt.asked) == before


def test_where_the_pinned_version_is_gone_the_one_that_is_there_is_taken_and_told(apt):
    apt.version = "1.26.0-1"
    source = sources.get("micropython")
    assert (source.version, source.pinned) == ("1.26.0-1", False)


def test_a_source_that_cannot_be_had_is_said_in_apts_words(apt):
    apt.version = ""
    with pytest.raises(sources.Unavailable, match="Can not find version"):
        sources.get("micropython")


def test_the_mbed_tls_of_keyd_has_what_keyds_backend_asks_for():
    """Every hash of the backend is in the trimmed configuration, and nothing else."""
    backend = (mbedtls.ROOT / "native/crypto/mbedtls.c").read_text()
    asked = {word for word in backend.replace(",", " ").split() if word.startswith("MBEDTLS_MD_")}
    defined = {
        line.split()[1] for line in mbedtls.CONFIG.read_text().splitlines() if line.startswith("#define")
    }
    hashes = {f"MBEDTLS_{name.removeprefix('MBEDTLS_MD_')}_C" for name in asked}
    assert defined == hashes | {"MBEDTLS_MD_C"}


def test_the_compiler_is_called_once_a_source_and_never_for_standard_input(tmp_path):
    """What zigcc.py mends, with a compiler that writes down how it was called."""
    package = tmp_path / "ziglang"
    put(package / "__init__.py", b"")
    said = tmp_path / "said"
    zig = put(
        package / "zig", f'#!/bin/sh\necho "$@" >> {said}\n[ -f "$6" ] && cat "$6" >> {said}\ntrue\n'.encode()
    )
    zig.chmod(0o755)

    def call(*words, given=b""):
        said.unlink(missing_ok=True)
        command = [sys.executable, tools.HERE / "zigcc.py", "mips-linux-musleabi", "mips32r2", *words]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        assert subprocess.run(command, input=given, env=environment).returncode == 0
        return [line for line in said.read_text().splitlines() if line.startswith("cc ")]

    target = "cc -target mips-linux-musleabi -mcpu=mips32r2"
    assert call("-E", "a.c", "-DX", "b.c") == [f"{target} -E -DX a.c", f"{target} -E -DX b.c"]
    assert call("-o", "x", "x.o", "-Wl,-Map=x.map,--cref") == [f"{target} -o x x.o"]
    (line,) = call("-E", "-", given=b"int standard_input;")
    assert line.startswith(f"{target} -E /") and line.endswith(".c")
    assert "int standard_input;" in said.read_text()


def test_the_manifest_is_json_of_one_object(published):
    text = (outputs.folder(MIPS.triple) / outputs.MANIFEST).read_text()
    made = json.loads(text)
    assert {"triple", "openwrt", "version", "commit", "byte_code", "parts", "files"} <= set(made)
    assert made["version"].count(".") == 2


def fake_sdk(folder, compiler="/bin/true", archiver="/bin/true", arch="mips_24kc", micropython="1.26.1"):
    """Laid out as OpenWrt's are, as far as anything is read of one."""
    config = f'CONFIG_TARGET_ARCH_PACKAGES="{arch}"\nCONFIG_TARGET_OPTIMIZATION="-Os -pipe"\nCONFIG_ALL=y\n'
    put(folder / ".config", config.encode())
    tools_folder = folder / "staging_dir/toolchain-mips_24kc_gcc-14.3.0_musl/bin"
    for name, path in (("gcc", compiler), ("gcc-ar", archiver)):
        put(
            tools_folder / f"mips-openwrt-linux-musl-{name}", f'#!/bin/sh\nexec {path} "$@"\n'.encode()
        ).chmod(0o755)
    put(folder / "staging_dir/target-mips_24kc_musl/usr/include/mbedtls/md.h", b"")
    makefile = f"PKG_NAME:=micropython\nPKG_VERSION:={micropython}\n"
    put(folder / "feeds/packages/lang/python/micropython/Makefile", makefile.encode())
    return folder


def test_what_an_sdk_says_of_itself_is_used(tmp_path):
    found = sdk.find(fake_sdk(tmp_path))
    assert found.target is MIPS
    assert (
        found.cc.name == "mips-openwrt-linux-musl-gcc" and found.ar.name == "mips-openwrt-linux-musl-gcc-ar"
    )
    assert found.flags == ("-Os", "-pipe")
    assert found.environment == {"STAGING_DIR": str(tmp_path / "staging_dir")}
    assert (found.include / "mbedtls/md.h").exists()
    assert found.micropython == "1.26.1" and sdk.byte_code(found) == (6, 3)


def test_what_an_sdk_lacks_is_said_with_what_to_do(tmp_path):
    def said(folder):
        with pytest.raises(tools.Failed) as caught:
            sdk.byte_code(sdk.find(folder))
        return str(caught.value)

    assert "no .config in it; expected the folder of an OpenWrt SDK" in said(tmp_path)
    assert "target 'riscv64_generic': expected one of mips-" in said(
        fake_sdk(tmp_path / "1", arch="riscv64_generic")
    )
    assert "expected a version of 1.24 or later" in said(fake_sdk(tmp_path / "2", micropython="1.19.1"))
    without = fake_sdk(tmp_path / "3")
    next(without.glob("staging_dir/target-*/usr/include/mbedtls/md.h")).unlink()
    assert "make package/mbedtls/compile" in said(without)
    without = fake_sdk(tmp_path / "4")
    next(without.glob("staging_dir/toolchain-*/bin/*-gcc")).unlink()
    assert "take a whole SDK" in said(without)
    (tmp_path / "5").mkdir()
    put(tmp_path / "5/.config", b"CONFIG_ALL=y\n")
    assert "no CONFIG_TARGET_ARCH_PACKAGES" in said(tmp_path / "5")

"""Our packages on a router: installed, upgraded and removed by the real opkg and apk, in a root of its own.

opkg update && opkg install careof-mobile-router careof-keyd        (.ipk, to OpenWrt 24.10)
apk update && apk add careof-mobile-router careof-keyd              (.apk, from 25.12)
"""

import gzip
import os
import subprocess
from pathlib import Path

import openwrt
import peers
import pytest
from router import ROOT, Router

from tasks import package as packages
from tasks import package_formats as formats
from tasks.cross import outputs, targets

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a router of its own")
BUILT = packages.of_this_machine()
ARCHITECTURE = BUILT.architecture
ELSEWHERE = ("micropython-mbedtls", "kmod-tun", "snmpd")  # packages of others that ours depend on
WANTED = ("careof-mobile-router", "careof-keyd")
MINE = "# mine\nconfig globals 'globals'\n\toption log_level 'debug'\n"


def feed(target, version):
    """A folder of signed packages of ours in that version, and stand-ins of others'."""
    packages.version, real = (lambda: version), packages.version
    try:
        made = packages.make(BUILT, target, source=True, keys=target.parent / "keys")
    finally:
        packages.version = real
    others = []
    for name in ELSEWHERE:
        folder = target / "others" / name
        (folder / "usr/share/others").mkdir(parents=True)
        (folder / "usr/share/others" / name).write_text(name)
        row = {"title": name, "depends": [], "program": None}
        other = packages.Package(
            *(name, "1-r1", row["title"], [], "MIT", "nobody", "base", "", "all", [], [], folder, {}, {})
        )
        others.append(other)
    return made, others


@pytest.fixture(scope="module")
def feeds(tmp_path_factory):
    try:
        apk, _ = openwrt.apk(), openwrt.opkg()
    except peers.Missing as e:
        pytest.skip(str(e))
    folder = tmp_path_factory.mktemp("feeds")
    keys = folder / "keys"
    for version in ("0.1.0-r1", "0.1.0-r2"):
        _, others = feed(folder / version, version)
        ipks = folder / version / "others.ipk"
        apks = folder / version / "others.apk"
        ipks.mkdir(), apks.mkdir()
        index = formats.ipk_index([formats.ipk(other, ipks) for other in others], others, ipks)
        formats.usign(index, formats.usign_keys(keys)[0])
        secret, _ = formats.apk_keys(keys)
        formats.apk_index([formats.apk(other, apks, apk, secret) for other in others], apks, apk, secret)
    return folder


class Opkg:
    """opkg with usign's checks on, done by signify; feeds are folders."""

    def __init__(self, router, feeds):
        self.router, self.feeds = router, feeds
        binary = openwrt.opkg()
        router.path("/usr/bin/opkg").symlink_to(binary)
        router.write(
            "/usr/sbin/opkg-key",
            f'#!/bin/sh\nzcat "$3" | signify-openbsd -V -q -p {feeds}/keys/key-build.pub -x "$2" -m -\n',
            0o755,
        )
        self.use("0.1.0-r1")

    def use(self, version):
        place = self.feeds / version
        self.router.write(
            "/etc/opkg.conf",
            "dest root /\nlists_dir ext /var/opkg-lists\noption check_signature\n"
            f"arch all 1\narch {ARCHITECTURE} 10\n"
            f"src/gz careof file://{place}/ipk\nsrc/gz base file://{place}/others.ipk\n",
        )
        self("update")

    def __call__(self, *words, check=True):
        return self.router.run("opkg", "-f", "/etc/opkg.conf", *words, check=check)

    def install(self, *names, check=True):
        return self("install", *names, check=check)

    def upgrade(self):
        return self("upgrade", "careof", "careof-tunneld", *WANTED)

    def remove(self, *names):
        return self("remove", *names)

    def installed(self):
        rows = [line.split(" - ") for line in self("list-installed").stdout.splitlines()]
        return dict(rows)

    def damage(self):
        """The index is another one than was signed."""
        path = self.feeds / "0.1.0-r2/ipk/Packages.gz"
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\n"))

    def refuses(self):
        return "careof-tunneld" not in self("list").stdout


class Apk:
    def __init__(self, router, feeds):
        self.router, self.feeds = router, feeds
        router.path("/sbin/apk").symlink_to(openwrt.apk())
        router.write("/etc/apk/keys/careof.pem", (feeds / "keys/public-key.pem").read_text())
        router.write("/etc/apk/arch", f"{ARCHITECTURE}\n")
        router.write("/etc/apk/world", "")
        router.write("/etc/apk/repositories", "")
        self("add", "--initdb")
        self.use("0.1.0-r1")

    def use(self, version):
        place = self.feeds / version
        self.router.write(
            "/etc/apk/repositories", f"{place}/apk/packages.adb\n{place}/others.apk/packages.adb\n"
        )
        self("update")

    def __call__(self, *words, check=True):
        return self.router.run("apk", "--no-cache", *words, check=check)

    def install(self, *names, check=True):
        return self("add", *names, check=check)

    def upgrade(self):
        return self("upgrade")

    def remove(self, *names):
        return self("del", *names)

    def installed(self):
        rows = [line.split()[0] for line in self("list", "--installed").stdout.splitlines()]
        return {row.rsplit("-", 2)[0]: "-".join(row.rsplit("-", 2)[1:]) for row in rows}

    def damage(self):
        path = self.feeds / "0.1.0-r2/apk/packages.adb"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))

    def refuses(self):
        return "careof-tunneld" not in self("list").stdout


@pytest.fixture(params=[Opkg, Apk], ids=["opkg", "apk"])
def manager(request, feeds):
    router = Router()
    try:
        router.base_files()
        yield request.param(router, feeds)
    finally:
        router.close()


def mode_of(path):
    return oct(path.stat().st_mode & 0o7777)


def test_installed_upgraded_and_removed(manager):
    router = manager.router
    manager.install(*WANTED)
    installed = manager.installed()
    assert installed["careof"] == "0.1.0-r1" and {"careof-tunneld", "kmod-tun"} <= set(installed)
    assert "careof-home-agent" not in installed

    # Users are there, the configuration is for root and careofd, the service is enabled.
    users = [line.split(":")[0] for line in router.path("/etc/passwd").read_text().splitlines()]
    assert {"careof", "careof-tunneld", "careof-keyd"} <= set(users)
    assert mode_of(router.path("/etc/config/careof")) == "0o640"
    assert router.shell("stat -c %U:%G /etc/config/careof").strip() == "root:careof"
    assert router.path("/etc/rc.d/S21careof").is_symlink()
    assert not router.path("/etc/uci-defaults/50-careof").exists()

    # What was installed runs as it lies there.
    said = router.run("careof", "status", check=False)
    assert said.returncode == 3 and "careofd does not answer at /var/run/careof/status.sock" in said.stderr
    assert "usage: careof-tunneld" in router.run("careof-tunneld", check=False).stderr
    assert "usage: careof-keyd" in router.run("careof-keyd", check=False).stderr

    # An upgrade keeps what a human configured, and keys.
    router.write("/etc/config/careof", MINE)
    router.write("/etc/careof/keyd/keys", "# keys\n", 0o600)
    manager.use("0.1.0-r2")
    manager.upgrade()
    installed = manager.installed()
    assert {installed[name] for name in ("careof", "careof-tunneld", *WANTED)} == {"0.1.0-r2"}
    assert router.path("/etc/config/careof").read_text() == MINE
    assert router.path("/etc/careof/keyd/keys").read_text() == "# keys\n"
    assert router.path("/etc/rc.d/S21careof").is_symlink()
    log = router.path("/run/log/packages").read_text()
    assert "postinst careof upgrade=0" in log and "postinst careof upgrade=1" in log

    # Both are on the list of what an upgrade of the system keeps.
    kept = "".join(path.read_text() for path in router.path("/lib/upgrade/keep.d").glob("careof*"))
    assert "/etc/config/careof\n" in kept and "/etc/careof/" in kept

    # Removed, nothing of it is left but what a human wrote.
    manager.remove(*WANTED, *(("careof", "careof-tunneld") if isinstance(manager, Opkg) else ()))
    assert not [name for name in manager.installed() if name.startswith("careof")]
    assert not router.path("/etc/rc.d/S21careof").is_symlink()
    assert not [path for path in router.path("/usr/lib/careof").rglob("*") if path.is_file()]
    for gone in (
        "/usr/sbin/careof-tunneld",
        "/usr/bin/careof",
        "/lib/netifd/proto/careof.sh",
    ):
        assert not router.path(gone).exists(), gone
    assert router.path("/etc/config/careof").read_text() == MINE


def test_a_feed_that_was_changed_is_not_trusted(manager):
    manager.use("0.1.0-r2")
    assert not manager.refuses()
    index = list(manager.feeds.glob("0.1.0-r2/*/Packages.gz")) + list(manager.feeds.glob("0.1.0-r2/*/*.adb"))
    before = {path: path.read_bytes() for path in index}
    try:
        manager.damage()
        manager.use("0.1.0-r2")
        assert manager.refuses()
        assert manager.install("careof-tunneld", check=False).returncode != 0
    finally:
        for path, data in before.items():
            path.write_bytes(data)


@pytest.mark.parametrize("role", ["home-agent", "foreign-agent", "mobile-router"])
def test_a_role_alone_is_enough(role, tmp_path):
    """What a role imports is in its package or in careof's."""
    rows = packages.table()["package"]
    for name in ("careof", f"careof-{role}"):
        packages.put_firmware(rows[name], tmp_path, source=True)
    module = role.replace("-", "_")
    command = ["micropython", "-c", f"import careof.main, careof.agent.{module}.role"]
    environment = {**os.environ, "MICROPYPATH": f"{tmp_path}/{packages.LIBRARY}:.frozen"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_role_that_is_not_installed_is_named(tmp_path):
    packages.put_firmware(packages.table()["package"]["careof"], tmp_path, source=True)
    config = tmp_path / "careof"
    config.write_text((ROOT / "packaging/examples/branch").read_text())
    command = ["micropython", "-m", "careof.main", "--config", config, "--run", tmp_path / "run"]
    (tmp_path / "run").mkdir()
    environment = {**os.environ, "MICROPYPATH": f"{tmp_path}/{packages.LIBRARY}:.frozen"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3
    assert "config mobile_router: this role is not installed (careof-mobile-router)" in done.stderr


def test_every_module_is_in_one_package():
    rows = packages.table()["package"].values()
    found = [name for row in rows for name in packages.firmware_files(row)]
    wanted = [str(path.relative_to(ROOT / "firmware")) for path in (ROOT / "firmware/careof").rglob("*.py")]
    assert sorted(found) == sorted(name for name in wanted if Path(name).name != "manifest.py")


def test_the_same_content_gives_the_same_octets(tmp_path):
    keys = tmp_path / "keys"
    made = []
    for name in ("one", "two"):
        packages.make(BUILT, tmp_path / name, keys=keys, only=("careof", "careof-tunneld"))
        made.append({path.name: path.read_bytes() for path in sorted((tmp_path / name / "ipk").iterdir())})
    assert made[0] == made[1]


def test_what_was_built_for_a_router_is_packed_under_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "FOLDER", tmp_path / "targets")
    mips = targets.find("mipsel_24kc")
    with pytest.raises(SystemExit, match=r"was not built: \./dev build --target mipsel-linux-musleabi"):
        packages.of_target("mipsel_24kc")
    with pytest.raises(SystemExit, match=r"target 'vax': expected one of mips-linux-musleabi, "):
        packages.of_target("vax")
    programs = {}
    for place in ("bin", "shared"):
        for name in ("careof-tunneld", "careof-keyd"):
            programs[f"{place}/{name}"] = tmp_path / f"{place}-{name}"
            programs[f"{place}/{name}"].write_text(f"{place} {name}")
    for name in packages.firmware_files(packages.table()["package"]["careof"]):
        path = (tmp_path / "lib" / name).with_suffix(".mpy")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"M\x06\x00\x1f")
    outputs.publish(mips, programs, tmp_path / "lib", {})
    monkeypatch.setattr(packages, "apk_binary", lambda: None)
    with pytest.raises(SystemExit, match="another tree was built; build it again"):
        packages.make(packages.of_target("mipsel_24kc"), tmp_path / "no", only=("careof-snmp",))
    for shared, place in ((False, "bin"), (True, "shared")):
        built = packages.of_target("mipsel_74kc", shared)
        only = ("careof", "careof-keyd")
        made = packages.make(built, tmp_path / place / "out", keys=tmp_path / "keys", only=only)["ipk"]
        assert [path.name.split("_", 2)[2] for path in made] == ["all.ipk", "mipsel_74kc.ipk"]
        unpack = f"tar -xzOf {made[1]} ./data.tar.gz | tar -xzO ./usr/sbin/careof-keyd"
        assert subprocess.check_output(unpack, shell=True, text=True) == f"{place} careof-keyd"
        index = (tmp_path / place / "out/ipk/Packages").read_text()
        assert ("Depends: libmbedtls\n" in index) == shared
        assert (
            "careof/main.mpy"
            in subprocess.run(
                f"tar -xzOf {made[0]} ./data.tar.gz | tar -tz", shell=True, capture_output=True, text=True
            ).stdout
        )

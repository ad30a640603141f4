"""The units for plain Debian: checked by systemd-analyze, and run by a systemd of their own.

A machine of its own (tests/host/router.py) whose first process is systemd: up0 192.0.2.2 ---- out0 192.0.2.1,
a home agent. careof runs there on Debian's own Python.
"""

import json
import re
import shutil
import subprocess

import pytest
from careof_office import BRANCH, HOME_ADDRESS
from router import OF_DEBIAN, ROOT, Router
from test_router_services import Home
from tunneld_process import cannot_run

from tasks import package as packages
from tasks.common import BUILD

pytestmark = pytest.mark.skipif(
    cannot_run() is not None or not shutil.which("systemd-analyze"), reason="needs root, a TUN and systemd"
)
UNITS = sorted((ROOT / "packaging/systemd").glob("*.service"))
EXPOSURE_MAX = {"careofd": 1.5, "careof-keyd": 4.0, "careof-tunneld": 5.5}


@pytest.fixture(scope="module")
def machine():
    machine = Router(OF_DEBIAN)
    try:
        for name in ("careof", "cryptolib"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "firmware" / name, machine.path(f"/usr/lib/careof/{name}"), ignore=ignore)
        for name in ("tunneld", "keyd"):
            shutil.copy(BUILD / f"native/{name}/careof-{name}", machine.path("/usr/sbin"))
        shutil.copy(packages.FEED / "files/careof/usr/bin/careof", machine.path("/usr/bin"))
        getty = "usr/libexec/careof/getty"
        machine.path("/usr/libexec/careof").mkdir(exist_ok=True)
        shutil.copy(packages.FEED / "files/careof" / getty, machine.path(f"/{getty}"))
        for unit in UNITS:
            shutil.copy(unit, machine.path("/etc/systemd/system"))
        users = machine.path("/usr/lib/sysusers.d/careof.conf")
        shutil.copy(ROOT / "packaging/systemd/careof.sysusers", users)
        machine.write("/etc/default/careof", "CAREOF_PYTHON=/usr/bin/python3\nPYTHONPATH=/usr/lib/careof\n")
        machine.write(
            "/etc/config/careof", f"config globals 'globals'\n\toption key_provider 'keyd'\n{BRANCH}"
        )
        machine.wait(
            "systemd", lambda: machine.run("systemctl", "is-system-running", check=False).returncode == 0
        )
        machine.run("systemd-sysusers")
        yield machine
    finally:
        machine.close()


@pytest.fixture
def home(machine):
    home = Home(machine)
    machine.shell("ip addr add 192.0.2.2/24 dev up0; ip link set up0 up; ip route add default via 192.0.2.1")
    machine.run("systemctl", "start", "careof-keyd", "careofd")
    try:
        machine.wait("a path that carries", lambda: carrying(machine))
        yield home
    finally:
        machine.run("systemctl", "stop", "careofd", "careof-tunneld", "careof-keyd", check=False)
        home.remove()


def status_of(machine):
    done = machine.run("env", "CAREOF_PYTHON=/usr/bin/python3", "careof", "--json", "status", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def carrying(machine):
    status = status_of(machine)
    return status is not None and status["roles"][0]["state"] == "connected"


def property_of(machine, unit, name):
    return machine.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()


def test_the_units_are_right(machine):
    done = machine.run(
        "systemd-analyze", "verify", "--man=no", *[f"/etc/systemd/system/{u.name}" for u in UNITS]
    )
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("name", EXPOSURE_MAX)
def test_each_is_confined(name):
    unit = ROOT / f"packaging/systemd/{name}.service"
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert float(exposure[1]) <= EXPOSURE_MAX[name]


def test_all_three_run_and_carry(machine, home):
    assert (
        machine.run("ping", "-c", "2", "-W", "3", "-I", HOME_ADDRESS, "10.78.0.2", check=False).returncode
        == 0
    )
    assert status_of(machine)["keys"] == "up"
    processes = [line.split(None, 1) for line in machine.shell("ps -eo user:20,args").splitlines()]
    for words, users in (
        ("-m careof.main", {"careof"}),
        ("/usr/sbin/careof-keyd", {"careof-keyd"}),
        ("/usr/sbin/careof-tunneld", {"careof-tunneld", "root"}),  # root: the helper, which parses nothing
    ):
        assert {user for user, command in processes if words in command} == users
    status = machine.path(f"/proc/{property_of(machine, 'careofd', 'MainPID')}/status").read_text()
    assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status


@pytest.mark.parametrize("unit", ["careofd", "careof-tunneld", "careof-keyd"])
def test_each_is_there_again_after_a_crash(machine, home, unit):
    before = property_of(machine, unit, "MainPID")
    machine.run("systemctl", "kill", "--signal=KILL", unit)
    machine.wait("another process", lambda: property_of(machine, unit, "MainPID") not in ("0", before))
    machine.wait("a path that carries", lambda: carrying(machine))


def test_a_configuration_on_trial_is_taken_back_before_careofd_starts(machine, home):
    path, marker = machine.path("/etc/config/careof"), machine.path("/etc/config/.careof.unconfirmed")
    before = path.read_text()
    marker.write_text(before)
    path.write_text(before.replace("'up0'", "'nowhere0'"))
    machine.run("systemctl", "restart", "careofd")  # of this boot nobody knows a deadline
    assert path.read_text() == before and not marker.exists()
    machine.wait("a path that carries", lambda: carrying(machine))


def test_reload_changes_what_changed(machine, home):
    before = property_of(machine, "careofd", "MainPID")
    path = machine.path("/etc/config/careof")
    path.write_text(path.read_text().replace("option preference '10'", "option preference '77'"))
    machine.run("systemctl", "reload", "careofd")
    assert status_of(machine)["roles"][0]["uplinks"][0]["preference"] == 77
    assert property_of(machine, "careofd", "MainPID") == before


def test_stopping_takes_leave_of_the_home_agent(machine, home):
    assert home.bindings() == 1
    machine.run("systemctl", "stop", "careofd")
    assert home.bindings() == 0


LINK = """Connected to 02:00:5e:10:00:01 (on up0)
	SSID: Cafe Zentral
	freq: 2437
"""
MODEMS = "modem-list.length   : 1\nmodem-list.value[1] : /org/freedesktop/ModemManager1/Modem/0\n"
MODEM = """modem.generic.ports.length    : 2
modem.generic.ports.value[1]  : cdc-wdm0 (qmi)
modem.generic.ports.value[2]  : up0 (net)
modem.generic.bearers.length   : 1
modem.generic.bearers.value[1] : /org/freedesktop/ModemManager1/Bearer/3
"""
BEARER = "bearer.properties.apn      : internet.example\nbearer.properties.roaming  : allowed\n"


def test_what_an_uplink_is_attached_to_is_told(machine, home):
    machine.write("/usr/sbin/iw", f"#!/bin/sh\n[ \"$*\" = 'dev up0 link' ] && printf '%s' '{LINK}'\n", 0o755)
    answers = {"-K -L": MODEMS, "-K -m 0": MODEM, "-K -b 3": BEARER}
    cases = "".join(f"'{said}') printf '%s' '{answer}' ;;\n" for said, answer in answers.items())
    machine.write("/usr/bin/mmcli", f'#!/bin/sh\ncase "$*" in\n{cases}*) exit 1 ;;\nesac\n', 0o755)
    machine.write("/usr/bin/facts", (ROOT / "packaging/systemd/uplink-facts").read_text(), 0o755)
    machine.run("facts", "up0", "pre-down")
    assert status_of(machine)["networks"] == {}
    machine.run("facts", "up0", "up")
    told = status_of(machine)["networks"]["up0"]
    assert told["facts"] == {
        "gateway_mac": json.loads(home.namespace.ip("-j", "link", "show", "out0"))[0]["address"],
        "ssid": "Cafe Zentral",
        "bssid": "02:00:5e:10:00:01",
        "apn": "internet.example",
        "bearer": "3",
    }
    assert told["network"] == "apn internet.example"

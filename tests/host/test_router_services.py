"""careof on a router: under the real procd, as an interface of the real netifd, on the bus by the real rpcd.

router of its own (tests/host/router.py): up0 192.0.2.2 ---- out0 192.0.2.1: a home agent, 10.78.0.2
"""

import json
import shutil

import openwrt
import peers
import pytest
from careof_office import AGENT, BRANCH, HOME_ADDRESS, End
from namespaces import Namespace, run
from router import Router
from tunneld_process import cannot_run

from tasks import package as packages

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
INSTALLED = ("careof", "careof-mobile-router", "careof-home-agent", "careof-tunneld", "careof-keyd")
NETWORK = """config interface 'office'
	option proto 'careof'
	option router 'branch'

config interface 'wan'
	option proto 'static'
	option device 'up0'
	option ipaddr '192.0.2.2'
	option netmask '255.255.255.0'
	option gateway '192.0.2.1'
"""


# What tunneld's helper may: chown, dac_override, kill, setgid, setuid, setpcap, net_bind_service, net_admin,
# net_raw
MAY = sum(1 << number for number in (0, 1, 5, 6, 7, 8, 10, 12, 13))


class Home:
    """The other end of the cable."""

    def __init__(self, router):
        self.namespace = Namespace("home")
        run(
            "ip",
            "link",
            "add",
            "up0",
            "netns",
            router.pid,
            "type",
            "veth",
            "peer",
            "out0",
            "netns",
            self.namespace.name,
        )
        self.namespace.ip("link", "set", "out0", "up")
        self.namespace.ip("addr", "add", "192.0.2.1/24", "dev", "out0")
        self.namespace.ip("addr", "add", "10.78.0.2/32", "dev", "lo")
        self.agent = End(self.namespace, AGENT, "CPython")

    def bindings(self):
        status = self.agent.status()
        return None if status is None else status["bindings"]

    def remove(self):
        self.agent.remove()
        self.namespace.remove()


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The files of our packages, as they are installed."""
    folder, table = tmp_path_factory.mktemp("packed"), packages.table()
    for name in INSTALLED:
        row = table["package"][name]
        packages.staged(name, row, table["common"], packages.of_this_machine(), folder / name, True)
    return folder


@pytest.fixture
def router(packed):
    router = Router()
    try:
        try:
            router.base_files()
        except peers.Missing as e:
            pytest.skip(str(e))
        for name in INSTALLED:
            router.shell(f"tar -C {packed / name} -c . | tar -C / -x --keep-directory-symlink")
        for user in ("careof", "careof-tunneld", "careof-keyd"):
            router.run("useradd", "--user-group", "--system", "--shell", "/bin/false", user)
        router.shell("mkdir -p /var/run/ubus /etc/rc.d")
        router.path("/etc/config/network").write_text("")
        router.start("ubusd")
        router.wait("ubusd", lambda: router.path("/run/ubus/ubus.sock").exists())
        router.start("procd", "-S")
        router.wait("procd on the bus", lambda: "service" in router.shell("ubus list", check=False).split())
        yield router
    finally:
        router.close()


@pytest.fixture
def home(router):
    home = Home(router)
    router.shell("ip addr add 192.0.2.2/24 dev up0; ip link set up0 up; ip route add default via 192.0.2.1")
    try:
        yield home
    finally:
        home.remove()


def instances(router):
    """{name: instance} of the service, as procd has them."""
    listed = json.loads(router.shell('ubus call service list \'{"name":"careof"}\''))
    return listed.get("careof", {}).get("instances", {})


def pid_of(router, name):
    instance = instances(router).get(name, {})
    return instance.get("pid") if instance.get("running") else None


def status_of(router):
    done = router.run("careof", "--json", "status", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def carrying(router):
    status = status_of(router)
    return status is not None and status["roles"][0]["state"] == "connected"


def started(router, configuration=BRANCH):
    router.write("/etc/config/careof", configuration)
    router.run("/etc/init.d/careof", "start")


# -- procd


def test_the_service_runs_as_users_of_its_own_and_carries(router, home):
    started(router)
    router.wait("a path that carries", lambda: carrying(router))
    assert set(instances(router)) == {"tunneld", "careofd"}
    owners = router.shell("ps -eo user:20,args").splitlines()
    (careofd,) = [line for line in owners if "careof.main" in line]
    assert careofd.split()[0] == "careof"
    assert {line.split()[0] for line in owners if "careof-tunneld" in line} == {"careof-tunneld", "root"}
    assert router.shell("stat -c '%a %U:%G' /etc/config/careof /var/run/careof").split("\n")[:2] == [
        "640 root:careof",
        "700 careof:careof",
    ]
    assert (
        router.run("ping", "-c", "2", "-W", "3", "-I", HOME_ADDRESS, "10.78.0.2", check=False).returncode == 0
    )


def test_nothing_is_started_without_a_role_or_when_it_is_not_enabled(router):
    started(router, "config globals 'globals'\n")
    assert instances(router) == {}
    started(router, f"config globals 'globals'\n\toption enabled '0'\n{BRANCH}")
    assert instances(router) == {}
    started(router, f"config globals 'globals'\n\toption enabled '1'\n{BRANCH}")
    assert set(instances(router)) == {"tunneld", "careofd"}
    router.wait("careofd", lambda: status_of(router))


def test_keyd_is_started_where_the_configuration_wants_it(router):
    started(router, f"config globals 'globals'\n\toption key_provider 'keyd'\n{BRANCH}")
    router.wait("keyd", lambda: pid_of(router, "keyd"))
    router.wait("careofd that talks to keyd", lambda: (status_of(router) or {}).get("keys") == "up")
    assert router.shell("stat -c '%a %U' /etc/careof/keyd").split() == ["700", "careof-keyd"]


def crashes(router, respawn, times):
    """How often tunneld was there again, killed so often at once."""
    script = router.path("/etc/init.d/careof")
    script.write_text(script.read_text().replace("respawn 3600 5 0", respawn))
    started(router)
    seen = 0
    before = None
    for _ in range(times):
        pid = None
        for _ in range(40):
            pid = pid_of(router, "tunneld")
            if pid not in (None, before):
                break
            router.shell("sleep 0.1")
        if pid in (None, before):
            return seen
        seen, before = seen + 1, pid
        router.run("kill", "-9", str(pid), check=False)
    return seen


def test_twenty_crashes_in_a_row_and_it_is_there_again(router):
    assert crashes(router, "respawn 3600 0 0", 21) == 21


def test_by_procds_default_it_is_given_up(router):
    assert 5 <= crashes(router, "respawn 3600 0 5", 21) <= 7


def test_a_commit_of_uci_changes_what_changed_and_restarts_nothing(router, home):
    started(router)
    router.wait("a path that carries", lambda: carrying(router))
    before = instances(router)
    router.shell("uci set careof.wan.preference=77; uci commit careof")
    assert router.shell("stat -c %G /etc/config/careof").strip() == "root"  # uci made it anew
    router.shell("""ubus call service event '{"type":"config.change","data":{"package":"careof"}}'""")

    def preference():
        return status_of(router)["roles"][0]["uplinks"][0]["preference"]

    router.wait("the new preference", lambda: preference() == 77)
    after = instances(router)
    assert {name: one["pid"] for name, one in before.items()} == {
        name: one["pid"] for name, one in after.items()
    }

    router.shell("uci set careof.wan.preference=none; uci commit careof; /etc/init.d/careof reload")
    assert preference() == 77 and carrying(router)


def test_a_role_more_restarts_careofd_alone(router, home):
    started(router)
    router.wait("a path that carries", lambda: carrying(router))
    before = {name: one["pid"] for name, one in instances(router).items()}
    agent = "\nconfig home_agent 'ha'\n\toption address '192.0.2.2'\n"
    router.write("/etc/config/careof", BRANCH + agent)
    router.run("/etc/init.d/careof", "reload")
    router.wait("two roles", lambda: len((status_of(router) or {"roles": []})["roles"]) == 2)
    after = {name: one["pid"] for name, one in instances(router).items()}
    assert before["tunneld"] == after["tunneld"] and before["careofd"] != after["careofd"]


def test_stopping_takes_leave_of_the_home_agent(router, home):
    started(router)
    router.wait("a path that carries", lambda: carrying(router))
    assert home.bindings() == 1
    router.run("/etc/init.d/careof", "stop")
    assert home.bindings() == 0
    router.wait("the end of all processes", lambda: instances(router) == {})


def test_in_jails_it_carries_too(router, home):
    """Where ujail is installed, as on most routers, procd uses it."""
    router.path("/usr/bin/micropython").unlink()
    shutil.copy(openwrt.micropython(), router.path("/usr/bin/micropython"))
    router.path("/usr/sbin/ujail").symlink_to(openwrt.router() / "sbin/ujail")
    started(router, f"config globals 'globals'\n\toption key_provider 'keyd'\n{BRANCH}")
    router.wait("a path that carries", lambda: carrying(router))
    assert status_of(router)["keys"] == "up"
    processes = [line.split(None, 2) for line in router.shell("ps -eo pid,user:20,args").splitlines()]
    (careofd,) = [pid for pid, user, said in processes if "careof.main" in said and user == "careof"]
    root = router.path(f"/proc/{careofd}/root")
    assert (root / "etc/config/careof").exists() and not (root / "etc/shadow").exists()
    facts = facts_of(router, careofd)
    assert int(facts["CapEff"], 16) == 0 and facts["NoNewPrivs"] == "1"
    tunneld = [pid for pid, _, said in processes if said.startswith("/usr/sbin/careof-tunneld")]
    assert len(tunneld) == 2
    for pid in tunneld:
        facts = facts_of(router, pid)
        assert facts["NoNewPrivs"] == "1" and int(facts["CapBnd"], 16) & ~MAY == 0
    router.shell("uci set careof.wan.preference=77; uci commit careof; /etc/init.d/careof reload")
    assert status_of(router)["roles"][0]["uplinks"][0]["preference"] == 77


def facts_of(router, pid):
    """What the kernel says of a process."""
    lines = router.path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


# -- rpcd


@pytest.fixture
def bus(router, home):
    started(router)
    router.wait("a path that carries", lambda: carrying(router))
    password = router.run("openssl", "passwd", "-6", "secret").stdout.strip()
    for user, group in (("viewer", "read"), ("operator", "write")):
        section = f"config login\n\toption username '{user}'\n\toption password '{password}'\n"
        path = router.path("/etc/config/rpcd")
        lists = "\tlist read 'careof'\n" + ("\tlist write 'careof'\n" if group == "write" else "")
        path.write_text((path.read_text() if path.exists() else "") + section + lists)
    router.start_rpcd()
    router.wait("careof on the bus", lambda: "careof" in router.shell("ubus list").split())
    return lambda method, **given: json.loads(
        router.run("ubus", "call", "careof", method, json.dumps(given)).stdout
    )


def test_the_bus_has_what_careof_shows(bus):
    assert bus("status")["roles"][0]["state"] == "connected"
    (uplink,) = bus("uplinks")["uplinks"]
    assert uplink["uplink"] == "wan" and uplink["carries"] and uplink["attached"] is None
    (registration,) = bus("registrations")["registrations"]
    assert registration["role"] == "mobile_router-branch"
    assert bus("bindings") == {"bindings": [], "more": False}
    assert "careofd" in bus("counters")


def test_the_bus_moves_and_says_why_not(bus, router):
    assert bus("move", uplink="wan")["to"] == "wan"
    assert "expected one of wan" in bus("move", uplink="nowhere")["error"]
    assert bus("move")["error"] == "move: expected 'uplink', a string"
    assert "answer" in bus("reload") or "changed" in bus("reload")
    assert router.run("ubus", "call", "careof", "stop", check=False).returncode != 0
    router.run("/etc/init.d/careof", "stop")
    assert bus("status")["error"].startswith("careofd does not answer")


@pytest.mark.parametrize(("user", "may_move"), [("viewer", False), ("operator", True)])
def test_who_may_read_may_not_move(bus, router, user, may_move):
    login = {"username": user, "password": "secret"}
    said = json.loads(router.run("ubus", "call", "session", "login", json.dumps(login)).stdout)

    def may(method):
        asked = {"ubus_rpc_session": said["ubus_rpc_session"], "scope": "ubus", "object": "careof"}
        asked["function"] = method
        return json.loads(router.run("ubus", "call", "session", "access", json.dumps(asked)).stdout)["access"]

    assert may("status") and may("registrations")
    assert {may(method) for method in ("move", "revoke", "reload")} == {may_move}
    assert not may("stop")


# -- netifd


@pytest.fixture
def interface(router, home):
    """A function: the interface `office` as ifstatus shows it."""
    router.write("/etc/config/careof", BRANCH)
    router.write("/etc/config/network", NETWORK)
    router.shell("ip addr flush dev up0; ip route flush dev up0")
    router.start_netifd()
    router.wait("netifd", lambda: "network.interface.office" in router.shell("ubus list").split())
    return lambda: json.loads(router.shell("ubus call network.interface.office status"))


def test_it_is_an_interface_like_any_other(router, home, interface):
    router.start("ubus", "listen", "careof.interface")
    up = router.wait("the interface up", lambda: interface()["up"] and interface())
    assert up["l3_device"] == "careof0" and up["proto"] == "careof"
    assert up["ipv4-address"] == [{"address": HOME_ADDRESS, "mask": 32}]
    assert up["data"] == {"uplink": "wan", "device": "up0"}
    assert (
        router.run("ping", "-c", "1", "-W", "3", "-I", HOME_ADDRESS, "10.78.0.2", check=False).returncode == 0
    )

    # The cable is pulled: it is down, with the reason in words.
    home.namespace.ip("link", "set", "out0", "down")
    down = router.wait(
        "the interface down", lambda: not interface()["up"] and interface().get("errors") and interface()
    )
    (error,) = down["errors"]
    assert (
        error["code"] == "NOT_CONNECTED" and "no uplink has carrier and an address: wan" in error["data"][0]
    )

    heard = [json.loads(text) for text in router.path("/run/log/ubus").read_text().splitlines()]
    assert (
        heard[-1]["careof.interface"]["state"] == "down" and "carrier" in heard[-1]["careof.interface"]["why"]
    )

    # And up again, without anybody's doing.
    home.namespace.ip("link", "set", "out0", "up")
    router.wait("the interface up again", lambda: interface()["up"])

    # ifdown: the home agent hears of it, and nothing is left running.
    router.shell("ubus call network.interface.office down")
    router.wait("the end of the binding", lambda: home.bindings() == 0)
    router.wait("the end of the service", lambda: instances(router) == {})
    assert not interface()["up"]
    router.shell("ubus call network.interface.office up")
    router.wait("the interface up after ifup", lambda: interface()["up"])


def test_a_refusal_is_the_interfaces_error(router, home, interface):
    wrong = BRANCH.replace("option key '0001", "option key 'ffff")
    router.write("/etc/config/careof", wrong)
    router.shell("ubus call network.interface.office down; ubus call network.interface.office up")

    def words():
        errors = interface().get("errors")
        return errors and errors[0]["data"][0]

    said = router.wait("the refusal in words", lambda: "refused by" in (words() or "") and words())
    assert said.startswith("refused by 192.0.2.1: ")
    assert "compare SPI, algorithm and key of the association on both ends" in said


# -- What an uplink is attached to

WIRELESS = '{"ssid": "Cafe Zentral", "bssid": "02:00:5E:10:00:01", "channel": 6}'
MODEMS = '{"modem-list": ["/org/freedesktop/ModemManager1/Modem/0"]}'
MODEM = '{"modem": {"generic": {"ports": ["cdc-wdm0 (qmi)", "up0 (net)"], "bearers": ["/org/x/Bearer/3"]}}}'
BEARER = '{"bearer": {"properties": {"apn": "internet.example"}}}'


def test_what_an_uplink_is_attached_to_is_told(router, home, interface):
    router.wait("the interface up", lambda: interface()["up"])
    answers = f"""#!/bin/sh
case "$1" in
list) echo '{{"info": {{"device": "string"}}}}' ;;
call) echo '{WIRELESS}' ;;
esac
"""
    router.write("/usr/libexec/rpcd/iwinfo", answers, 0o755)
    modem = f"""#!/bin/sh
case "$*" in
'-J -L') echo '{MODEMS}' ;;
'-J -m 0') echo '{MODEM}' ;;
'-J -b 3') echo '{BEARER}' ;;
*) exit 1 ;;
esac
"""
    router.write("/usr/bin/mmcli", modem, 0o755)
    router.start_rpcd()
    router.wait("iwinfo on the bus", lambda: "iwinfo" in router.shell("ubus list").split())
    portal = "68747470733a2f2f706f7274616c2e6578616d706c652f"  # https://portal.example/, as udhcpc says it
    lease = f"opt114={portal}; INTERFACE=up0; set -- bound; . /etc/udhcpc.user.d/50-careof"
    router.shell(lease)
    mac = json.loads(home.namespace.ip("-j", "link", "show", "out0"))[0]["address"]

    router.shell("ACTION=ifup INTERFACE=wan DEVICE=up0; . /etc/hotplug.d/iface/50-careof")

    def told():
        return (status_of(router) or {}).get("networks", {}).get("up0")

    told = router.wait("the facts", told)
    assert told["facts"] == {
        "gateway_mac": mac,
        "ssid": "Cafe Zentral",
        "bssid": "02:00:5e:10:00:01",
        "apn": "internet.example",
        "bearer": "3",
        "portal": "https://portal.example/",
    }
    assert told["network"] == "apn internet.example" and told["visits"] == 1
    # With the carrier it is all forgotten.
    home.namespace.ip("link", "set", "out0", "down")
    router.wait("no facts", lambda: status_of(router)["networks"] == {})
    # A device that is no uplink is none of our business.
    assert router.run("/usr/libexec/careof/uplink-facts", "lan", "lo", check=False).returncode == 1

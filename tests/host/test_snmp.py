"""RFC 2006 over real SNMP: Debian's snmpd with our pass_persist helper, asked by Debian's snmpwalk, snmpget
and snmptable, and held to a definition of the MIB that nobody here wrote (mip_mib).

The world is roaming's: a home agent with a home link, two foreign agents, a mobile node that visits one.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time

import mip_mib
import pytest
from careof.crypt.soft import SoftProvider
from careof.status import mib
from careof.wire import ipv4, mip
from careof_office import INTERPRETERS, KEY, ROOT, environment, wait_until
from roaming import CARE_OF, HOME, HOME_AGENT, Roaming
from tunneld_process import cannot_run

pytestmark = [
    pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run())),
    pytest.mark.skipif(not shutil.which("snmpwalk"), reason="no snmpwalk: Debian's snmp"),
]
DEFINITION = mip_mib.objects()
ACCESSIBLE = mip_mib.accessible(DEFINITION)
MIP = ".1.3.6.1.2.1.44"
# What is said of a value that snmpwalk printed, for each type of SMI.
SAID = {
    "Counter32": "Counter32",
    "Gauge32": "Gauge32",
    "Integer32": "INTEGER",
    "TruthValue": "INTEGER",
    "RowStatus": "INTEGER",
    "IpAddress": "IpAddress",
    "TimeStamp": "Timeticks",
    "Bits": "Hex-STRING",
    "OctetString": "Hex-STRING",
}
ENUMERATIONS = {"TruthValue": {1, 2}, "RowStatus": {1, 2, 3}}


class Manager:
    """snmpd beside one careofd, and the tools that ask it."""

    def __init__(self, end, interpreter, *more):
        self.end = end
        folder = end.run_folder
        self.folder = folder / f"snmp{len(more)}"
        self.folder.mkdir()
        self.port = 161 + len(more)
        helper = " ".join([str(ROOT / "packaging/snmp/careof-snmp"), "--run", str(folder), *more])
        config = self.folder / "snmpd.conf"
        config.write_text(
            f"agentaddress udp:127.0.0.1:{self.port}\nrocommunity public\nrwcommunity private\n"
            f"pass_persist {MIP} {helper}\n"
        )
        (self.folder / "MIP-MIB.txt").write_text(mip_mib.text(DEFINITION))
        python = INTERPRETERS[interpreter][0]
        path = f"{os.path.dirname(python)}:{os.environ['PATH']}"
        self.environment = {
            **environment(),
            "CAREOF_FIRMWARE": str(ROOT / "firmware"),
            "CAREOF_PYTHON": python,
            "PATH": path,
            "SNMP_PERSISTENT_DIR": str(self.folder),
            "MIBDIRS": str(self.folder),
        }
        log, pid = self.folder / "log", self.folder / "pid"
        self.process = end.namespace.start(
            *("snmpd", "-f", "-C", "-c", config, "-Lf", log, "-p", pid, "-M", self.folder),
            env=self.environment,
        )
        wait_until(lambda: self.ask("snmpget", "-m", "", f"{MIP}.1.1.1.0")[0] == 0, "snmpd to answer")

    def ask(self, tool, *arguments, community="public"):
        """(exit status, standard output, standard error) of a tool of net-snmp."""
        options = ("-v2c", "-c", community, "-t", "5", "-r", "0", "-M", str(self.folder))
        asked = list(arguments)
        while asked and asked[0].startswith("-"):
            words = 2 if asked[0] in ("-m", "-Cf") else 1
            options += tuple(asked[:words])
            del asked[:words]
        command = [tool, *options, f"udp:127.0.0.1:{self.port}", *asked]
        done = subprocess.run(
            ["ip", "netns", "exec", self.end.namespace.name, *command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    def walk(self, tool="snmpwalk"):
        """[(OID, type, text)] of all the MIB. -Ox: octets in hexadecimal digits."""
        status, out, error = self.ask(tool, "-m", "", "-Onx", MIP)
        assert status == 0, error
        found = []
        for line in out.splitlines():
            match = re.fullmatch(r"\.([\d.]+) = (?:([\w-]+): ?)?(.*)", line)
            assert match, line
            oid = tuple(int(part) for part in match[1].split("."))
            found.append((oid, match[2] or "Hex-STRING", match[3].strip()))
        return found

    def get(self, name, index="0"):
        """One value as text, by its name in the MIB."""
        status, out, error = self.ask("snmpget", "-m", "MIP-MIB", "-Oqv", f"MIP-MIB::{name}.{index}")
        assert status == 0 and "No Such" not in out, (out, error)
        return out.strip()

    def table(self, name):
        """[{column: text}] as snmptable prints it."""
        status, out, error = self.ask("snmptable", "-m", "MIP-MIB", "-Cf", ";", f"MIP-MIB::{name}")
        assert status == 0, error
        lines = [line for line in out.splitlines() if line.strip()]
        names = lines[1].split(";")
        return [dict(zip(names, line.split(";"), strict=True)) for line in lines[2:]]

    def remove(self):
        self.process.terminate()
        self.process.wait(timeout=10)


def objects_of(oid):
    """(Object, index) of an instance."""
    for made in ACCESSIBLE.values():
        if oid[: len(made.oid)] == made.oid:
            return made, oid[len(made.oid) :]
    return None, ()


def provoke(roaming):
    """Requests that the home agent refuses: of a node that nobody knows, and with a false authenticator."""
    keys = SoftProvider()
    keys.add_key("right", "hmac-sha256", bytes.fromhex(KEY))
    keys.add_key("wrong", "hmac-sha256", bytes(32))
    sender = roaming.spaces["b"].inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.bind(("198.51.100.7", 0))
    for home, key in ((HOME, "wrong"), ("10.77.0.200", "right")):
        addresses = [ipv4.parse_address(text) for text in (home, HOME_AGENT, "198.51.100.7")]
        stamp = (int(time.time()) + 2208988800) << 32 | 7
        message = mip.RegistrationRequest(mip.FLAG_D | mip.FLAG_T, 600, *addresses, stamp, [])
        data = mip.pack_to_sign(message, 256, 32)
        sender.sendto(data + keys.authenticate(key, data), (HOME_AGENT, 434))
    sender.close()


class World:
    def __init__(self, interpreter):
        self.roaming = Roaming(interpreter)
        self.managers = {}
        try:
            self.roaming.plug("a", told=True)
            self.roaming.settles("a")
            provoke(self.roaming)
            for name in ("agent", "a", "laptop"):
                self.managers[name] = Manager(self.roaming.ends[name], interpreter)
            self.home = self.managers["agent"]
            wait_until(lambda: int(self.home.get("mipSecTotalViolations")) >= 2, "violations")
        except BaseException:
            self.remove()
            raise

    def remove(self):
        for manager in self.managers.values():
            manager.remove()
        self.roaming.remove()


@pytest.fixture(scope="module", params=INTERPRETERS)
def world(request):
    made = World(request.param)
    yield made
    made.remove()


# -- The table of objects, beside what others say of them -----------------------------------------------


def ours():
    """{name: (OID, Syntax)} of status.mib."""
    found = {row.name: (row.oid, row.syntax) for row in mib.SCALARS}
    for table in mib.TABLES:
        for column in table.columns:
            found[column.name] = ((*table.oid, column.number), column.syntax)
    return found


def test_every_object_of_the_module_is_in_our_table_under_its_oid():
    assert {name: oid for name, (oid, _) in ours().items()} == {o.name: o.oid for o in ACCESSIBLE.values()}


def test_names_and_ranges_are_the_modules():
    for name, (_, syntax) in ours().items():
        made = ACCESSIBLE[name]
        if made.names:
            assert syntax.names == made.names, name
        if made.ranges and made.ranges != [(0, 4294967295)]:
            assert [(syntax.low, syntax.high)] == made.ranges, name


def test_indices_are_the_modules():
    for table in mib.TABLES:
        entry = next(o for o in DEFINITION.values() if o.oid == table.oid)
        kinds = ["number" if DEFINITION[name].base == "Unsigned32" else "address" for name in entry.index]
        assert [kind for _, kind in table.index] == kinds, table.name


def test_the_rfcs_text_has_the_same_objects():
    said = mip_mib.of_the_rfc()
    if said is None:
        pytest.skip(f"no text of RFC 2006 at {mip_mib.RFC_2006}")
    readable = {name for name, (_, access) in said.items() if access.startswith("read")}
    assert readable == set(ours())
    counters = {name for name in readable if said[name][0] == "Counter32"}
    assert counters == {name for name, (_, syntax) in ours().items() if syntax.name == "Counter32"}


# -- Walks ---------------------------------------------------------------------------------------------------


def test_every_object_of_the_module_is_served_with_its_type(world):
    served = set()
    for name, manager in world.managers.items():
        for oid, kind, text in manager.walk():
            made, index = objects_of(oid)
            assert made is not None, f"{name}: {oid} is in no MIB"
            served.add(made.name)
            assert kind == SAID[made.base], (made.name, kind, text)
            check_value(made, text)
            check_index(made, index, text)
    assert served == set(ACCESSIBLE), set(ACCESSIBLE) - served


def check_value(made, text):
    if made.base in ("Integer32", "TruthValue", "RowStatus"):
        legal = ENUMERATIONS.get(made.base, set(made.names))
        assert not legal or int(text) in legal, (made.name, text)
        for low, high in made.ranges:
            assert low <= int(text) <= high, (made.name, text)
    if made.base == "Bits":
        octets = bytes.fromhex(text)
        assert len(octets) == (max(made.names) + 8) // 8, (made.name, text)
        used = {bit for bit in range(8 * len(octets)) if octets[bit // 8] & 0x80 >> bit % 8}
        assert used <= set(made.names), (made.name, text)


def check_index(made, index, text):
    """A scalar has 0; a row's parts are those of its index, and columns that are part of it say so."""
    if made.kind == "MibScalar":
        assert index == (0,), made.name
        return
    entry = next(o for o in DEFINITION.values() if o.oid == made.oid[:-1])
    at = 0
    for name in entry.index:
        size = 1 if DEFINITION[name].base == "Unsigned32" else 4
        if name == made.name:
            assert text == ".".join(map(str, index[at : at + size])), (made.name, text, index)
        at += size
    assert at == len(index), (made.name, index)


def test_a_walk_goes_up_and_in_bulk_it_is_the_same(world):
    for manager in world.managers.values():
        oids = [oid for oid, _, _ in manager.walk()]
        assert oids == sorted(set(oids))
        assert [oid for oid, _, _ in manager.walk("snmpbulkwalk")] == oids


def test_each_instance_can_be_got(world):
    for name, _, _ in world.home.walk()[::5]:
        status, out, _ = world.home.ask("snmpget", "-m", "", "-On", "." + ".".join(map(str, name)))
        assert status == 0 and "No Such" not in out, out


def test_what_is_not_there_is_not(world):
    for oid in ("1.1.9.0", "1.6.3.1.1.1.10.77.0.2.1.2.3.4", "1.5.2.1.0"):
        _, out, _ = world.home.ask("snmpget", "-m", "", "-On", f"{MIP}.{oid}")
        assert "No Such" in out, out


# -- Values --------------------------------------------------------------------------------------------------


def test_values_are_those_of_careof_status_mib(world):
    _, out, _ = world.roaming.ends["agent"].careof("--json", "status", "mib")
    [instance] = json.loads(out)
    objects = instance["objects"]
    for name in ("haRegistrationAccepted", "haMNAuthenticationFailure", "haRegRequestsReceived"):
        assert int(world.home.get(name)) == objects[name], name
    assert objects["haMNAuthenticationFailure"] == 1 and objects["mipSecTotalViolations"] == 2
    assert objects["haRegRequestsReceived"] == objects["haRegistrationAccepted"] + 2


def test_a_table_by_name_is_the_table_of_careof(world):
    [row] = world.home.table("haMobilityBindingTable")
    _, out, _ = world.roaming.ends["agent"].careof("--json", "bindings")
    [binding] = json.loads(out)
    assert row["haMobilityBindingMN"] == binding["home_address"] == HOME
    assert row["haMobilityBindingCOA"] == binding["care_of"] == CARE_OF["a"]
    assert int(row["haMobilityBindingTimeGranted"]) == binding["lifetime_s"]
    identification = (int(row["haMobilityBindingRegIDHigh"]) % 2**32) << 32
    identification |= int(row["haMobilityBindingRegIDLow"]) % 2**32
    assert identification == binding["identification"]
    [visitor] = world.managers["a"].table("faVisitorTable")
    assert visitor["faVisitorHomeAddress"] == HOME and visitor["faVisitorRegIsAccepted"] == "true"


def test_the_node_knows_its_agent(world):
    laptop = world.managers["laptop"]
    assert laptop.get("mnState") == "registered"
    assert laptop.get("mnAdvSourceAddress") == "10.9.1.1"
    [agent] = laptop.table("mnFATable")
    assert (agent["mnFAAddress"], agent["mnCOA"]) == ("10.9.1.1", CARE_OF["a"])
    assert int(laptop.get("mnAdvertisementsReceived")) > 0
    assert int(laptop.get("mnRegRequestsAccepted")) >= 1


def test_a_time_is_the_sysuptime_of_then(world):
    """An advertisement comes every 300 ms: the last one's time is near the uptime of now.

    sysUpTime begins when snmpd is ready, and our idea of it when its process began.
    """

    def ticks(*arguments):
        status, out, error = world.managers["laptop"].ask("snmpget", "-m", "", "-Oqvt", *arguments)
        assert status == 0, error
        return int(out)

    heard = ticks(f"{MIP}.1.3.2.2.6.0")
    now = ticks(".1.3.6.1.2.1.1.3.0")
    assert abs(now - heard) < 500, (now, heard)


# -- What it refuses -----------------------------------------------------------------------------------


def test_nothing_can_be_set(world):
    status, out, error = world.home.ask("snmpset", "-m", "", f"{MIP}.1.1.2.0", "i", "2", community="private")
    assert status != 0 and "notWritable" in out + error
    assert world.home.get("mipEnable") == "enabled"


def test_a_key_is_never_told(world):
    for manager in world.managers.values():
        rows = [text for oid, _, text in manager.walk() if oid[:12] == ACCESSIBLE["mipSecKey"].oid]
        assert rows and set(rows) == {'""'}


def test_careofd_may_come_and_go(world):
    end = world.roaming.ends["b"]
    manager = Manager(end, "MicroPython", "--role", "foreign_agent-lan")
    try:
        end.kill()
        time.sleep(1.2)
        _, out, _ = manager.ask("snmpget", "-m", "", "-On", f"{MIP}.1.1.1.0")
        assert "No Such" in out
        end.start()
        wait_until(
            lambda: "No Such" not in manager.ask("snmpget", "-m", "", "-On", f"{MIP}.1.1.1.0")[1],
            "the MIB to be back",
        )
    finally:
        manager.remove()

"""`careof bindings | visitors | agents | registrations` of processes, as tables, JSON, and followed."""

import json
import queue
import subprocess
import threading

import pytest
from careof_office import (
    AGENT,
    AGENT_ADDRESS,
    HOME_ADDRESS,
    INTERPRETERS,
    PATIENCE_S,
    SERVER,
    Office,
    environment,
    wait_until,
)
from roaming import CARE_OF, HOME, HOME_AGENT, LAPTOP, NODES, Roaming
from test_careofd import Stranger, registration
from tunneld_process import cannot_run

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))


@pytest.fixture(params=INTERPRETERS)
def office(request):
    made = Office(request.param)
    yield made
    made.remove()


class Followed:
    """A `careof TABLE --follow` that runs; lines as they come."""

    def __init__(self, end, *words):
        command = (*INTERPRETERS[end.interpreter], "careof.status.cli", "--run", str(end.run_folder), *words)
        self.process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def line(self, wanted):
        """The next line with that word in it."""
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise AssertionError(f"no line with {wanted!r}") from None
            if wanted in line:
                return line

    def stop(self):
        self.process.kill()
        self.process.wait()


def rows(end, table):
    status, out, error = end.careof("--json", table)
    assert status == 0, error
    return json.loads(out)


# -- Home agent and mobile router


def test_bindings_come_go_and_are_followed(office):
    [binding] = rows(office.agent, "bindings")
    assert (binding["home_address"], binding["role"]) == (HOME_ADDRESS, "home_agent-ha")
    plain, as_json = Followed(office.agent, "bindings", "--follow"), None
    try:
        assert plain.line("home address").split()[0] == "node"
        assert "192.0.2.2" in plain.line(HOME_ADDRESS)
        as_json = Followed(office.agent, "--json", "--follow", "bindings")
        assert json.loads(as_json.line(HOME_ADDRESS))["care_of"] == "192.0.2.2"
        assert office.branch.careof("stop")[0] == 0
        assert plain.line(HOME_ADDRESS) == f"{HOME_ADDRESS} gone"
        assert json.loads(as_json.line(HOME_ADDRESS))["gone"] is True
        office.branch.process.wait(timeout=10)
        office.branch.start()
        assert "192.0.2.2" in plain.line(HOME_ADDRESS)
        assert json.loads(as_json.line(HOME_ADDRESS))["care_of"] == "192.0.2.2"
    finally:
        plain.stop()
        if as_json is not None:
            as_json.stop()
    wait_until(lambda: rows(office.agent, "bindings"), "careofd to go on without followers")


def test_a_refusal_is_told_with_its_why_wherever_one_looks(office):
    stranger, followed = Stranger(office), Followed(office.agent, "registrations", "--follow")
    try:
        followed.line("who")
        stranger.say(registration(home="10.77.0.9"))
        line = followed.line("10.77.0.9")
        assert "request_unknown_node" in line and "add a mobile_node" in line and "192.0.2.3" in line
        assert stranger.reply_to(registration(key="wrong")) == 131
        assert "code 131 (mobile node failed authentication): compare SPI" in followed.line("131")
    finally:
        followed.stop()
    newest, older = rows(office.agent, "registrations")
    assert (newest["code"], older["code"]) == (131, None)
    _, status, _ = office.agent.careof("status")
    assert "last refusal: " in status and "code 131 (mobile node failed authentication)" in status
    assert "code 131 (mobile node failed authentication); compare SPI" in office.agent.log()


def test_a_routers_registration_is_shown(office):
    [row] = rows(office.branch, "registrations")
    assert (row["uplink"], row["state"], row["to"], row["code"]) == ("wan", "registered", AGENT_ADDRESS, 0)
    assert "registration accepted" in office.branch.careof("registrations")[1]
    [agent] = rows(office.branch, "agents")
    assert (agent["agent"], agent["how"]) == (AGENT_ADDRESS, "configured")


def test_what_no_role_here_has_is_said(office):
    status, _, error = office.branch.careof("visitors")
    assert status == 1 and "foreign_agent" in error
    assert office.branch.careof("visitors", "--nonsense")[0] == 2


def test_careofd_lives_when_a_follower_dies_or_asks_for_nonsense(office):
    for _ in range(20):  # more than there is room for at a time
        followed = Followed(office.agent, "bindings", "--follow")
        followed.line(HOME_ADDRESS)
        followed.stop()
    assert office.agent.careof("counters", "--follow")[0] == 2
    assert office.ping() == 3


# -- A visited network


@pytest.fixture(scope="module")
def roaming():
    made = Roaming()
    try:
        made.plug("a", told=True)
        made.settles("a")
        yield made
    finally:
        made.remove()


def test_visitors_come_and_go(roaming):
    [visitor] = rows(roaming.ends["a"], "visitors")
    assert (visitor["home_address"], visitor["home_agent"]) == (HOME, HOME_AGENT)
    followed = Followed(roaming.ends["a"], "visitors", "--follow")
    try:
        assert visitor["link_address"] in followed.line(HOME)
        assert roaming.ends["a"].careof("revoke", HOME)[0] == 0
        assert followed.line("gone") == f"{HOME} gone"
        assert visitor["link_address"] in followed.line(HOME)  # it registers again
    finally:
        followed.stop()


def test_agents_are_shown_at_every_end(roaming):
    advertised, peer = rows(roaming.ends["a"], "agents")
    assert (advertised["agent"], advertised["how"]) == ("10.9.1.1", "advertised here")
    assert (peer["agent"], peer["association"]) == (HOME_AGENT, "agents")
    home = rows(roaming.ends["agent"], "agents")
    assert {row["agent"] for row in home} == {HOME_AGENT, *CARE_OF.values()}
    heard = [row for row in rows(roaming.laptop, "agents") if row["how"] == "heard, and used"]
    assert [(row["agent"], row["care_of"]) for row in heard] == [("10.9.1.1", [CARE_OF["a"]])]
    assert " FMGTX " in roaming.laptop.careof("agents")[1]


def test_a_refusal_by_a_foreign_agent_is_explained(roaming):
    """The laptop's key for agents is made another one."""
    laptop = roaming.laptop
    laptop.config_path.write_text(LAPTOP.replace(NODES, NODES.replace("ee" * 32, "dd" * 32)))
    followed = Followed(roaming.ends["a"], "registrations", "--follow")
    try:
        assert laptop.careof("reload")[0] == 0
        roaming.plug("a", told=True)
        assert "code 67 (mobile node failed authentication): compare SPI" in followed.line("67")
    finally:
        followed.stop()
        laptop.config_path.write_text(LAPTOP)
        laptop.careof("reload")


# -- Two roles in one careofd


def test_what_two_home_agents_of_one_careofd_count_is_not_mixed(office):
    end = office.agent
    end.config_path.write_text(AGENT + f"config home_agent 'two'\n\toption address '{SERVER}'\n")
    wait_until(lambda: list((end.run_folder / "state").iterdir()), "the binding to be kept")
    end.kill()
    end.start()
    wait_until(lambda: end.careof("status")[0] == 0, "careofd to answer")
    stranger = Stranger(office)
    stranger.say(registration(home="10.77.0.9"))

    def instances():
        listed = json.loads(end.careof("--json", "status", "mib")[1])
        return {instance["name"]: instance["objects"] for instance in listed}

    wait_until(lambda: instances()["home_agent-ha"]["mipSecTotalViolations"] == 1, "a violation")
    one, two = instances()["home_agent-ha"], instances()["home_agent-two"]
    assert one["haRegRequestsReceived"] == 1 + one["haRegistrationAccepted"]  # the branch may have renewed
    assert two["haRegRequestsReceived"] == two["mipSecTotalViolations"] == 0
    assert (len(one["mipSecViolationTable"]), len(two["mipSecViolationTable"])) == (1, 0)
    assert len(one["haMobilityBindingTable"]) == 1 and two["haMobilityBindingTable"] == []
    assert end.counters()["request_unknown_node"] == 1
    assert "role" in end.careof("bindings")[1]

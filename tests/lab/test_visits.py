"""A laptop away from home, with live sessions: a part of `./dev lab scenarios`, in one lab.

    laptop on [home], [a], [b] (behind a NAT) or [c] (behind a branch that moves) == internet == home agent

Speed is not asserted: an interruption may be as long as it likes, but no session may die, the tunnel must be
of the kind that was asked for, and where both links work no packet may be lost.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from . import remains
from .agents import Roaming
from .process import wait_until
from .scenarios import all_scenarios, tell
from .test_scenarios import GONE_S, WHY_NOT, left_of
from .topology import ROOT, SERVER
from .traffic import Servers
from .view import Lines
from .visited import ROAMER, VisitedLab

pytestmark = [pytest.mark.lab, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]

ALL = {scenario.name: scenario for scenario in all_scenarios()}
HERE = (
    "direct, auto, challenge",
    "direct, minimal, no challenge",
    "encapsulating, gre, challenge",
    "own address, gre",
    "eager, no link events",
    "lazy, no link events",
    "round trip",
    "both links up",
    "foreign agent restarted: both",
    "agent of b full",
    "agent of b closed to it",
    "home agent revokes",
    "foreign agent revokes",
    "nested",
)
LEGS = 2  # of movement without link events: the rest is for the task


class World:
    """A lab with its agents, for all tests of this file."""

    def __init__(self, lab):
        self.lab, self.content, self.means = lab, Servers(lab).content, Roaming(lab)
        self.means.start()

    def tell(self, scenario, **more):
        return tell(self.lab, self.means, self.content, scenario, Lines(), **more)


@pytest.fixture(scope="module")
def world():
    with VisitedLab() as lab:
        yield World(lab)


@pytest.mark.parametrize("name", HERE)
def test_a_scenario(world, name):
    scenario = ALL[name]
    if "no link events" in name:
        scenario = scenario._replace(legs=scenario.legs[:LEGS])
    rows = world.tell(scenario)
    assert len(rows) == len(scenario.legs)
    wrong = [(row["name"], row["why"]) for row in rows if row["why"] or row["interruption_ms"] is None]
    logs = "\n".join(service.log()[-2000:] for service in world.means.services.values())
    assert wrong == [], logs


def test_what_cannot_work_is_told(world):
    """The scenarios have teeth: who does not arrive, and a tunnel of another kind, is a row that says so."""
    other = ALL["direct, auto, no challenge"].legs[0]
    nowhere = other._replace(act=lambda visit: visit.lab.unplug("eth0"))
    rows = world.tell(ALL["direct, gre, no challenge"]._replace(legs=(other, nowhere)), patience_s=3)
    assert [row["passed"] for row in rows] == [False, False]
    assert "tunnels gre" in rows[0]["why"] and "in place of a" in rows[1]["why"]


def test_names_are_said_once():
    assert len(ALL) == len(all_scenarios()) and set(HERE) <= set(ALL)


# -- The lab itself


def test_two_labs_side_by_side_do_not_meet():
    ping = ("ping", "-c1", "-W2", SERVER)
    with VisitedLab() as one, VisitedLab() as other:
        for lab, link in ((one, "a"), (other, "b")):
            means = Roaming(lab)
            means.start()
            means.start_laptop()
            lab.plug("eth0", link)
            wait_until(lambda means=means, link=link: means.uplink() == link, GONE_S, f"a laptop on {link}")
        one.uplinks["isp-a"].silence()
        assert " 0% packet loss" in other.run("laptop", *ping, check=False)
        assert " 100% packet loss" in one.run("laptop", *ping, check=False)
        one.close()
        assert left_of(one.id) == []
        assert " 0% packet loss" in other.run("laptop", *ping, check=False)
    assert left_of(other.id) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
def test_nothing_is_left_when_the_scenarios_are_ended(tmp_path, number):
    before, said = set(remains.labs()), tmp_path / "said"
    folder = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-u", "-m", "lab.scenarios", "--only", "round trip"]
    with open(said, "w") as out:
        running = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, start_new_session=True)
    try:
        wait_until(lambda: "leg:" in said.read_text(), 30, "the first leg")
        [lab_id] = [lab for lab in set(remains.labs()) - before if remains.owner_of(lab) == running.pid]
        running.send_signal(number)
        assert running.wait(GONE_S) == (-number if number == signal.SIGKILL else 130)
        wait_until(lambda: not left_of(lab_id), GONE_S, "what the lab left")
    finally:
        running.kill()
        running.wait()


def test_a_lab_to_explore_by_hand():
    def keep(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "lab.keep", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    lab_id = keep("up", "visited").split()[1]
    try:
        which = ("--lab", lab_id)
        ping = ("shell", *which, "laptop", "sh", "--", "-c", f"ping -c1 -W1 {SERVER}; true")
        assert " 0% packet loss" in keep(*ping)
        for link, how in (("b", ()), ("home", ("--unseen",))):
            keep("move", *which, link, *how)
            wait_until(lambda: " 0% packet loss" in keep(*ping), GONE_S, f"the laptop at {link}")
            shown = keep("status")
            assert f"laptop's eth0: on [{link}]" in shown and ROAMER in shown
    finally:
        keep("down", "--lab", lab_id)
    assert left_of(lab_id) == []

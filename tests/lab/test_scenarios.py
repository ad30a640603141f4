"""Live sessions over everything that happens to a branch's uplinks, each in a lab of its own.

    laptop -- branch == wan | wwan (NAT) | lte (NAT, slow) == internet == home agent -- intranet

Every story begins on Wi-Fi with the office cable out (story.py). Speed is not asserted: an interruption may
be as long as it likes, but no session may die, and where both uplinks work no packet may be lost.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from . import remains
from .failover import PlainNat
from .process import wait_until
from .product import MICROPYTHON, TUNNELD, Careof
from .story import ANY, STEPS, Step, Story
from .topology import HOME_AGENT, RELAY, ROOT, SERVER, Lab
from .view import Lines

PROGRAMS = ("ip", "nft", "tc", "conntrack", "fping", "ssh", "nginx", "curl", "iperf3")
GONE_S = 10


def cannot_run():
    if os.geteuid() != 0:
        return "needs root for namespaces"
    for path in (RELAY, TUNNELD, MICROPYTHON):
        if not path.exists():
            return f"needs {path}: ./dev build"
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    return f"needs {', '.join(missing)}" if missing else None


WHY_NOT = cannot_run()
pytestmark = [pytest.mark.lab, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]

NAMED = {step.name: step for step in STEPS}
PLUG, PULL = NAMED["the office cable is plugged in"], NAMED["the office cable is pulled"]
REBIND, ASK_LTE = NAMED["the Wi-Fi's NAT forgets"], NAMED["an operator asks for LTE"]
LTE_DIES = NAMED["LTE dies silently"]
FLAP = next(step for step in STEPS if step.kind == "flapping")


@contextlib.contextmanager
def office(means=Careof):
    """A story that has begun; at its end every session must have lived through it."""
    with Lab() as lab:
        story = Story(lab, means(lab), Lines())
        story.prepare()
        yield story
        story.finish()
        said = "\n".join(service.log()[-3000:] for service in story.means.services.values())
        print(json.dumps(story.result(), indent=1), said, sep="\n")


def live_through(*steps):
    """Tell a story of these steps; what the last one cost."""
    with office() as story:
        for step in steps:
            story.take(step)
    last = story.moves[-1]
    assert last.arrived, f"on {last.to} in place of {steps[-1].uplink or last.from_}"
    assert [session.name for session in story.sessions if session.deaths] == []
    assert story.download.bytes_verified > 0
    return story.measured(last)


# -- The moves of the demo ------------------------------------------------------------------------


def test_return_to_a_better_uplink_loses_nothing():
    assert live_through(PLUG).lost == 0


def test_a_move_to_a_worse_uplink_when_asked_loses_nothing():
    assert live_through(ASK_LTE).lost == 0


def test_a_move_from_the_longest_way_to_the_shortest_loses_nothing():
    ask_wan = NAMED["an operator asks for the office line"]
    assert live_through(ASK_LTE, PLUG._replace(uplink=ANY), ask_wan).lost == 0


def test_a_pulled_cable():
    live_through(PLUG, PULL)


def test_a_nat_that_forgets_and_has_another_address():
    live_through(REBIND)


@pytest.mark.parametrize("way", ["both", "in", "out"])
def test_an_uplink_that_dies_silently(way):
    live_through(ASK_LTE, LTE_DIES._replace(act=lambda lab, means: lab.uplinks["lte"].silence(way)))


def test_a_flapping_cable():
    live_through(PLUG, FLAP)


CRASHES = [step for step in STEPS if step.kind == "crash" and step.needs != "failover"]


@pytest.mark.parametrize("step", CRASHES, ids=lambda step: step.name)
def test_a_killed_process(step):
    measured = live_through(step)
    if step.needs == "careofd":
        assert measured.lost == 0


# -- What the demo has no time for ----------------------------------------------------------------


def test_a_cable_pulled_while_careofd_is_being_restarted():
    def act(lab, means):
        means.services["careofd"].kill()
        lab.uplinks["wan"].unplug()

    live_through(PLUG, Step("killed and pulled", "crash", "wwan", act))


def test_both_processes_of_the_router_killed_at_once():
    def act(lab, means):
        for name in ("careofd", "tunneld"):
            means.services[name].kill()

    live_through(Step("both killed", "crash", None, act))


def test_no_uplink_for_a_while():
    def act(lab, means):
        for name in ("wwan", "lte"):
            lab.uplinks[name].unplug()
        time.sleep(3)
        lab.uplinks["lte"].plug()

    live_through(Step("no uplink for 3 s", "cable", "lte", act))


def test_an_uplink_that_becomes_far():
    """From 20 to 400 ms round trip at once: slow is not dead."""
    measured = live_through(
        Step("Wi-Fi is far away", "planned", ANY, lambda lab, means: lab.uplinks["wwan"].delay(200000))
    )
    assert measured.lost == 0


def test_plain_nat_failover_loses_the_same_sessions():
    """The lab has teeth: what careof saves is lost without it."""
    with office(PlainNat) as story:
        story.take(REBIND)
        wait_until(lambda: story.iperf.deaths and story.ssh.deaths, 20, "TCP sessions behind a forgetful NAT")
    assert story.started() > story.survived()
    assert not story.passed()


# -- The lab itself -------------------------------------------------------------------------------


def left_of(lab_id):
    return [*remains.namespaces(lab_id), *([lab_id] if remains.folder_of(lab_id).exists() else [])]


def test_two_labs_side_by_side_do_not_meet():
    with Lab() as one, Lab() as other:
        for lab in (one, other):
            Careof(lab).start()
        one.uplinks["wan"].silence()
        ping = ("ping", "-c1", "-W2")
        assert " 0% packet loss" in other.run("branch", *ping, "-I", "wan0", HOME_AGENT, check=False)
        assert " 100% packet loss" in one.run("branch", *ping, "-I", "wan0", HOME_AGENT, check=False)
        one.close()
        assert left_of(one.id) == []
        assert " 0% packet loss" in other.run("laptop", *ping, SERVER, check=False)
    assert left_of(other.id) == []


@contextlib.contextmanager
def demo_under_way(tmp_path):
    """(the process of a running demo, its lab's id)"""
    command = [sys.executable, "-u", "-m", "lab.demo", "--report", tmp_path / "report.html"]
    folder = Path(__file__).resolve().parents[1]
    before = set(remains.labs())
    with open(tmp_path / "said", "w") as said:
        demo = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, start_new_session=True)
    try:
        wait_until(lambda: "under way" in (tmp_path / "said").read_text(), 30, "the demo's beginning")
        mine = [lab for lab in set(remains.labs()) - before if remains.owner_of(lab) == demo.pid]
        yield demo, mine[0]
    finally:
        demo.kill()
        demo.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_nothing_is_left_when_the_demo_is_ended(tmp_path, number):
    with demo_under_way(tmp_path) as (demo, lab_id):
        assert left_of(lab_id)
        demo.send_signal(number)
        status = demo.wait(GONE_S)
        assert status == (-number if number == signal.SIGKILL else 130)
        wait_until(lambda: not left_of(lab_id), GONE_S, "what the lab left")


def test_the_next_lab_removes_what_a_killed_watchdog_left(tmp_path):
    with demo_under_way(tmp_path) as (demo, lab_id):
        children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
        watchdog = [pid for pid in children if "lab.remains" in Path(f"/proc/{pid}/cmdline").read_text()]
        for pid in (*map(int, watchdog), demo.pid):
            os.kill(pid, signal.SIGKILL)
        demo.wait()
        assert len(watchdog) == 1 and left_of(lab_id)
        with Lab():
            assert left_of(lab_id) == []


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

    lab_id = keep("up").split()[1]
    try:
        which = ("--lab", lab_id)
        assert " 0% packet loss" in keep("shell", *which, "laptop", "ping", "--", "-c1", "-W2", SERVER)
        keep("move", *which, "lte")
        keep("fault", *which, "wan", "unplug")
        shown = keep("status")
        assert f"lab {lab_id}" in shown and "wan   5 ms round trip, cable out" in shown
        assert "10.77.0.2" in shown
    finally:
        keep("down", "--lab", lab_id)
    assert left_of(lab_id) == []


def test_the_whole_demo(tmp_path):
    out, page = tmp_path / "demo.json", tmp_path / "report.html"
    done = subprocess.run(
        [sys.executable, "-m", "lab.demo", "--json", out, "--report", page],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(out.read_text())
    assert told["interpreter"].startswith("micropython")
    assert told["sessions"]["started"] == told["sessions"]["survived"] == 4
    assert told["bytes_verified"] > 0
    kinds = {move["kind"] for move in told["moves"]}
    assert kinds == {"planned", "cable", "silent", "rebinding", "flapping", "crash"}
    for move in told["moves"]:
        assert {"name", "from", "to", "kind", "interruption_ms", "lost", "duplicated"} <= set(move)
        assert move["kind"] != "planned" or move["lost"] == 0
    assert "data:image/png;base64," in page.read_text()

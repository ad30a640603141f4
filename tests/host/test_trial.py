"""`commit confirmed` with careofd, a tunnel and a console that are killed, cut off, or kept."""

import json
import os
import signal
from pathlib import Path

import pytest
from careof.system import trial
from careof_office import BRANCH, INTERPRETERS, Office, wait_until
from serial_line import Console, Line
from tunneld_process import cannot_run

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
WRONG = "set uplink wan device nowhere0"
VISITORS = (
    "set foreign_agent fa device lo",
    "set foreign_agent fa care_of_address 10.77.1.1",
)


@pytest.fixture(params=INTERPRETERS)
def office(request):
    office = Office(request.param)
    office.lines = []
    yield office
    for line in office.lines:
        line.remove()
    office.remove()


def console(office, *arguments):
    branch = office.branch
    line = Line(Console(branch.interpreter, branch.config_path, branch.run_folder, *arguments))
    office.lines.append(line)
    line.expect("careof.*> ")
    return line


def configuration(office):
    return office.branch.config_path.read_text()


def kill_guard(office):
    """The process that the console left behind."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--end-trial" in words and str(office.branch.run_folder).encode() in words:
            os.kill(int(process.name), signal.SIGKILL)


def is_on_trial(office):
    return (office.branch.run_folder / ".config.unconfirmed").exists()


def test_a_change_that_cuts_the_tunnel_is_taken_back_though_the_console_is_killed(office):
    line = console(office)
    line.command(WRONG)
    said = line.command("commit confirmed 3")
    assert "in force: mobile_router-branch" in said and "up again by then: mobile_router-branch" in said
    assert "nowhere0" in configuration(office) and is_on_trial(office)
    line.kill()
    wait_until(lambda: not is_on_trial(office), "the configuration to be taken back")
    assert configuration(office) == BRANCH
    wait_until(office.connected, "the branch to be connected again")
    assert office.ping() == 3


def test_a_tunnel_that_comes_back_keeps_it(office):
    line = console(office)
    line.command("set uplink wan preference 20")
    line.command("commit confirmed 2")
    line.kill()
    wait_until(lambda: not is_on_trial(office), "the trial to end")
    assert "preference '20'" in configuration(office)
    assert office.branch.status()["uplinks"][0]["preference"] == 20


def test_a_second_commit_keeps_it_and_the_console_says_how_a_trial_ended(office):
    line = console(office)
    line.command(WRONG)
    assert "on trial" in line.command("commit confirmed 60")
    status = json.loads(office.branch.careof("--json", "status")[1])
    assert 50 <= status["trial_left_s"] <= 60
    assert "on trial: taken back in" in office.branch.careof("status")[1]
    assert line.command("commit") == "kept" and not is_on_trial(office)
    assert "nowhere0" in configuration(office)
    line.command("set uplink wan device up0")
    line.command("commit")
    wait_until(office.connected, "the branch to be connected")
    line.command(WRONG)
    line.command("commit confirmed 2")
    wait_until(lambda: not is_on_trial(office), "the trial to end")
    line.type("\r\r")
    line.expect("the configuration of before is in force again")
    assert "up0" in line.command("show configuration uplink")
    line.command(WRONG)
    line.command("commit confirmed 60")
    assert line.command("rollback") == "taken back, and in force"
    assert "up0" in configuration(office)


def test_without_console_and_guard_careofd_takes_it_back(office):
    branch = office.branch
    trial.begin(str(branch.config_path), str(branch.run_folder), 1, ["mobile_router-branch"])
    branch.config_path.write_text(BRANCH.replace("'up0'", "'nowhere0'"))
    assert branch.careof("reload")[0] == 0
    wait_until(lambda: not is_on_trial(office), "careofd to take the configuration back")
    assert configuration(office) == BRANCH and "nobody confirmed" in branch.log()
    wait_until(office.connected, "the branch to be connected again")


def test_a_power_cut_takes_it_back(office):
    line = console(office)
    line.command(WRONG)
    line.command("commit confirmed 600")
    line.kill()
    kill_guard(office)
    office.branch.kill()
    (office.branch.run_folder / "trial.json").unlink()  # the run file system is memory
    office.branch.start()
    wait_until(office.connected, "the branch to be connected again")
    assert configuration(office) == BRANCH and "the machine was restarted" in office.branch.log()


def test_a_careofd_that_dies_meanwhile_still_takes_it_back(office):
    line = console(office)
    line.command(WRONG)
    line.command("commit confirmed 3")
    line.kill()
    kill_guard(office)
    office.branch.kill()
    office.branch.start()
    wait_until(lambda: office.branch.careof("status")[0] == 0, "careofd to answer")
    assert is_on_trial(office) and "nowhere0" in configuration(office)
    wait_until(lambda: not is_on_trial(office), "the configuration to be taken back")
    assert configuration(office) == BRANCH
    wait_until(office.connected, "the branch to be connected again")


def test_other_roles_are_a_restart_there_and_back(office):
    flag = office.folder / "restarted"
    line = console(office, "--restart", f"touch {flag}")
    for command in VISITORS:
        line.command(command)
    said = line.command("commit confirmed 600")
    assert "careofd was restarted" in said and flag.exists()
    office.branch.kill()
    office.branch.start()
    wait_until(lambda: "foreign_agent-fa" in office.branch.careof("status")[1], "the new role")
    flag.unlink()
    run_file = office.branch.run_folder / trial.RUN_FILE
    kept = json.loads(run_file.read_text())
    run_file.write_text(json.dumps({**kept, "until_ms": 0, "tunnels": []}))
    wait_until(flag.exists, "careof to be restarted by the guard")
    assert configuration(office) == BRANCH and not is_on_trial(office)


def test_monitor_shows_changes_until_it_is_interrupted(office):
    line = console(office)
    line.type("monitor registrations\r")
    line.expect("until .C:.*wan")
    line.command("\x03show status")

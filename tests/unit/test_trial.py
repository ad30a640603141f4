"""`commit confirmed`: whatever dies and whenever, the configuration is the old one or the confirmed one."""

import os

import scratch
from careof.console import committing, guard
from careof.console.candidate import Candidate, Refused
from careof.status.connection import Refused as CareofdRefused
from careof.system import safe_file, trial
from fakes import FakeClock

OLD = "config uplink 'wan'\n\toption device 'eth0'\n"
NEW = "config uplink 'wan'\n\toption device 'eth1'\n"
UP, SEARCHING = {"name": "router", "state": "connected"}, {"name": "router", "state": "searching"}


class Careofd:
    """What the console asks, answered; `refuses`: why a reload is refused."""

    def __init__(self, roles=(), refuses=None):
        self.folder = scratch.path("run")
        os.mkdir(self.folder)
        self.path = self.folder + "/careof"
        with open(self.path, "w") as file:
            file.write(OLD)
        self.roles, self.refuses = list(roles), refuses
        self.is_there = True
        self.asked, self.run = [], []
        self.place = committing.Place(self.path, self.folder, "restart it")
        self.place.ask = self._ask
        self.candidate = Candidate(self.path)
        self.clock, self.said, self.taken_back = FakeClock(), [], []
        self.trial = trial.Trial(
            self.path, self.folder, self.clock,
            lambda: trial.tunnels_up(self.roles),
            lambda level, text: self.said.append(text),
            lambda: self.taken_back.append(True),
        )  # fmt: skip

    def _ask(self, command, *arguments):
        if not self.is_there:
            raise OSError(2, "nobody")
        self.asked.append((command, self.text()))
        if command == "status":
            return {"roles": self.roles}
        if self.refuses:
            raise CareofdRefused(self.refuses)
        self.trial.look()
        return {"changed": ["router"]}

    def text(self, path=None):
        return safe_file.read(path or self.path).decode()

    def files(self):
        return sorted(os.listdir(self.folder))

    def edit(self):
        self.candidate.set("uplink", "wan", "device", ["eth1"])

    def commit(self, seconds=None):
        def run(command):
            self.run.append(command)
            return 0

        return committing.commit(self.candidate, self.place, run, seconds)

    def pass_time(self, seconds):
        """The clocks of careofd and of the machine agree."""
        self.clock.ms += seconds * 1000
        deadline = self.trial.deadline()
        if deadline is not None and deadline <= self.clock.ms:
            self.trial.late(self.clock.ms)


def refusal(call, *arguments):
    try:
        call(*arguments)
    except Refused as e:
        return str(e)
    return None


# -- Commits ------------------------------------------------------------------------------------------


def test_a_commit_is_written_and_read_by_careofd():
    careofd = Careofd()
    assert careofd.commit() == ["nothing was changed"]
    careofd.edit()
    assert careofd.commit() == ["in force: router"]
    assert careofd.text() == NEW and careofd.text(careofd.place.previous_path) == OLD
    assert careofd.asked == [("reload", NEW)]
    assert not careofd.candidate.is_changed


def test_what_careofd_refuses_is_taken_out_again():
    careofd = Careofd(refuses="keys: no")
    careofd.edit()
    assert "careofd refuses it, and nothing is changed: keys: no" in refusal(careofd.commit)
    assert careofd.text() == OLD and careofd.candidate.is_changed
    careofd.roles = [UP]
    assert "careofd refuses it" in refusal(careofd.commit, 60)
    assert careofd.text() == OLD and not trial.is_on(careofd.path)


def test_other_roles_are_a_restart():
    careofd = Careofd(refuses="careof: the roles changed (router): restart careofd")
    careofd.edit()
    assert careofd.commit() == ["its roles are others: careofd was restarted"]
    assert careofd.run == ["restart it"] and careofd.text() == NEW
    careofd.candidate.set("uplink", "wan", "device", ["eth2"])
    careofd.place.restart = None
    assert "has to be restarted" in careofd.commit()[0]


def test_without_careofd_a_commit_is_written_and_a_trial_is_not():
    careofd = Careofd()
    careofd.is_there, careofd.place.restart = False, None
    careofd.edit()
    assert "who would take the trial back" in refusal(careofd.commit, 60)
    assert careofd.text() == OLD and not trial.is_on(careofd.path)
    assert "reads it when it starts" in careofd.commit()[0]
    assert careofd.text() == NEW


def test_what_somebody_else_wrote_is_not_written_over():
    careofd = Careofd()
    careofd.edit()
    with open(careofd.path, "w") as file:
        file.write("# mine\n")
    assert "changed by somebody else" in refusal(careofd.commit)
    assert careofd.text() == "# mine\n"


def test_what_is_not_fit_is_not_written():
    careofd = Careofd()
    careofd.candidate.set("mobile_router", "r", "home_address", ["10.0.0.1"])
    assert "list 'uplink' is missing" in refusal(careofd.commit)
    assert careofd.text() == OLD and careofd.asked == []


# -- On trial -----------------------------------------------------------------------------------------


def test_nobody_confirms_and_it_is_taken_back():
    careofd = Careofd([UP])
    careofd.edit()
    lines = careofd.commit(60)
    assert lines[0] == "in force: router" and "on trial for 60 s" in lines[1] and "router" in lines[1]
    assert careofd.text() == NEW and trial.is_on(careofd.path)
    assert 58 <= careofd.trial.left_s() <= 60
    careofd.roles = [SEARCHING]
    careofd.pass_time(30)
    assert careofd.text() == NEW
    careofd.pass_time(31)
    assert careofd.text() == NEW  # for a moment it is the guard's
    careofd.pass_time(5)
    assert careofd.text() == OLD and careofd.taken_back == [True] and not trial.is_on(careofd.path)
    assert "taken back" in careofd.said[0]
    careofd.pass_time(100)
    assert careofd.taken_back == [True]


def test_the_tunnels_of_before_speak_for_it():
    careofd = Careofd([UP])
    careofd.edit()
    careofd.commit(60)
    careofd.pass_time(66)
    assert careofd.text() == NEW and not trial.is_on(careofd.path) and careofd.taken_back == []
    assert careofd.said == ["kept without a word: up as before: router"]


def test_a_tunnel_that_was_not_up_before_speaks_for_nothing():
    careofd = Careofd([SEARCHING])
    careofd.edit()
    assert "no tunnel is up" in careofd.commit(60)[1]
    careofd.roles = [UP]
    careofd.pass_time(66)
    assert careofd.text() == OLD


def test_a_second_commit_keeps_it():
    careofd = Careofd()
    careofd.edit()
    careofd.commit(60)
    assert careofd.commit() == ["kept"]
    careofd.pass_time(66)
    assert careofd.text() == NEW and careofd.taken_back == [] and careofd.trial.left_s() is None
    assert careofd.commit() == ["nothing was changed"]


def test_a_second_trial_goes_back_to_the_first_ones_before():
    careofd = Careofd()
    careofd.edit()
    careofd.commit(60)
    careofd.candidate.set("uplink", "wan", "device", ["eth2"])
    careofd.commit(60)
    assert "on trial for 90 s more" in careofd.commit(90)[0]
    assert careofd.text().count("eth2") == 1
    careofd.pass_time(96)
    assert careofd.text() == OLD


def test_changes_that_are_committed_during_a_trial_keep_it_all():
    careofd = Careofd()
    careofd.edit()
    careofd.commit(60)
    careofd.candidate.set("uplink", "wan", "device", ["eth2"])
    assert careofd.commit()[1] == "the commit before is kept with it"
    careofd.pass_time(66)
    assert "eth2" in careofd.text()


def test_too_late_is_said():
    careofd = Careofd()
    careofd.edit()
    careofd.commit(60)
    assert trial.take_back(careofd.path)
    assert "somebody else" in refusal(careofd.commit)
    assert not trial.confirm(careofd.path)
    assert not trial.take_back(careofd.path)


def test_a_trial_is_taken_back_by_command():
    careofd = Careofd()
    careofd.edit()
    careofd.commit(60)
    assert committing.take_back(careofd.candidate, careofd.place, None) == ["taken back, and in force"]
    assert careofd.text() == OLD and careofd.asked[-1] == ("reload", OLD)
    assert committing.take_back(careofd.candidate, careofd.place, None) == []


# -- The guard, which a commit leaves behind ----------------------------------------------------------


def test_the_guard_takes_it_back_or_keeps_it():
    for role, text, why in (
        (UP, NEW, "kept without a word"),
        (SEARCHING, OLD, "taken back, and in force"),
    ):
        careofd = Careofd([UP])
        careofd.edit()
        careofd.commit(0)
        careofd.roles = [role]
        assert why in guard.wait(careofd.place)
        assert careofd.text() == text and not trial.is_on(careofd.path)
        assert guard.wait(careofd.place) is None


def test_the_guard_of_another_boot_or_without_careofd_takes_it_back():
    careofd = Careofd([UP])
    careofd.edit()
    careofd.commit(600)
    safe_file.remove(careofd.folder + "/" + trial.RUN_FILE)
    careofd.is_there, careofd.place.restart = False, None
    assert "careofd does not answer" in guard.wait(careofd.place)
    assert careofd.text() == OLD


def test_what_lies_in_the_run_folder_is_not_written_into():
    careofd = Careofd([UP])
    victim = careofd.folder + "/victim"
    os.system("echo mine >%s; ln -s %s %s/%s" % (victim, victim, careofd.folder, trial.RUN_FILE))
    careofd.edit()
    careofd.commit(60)
    assert careofd.text(victim) == "mine\n" and trial.deadline_of(careofd.folder) is not None


# -- Death --------------------------------------------------------------------------------------------


def test_careofd_that_is_started_again_goes_on_waiting():
    careofd = Careofd()
    careofd.edit()
    careofd.commit(60)
    assert trial.at_start(careofd.path, careofd.folder) is None
    assert careofd.text() == NEW


def test_careofd_that_is_started_too_late_takes_it_back():
    careofd = Careofd()
    careofd.edit()
    careofd.commit(0)
    assert "its time is over" in trial.at_start(careofd.path, careofd.folder)
    assert careofd.text() == OLD
    assert trial.at_start(careofd.path, careofd.folder) is None


def test_a_restart_of_the_machine_takes_it_back():
    for spoil in ("gone", "another boot", "garbled"):
        careofd = Careofd()
        careofd.edit()
        careofd.commit(600)
        run_file = careofd.folder + "/" + trial.RUN_FILE
        if spoil == "gone":
            os.remove(run_file)
        else:
            text = careofd.text(run_file)
            with open(run_file, "w") as file:
                file.write(text.replace(trial.boot_id(), "0000") if spoil == "another boot" else text[:-7])
        assert "the machine was restarted" in trial.at_start(careofd.path, careofd.folder)
        assert careofd.text() == OLD


class Cut(Exception):
    """The power went."""


class Cutting:
    """os, for so many changes of files; then the power goes."""

    def __init__(self, left):
        self._left = left

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in ("rename", "remove", "system"):
            return real

        def counted(*arguments):
            if self._left == 0:
                raise Cut()
            self._left -= 1
            return real(*arguments)

        return counted


def test_a_cut_at_any_step_leaves_the_old_or_the_new():
    """Each step of a commit on trial is the last one once; then the machine starts again."""
    steps, ended = 0, False
    while not ended:
        careofd = Careofd([UP])
        careofd.edit()
        safe_file.os = trial.os = Cutting(steps)
        try:
            careofd.commit(60)
            ended = True
        except Cut:
            steps += 1
        finally:
            safe_file.os = trial.os = os
        safe_file.remove(careofd.folder + "/" + trial.RUN_FILE)  # of the run file system
        assert careofd.text() in (OLD, NEW)
        trial.at_start(careofd.path, careofd.folder)
        assert careofd.text() == OLD and not trial.is_on(careofd.path)
    assert steps >= 6


# -- Files --------------------------------------------------------------------------------------------


def test_a_file_is_replaced_with_its_mode_and_one_that_is_new_is_its_owners():
    careofd = Careofd()
    os.system("chmod 640 " + careofd.path)
    safe_file.replace(careofd.path, b"x")
    assert os.stat(careofd.path)[0] & 0o777 == 0o640
    fresh = careofd.folder + "/it's new"
    safe_file.replace(fresh, b"y")
    assert os.stat(fresh)[0] & 0o777 == 0o600 and safe_file.read(fresh) == b"y"
    assert careofd.files() == ["careof", "it's new"]


def test_a_file_that_cannot_be_written_is_as_it_was():
    try:
        safe_file.replace("/proc/careof-no-such/file", b"x")
    except OSError as e:
        assert "cannot be written" in str(e)
    else:
        raise AssertionError("wrote into /proc")


if __name__ == "__main__":
    from runner import main

    main(globals())

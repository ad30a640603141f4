"""The process that a commit on trial leaves behind: it waits for the trial's end, whoever has died by then.

    careof console --end-trial          wait for the end of a trial
    careof console --end-old-trial      end it if its time is over, or if the machine was restarted meanwhile

It is root's, as the console is, and of a session of its own, so that neither a hangup nor ^C ends it. It has
no state: what there is to know lies in the files (system/trial), so two of them do no more than one.
"""

import os
import sys
import time

from ..status.connection import Refused as CareofdRefused
from ..system import safe_file, trial
from . import committing, machine
from .candidate import Candidate, Refused

LOOK_S = 1


def command_line(place):
    """The command that is this process."""
    interpreter = getattr(sys, "executable", None) or "micropython"
    words = [interpreter, "-m", "careof.console.main", "--config", place.config_path, "--run", place.run_path]
    if place.restart is not None:
        words += ["--restart", place.restart]
    return machine.command_line(*(words + ["--end-trial"]))


def leave_behind(place):
    """Start it."""
    session = "setsid " if machine.has("setsid") else ""
    os.system("trap '' HUP; %s%s </dev/null >/dev/null 2>&1 &" % (session, command_line(place)))


def wait(place):
    """Until the trial is over; what to say of its end, or None."""
    while trial.is_on(place.config_path):
        deadline = trial.deadline_of(place.run_path)
        left_ms = 0 if deadline is None else deadline[0] - trial.uptime_ms()
        if left_ms <= 0:
            return _end(place, [] if deadline is None else deadline[1])
        try:
            time.sleep(min(left_ms / 1000, LOOK_S))
        except KeyboardInterrupt:
            pass  # without a session of its own, it hears of ^C too
    return None


def _end(place, tunnels):
    try:
        up = trial.tunnels_up(place.ask("status")["roles"])
    except (OSError, CareofdRefused):
        up = []
    if trial.is_good(tunnels, up):
        trial.confirm(place.config_path)
        return "the configuration is kept without a word: up as before: %s" % ", ".join(tunnels)
    try:
        lines = committing.take_back(Candidate(place.config_path), place, os.system)
    except Refused as e:
        lines = ["taken back", str(e)]
    return "nobody confirmed the configuration: %s" % "; ".join(lines) if lines else None


def end_old(place):
    """Before careofd is started: what to say, or None."""
    return trial.at_start(place.config_path, place.run_path)


ENDINGS = {"--end-trial": wait, "--end-old-trial": end_old}


def log(text):
    """To the machine's log, and to whoever sees our output."""
    sys.stderr.write("careof: %s\n" % text)
    if machine.has("logger"):
        os.system("logger -t careof -p daemon.warning %s" % safe_file.shell_word(text))

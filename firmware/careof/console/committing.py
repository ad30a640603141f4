"""A commit: from the candidate to the file to careofd; old or new at any time, never between.

    check -> is the file as it was? -> [on trial: put the old aside] -> keep the old as previous -> replace
    -> careofd reads it; what it refuses is taken out again, and what wants other roles restarts it

Lines for the user come out as it goes on.
"""

from ..status.connection import Connection
from ..status.connection import Refused as CareofdRefused
from ..system import safe_file, trial
from ..system.options import ConfigError
from . import candidate as candidates

PREVIOUS = "previous"
PATIENCE_S = 30
RESTART = "restart careofd"  # the end of careofd's refusal of other roles


class Place:
    """Where things are: the configuration, the run folder, and the command that restarts careofd or None."""

    def __init__(self, config_path, run_path, restart):
        self.config_path, self.run_path, self.restart = config_path, run_path, restart

    @property
    def previous_path(self):
        return safe_file.beside(self.config_path, PREVIOUS)

    def ask(self, command, *arguments):
        """careofd's answer. Raises OSError, CareofdRefused."""
        connection = Connection(self.run_path, PATIENCE_S)
        try:
            return connection.ask(command, *arguments)
        finally:
            connection.close()


def commit(candidate, place, run, seconds=None, leave_guard=lambda place: None):
    """seconds: on trial for so long. run(command line) -> exit status. leave_guard(place): somebody is to
    wait for the trial's end. Raises candidate.Refused."""
    _check(candidate)
    if candidates.read_text(candidate.path) != candidate.base:
        raise candidates.Refused(
            "%s was changed by somebody else meanwhile: `rollback` takes that, and drops your changes"
            % candidate.path
        )
    pending = trial.is_on(place.config_path)
    if not candidate.is_changed:
        return _confirm(place, pending, seconds, leave_guard)
    try:
        if seconds is not None:
            roles = _roles(place)
            trial.begin(place.config_path, place.run_path, seconds, trial.tunnels_up(roles))
            leave_guard(place)
        if candidate.base:
            safe_file.replace(place.previous_path, candidate.base.encode(), like=candidate.path)
        safe_file.replace(candidate.path, candidate.text().encode())
    except OSError as e:
        if not pending and trial.is_on(place.config_path):
            trial.take_back(place.config_path)
        raise candidates.Refused("nothing is changed: %s" % e)
    lines = _reload(candidate, place, run, pending)
    candidate.load()
    if seconds is not None:
        text = "on trial for %d s: `commit` keeps it, else it is taken back, unless %s"
        lines.append(text % (seconds, _tunnels(trial.tunnels_up(roles))))
    elif pending and trial.confirm(place.config_path):
        lines.append("the commit before is kept with it")
    return lines


def _tunnels(names):
    return "up again by then: " + ", ".join(names) if names else "(no tunnel is up that would speak for it)"


def _roles(place):
    """For the tunnels that are up. A trial needs careofd: it is who ends it."""
    try:
        return place.ask("status")["roles"]
    except OSError:
        raise candidates.Refused("careofd does not answer, and it is who would take the trial back")
    except CareofdRefused as e:
        raise candidates.Refused(str(e))


def _check(candidate):
    try:
        candidate.check()
    except ConfigError as e:
        raise candidates.Refused("\n".join(e.messages))


def _confirm(place, pending, seconds, leave_guard):
    """A commit without changes keeps what is on trial."""
    if not pending:
        return ["nothing was changed"]
    if seconds is not None:
        trial.begin(place.config_path, place.run_path, seconds, trial.tunnels_up(_roles(place)))
        leave_guard(place)
        place.ask("reload")
        return ["on trial for %d s more" % seconds]
    if not trial.confirm(place.config_path):
        raise candidates.Refused("too late: it has been taken back")
    return ["kept"]


def _reload(candidate, place, run, pending):
    """careofd reads the file. Raises Refused when it will not have it; the file is then as it was."""
    try:
        changed = place.ask("reload")["changed"]
        return ["in force: " + (", ".join(changed) if changed else "no role is changed by it")]
    except OSError:
        if place.restart is not None and run(place.restart) == 0:
            return ["written; careofd did not answer, and careof was started again"]
        return ["written; careofd does not answer, and reads it when it starts"]
    except CareofdRefused as e:
        if str(e).endswith(RESTART):
            return _restart(place, run)
        safe_file.replace(candidate.path, candidate.base.encode())
        if not pending:
            trial.confirm(place.config_path)
        raise candidates.Refused("careofd refuses it, and nothing is changed: %s" % e)


def _restart(place, run):
    if place.restart is None:
        return ["written; its roles are others: careofd has to be restarted by whoever supervises it"]
    if run(place.restart):
        return ["written; its roles are others, but `%s` failed" % place.restart]
    return ["its roles are others: careofd was restarted"]


def take_back(candidate, place, run):
    """The trial ends now, as if nobody had confirmed. Returns lines."""
    if not trial.take_back(place.config_path):
        return []
    safe_file.sync_folder(place.config_path)
    candidate.load()
    try:
        place.ask("reload")
        return ["taken back, and in force"]
    except OSError:
        if place.restart is not None and run(place.restart) == 0:
            return ["taken back, and careof was started again"]
        return ["taken back; careofd does not answer, and reads it when it starts"]
    except CareofdRefused as e:
        if str(e).endswith(RESTART):
            return ["taken back"] + _restart(place, run)
        raise candidates.Refused(str(e))

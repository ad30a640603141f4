"""A configuration on trial (`commit confirmed`): taken back by itself unless somebody says that it is good.

    /etc/config/.careof.unconfirmed    what was in force before; while it is there, the trial is on
    RUN/trial.json                     until when, of which boot, and the tunnels that were up before

    no trial --begin--> on trial --confirm, or the tunnels are up again at the deadline--> no trial
                           '-----the deadline, a restart of the machine, take_back------> no trial, as before

To take back is one rename, which a power cut leaves undone or done. Several may do it, and the second finds
nothing to do: a process that the commit leaves behind (console/guard) at the deadline; careofd, a little
later, for the case that the guard was killed, and when it starts, before it reads the configuration; and who
starts careofd as root, since careofd itself may not write there on a router. The run folder does not outlive
a restart of the machine, nor does the boot's identifier: a trial without them ends at once. begin() has the
deadline written before the old configuration is put aside, and that before the new one takes its place.

A trial that nobody confirms is good all the same if tunnels were up before it and all of them are up at its
end: whoever came by them can come again. Without any tunnel before, only a word counts.
"""

import json
import os

from .. import json_text
from . import safe_file

UNCONFIRMED, RUN_FILE = "unconfirmed", "trial.json"
BOOT_ID, UPTIME = "/proc/sys/kernel/random/boot_id", "/proc/uptime"
SECONDS_MAX = 86400  # a day
GRACE_MS = 5000  # the guard has so long before careofd does its work


def boot_id():
    return safe_file.read(BOOT_ID).decode().strip()


def uptime_ms():
    """Since the machine was started, whatever the clocks of processes say."""
    whole, _, rest = safe_file.read(UPTIME).decode().split()[0].partition(".")
    return int(whole) * 1000 + int((rest + "000")[:3])


def marker(config_path):
    return safe_file.beside(config_path, UNCONFIRMED)


def is_on(config_path):
    return safe_file.exists(marker(config_path))


def tunnels_up(roles):
    """Names of the roles, of their snapshots, whose tunnel carries."""
    return sorted([role["name"] for role in roles if role.get("state") in ("connected", "moving")])


def begin(config_path, run_path, seconds, tunnels):
    """Put aside what is in force. If a trial is on already, what was before that one stays aside. Raises
    OSError: then there is none."""
    deadline = {"boot": boot_id(), "until_ms": uptime_ms() + seconds * 1000, "tunnels": tunnels}
    aside = marker(config_path)
    _write_new(run_path + "/" + RUN_FILE, json.dumps(deadline))
    if not safe_file.exists(aside):
        safe_file.replace(aside, safe_file.read(config_path), like=config_path)


def _write_new(path, text):
    """The run folder is careofd's, who is not root: what lies there is neither followed nor written into. A
    shell that must not clobber (set -C) makes a file with O_EXCL."""
    name = safe_file.shell_word(path)
    if os.system("rm -f %s; umask 022; set -C; printf %%s %s >%s" % (name, safe_file.shell_word(text), name)):
        raise OSError(5, "%s cannot be written" % path)  # EIO


def confirm(config_path):
    """Is it good now? False: there was no trial, or it had been taken back. Raises OSError."""
    if not safe_file.remove(marker(config_path)):
        return False
    safe_file.sync_folder(config_path)
    return True


def take_back(config_path):
    """What was in force before is the configuration again; False: there was no trial. Raises OSError."""
    try:
        os.rename(marker(config_path), config_path)
    except OSError as e:
        if e.errno == safe_file.ENOENT:
            return False
        raise
    return True


def deadline_of(run_path):
    """(ms of uptime, tunnels that were up); None if that was another boot, or cannot be read."""
    try:
        kept = json_text.loads(safe_file.read(run_path + "/" + RUN_FILE))
        if kept["boot"] == boot_id():
            return int(kept["until_ms"]), [str(name) for name in kept["tunnels"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def at_start(config_path, run_path):
    """Before the configuration is read: a trial that ended meanwhile is taken back. What to say, or None."""
    if not is_on(config_path):
        return None
    deadline = deadline_of(run_path)
    if deadline is not None and uptime_ms() < deadline[0]:
        return None
    take_back(config_path)
    why = "the machine was restarted" if deadline is None else "its time is over"
    return "the configuration that nobody confirmed is taken back: " + why


def is_good(tunnels, up):
    """May it stay without a word?"""
    return bool(tunnels) and all([name in up for name in tunnels])


class Trial:
    """careofd's eye on it. now_ms: careofd's clock. tunnels_up() now; taken_back() when it was.

    look() after start and each reload; late() at the deadline."""

    def __init__(self, config_path, run_path, clock, tunnels_up_now, say, taken_back):
        self._config_path, self._run_path, self._clock = config_path, run_path, clock
        self._tunnels_up = tunnels_up_now
        self._say, self._taken_back = say, taken_back
        self._until_ms, self._tunnels = None, []

    def look(self):
        """Is a trial on, and until when?"""
        deadline = deadline_of(self._run_path) if is_on(self._config_path) else None
        if deadline is None:
            self._until_ms, self._tunnels = None, []
        else:
            self._until_ms = self._clock.now_ms() + max(deadline[0] + GRACE_MS - uptime_ms(), 0)
            self._tunnels = deadline[1]

    def deadline(self):
        return self._until_ms

    def left_s(self):
        """Until it ends; None without one."""
        if self._until_ms is None or not is_on(self._config_path):
            return None
        return max((self._until_ms - GRACE_MS - self._clock.now_ms() + 999) // 1000, 0)

    def late(self, now_ms):
        """The loop's timer."""
        self._until_ms = None
        if not is_on(self._config_path):
            return
        up = self._tunnels_up()
        try:
            if is_good(self._tunnels, up):
                safe_file.remove(marker(self._config_path))
                self._say("notice", "kept without a word: up as before: %s" % ", ".join(self._tunnels))
            elif take_back(self._config_path):
                self._say("warning", "nobody confirmed the configuration: it is taken back")
                self._taken_back()
        except OSError as e:
            self._say("error", "the configuration cannot be taken back: %s" % e)

"""What a lab leaves on the machine, and how all of it goes away again.

A lab has an id of six hexadecimal digits. All that it makes bears it:

    /tmp/careof-lab-ID/          its folder, made first and removed last; owner.json names its owner
    careof-lab-ID-NODE           its namespaces; every process of the lab runs in one of them

So a lab can be removed by anybody who knows its id. Its owner does not do so itself: a watchdog process
holds the reading end of a pipe and removes the lab when the pipe closes, because the owner asked for it,
was interrupted, crashed, or was killed. When the watchdog was killed too, the next lab's start finds
the folder or the namespaces of an id without a living owner, and removes them.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from .process import run

FOLDERS = Path("/tmp")
PREFIX = "careof-lab-"
NAMESPACES = Path("/run/netns")
OWNER, KIND = "owner.json", "kind"
KILL_ROUNDS = 200  # a process may fork while it is being killed
KILL_PAUSE_S = 0.01
REMOVAL_PATIENCE_S = 30


def folder_of(lab_id):
    return FOLDERS / (PREFIX + lab_id)


def namespace_of(lab_id, node):
    return f"{PREFIX}{lab_id}-{node}"


def new_id():
    return secrets.token_hex(3)


def make_folder(lab_id, kind):
    """A new lab's folder, which names this process as owner. Raises FileExistsError."""
    folder_of(lab_id).mkdir(mode=0o755)
    (folder_of(lab_id) / KIND).write_text(kind)
    own(lab_id)


def kind_of(lab_id):
    """Which drawing it was made from."""
    return (folder_of(lab_id) / KIND).read_text()


def own(lab_id):
    """Name this process as the owner of the lab."""
    owner = {"pid": os.getpid(), "started": started_at(os.getpid())}
    temporary = folder_of(lab_id) / (OWNER + ".new")
    temporary.write_text(json.dumps(owner))
    temporary.rename(folder_of(lab_id) / OWNER)


def started_at(pid):
    """When a process started, in ticks since boot: tells it from a later one with its number. Or None."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = text.rpartition(")")[2].split()  # proc(5): field 3 and on
    return None if state in ("Z", "X") else int(fields[18])


def owner_of(lab_id):
    """The process number of the living owner, or None."""
    try:
        owner = json.loads((folder_of(lab_id) / OWNER).read_text())
        pid, started = owner["pid"], owner["started"]
    except (OSError, ValueError, KeyError):
        return None
    return pid if started_at(pid) == started else None


def labs():
    """Ids of all labs that have left anything on this machine."""
    pattern = re.compile(re.escape(PREFIX) + r"([0-9a-f]{6})(-|$)")
    places = [place for place in (FOLDERS, NAMESPACES) if place.is_dir()]
    found = [pattern.match(entry.name) for place in places for entry in place.iterdir()]
    return sorted({match[1] for match in found if match})


def namespaces(lab_id):
    prefix = namespace_of(lab_id, "")
    return (
        sorted(e.name for e in NAMESPACES.iterdir() if e.name.startswith(prefix))
        if NAMESPACES.is_dir()
        else []
    )


def remove(lab_id):
    """End every process of the lab, remove its namespaces and its folder; harmless when they are gone."""
    for namespace in namespaces(lab_id):
        for _ in range(KILL_ROUNDS):
            pids = [int(pid) for pid in run("ip", "netns", "pids", namespace, check=False).split()]
            if not pids:
                break
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(KILL_PAUSE_S)
        run("ip", "netns", "delete", namespace, check=False)
    shutil.rmtree(folder_of(lab_id), ignore_errors=True)


def sweep():
    """Remove every lab whose owner is no more; their ids."""
    stale = [lab_id for lab_id in labs() if owner_of(lab_id) is None]
    # A lab that is just being made has its folder for a moment before it has its owner's name.
    if stale:
        time.sleep(0.2)
    stale = [lab_id for lab_id in stale if owner_of(lab_id) is None]
    for lab_id in stale:
        remove(lab_id)
    return stale


class Watchdog:
    """The process that outlives the lab's owner, for as long as the removal takes."""

    def __init__(self, lab_id):
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.remains", lab_id],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[1],
            start_new_session=True,  # a Ctrl-C of the terminal is not for it
        )

    def release(self):
        """Have the lab removed, and wait until it is."""
        self._process.stdin.close()
        self._process.wait(REMOVAL_PATIENCE_S)


def watch(lab_id):
    """The watchdog's life. Nothing is ever written into the pipe; it closes with its last writer."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    remove(lab_id)


if __name__ == "__main__":
    watch(sys.argv[1])

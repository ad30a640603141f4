"""./dev console, push, pull: a router by its serial port (host/careof_serial)."""

import os
import sys

from invoke import task

from .common import ROOT

HELP = {
    "port": "/dev/ttyUSB0, socket://host:port, rfc2217://host:port",
    "board": "a name of board/: its speed is taken",
    "speed": "baud, if not the board's",
    "user": "for a router that wants a login; CAREOF_PASSWORD has the password",
}


def _become(command, *words, **options):
    """careof-serial in this process's place: keys, ^C and the exit status are its own."""
    for name, value in options.items():
        if value is True:
            words += (f"--{name}",)
        elif value not in (None, False):
            words += (f"--{name}", str(value))
    os.environ["PYTHONPATH"] = str(ROOT / "host")
    os.execv(sys.executable, [sys.executable, "-m", "careof_serial", command, *words])


@task(help={**HELP, "script": "commands and what they must say (docs/console.md)"})
def console(_, port, board=None, speed=None, user=None, script=None):
    """The console of a router at a serial port; ^] leaves."""
    _become("console", port=port, board=board, speed=speed, user=user, script=script)


@task(
    help={
        **HELP,
        "config": "the file",
        "trial": "seconds: commit confirmed, and leave it at that",
        "dry": "show what it would change, and drop it",
    }
)
def push(_, config, port, board=None, speed=None, user=None, trial=None, dry=False):
    """Send a configuration to a router by YMODEM, and commit it."""
    _become("push", config, port=port, board=board, speed=speed, user=user, trial=trial, dry=dry)


@task(
    help={**HELP, "file": "where it goes (default: standard output)", "support": "a support bundle instead"}
)
def pull(_, port, file=None, board=None, speed=None, user=None, support=False):
    """Fetch a router's configuration by YMODEM, without keys."""
    words = (file,) if file else ()
    _become("pull", *words, port=port, board=board, speed=speed, user=user, support=support)

"""`careof console`: on the terminal that it is started from, for a script, or for one command.

    careof console [--config FILE] [--run FOLDER] [--restart COMMAND] [--width COLUMNS] [COMMAND ...]
    careof console [...] --end-trial | --end-old-trial    see guard

Whoever may start it has the rights that he had before: it asks for no password. On a serial port a getty or
`login` stands before it (docs/console.md). Where standard input is no terminal, its lines are commands, and
the first that is refused ends it.

Exit status: 0 left, or all was done; 1 a command of a script was refused; 2 wrong use; 3 the configuration
cannot be read; 4 the terminal is gone.
"""

import sys

from ..system import memory
from . import committing, guard, machine
from .candidate import Refused
from .screen import WIDTH, WIDTH_MAX, WIDTH_MIN
from .session import Session
from .terminal import Hangup, Terminal

CONFIG, RUN = "/etc/config/careof", "/var/run/careof"
EXIT_REFUSED, EXIT_USE, EXIT_CONFIGURATION, EXIT_HANGUP = 1, 2, 3, 4
USAGE = (
    "usage: careof console [--config FILE] [--run FOLDER] [--restart COMMAND] [--width COLUMNS]\n"
    "                      [--end-trial | --end-old-trial | COMMAND ...]\n"
)
SCRIPT_LINE_MAX = 4096


class Output:
    """What a script or one command writes to: standard output, as it comes."""

    is_tty = False
    received, queued = b"", 0

    def send(self, data):
        if data:
            sys.stdout.write(data.decode().replace("\r", ""))

    def pump(self, wait_ms):
        return False

    def flush(self):
        if hasattr(sys.stdout, "flush"):
            sys.stdout.flush()


def arguments_of(argv):
    """({option: value}, words of a command). Raises ValueError."""
    found = {"--config": CONFIG, "--run": RUN, "--restart": None, "--width": str(WIDTH)}
    rest = list(argv)
    while rest and rest[0].startswith("--"):
        name = rest.pop(0)
        if name in guard.ENDINGS and not rest:
            found[name] = name
            break
        if name not in found or not rest:
            raise ValueError(name)
        found[name] = rest.pop(0)
    width = found["--width"]
    if not (width.isdigit() and WIDTH_MIN <= int(width) <= WIDTH_MAX):
        raise ValueError("--width")
    return found, rest


def script_lines():
    """Lines of standard input."""
    while True:
        line = sys.stdin.readline(SCRIPT_LINE_MAX)
        if not line:
            return
        yield line.rstrip("\r\n")


def main(argv):
    try:
        options, words = arguments_of(argv)
    except ValueError:
        sys.stderr.write(USAGE)
        return EXIT_USE
    place = committing.Place(options["--config"], options["--run"], options["--restart"] or machine.restart())
    endings = [guard.ENDINGS[name] for name in options if name in guard.ENDINGS]
    if endings:
        said = endings[0](place)
        if said is not None:
            guard.log(said)
        return 0
    terminal = Output() if words else Terminal()
    try:
        if not terminal.is_tty:
            lines = [" ".join([_word(one) for one in words])] if words else script_lines()
            session = Session(place, Output(), int(options["--width"]))
            return 0 if session.run_script(lines) else EXIT_REFUSED
        session = Session(place, terminal, int(options["--width"]))
        memory.settle()
        session.run_until_left()
    except Refused as e:
        sys.stderr.write("careof: %s\n" % e)
        return EXIT_CONFIGURATION
    except Hangup:
        return EXIT_HANGUP
    return 0


def _word(text):
    """A word of the command line, as one for the grammar, whatever is in it."""
    for character in " '\"\\;#\t":
        if character in text:
            return "'" + text.replace("'", "'\\''") + "'"
    return text if text else "''"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

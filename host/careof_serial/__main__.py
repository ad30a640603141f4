"""python -m careof_serial console | push CONFIG | pull [FILE] --port URL [--board NAME | --speed BAUD]

Exit status: 0 done; 1 the router refused something, or a script went otherwise; 2 wrong use; 3 the port or
the line.
"""

import argparse
import os
import sys
import tomllib
from pathlib import Path

from . import script, terminal, transfer
from .port import SPEED, Port, PortError
from .session import Session

EXIT_REFUSED, EXIT_USE, EXIT_LINE = 1, 2, 3
BOARDS = Path(__file__).resolve().parents[2] / "board"


class Refused(Exception):
    """The router's own words."""


def board_speed(name):
    """The speed of a board's serial port, from board/NAME.toml. Raises SystemExit."""
    path = BOARDS / f"{name}.toml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in BOARDS.glob("*.toml")))
        print(f"careof-serial: board '{name}': expected one of {known}", file=sys.stderr)
        raise SystemExit(EXIT_USE)
    return tomllib.loads(path.read_text())["serial"]["speed"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def progress(done, total):
    if sys.stderr.isatty():
        print(f"\r{done} of {total} octets ", end="", file=sys.stderr, flush=True)


def arguments(argv):
    parser = argparse.ArgumentParser(prog="careof-serial", description="A router by its serial port.")
    commands = parser.add_subparsers(dest="command", required=True)
    console = commands.add_parser("console", help="a person at the console; ^] leaves")
    console.add_argument("--script", help="run the commands of this file, and check what they say")
    push = commands.add_parser("push", help="a configuration to the router, and commit it")
    push.add_argument("config")
    push.add_argument("--trial", type=int, metavar="SECONDS", help="commit confirmed, and leave it at that")
    push.add_argument("--dry", action="store_true", help="show what it would change, and drop it")
    pull = commands.add_parser("pull", help="the configuration from the router, without keys")
    pull.add_argument("file", nargs="?", help="default: standard output")
    pull.add_argument("--support", action="store_true", help="a support bundle instead")
    for command in (console, push, pull):
        command.add_argument("--port", required=True, help="/dev/ttyUSB0, socket://host:port, rfc2217://...")
        command.add_argument("--board", help="a name of board/: its speed is taken")
        command.add_argument("--speed", type=int, help=f"baud (default: the board's, or {SPEED})")
        command.add_argument(
            "--user", help="for a router that wants a login; CAREOF_PASSWORD has the password"
        )
    return parser.parse_args(argv)


# -- What can be done


def do_console(port, session, options):
    if options.script is None:
        say(f"{port.url} at {port.speed}; ^] leaves")
        terminal.run(port)
        return
    path = Path(options.script)
    steps = script.parse(path.read_text(), path.name)
    session.attach()
    script.run(session, steps, print, path.name)


def do_push(port, session, options):
    data = Path(options.config).read_bytes()
    lines = data.decode().count("\n")
    session.attach()
    session.command("rollback")
    session.begin("receive", rb"send one file by YMODEM[^\n]*\n")
    transfer.send(port, data, "careof", progress)
    said = "\n".join(session.finish())
    if f"{lines} lines taken" not in said:
        raise Refused(said or "it said nothing of the file")
    for line in session.command("diff"):
        print(line)
    if options.dry:
        session.command("rollback")
        return
    answer = session.command("commit" if options.trial is None else f"commit confirmed {options.trial}")
    for line in answer:
        print(line)
    if session.command("show changes") != ["nothing is changed"]:
        session.command("rollback")
        raise Refused("the router refused it, and nothing is changed there")


def do_pull(port, session, options):
    session.attach()
    what = "send support" if options.support else "send configuration"
    session.begin(what, rb"receive it by YMODEM[^\n]*\n")
    data = transfer.receive(port, progress)
    session.finish()
    if options.file is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        Path(options.file).write_bytes(data)


COMMANDS = {"console": do_console, "push": do_push, "pull": do_pull}


def main(argv):
    options = arguments(argv)
    speed = options.speed or (board_speed(options.board) if options.board else SPEED)
    port = None
    try:
        port = Port(options.port, speed)
        session = Session(port, options.user, os.environ.get("CAREOF_PASSWORD"), say)
        COMMANDS[options.command](port, session, options)
    except PortError as error:
        say(f"careof-serial: {error}")
        return EXIT_LINE
    except transfer.TransferError as error:
        say(f"careof-serial: {options.port}: {error}")
        return EXIT_LINE
    except (Refused, script.ScriptError) as error:
        say(f"careof-serial: {error}")
        return EXIT_REFUSED
    except (OSError, UnicodeError) as error:
        say(f"careof-serial: {error}")
        return EXIT_USE
    except KeyboardInterrupt:
        return EXIT_REFUSED
    finally:
        if port is not None:
            port.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The commands of the console: a table of what each is called, what may follow it, and what does it.

A command gets the session (session.py) and its words, and returns or yields lines, each shown as it comes;
Refused is told to the user, and so is whatever careofd or the machine refuses.
"""

from collections import namedtuple

from ..limits import CONSOLE_PACKETS, CONSOLE_PINGS
from ..status import cli
from ..status.tables import LISTS
from ..system import safe_file, trial
from . import committing, guard, machine
from .candidate import Refused
from .grammar import free, word

HELP = "? shows what may come next, Tab completes; words may be shortened"
CONFIRM_S = 600  # what `commit confirmed` means without a number
COUNT_MAX = 10000

# help: one line. expected(grammar, words): Choices of what may follow. run(session, words): lines.
Command = namedtuple("Command", "help expected run")
COMMANDS: dict = {}


def _command(name, help_, expected, run):
    COMMANDS[name] = Command(help_, expected, run)


def nothing(grammar, words):
    return []


def number(text, least, most):
    """A whole number. Raises Refused."""
    if not (text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise Refused("'%s': expected a number from %d to %d" % (text, least, most))
    return int(text)


# -- The configuration


SHOWN = (
    word("configuration", "the configuration as it is edited, without keys"),
    word("changes", "what a commit would change"),
    word("status", "what holds now, role by role"),
    word("counters", "of careofd and careof-tunneld"),
    word("mib", "the objects of RFC 2006"),
    word("bindings", "home agents: who is bound to where"),
    word("visitors", "foreign agents: who visits"),
    word("agents", "agents that are known"),
    word("registrations", "requests that are pending, and refusals with their reason"),
    word("version", "which careofd, on which interpreter"),
)


def _after_show(grammar, words):
    if not words:
        return list(SHOWN)
    if words[0] != "configuration" or len(words) > 2:
        return []
    return grammar.kinds_there() if len(words) == 1 else grammar.names(words[1])


def _show(session, words):
    what = words[0] if words else "status"
    if what == "configuration":
        return session.candidate.lines(*words[1:])
    if what == "changes":
        return _diff(session, [])
    if what == "version":
        status = session.ask("status")
        return ["careofd on %s, up %d s" % (status["interpreter"], status["up_s"])]
    asked = ["status", "mib"] if what == "mib" else [what]
    return cli.run(session.connection(), asked, False, False)


def _after_set(grammar, words):
    return grammar.assignment(words)


def _set(session, words):
    if len(words) < 2:
        raise Refused("expected: set KIND NAME [OPTION VALUE]")
    if len(words) == 2:
        session.candidate.add_section(*words)
    elif len(words) == 3:
        session.ask_secret(*words)
    else:
        session.candidate.set(*words[:3], words[3:])
    return ()


def _after_add(grammar, words):
    return grammar.assignment(words, names_are_there=True)


def _add(session, words):
    if len(words) < 4:
        raise Refused("expected: add KIND NAME LIST VALUE ...")
    session.candidate.set(*words[:3], words[3:], True)
    return ()


def _after_delete(grammar, words):
    if not words:
        return grammar.kinds_there()
    if len(words) == 1:
        return grammar.names(words[0])
    if len(words) == 2:
        return grammar.options_there(*words)
    return [free("value", "of a list, or nothing: all of it")] if len(words) == 3 else []


def _delete(session, words):
    if len(words) < 2:
        raise Refused("expected: delete KIND NAME [OPTION [VALUE]]")
    session.candidate.delete(*words)
    return ()


def _diff(session, words):
    return session.candidate.diff() or ["nothing is changed"]


def _after_commit(grammar, words):
    if not words:
        return [word("confirmed", "taken back by itself unless a second `commit` follows")]
    if len(words) > 1:
        return []
    return [free("seconds", "1 to %d; %d if not said" % (trial.SECONDS_MAX, CONFIRM_S))]


def _commit(session, words):
    seconds = None
    if words:
        seconds = number(words[1], 1, trial.SECONDS_MAX) if len(words) > 1 else CONFIRM_S
    return committing.commit(
        session.candidate, session.place, session.run_quietly, seconds, guard.leave_behind
    )


def _after_rollback(grammar, words):
    return [] if words else [word("previous", "edit what was in force before the last commit")]


def _rollback(session, words):
    candidate = session.candidate
    if words:
        path = session.place.previous_path
        if not safe_file.exists(path):
            raise Refused("there was no commit before")
        candidate.replace(safe_file.read(path).decode())
        return ["see `diff`; `commit` puts it in force"]
    lines = ["what was not committed is dropped"] if candidate.is_changed else []
    candidate.load()
    lines += committing.take_back(candidate, session.place, session.run_quietly)
    return lines or ["nothing is changed"]


def _load(session, words):
    return session.begin_load()


# -- careofd


def _after_monitor(grammar, words):
    return [word(name, "each change, as it happens") for name in sorted(LISTS)] + [
        word("log", "lines of careof in the machine's log")
    ] if not words else []  # fmt: skip


def _monitor(session, words):
    if not words:
        raise Refused("expected: monitor %s | log" % " | ".join(sorted(LISTS)))
    if words[0] == "log":
        session.run(machine.log())
        return ()
    return session.monitor(words[0])


def _after_move(grammar, words):
    return grammar.names("uplink") if not words else []


def _tell(command):
    def run(session, words):
        answer = session.ask(command, *words)
        return [str(answer)]

    return run


# -- The network


def _after_ping(grammar, words):
    if len(words) > 4:
        return []
    if not words:
        return [free("host", "an address or a name")]
    if words[-1] == "count":
        return [free("number")]
    if words[-1] == "from":
        return [word(name) for name in grammar.devices()] + [free("address", "of this machine")]
    return [
        one
        for one in (word("count", "how many"), word("from", "a device or an address of this machine"))
        if one.word not in words
    ]


def _pairs(words, known):
    """{word: what follows it}. Raises Refused."""
    found = {}
    for index in range(0, len(words), 2):
        if words[index] not in known or index + 1 == len(words):
            raise Refused("'%s': expected %s and a value" % (words[index], " or ".join(known)))
        found[words[index]] = _checked(words[index + 1])
    return found


def _checked(text):
    if not machine.is_word(text):
        raise Refused("'%s': expected letters, digits and punctuation, not beginning with -" % text)
    return text


def _ping(session, words):
    if not words:
        raise Refused("expected: ping HOST [count NUMBER] [from DEVICE]")
    more = _pairs(words[1:], ("count", "from"))
    count = number(more.get("count", str(CONSOLE_PINGS)), 1, COUNT_MAX)
    session.run(machine.ping(_checked(words[0]), count, more.get("from")))
    return ()


def _after_trace(grammar, words):
    return [free("host", "an address or a name")] if not words else []


def _trace(session, words):
    if not words:
        raise Refused("expected: trace HOST")
    session.run(machine.trace(_checked(words[0])))
    return ()


def _after_capture(grammar, words):
    if not words:
        return [word(name) for name in grammar.devices()] + [free("device")]
    return [word("count", "how many packets"), free("expression", "as tcpdump has them: udp port 434")]


def _capture(session, words):
    if not words:
        raise Refused("expected: capture DEVICE [count NUMBER] [EXPRESSION]")
    rest, count = words[1:], CONSOLE_PACKETS
    if rest[:1] == ["count"]:
        count = number(rest[1] if len(rest) > 1 else "", 1, COUNT_MAX)
        rest = rest[2:]
    session.run(machine.capture(_checked(words[0]), count, [_checked(one) for one in rest]))
    return ()


# -- The machine


def _support(session, words):
    from . import support

    return support.bundle(session)


def _after_send(grammar, words):
    return [] if words else [
        word("configuration", "as it is edited, without keys"),
        word("support", "a new support bundle"),
    ]  # fmt: skip


def _send(session, words):
    from . import support

    if words[:1] == ["support"]:
        name, text = "careof-support.txt", "\n".join(support.lines(session)) + "\n"
    else:
        name, text = "careof", "\n".join(session.candidate.lines()) + "\n"
    return session.send_file(name, text.encode())


def _receive(session, words):
    return session.receive_file()


def _factory_reset(session, words):
    from . import factory

    return factory.reset(session)


def _after_terminal(grammar, words):
    if not words:
        return [word("width", "columns of your terminal")]
    return [free("columns", "20 to 500")] if len(words) == 1 else []


def _terminal(session, words):
    if len(words) != 2:
        raise Refused("expected: terminal width COLUMNS")
    session.set_width(number(words[1], 20, 500))
    return ()


def _shell(session, words):
    session.run("exec ${SHELL:-/bin/sh} -l")
    return ()


def _exit(session, words):
    return session.leave()


def _help(session, words):
    return session.grammar.help("") + ["", HELP]


_command("show", "what is configured, and what holds now", _after_show, _show)
_command("set", "give an option its value, or a list its values", _after_set, _set)
_command("add", "add to a list", _after_add, _add)
_command("delete", "take out a section, an option, or a value of a list", _after_delete, _delete)
_command("diff", "what a commit would change", nothing, _diff)
_command("commit", "put the changes in force", _after_commit, _commit)
_command("rollback", "drop what is not committed or not confirmed", _after_rollback, _rollback)
_command("load", "paste a whole configuration file", nothing, _load)
_command("send", "a file to you, by YMODEM", _after_send, _send)
_command("receive", "a whole configuration file from you, by YMODEM", nothing, _receive)
_command("monitor", "what changes, until ^C", _after_monitor, _monitor)
_command("move", "carry by that uplink", _after_move, _tell("move"))
_command("revoke", "end a node's bindings, or a visit", lambda _, words: [free("node")] if not words else [],
         _tell("revoke"))  # fmt: skip
_command("ping", "is a host there?", _after_ping, _ping)
_command("trace", "by which routers is a host reached?", _after_trace, _trace)
_command("capture", "packets on a device", _after_capture, _capture)
_command("support", "make a file with all that a helper needs, without keys", nothing, _support)
_command("factory-reset", "configuration and state as they came", nothing, _factory_reset)
_command("terminal", "how your terminal is", _after_terminal, _terminal)
_command("start-shell", "the machine's own shell", nothing, _shell)
_command("help", "these lines", nothing, _help)
_command("exit", "leave the console", nothing, _exit)

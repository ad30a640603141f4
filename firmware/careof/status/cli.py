"""The `careof` command: asks careofd over its status socket and prints for a person, or JSON.

    careof [--run FOLDER] [--json] [--follow] COMMAND

    status                what holds now; `status mib`: RFC 2006's objects, role by role
    counters              of careofd and careof-tunneld
    bindings              of the home agents, visitors of the foreign agents, agents that are known, and
    visitors | agents |   registrations: each uplink's, pending ones, and the last refusals with their why;
    registrations         with --follow also every change from then on
    move UPLINK           carry by that uplink
    revoke NODE           end a node's bindings, or a visit
    facts DEVICE [NAME=VALUE ...]  what an uplink is attached to: ssid, bssid, apn, bearer, gateway_mac,
                          portal, proxy (said by scripts; those before are forgotten)
    reload | stop
    --version

Exit status: 0 done; 1 careofd said no; 2 wrong use; 3 careofd is not there.
"""

import json
import sys

from ..version import VERSION
from .connection import RUN, Connection, Refused
from .tables import LISTS, Listing, cell, show_status, show_value, table

EXIT_REFUSED, EXIT_USE, EXIT_ABSENT = 1, 2, 3
USAGE = (
    "usage: careof [--run FOLDER] [--json] status [mib] | counters | reload | move UPLINK | revoke NODE |\n"
    "                                      stop | facts DEVICE [NAME=VALUE ...]\n"
    "       careof [--run FOLDER] [--json] [--follow] bindings | visitors | agents | registrations\n"
)
# name -> how many arguments
FACTS_MAX = 7
COMMANDS = {"status": 0, "counters": 0, "reload": 0, "move": 1, "revoke": 1, "stop": 0}


def options_of(argv):
    """(words, run folder, as JSON?, follow?) of the command line. Raises ValueError."""
    words, run_path, as_json, follow, rest = [], RUN, False, False, list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--json":
            as_json = True
        elif word == "--follow":
            follow = True
        elif word == "--run" and rest:
            run_path = rest.pop(0)
        elif word.startswith("--"):
            raise ValueError(word)
        else:
            words.append(word)
    if not words or (follow and words[0] not in LISTS):
        raise ValueError("no command")
    listed = words[0] in LISTS and len(words) == 1
    known = len(words) - 1 == COMMANDS.get(words[0]) or words == ["status", "mib"]
    known = known or (words[0] == "facts" and 2 <= len(words) <= 2 + FACTS_MAX)
    if not (listed or known):
        raise ValueError(words[0])
    return words, run_path, as_json, follow


def main(argv):
    if argv == ["--version"]:
        _print("careof " + VERSION)
        return 0
    try:
        words, run_path, as_json, follow = options_of(argv)
    except ValueError:
        sys.stderr.write(USAGE)
        return EXIT_USE
    try:
        connection = Connection(run_path)
        answers = run(connection, words, as_json, follow)
        first = _first(answers)  # whether careofd knows an answer decides how we end
    except OSError as e:
        sys.stderr.write("careof: careofd does not answer at %s/status.sock: %s\n" % (run_path, e))
        return EXIT_ABSENT
    except Refused as e:
        sys.stderr.write("careof: %s\n" % e)
        return EXIT_REFUSED
    try:
        for line in first:
            _print(line)
        for line in answers:
            _print(line)
    except (OSError, KeyboardInterrupt):
        pass  # whoever was reading has gone, as head(1) does; or careofd has
    return 0


def _first(lines):
    for line in lines:
        return [line]
    return []


def _print(line):
    sys.stdout.write(line + "\n")
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()  # who follows wants to see it now


def run(connection, words, as_json, follow):
    """The lines that are printed."""
    command = words[0]
    if command in LISTS:
        return listed(connection, command, as_json, follow)
    if words == ["status", "mib"]:
        return shown_mib(connection, as_json)
    return answered(connection, command, words[1:], as_json)


def answered(connection, command, arguments, as_json):
    answer = connection.ask(command, *arguments)
    if as_json:
        yield json.dumps(answer)
    elif isinstance(answer, dict):
        for line in show_status(answer) if command == "status" else show_value(command, answer):
            yield line
    else:
        yield str(answer)


# -- Tables


def listed(connection, name, as_json, follow):
    """A table, page by page; then, if it is followed, what changes.

    As JSON a list with a row a line; if it is followed an object a line without end.
    """
    if follow:
        connection.follow(name)
    roles = [role["name"] for role in connection.ask("roles") if role["kind"] in LISTS[name][0]]
    if not roles:
        raise Refused("%s: no role here has any: expected a %s" % (name, " or a ".join(LISTS[name][0])))
    listing = Listing(name, len(roles) > 1)
    before = "["
    for role in roles:
        for rows in connection.pages(role, name):
            if not as_json:
                for line in listing.rows(role, rows):
                    yield line
                continue
            for row in rows:
                yield _json_row(role, row) if follow else before + _json_row(role, row)
                before = ","
    if as_json and not follow:
        yield "[]" if before == "[" else "]"
    while follow:
        change = connection.next_change()
        for row in change["rows"]:
            if as_json:
                yield _json_row(change["role"], row)
            else:
                for line in listing.change(change["role"], row):
                    yield line


def _json_row(role, row):
    row["role"] = role
    return json.dumps(row)


# -- The MIB


def shown_mib(connection, as_json):
    """RFC 2006's objects of each role: an instance each."""
    from . import mib, mib_view

    instances = []
    for role in connection.ask("roles"):
        shown = mib_view.instance(role, lambda name: connection.rows(role["name"], name))  # noqa: B023
        instances.append({"name": role["name"], "objects": shown})
    if as_json:
        yield json.dumps(instances)
        return
    for instance in instances:
        for line in _mib_lines(mib, instance):
            yield line


def _mib_lines(mib, instance):
    """One role's objects in the order of the MIB."""
    objects = instance["objects"]
    yield instance["name"]
    plain = [(row.name, cell(objects[row.name])) for row in mib.SCALARS if row.name in objects]
    for line in table(plain):
        yield "  " + line
    for row in mib.TABLES:
        if row.name not in objects:
            continue
        yield "  %s: %d" % (row.name, len(objects[row.name]))
        for entry in objects[row.name]:
            yield "    " + entry["index"]
            names = [column.name for column in row.columns if column.name in entry]
            for line in table([(name, cell(entry[name])) for name in names]):
                yield "      " + line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The ubus object `careof`: an exec plugin of OpenWrt's rpcd, which LuCI and other programs ask.

    rpcd list                     {method: {argument: an example of its type}}
    rpcd call METHOD < arguments  the answer, a JSON object, or {"error": why not}

What only shows is in the ACL's read group, what changes something in its write group (packaging:
usr/share/rpcd/acl.d/careof.json).
"""

import json
import sys

from .. import json_text
from .connection import RUN, Connection, Refused
from .tables import LISTS

ARGUMENTS_SIZE_MAX = 65536  # of a call
PATIENCE_S = 5
ROWS_MAX = 1000  # of one table: LuCI shows no more, and rpcd holds an answer in memory
# method -> names of its arguments, which are strings
METHODS = {
    "status": (),
    "uplinks": (),
    "counters": (),
    "bindings": (),
    "visitors": (),
    "agents": (),
    "registrations": (),
    "move": ("uplink",),
    "revoke": ("node",),
    "reload": (),
}


def listed(connection, name):
    """A table of all roles that have one, and whether there is more than is shown."""
    rows = []
    for role in connection.ask("roles"):
        if role["kind"] not in LISTS[name][0]:
            continue
        for page in connection.pages(role["name"], name):
            for row in page:
                if len(rows) == ROWS_MAX:
                    return {name: rows, "more": True}
                row["role"] = role["name"]
                rows.append(row)
    return {name: rows, "more": False}


def uplinks(connection):
    """Of all mobile routers, each with what it is attached to."""
    status = connection.ask("status")
    found = []
    for role in status["roles"]:
        for row in role.get("uplinks") or ():
            row["role"] = role["name"]
            row["attached"] = status["networks"].get(row["device"])
            found.append(row)
    return {"uplinks": found}


def call(connection, method, given):
    """The answer: an object. Raises Refused, ValueError, OSError."""
    if not isinstance(given, dict):
        raise ValueError("%s: expected an object" % method)
    arguments = []
    for name in METHODS[method]:
        if not isinstance(given.get(name), str):
            raise ValueError("%s: expected '%s', a string" % (method, name))
        arguments.append(given[name])
    if method in LISTS:
        return listed(connection, method)
    if method == "uplinks":
        return uplinks(connection)
    answer = connection.ask(method, *arguments)
    return answer if isinstance(answer, dict) else {"answer": answer}


def answered(method, text, run_path):
    """What is printed for a call."""
    if method not in METHODS:
        return {"error": "method '%s': expected one of %s" % (method, ", ".join(sorted(METHODS)))}
    try:
        given = json_text.loads(text) if text.strip() else {}
    except (ValueError, RuntimeError):
        return {"error": "%s: the arguments are not JSON" % method}
    try:
        connection = Connection(run_path, PATIENCE_S)
    except OSError as e:
        return {"error": "careofd does not answer at %s/status.sock: %s" % (run_path, e)}
    try:
        return call(connection, method, given)
    except (Refused, ValueError) as e:
        return {"error": str(e)}
    except OSError as e:
        return {"error": "careofd went away: %s" % e}
    finally:
        connection.close()


def signatures():
    """What is printed for `list`: an example of each argument's type, as rpcd wants it."""
    return {method: {name: "string" for name in METHODS[method]} for method in METHODS}


def main(argv, read, run_path=RUN):
    """read(size): the standard input. Returns the exit status."""
    if argv == ["list"]:
        shown = signatures()
    elif len(argv) == 2 and argv[0] == "call":
        shown = answered(argv[1], read(ARGUMENTS_SIZE_MAX), run_path)
    else:
        sys.stderr.write("usage: rpcd list | call METHOD\n")
        return 2
    sys.stdout.write(json.dumps(shown) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin.read))

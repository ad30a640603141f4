"""The `careof` command: asks careofd over its status socket and prints for a person, or JSON.

    careof [--run FOLDER] [--json] status | counters | visitors | reload | move UPLINK |
           revoke NODE | stop

Exit status: 0 done; 1 careofd said no; 2 wrong use; 3 careofd is not there.
"""

import json
import socket
import sys

RUN = "/var/run/careof"
EXIT_REFUSED, EXIT_USE, EXIT_ABSENT = 1, 2, 3
USAGE = (
    "usage: careof [--run FOLDER] [--json] status | counters | visitors | reload | move UPLINK | "
    "revoke NODE | stop\n"
)
COMMANDS = {
    "status": 0,
    "counters": 0,
    "visitors": 0,
    "reload": 0,
    "move": 1,
    "revoke": 1,
    "stop": 0,
}  # name -> how many arguments


def ask(run_path, command, arguments):
    """careofd's reply, a dict with "answer" or "error". Raises OSError."""
    path = run_path + "/status.sock"
    asking = socket.socket(1, socket.SOCK_STREAM)  # AF_UNIX
    if sys.implementation.name == "micropython":
        asking.connect((1).to_bytes(2, sys.byteorder) + path.encode() + b"\x00")
    else:
        asking.connect(path)
    asking.send(json.dumps({"command": command, "arguments": arguments}).encode() + b"\n")
    received = b""
    while not received.endswith(b"\n"):
        more = asking.recv(65536)
        if not more:
            raise OSError(104, "careofd closed the connection")  # ECONNRESET
        received += more
    asking.close()
    return json.loads(received)


def table(rows):
    """Lines of a table: columns as wide as their widest cell."""
    texts = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max([len(row[column]) for row in texts]) for column in range(len(texts[0]))]
    for row in texts:
        yield "  ".join([cell + " " * (width - len(cell)) for cell, width in zip(row, widths)]).rstrip()


# Tables of a status, by the name of the list: (key of a row, heading).
TABLES = {
    "uplinks": (
        ("uplink", "uplink"),
        ("device", "device"),
        ("carrier", "carrier"),
        ("address", "address"),
        ("gateway", "gateway"),
        ("agent", "agent"),
        ("carries", "carries"),
        ("proven", "proven"),
        ("bound", "bound"),
        ("live", "live"),
        ("tunnel", "tunnel"),
        ("nat", "nat"),
        ("round_trip_ms", "round trip/ms"),
        ("lifetime_left_s", "lifetime/s"),
        ("last_refusal", "last refusal"),
    ),
    "bound": (
        ("node", "node"),
        ("home_address", "home address"),
        ("care_of", "care of"),
        ("tunnel", "tunnel"),
        ("peer", "peer"),
        ("lifetime_left_s", "lifetime/s"),
    ),
}
# What a role says of itself comes first in this order; a key that is not here is left to --json.
ROLE_LINES = (
    ("state", "state"),
    ("carrying", "carried by"),
    ("chosen", "chosen by command"),
    ("home_address", "home address"),
    ("home_agent", "home agent"),
    ("contact", "contact"),
    ("nodes", "nodes"),
    ("bindings", "bindings"),
    ("addresses", "addresses"),
)


def show_status(answer):
    """Lines for the answer to `status`: careofd itself, then each role with its table."""
    up_s = answer["up_s"]
    yield "careofd on %s, up %d:%02d:%02d, tunneld %s" % (
        answer["interpreter"],
        up_s // 3600,
        up_s // 60 % 60,
        up_s % 60,
        answer["tunneld"],
    )
    for role in answer["roles"]:
        yield ""
        yield role["name"]
        lines = [(label, _cell(role[key])) for key, label in ROLE_LINES if role.get(key) is not None]
        for line in table(lines):
            yield "  " + line
        for key, columns in TABLES.items():
            if role.get(key):
                rows = [[heading for _, heading in columns]]
                rows += [[_cell(row.get(name)) for name, _ in columns] for row in role[key]]
                for line in table(rows):
                    yield "  " + line


def show_value(name, value, depth=0):
    """Lines for any other JSON value: objects as `name  value` in the order of their names."""
    indent = "  " * depth
    if not isinstance(value, dict):
        yield "%s%s: %s" % (indent, name, _cell(value))
        return
    if depth:
        yield indent[2:] + name
    plain = sorted([(k, v) for k, v in value.items() if not isinstance(v, dict)])
    if plain:
        for line in table(plain):
            yield indent + line
    for key in sorted(value):
        if isinstance(value[key], dict):
            for line in show_value(key, value[key], depth + 1):
                yield line


def _cell(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join([str(v) for v in value])
    return value


def main(argv):
    run_path, as_json = RUN, False
    rest = list(argv)
    while rest and rest[0].startswith("--"):
        option = rest.pop(0)
        if option == "--json":
            as_json = True
        elif option == "--run" and rest:
            run_path = rest.pop(0)
        else:
            sys.stderr.write(USAGE)
            return EXIT_USE
    if "--json" in rest:
        rest.remove("--json")
        as_json = True
    if not rest or rest[0] not in COMMANDS or len(rest) - 1 != COMMANDS[rest[0]]:
        sys.stderr.write(USAGE)
        return EXIT_USE
    try:
        reply = ask(run_path, rest[0], rest[1:])
    except OSError as e:
        sys.stderr.write("careof: careofd does not answer at %s/status.sock: %s\n" % (run_path, e))
        return EXIT_ABSENT
    if "error" in reply:
        sys.stderr.write("careof: %s\n" % reply["error"])
        return EXIT_REFUSED
    answer = reply["answer"]
    try:
        show(rest[0], answer, as_json)
    except OSError:
        pass  # whoever was reading has gone, as head(1) does
    return 0


def show(command, answer, as_json):
    if as_json:
        print(json.dumps(answer))
    elif isinstance(answer, dict):
        for line in show_status(answer) if command == "status" else show_value(command, answer):
            print(line)
    else:
        print(answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

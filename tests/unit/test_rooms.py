"""Imports go one way (docs: README, "Where things are"): the rule of the rooms, read from the source.

    wire, crypt -> proto -> agent -> main          wire -> system -> main

`agent` and `system` never meet but in main; `console` and `status` read snapshots and send commands. Of
`system` the console has the configuration (its files, grammar, table), and nothing of careofd's loop.
"""

import os

ROOMS = {
    "wire": {"wire"},
    "crypt": {"crypt"},
    "proto": {"proto", "wire", "crypt", "limits"},
    "agent": {"agent", "proto", "wire", "crypt", "limits"},
    "system": {"system", "wire", "limits", "json_text"},
    "status": {"status", "limits", "version", "json_text"},
    "console": {"console", "status", "limits", "version", "system"},
}
# Of a room's modules another one may import these alone.
PARTS = {
    ("console", "system"): {"options", "option_table", "option_types", "uci", "safe_file", "trial", "memory"}
}
# What a room may take from outside: nothing of the machine in the pure rooms.
PURE = {"wire", "proto", "agent"}
MACHINE = {"socket", "select", "os", "time", "random", "sys"}
EXCUSED = {("wire/netlink.py", "sys")}  # byteorder: netlink speaks the host's


def firmware():
    here = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
    return here + "/../../firmware/careof"


def sources(folder, prefix=""):
    """(path below careof, text) of every source below a folder."""
    for name in sorted(os.listdir(folder)):
        path = folder + "/" + name
        if name.endswith(".py"):
            with open(path) as file:
                yield prefix + name, file.read()
        elif os.stat(path)[0] & 0x4000 and not name.startswith("__"):
            yield from sources(path, prefix + name + "/")


def parts(text):
    """(room, module) of each import from another room."""
    for line in text.split("\n"):
        words = line.split()
        if len(words) < 4 or words[0] != "from" or not words[1].startswith(".."):
            continue
        room, _, module = words[1].lstrip(".").partition(".")
        for name in [module] if module else [word.strip(",()") for word in words[3:]]:
            yield room, name.split(".")[0]


def imports(path, text):
    """(kind, module) of each import: kind "room" for a room of careof, "outside" for anything else."""
    depth = path.count("/")
    room = path.split("/")[0]
    for line in text.split("\n"):
        words = line.split()
        if len(words) < 2 or words[0] not in ("import", "from"):
            continue
        module = words[1]
        if module.startswith("."):
            dots = len(module) - len(module.lstrip("."))
            rest = module.lstrip(".").split(".")[0]
            if dots > depth:  # of careof itself: from .. import limits, from ..wire import ipv4
                names = [rest] if rest else [w.strip(",()") for w in words[3:]]
                for name in names:
                    yield "room", name
            else:
                yield "room", room
        elif module.split(".")[0] == "careof":
            parts = module.split(".")
            yield "room", parts[1] if len(parts) > 1 else words[3].strip(",")
        else:
            yield "outside", module.split(".")[0].strip(",")


def wrong_imports(path, text):
    room = path.split("/")[0]
    if room not in ROOMS:
        return []
    wrong = []
    for kind, name in imports(path, text):
        if kind == "room" and name not in ROOMS[room]:
            wrong.append("%s imports %s" % (path, name))
        if kind == "outside" and room in PURE and name in MACHINE and (path, name) not in EXCUSED:
            wrong.append("%s imports %s" % (path, name))
    for other, module in parts(text):
        if module not in PARTS.get((room, other), (module,)):
            wrong.append("%s imports %s.%s" % (path, other, module))
    return wrong


def test_imports_go_one_way():
    wrong = []
    count = 0
    for path, text in sources(firmware()):
        count += 1
        wrong.extend(wrong_imports(path, text))
    assert count > 3
    assert not wrong, wrong


def test_the_rule_sees_a_wrong_import():
    assert wrong_imports("wire/mip.py", "from ..system import loop\n") == ["wire/mip.py imports system"]
    assert wrong_imports("agent/uplinks.py", "import time\n") == ["agent/uplinks.py imports time"]
    assert wrong_imports("system/loop.py", "from careof.agent import events\n") == [
        "system/loop.py imports agent"
    ]
    assert wrong_imports("agent/paths.py", "from ..wire import tunneld\nfrom . import events\n") == []
    assert wrong_imports("console/session.py", "from ..system import uci, loop\n") == [
        "console/session.py imports system.loop"
    ]
    assert wrong_imports("console/session.py", "from ..system.keyd import KeydClient\n") == [
        "console/session.py imports system.keyd"
    ]
    assert wrong_imports("console/session.py", "from ..agent import events\n") == [
        "console/session.py imports agent"
    ]


if __name__ == "__main__":
    from runner import main

    main(globals())

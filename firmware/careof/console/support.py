"""A support bundle: one text with all that a helper needs to see, and no key.

The configuration goes through the option table's redaction, everything else line by line through the rule
for what looks like a key. Addresses, names of networks and MAC addresses stay: they are what it is about.
"""

import json
import os

from ..limits import SUPPORT_OUTPUT_MAX
from ..status.connection import Refused as CareofdRefused
from ..status.tables import LISTS
from ..system.safe_file import read, remove, shell_word
from . import redaction
from .candidate import Candidate, Refused

FOLDER = "/tmp"
PROGRAMS = (
    "date",
    "uname -a",
    "cat /etc/openwrt_release",
    "uptime",
    "free",
    "df",
    "ip address",
    "ip route show table all",
    "ip rule",
    "nft list ruleset",
    "dmesg | tail -n 100",
    "logread -e careof | tail -n 300",
    "journalctl -n 300 -t careofd -t careof-tunneld -t careof-keyd",
)


def bundle(session):
    """Make it as a file that root alone can read."""
    path = "%s/careof-support-%s.txt" % (FOLDER, os.urandom(6).hex())
    if os.system("(umask 077; set -C; : >%s)" % shell_word(path)):
        raise Refused("%s cannot be made" % path)
    size = 0
    with open(path, "wb") as file:
        for line in lines(session):
            octets = line.encode() + b"\n"
            size += len(octets)
            file.write(octets)
    return ["%s: %d octets, without keys; `send support` makes one and sends it by YMODEM" % (path, size)]


def lines(session):
    """The lines of it, a title before each part."""
    yield "careof support bundle"
    for title, part in (
        ("configuration in the file", lambda: Candidate(session.place.config_path).lines()),
        ("changes that are not committed", session.candidate.diff),
        ("status", lambda: _answer(session, "status")),
        ("counters", lambda: _answer(session, "counters")),
        ("tables", lambda: _tables(session)),
    ):
        yield ""
        yield "== " + title
        try:
            found = list(part())
        except (Refused, CareofdRefused, OSError) as e:
            found = ["(%s)" % e]
        for line in found:
            yield redaction.line(line)
    for program in PROGRAMS:
        yield ""
        yield "== $ " + program
        for line in _output(program):
            yield redaction.line(line)


def _answer(session, command):
    return [json.dumps(session.ask(command))]


def _tables(session):
    connection = session.connection()
    found = []
    for role in connection.ask("roles"):
        for table in sorted(LISTS):
            if role["kind"] in LISTS[table][0]:
                found.append("%s of %s" % (table, role["name"]))
                for row in connection.rows(role["name"], table):
                    found.append(json.dumps(row))
    return found


def _output(program):
    """Lines of what a program says, or that it is not there; its beginning, if that is too much."""
    path = "%s/careof-support-%s" % (FOLDER, os.urandom(6).hex())
    name = shell_word(path)
    put = "(umask 077; set -C; { %s; } 2>&1 </dev/null | head -c %d >%s)"
    os.system(put % (program, SUPPORT_OUTPUT_MAX, name))
    try:
        data = read(path)
        remove(path)
    except OSError:
        return ["(nothing)"]
    try:
        text = data.decode()
    except UnicodeError:
        text = "".join([chr(octet) if 32 <= octet < 127 or octet == 10 else "?" for octet in data])
    return text.split("\n")

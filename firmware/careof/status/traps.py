"""RFC 2006's notification mipAuthFailure: who failed to authenticate, to whoever tells managers of it.

    careof-traps -- agentxtrap                                  by snmpd (master agentx), to its trap sinks
    careof-traps -- snmptrap -v 3 ... manager.example ''        without one

The sending is net-snmp's; what is run after `--` gets the OID of the notification and an OID, a type and a
value for each of its objects as further arguments. This module prints those, a line a notification; the shell
script around it (packaging/snmp/careof-traps) runs the command.

careofd says that something was refused; then the violations of all roles (mipSecViolationTable) are compared
with what was told of them. What happened before is no news. In a flood a violator is told of once a second at
most, and a few of them at a time: the counter in the table has what was left out. Without a careofd it waits
for one.
"""

import sys
import time

from ..limits import TRAPS_AT_ONCE, TRAPS_GAP_MS, TRAPS_RETRY_MS, TRAPS_SAME_MS
from . import mib, mib_view
from .connection import RUN, Connection, Refused
from .snmp import WIRE, now_ms

NOTIFICATION = mib.ROOT + (2, 0, 1)
TABLE = next(iter([table for table in mib.TABLES if table.name == "mipSecViolationTable"]))
VIOLATOR = 1  # the column of the index, which cannot be read but is told here
OBJECTS = ("mipSecRecentViolationSPI", "mipSecRecentViolationIDLow") + (
    "mipSecRecentViolationIDHigh",
    "mipSecRecentViolationReason",
)
TYPES = {"integer": "i", "ipaddress": "a"}  # snmpd's name of a type -> snmptrap's
USAGE = "usage: careof-traps [--run FOLDER] [--role NAME]\n"


def _dotted(oid):
    return "." + ".".join([str(number) for number in oid])


def notification(row):
    """The arguments for one row of `violations`: OID, then OID TYPE VALUE of each object."""
    [(index, cells)] = mib_view.complete(TABLE, [row])
    found = [_dotted(NOTIFICATION), _dotted(TABLE.oid + (VIOLATOR,) + index), "a", row["address"]]
    for column in TABLE.columns:
        if column.name in OBJECTS:
            value = mib_view.CELL_SOURCES[column.source.kind](cells, *column.source.arguments)
            kind, text = WIRE[column.syntax.kind]
            found += [_dotted(TABLE.oid + (column.number,) + index), TYPES[kind], text(column.syntax, value)]
    return found


def _is_same(told, seen):
    """Is it no other violation? A careofd that was restarted may have counted as far as the one before."""
    return told is not None and told[0] == seen[0] and abs(told[1] - seen[1]) < TRAPS_SAME_MS


class Watch:
    """What was told of each violator, over connections."""

    def __init__(self, only=None, clock=now_ms):
        self._only, self._clock = only, clock  # only: one role
        self._told = None  # (role, address) -> (count, when the last one was)

    def news(self, connection):
        """([row to be told of], are there more?)"""
        fresh, seen = [], {}
        for role in connection.ask("roles"):
            if self._only not in (None, role["name"]):
                continue
            for row in connection.rows(role["name"], "violations"):
                key, what = (role["name"], row["address"]), (row["count"], self._clock() - row["ago_ms"])
                seen[key] = what
                if self._told is not None and not _is_same(self._told.get(key), what):
                    fresh.append((key, row))
        for key, _ in fresh[TRAPS_AT_ONCE:]:
            seen[key] = self._told.get(key)
        self._told = seen  # of who is forgotten there nothing is kept here
        return [row for _, row in fresh[:TRAPS_AT_ONCE]], len(fresh) > TRAPS_AT_ONCE


def follow(watch, connection, tell, pause):
    """Until careofd goes away: raises OSError."""
    connection.follow("registrations")
    while True:
        rows, more = watch.news(connection)
        for row in rows:
            tell(" ".join(notification(row)))
        if not more:
            connection.next_change()
        pause(TRAPS_GAP_MS)  # what comes meanwhile is seen with the next look


def serve(watch, connect, tell, pause):
    """For ever; raises BrokenPipeError or the like when nobody reads."""
    while True:
        connection = None
        try:
            connection = connect()
            follow(watch, connection, tell, pause)
        except Gone:
            raise
        except (OSError, ValueError, Refused):
            pass  # it is not there, or was restarted
        if connection is not None:
            connection.close()
        pause(TRAPS_RETRY_MS)


class Gone(Exception):
    """Nobody reads what is told."""


def _tell(line):
    try:
        sys.stdout.write(line + "\n")
        if hasattr(sys.stdout, "flush"):
            sys.stdout.flush()
    except OSError:
        raise Gone


def _pause(ms):
    time.sleep(ms / 1000)


def main(argv):
    named, rest = {"--run": RUN, "--role": None}, list(argv)
    while rest:
        name = rest.pop(0)
        if name not in named or not rest:
            sys.stderr.write(USAGE)
            return 2
        named[name] = rest.pop(0)
    try:
        serve(Watch(named["--role"]), lambda: Connection(named["--run"]), _tell, _pause)
    except (Gone, KeyboardInterrupt):
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""RFC 2006's MIP-MIB for Debian's and OpenWrt's snmpd: a helper of its `pass_persist`.

    pass_persist .1.3.6.1.2.1.44 /usr/lib/careof/careof-snmp          (packaging/snmpd.conf)

snmpd starts it and talks lines with it: PING, get, getnext, set. Answers are kept for a second, so that a
walk costs careofd little. The objects stand in segments, sorted by OID: a scalar is one, and so is each
column of a table. The next instance is the first one of some segment; of a table pages are asked for, in the
order of indices, and no more than some of them are here at a time.

With several roles of one kind in a careofd, counters are summed, tables joined, and what cannot be summed is
the first one's; `--role NAME` shows one role by itself. SET is refused: careof is configured in one place.

A TimeStamp is the value of sysUpTime when it happened, and sysUpTime counts from the start of snmpd: our
parent's, which the kernel tells (what snmpd needs until it is ready, it does not).
"""

import sys
import time

from . import mib, mib_view
from .connection import RUN, Connection, Refused

FRESH_MS = 1000
PATIENCE_S = 5  # snmpd waits for us, and its manager for it
PAGES_KEPT = 64  # a walk by columns comes by the same page again
HZ = 100  # USER_HZ, in which /proc tells the start of a process: the same on every Linux
PARTS_MAX = 128  # sub-identifiers of an OID (RFC 2578 3.5)
USAGE = "usage: careof-snmp [--run FOLDER] [--role NAME]\n"


def now_ms():
    return time.ticks_ms() if hasattr(time, "ticks_ms") else time.monotonic_ns() // 1000000


def _aged_ms(since_ms):
    if hasattr(time, "ticks_diff"):
        return time.ticks_diff(time.ticks_ms(), since_ms)
    return now_ms() - since_ms


# -- Values on the wire: what snmpd calls the type, and the text


def _number(syntax, value):
    if isinstance(value, bool):
        value = "true" if value else "false"
    if syntax.names is not None:
        for number, name in syntax.names.items():
            if name == value:
                return str(number)
    value = int(value)
    if syntax.low is not None:
        value = min(max(value, syntax.low), syntax.high)
    return str(value)


def _bits(syntax, names):
    octets = bytearray((max(syntax.names) + 8) // 8)
    for bit, name in syntax.names.items():
        if name in names:
            octets[bit // 8] |= 0x80 >> bit % 8
    return " ".join(["%02X" % octet for octet in octets])


WIRE = {
    "counter": ("counter", lambda syntax, value: str(value % (1 << 32))),
    "gauge": ("gauge", lambda syntax, value: str(min(value, (1 << 32) - 1))),
    "integer": ("integer", _number),
    "address": ("ipaddress", lambda syntax, value: value),
    "bits": ("octet", _bits),
    "octets": ("string", lambda syntax, value: value),
}


class Uptime:
    """sysUpTime of the snmpd that we work for, in hundredths of a second."""

    def __init__(self):
        self._started = None
        try:
            with open("/proc/self/stat") as stat:
                parent = stat.read().rsplit(")", 1)[1].split()[1]
            with open("/proc/%s/stat" % parent) as stat:
                self._started = int(stat.read().rsplit(")", 1)[1].split()[19]) * 100 // HZ
        except (OSError, IndexError, ValueError):
            pass  # hidepid: then all that happened before has time 0

    def ago(self, age_ms):
        """The sysUpTime so many ms ago; 0 for what was before it began, or never."""
        if age_ms < 0 or self._started is None:
            return 0
        with open("/proc/uptime") as uptime:
            now = int(float(uptime.read().split()[0]) * 100)
        return max(0, now - self._started - age_ms // 10)


# -- What careofd says, kept for a second


class Source:
    """The roles and pages of their tables. Nothing is here while careofd is not."""

    def __init__(self, run_path, only=None, connect=Connection):
        self._run_path, self._only, self._connect = run_path, only, connect
        self._connection = None
        self._roles, self._pages, self._since_ms = None, [], 0

    def fresh(self):
        """Forget what is old."""
        if self._roles is not None and not 0 <= _aged_ms(self._since_ms) < FRESH_MS:
            self._roles, self._pages = None, []

    def roles(self):
        if self._roles is None:
            found = self._ask("roles") or []
            self._roles = [role for role in found if self._only in (None, role["name"])]
            self._since_ms = now_ms()
        return self._roles

    def page_behind(self, role, table, name, number):
        """([(index, row)], up to which address they are all) of those behind that number; None: to the end.

        name: of the role's table; table: a Table of status.mib, which it is made into.
        """
        key = (role, table.name, name)
        for known, after, upto, rows in self._pages:
            if known == key and after <= number and (upto is None or number < upto):
                return rows, upto
        page = self._ask("rows", role, name, str(number)) or {"rows": [], "after": None}
        rows = mib_view.complete(table, page["rows"])
        self._pages.append((key, number, page["after"], rows))
        del self._pages[:-PAGES_KEPT]
        return rows, page["after"]

    def _ask(self, *question):
        for _ in range(2):  # careofd may have been restarted since
            try:
                if self._connection is None:
                    self._connection = self._connect(self._run_path, PATIENCE_S)
                return self._connection.ask(*question)
            except Refused:
                return None
            except (OSError, ValueError):
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
        return None


# -- The tree


class _Scalar:
    def __init__(self, row):
        self.row = row
        self.oid = row.oid + (0,)

    def get(self, source, oid):
        if oid != self.oid:
            return None
        return _combined(self.row, [role for role in source.roles() if role["kind"] in self.row.roles])

    def following(self, source, oid):
        """(OID, value) of the first instance behind that OID, or None."""
        value = self.get(source, self.oid) if oid < self.oid else None
        return None if value is None else (self.oid, value)


def _combined(row, roles):
    found = [mib_view.scalar(row, role) for role in roles]
    found = [value for value in found if value is not None]
    if not found:
        return None
    if row.syntax.kind in ("counter", "bits") or row.name == "mipSecTotalViolations":
        total = found[0]
        for value in found[1:]:
            total = total + value
        return total
    return found[0]


class _Column:
    def __init__(self, table, column):
        self.table, self.row = table, column
        self.oid = table.oid + (column.number,)

    def get(self, source, oid):
        at = oid[len(self.oid) :]
        if oid[: len(self.oid)] != self.oid or len(at) != self._index_size():
            return None
        for found, row in self._behind(source, _before(at)):
            if found == at:
                return self._value(row)
            if found > at:
                return None
        return None

    def following(self, source, oid):
        size = len(self.oid)
        if oid[:size] > self.oid:
            return None
        at = oid[size:] if oid[:size] == self.oid else ()
        for found, row in self._behind(source, _before(at)):
            if found > at:
                value = self._value(row)
                if value is not None:
                    return self.oid + found, value
        return None

    def _index_size(self):
        return sum([4 if kind == "address" else 1 for _, kind in self.table.index])

    def _value(self, row):
        column = self.row
        return mib_view.CELL_SOURCES[column.source.kind](row, *column.source.arguments)

    def _behind(self, source, number):
        """(index, row) of all roles in their order, from behind the address `number`."""
        while number is not None:
            pages = [
                source.page_behind(role["name"], self.table, name, number)
                for role in source.roles()
                if role["kind"] in self.table.roles
                for name in self.table.rows
            ]
            # Of a longer page nothing is believed beyond the end of the shortest one.
            limits = [upto for _, upto in pages if upto is not None]
            upto = min(limits) if limits else None
            for at, row in mib_view.merged([rows for rows, _ in pages]):
                first = _address(at)
                if first > number and (upto is None or first <= upto):
                    yield at, row
            number = upto


def _address(index):
    number = 0
    for part in index[:4]:
        number = number << 8 | part
    return number


def _before(at):
    """The number before the first address that an index may have that is not less than `at`."""
    if not at:
        return -1
    whole = tuple([min(max(part, 0), 255) for part in at[:4]]) + (0,) * (4 - len(at[:4]))
    return _address(whole) - 1


def segments():
    """All of the tree, in its order."""
    made = [_Scalar(row) for row in mib.SCALARS]
    for table in mib.TABLES:
        made += [_Column(table, column) for column in table.columns]
    return sorted(made, key=lambda segment: segment.oid)


class Agent:
    """What is answered to snmpd's lines."""

    def __init__(self, source, uptime):
        self._source, self._uptime = source, uptime
        self._segments = segments()

    def get(self, oid):
        self._source.fresh()
        for segment in self._segments:
            if oid[: len(segment.oid)] == segment.oid:
                value = segment.get(self._source, oid)
                return None if value is None else self._told(oid, segment.row.syntax, value)
        return None

    def getnext(self, oid):
        self._source.fresh()
        for segment in self._segments:
            found = segment.following(self._source, oid)
            if found is not None:
                return self._told(found[0], segment.row.syntax, found[1])
        return None

    def _told(self, oid, syntax, value):
        if syntax.kind == "time":
            kind, text = "timeticks", str(self._uptime.ago(value))
        else:
            kind, text = WIRE[syntax.kind][0], WIRE[syntax.kind][1](syntax, value)
        return "." + ".".join([str(number) for number in oid]), kind, text

    def answer(self, word, read):
        """The lines that answer one command; read() is its next line. None: nothing is known of it."""
        if word == "PING":
            return ["PONG"]
        if word == "set":
            read()
            read()
            return ["not-writable"]
        if word in ("get", "getnext"):
            oid = oid_of(read())
            told = None if oid is None else (self.get(oid) if word == "get" else self.getnext(oid))
            return list(told) if told is not None else ["NONE"]
        return None


def oid_of(text):
    """(1, 3, ...) of ".1.3..."; None if it is no OID."""
    parts = text.strip().lstrip(".").split(".")
    if len(parts) > PARTS_MAX or not all([_is_part(part) for part in parts]):
        return None
    return tuple([int(part) for part in parts])


def _is_part(text):
    """A sub-identifier: 32 bits, in ASCII digits."""
    return 0 < len(text) <= 10 and all(["0" <= character <= "9" for character in text])


def serve(agent, read_line, write):
    """Until snmpd goes away, or says nothing."""
    while True:
        line = read_line()
        if not line.strip():
            return
        lines = agent.answer(line.strip(), read_line)
        write("".join([text + "\n" for text in (lines if lines is not None else ["NONE"])]))


def _write(text):
    sys.stdout.write(text)
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()


def main(argv):
    named = {"--run": RUN, "--role": None}
    rest = list(argv)
    while rest:
        name = rest.pop(0)
        if name not in named or not rest:
            sys.stderr.write(USAGE)
            return 2
        named[name] = rest.pop(0)
    serve(Agent(Source(named["--run"], named["--role"]), Uptime()), sys.stdin.readline, _write)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The values of RFC 2006's objects (status.mib), made of what careofd answers about one of its roles.

A value is a plain one: a number, a text, a list of names of bits, true or false; of a time, how many
milliseconds ago it was. None: this instance is not there. status.snmp turns it into what goes over the wire.
"""

from . import mib

_SIGNED, _WRAP = 1 << 31, 1 << 32
# Flags of a registration request (RFC 5944 3.3) and of an advertisement (2.1.1), as names of bits.
_REGISTRATION = (
    (0x08, "gre"),
    (0x10, "minEnc"),
    (0x20, "decapsulationbyMN"),
    (0x40, "broadcastDatagram"),
    (0x80, "simultaneousBindings"),
)
_ADVERTISED = (
    (0x0400, "gre"),
    (0x0800, "minEnc"),
    (0x1000, "foreignAgent"),
    (0x2000, "homeAgent"),
    (0x4000, "busy"),
    (0x8000, "regRequired"),
)


def scalars(role):
    """[(Scalar, value)] of one role, as `roles` answers it."""
    return [(row, scalar(row, role)) for row in mib.SCALARS if role["kind"] in row.roles]


def scalar(row, role):
    total = None
    for source in row.sources:
        value = SCALAR_SOURCES[source.kind](role, *source.arguments)
        total = value if total is None else total + value
    return total


def _counters(role, *names):
    return sum([role["counters"].get(name, 0) for name in names])


def _codes(role, prefix, first, last):
    total = 0
    for name, count in role["counters"].items():
        rest = name[len(prefix) :] if name.startswith(prefix) else ""
        if rest.isdigit() and first <= int(rest) <= last:
            total += count
    return total


def _fact(role, key):
    if key == "entities":
        return [mib.ENTITIES[role["kind"]]]
    value = role["facts"].get(key)
    if key == "encapsulations":
        return [mib.ENCAPSULATIONS[name] for name in value]
    if key == "adv_flags":
        return _names(_ADVERTISED, value)
    return value


def _fixed(row, value):
    return value


SCALAR_SOURCES = {"counters": _counters, "codes": _codes, "fact": _fact, "fixed": _fixed}


# -- Tables


def values(table, row):
    """[(Column, value)] of one row of a table, without the instances that are not there."""
    found = [
        (column, CELL_SOURCES[column.source.kind](row, *column.source.arguments)) for column in table.columns
    ]
    return [(column, value) for column, value in found if value is not None]


def index(table, row):
    """The index of a row as a tuple of numbers, or None: it has none."""
    numbers = []
    for key, kind in table.index:
        value = row.get(key)
        if value is None:
            return None
        numbers += address_numbers(value) if kind == "address" else [value]
    return tuple(numbers)


def address_numbers(text):
    return [int(part) for part in text.split(".")]


def complete(table, rows):
    """The rows as the table wants them, in the order of their indices: of two with the same the first."""
    found = {}
    for row in rows:
        for made in MAKE[table.name](row) if table.name in MAKE else [row]:
            at = index(table, made)
            if at is not None and at not in found:
                found[at] = made
    return [(at, found[at]) for at in sorted(found)]


def merged(pages):
    """Several lists of complete() as one: of two with the same index the first."""
    if len(pages) == 1:
        return pages[0]
    found = {}
    for rows in pages:
        for at, row in rows:
            found.setdefault(at, row)
    return [(at, found[at]) for at in sorted(found)]


def _names(bits, flags):
    return None if flags is None else [name for bit, name in bits if flags & bit]


def _half(value):
    value %= _WRAP
    return value - _WRAP if value >= _SIGNED else value


def _cell(row, key):
    if key == "flags":
        return _names(_REGISTRATION, row.get(key))
    return row.get(key)


def _low(row, key):
    return None if row.get(key) is None else _half(row[key])


def _high(row, key):
    return None if row.get(key) is None else _half(row[key] >> 32)


def _age(row, key):
    return -1 if row.get(key) is None else row[key]  # it never was


CELL_SOURCES = {"cell": _cell, "low": _low, "high": _high, "age": _age, "fixed": _fixed}


# -- Rows that need more than their values


def _with(row, **more):
    made = dict(row)
    made.update(more)
    return made


def _left_s(row):
    """For ever is as long as the field says it."""
    return row["lifetime_s"] if row.get("lifetime_left_s") is None else row["lifetime_left_s"]


def _association(row):
    yield _with(row, algorithm_type="md5" if row["algorithm"].endswith("md5") else "other")


def _violation(row):
    yield _with(row, reason=mib.REASONS[row["reason"] - 1])


def _link(row):
    interval_s = (row["interval_ms"] + 999) // 1000
    yield _with(
        row,
        interval_max_s=interval_s,
        interval_min_s=interval_s * 7 // 8,  # sent up to an eighth sooner
        lifetime_s=(row["lifetime_ms"] + 999) // 1000,
        status="active" if row["advertises"] else "notInService",
    )


def _visitor(row):
    if row.get("state") == "pending":
        yield _with(row, accepted=False, lifetime_left_s=0)
    else:
        yield _with(row, accepted=True, lifetime_left_s=_left_s(row))


def _binding(row):
    yield _with(row, lifetime_left_s=_left_s(row)) if row.get("lifetime_s") is not None else row


def _node(row):
    code, reason = row["denied_code"], None
    if code is not None:
        at = code - mib.FIRST_DENIAL  # codes that are younger than the MIB have no name there
        reason = mib.DENIALS[at] if 0 <= at < len(mib.DENIALS) else mib.DENIALS[0]
    yield _with(row, denied_reason=reason)


def _foreign_agent(row):
    for care_of in row["care_of"]:
        yield _with(row, care_of=care_of)


MAKE = {
    "mipSecAssocTable": _association,
    "mipSecViolationTable": _violation,
    "mnFATable": _foreign_agent,
    "maAdvConfigTable": _link,
    "faVisitorTable": _visitor,
    "haMobilityBindingTable": _binding,
    "haCounterTable": _node,
}


# -- All of one role, for people and for JSON


def instance(role, rows_of):
    """{object: value, table: [{column: value}]} of one role; rows_of(table) are its rows."""
    shown = {row.name: value for row, value in scalars(role) if value is not None}
    for table in mib.TABLES:
        if role["kind"] in table.roles:
            pages = [complete(table, rows_of(name)) for name in table.rows]
            shown[table.name] = [_shown(table, at, row) for at, row in merged(pages)]
    return shown


def _shown(table, at, row):
    shown = {"index": ".".join([str(number) for number in at])}
    for column, value in values(table, row):
        shown[column.name] = value
    return shown

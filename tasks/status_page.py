"""docs/status.md: the commands by hand, and from their tables the objects of RFC 2006, counters and codes."""

from .common import ROOT

SOURCES = (
    "Below `1.3.6.1.2.1.44`. `counters`: the sum of the role's counters with these names; `codes`: of those "
    "with this name and a code between; `fact`: what the role says of itself; `cell`, `low`, `high`, `age`: "
    "a value of the row, half of it, when that was; `fixed`: always the same."
)
ROLE_NAMES = {"mobile_router": "router", "foreign_agent": "foreign agent", "home_agent": "home agent"}


def page():
    """The text, from status/mib, agent/reasons and wire/mip_codes."""
    from careof.agent import reasons
    from careof.wire import mip_codes

    parts = [(ROOT / "docs/parts/status.md").read_text().rstrip(), ""]
    parts += ["## Objects of RFC 2006, and where their values come from", "", SOURCES, ""]
    parts += ["| object | OID | syntax | of | from |", "|---|---|---|---|---|", *_objects(), ""]
    parts += ["## Counters", "", "| counter | means | what to change |", "|---|---|---|"]
    parts += [f"| `{name}` | {reason.means} | {reason.change} |" for name, reason in reasons.REASONS.items()]
    with_code = ", ".join(f"`{name}N`" for name in reasons.WITH_CODE)
    parts += ["", f"Names that end in a code, told below: {with_code}.", ""]
    parts += ["## Codes", "", "| code | means | what to change |", "|---|---|---|"]
    codes = sorted(mip_codes.CODES.items())
    parts += [f"| {code} | {means} | {change} |" for code, (means, change) in codes]
    return "\n".join(parts).rstrip() + "\n"


def _objects():
    """A line for each scalar, table and column, in the order of their OIDs."""
    from careof.status import mib

    rows = [(row.oid, row.name, row.syntax.name, row.roles, row.sources) for row in mib.SCALARS]
    for table in mib.TABLES:
        rows.append((table.oid[:-1], f"*{table.name}*", "table", table.roles, table.rows))
        for column in table.columns:
            oid = (*table.oid, column.number)
            rows.append((oid, column.name, column.syntax.name, table.roles, [column.source]))
    for oid, name, syntax, roles, sources in sorted(rows, key=lambda row: row[0]):
        number = ".".join(str(part) for part in oid[len(mib.ROOT) :])
        of = "all" if len(roles) == 3 else ", ".join(ROLE_NAMES[role] for role in roles)
        told = " + ".join(_source(source) for source in sources)
        yield f"| {name} | {number} | {syntax} | {of} | {told} |"


def _source(source):
    if isinstance(source, str):
        return f"`rows` {source}"
    arguments = ", ".join(str(argument) for argument in source.arguments)
    return f"`{source.kind}({arguments})`"

"""docs/conformance.md, from docs/parts/conformance: a file an RFC, a row a MUST or SHOULD.

A row says its section, whom it is about, how strong it is, what it says, and exactly one of: the tests that
show it, why it does not apply ("not"), what is done otherwise and for which reason ("differs": of a SHOULD
alone, RFC 2119 3), or what is missing ("open").
"""

import ast
import re
import tomllib

from .common import ROOT

FOLDER = ROOT / "docs/parts/conformance"
LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT")
WHO = ("mobile node", "mobile router", "foreign agent", "home agent", "agents", "all")
FIELDS = ("at", "who", "level", "says")
STATES = {"tests": list, "not": str, "differs": str, "open": str}
ORDER = (5944, 3024, 3519, 3543, 4721, 5177)


def tables():
    """Every file, in the order of the page."""
    found = [tomllib.loads(path.read_text()) for path in FOLDER.glob("rfc*.toml")]
    return sorted(found, key=lambda table: ORDER.index(table["rfc"]))


def tests_in(path):
    """The names of the tests of a file, in Python or C; none if there is no such file."""
    if not path.is_file():
        return set()
    text = path.read_text()
    if path.suffix == ".c":
        return set(re.findall(r"^static void (test_\w+)\(void\)", text, re.MULTILINE))
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


def mistakes(table):
    """What is wrong with a table's rows, a line each."""
    known = {}
    for number, row in enumerate(table["row"], 1):
        place = f"RFC {table['rfc']}, row {number} ({row.get('at', '?')})"
        for name in FIELDS:
            if not isinstance(row.get(name), str) or not row[name].strip():
                yield f"{place}: no {name}"
        if row.get("level") not in LEVELS or row.get("who") not in WHO:
            yield f"{place}: level or who is not known"
        states = [name for name in row if name not in FIELDS]
        if len(states) != 1 or states[0] not in STATES:
            yield f"{place}: not exactly one of {', '.join(STATES)}: {states}"
            continue
        value = row[states[0]]
        if not isinstance(value, STATES[states[0]]) or not value:
            yield f"{place}: nothing said in {states[0]}"
            continue
        if states[0] == "differs" and row.get("level") not in LEVELS[2:]:
            yield f"{place}: there is no reason to do otherwise than a {row.get('level')}"
        for test in value if states[0] == "tests" else ():
            file, _, name = test.partition("::")
            if file not in known:
                known[file] = tests_in(ROOT / file)
            if not name.startswith("test_") or name not in known[file]:
                yield f"{place}: there is no {test}"


def page():
    """docs/conformance.md."""
    counts, parts = [], []
    for table in tables():
        rows = table["row"]
        shown, not_ours, otherwise, missing = (sum(name in row for row in rows) for name in STATES)
        counts.append(f"| [RFC {table['rfc']}](#rfc-{table['rfc']}) | {table['title']} |")
        counts[-1] += f" {shown} | {not_ours} | {otherwise} | {missing} | {len(rows)} |"
        parts += ["", f"## RFC {table['rfc']}", "", f"{table['title']}.", ""]
        parts += ["| section | who | level | what | shown by |", "|---|---|---|---|---|"]
        parts += [
            f"| {row['at']} | {row['who']} | {row['level']} | {row['says']} | {_shown_by(row)} |"
            for row in rows
        ]
    head = [
        (FOLDER / "head.md").read_text().rstrip(),
        "",
        "| | | shown | does not apply | differs | open | all |",
    ]
    return "\n".join([*head, "|---|---|---|---|---|---|---|", *counts, *parts]) + "\n"


def _shown_by(row):
    if "tests" in row:
        return " ".join(f"`{test.removeprefix('tests/')}`" for test in row["tests"])
    if "not" in row:
        return f"does not apply: {row['not']}"
    return f"*differs*: {row['differs']}" if "differs" in row else f"*open*: {row['open']}"

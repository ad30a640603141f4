"""./dev docs: the reference pages that are made from the tables in the source."""

import importlib
import sys

from invoke import task

from . import conformance, status_page
from .common import ROOT

sys.path.insert(0, str(ROOT / "firmware"))


def configuration():
    """docs/configuration.md from system/option_table."""
    from careof.system import option_table as table

    parts = [(ROOT / "docs/parts/configuration.md").read_text()]
    for row in table.SECTIONS:
        parts.append(f"## {row.kind}\n\n{row.help}\n")
        parts.append("| option | value | default | what it is |\n|---|---|---|---|")
        for option in row.options:
            default = _default(table, option)
            unit = f", {option.unit}" if option.unit else ""
            word = "option" if option.many is None else f"list, up to {option.many}"
            parts.append(
                f"| `{option.name}` ({word}) | {option.type.text}{unit} | {default} | {option.help} |"
            )
        parts.append("")
    examples = (
        ("A branch router", "branch"),
        ("Its home agent", "home_agent"),
        ("A branch router that is told the rest", "branch_by_name"),
        ("Its home agent", "home_agent_by_name"),
    )
    for title, name in examples:
        text = (ROOT / "packaging/examples" / name).read_text().rstrip()
        parts.append(f"## {title}\n\n```\n{text}\n```\n")
    return "\n".join(parts).rstrip() + "\n"


def _default(table, option):
    if option.default is table.REQUIRED:
        return "required"
    if option.default is table.LATER or option.default is None:
        return "see there"
    if option.default == ():
        return "none"
    if isinstance(option.default, bool):
        return f"`{int(option.default)}`"
    return f"`{option.default}`"


def messages(process):
    """docs/PROCESS.md from wire/PROCESS."""
    table = importlib.import_module(f"careof.wire.{process}")
    head = (ROOT / f"docs/parts/{process}.md").read_text().rstrip()
    rows = ["| kind | message | to | fields |", "|---|---|---|---|"]
    for row in table.ROWS:
        fields = ", ".join(f"{name} {kind}" for name, kind in row.fields) or "-"
        to = process if row.direction == "to" else "careofd"
        rows.append(f"| {row.kind} | {row.name} | {to} | {fields} |")
    counters = "\n".join(f"- `{name}`" for name in table.COUNTERS)
    return f"{head}\n\n" + "\n".join(rows) + f"\n\n## Counters, in their order\n\n{counters}\n"


PAGES = {
    "docs/configuration.md": configuration,
    "docs/tunneld.md": lambda: messages("tunneld"),
    "docs/keyd.md": lambda: messages("keyd"),
    "docs/conformance.md": conformance.page,
    "docs/status.md": status_page.page,
}


@task
def docs(_):
    """Write the pages in docs/ that are made from tables."""
    for path, make in PAGES.items():
        (ROOT / path).write_text(make())
        print(path)

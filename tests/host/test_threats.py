"""The table of attacks (docs/threats.md) names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/threats.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
ROWS = [
    line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| attack", "| bug"))
]


def functions(path):
    return {
        node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_a_named_test_exists(path):
    assert {name for other, name in NAMED if other == path} <= functions(path)


@pytest.mark.parametrize("row", ROWS, ids=[row.split("|")[1].strip()[:40] for row in ROWS])
def test_a_row_has_a_test(row):
    assert re.search(r"`tests/[\w/]+\.py::test_\w+`", row)


def test_the_page_has_rows_of_both_kinds():
    assert len(ROWS) > 20 and len(NAMED) > 40

"""The reference pages in docs/ are what the tables in the source say now."""

import pytest

from tasks import conformance
from tasks.docs import PAGES, ROOT


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_up_to_date(path):
    assert (ROOT / path).read_text() == PAGES[path](), "run ./dev docs"


@pytest.mark.parametrize("table", conformance.tables(), ids=lambda table: f"RFC {table['rfc']}")
def test_every_row_of_the_conformance_table_is_sound(table):
    assert list(conformance.mistakes(table)) == []


def test_the_rules_of_the_conformance_table_see_what_is_wrong():
    sound = {"at": "1", "who": "all", "level": "MUST", "says": "this", "not": "for a reason"}
    ours = "tests/host/test_docs.py"

    def mistakes(**changes):
        row = {name: value for name, value in {**sound, **changes}.items() if value is not None}
        return list(conformance.mistakes({"rfc": 0, "row": [row]}))

    assert mistakes() == []
    assert mistakes(**{"not": None}, tests=[f"{ours}::test_a_page_is_up_to_date"]) == []
    assert mistakes(**{"not": None}, tests=["tests/native/test_ipv4.c::test_loops"]) == []
    assert mistakes(**{"not": None}, differs="otherwise, for a reason", level="SHOULD") == []
    for wrong in (
        {"tests": [f"{ours}::test_a_page_is_up_to_date"]},  # two of the four
        {"not": None, "differs": "otherwise", "level": "MUST NOT"},
        {"not": None, "differs": "", "level": "SHOULD"},
        {"not": None},
        {"not": ""},
        {"not": None, "tests": []},
        {"not": None, "tests": [f"{ours}::test_that_nobody_wrote"]},
        {"not": None, "tests": [f"{ours}::pytest"]},
        {"not": None, "tests": ["tests/host/test_nothing.py::test_a_page_is_up_to_date"]},
        {"not": None, "tests": ["tests/native/test_ipv4.c::test_nothing"]},
        {"level": "MAY"},
        {"who": "nobody"},
        {"says": None},
        {"because": "of an unknown field"},
    ):
        assert len(mistakes(**wrong)) == 1, wrong

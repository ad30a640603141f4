"""The reference pages in docs/ are what the tables in the source say now."""

import pytest

from tasks.docs import PAGES, ROOT


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_up_to_date(path):
    assert (ROOT / path).read_text() == PAGES[path](), "run ./dev docs"

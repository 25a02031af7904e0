"""The pages for auditors are true: their commands run, and the tests that they name are there."""

from __future__ import annotations

import itertools
import re

import pytest

from tests.docs.pages import ROOT, Page, page, pages_with_commands
from tests.docs.place import Places

THREATS = page("docs/auditor/threat-model.md")


@pytest.mark.parametrize("one", pages_with_commands("auditor"), ids=str)
def test_commands_of_a_page_run_and_print_what_it_shows(places: Places, one: Page) -> None:
    places.check(one)


@pytest.mark.parametrize(("number", "least"), list(enumerate([9, 20])))
def test_every_row_that_names_tests_names_some_that_are_there(number: int, least: int) -> None:
    following = THREATS.text.split("| shown by |\n")[1:][number].splitlines()[1:]
    table = list(itertools.takewhile(lambda line: line.startswith("|"), following))
    shown = [re.findall(r"`(tests/[\w/]+\.py)`", row) for row in table]
    assert len(shown) >= least
    assert [row for row, named in zip(table, shown, strict=True) if not named] == []
    assert [path for named in shown for path in named if not (ROOT / path).is_file()] == []

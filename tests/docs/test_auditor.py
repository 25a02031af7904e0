"""The pages for auditors are true: their commands run, and the tests that they name are there."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, Page, page, pages_with_commands
from tests.docs.place import Places

THREATS = page("docs/auditor/threat-model.md")


@pytest.mark.parametrize("one", pages_with_commands("auditor"), ids=str)
def test_commands_of_a_page_run_and_print_what_it_shows(places: Places, one: Page) -> None:
    places.check(one)


def test_every_failure_of_the_threat_model_names_a_test_that_is_there() -> None:
    table = THREATS.text.partition("| shown by |\n")[2].splitlines()[1:]
    shown = [re.findall(r"`(tests/[\w/]+\.py)`", row) for row in table]
    assert len(shown) >= 10
    assert [row for row, named in zip(table, shown, strict=True) if not named] == []
    assert [path for named in shown for path in named if not (ROOT / path).is_file()] == []

"""README.md, and the pages of docs/ that are in no area with a test file of its own, are true."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import OUTPUT, ROOT, Page, page, pages_with_commands
from tests.docs.place import Places
from tests.docs.shown import missing

MAX_LINES = 150
README = page("README.md")


@pytest.mark.parametrize("one", pages_with_commands("", "dev", "adr"), ids=str)
def test_commands_of_a_page_run_and_print_what_it_shows(places: Places, one: Page) -> None:
    places.check(one)


def test_start_prints_what_the_readme_shows(places: Places) -> None:
    banner = README.named("Try it", OUTPUT).text
    assert missing(banner, places.of(README).started) == []


def test_make_run_starts_the_daemon_as_these_tests_do() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    rule = r"^run: \$\(VENV\)/installed(?: ##.*)?\n\t@\$\(BIN\)/blockd run --config config/blockd\.yaml$"
    assert re.search(rule, makefile, re.MULTILINE)


def test_readme_is_a_page_to_read_at_once() -> None:
    assert len(README.text.splitlines()) <= MAX_LINES


def test_every_page_for_operators_is_named_where_strangers_begin() -> None:
    pages = {path.resolve() for path in (ROOT / "docs" / "operator").glob("*.md")}
    assert pages <= {(ROOT / to.partition("#")[0]).resolve() for to in README.links}

"""The Indonesian pages say what the English ones say, as far as a program can tell; their commands are run there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, INDONESIAN, Page, page

OPERATOR = sorted(path.relative_to(DOCS) for path in (DOCS / "operator").rglob("*.md"))
QUICK_START = Page(INDONESIAN / "index.md")
EVERY = sorted(path.relative_to(INDONESIAN) for path in INDONESIAN.rglob("*.md"))
IN_ENGLISH = "dalam bahasa Inggris"
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_ORIGINAL = re.compile(r"\A# .+\n\n> .+\]\((?P<target>[^()]+)\)\.\n")
_PARAGRAPHS = re.compile(r"\n\n|\n(?= *(?:[-*|]|\d+\.) ?)")


def english(path: Path) -> Page:
    """Return the page that an Indonesian one is translated from."""
    return Page(DOCS / path)


def indonesian(path: Path) -> Page:
    """Return the translation of a page."""
    return Page(INDONESIAN / path)


def fences(one: Page) -> list[str]:
    """Return the fenced blocks of a page with their first and last lines, as they are written."""
    return _FENCED.findall(one.text)


def text_outside_fences(one: Page) -> str:
    """Return the text of a page without its fenced blocks, and without the line that names the original."""
    return _FENCED.sub("", _ORIGINAL.sub("", one.text))


def code_words(one: Page) -> set[str]:
    """Return what stands as code in the text: keys, commands, metrics, names of files."""
    return {" ".join(word.split()) for word in _CODE.findall(text_outside_fences(one))}


def figures(one: Page) -> set[str]:
    """Return the figures in the text, without separators, of which each language has its own."""
    return {re.sub(r"[.,]", "", figure) for figure in _FIGURE.findall(_CODE.sub("", text_outside_fences(one)))}


def table_rows(one: Page) -> list[int]:
    """Return the number of cells of each row of each table."""
    lines = _CODE.sub("", text_outside_fences(one)).splitlines()
    return [line.count("|") - 1 for line in lines if line.startswith("|")]


def linked(one: Page) -> set[Path]:
    """Return the pages that a page links to, but for itself."""
    targets = {target.partition("#")[0] for target in one.links if not re.match(r"[a-z]+:", target)}
    return {(one.path.parent / target).resolve() for target in targets if target}


def test_every_page_for_operators_is_translated_and_nothing_else() -> None:
    assert [path for path in EVERY if path != Path("index.md")] == OPERATOR


@pytest.mark.parametrize("path", OPERATOR, ids=str)
def test_blocks_are_those_of_the_english_page(path: Path) -> None:
    assert fences(indonesian(path)) == fences(english(path))


def test_blocks_of_the_quick_start_are_those_of_the_readme() -> None:
    assert fences(QUICK_START) == fences(page("README.md"))


def test_quick_start_leads_to_every_page() -> None:
    assert {path.resolve() for path in (INDONESIAN / "operator").glob("*.md")} <= linked(QUICK_START)


@pytest.mark.parametrize("path", OPERATOR, ids=str)
def test_headings_have_the_levels_of_the_english_page(path: Path) -> None:
    assert [level for level, _ in indonesian(path).headings] == [level for level, _ in english(path).headings]


@pytest.mark.parametrize("path", OPERATOR, ids=str)
def test_tables_have_the_rows_of_the_english_page(path: Path) -> None:
    assert table_rows(indonesian(path)) == table_rows(english(path))


@pytest.mark.parametrize("path", OPERATOR, ids=str)
def test_keys_commands_and_figures_are_those_of_the_english_page(path: Path) -> None:
    assert code_words(indonesian(path)) == code_words(english(path))
    assert figures(indonesian(path)) == figures(english(path))


@pytest.mark.parametrize("path", OPERATOR, ids=str)
def test_links_lead_to_what_the_english_page_links_to(path: Path) -> None:
    translated = {DOCS / one: INDONESIAN / one for one in OPERATOR}
    wanted = {translated.get(to, to) for to in linked(english(path))}
    assert wanted <= linked(indonesian(path))


@pytest.mark.parametrize("path", EVERY, ids=str)
def test_a_page_names_its_original_first(path: Path) -> None:
    found = _ORIGINAL.match(indonesian(path).text)
    assert found is not None
    assert ((INDONESIAN / path).parent / found["target"]).resolve() == DOCS / path


@pytest.mark.parametrize("path", EVERY, ids=str)
def test_a_link_to_a_page_in_english_says_so(path: Path) -> None:
    for paragraph in _PARAGRAPHS.split(text_outside_fences(indonesian(path))):
        leaving = [to for to in re.findall(r"\]\(([^()#]+)", paragraph) if _is_english(INDONESIAN / path, to)]
        assert not leaving or IN_ENGLISH in " ".join(paragraph.split()), leaving


def _is_english(path: Path, target: str) -> bool:
    return INDONESIAN not in (path.parent / target).resolve().parents

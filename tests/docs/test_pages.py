"""What holds for every page of the manual, without running anything: blocks, configs, navigation, links, anchors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from blockd.settings import load
from tests.docs.not_run import NOT_RUN
from tests.docs.pages import (
    CONFIG,
    DOCS,
    NOT_RUN_HERE,
    OTHER_KINDS,
    OUTPUT,
    ROOT,
    RUN,
    Block,
    Page,
    all_pages,
    area_of,
    pages_with_commands,
    slugs,
    written_pages,
)

ALL = all_pages()
WRITTEN = written_pages()
TESTED_AREAS = {"", "dev", "adr", "operator", "authority", "auditor"}  # by the test files beside this one
MADE = {
    *("config/groups.yaml", "config/local.yaml", "config/encrypted.yaml", "config/page.yaml"),
    *("config/dns.pem", "config/dns.key"),
    *("config/page.pem", "config/page.key"),
} | {  # by pages
    f"config/lists/{name}" for name in ("blocked.txt", "allowed.txt", "hosts.txt", "own.rpz", "national", "adult")
}
CONFIGS = [(one, block) for one in WRITTEN for block in one.blocks if block.kind == CONFIG]
_OTHERS_FILE = re.compile(r"# [\w.-]+\.ya?ml\b")


class _AnyTag(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name functions of MkDocs' own."""


_AnyTag.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


@pytest.mark.parametrize("one", WRITTEN, ids=str)
def test_blocks_are_of_kinds_that_are_known(one: Page) -> None:
    known = {RUN, NOT_RUN_HERE, OUTPUT, CONFIG, *OTHER_KINDS}
    assert [block.text for block in one.blocks if block.kind not in known] == []


def test_commands_that_do_not_run_here_have_a_reason() -> None:
    first_lines = {block.first_line for one in WRITTEN for block in one.blocks if block.kind == NOT_RUN_HERE}
    assert first_lines == set(NOT_RUN)


def test_commands_of_every_page_are_run_by_a_test() -> None:
    run = {one.path for one in pages_with_commands(*TESTED_AREAS)}
    assert {one.path for one in WRITTEN if one.commands} == run
    beside = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert TESTED_AREAS - {"", "dev", "adr"} <= beside


@pytest.mark.parametrize(("one", "block"), CONFIGS, ids=[f"{one}-{block.heading}" for one, block in CONFIGS])
def test_configs_are_valid(one: Page, block: Block, tmp_path: Path) -> None:
    told = yaml.safe_load(block.text)
    if _OTHERS_FILE.match(block.text):
        assert told, one
        return
    if isinstance(told, list) or "type" in told:
        told = {"feeds": told if isinstance(told, list) else [told]}
    config = tmp_path / "blockd.yaml"
    config.write_text(yaml.safe_dump(told), encoding="utf-8")
    load(config)


@pytest.mark.parametrize("one", ALL, ids=str)
def test_a_page_has_one_title(one: Page) -> None:
    assert [level for level, _ in one.headings].count(1) == 1


@pytest.mark.parametrize("one", ALL, ids=str)
def test_links_lead_to_pages_files_and_headings(one: Page) -> None:
    assert list(_broken(one)) == []


def _broken(one: Page) -> Iterator[str]:
    top = DOCS if DOCS in one.path.parents else ROOT
    for target in one.links:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        to = (one.path.parent / path).resolve() if path else one.path
        if top not in to.parents or not to.is_file():
            yield f"{target} leads to nothing in {top.name}/"
        elif anchor and not _has_anchor(Page(to), anchor):
            yield f"{target}: there is no such heading, or more than one reading of it"


def _has_anchor(one: Page, anchor: str) -> bool:
    """Tell whether exactly one heading has the anchor, both on the site and on a forge."""
    return Counter(tuple(slugs(title)) for _, title in one.headings)[anchor,] == 1


def test_the_navigation_has_every_page_once() -> None:
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _AnyTag)  # noqa: S506 - a safe loader
    listed = Counter(_pages_in(config["nav"]))
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert set(listed) == there
    assert max(listed.values()) == 1


def _pages_in(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for inner in nav.values() if isinstance(nav, dict) else nav:
            yield from _pages_in(inner)


def test_files_that_pages_name_are_there() -> None:
    named = {path for one in WRITTEN for path in re.findall(r"(?<![\w/.-])config/[\w./-]+\w", one.text)} - MADE
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("one", [one for one in WRITTEN if one.after is not None], ids=str)
def test_a_page_that_goes_on_from_another_says_so_to_its_readers(one: Page) -> None:
    assert one.after is not None
    assert area_of(one.after) == area_of(one)
    assert one.after.path.name in one.links

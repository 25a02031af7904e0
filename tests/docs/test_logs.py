"""The page on logs, and others that show lines of the log: each of these lines is one that blockd can write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.places import ROOT

DOCS = ROOT / "docs"
LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}
_LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (?P<level>[A-Z]+) (?P<sentence>.+)$", re.MULTILINE)
_PLACE = re.compile(r"%[sd]")
LINES = [
    (path.name, found["level"], found["sentence"])
    for path in sorted(DOCS.rglob("*.md"))
    for found in _LINE.finditer(path.read_text(encoding="utf-8"))
]


def sentences() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield the level of each message in the code that is more than another text, and what it can look like."""
    for path in (ROOT / "blockd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=level),
                    args=[ast.Constant(value=str(text)), *_],
                ) if level in LEVELS and _PLACE.sub("", text).strip():
                    pattern = ".+".join(re.escape(part) for part in _PLACE.split(text))
                    yield LEVELS[level], re.compile(pattern)
                case ast.Tuple(
                    elts=[
                        ast.Attribute(value=ast.Name(id="logging"), attr=level),
                        ast.Constant() | ast.JoinedStr() as sentence,
                    ]
                ):  # news that one place makes and another one logs
                    parts = sentence.values if isinstance(sentence, ast.JoinedStr) else [sentence]
                    shapes = [re.escape(str(one.value)) if isinstance(one, ast.Constant) else ".+" for one in parts]
                    yield level, re.compile("".join(shapes))


MESSAGES = list(sentences())


@pytest.mark.parametrize(("page", "level", "sentence"), LINES)
def test_line_is_one_that_the_code_writes(page: str, level: str, sentence: str) -> None:
    assert any(level == written and pattern.fullmatch(sentence) for written, pattern in MESSAGES), page


def test_pages_show_lines_of_every_level_that_blockd_writes() -> None:
    assert {level for page, level, _ in LINES if page == "logs.md"} == {"INFO", "WARNING", "ERROR"}

"""The pages for developers are correct: the modules, classes and functions that they name exist."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from tests.places import ROOT

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (
        *sorted((ROOT / "docs" / "dev").glob("*.md")),
        *sorted((ROOT / "docs" / "adr").glob("*.md")),
        ROOT / "CONTRIBUTING.md",
        ROOT / "tests" / "README.md",
    )
}
SOURCES = ("blockd/**/*.py", "blockd/**/*.p[yx][xd]", "tests/**/*.py", "tests/**/*.c", "tests/**/*.pyx")
ROOTS = ("", "blockd", "tests")  # what a path on a page may be relative to; else to the module named last
EXAMPLES = {"test_older_list_is_refused", "test_rollback_2", "Unreleased"}  # no names of the code

_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_PATH = re.compile(r"[\w./-]*\w\.(?:py|pyx|pxd|pyi|sh|c|yml)|(?:\w+/)+")
# Said of code: a class, something private, or a name with a dot or an underscore in it.
_NAME = re.compile(r"[A-Z]\w*[a-z]\w*(?:\.\w+)*|_[a-z]\w*|[a-z]+(?:_[a-z0-9]+)+")


def spans(page: str) -> Iterator[str]:
    """Yield what is between backticks on a page, outside of its blocks."""
    for match in _CODE.finditer(_FENCE.sub("", page)):
        yield " ".join(match[1].split())


def paths_on(page: str) -> list[str]:
    """Return the files and folders that a page names."""
    return [span for span in spans(page) if _PATH.fullmatch(span) and "*" not in span]


def names_on(page: str) -> list[str]:
    """Return the classes, functions and constants that a page names, one by one: `A.b` is two."""
    found = [span for span in spans(page) if _NAME.fullmatch(span) and span not in EXAMPLES]
    return list(dict.fromkeys(part for span in found for part in span.split(".")))


def words_of(text: str) -> set[str]:
    """Return the words that code is made of: all that a name on a page may be."""
    return set(re.findall(r"\w+", text))


def missing(names: Iterable[str], words: Container[str]) -> list[str]:
    """Return those of `names` that are no word of `words`."""
    return [name for name in names if name not in words]


def is_there(path: str, folders: Iterable[Path]) -> bool:
    return any((folder / path).exists() for folder in folders)


def test_every_file_on_a_page_is_there() -> None:
    found = []
    for page, text in PAGES.items():
        near = {ROOT / root / Path(path).parent for path in paths_on(text) for root in ROOTS}
        folders = [*(ROOT / root for root in ROOTS), *near]
        found += [f"{page}: {path}" for path in dict.fromkeys(paths_on(text)) if not is_there(path, folders)]
    assert found == []


def test_every_name_on_a_page_is_one_of_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for pattern in SOURCES for path in ROOT.glob(pattern))
    code += (ROOT / "Makefile").read_text(encoding="utf-8")
    words = words_of(code)
    found = [f"{page}: {name}" for page, text in PAGES.items() for name in missing(names_on(text), words)]
    assert found == []


class TestFinders:
    page = (
        "See `feeds/kinds.py`, `Gate.check`, `_swap`,\n`read_list` and `make test`.\n\n```text\n`no_code`\n```\n`dns/`"
    )

    def test_paths_are_told_from_names(self) -> None:
        assert paths_on(self.page) == ["feeds/kinds.py", "dns/"]
        assert names_on(self.page) == ["Gate", "check", "_swap", "read_list"]

    def test_what_the_code_does_not_have_is_found(self) -> None:
        words = words_of("class Gate:\n    def check(self): self._swapped()")
        assert missing(["Gate", "check", "_swap"], words) == ["_swap"]

    def test_files_are_looked_for_in_all_places(self, tmp_path: Path) -> None:
        (tmp_path / "gate.py").touch()
        assert is_there("gate.py", [ROOT, tmp_path])
        assert not is_there("gates.py", [ROOT, tmp_path])

"""No number that Python and Cython share is written by hand in both."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path

import pytest

from tests.shared_numbers import FILES, PACKAGE, content

BY_HAND = sorted(
    path
    for path in (*PACKAGE.rglob("*.pyx"), *PACKAGE.rglob("*.pxd"))
    if path.relative_to(PACKAGE).as_posix() not in FILES
)
CONSTANT = re.compile(r"^    ([A-Z][A-Z0-9_]+) = (\S+)", re.MULTILINE)
# Of the same name and value by chance.
UNRELATED = {
    ("blockd.resolver.engine.twin", "BATCH"),  # the engines' batches are independent
    ("blockd.selftest.client", "BATCH"),
    ("blockd.audit.log", "MAX_WAITING"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_what_the_modules_say(name: str) -> None:
    assert (PACKAGE / name).read_text() == content(FILES[name]), "make numbers"


@pytest.mark.parametrize("path", BY_HAND, ids=lambda path: path.name)
def test_no_number_is_written_by_hand_in_both_languages(path: Path) -> None:
    by_hand = dict(CONSTANT.findall(path.read_text()))
    assert not [
        (module, name)
        for module, numbers in _numbers_in_python()
        for name, number in numbers.items()
        if by_hand.get(name) == str(number) and (module, name) not in UNRELATED
    ]


@functools.cache
def _numbers_in_python() -> list[tuple[str, dict[str, int]]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        if path.name in ("__init__.py", "__main__.py"):
            continue
        names = set(re.findall(r"^([A-Z][A-Z0-9_]+) = ", path.read_text(), re.MULTILINE))
        if names:
            values = vars(importlib.import_module(module))
            found.append((module, {name: values[name] for name in names if type(values.get(name)) is int}))
    return found

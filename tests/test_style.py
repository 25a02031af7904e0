"""What no linter checks: how long a module is, what it is called, and that the tests mirror the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "blockd"
TESTS = ROOT / "tests"
MAX_LINES = 350
NO_NOUNS = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
OTHER_TESTS = {"bench", "fuzz"}  # folders of tests that are no room's

MODULES = sorted(path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_about_one_thing(module: str) -> None:
    assert len((ROOT / module).read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("module", MODULES)
def test_a_modules_name_says_what_it_is_about(module: str) -> None:
    path = Path(module)
    assert not NO_NOUNS & {*path.parts[:-1], path.stem}


def test_the_tests_mirror_the_package() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    folders = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.glob("*/**/*.py")}
    assert folders <= rooms | OTHER_TESTS


def test_every_module_says_what_it_is_about() -> None:
    directives = re.compile(r"(?:# cython: .*\n)*")
    told = [directives.sub("", (ROOT / module).read_text(), count=1) for module in MODULES]
    assert [module for module, text in zip(MODULES, told, strict=True) if not text.startswith(('"""', 'r"""'))] == []

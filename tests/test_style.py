"""What linters do not check: the length and name of a module, and that the tests mirror the package."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

from tests.places import ROOT

PACKAGE = ROOT / "blockd"
TESTS = ROOT / "tests"
MAX_LINES = 350
MEDIAN_LINES = 110
MAX_FILES = 24  # of one folder: more are not taken in at a glance
MAX_INLINED = 500  # of an extension whose parts are inlined into each other
REASON = "longer than others may be"
DIRECTIVES = re.compile(r"(?:# cython: .*\n)*")  # of a module that is compiled as it is
NO_NOUNS = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
OTHER_TESTS = {
    "bench",
    "docs",
    "fuzz",
    "monitoring",
    "neighbours",
    "packaging_",
    "soak",
    "worlds",
}  # folders of tests that are no room's

MODULES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))
}


def too_long(text: str) -> bool:
    return len(text.splitlines()) > MAX_LINES


def says_nothing(module: str) -> bool:
    """Return whether a module, or a folder that it is in, has a name that would fit anything."""
    path = Path(module)
    return bool(NO_NOUNS & {*path.parts[:-1], path.stem})


def has_docstring(text: str) -> bool:
    return DIRECTIVES.sub("", text, count=1).lstrip().startswith(('"""', 'r"""'))


def test_a_module_is_about_one_thing() -> None:
    assert [module for module, text in MODULES.items() if too_long(text)] == []


def test_an_extension_is_about_one_thing_or_says_why_it_is_long() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): path.read_text() for path in PACKAGE.rglob("*.pyx")}
    long = {module: text for module, text in lengths.items() if too_long(text)}
    assert [module for module, text in long.items() if len(text.splitlines()) > MAX_INLINED] == []
    assert [module for module, text in long.items() if REASON not in " ".join(text.split())] == []


def test_a_modules_name_says_what_it_is_about() -> None:
    assert [module for module in MODULES if says_nothing(module)] == []


def test_every_module_says_what_it_is_about() -> None:
    assert [module for module, text in MODULES.items() if not has_docstring(text)] == []


def test_the_tests_mirror_the_package() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    folders = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.glob("*/**/*.py")}
    assert sorted(folders - rooms - OTHER_TESTS) == []


def test_no_folder_of_the_package_is_crowded() -> None:
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]
    counts = {path: sum(1 for one in path.iterdir() if one.suffix in (".py", ".pyx", ".pyi")) for path in folders}
    assert {path.relative_to(ROOT).as_posix(): count for path, count in counts.items() if count > MAX_FILES} == {}


def test_most_modules_are_short() -> None:
    assert statistics.median(len(text.splitlines()) for text in MODULES.values()) <= MEDIAN_LINES


def test_what_breaks_a_rule_is_found() -> None:
    assert too_long("pass\n" * (MAX_LINES + 1))
    assert not too_long("pass\n" * MAX_LINES)
    assert says_nothing("blockd/feeds/utils.py")
    assert says_nothing("blockd/common/names.py")
    assert not says_nothing("blockd/feeds/commonness.py")
    assert not has_docstring("from __future__ import annotations\n")
    assert has_docstring('\nr"""A raw one."""\n')


def test_all_modules_of_the_package_are_looked_at() -> None:
    assert {"blockd/__init__.py", "blockd/names/domain.py", "blockd/feeds/transfer/keys.py"} <= MODULES.keys()

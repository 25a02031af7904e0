"""The order in which files of tests are handed out."""

from __future__ import annotations

from tests.longest import FIRST, SHARED_OUT, longest_first, scope_of
from tests.places import ROOT


def test_files_that_run_first_exist_and_are_named_once() -> None:
    named = (*SHARED_OUT, *FIRST)
    assert [file for file in named if not (ROOT / file).is_file()] == []
    assert len(set(named)) == len(named)


def test_the_longest_come_first_and_the_rest_stays_in_its_order() -> None:
    tests = ["tests/b.py::two", "tests/b.py::one", f"{FIRST[1]}::x", "tests/a.py::x", f"{FIRST[0]}::x"]
    assert longest_first(tests, str) == [tests[4], tests[2], tests[0], tests[1], tests[3]]


def test_a_file_stays_whole_unless_it_is_shared_out() -> None:
    assert scope_of("tests/a.py::one[a::b]") == "tests/a.py"
    assert scope_of(f"{SHARED_OUT[0]}::one[1]") == f"{SHARED_OUT[0]}::one[1]"

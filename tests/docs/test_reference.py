"""The pages of docs/reference/ are those that the code makes, and tell of everything that there is."""

from __future__ import annotations

import argparse

import pytest

from blockd.cli.grammar import commands, parser
from blockd.cli.grammar.exit_codes import ANSWER_IS_NO
from blockd.orders import Action
from tests.docs.pages import GENERATED
from tests.docs.reference import PAGES, actions


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes(name: str) -> None:
    assert (GENERATED / name).read_text(encoding="utf-8") == PAGES[name](), "`make reference` makes it anew"


def test_no_other_page_is_there() -> None:
    assert {path.name for path in GENERATED.iterdir()} == set(PAGES)


def test_exit_codes_are_of_commands_that_there_are() -> None:
    assert set(ANSWER_IS_NO) <= {name for name, _, _ in commands(parser())}


def test_every_option_of_every_command_has_a_meaning() -> None:
    untold = [
        f"{name} {option}"
        for name, _, parser in commands(parser())
        for action in parser._actions
        for option in action.option_strings
        if not action.help and action.choices is None and action.help is not argparse.SUPPRESS
    ]
    assert untold == []


def test_every_action_has_its_answer() -> None:
    assert set(actions.ANSWERS) == set(Action)

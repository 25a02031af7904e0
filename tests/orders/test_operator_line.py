"""What an operator writes for the records is one line, and is there where it is needed."""

from __future__ import annotations

import pytest

from blockd.errors import CommandError
from blockd.orders.operator_line import MAX_LINE, needed_reason, operator_line


def test_a_line_is_taken_whole_without_blanks_around_it() -> None:
    assert (
        operator_line("  Ticket 4711: sekolah \u2013 \U0001f600 ", "reason") == "Ticket 4711: sekolah \u2013 \U0001f600"
    )
    assert operator_line("x" * MAX_LINE, "reason") == "x" * MAX_LINE
    assert operator_line(" ", "officer's name") == ""


@pytest.mark.parametrize("text", ["x" * (MAX_LINE + 1), "a\nb", "a\x1b[2J", "a\u202eb", "a\0", "\udcff", "a\u2028b"])
def test_more_than_a_line_is_refused_and_says_what_it_is(text: str) -> None:
    with pytest.raises(CommandError) as refused:
        operator_line(text, "officer's name")
    told = f"The officer's name is one line of at most {MAX_LINE} characters; nothing was changed."
    assert str(refused.value) == told


@pytest.mark.parametrize("text", ["", " ", "   "])
def test_a_reason_that_is_needed_is_asked_for(text: str) -> None:
    with pytest.raises(CommandError) as refused:
        needed_reason(text, "The end of an override")
    told = "The end of an override needs a reason, which the audit log keeps; nothing was changed."
    assert str(refused.value) == told

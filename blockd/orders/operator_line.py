"""What an operator writes for the records, one line each: a reason, and the name of who answers for it."""

from __future__ import annotations

from blockd.errors import CommandError

MAX_LINE = 500  # characters: a few sentences. What is accepted is kept whole, wherever it is recorded and shown


def operator_line(text: str, what: str, unchanged: str = "nothing was changed") -> str:
    """Return such a line without blanks around it, `what` it is in words; raises CommandError if it is more than one.

    `unchanged` says what is still in force.
    """
    if len(text) > MAX_LINE or not text.isprintable():
        raise CommandError(f"A {what} is one line of at most {MAX_LINE} characters; {unchanged}.")
    return text.strip()

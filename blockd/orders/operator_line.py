"""What an operator writes for the records, one line each: a reason, and the name of who answers for it."""

from __future__ import annotations

from blockd.errors import CommandError

MAX_LINE = 500  # characters: a few sentences. What is accepted is kept whole, wherever it is recorded and shown


def operator_line(text: str, what: str) -> str:
    """Return such a line, a `what`, without blanks around it; raises CommandError if it is more than one."""
    if len(text) > MAX_LINE or not text.isprintable():
        raise CommandError(f"The {what} is one line of at most {MAX_LINE} characters; nothing was changed.")
    return text.strip()


def needed_reason(text: str, what: str) -> str:
    """Return the reason for `what`, in words, without blanks around it; raises CommandError also if it is empty."""
    if not (reason := operator_line(text, "reason")):
        raise CommandError(f"{what} needs a reason, which the audit log keeps; nothing was changed.")
    return reason

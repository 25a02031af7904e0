"""The daemon's log: one line for each message, whatever foreign texts it contains.

Orders, servers and lists contain texts of others. A line feed in one of them would begin a line that looks like
the daemon's own, and a control character would reach the operator's terminal.
"""

from __future__ import annotations

import logging

FORMAT, DATES = "%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"


class LineFormatter(logging.Formatter):
    """Writes unprintable characters as escapes; a traceback stays as it is below its message."""

    def __init__(self) -> None:
        super().__init__(FORMAT, DATES)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Return the line of a record."""
        line = super().formatMessage(record)
        return line if line.isprintable() else "".join(map(_printable, line))


def _printable(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode("ascii")

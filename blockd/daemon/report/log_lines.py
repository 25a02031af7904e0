"""The daemon's log: one line for each message, whatever foreign texts it contains."""

from __future__ import annotations

import logging

from blockd.printable import printable

FORMAT, DATES = "%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"


class LineFormatter(logging.Formatter):
    """Writes unprintable characters as escapes; a traceback stays as it is below its message."""

    def __init__(self) -> None:
        super().__init__(FORMAT, DATES)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """Return the line of a record."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802 - the name is logging's
        """Return a traceback, whose last line has an error's text."""
        return printable(super().formatException(ei), keep="\n")  # type: ignore[arg-type]

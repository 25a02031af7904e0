"""One line at the bottom of a terminal that says how far long work is, on standard error; nothing elsewhere."""

from __future__ import annotations

import contextlib
import shutil
import sys

from blockd.printable import printable

_CLEAR = "\r\x1b[K"  # to the beginning of the line, and erase it (ECMA-48 section 8.3.41)


class StatusLine:
    """The line; it is written only if it changes, and only if standard error is a terminal."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr is not None and sys.stderr.isatty()
        self._text = ""

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._is_shown and text != self._text:
            self._text = text
            self._write(_CLEAR + printable(text)[: shutil.get_terminal_size().columns - 1])

    def clear(self) -> None:
        """Remove the line."""
        if self._text:
            self._text = ""
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()

"""What a command prints: sentences for people, or one JSON document for programs.

All that a verb prints goes through here. Characters that the terminal cannot show, or that would steer it, are escaped.
What cannot be written, since the reader has gone or the disk is full, raises OutputError, which no verb takes for an
error of the data that it reads.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

from blockd.errors import OutputError
from blockd.printable import printable

_UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b-\u200f\ufeff\ud800-\udfff]")  # raw in JSON


def prepare() -> None:
    """Have both streams escape what their encoding lacks, so that printing a text never fails because of its letters.

    A stream that was closed before the start is replaced: by one that refuses for the output, by one that takes all
    for errors.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = io.StringIO()


def show(as_json: bool, data: Mapping[str, object], lines: Iterable[str]) -> None:
    """Print `data` as JSON, or `lines`."""
    if as_json:
        document(data)
    else:
        for one in lines:
            print_line(one)


def document(data: Mapping[str, object]) -> None:
    """Print one JSON document."""
    import json

    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    written = json.dumps(data, indent=2, ensure_ascii=not is_unicode, default=str)
    print_text(_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", written) + "\n")


def print_line(one: str) -> None:
    """Print one line for people; a line feed within it is escaped too."""
    print_text(printable(one) + "\n")


def print_text(several: str) -> None:
    """Print a text as it is, such as a template or JSON, which has no letters that it should not have."""
    try:
        sys.stdout.write(several)
    except OSError as error:
        raise OutputError(error) from error


def finish() -> None:
    """Write what waits in the stream; raises OutputError."""
    try:
        sys.stdout.flush()
    except OSError as error:
        raise OutputError(error) from error


def error_lines(several: str, *, end: str = "\n") -> None:
    """Print to standard error, if it can be written; a line feed begins a line."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(printable(several, keep="\n") + end)
        sys.stderr.flush()


def abandon(stream: TextIO) -> None:
    """Have a stream that cannot be written take what is left in it, so that the interpreter's end is silent."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    with contextlib.suppress(OSError, ValueError):
        stream.flush()


class _Closed(io.StringIO):
    """Standard output that was closed before the start: whatever is written to it fails."""

    def write(self, _: str) -> int:
        """Raise OSError."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

"""Texts whose lines ascend by their octets, each line once: bisection, and several texts cut at the same lines.

Lines are short and every line ends with a line feed, which is less than any octet that a line holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path

Text = bytes | mmap

_STRIDE = 256  # octets of the first leap; the line is often near, and leaps grow fourfold if it is not


def mapped(path: Path) -> Text:
    """Return the text of a file, mapped into memory; raises OSError."""
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ) if path.stat().st_size else b""


def seek(text: Text, line: bytes, start: int, end: int) -> int:
    """Return where the first line that is not less than `line` begins between `start` and `end`, or `end` if none is.

    Both are beginnings of lines.
    """
    low, high, leap = start, end, _STRIDE
    while low < high:
        middle = min(low + leap, (low + high) // 2)
        begin = max(low, text.rfind(b"\n", low, middle) + 1)
        feed = text.find(b"\n", middle, end)
        if text[begin:feed] < line:
            low = feed + 1
            leap *= 4
        else:
            high = begin
    return low


def side_by_side(texts: Sequence[Text], size: int) -> Iterator[list[bytes]]:
    """Cut all texts at the same lines, and yield what each has between two cuts: about `size` octets at most."""
    starts = [0] * len(texts)
    while any(start < len(text) for text, start in zip(texts, starts, strict=True)):
        cuts = [cut for text, start in zip(texts, starts, strict=True) if (cut := _line_behind(text, start + size))]
        cut = min(cuts, default=b"")
        ends = [
            seek(text, cut, start, len(text)) if cut else len(text) for text, start in zip(texts, starts, strict=True)
        ]
        yield [text[start:end] for text, start, end in zip(texts, starts, ends, strict=True)]
        starts = ends


def _line_behind(text: Text, at: int) -> bytes:
    """Return the first line that begins after a place; empty if the text has ended by then."""
    begin = text.find(b"\n", at) + 1
    return text[begin : text.find(b"\n", begin)] if begin else b""

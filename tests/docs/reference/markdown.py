"""What every generated page is made of: its head and its tables."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

_NOTE = "<!-- Made from the code by `make reference`; changes made here are lost. -->"
_CODE = re.compile(r"(`[^`]+`)")


def document(title: str, *parts: str) -> str:
    """Return a page of Markdown; its parts are paragraphs, headings and tables."""
    return "\n\n".join((f"# {title}", _NOTE, *(part.strip("\n") for part in parts))) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def sentence(text: str) -> str:
    """Return a phrase as a sentence."""
    text = " ".join(text.split())
    start = text if text.startswith("blockd") else text[:1].upper() + text[1:]
    return start + ("" if text.endswith((".", "?", "!")) else ".")


def _cell(text: str) -> str:
    """Return a text as a cell; readers of Markdown disagree about a bar in code, so that one is written in HTML."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(_code(part) if part.startswith("`") else html.escape(part, quote=False) for part in parts)


def _code(text: str) -> str:
    return f"<code>{html.escape(text[1:-1]).replace('|', '&#124;')}</code>" if "|" in text else text

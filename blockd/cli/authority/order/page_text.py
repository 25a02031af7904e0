"""A page as lines of text, for a terminal: what a text browser would show of it."""

from __future__ import annotations

from html.parser import HTMLParser

_LINES = frozenset(("h1", "h2", "p", "li", "dt", "dd", "header", "footer", "section", "form"))  # each begins a line
_UNSEEN = frozenset(("style", "title"))


def page_lines(html: str) -> list[str]:
    """Return what a page says, line by line; a term and what it stands for are one line."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return [line for text in reader.lines if (line := " ".join(text.split()))]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._unseen += tag in _UNSEEN
        if tag == "span":
            self.lines[-1] += " "
        elif tag == "dd":
            self.lines[-1] += ": "
        elif tag in _LINES:
            self.lines.append("")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN
        if tag in _LINES and tag != "dt":
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.lines[-1] += data

"""Whether every line of a list's canonical text is a name that a ruleset takes.

Lines are parsed by the function that parses the lists of publishers, which has the results of the one that parses them
when a ruleset is compiled.
"""

from __future__ import annotations

from pathlib import Path

from blockd.files import open_kept
from blockd.formats.domains import read_names
from blockd.formats.rejects import RejectReport

_PIECE = 1 << 18  # octets read at a time


class NameCheck:
    """Checks blocks of whole lines; `fault` is what is wrong with the first line that is no name, empty for nothing."""

    def __init__(self) -> None:
        self.fault = ""
        self._rejects = RejectReport()

    def add(self, block: bytes) -> None:
        """Check the next lines, each with its line feed."""
        if self.fault:
            return
        for _ in read_names((block,), self._rejects):
            pass
        found = [(sample.line, sample.text, why) for why, all_ in self._rejects.samples.items() for sample in all_]
        if found:
            line, text, reason = min(found)
            self.fault = f'line {line:,}, "{text}", is not a name: {reason}'


def fault_in(path: Path) -> str:
    """Return what is wrong with the first line of a text that is no name; empty if all are. Raises OSError."""
    check, rest = NameCheck(), b""
    with open_kept(path) as file:
        while not check.fault and (piece := file.read(_PIECE)):
            lines, line_feed, left = piece.rpartition(b"\n")
            if line_feed:
                check.add(rest + lines + line_feed)
                rest = left
            else:
                rest += left
    return check.fault

"""Rules sorted by name within bounded memory: what was said of one name comes together, whatever stood between.

A name has two sides, for itself and for what is below it. A side is a number made of the line of a rule and of its
answer, so that the least of several is the one that came first; 0 is none.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator

from blockd.formats.rpz.spool_file import SpoolFile
from blockd.orders import Scope

MAX_IN_MEMORY = 200_000  # rules: some fifty megabytes
MAX_ANSWERS = 1_000  # different answers of one zone: each is an order, with a row in metrics and a place in every file
_ANSWER_BITS = 10  # of a side
_ANSWER = (1 << _ANSWER_BITS) - 1
_EXACT, _BELOW, _BOTH = (int(scope) for scope in (Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH))  # flags are slow
# An octet less than any length of a label, so that rules are in the order of their keys; then both sides.
_SIDES = struct.Struct(">xQQ")
_READ = 8 << 20  # octets read back at once, of all runs together
_LEAST = 4096  # octets read back at once, of one run

Said = tuple[bytes, int | None, int | None, tuple[tuple[int, int], ...]]
"""What a zone says of one name: its key, the number of the answer for itself and of that for what is below it, None if
there is none; and of the rules that do not count the line, with the line of the one that does. Rules for the same with
the same answer are one."""


class SortedRules:
    """Rules are put in any order; iterating yields what is said of each name, in the order of keys.

    Memory is bounded; what does not fit waits in a temporary file. Raises FeedRefused("fault") if that cannot be used.
    """

    def __init__(self) -> None:
        self._exact: dict[bytes, int] = {}
        self._below: dict[bytes, int] = {}
        self._others: dict[tuple[bytes, bool, int], int] = {}  # more rules for one side: key, is it below, answer
        self._file = SpoolFile("a zone's rules")
        self._runs: list[tuple[int, int]] = []  # where each sorted run begins, and its size

    def put(self, key: bytes, scope: int, answer: int, line: int) -> None:
        """Add a rule on a line: `answer` is a number under MAX_ANSWERS, `scope` that of an entry."""
        side = line << _ANSWER_BITS | answer + 1
        if scope & _EXACT:
            known = self._exact.setdefault(key, side)
            if known is not side:
                self._join(self._exact, key, known, side)
        if scope & _BELOW:
            known = self._below.setdefault(key, side)
            if known is not side:
                self._join(self._below, key, known, side)
        if len(self._exact) + len(self._below) > MAX_IN_MEMORY:
            self._write()

    def __iter__(self) -> Iterator[Said]:
        """Yield what is said of each name."""
        last = b""
        exact = below = 0
        others: list[tuple[int, int]] = []
        size, unpack_from = _SIDES.size, _SIDES.unpack_from
        for rule in self._merged():
            at = len(rule) - size
            key = rule[:at]
            sides = unpack_from(rule, at)
            if key == last:
                others.append(sides)
                continue
            if others:
                yield _joined(last, [(exact, below), *others])
                others = []
            elif last:
                yield last, (exact & _ANSWER) - 1 if exact else None, (below & _ANSWER) - 1 if below else None, ()
            last = key
            exact, below = sides
        if last:
            yield _joined(last, [(exact, below), *others])

    def _join(self, sides: dict[bytes, int], key: bytes, known: int, side: int) -> None:
        """Take one more rule for a side of a name."""
        if known & _ANSWER == side & _ANSWER:
            sides[key] = min(known, side)
            return
        other = key, sides is self._below, side & _ANSWER
        self._others[other] = min(side, self._others.get(other, side))
        if len(self._others) > MAX_IN_MEMORY:
            self._write()

    def _sorted(self) -> list[bytes]:
        pack, exact, below = _SIDES.pack, self._exact, self._below
        rules = [key + pack(side, below.get(key, 0)) for key, side in exact.items()]
        rules += [key + pack(0, side) for key, side in below.items() if key not in exact]
        rules += [
            key + (pack(0, side) if is_below else pack(side, 0)) for (key, is_below, _), side in self._others.items()
        ]
        rules.sort()
        return rules

    def _write(self) -> None:
        size = _SIDES.size
        octets = b"".join([b"%c%b" % (len(rule) - size, rule) for rule in self._sorted()])
        self._runs.append((self._file.append(octets), len(octets)))
        for sides in (self._exact, self._below, self._others):
            sides.clear()

    def _merged(self) -> Iterator[bytes]:
        """Yield all rules by key: of each run a piece is held, and all that no unread rule can precede is sorted."""
        if not self._runs:
            yield from self._sorted()
            return
        if self._exact or self._below or self._others:
            self._write()
        piece = max(_LEAST, _READ // len(self._runs))
        runs = [_Run(self._file, start, size, piece) for start, size in self._runs]
        while runs:
            for run in runs:
                run.fill()
            runs = [run for run in runs if run.rules]
            bound = min((run.rules[-1] for run in runs if run.has_more), default=None)
            ready: list[bytes] = []
            for run in runs:
                ready += run.taken(bound)
            ready.sort()
            yield from ready


class _Run:
    """A sorted run in the file, of which a piece is in memory."""

    def __init__(self, file: SpoolFile, start: int, size: int, piece: int) -> None:
        self._file, self._next, self._end, self._piece = file, start, start + size, piece
        self._rest = b""
        self.rules: list[bytes] = []

    @property
    def has_more(self) -> bool:
        return self._next < self._end

    def fill(self) -> None:
        """Read a piece if none is left."""
        if self.rules or not self.has_more:
            return
        size = min(self._piece, self._end - self._next)
        octets = self._rest + self._file.read(self._next, size)
        self._next += size
        at, whole, more = 0, len(octets), 1 + _SIDES.size
        rules = []
        while at < whole:
            end = at + more + octets[at]
            if end > whole:
                break
            rules.append(octets[at + 1 : end])
            at = end
        self.rules, self._rest = rules, octets[at:]

    def taken(self, bound: bytes | None) -> list[bytes]:
        """Remove and return the rules up to `bound`, or all."""
        end = len(self.rules) if bound is None else bisect_right(self.rules, bound)
        taken, self.rules = self.rules[:end], self.rules[end:]
        return taken


def _joined(key: bytes, sides: list[tuple[int, int]]) -> Said:
    """Return what all rules for one name say together."""
    lost: dict[int, int] = {}
    exact, below = (_first(sorted(filter(None, side)), lost) for side in zip(*sides, strict=True))
    return key, exact, below, tuple(sorted(lost.items()))


def _first(sides: list[int], lost: dict[int, int]) -> int | None:
    """Return the answer of the least side, None if there is none; add the lines of those with another to `lost`."""
    if not sides:
        return None
    first = sides[0]
    seen = {first & _ANSWER}
    for side in sides:
        if side & _ANSWER not in seen:
            seen.add(side & _ANSWER)
            lost[side >> _ANSWER_BITS] = first >> _ANSWER_BITS
    return (first & _ANSWER) - 1

"""Recent blocks: a table at the end of each process's counters, in shared memory only.

Each cell has one entry that was hit: the entry's own key as it stands in the list, never the name that was asked for,
and nothing of who asked. Of an order that is confidential, and of a rule for a network of clients, not even that is
noted. A hash of what is noted chooses the cell. A hit of what the cell has counts there; another takes the cell over
at most once a second, so that what is written is bounded however many names are hit.

A cell is CELL numbers of 64 bits: a sequence number, which is odd while the cell is written; the hits, since the entry
has the cell; the seconds since the epoch of the last one, and of the first one; the ruleset's version; the order's
place in its catalogue (32 bits), the action's place in `Action`, the transport, the key's size (8 bits each), and
HIDDEN if there is no key; and the key, padded with zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from blockd.names.domain import MAX_LABEL
from blockd.names.network import KEY_IPV4, KEY_IPV6

RECENT_CELLS = 256  # a power of 2: more than a page shows, and few enough that all are read every second
KEY_WORDS = 32  # 64-bit numbers that a key of at most 254 octets takes
SEQUENCE_AT, COUNT_AT, LAST_AT, FIRST_AT, VERSION_AT, WHAT_AT, KEY_AT = range(7)
CELL = KEY_AT + KEY_WORDS
MAX_READ = 2048  # cells at once: some milliseconds' work, and ten times what a page shows
HIDDEN = 1  # in the uppermost octet of what a cell is about: its key is not told

_FNV_BASIS, _FNV_PRIME = 2166136261, 16777619  # of FNV-1a with 32 bits
_WORD = (1 << 32) - 1


class NotedBlock(NamedTuple):
    """What a cell has; `key` is None if it is not told. `sequence` tells it from what the cell had before."""

    sequence: int
    hits: int
    last: int
    version: int
    order: int
    action: int
    transport: int
    key: bytes | None


def is_told(key: bytes) -> bool:
    """Return whether an entry's key is noted: a name's, or that of a network that answers lead to."""
    return not key or key[0] <= MAX_LABEL or key[0] in (KEY_IPV4, KEY_IPV6)


def note_block(
    cells: memoryview, second: int, version: int, order: int, action: int, transport: int, key: bytes | None
) -> None:
    """Note a hit in a table of cells; `key` is the entry's, None if it is not to be told."""
    hidden = key is None or not is_told(key)
    told = b"" if hidden or key is None else key
    about = order | action << 32 | transport << 40 | len(told) << 48 | (HIDDEN << 56 if hidden else 0)
    at = _cell_of(told, order, transport) * CELL
    words = (len(told) + 7) // 8
    padded = memoryview(told.ljust(words * 8, b"\0")).cast("Q")
    is_same = cells[at + VERSION_AT] == version and cells[at + WHAT_AT] == about
    if is_same and cells[at + COUNT_AT] and cells[at + KEY_AT : at + KEY_AT + words] == padded:
        cells[at + COUNT_AT] += 1
        cells[at + LAST_AT] = second
    elif cells[at + FIRST_AT] != second:
        cells[at] += 1
        cells[at + COUNT_AT] = 1
        cells[at + LAST_AT] = cells[at + FIRST_AT] = second
        cells[at + VERSION_AT], cells[at + WHAT_AT] = version, about
        cells[at + KEY_AT : at + KEY_AT + words] = padded
        cells[at] += 1


def read_cell(cells: memoryview, place: int) -> NotedBlock | None:
    """Return what a cell has; None if it has nothing, or is being written.

    What a process that was broken into has written is read, too: no number is trusted to be in its bounds.
    """
    cell = cells[place * CELL : (place + 1) * CELL]
    if not cell[COUNT_AT]:
        return None
    fields, key = cell[:KEY_AT].tolist(), cell[KEY_AT:].tobytes()
    sequence, about = fields[SEQUENCE_AT], fields[WHAT_AT]
    if sequence % 2 or cell[SEQUENCE_AT] != sequence:
        return None
    key = key[: about >> 48 & 0xFF]
    return NotedBlock(
        sequence, fields[COUNT_AT], fields[LAST_AT], fields[VERSION_AT], about & _WORD, about >> 32 & 0xFF,
        about >> 40 & 0xFF, None if about >> 56 & HIDDEN else key,
    )  # fmt: skip


class RecentReader:
    """Reads what is new in the tables of all processes, at most MAX_READ cells at once: the others wait their turn."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[list[int], list[int]]] = {}  # sequences and hits, as they were taken, by table
        self._first = 0  # the table that is read first

    def changed(self, tables: Sequence[memoryview]) -> Iterator[tuple[int, int, NotedBlock, int]]:
        """Yield a table's place, a cell's, what it has, and how many hits of that were not taken yet.

        What is not taken is yielded again the next time.
        """
        left = MAX_READ
        for turn in range(len(tables)):
            number = (self._first + turn) % len(tables)
            cells = tables[number]
            sequences, hits = cells[SEQUENCE_AT::CELL].tolist(), cells[COUNT_AT::CELL].tolist()
            known = self._known.setdefault(number, ([0] * RECENT_CELLS, [0] * RECENT_CELLS))
            if (sequences, hits) == known:
                continue
            for place in range(RECENT_CELLS):
                before = known[0][place], known[1][place]
                if before == (sequences[place], hits[place]) or (noted := read_cell(cells, place)) is None:
                    continue
                yield number, place, noted, noted.hits - (before[1] if before[0] == noted.sequence else 0)
                left -= 1
                if not left:
                    self._first = number + 1
                    return
        self._first = 0

    def take(self, table: int, place: int, noted: NotedBlock) -> None:
        """Do not yield these hits again."""
        sequences, hits = self._known[table]
        sequences[place], hits[place] = noted.sequence, noted.hits


def _cell_of(key: bytes, order: int, transport: int) -> int:
    hashed = _FNV_BASIS
    for octet in key:
        hashed = (hashed ^ octet) * _FNV_PRIME & _WORD
    hashed = (hashed ^ order) * _FNV_PRIME & _WORD
    hashed = (hashed ^ transport) * _FNV_PRIME & _WORD
    return (hashed ^ hashed >> 16) & (RECENT_CELLS - 1)

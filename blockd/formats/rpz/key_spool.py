"""Keys sorted into groups while a zone is read; few of them are in memory, the rest in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator

from blockd.formats.rpz.spool_file import SpoolFile

MAX_IN_MEMORY = 200_000  # keys: some twenty megabytes


class KeySpool:
    """Groups of keys; each has at most 255 octets."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[bytes]] = {}
        self._count = 0
        self._written: dict[int, list[tuple[int, int]]] = {}  # of each group: where its pieces begin, and their sizes
        self._file = SpoolFile("a zone's names")

    def put(self, group: int, key: bytes) -> None:
        """Add a key to a group; raises FeedRefused("fault") if the file cannot be written."""
        waiting = self._waiting.get(group)
        if waiting is None:
            waiting = self._waiting[group] = []
        waiting.append(key)
        self._count += 1
        if self._count > MAX_IN_MEMORY:
            self._write()

    @property
    def groups(self) -> list[int]:
        """The groups that have keys, in ascending order."""
        return sorted(self._waiting.keys() | self._written.keys())

    def keys(self, group: int) -> Iterator[bytes]:
        """Yield a group's keys in the order in which they were added; raises as `put` does. It may be called again."""
        for start, size in self._written.get(group, ()):
            octets = self._file.read(start, size)
            at = 0
            while at < size:
                end = at + 1 + octets[at]
                yield octets[at + 1 : end]
                at = end
        yield from self._waiting.get(group, ())

    def _write(self) -> None:
        for group, keys in self._waiting.items():
            octets = b"".join([b"%c%b" % (len(key), key) for key in keys])
            self._written.setdefault(group, []).append((self._file.append(octets), len(octets)))
        self._waiting.clear()
        self._count = 0

import mmap
from array import array

from blockd.ruleset.format import Header

class Walk:
    changed: int
    def __init__(
        self,
        octets: mmap.mmap,
        header: Header,
        other_octets: mmap.mmap,
        other_header: Header,
        meanings: array[int],
        other_meanings: array[int],
    ) -> None: ...
    def close(self) -> None: ...
    def step(self, entries: int) -> list[bytes] | None: ...
    def covered(self, keys: list[bytes]) -> list[tuple[int, int]]: ...

class Contradicting:
    def __init__(self, octets: mmap.mmap, header: Header, weak: array[int], blocking: array[int]) -> None: ...
    def step(self, entries: int) -> list[bytes] | None: ...

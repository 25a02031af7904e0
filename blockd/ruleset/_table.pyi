import mmap
from collections.abc import Sequence

from blockd.ruleset.format import Header

Told = tuple[int, int, int, int, int, int, bool]

class Table:
    def __init__(
        self,
        octets: mmap.mmap,
        header: Header,
        states: memoryview,
        actions: bytes,
        tiers: bytes,
        asks_client: bool = False,
        lives: bytes = b"",
        salts: Sequence[bytes] = (),
        groups: bytes = b"",
        parties: bytes = b"",
        lifts: Sequence[Sequence[int]] = (),
        priorities: bytes = b"",
        translations: bytes = b"",
        feeds: bytes = b"",
        lacking: bytes = b"",
        client_groups: int = 0,
    ) -> None: ...
    def close(self) -> None: ...
    def verdict(self, key: bytes, group: int = 0) -> Told: ...
    def client_verdict(self, packed: bytes, group: int = 0) -> Told: ...
    def address_verdict(self, packed: bytes, group: int = 0) -> Told: ...

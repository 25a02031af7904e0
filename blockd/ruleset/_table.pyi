import mmap
from collections.abc import Sequence

from blockd.ruleset.format import Header

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
    ) -> None: ...
    def close(self) -> None: ...
    def verdict(self, key: bytes) -> tuple[int, int, int, int]: ...
    def whole_verdict(self, key: bytes) -> tuple[int, int, int, int, int, int, bool]: ...
    def client_verdict(self, packed: bytes) -> tuple[int, int, int, int]: ...
    def address_verdict(self, packed: bytes) -> tuple[int, int, int, int]: ...

from collections.abc import Iterable, Sequence

from blockd.orders import Reason
from blockd.ruleset._table import Table

def judge(
    table: Table,
    names: Sequence[bytes],
    addresses: Sequence[bytes],
    tiers: int,
    passing: Iterable[int],
    group: int = 0,
) -> tuple[Reason | None, int, bytes, int, int]: ...

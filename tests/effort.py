"""How much of the same a test tries: a sample by default, all of it with BLOCKD_LONG=1, as `make fuzz` has it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

LONG = os.environ.get("BLOCKD_LONG") == "1"

Item = TypeVar("Item")


def tries(sample: int, whole: int) -> int:
    """Return how many times to try: `sample` by default, `whole` if there is time."""
    return whole if LONG else sample


def some(items: Sequence[Item], sample: int) -> Sequence[Item]:
    """Return about `sample` of the items, from the first to the last at equal distances; all if there is time."""
    if LONG or len(items) <= sample:
        return items
    step = (len(items) - 1) / (sample - 1)
    return [items[round(place * step)] for place in range(sample)]

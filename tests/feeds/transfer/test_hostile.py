"""Transfers of a hostile primary: accepted, and bounded."""

from __future__ import annotations

import pytest

from blockd.feeds.transfer.content import Differences
from tests.fuzz.transfers import hostile_transfers, received

SIZE = 100_000


@pytest.mark.parametrize("name", hostile_transfers(1_000))
def test_a_hostile_transfer_is_taken_with_all_its_records(name: str) -> None:
    messages = hostile_transfers(SIZE)[name]
    assert SIZE // 2 < sum(map(len, messages)) < 2 * SIZE
    records = sum(int.from_bytes(message[6:8]) for message in messages)
    differences = Differences()
    lines = 0
    for change in received(name, messages):
        lines += change.text.count(b"\n")
        if name.startswith("IXFR"):
            differences.take(change.removed, change.text)
    if name.startswith("IXFR"):
        assert (len(differences.now), len(differences.added)) == (2, 1)
    else:
        assert lines == records

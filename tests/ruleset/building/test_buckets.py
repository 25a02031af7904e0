from __future__ import annotations

import pytest

from blockd.errors import RulesetError
from blockd.ruleset.format import BUCKET_SIZE, ENTRY

pytest.importorskip("blockd.ruleset.building._buckets", reason="blockd was installed without its C part")

from blockd.ruleset.building import _buckets


def no_progress(done: int, total: int) -> None:
    pass


@pytest.mark.parametrize("records", [bytes(4), ENTRY.pack(0, 1), ENTRY.pack(0, 255) + bytes(254), bytes(5) + b"x"])
def test_records_that_are_cut_are_refused(records: bytes) -> None:
    with pytest.raises(RulesetError, match="outside"):
        _buckets.table_of(bytearray(records), 1, bytes(16), no_progress)


def test_more_records_than_were_announced_get_more_buckets() -> None:
    records = bytearray(b"".join(ENTRY.pack(0, 4) + number.to_bytes(4) for number in range(1000)))
    table = _buckets.table_of(records, 1, bytes(16), no_progress)
    assert sum(table[60::BUCKET_SIZE]) == 1000


def test_hash_keys_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="16 octets"):
        _buckets.table_of(bytearray(), 0, bytes(15), no_progress)

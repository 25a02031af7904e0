"""When a list gets a new base, and what of its changes then stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import PublishError
from blockd.publish.lists.record import KEPT_CHANGES, MAX_CHANGES, SMALL, ListFile, ListRecord


def file(number: int, octets: int = 100) -> ListFile:
    return ListFile(f"lists/nat-{number:04}.gz", "ab" * 32, octets, f"{number:064x}", 1000 + number, 10 + number)


def record(base: int, *changes: int) -> ListRecord:
    return ListRecord(tuple(file(number, octets) for number, octets in enumerate((base, *changes))), 1 + len(changes))


def test_few_and_small_changes_leave_the_base() -> None:
    assert record(100).new_base() is None
    assert record(100, *[10] * MAX_CHANGES).new_base() is None
    assert record(100, SMALL).new_base() is None
    assert record(100 * SMALL, 25 * SMALL).new_base() is None


def test_many_changes_are_a_reason_and_the_newest_of_them_stay() -> None:
    full = record(100, *[10] * (MAX_CHANGES + 1))
    at = full.new_base()
    assert at == MAX_CHANGES + 1 - KEPT_CHANGES
    based = full.with_base(at, file(99))
    assert based.files == (file(99), *full.files[at + 1 :])
    assert based.made == full.made + 1
    assert based.new_base() is None


def test_large_changes_are_a_reason_and_those_stay_that_are_small() -> None:
    assert record(100 * SMALL, 20 * SMALL, 6 * SMALL).new_base() == 1
    assert record(100 * SMALL, 20 * SMALL, 3 * SMALL, 3 * SMALL).new_base() == 1
    assert record(100 * SMALL, 3 * SMALL, 30 * SMALL).new_base() == 2


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "nat.json"
    assert ListRecord.read(path) == ListRecord()
    record(5, 6, 7).write(path)
    assert ListRecord.read(path) == record(5, 6, 7)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 1, "made": 1}', '{"files": [{}], "made": 1}', "\0"])
def test_a_damaged_record_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "nat.json"
    path.write_text(content)
    with pytest.raises(PublishError, match="backup"):
        ListRecord.read(path)

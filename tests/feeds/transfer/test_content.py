from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import FeedRefused
from blockd.feeds.transfer import content as module
from blockd.feeds.transfer.base_file import base_in
from blockd.feeds.transfer.content import Differences, ZoneContent, open_zone, write_journal
from tests.feeds.transfer.messages import blocked, soa, text

NAMES = [blocked(name) for name in ("a", "b", "c")]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A zone of serial 5 with three records."""
    with base_in(tmp_path, 10_000) as base:
        base.write(text(soa(5), *NAMES, soa(5)))
    write_journal(tmp_path / "incoming", base.content(soa(5), 5), Differences())
    return tmp_path / "incoming"


def changed(journal: Path, differences: Differences, serial: int = 6) -> bytes:
    before = ZoneContent.read(journal)
    after = ZoneContent(soa(serial), serial, before.base, before.octets, before.records, before.base_soa, before.digest)
    write_journal(journal, after, differences)
    with open_zone(journal) as pieces:
        return b"".join(pieces)


def reason_of(journal: Path) -> str:
    with pytest.raises(FeedRefused) as caught, open_zone(journal) as pieces:
        list(pieces)
    return caught.value.reason


def test_a_zone_without_differences_is_its_base(journal: Path) -> None:
    with open_zone(journal) as pieces:
        assert b"".join(pieces) == text(soa(5), *NAMES, soa(5))
    assert ZoneContent.read(journal).records == 5


def test_differences_are_read_into_the_zone(journal: Path) -> None:
    differences = Differences()
    differences.take(True, text(NAMES[1]))
    differences.take(False, text(blocked("d")))
    assert changed(journal, differences) == text(soa(6), NAMES[0], NAMES[2], blocked("d"), soa(6))
    read = Differences.read(journal)
    assert (read.needed, read.now) == (differences.needed, differences.now)
    assert read.added == [blocked("d").encode()]


def test_a_new_serial_alone_changes_the_soa_alone(journal: Path) -> None:
    assert changed(journal, Differences()) == text(soa(6), *NAMES, soa(6))


def test_what_came_and_went_is_not_in_the_zone_whether_the_base_has_it_or_not(journal: Path) -> None:
    differences = Differences()
    differences.take(False, text(blocked("x"), NAMES[0]))
    differences.take(True, text(blocked("x"), NAMES[0]))
    assert changed(journal, differences) == text(soa(6), *NAMES[1:], soa(6))
    assert Differences.read(journal).now == differences.now


def test_what_went_and_came_is_there_once(journal: Path) -> None:
    differences = Differences()
    differences.take(True, text(NAMES[0]))
    differences.take(False, text(NAMES[0]))
    assert changed(journal, differences) == text(soa(6), *NAMES[1:], NAMES[0], soa(6))
    differences.take(True, text(NAMES[0]))
    assert changed(journal, differences) == text(soa(6), *NAMES[1:], soa(6))


def test_a_record_that_comes_with_another_ttl_is_the_same_one(journal: Path) -> None:
    longer = NAMES[0].replace(" 60 ", " 3600 ")
    differences = Differences()
    differences.take(False, text(longer))
    assert changed(journal, differences) == text(soa(6), *NAMES[1:], longer, soa(6))
    differences = Differences.read(journal)
    differences.take(True, text(NAMES[0]))
    assert changed(journal, differences) == text(soa(6), *NAMES[1:], soa(6))


def test_a_journal_of_the_former_format_is_read(journal: Path) -> None:
    head = {**json.loads(journal.read_bytes()), "format": 1, "soa": soa(6), "serial": 6}
    lines = f"-{NAMES[0]}\n-{NAMES[1]}\n+{NAMES[1].replace(' 60 ', ' 90 ')}\n+{blocked('x')}\n"
    journal.write_text(json.dumps(head) + "\n" + lines, encoding="ascii")
    with open_zone(journal) as pieces:
        expected = text(soa(6), NAMES[2], NAMES[1].replace(" 60 ", " 90 "), blocked("x"), soa(6))
        assert b"".join(pieces) == expected


def test_a_record_that_goes_twice_is_refused() -> None:
    differences = Differences()
    differences.take(True, text(blocked("a")))
    with pytest.raises(FeedRefused, match="removed twice"):
        differences.take(True, text(blocked("a")))


def test_a_record_that_went_without_having_been_there_is_refused(journal: Path) -> None:
    differences = Differences()
    differences.take(True, text(blocked("nowhere"), NAMES[0]))
    with pytest.raises(FeedRefused, match=r"1 records were removed .*nowhere"):
        changed(journal, differences)


def test_too_many_differences_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHANGED", 2)
    differences = Differences()
    differences.take(False, text("a", "b"))
    with pytest.raises(FeedRefused, match="too much has changed"):
        differences.take(False, text("c"))


def test_lines_are_whole_over_the_ends_of_pieces(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 7)
    with open_zone(journal) as pieces:
        found = list(pieces)
    assert all(piece.endswith(b"\n") for piece in found)
    assert b"".join(found) == text(soa(5), *NAMES, soa(5))


def test_a_base_that_is_not_what_it_was_is_refused(journal: Path) -> None:
    base = journal.parent / ZoneContent.read(journal).base
    base.write_bytes(base.read_bytes()[:-1])
    assert reason_of(journal) == "cut"
    base.unlink()
    assert reason_of(journal) == "missing"


@pytest.mark.parametrize("octets", [b"", b"{", b"[]\n", b'{"format": 1}\n', b"\xff\n", b'"x"\n', b"null\n"])
def test_a_journal_that_is_none_is_refused(journal: Path, octets: bytes) -> None:
    journal.write_bytes(octets)
    assert reason_of(journal) == "format"


def test_a_journal_names_no_file_elsewhere(journal: Path) -> None:
    head = json.loads(journal.read_bytes())
    journal.write_bytes(json.dumps({**head, "base": "zone./../../etc/passwd"}).encode() + b"\n")
    assert reason_of(journal) == "cut"


def test_a_base_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused, match="larger than 10 bytes"), base_in(tmp_path, 10) as base:
        base.write(b"0123456789\n")
    assert list(tmp_path.iterdir()) == []


CHANGES = st.tuples(st.booleans(), st.sampled_from("abcdef"), st.sampled_from((60, 300)))


@given(st.lists(CHANGES, max_size=30), st.booleans())
def test_differences_give_what_the_changes_in_their_order_give(
    changes: list[tuple[bool, str, int]], reread: bool
) -> None:
    now = dict.fromkeys("abc", 60)  # the TTL by name
    with tempfile.TemporaryDirectory() as folder:
        with base_in(Path(folder), 10_000) as base:
            base.write(text(soa(5), *NAMES, soa(5)))
        journal = Path(folder) / "incoming"
        write_journal(journal, base.content(soa(5), 5), Differences())
        differences = Differences()
        for removed, name, ttl in changes:
            if removed and name not in now:
                continue  # which is refused
            differences.take(removed, text(blocked(name).replace(" 60 ", f" {ttl} ")))
            if removed:
                del now[name]
            else:
                now[name] = ttl
            if reread:
                changed(journal, differences)
                differences = Differences.read(journal)
        lines = changed(journal, differences).splitlines()
    expected = [blocked(name).replace(" 60 ", f" {ttl} ").encode() for name, ttl in now.items()]
    assert sorted(lines[1:-1]) == sorted(expected)

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.audit.chain import START, Head, canonical, chained, parse_record
from blockd.audit.database import Database, LogEntry, unpacked
from blockd.audit.gap import ALIVE, Gap, life_text, read_alive
from blockd.audit.log import MISSING, REPLACED, AuditLog
from blockd.errors import AuditError
from blockd.orders.repository import MAX_DOCUMENT
from blockd.times import moment_text

NOW = 1_795_521_600.25


@pytest.fixture(autouse=True)
def time_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.audit.log.CLOSING", 60.0)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """A log with three records, closed."""
    made = AuditLog(tmp_path, lambda: NOW)
    made.begin()
    for number in range(3):
        made.write("rollback", {"version": number, "reason": "ä test"})
    made.close()
    return made


def records(folder: Path) -> list[tuple[int, str, dict[str, Any]]]:
    database = Database.read(folder / "audit.db")
    try:
        return [(one.number, one.kind, dict(one.body)) for one in database.find()]
    finally:
        database.close()


def test_records_are_chained_over_the_octets_that_the_docstring_says(log: AuditLog) -> None:
    database = Database.read(log.folder / "audit.db")
    rows = list(database.rows())
    database.close()
    assert rows[0][5] == (
        b'{"body":{"reason":"\\u00e4 test","version":0},"kind":"rollback","number":1,"time":"2026-11-24T12:00:00.250Z"}'
    )
    before = START
    for row in rows:
        before = chained(before, row[5])
        assert row[6] == before
    assert json.loads((log.folder / "audit.head").read_bytes()) == {"number": 3, "hash": before.hex()}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE records SET kind = 'stop'", "DELETE FROM records", "UPDATE evidence SET size = 0", "DELETE FROM evidence"],
)
def test_database_forbids_to_change_what_is_written(log: AuditLog, statement: str) -> None:
    again = AuditLog(log.folder, lambda: NOW)
    again.begin()
    again.write("start", {}, [b"evidence"])
    again.close()
    connection = sqlite3.connect(log.folder / "audit.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


def test_log_goes_on_where_it_ended(log: AuditLog) -> None:
    again = AuditLog(log.folder, lambda: NOW)
    again.begin()
    again.write("stop", {})
    again.close()
    assert [(number, kind) for number, kind, _ in records(log.folder)][2:] == [(3, "rollback"), (4, "stop")]
    assert not again.trouble


def damage_head(folder: Path) -> None:
    (folder / "audit.head").write_text('{"number": 9, "hash": "' + "00" * 32 + '"}')


def cut_end(folder: Path) -> None:
    path = folder / "audit.db"
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER records_delete")
    connection.execute("DELETE FROM records WHERE number = 3")
    connection.execute("CREATE TRIGGER records_delete BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, "
                       "'the audit log is append-only'); END")  # fmt: skip
    connection.commit()
    connection.close()


def change_last(folder: Path) -> None:
    connection = sqlite3.connect(folder / "audit.db")
    sql = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'records_update'").fetchone()[0]
    connection.execute("DROP TRIGGER records_update")
    connection.execute("UPDATE records SET octets = CAST(replace(octets, 'test', 'lies') AS BLOB) WHERE number = 3")
    connection.execute(sql)
    connection.commit()
    connection.close()


def drop_trigger(folder: Path) -> None:
    connection = sqlite3.connect(folder / "audit.db")
    connection.execute("DROP TRIGGER evidence_update")
    connection.commit()
    connection.close()


def overwrite(octets: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "audit.db").write_bytes(octets)

    return damage


def halve(folder: Path) -> None:
    path = folder / "audit.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove(folder: Path) -> None:
    (folder / "audit.db").unlink()


def make_folder(folder: Path) -> None:
    (folder / "audit.db").unlink()
    (folder / "audit.db").mkdir()


@pytest.mark.parametrize(
    "damage",
    [damage_head, cut_end, change_last, drop_trigger, halve, remove, make_folder,
     overwrite(b"no database"), overwrite(b"\0" * 8192), overwrite(b"")],
)  # fmt: skip
def test_damaged_log_is_set_aside_and_a_new_chain_says_so(log: AuditLog, damage: Callable[[Path], None]) -> None:
    damage(log.folder)
    again = AuditLog(log.folder, lambda: NOW)
    again.begin()
    again.write("start", {})
    again.close()
    (first, second) = records(log.folder)
    assert first[:2] == (1, "new-chain")
    if damage is not damage_head:
        assert first[2]["last_known"] == {"number": 3, "hash": log.head.hash.hex()}
    assert second[:2] == (2, "start")
    is_there = damage is not remove
    assert first[2]["set_aside"] == ("audit.db.damaged-20261124T120000Z" if is_there else None)
    assert (log.folder / "audit.db.damaged-20261124T120000Z").exists() == is_there
    assert ("set aside" in again.trouble) == is_there
    if not is_there:
        assert again.trouble == f"The audit log {log.folder / 'audit.db'} was missing; a new one was begun."
        assert first[2]["why"] == "the file is gone"


@pytest.mark.parametrize("is_replaced", [False, True])
def test_log_that_is_removed_while_it_is_written_is_begun_anew(log: AuditLog, is_replaced: bool) -> None:
    again = AuditLog(log.folder, lambda: NOW)
    again.begin()
    again.write("start", {})
    again.wait(10)
    for path in log.folder.glob("audit.db*"):
        if is_replaced:
            shutil.copyfile(path, log.folder / f"copy-{path.name}")
        path.unlink()
    for path in log.folder.glob("copy-*"):
        path.rename(log.folder / path.name.removeprefix("copy-"))
    again.write("stop", {})
    again.close()
    found = records(log.folder)
    assert [kind for _, kind, _ in found] == ["new-chain", "stop"]
    assert found[0][2]["last_known"]["number"] == 4
    assert bool(found[0][2]["set_aside"]) is is_replaced
    assert found[0][2]["why"] == (REPLACED if is_replaced else MISSING)


def test_records_of_another_program_are_told_in_words(log: AuditLog) -> None:
    again = AuditLog(log.folder, lambda: NOW)
    again.begin()
    other = Database.open(log.folder / "audit.db")
    other.append([LogEntry(NOW, "start", {})], log.head)
    other.close()
    again.write("stop", {})
    again.close()
    assert records(log.folder)[0][2]["why"] == "it has records that another program has written"
    assert "UNIQUE" not in again.trouble


def test_log_and_head_of_different_times_are_told(log: AuditLog) -> None:
    (log.folder / "audit.head").write_text(json.dumps(Head(9, bytes(32)).to_json()), "ascii")
    again = AuditLog(log.folder, lambda: NOW)
    again.begin()
    again.close()
    assert "it ends with record 3, and audit.head names record 9" in again.trouble
    assert records(log.folder)[0][2]["last_known"]["number"] == 9


def test_disk_that_gives_errors_is_told_and_records_wait(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.audit.log.RETRY", 0.01)
    is_full = threading.Event()
    is_full.set()
    tried = threading.Event()
    append = Database.append

    def full(self: Database, *arguments: object) -> object:
        if is_full.is_set():
            tried.set()
            raise sqlite3.OperationalError("database or disk is full")
        return append(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "append", full)
    again = AuditLog(log.folder, lambda: NOW)
    again.begin()
    again.write("start", {})
    assert tried.wait(10)
    while not again.failure:  # the next instructions of the other thread set it
        tried.wait(0.001)
    assert "disk is full" in again.trouble
    assert "Enforcement goes on" in again.trouble
    is_full.clear()
    again.close()
    assert [kind for _, kind, _ in records(log.folder)][3:] == ["start", "gap"]
    assert not again.trouble
    assert again.failures


def test_log_leaves_room_on_the_disk_for_what_is_enforced(log: AuditLog) -> None:
    short = ["5M are free; free some space"]
    again = AuditLog(log.folder, lambda: NOW, lambda: short[0])
    again.begin()
    again.write("start", {})
    while not again.failure:
        time.sleep(0)  # the other thread sets it
    assert "free some space" in again.trouble
    assert "free some space" in again.unwritten()
    short[0] = ""
    again.close()
    assert not again.unwritten()
    short[0] = "5M are free; free some space"
    assert again.unwritten() == "There is no room for it: 5M are free; free some space."
    short[0] = ""
    assert [kind for _, kind, _ in records(log.folder)][3:] == ["start", "gap"]
    moment = moment_text(NOW)
    told = {"since": moment, "until": moment, "why": "5M are free; free some space", "late": 1, "lost": 0}
    assert records(log.folder)[-1][2] == {**told, "without_evidence": 0}


def test_gap_in_which_blockd_has_ended_is_told_at_the_next_start(log: AuditLog) -> None:
    first = AuditLog(log.folder, lambda: NOW, lambda: "it is full")
    first.begin()
    first.write("start", {})
    while not first.failure:
        time.sleep(0)  # the other thread sets it
    first.close()  # what waited is lost
    (log.folder / ALIVE).write_bytes(life_text(NOW + 7, Gap(NOW, "it is full")))
    again = AuditLog(log.folder, lambda: NOW + 60)
    again.begin()
    again.write("start", {})
    again.close()
    assert [kind for _, kind, _ in records(log.folder)][3:] == ["start", "gap"]
    body = records(log.folder)[-1][2]
    assert (body["since"], body["until"], body["lost"]) == (moment_text(NOW), moment_text(NOW + 60), None)
    assert read_alive(log.folder) == NOW + 60
    assert Gap.read(log.folder) is None


def test_evidence_without_room_in_a_gap_is_counted(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.audit.log.MAX_EVIDENCE_WAITING", 10)
    short = ["it is full"]
    again = AuditLog(log.folder, lambda: NOW, lambda: short[0])
    again.begin()
    again.write("start", {})
    while not again.failure:
        time.sleep(0)  # the other thread sets it
    assert not again.has_room([bytes(11)])
    short[0] = ""
    again.close()
    assert records(log.folder)[-1][2]["without_evidence"] == 1


def test_evidence_that_waits_is_bounded_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.audit.log.MAX_EVIDENCE_WAITING", 1000)
    log = AuditLog(tmp_path, lambda: NOW)
    assert log.has_room([bytes(600), bytes(400)])
    log.write("enforced", {"feeds": []}, [bytes(600)])
    assert not log.has_room([bytes(401)])
    assert log.has_room([bytes(400)])
    log.begin()
    log.close()
    assert log.has_room([bytes(1000)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    log = AuditLog(tmp_path, lambda: NOW)
    log.begin()
    assert log.trouble
    tmp_path.chmod(0o700)
    log.close()


def test_more_records_than_can_wait_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.audit.log.MAX_WAITING", 2)
    log = AuditLog(tmp_path, lambda: NOW)
    for _ in range(5):
        log.write("start", {})
    log.begin()
    log.close()
    assert sorted(kind for _, kind, _ in records(tmp_path)) == ["lost", "start", "start"]
    assert {"records": 3} in [body for _, _, body in records(tmp_path)]


def test_log_is_read_without_the_right_to_write(log: AuditLog, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copyfile(log.folder / "audit.db", copy / "audit.db")
    (copy / "audit.db").chmod(0o400)
    copy.chmod(0o500)
    try:
        assert len(records(copy)) == 3
    finally:
        copy.chmod(0o700)


def test_what_unpacks_to_more_than_it_says_is_damaged() -> None:
    bomb = zlib.compress(b"\0" * (1 << 24))
    with pytest.raises(AuditError):
        unpacked("00" * 32, 10, 1, bomb)
    with pytest.raises(AuditError):
        unpacked("00" * 32, MAX_DOCUMENT * 1000, 1, b"no zlib")


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["number", "time", "kind", "body"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(octets=st.binary(max_size=200) | VALUES.map(canonical))
def test_any_octets_are_a_record_or_an_audit_error(octets: bytes) -> None:
    try:
        record = parse_record(octets)
    except AuditError:
        return
    assert record.octets == octets


def test_log_says_when_it_was_last_alive_by_a_file_of_its_own(log: AuditLog) -> None:
    assert read_alive(log.folder) == NOW
    later = AuditLog(log.folder, lambda: NOW + 7)
    later.begin()
    later.close()
    assert read_alive(log.folder) == NOW + 7


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 24, b"\0" * 24, b"2026-11-24T12:00:00.250Z and more"])
def test_sign_of_life_that_cannot_be_read_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / ALIVE).write_bytes(content)
    assert read_alive(tmp_path) is None


def test_sign_of_life_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("another's")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / ALIVE).symlink_to(tmp_path / "elsewhere")
    log = AuditLog(tmp_path / "state", lambda: NOW)
    log.begin()
    log.write("rollback", {"version": 1, "reason": "to see"})
    log.close()
    assert (tmp_path / "elsewhere").read_text() == "another's"
    assert not log.trouble

from __future__ import annotations

import contextlib
import hashlib
import random
import sqlite3
from pathlib import Path

import pytest

from blockd.audit.chain import Head
from blockd.audit.database import Database, LogEntry
from blockd.audit.verifying import Verified, verify_log
from blockd.errors import AuditError
from tests.audit.node import FEED, Node


def verify(node: Node, path: Path | None = None) -> Verified:
    return verify_log(path or node.state / "audit.db", {FEED: [node.root.read_bytes()]})


def test_whole_log_is_verified_with_its_signatures(story: Node) -> None:
    told = verify(story)
    assert (told.problem, told.wrong) == ("", None)
    assert told.records == story.log.head.number
    assert told.head == story.log.head
    assert told.proved == 2


def test_log_of_an_authority_that_is_not_trusted_is_wrong_at_its_version(story: Node) -> None:
    told = verify_log(story.state / "audit.db", {})
    assert told.wrong == 2
    assert "--root FILE" in told.problem


def tamper(path: Path, *statements: str) -> None:
    """Change the file as somebody who knows of the triggers does, and puts them back."""
    connection = sqlite3.connect(path)
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert connection.execute(statement).rowcount > 0
    for _, sql in triggers:
        connection.execute(sql)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("UPDATE records SET octets = CAST(replace(octets, 'order-1', 'order-2') AS BLOB) WHERE number = 4", 4),
        ("UPDATE records SET kind = 'stop' WHERE number = 3", 3),
        ("UPDATE records SET time = '2020-01-01T00:00:00.000Z' WHERE number = 5", 5),
        ("UPDATE records SET name = 'other' WHERE number = 5", 5),
        ("UPDATE records SET hash = zeroblob(32) WHERE number = 3", 3),
        ("UPDATE records SET octets = 'text' WHERE number = 3", 3),
        ("DELETE FROM records WHERE number = 3", 3),
        ("DELETE FROM records WHERE number = 1", 1),
        ("UPDATE records SET number = number + 100 WHERE number > 3", 4),
        ("DELETE FROM evidence", 2),
        ("UPDATE evidence SET octets = zeroblob(10), packed = 0 WHERE packed = 0", 2),
    ],
)
def test_first_record_that_was_changed_is_told(story: Node, statement: str, wrong: int) -> None:
    tamper(story.state / "audit.db", statement)
    told = verify(story)
    assert told.problem
    assert told.wrong == wrong


def test_log_that_was_cut_at_its_end_is_told_by_the_head_beside_it(story: Node) -> None:
    last = story.log.head.number
    tamper(story.state / "audit.db", "DELETE FROM records WHERE number = (SELECT max(number) FROM records)")
    assert f"audit.head names number {last}" in verify(story).problem


def test_log_that_was_written_anew_is_told_by_a_statement(story: Node) -> None:
    heads = {"the statement": Head(3, b"\1" * 32)}
    told = verify_log(story.state / "audit.db", {FEED: [story.root.read_bytes()]}, heads=heads)
    assert told.wrong == 3
    assert "the statement" in told.problem


def test_evidence_that_nobody_names_is_told(story: Node) -> None:
    connection = sqlite3.connect(story.state / "audit.db")
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    connection.execute("INSERT INTO evidence VALUES (?, 0, 0, x'')", (digest,))
    connection.commit()
    connection.close()
    assert "not named by any record" in verify(story).problem


def test_what_a_daemon_adds_meanwhile_is_not_missed(story: Node) -> None:
    path = story.state / "audit.db"
    content = b"what another record proves"
    added = LogEntry(story.time, "refused", {"evidence": [hashlib.sha256(content).hexdigest()]}, [content])

    def add(records: int) -> None:
        if records == 1:
            database.append([added], database.head())

    with contextlib.closing(Database.open(path)) as database:
        told = verify_log(path, {FEED: [story.root.read_bytes()]}, progress=add)
        assert database.head().number == story.log.head.number + 1
    assert (told.problem, told.records) == ("", story.log.head.number)


def test_missing_or_foreign_files_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="there is no audit log"):
        verify_log(tmp_path / "audit.db", {})
    (tmp_path / "audit.db").write_bytes(b"garbage" * 100)
    with pytest.raises(AuditError, match="cannot be read"):
        verify_log(tmp_path / "audit.db", {})


def test_no_mutated_database_ends_in_anything_but_a_sentence(story: Node, tmp_path: Path) -> None:
    dice = random.Random(5)  # noqa: S311 - the same mutations each time
    octets = (story.state / "audit.db").read_bytes()
    path = tmp_path / "mutated.db"
    same = caught = 0
    for _ in range(150):
        mutated = bytearray(octets)
        for _ in range(dice.randint(1, 20)):
            mutated[dice.randrange(len(mutated))] = dice.randrange(256)
        if dice.random() < 0.2:
            del mutated[dice.randrange(len(mutated)) :]
        path.write_bytes(mutated)
        try:
            told = verify(story, path)
        except AuditError:
            caught += 1
            continue
        if told.problem:
            caught += 1
        else:
            same += 1
            assert told.head.hash == story.log.head.hash or told.records < story.log.head.number
    assert caught > same

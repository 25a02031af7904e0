from __future__ import annotations

import contextlib
import hashlib
import itertools
import random
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.audit.chain import Head
from blockd.audit.database import (
    LAST_NUMBER,
    LAST_OF_KIND,
    LAST_STATES,
    NEWEST_BETWEEN,
    STATE_OF,
    TURNS_OF,
    Database,
    LogEntry,
    search,
)
from blockd.audit.kept_statements import KeptStatement
from blockd.audit.schema import EVERYTHING, INDEXES, LATER
from blockd.audit.verifying import Verified, verify_log
from blockd.cli import main
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


def test_without_a_config_and_a_root_the_chain_is_verified_and_the_rest_is_told(
    story: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(story.state / "audit.db", "kept.db")
    assert main(["audit", "verify", "kept.db"]) == 0
    told = capsys.readouterr().out
    assert f"{story.log.head.number} records are intact, 0 signed lists are proved" in told
    assert "note: no root of trust was named, and there is no config/blockd.yaml: no signature of an authority" in told
    assert main(["audit", "verify", "kept.db", "--root", str(story.root)]) == 0
    told = capsys.readouterr().out
    assert "2 signed lists are proved" in told
    assert "no root of trust" not in told
    tamper(Path("kept.db"), "UPDATE records SET kind = 'stop' WHERE number = 3")
    assert main(["audit", "verify", "kept.db"]) == 1
    assert "record 3 is wrong" in capsys.readouterr().out
    assert main(["audit", "verify"]) == 2, "the log of a config"


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


def test_every_query_is_answered_by_an_index() -> None:
    connection = sqlite3.connect(":memory:")
    for statement in EVERYTHING.values():
        connection.execute(statement)

    def plan(query: str, values: Sequence[str]) -> list[str]:
        return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]

    for query in (LAST_NUMBER, LAST_OF_KIND, STATE_OF, TURNS_OF, LAST_STATES, NEWEST_BETWEEN.format("?, ?")):
        assert not any(step.startswith("SCAN") for step in plan(query, ["x"] * query.count("?"))), query
    for kinds, feed, name, since, until in itertools.product(
        [(), ("a", "b")], ["", "f"], ["", "n"], [0.0, 5.0], [None, 7.0]
    ):
        steps = plan(*search(kinds, feed, name, since, until))
        if any((kinds, feed, name, since, until)):
            assert not any(step.startswith("SCAN") for step in steps), (kinds, feed, name, since, until)
            index = "by_name" if name else "by_feed" if feed else "by_kind" if kinds else "by_time"
            assert any(index in step for step in steps), steps
    connection.close()


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (
            ["DROP INDEX by_name", "CREATE INDEX by_name ON records (name, feed, number) WHERE name > 'order-1'"],
            "by_name",
        ),
        (["CREATE INDEX another ON records (name)"], "another"),
        (["CREATE UNIQUE INDEX another ON records (hash)"], "another"),
        (["CREATE TABLE another (a)"], "another"),
        (["CREATE VIEW another AS SELECT 1"], "another"),
        (["DROP INDEX by_kind"], "by_kind"),
        (["CREATE TRIGGER another BEFORE INSERT ON records BEGIN SELECT RAISE(IGNORE); END"], "another"),
    ],
)
def test_an_index_or_table_that_was_changed_or_added_is_told(story: Node, statements: list[str], told: str) -> None:
    with contextlib.closing(sqlite3.connect(story.state / "audit.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    with pytest.raises(AuditError, match=f"cannot be read as an audit log: .*{told}"):
        verify(story)
    with pytest.raises(AuditError, match=told):
        Database.open(story.state / "audit.db")


def test_an_index_that_hides_a_record_is_told(story: Node) -> None:
    with contextlib.closing(sqlite3.connect(story.state / "audit.db")) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA writable_schema = ON")
        honest = INDEXES["by_name"]
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'by_name'", (honest + " AND number < 3",))
        connection.commit()
    with contextlib.closing(sqlite3.connect(story.state / "audit.db")) as connection:
        connection.execute("REINDEX by_name")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'by_name'", (honest,))
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()
    assert "the file is damaged" in verify(story).problem


def test_a_log_of_an_earlier_version_is_read_and_gets_its_indexes(story: Node) -> None:
    path = story.state / "audit.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for index in LATER:
            connection.execute(f"DROP INDEX {index}")
        connection.commit()
    assert verify(story).problem == ""
    Database.open(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert names >= set(LATER)


def test_a_kept_statement_is_compared_with_the_records(story: Node) -> None:
    def problem(**changed: object) -> str:
        one = replace(KeptStatement("s.json", "ab", story.log.head), **changed)  # type: ignore[arg-type]
        return verify_log(path, roots, statements=[one]).problem

    path, roots = story.state / "audit.db", {FEED: [story.root.read_bytes()]}
    assert "no record names the statement s.json" in problem()
    database = Database.open(path)
    last = database.last("enforced")
    assert last is not None
    version, digest = last.body["version"], last.body["digest"]
    named = database.append([LogEntry(story.time, "statement", {"file": "s.json", "sha256": "ab"})], database.head())
    database.close()
    assert problem() == problem(head=named, version=version, digest=digest) == ""
    assert "by another SHA-256" in problem(sha256="cd")
    assert f"says that version {version + 1} was in force" in problem(version=version + 1, digest=digest)
    assert f"says that version {version} was in force" in problem(version=version, digest="0" * 64)
    assert "the statement s.json names" in problem(head=Head(3, bytes(32))) or "differs from" in problem(
        head=Head(3, bytes(32))
    )


def test_a_statement_after_a_gap_is_not_compared_with_what_was_enforced_before_it(story: Node) -> None:
    def problem_after(kind: str, **body: object) -> str:
        path = story.state / "audit.db"
        database = Database.open(path)
        head = database.append([LogEntry(story.time, kind, body)], database.head())
        name = f"{head.number}.json"
        database.append([LogEntry(story.time, "statement", {"file": name, "sha256": "ab"})], head)
        database.close()
        statement = KeptStatement(name, "ab", head, 99, "0" * 64)
        return verify_log(path, {FEED: [story.root.read_bytes()]}, statements=[statement]).problem

    assert "says that version 99 was in force" in problem_after("gap", lost=0)
    assert problem_after("gap", lost=None) == ""
    assert problem_after("lost", records=1) == ""

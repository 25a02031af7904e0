"""What the audit log's database is made of: tables, the indexes that its queries use, and triggers against changes."""

from __future__ import annotations

from collections.abc import Mapping

from blockd.errors import AuditError

TABLES = {
    "records": "CREATE TABLE records (\n"
    "    number INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, feed TEXT NOT NULL, name TEXT NOT NULL,\n"
    "    octets BLOB NOT NULL, hash BLOB NOT NULL\n"
    ")",
    "evidence": "CREATE TABLE evidence (\n"
    "    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, packed INTEGER NOT NULL, octets BLOB NOT NULL\n"
    ")",
}
INDEXES = {
    "by_kind": "CREATE INDEX by_kind ON records (kind, number)",
    "by_name": "CREATE INDEX by_name ON records (name, feed, number) WHERE name != ''",
    "by_feed": "CREATE INDEX by_feed ON records (feed, number) WHERE feed != ''",
    "by_time": "CREATE INDEX by_time ON records (time, number)",
}
LATER = ("by_feed", "by_time")  # indexes that logs of earlier versions lack
TRIGGERS = {
    f"{table}_{verb.lower()}": f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
    for table in TABLES
    for verb in ("UPDATE", "DELETE")
}
EVERYTHING = {**TABLES, **INDEXES, **TRIGGERS}
_SQLITES = ("sqlite_autoindex_evidence_1", "sqlite_stat1", "sqlite_stat4")  # of a primary key, and of ANALYZE


def lacking(found: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return which indexes a log of an earlier version lacks, given the database's own names and statements.

    Raises AuditError if anything else is missing, altered or added: an index that was narrowed hides records from
    whoever searches by it.
    """
    if not TABLES.keys() <= found.keys():
        raise AuditError("it lacks the tables of an audit log")
    lacked = tuple(name for name in LATER if name not in found)
    wrong = {name for name, sql in EVERYTHING.items() if found.get(name) != sql and name not in lacked}
    triggers = sorted(wrong & TRIGGERS.keys())
    if triggers:
        raise AuditError(f"the triggers that forbid changes are missing or altered: {', '.join(triggers)}")
    wrong |= {name for name in found if name not in EVERYTHING and name not in _SQLITES}
    if wrong:
        raise AuditError(
            f"its tables or indexes are not those of an audit log: {', '.join(sorted(wrong)[:10])} missing, altered or "
            "added"
        )
    return lacked

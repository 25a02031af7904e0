"""Each cell of the threat model's table of stolen keys."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.signed.limits import MAX_METADATA, MAX_VERSION
from blockd.feeds.signed.mirrors import Mirrors
from blockd.publish.keys.online_roles import TIMESTAMP_LIFE
from blockd.publish.next_metadata import LIST_LIFE
from tests.feeds.tuf.repository import Repository
from tests.feeds.tuf.serving import looking, serving
from tests.feeds.tuf.test_attacks import GOOD, names
from tests.feeds.tuf.thief import (
    COLUMNS,
    EVIL,
    FOR_EVER,
    LIVES,
    ROWS,
    frozen_days,
    honest,
    lifts,
    orders,
    seen,
    swollen,
    thief,
    ways,
)
from tests.places import ROOT

PAGE = ROOT / "docs" / "auditor" / "threat-model.md"
HEADING = "## Authorities with stolen keys"
FRESHNESS = {
    LIVES["timestamp"]: "until the timestamp expires",
    LIVES["snapshot"]: "until the snapshot expires",
    LIVES["targets"]: "until the lists expire",
    FOR_EVER: "for ever",
}
MIB = 1 << 20
Cell = Callable[[str, Path, str], None]


def table() -> dict[str, list[str]]:
    """Return the cells of the table in the manual, by the name of the row; the first row has the columns."""
    section = PAGE.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows if not set(row[0]) <= {"-"}}


@pytest.fixture
def repository() -> Repository:
    return honest()


def _results(row: str, folder: Path, change: Callable[[Repository, str], None], role: str) -> Iterator[set[str]]:
    """Yield the names that a node enforces after each way to have `change` done to a role."""
    repository = honest()
    for number, found in enumerate(ways(repository, row, change, role)):
        yield seen(repository, folder / str(number), found)


def _orders(row: str, folder: Path, cell: str) -> None:
    can = any(EVIL in enforced for enforced in _results(row, folder, orders, "court"))
    assert can is ROWS[row].orders
    assert cell.startswith("yes" if can else "no")


def _liftings(row: str, folder: Path, cell: str) -> None:
    can = any(not enforced >= GOOD for enforced in _results(row, folder, lifts, "court"))
    assert can is ROWS[row].liftings
    assert cell.startswith("yes" if can else "no")


def _others(row: str, folder: Path, cell: str) -> None:
    imposed = any(EVIL in enforced for enforced in _results(row, folder / "orders", orders, "ministry"))
    lifted = any("ministry.example" not in enforced for enforced in _results(row, folder / "lifts", lifts, "ministry"))
    assert imposed is lifted is ROWS[row].others
    assert cell.startswith("yes" if imposed else "no")


def _freshness(row: str, folder: Path, cell: str) -> None:
    days = frozen_days(honest(), row, folder)
    limit = ROWS[row].frozen
    assert (limit - 2 <= days < limit) or days == limit == FOR_EVER
    assert cell == FRESHNESS[limit]


def _looked_at_endless(row: str, folder: Path) -> Iterator[Repository]:
    for number, found in enumerate(swollen(honest_one := honest(), row)):
        node = honest_one.node(folder / str(number))
        good = honest_one.files
        assert names(node.fetch()) == GOOD
        honest_one.files, honest_one.endless, honest_one.octets_given = found.files, found.endless, 0
        with contextlib.suppress(FeedRefused):
            assert names(node.fetch()) >= GOOD
        yield honest_one
        honest_one.files, honest_one.endless = good, set()


def _disk(row: str, folder: Path, cell: str) -> None:
    for repository in _looked_at_endless(row, folder):
        kept = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        assert kept < MIB, "nothing of it is kept"
        assert repository.octets_given <= sum(MAX_METADATA.values()) + 2 * MAX_METADATA["targets"]
    assert cell == "bounded"


def _memory(row: str, folder: Path, cell: str) -> None:
    tracemalloc.start()
    try:
        for _ in _looked_at_endless(row, folder):
            assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()
    assert cell == "bounded"


def _time(row: str, folder: Path, cell: str) -> None:
    repository = honest()
    with (
        serving(repository.fork()) as slow,
        serving(repository) as good,
        looking(repository, folder, good) as node,
    ):
        clock = iter(range(0, 10_000, 10))
        mirrors = Mirrors("orders", node, (slow.url, good.url), lambda: float(next(clock)))
        assert names(mirrors.fetch()) == GOOD
        repository.order("court", "news", ["news.example"])
        for _ in range(3):
            repository.publish("court")
        slow.repository = thief(repository, row)
        slow.repository.stamp()
        first = set() if "timestamp" in ROWS[row].roles else {"metadata/timestamp.json"}
        slow.slow |= first | (set(slow.repository.files) - {"metadata/timestamp.json"})
        assert "news.example" in names(mirrors.fetch())
    assert cell == "bounded"


CELLS: dict[str, Cell] = dict(
    zip(COLUMNS, (_orders, _liftings, _others, _freshness, _disk, _memory, _time), strict=True)
)


def test_table_in_the_manual_has_these_rows_and_columns() -> None:
    heading, *rows = table().items()
    assert heading == ("stolen", list(COLUMNS))
    assert [name for name, _ in rows] == list(ROWS)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS)
def test_thief_can_do_what_the_cell_says_and_no_more(row: str, column: str, tmp_path: Path) -> None:
    CELLS[column](row, tmp_path, table()[row][COLUMNS.index(column)])


@pytest.mark.parametrize("roles", [("timestamp",), ("snapshot", "timestamp")])
def test_versions_far_ahead_are_forgotten_with_the_keys_that_signed_them(
    repository: Repository, roles: tuple[str, ...], tmp_path: Path
) -> None:
    """A thief of the online keys can make all that follows look older, until the root names other keys."""
    node = repository.node(tmp_path)
    node.fetch()
    stolen = repository.fork()
    for role in roles:
        stolen.signed[role].version = MAX_VERSION - 1
    stolen.publish(*(roles if len(roles) == 1 else ("snapshot",)))
    good, repository.files = repository.files, stolen.files
    assert names(node.fetch()) == GOOD
    repository.files = good
    repository.order("court", "news", ["news.example"])
    repository.publish("court")
    with pytest.raises(FeedRefused) as caught:
        node.fetch()
    assert caught.value.reason == "rollback"
    for role in roles:
        repository.rotate(role)
    repository.publish("root")
    repository.publish("snapshot")
    assert names(node.fetch()) == GOOD | {"news.example"}


def test_authority_with_a_version_that_nothing_could_follow_loses_only_its_own_news(
    repository: Repository, tmp_path: Path
) -> None:
    node = repository.node(tmp_path)
    node.fetch()
    repository.role("court").version = 10**18
    repository.order("court", "evil", [EVIL])
    repository.publish("court")
    repository.order("ministry", "news", ["news.example"])
    repository.publish("ministry")
    for looked in (node, repository.node(tmp_path)):
        version = looked.fetch()
        assert names(version) == GOOD | {"news.example"}
        assert [one.reason for one in version.authorities] == ["", "format"]
    for role in ("snapshot", "timestamp"):
        repository.rotate(role)
    repository.role("court").version = 3
    del repository.role("court").targets["orders/court/evil.json"]
    repository.order("court", "court-2", ["again.example"])
    repository.publish("root")
    repository.publish("court")
    assert names(node.fetch()) == GOOD | {"news.example", "again.example"}


def test_lives_are_those_that_the_page_speaks_of() -> None:
    assert timedelta(days=LIVES["timestamp"]) == TIMESTAMP_LIFE
    text = PAGE.read_text(encoding="utf-8").partition(HEADING)[2]
    assert "timestamp lives three days, a snapshot and the lists 90 days" in text
    assert timedelta(days=90) == LIST_LIFE

"""The history of rates and hits survives what befalls its file, and is bounded whatever is counted."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.daemon.figures.history import ALL_OTHERS, DAMAGED, History, HitOwners
from blockd.daemon.figures.history_file import DATABASE, HIT_STEPS, MAX_PAGES, RATE_STEPS, HistoryFile, RateRow
from blockd.daemon.figures.hits import EnforcedOrders, SpanHits
from blockd.daemon.figures.series import SeriesQuery, series_of
from blockd.daemon.figures.totals import KEPT, totals_of
from blockd.errors import CommandError
from blockd.metrics import Counters, Transport
from blockd.web.figures.hits import HitTable
from blockd.web.figures.series import RateSeries
from tests.daemon.small_disk import fill, small_disk_at

DAY = 86400
NOON = 1_795_521_600  # a time that all steps begin at but the longest
ORDER = ("ministry", "games/2026-17")
OTHER = ("national", "national")
OWNERS = HitOwners({0: ALL_OTHERS, 1: ORDER, 2: OTHER}, {ORDER: "Directorate of Games"})


def history(folder: Path, counters: Counters, owner: str = "one") -> History:
    return History(folder, counters, lambda: OWNERS, owner=owner)


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(_wrapped(work))


async def _wrapped(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def rates(kept: History, since: float, until: float, points: int = 300) -> RateSeries:
    query = SeriesQuery.of(["queries", "udp", "blocked"], since, until, points, until)
    return await kept.read(lambda file: series_of(file, query, until))


async def hits(kept: History, now: float, by: str = "order") -> HitTable:
    orders = EnforcedOrders({ORDER: "Directorate of Games", OTHER: ""}, frozenset({ORDER, OTHER}))
    found = await kept.read(lambda file: SpanHits.read(file, "1d", now))
    return found.table("1d", "order" if by == "order" else "authority", orders, now)


def count(counters: Counters, questions: int, hits_of_order: int = 0) -> None:
    row = counters.row(0)
    for _ in range(questions):
        row.query(Transport.UDP)
    for _ in range(hits_of_order):
        row.hit(1)


def test_rates_are_counts_over_the_seconds_that_were_counted(tmp_path: Path) -> None:
    async def story() -> None:
        counters = Counters(1)
        kept = history(tmp_path, counters)
        kept.note(NOON, NOON, totals_of(counters))
        for second in range(10, 61, 10):
            count(counters, 50)
            kept.note(NOON + second, NOON + second, totals_of(counters))
        await kept.write(NOON + 60)
        found = await rates(kept, NOON, NOON + 60)
        assert found.step == 10
        assert found.times == tuple(range(NOON, NOON + 60, 10))
        assert found.series["udp"] == found.series["queries"] == (5.0,) * 6
        wide = await rates(kept, NOON - 86400, NOON + 60)
        assert wide.step == 300
        assert wide.series["udp"][-1] == 5.0, "one minute of the five was counted, and is their mean"
        assert set(wide.series["udp"][:-1]) == {None}
        await kept.close(NOON + 60)

    run(story)


def test_a_time_in_which_blockd_did_not_run_is_a_gap_and_not_zero(tmp_path: Path) -> None:
    async def story() -> None:
        counters = Counters(1)
        kept = history(tmp_path, counters)
        for second in (0, 10):
            kept.note(NOON + second, NOON + second, totals_of(counters))
        await kept.close(NOON + 10)
        later = history(tmp_path, Counters(1), "two")
        for second in (30, 40):
            later.note(NOON + second, NOON + second, totals_of(counters))
        await later.write(NOON + 40)
        assert (await rates(later, NOON, NOON + 40)).series["udp"] == (0.0, None, None, 0.0)
        await later.close(NOON + 40)

    run(story)


def test_hits_are_counted_once_whichever_control_process_writes_them(tmp_path: Path) -> None:
    async def story() -> None:
        counters = Counters(2)
        first, second = history(tmp_path, counters), history(tmp_path, counters)
        count(counters, 1, hits_of_order=7)
        await first.write(NOON)
        await second.write(NOON + 1)  # it has begun before the other ends
        count(counters, 1, hits_of_order=3)
        counters.row(1).hit(2)
        counters.row(2).hit(1, 1)
        await first.close(NOON + 2)
        await second.close(NOON + 3)
        third = history(tmp_path, counters)
        table = await hits(third, NOON + 4)
        assert [(row.key, row.hits, row.authority, row.in_force) for row in table.rows] == [
            ("ministry/games/2026-17", 11, "Directorate of Games", True),
            ("national/national", 1, "", True),
        ]
        assert (table.total, table.without_hit) == (12, ())
        await third.close(NOON + 5)

    run(story)


def test_orders_that_are_counted_together_are_not_said_to_be_without_a_hit(tmp_path: Path) -> None:
    async def story() -> None:
        counters = Counters(1)
        kept = history(tmp_path, counters)
        counters.row(0).hit(0)
        await kept.close(NOON)
        last = history(tmp_path, counters)
        found = await last.read(lambda file: SpanHits.read(file, "1d", NOON))
        orders = EnforcedOrders({}, frozenset({ORDER, OTHER}), frozenset({OTHER}))
        table = found.table("1d", "order", orders, NOON)
        assert [(row.key, row.hits, row.in_force) for row in table.rows] == [("other", 1, True)]
        assert (table.without_hit, table.together) == (("/".join(ORDER),), 1)
        await last.close(NOON)

    run(story)


def test_another_blockds_counters_begin_at_zero(tmp_path: Path) -> None:
    async def story() -> None:
        for owner in ("one", "two"):
            counters = Counters(1)
            count(counters, 1, hits_of_order=5)
            kept = history(tmp_path, counters, owner)
            await kept.close(NOON)
        last = history(tmp_path, Counters(1), "three")
        table = await hits(last, NOON, "authority")
        assert [(row.key, row.hits) for row in table.rows] == [("Directorate of Games", 10)]
        assert table.without_hit == ("national/national",)
        await last.close(NOON)

    run(story)


def test_a_slot_that_was_given_to_another_order_counts_for_that_from_zero(tmp_path: Path) -> None:
    async def story() -> None:
        counters = Counters(1)
        count(counters, 1, hits_of_order=5)
        owners = [OWNERS]
        kept = History(tmp_path, counters, lambda: owners[0], owner="one")
        await kept.write(NOON)
        counters.clear_hits(1)
        owners[0] = HitOwners({0: ALL_OTHERS, 1: OTHER}, {})
        count(counters, 1, hits_of_order=9)  # more than before: the number alone does not tell
        await kept.write(NOON + 60)
        assert {row.key: row.hits for row in (await hits(kept, NOON + 60)).rows} == {
            "ministry/games/2026-17": 5, "national/national": 9,
        }  # fmt: skip
        await kept.close(NOON + 60)

    run(story)


def test_a_clock_that_was_ahead_takes_nothing_away(tmp_path: Path) -> None:
    file = HistoryFile.open(tmp_path / DATABASE)
    row = (1,) * len(KEPT)
    with file.writing():
        file.add_rates([RateRow(NOON, 10, row), RateRow(NOON + 500 * 86400, 10, row)])
    assert [one.time for one in file.rates(60, 0, NOON * 2)] == [NOON, NOON + 500 * 86400]
    file.close()


def test_a_clock_that_is_set_back_is_no_negative_time(tmp_path: Path) -> None:
    async def story() -> None:
        counters = Counters(1)
        kept = history(tmp_path, counters)
        for passed, moment in ((0, NOON), (10, NOON - 3600), (20, NOON - 3590)):
            count(counters, 10)
            kept.note(moment, passed, totals_of(counters))
        await kept.write(NOON)
        found = await rates(kept, NOON - 3600, NOON)
        assert [rate for rate in found.series["udp"] if rate is not None] == [1.0]
        await kept.close(NOON)

    run(story)


def test_the_worst_config_fits_into_the_file_that_is_allowed(tmp_path: Path) -> None:
    file = HistoryFile.open(tmp_path / DATABASE)
    busy = {("a-feed-with-a-long-name", f"authority/{number:09}"): 1 << 33 | number for number in range(16_384)}
    busiest = HIT_STEPS[600]
    for step in range(busiest + 2):
        with file.writing():
            file.add_hits(NOON + step * 600, busy, {})
    (pages,) = file._connection.execute("PRAGMA page_count").fetchone()
    buckets = len(file._connection.execute("SELECT 1 FROM hits").fetchall())
    most = sum(HIT_STEPS.values())
    assert len(file._connection.execute("SELECT 1 FROM hits WHERE step = 600").fetchall()) == busiest
    rate_pages = sum(RATE_STEPS.values()) * 120 // 4096
    assert pages / buckets * most + rate_pages < MAX_PAGES
    file.close()


def test_more_orders_than_are_told_apart_are_counted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.daemon.figures.history_file.MAX_ORDERS", 100)
    file = HistoryFile.open(tmp_path / DATABASE)
    for day in range(4):
        with file.writing():
            file.add_hits(NOON + day * 60, {("feed", f"{day}-{number}"): 1 for number in range(60)}, {})
    found, _ = file.hits(3600, NOON)
    assert len([name for name in found if name[0]]) <= 100
    assert len(file.authorities()) == 100
    assert found["", ""] > 0
    file.close()


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 1000, None, "cut", "flipped", "folder", "other"])
def test_a_damaged_file_is_set_aside_and_another_one_begun(tmp_path: Path, damage: bytes | str | None) -> None:
    path = tmp_path / DATABASE
    file = HistoryFile.open(path)
    with file.writing():
        file.add_rates([RateRow(NOON + 10 * place, 10, (place,) * len(KEPT)) for place in range(3000)])
    file.close()
    octets = path.read_bytes()
    path.unlink()
    if damage == "folder":
        (path / "in it").mkdir(parents=True)
    elif damage == "other":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE rates (what TEXT)")
        connection.close()
    elif damage is None:
        path.symlink_to(tmp_path / "elsewhere")
    elif isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        half = len(octets) // 2
        path.write_bytes(octets[:half] if damage == "cut" else octets[:half] + b"\xff" * 8192 + octets[half + 8192 :])

    async def story() -> None:
        counters = Counters(1)
        kept = history(tmp_path, counters)
        for second in (0, 10):
            count(counters, 10, hits_of_order=1)
            kept.note(NOON + second, NOON + second, totals_of(counters))
        await kept.write(NOON + 10)
        assert kept.failure == ""
        assert (await hits(kept, NOON + 10)).total == 2
        assert (await rates(kept, NOON, NOON + 10)).series["udp"] == (1.0,)
        if damage == b"":  # as a file that was never written
            assert kept.damage == ""
        else:
            assert DAMAGED in kept.trouble
            assert (tmp_path / DAMAGED).exists() or (tmp_path / DAMAGED).is_symlink()
        assert not (tmp_path / "elsewhere").exists()
        await kept.close(NOON + 10)

    run(story)


def test_what_a_short_disk_has_no_room_for_waits_and_is_written_later(tmp_path: Path) -> None:
    async def story() -> None:
        counters, is_short = Counters(1), [True]
        kept = History(tmp_path, counters, lambda: OWNERS, lambda: is_short[0], "one")
        for second in range(0, 31, 10):
            count(counters, 10, hits_of_order=1)
            kept.note(NOON + second, NOON + second, totals_of(counters))
            await kept.write(NOON + second)
        assert kept.trouble == "", "the disk has an alarm of its own"
        assert not (tmp_path / DATABASE).exists()
        is_short[0] = False
        await kept.write(NOON + 30)
        assert (await rates(kept, NOON, NOON + 30)).series["udp"] == (1.0, 1.0, 1.0)
        assert (await hits(kept, NOON + 30)).total == 4
        await kept.close(NOON + 30)

    run(story)


def test_a_full_disk_is_told_and_costs_nothing_that_was_written(tmp_path: Path) -> None:
    async def story() -> None:
        counters = Counters(1)
        kept = history(tmp_path, counters)
        count(counters, 1, hits_of_order=3)
        await kept.write(NOON)
        assert kept._file is not None
        (pages,) = kept._file._connection.execute("PRAGMA page_count").fetchone()
        kept._file._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite says then what it says of a disk
        count(counters, 1, hits_of_order=4)
        kept._waiting.extend(RateRow(NOON + 10 * place, 10, (1,) * len(KEPT)) for place in range(2000))
        await kept.write(NOON + 1)
        assert "database or disk is full" in kept.trouble
        assert (await hits(kept, NOON + 1)).total == 3
        kept._file._connection.execute(f"PRAGMA max_page_count = {MAX_PAGES}")
        await kept.write(NOON + 2)
        assert (kept.trouble, (await hits(kept, NOON + 2)).total) == ("", 7)
        await kept.close(NOON + 2)

    run(story)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own of a megabyte."""
    with small_disk_at(tmp_path / "small", 1) as folder:
        yield folder


def test_what_was_kept_outlasts_a_disk_that_is_full_to_its_last_octet(small_disk: Path) -> None:
    async def story() -> None:
        counters = Counters(1)
        kept = history(small_disk, counters)
        for second in (0, 10):
            kept.note(NOON + second, NOON + second, totals_of(counters))
            count(counters, 20, hits_of_order=3)
        await kept.write(NOON + 10)
        filling = fill(small_disk)
        for second in range(20, 20_020, 10):
            kept.note(NOON + second, NOON + second, totals_of(counters))
        await kept.write(NOON + 20_020)
        assert "cannot be written" in kept.trouble
        assert (await hits(kept, NOON + 10)).total == 6, "what was written is read"
        await kept.close(NOON + 20_020)  # and blockd ends, with the disk as it is
        later = history(small_disk, counters)
        assert (await rates(later, NOON, NOON + 10)).series["udp"] == (2.0,)
        filling.unlink()
        count(counters, 1, hits_of_order=1)
        await later.write(NOON + 20_030)
        assert (later.trouble, (await hits(later, NOON + 20_030)).total) == ("", 7)
        await later.close(NOON + 20_030)

    run(story)


def test_a_clock_that_jumps_a_day_ahead_and_back_costs_no_rate_and_no_hit(tmp_path: Path) -> None:
    async def story() -> None:
        counters = Counters(1)
        kept = history(tmp_path, counters)
        moments = (NOON, NOON + 10, NOON + DAY + 20, NOON + DAY + 30, NOON + 40, NOON + 50)
        for passed, moment in enumerate(moments):
            kept.note(moment, 10 * passed, totals_of(counters))
            await kept.write(moment)
            count(counters, 10, hits_of_order=1)
        found = await rates(kept, NOON, NOON + 50)
        assert found.series["udp"] == (1.0, 1.0, None, None, 1.0)
        assert (await rates(kept, NOON + DAY + 20, NOON + DAY + 40)).series["udp"] == (1.0, 1.0)
        await kept.close(NOON + 60)
        later = history(tmp_path, counters)
        assert (await hits(later, NOON + 60)).total == 6, "each hit is counted once, at some time"
        await later.close(NOON + 60)

    run(story)


def test_a_file_that_is_removed_while_it_is_written_is_begun_anew(tmp_path: Path) -> None:
    async def story() -> None:
        counters = Counters(1)
        kept = history(tmp_path, counters)
        await kept.write(NOON)
        (tmp_path / DATABASE).unlink()
        count(counters, 1, hits_of_order=2)
        await kept.write(NOON + 1)
        assert (await hits(kept, NOON + 1)).total == 2
        assert (tmp_path / DATABASE).exists()
        await kept.close(NOON + 2)

    run(story)


def test_a_folder_that_cannot_be_reached_is_told_to_who_asks(tmp_path: Path) -> None:
    async def story() -> None:
        kept = history(tmp_path / "missing", Counters(1))
        await kept.write(NOON)
        assert "cannot be written" in kept.trouble
        with pytest.raises(CommandError, match="cannot be read"):
            await rates(kept, NOON, NOON + 10)
        await kept.close(NOON)

    run(story)


@pytest.mark.parametrize(
    ("names", "since", "until", "points", "said"),
    [
        (["unknown"], 0.0, 1.0, 10, "There is no series 'unknown'"),
        (["udp"], 10.0, 10.0, 10, "has no length"),
        (["udp"], 0.0, 1.0, 0, "1 to 2,000 points"),
        (["udp"], 0.0, 1.0, 2001, "1 to 2,000 points"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_a_sentence(
    names: list[str], since: float, until: float, points: int, said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        SeriesQuery.of(names, since, until, points, 20.0)


@pytest.mark.parametrize("points", [1, 7, 300, 2000])
@pytest.mark.parametrize("span", [60, 3600, 86400, 35 * 86400, 400 * 86400, 3600 * 86400])
def test_a_series_has_no_more_points_than_were_asked_for(tmp_path: Path, span: int, points: int) -> None:
    file = HistoryFile.open(tmp_path / DATABASE)
    query = SeriesQuery.of(["udp"], NOON - span, float(NOON), points, float(NOON))
    found = series_of(file, query, float(NOON))
    assert len(found.times) <= points + 1, "the first step may begin before what was asked for"
    assert len(found.series["udp"]) == len(found.times)
    file.close()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_in_the_file_nothing_but_a_sentence_comes_of_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("history")
    (folder / DATABASE).write_bytes(WHOLE)
    flips = data.draw(
        st.lists(st.tuples(st.integers(100, len(WHOLE) - 1), st.binary(min_size=1, max_size=300)), max_size=8)
    )
    with (folder / DATABASE).open("r+b") as file:
        for at, octets in flips:
            file.seek(at)
            file.write(octets)

    async def story() -> None:
        counters = Counters(1)
        kept = history(folder, counters)
        for moment in (NOON + 100, NOON + 110):
            count(counters, 10, hits_of_order=1)
            kept.note(moment, moment, totals_of(counters))
            await kept.write(moment)
        for read in (rates(kept, NOON, NOON + 110), hits(kept, NOON + 110), hits(kept, NOON + 110, "authority")):
            with contextlib.suppress(CommandError):
                await read
        await kept.close(NOON + 120)

    run(story)


def _whole() -> bytes:
    """Return the octets of a small history."""
    with tempfile.TemporaryDirectory() as folder:
        file = HistoryFile.open(Path(folder, DATABASE))
        with file.writing():
            file.add_rates([RateRow(NOON + 10 * place, 10, (place,) * len(KEPT)) for place in range(20)])
            file.add_hits(NOON, {("feed", f"order-{number}"): number for number in range(40)}, {})
            file.mark("one", [1, 2, 3])
        file.close()
        return Path(folder, DATABASE).read_bytes()


WHOLE = _whole()

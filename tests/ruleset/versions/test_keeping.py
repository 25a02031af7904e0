"""Which versions are kept: by number, by age, within a size, and nobody's list pushed out by the operator's own."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.ruleset import Versions
from blockd.ruleset.versions.keeping import Retention, kept_files, prune
from blockd.ruleset.versions.version_record import FeedPart, Period, VersionRecord
from blockd.settings import Settings

NOW = 1_800_000_000  # seconds since the epoch: the beginning of an hour
MINUTE, HOUR, DAY = 60, 3600, 86400
SIZE = 1000  # octets of a ruleset
LARGE = 1 << 40


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)


def add(versions: Versions, made: float = NOW, *, national: str = "", own: str = "", base: int | None = None) -> int:
    """Add a version and put it in force; a national list that is not named differs from all others."""
    (versions.folder / "compiled").write_bytes(bytes(SIZE))
    version = versions.add(versions.folder / "compiled")
    (versions.folder / f"{version:06}.orders").touch()  # as earlier releases have left it
    digests = {"national": national or f"national-{version}", "own": own}
    feeds = tuple(FeedPart(name, "domains", "", None, digest, "", 1, 0) for name, digest in digests.items())
    record = VersionRecord("", "", int(made), 1, 0, 1, feeds, base=base)
    record.write(versions.record_path(version))
    versions.make_current(version)
    return version


def kept(versions: Versions, keep: int = 5, max_size: int = LARGE, now: float = NOW) -> dict[int, str]:
    """Return the versions that are kept, each with the reason."""
    retention = Retention(keep, max_size, frozenset({"own"}))
    return {file.version: file.why for file in kept_files(versions, retention, now) if file.why}


def test_the_last_ones_are_kept_however_old(versions: Versions) -> None:
    for _ in range(8):
        add(versions, NOW - 100 * DAY)
    assert kept(versions) == {
        4: "one of the last 5", 5: "one of the last 5", 6: "one of the last 5", 7: "one of the last 5", 8: "in force"
    }  # fmt: skip


def test_the_one_in_force_before_is_kept_even_if_an_old_one_had_come_back(
    versions: Versions,
) -> None:
    for number in range(1, 9):
        add(versions, NOW - 100 * DAY)
        path = versions.record_path(number)
        record = VersionRecord.read(path)
        assert record is not None
        periods = (Period(NOW - 100 + number, NOW - (2 if number == 2 else 50)),) if number < 8 else ()
        replace(record, periods=periods).write(path)
    assert kept(versions) == {
        2: "in force before", 4: "one of the last 5", 5: "one of the last 5", 6: "one of the last 5",
        7: "one of the last 5", 8: "in force",
    }  # fmt: skip


def test_beyond_them_the_last_of_each_hour_for_a_day_and_of_each_day_for_a_week(versions: Versions) -> None:
    made = {}
    for minutes in (*range(9 * 24 * 60, 25 * 60, -60), *range(25 * 60, 0, -10)):
        made[add(versions, NOW - minutes * MINUTE)] = minutes * MINUTE
    found = kept(versions)
    hours = [made[version] for version, why in found.items() if why == "the last of its hour"]
    days = [made[version] for version, why in found.items() if why == "the last of its day"]
    assert sorted(hours) == [hour * HOUR + 10 * MINUTE for hour in range(1, 24)]
    assert len(days) == 6, "of the seventh before, a part is within the week; yesterday's last is its hour's too"
    assert all(age < 7 * DAY for age in days)
    assert len(found) == 5 + 23 + 6


def test_what_the_operator_writes_pushes_no_national_version_out(versions: Versions) -> None:
    national = [add(versions, NOW - 30 * DAY, national=f"list {number}") for number in range(5)]
    for number in range(20):
        add(versions, NOW, national="list 4", own=f"edit {number}")
    found = kept(versions)
    assert set(national[:4]) <= set(found), "the newest of each of the last five contents"
    assert 25 in found
    assert len(found) <= 4 + 5 + 1


def test_version_made_for_a_pinned_one_stands_for_no_hour_and_its_base_is_kept(versions: Versions) -> None:
    base = add(versions, NOW - 30 * DAY)
    for number in range(7):
        add(versions, NOW - 10 * DAY + number)
    newest = add(versions, NOW - HOUR)
    versions.pin(base)
    on_top = [add(versions, NOW - HOUR + number, national="x", own=f"{number}", base=base) for number in range(1, 9)]
    found = kept(versions)
    assert (found[base], found[on_top[-1]]) == ("pinned", "in force")
    versions.release()
    found = kept(versions)
    assert found[base] == f"version {on_top[-1]} is made from it"
    assert newest in found


def test_no_more_than_fits_is_kept_the_last_ones_first(versions: Versions) -> None:
    for hours in range(10, 0, -1):
        add(versions, NOW - hours * HOUR, national=f"list {hours:02}")
    [size] = {file.size for file in kept_files(versions, Retention(5, LARGE), NOW)}
    assert sorted(kept(versions, max_size=7 * size)) == [4, 5, 6, 7, 8, 9, 10]
    assert sorted(kept(versions, max_size=3 * size)) == [8, 9, 10]
    versions.pin(2)
    assert sorted(kept(versions, max_size=3 * size)) == [2, 9, 10]
    assert sorted(kept(versions, max_size=1)) == [2, 10], "never what is in force or pinned"


def test_clock_that_was_ahead_keeps_no_more_than_the_last_ones(versions: Versions) -> None:
    for number in range(300):
        add(versions, NOW + number * HOUR)
    assert len(kept(versions)) <= 5 + 1 + 24 + 7


def test_pruning_deletes_what_is_not_kept_and_what_was_left_over(versions: Versions) -> None:
    for _ in range(4):
        add(versions, NOW - 30 * DAY)
    versions.ruleset(1).unlink()  # a process was killed while it deleted version 1
    assert prune(versions, Retention(2, LARGE), NOW) == [2]
    assert sorted(path.name for path in versions.folder.iterdir()) == [
        "000003.json", "000003.ruleset", "000004.json", "000004.ruleset", "current",
    ]  # fmt: skip


def test_record_that_is_lost_or_damaged_stops_nothing(versions: Versions) -> None:
    for _ in range(4):
        add(versions, NOW - 30 * DAY)
    versions.record_path(4).write_text("damaged", encoding="ascii")
    versions.record_path(2).unlink()
    assert prune(versions, Retention(2, LARGE), NOW) == [2], "1 is the newest of the last but one known content"


def test_number_of_versions_is_bounded_whatever_comes(versions: Versions) -> None:
    chosen = random.Random(7)  # noqa: S311 - not for secrets
    now = float(NOW)
    for number in range(400):
        now += chosen.choice((1, 60, 600, 7200))
        add(versions, now, national=f"{number // 3}", own=f"{number}")
        prune(versions, Retention(5, LARGE, frozenset({"own"})), now)
    assert len(versions.all()) <= 5 + 5 + 25 + 8


def test_room_is_what_the_config_says_or_a_part_of_the_disk(tmp_path: Path) -> None:
    given = Settings.model_validate({"state_dir": str(tmp_path), "versions": {"max_size": "2G", "keep": 3}})
    assert Retention.of(given) == Retention(3, 2 << 30, frozenset({"overrides"}))
    auto = Retention.of(Settings.model_validate({"state_dir": str(tmp_path)}))
    assert 0 < auto.max_size <= 10_000_000_000


@pytest.mark.parametrize(
    ("more", "is_own"),
    [({}, False), ({"action": "allow"}, True), ({"mandate": "operator"}, True), ({"mandate": "law"}, False)],
)
def test_lists_of_the_operators_own_are_files_that_the_config_says_are_his(
    tmp_path: Path, more: dict[str, str], *, is_own: bool
) -> None:
    for place in ({"path": "/srv/list"}, {"url": "https://lists.example/list"}):
        feed = {"name": "list", "type": "domains", **place, **more}
        settings = Settings.model_validate({"state_dir": str(tmp_path), "feeds": [feed]})
        assert ("list" in Retention.of(settings).own) == (is_own and "path" in place)

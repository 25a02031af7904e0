"""What is given up when the disk fills, in which order, and that all of it comes back."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.daemon.state_dir import StateDir
from blockd.daemon.update.disk_room import FULL, LEAST_RESERVE, LOW, RESERVE, SHORT, DiskRoom, Level
from blockd.ruleset.versions.keeping import spare_one
from tests.daemon.harness import Daemon, until, write_list
from tests.daemon.parts import domains
from tests.daemon.publisher import Publisher
from tests.daemon.small_disk import fill, small_disk_at
from tests.daemon.test_overrides import add, tomorrow
from tests.daemon.updater_rig import Rig, Run
from tests.upstream import UpstreamSimulator

GIB, MIB = 1 << 30, 1 << 20


class Disk:
    """A disk of `total` octets whose free ones are set, less what a file in the folder takes."""

    def __init__(self, folder: Path, total: int, free: int) -> None:
        self.total = total
        self.free = free
        self._reserve = folder / RESERVE

    def __call__(self, _: Path) -> tuple[int, int]:
        taken = self._reserve.stat().st_size if self._reserve.exists() else 0
        return self.total, max(0, self.free - taken)


@pytest.mark.parametrize(
    ("total", "free", "level"),
    [
        (100 * GIB, LOW, Level.AMPLE),
        (100 * GIB, LOW - 1, Level.LOW),
        (100 * GIB, SHORT - 1, Level.SHORT),
        (100 * GIB, FULL - 1, Level.FULL),
        (400 * MIB, 100 * MIB, Level.AMPLE),
        (400 * MIB, 100 * MIB - 1, Level.LOW),
        (400 * MIB, 50 * MIB - 1, Level.SHORT),
        (400 * MIB, 0, Level.FULL),
    ],
)
def test_history_stops_before_evidence_and_evidence_before_enforcement(
    tmp_path: Path, total: int, free: int, level: Level
) -> None:
    room = DiskRoom(tmp_path, Disk(tmp_path, total, free))
    assert room.level is level
    assert room.keeps_history is (level < Level.LOW)
    assert bool(room.no_evidence()) is (level >= Level.SHORT)


def test_what_is_no_file_in_the_place_of_the_reserve_holds_up_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / RESERVE)
    room = DiskRoom(tmp_path, Disk(tmp_path, 100 * GIB, 10 * GIB), ruleset=lambda: 8 * MIB)
    assert room.look() is Level.AMPLE
    StateDir(tmp_path).tidy()
    assert not (tmp_path / RESERVE).exists(), "a start removes it"


def test_reserve_is_taken_while_there_is_room_and_given_up_when_there_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    disk = Disk(tmp_path, 100 * GIB, 10 * GIB)
    room = DiskRoom(tmp_path, disk, ruleset=lambda: 8 * MIB)
    reserve = tmp_path / RESERVE
    assert room.look() is Level.AMPLE
    assert reserve.stat().st_size == 10 * MIB + LEAST_RESERVE, "it holds the next ruleset"
    assert reserve.stat().st_blocks * 512 >= reserve.stat().st_size, "its octets are really taken"
    disk.free = 200 * MIB
    assert room.look() is Level.LOW
    assert reserve.exists()
    disk.free = reserve.stat().st_size
    assert room.look() is Level.SHORT
    assert (reserve.exists(), room.free) == (False, 10 * MIB + LEAST_RESERVE), "enforcement has its octets"
    room.look()
    assert not reserve.exists()
    disk.free = 10 * GIB
    assert room.look() is Level.AMPLE
    assert reserve.exists()
    told = [record.getMessage().split(":")[0] for record in caplog.records]
    assert [line.split(" of ")[0] for line in told] == [
        "The disk",
        "The disk is full",
        "There is room again on the disk",
    ]


@pytest.mark.parametrize(
    ("free", "reserve", "takes"),
    [(11 * MIB, 0, True), (10 * MIB, 0, False), (2 * MIB, 9 * MIB, True), (0, 0, False)],
)
def test_news_are_promised_only_if_the_next_ruleset_has_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, free: int, reserve: int, takes: bool
) -> None:
    if reserve:
        with (tmp_path / RESERVE).open("wb") as file:
            file.truncate(reserve)
    room = DiskRoom(tmp_path, lambda _: (100 * GIB, free), ruleset=lambda: 8 * MIB)
    assert room.takes_news is takes
    assert ("new ones as well" in room.in_force()) is takes
    said = room.in_force()
    room.look()
    assert reserve or f"In force: {said}." in caplog.text


def test_a_disk_on_which_no_more_files_can_be_made_is_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    room = DiskRoom(tmp_path, lambda _: (100 * GIB, 50 * GIB), has_files=lambda _: False)
    assert (room.look(), room.takes_news) == (Level.FULL, False)
    assert "no more files can be made on the disk" in caplog.text
    assert "no more files can be made" in room.no_evidence()
    assert "cannot be enforced" in room.in_force()


def test_history_is_given_up_one_by_one_until_there_is_room(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 100 * GIB, LOW - 3)
    kept = [1, 2, 3, 4, 5, 6]

    def spare() -> bool:
        if not kept:
            return False
        kept.pop(0)
        disk.free += 1
        return True

    assert DiskRoom(tmp_path, disk, spare=spare).look() is Level.AMPLE
    assert kept == [4, 5, 6]


def test_version_in_force_a_pinned_one_and_the_newest_are_never_given_up(tmp_path: Path) -> None:
    versions = StateDir(tmp_path).versions
    for number in range(1, 6):
        versions.ruleset(number).write_bytes(b"file")
    versions.make_current(4)
    versions.pin(2)
    while spare_one(versions):
        pass
    assert versions.all() == [2, 4, 5]


def test_disk_that_cannot_be_asked_stops_nothing(tmp_path: Path) -> None:
    def failing(_: Path) -> tuple[int, int]:
        raise OSError(errno.EIO, "gone")

    assert DiskRoom(tmp_path, failing).look() is Level.AMPLE


def test_what_the_gate_refuses_is_not_kept_on_a_disk_that_is_nearly_full(run: Run) -> None:
    async def check(rig: Rig) -> None:
        disk = Disk(rig.folder, 100 * GIB, 10 * GIB)
        many = [f"n{number}.example" for number in range(1_000)]
        rig.use_room(DiskRoom(rig.folder, disk))
        rig.sources["national"].give(*many)
        await rig.updater.refresh(None)
        rig.sources["national"].give(many[0])
        await rig.updater.refresh(None)
        assert rig.feeds["national"].state.refused is not None
        disk.free = 200 * MIB
        await rig.updater.make_room()
        assert rig.feeds["national"].state.refused is None
        rig.sources["national"].give(many[1])
        await rig.updater.refresh(None)
        assert rig.feeds["national"].state.refused is None
        assert rig.feeds["national"].refusal
        rig.sources["national"].give(*many, "new.example")
        await rig.updater.refresh(None)
        assert rig.blocked("new.example") == ["new.example"], "enforcement goes on"

    run(check, domains("national"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The state folder, on a disk of its own of 48 MB."""
    with small_disk_at(tmp_path / "daemon" / "state", 48) as folder:
        yield folder


def hits(daemon: Daemon) -> int:
    """Return how many hits the history of figures has of the last hour."""
    status, body = daemon.get("/api/v1/hits?span=1h")
    assert status == 200, body
    return int(json.loads(body)["total"])


def test_full_disk_stops_the_audit_log_and_no_order_and_is_recovered_from(
    tmp_path: Path, small_disk: Path, resolver: UpstreamSimulator
) -> None:
    publisher = Publisher(tmp_path / "authority")
    publisher.order("order-1", ["open-1.example"])
    publisher.publish()
    write_list(tmp_path / "list", [f"n{number}.example" for number in range(2_000)])
    national = {"name": "national", "type": "domains", "path": str(tmp_path / "list"), "interval": "200ms"}
    with Daemon(tmp_path / "daemon", publisher.feed(), national, upstream=resolver.address) as daemon:
        until(lambda: (small_disk / RESERVE).exists(), "room is reserved")
        daemon.ask("open-1.example")
        until(lambda: hits(daemon) > 0, "hits are kept")
        kept = hits(daemon)
        filling = fill(small_disk)
        until(lambda: daemon.status()["disk"]["level"] in ("short", "full"), "the disk is known to be full")
        assert daemon.ask("open-1.example").addresses == ["127.0.0.1"]
        assert add(daemon, tomorrow())["outcome"] == "enforced"
        assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]
        publisher.order("order-2", ["open-2.example"])
        publisher.publish()
        until(lambda: daemon.ask("open-2.example").addresses == ["127.0.0.1"], "a signed order is enforced")
        status, _ = daemon.post("/api/override", {"end": {"name": "open-1.example", "reason": "over"}})
        assert status == 200
        assert daemon.ask("open-1.example").addresses == ["127.0.0.1"]
        told = daemon.status()
        assert {alarm["name"] for alarm in told["alarms"]} >= {"BlockdDiskShort", "BlockdAuditFailed"}
        assert "free some space" in told["audit"]["trouble"]
        assert daemon.metric("blockd_disk_level") >= 2
        assert hits(daemon) == kept, "what was kept is read, and nothing is added"
        fill(small_disk)
        daemon.stop()
        daemon.start()
        assert daemon.first_answer("open-2.example").addresses == ["127.0.0.1"], "it comes up on a full disk"
        assert hits(daemon) == kept, "the history outlasts a restart there"
        filling.unlink()
        until(lambda: daemon.status()["disk"]["level"] == "ample", "there is room again")
        until(lambda: not daemon.status()["audit"]["trouble"], "the audit log is written again")
        until(lambda: (small_disk / RESERVE).exists(), "room is reserved again")
        until(lambda: hits(daemon) > kept, "hits are kept again")
        assert "BlockdDiskShort" not in {alarm["name"] for alarm in daemon.status()["alarms"]}
        done = daemon.run_verb("audit", "--kind", "gap", "--json")
        assert '"gap"' in done.stdout, done.stdout + done.stderr
        done = daemon.run_verb("audit", "verify")
        assert done.returncode == 0, done.stdout + done.stderr

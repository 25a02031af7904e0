"""When a spare copy of the ruleset in force is made, handed out and given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from blockd.daemon.update.disk_room import LOW, DiskRoom
from blockd.daemon.update.spare_ruleset import SpareRuleset
from blockd.feeds.candidate import Candidate
from blockd.ruleset import Ruleset
from tests.compile.builder import Builder, domains

AMPLE = LOW << 4


class Disk:
    """A disk with so much room."""

    free = AMPLE

    def __call__(self, _: Path) -> tuple[int, int]:
        return AMPLE, self.free


@pytest.fixture
def rulesets(tmp_path: Path) -> Iterator[list[Ruleset]]:
    """Two different ones."""
    found = []
    for name in ("one.example", "two.example"):
        builder = Builder(tmp_path)
        builder.path = tmp_path / name
        builder.build(Candidate(domains(), builder.content(name), None))
        found.append(Ruleset.open(builder.path))
    yield found
    for ruleset in found:
        ruleset.close()


def spares(folder: Path) -> list[Path]:
    return list(folder.glob(".spare.*"))


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(limited())


def test_copy_is_handed_out_once_and_only_for_its_ruleset(tmp_path: Path, rulesets: list[Ruleset]) -> None:
    one, two = rulesets

    async def work() -> None:
        kept = SpareRuleset(tmp_path, DiskRoom(tmp_path, Disk()), least=0)
        kept.prepare(one)
        assert await kept.take(two.path) is None
        assert await kept.take(None) is None
        spare = await kept.take(one.path)
        assert spare is not None
        assert spare.is_of(one)
        assert await kept.take(one.path) is None
        kept.prepare(one)
        again = await kept.take(one.path)
        assert again is not None
        assert sorted(spares(tmp_path)) == sorted([spare.path, again.path])
        await kept.close()
        assert len(spares(tmp_path)) == 2, "those are the callers'"

    run(work)


def test_copy_of_a_ruleset_that_is_not_in_force_any_more_is_replaced(tmp_path: Path, rulesets: list[Ruleset]) -> None:
    one, two = rulesets

    async def work() -> None:
        kept = SpareRuleset(tmp_path, DiskRoom(tmp_path, Disk()), least=0)
        kept.prepare(one)
        kept.prepare(two)  # while the first is being copied
        assert await kept.take(one.path) is None
        spare = await kept.take(two.path)
        assert spare is not None
        assert spares(tmp_path) == [spare.path]
        kept.prepare(one)
        kept.prepare(None)
        await kept.close()
        assert spares(tmp_path) == [spare.path]

    run(work)


def test_no_copy_is_made_of_a_small_or_damaged_ruleset_or_on_a_disk_without_ample_room(
    tmp_path: Path, rulesets: list[Ruleset]
) -> None:
    one, two = rulesets
    damaged = bytearray(two.path.read_bytes())
    damaged[-1] ^= 1
    two.path.unlink()
    two.path.write_bytes(damaged)
    disk = Disk()
    disk.free = LOW + one.header.pieces.end - 1

    async def work() -> None:
        for kept, ruleset in (
            (SpareRuleset(tmp_path, DiskRoom(tmp_path, Disk())), one),
            (SpareRuleset(tmp_path, None, least=0), one),
            (SpareRuleset(tmp_path, DiskRoom(tmp_path, disk), least=0), one),
            (SpareRuleset(tmp_path, DiskRoom(tmp_path, Disk()), least=0), two),
        ):
            kept.prepare(ruleset)
            assert await kept.take(ruleset.path) is None
            await kept.close()
            assert spares(tmp_path) == []

    run(work)


def test_copy_is_given_up_before_any_version_when_the_disk_is_nearly_full(
    tmp_path: Path, rulesets: list[Ruleset]
) -> None:
    disk = Disk()
    given_up = []

    def spare_version() -> bool:
        given_up.append(spares(tmp_path))
        disk.free = AMPLE
        return True

    async def work() -> None:
        room = DiskRoom(tmp_path, disk, spare=spare_version)
        kept = SpareRuleset(tmp_path, room, least=0)
        kept.prepare(rulesets[0])
        while not spares(tmp_path):  # noqa: ASYNC110 - it is made in a thread
            await asyncio.sleep(0)
        disk.free = LOW - 1
        await asyncio.to_thread(room.look)
        await kept.close()
        assert await kept.take(rulesets[0].path) is None
        assert spares(tmp_path) == []

    run(work)
    assert len(given_up) == 1

"""Twenty hours of updates: a thousand publications, never a bad ruleset, never a good order late, a flat disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.effort import tries
from tests.feeds.transfer.primary import Primary, serving
from tests.worlds.motion.figures import Figures
from tests.worlds.motion.lists import pages
from tests.worlds.motion.story import KEEP, Story

STEPS = tries(40, 1_000)
SEED = 1
MOST_KEPT = 2 * KEEP + 24 + 7 + 4  # versions: the last ones and contents, hourly, daily, and those in use
WAL = 8 << 20  # octets that SQLite may have written twice at any time
GROWTH = 1.1  # of the state folder from the first half's largest to the second half's: sizes vary, and none adds up


def test_twenty_hours_of_updates(tmp_path: Path) -> None:
    figures = asyncio.run(_told(tmp_path))
    print(figures)  # for whoever runs it with `-rP`
    half = STEPS // 2
    assert figures.publications >= STEPS
    assert max(figures.sizes[half:]) <= GROWTH * max(figures.sizes[:half])
    assert max(figures.versions) <= MOST_KEPT
    assert figures.logs[-1] <= 2.5 * figures.logs[half] + WAL  # it is kept for ever, and grows evenly


async def _told(folder: Path) -> Figures:
    with pages() as served:
        async with serving(Primary()) as primary:
            story = Story(folder, served, primary, SEED)
            try:
                await story.begin()
                for number in range(STEPS):
                    await story.step()
                    if number % (STEPS // 4) == 0:
                        story.verify()
                await story.end()
            except BaseException as error:
                error.add_note(f"after {len(story.figures.sizes)} steps:\n  " + "\n  ".join(story.told))
                raise
            return story.figures

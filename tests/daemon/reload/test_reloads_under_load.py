"""One config after the other is taken under constant load: no question is lost, and with BLOCKD_LONG=1 none is late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, until, write_list
from tests.daemon.load.load import Load
from tests.daemon.load.upstreams import elsewhere
from tests.daemon.reload.random_configs import BLOCKED, OPEN_BELOW
from tests.effort import LONG, tries

RELOADS = tries(3, 10)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose upstreams are other processes."""
    write_list(tmp_path / "list", [BLOCKED])
    feed = {"name": "national", "type": "domains", "path": str(tmp_path / "list")}
    with elsewhere() as first, elsewhere() as second:
        one = Daemon(tmp_path / "node", feed, upstream=first, fresh=True)
        one.settings["upstream"] = {"flood_limit": 0}  # all names that are asked for are new
        one.settings["upstreams"] = [first, second]
        with one as running:
            running.wait_for_version(1)
            yield running


def test_no_question_is_lost_while_one_config_takes_the_place_of_another(daemon: Daemon) -> None:
    named = daemon.settings["upstreams"]
    assert isinstance(named, list)
    with Load(daemon, BLOCKED, OPEN_BELOW, programs=True) as load:
        for number in range(RELOADS):
            before = set(daemon.children("w"))
            upstreams = [named, named[1:], named[::-1]][number % 3]
            daemon.reload(sinkhole={"ttl": 10 + number}, workers=2 - number % 2, upstreams=upstreams)
            until(lambda: not before & set(daemon.children("w")), "those of the config before have ended")  # noqa: B023 - used at once
    print(*load.figures.lines(), sep="\n")
    assert load.figures.lost == []
    assert all(kind.answers for kind in load.figures.kinds.values())
    assert not LONG or load.figures.overdue == []

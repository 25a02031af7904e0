"""Who takes in lists is killed at any moment: what answers is always a whole list, and the next one comes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, free_port, until, write_list
from tests.upstream import UpstreamSimulator

MOMENTS = 100 if os.environ.get("BLOCKD_LONG") == "1" else 8
NAMES = 20_000  # so many that each step of taking them in lasts a while
LONGEST = 1_500  # questions until the kill: about as long as a list takes
SINKHOLE = ["127.0.0.1"]
SOURCES = [free_port() for _ in range(8)]  # all that comes from one of them goes to one worker, while that lives


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    _publish(tmp_path, 0)
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "100ms"}
    with Daemon(tmp_path, feed, upstream=resolver.address) as running:
        yield running


def test_a_good_ruleset_is_enforced_whenever_the_updater_is_killed(daemon: Daemon) -> None:
    chance = random.Random(7)  # noqa: S311 - the same moments each time, as far as a machine repeats itself
    for number in range(1, MOMENTS + 1):
        until(daemon.is_ready, "the control process is there")
        victim = daemon.control_pid()
        _publish(daemon.folder, number)
        for _ in range(chance.randrange(LONGEST)):
            _assert_good(daemon, number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        _assert_good(daemon, number)
        if number % 4 == 0:  # now and then all of it dies
            daemon.destroy()
            daemon.launch()
            assert daemon.first_answer("always.example").addresses == SINKHOLE
            daemon.wait_for_banner()
        _assert_good(daemon, number)
        until(lambda: _is_enforced(daemon, number), f"list {number} is enforced")  # noqa: B023 - used at once
    until(daemon.is_ready, "the control process is there")
    until(lambda: not _unfinished(daemon), "what was not finished is tidied up")


def _publish(folder: Path, number: int) -> None:
    names = [f"name-{place}.example" for place in range(NAMES)]
    write_list(folder / "list", ["always.example", f"round-{number}.example", *names])


def _round(daemon: Daemon, number: int, source: int) -> bool:
    return daemon.ask(f"round-{number}.example", source_port=source).addresses == SINKHOLE


def _is_enforced(daemon: Daemon, number: int) -> bool:
    """Whether a list is enforced and the one before no longer is."""
    return all(_round(daemon, number, source) and not _round(daemon, number - 1, source) for source in SOURCES)


def _assert_good(daemon: Daemon, number: int) -> None:
    """What a worker enforces is the list before or this one, whole."""
    source = random.choice(SOURCES)  # noqa: S311 - no secret
    assert daemon.ask("always.example", source_port=source).addresses == SINKHOLE
    if not _round(daemon, number, source):
        assert _round(daemon, number - 1, source) or _round(daemon, number, source)


def _unfinished(daemon: Daemon) -> set[str]:
    """Give the files that are being written, or that a killed process has left."""
    return {path.name for path in daemon.state_dir.rglob(".*") if path.is_file()}

"""Who takes in lists is killed at any moment: what answers is always a whole list, and the next one comes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, entries_of, until, write_list
from tests.effort import tries
from tests.upstream import UpstreamSimulator

MOMENTS = tries(8, 100)
NAMES = 20_000  # so many that each step of taking them in lasts a while
LONGEST = 1_500  # questions until the kill: about as long as a list takes
SINKHOLE = ["127.0.0.1"]


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    _publish(tmp_path, 0)
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "100ms"}
    with Daemon(tmp_path, feed, upstream=resolver.address, fresh=True) as running:
        yield running


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Gives sockets to ask from: all that comes from one of them goes to one worker, while that lives."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(8)]
        for each in made:
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        yield made


def test_a_good_ruleset_is_enforced_whenever_the_updater_is_killed(
    daemon: Daemon, sockets: list[socket.socket]
) -> None:
    chance = random.Random(7)  # noqa: S311 - the same moments each time, as far as a machine repeats itself
    for number in range(1, MOMENTS + 1):
        until(daemon.is_ready, "the control process is there")
        victim = daemon.control_pid()
        _publish(daemon.folder, number)
        for _ in range(chance.randrange(LONGEST)):
            _assert_good(daemon, chance.choice(sockets), number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        _assert_good(daemon, chance.choice(sockets), number)
        if number % 4 == 0:  # now and then all of it dies
            daemon.destroy()
            daemon.launch()
            assert daemon.first_answer("always.example").addresses == SINKHOLE
            daemon.wait_for_banner()
        _assert_good(daemon, chance.choice(sockets), number)
        until(lambda: _is_enforced(daemon, sockets, number), f"list {number} is enforced")  # noqa: B023 - used at once
    until(daemon.is_ready, "the control process is there")
    until(lambda: not _unfinished(daemon), "what was not finished is tidied up")


def _publish(folder: Path, number: int) -> None:
    names = [f"name-{place}.example" for place in range(NAMES)]
    write_list(folder / "list", ["always.example", f"round-{number}.example", *names])


def _round(daemon: Daemon, sock: socket.socket, number: int) -> bool:
    return daemon.ask(f"round-{number}.example", sock=sock).addresses == SINKHOLE


def _is_enforced(daemon: Daemon, sockets: list[socket.socket], number: int) -> bool:
    """Whether a list is enforced and the one before no longer is."""
    return all(_round(daemon, sock, number) and not _round(daemon, sock, number - 1) for sock in sockets)


def _assert_good(daemon: Daemon, sock: socket.socket, number: int) -> None:
    """What a worker enforces is the list before or this one, whole."""
    assert daemon.ask("always.example", sock=sock).addresses == SINKHOLE
    if not _round(daemon, sock, number):
        assert _round(daemon, sock, number - 1) or _round(daemon, sock, number)


def _unfinished(daemon: Daemon) -> set[str]:
    """Return the files that are being written, or that a killed process has left."""
    found = entries_of(daemon.state_dir).items()
    return {path.name for path, entry in found if path.name.startswith(".") and stat.S_ISREG(entry.st_mode)}

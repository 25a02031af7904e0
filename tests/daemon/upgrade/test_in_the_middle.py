"""A stop, a kill or another upgrade in the middle of an upgrade or a reload: nothing is left behind, all is told."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from tests.daemon.harness import Daemon, entries_of, until, write_list
from tests.daemon.upgrade.programs import other_version, upgraded

NATIONAL = {"name": "national", "type": "domains", "path": "list"}
T = TypeVar("T")
SINKHOLE = ["127.0.0.1"]
# What a start makes sooner or later, and what was fetched and not yet read, which the next fetch replaces. SQLite takes
# back by itself what a process that was ended had begun to write.
KEPT = "statements", "figures.db", "audit.db", "feeds/national/incoming"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    write_list(tmp_path / "list", ["listed.example"])
    one = Daemon(tmp_path, NATIONAL, fresh=True)
    one.start()
    yield one
    one.destroy()


def all_children(daemon: Daemon) -> list[int]:
    """Return the process ids of all children of the supervisor, whatever they are called."""
    return [int(pid) for pid in Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text("ascii").split()]


def trials(daemon: Daemon) -> list[int]:
    """Return the process ids of children that have become a program that tries itself."""
    found = []
    for pid in all_children(daemon):
        with contextlib.suppress(OSError):
            if b"\0BLOCKD_TRIAL=" in b"\0" + Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
    return found


def has_canary(daemon: Daemon) -> bool:
    """Whether a program that tries itself has its worker tested."""
    return any(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii") for pid in trials(daemon))


UPGRADE_MOMENTS: dict[str, Callable[[Daemon], object]] = {
    "the program tries itself": trials,
    "a worker of the program is tested": has_canary,
    "workers hand over": lambda daemon: "BLOCKD_HANDOVER" in environment(daemon) or len(daemon.children()) == 3,
    "the program is executed": lambda daemon: "BLOCKD_HANDOVER" in environment(daemon),
    "both serve": lambda daemon: len(daemon.children("w")) > 2,
    "those before leave": lambda daemon: "has taken the place of" in daemon.log,
}
RELOAD_MOMENTS: dict[str, Callable[[Daemon], object]] = {
    "the config is read": lambda daemon: daemon.children("checker"),
    "a worker tries it": lambda daemon: daemon.children("canary"),
    "the worker is asked": lambda daemon: daemon.children("tester"),
    "both serve": lambda daemon: len(daemon.children("w")) > 2,
    "the page follows": lambda daemon: len(daemon.children("page")) > 1,
    "the control process is gone": lambda daemon: not daemon.children("control"),
}


def environment(daemon: Daemon) -> str:
    return Path(f"/proc/{daemon.pid}/environ").read_text("utf-8", "replace")


def names(daemon: Daemon) -> set[str]:
    """Return the files of the state folder."""
    return {str(path.relative_to(daemon.state_dir)) for path in entries_of(daemon.state_dir)}


def stops_in_the_middle(daemon: Daemon, begin: Callable[[], T], moment: Callable[[Daemon], object]) -> Future[T]:
    """Stop it once the moment has come, and have it leave no process and no file behind; return what `begin` did."""
    before = names(daemon) - {"admin.sock"}
    with ThreadPoolExecutor(1) as pool:
        beginning = pool.submit(begin)
        until(lambda: moment(daemon), "the moment has come")
        daemon.stop()  # it ends with code 0, and no process is left
        beginning.exception()
    assert {name for name in names(daemon) - before if not name.startswith(KEPT)} == set()
    daemon.start()
    assert daemon.ask("listed.example").addresses == SINKHOLE
    daemon.stop()
    return beginning


@pytest.mark.parametrize("moment", UPGRADE_MOMENTS.values(), ids=list(UPGRADE_MOMENTS))
def test_a_stop_in_the_middle_of_an_upgrade_leaves_nothing_behind(
    daemon: Daemon, place: Path, moment: Callable[[Daemon], object]
) -> None:
    program = other_version(place)
    asked = stops_in_the_middle(daemon, lambda: daemon.post("/api/v1/upgrade", {"program": program}), moment)
    if moment is trials:
        _, told = asked.result()
        assert told.get("outcome") == "taking" or "blockd was told to stop, or replaces" in told["error"]


@pytest.mark.parametrize("moment", RELOAD_MOMENTS.values(), ids=list(RELOAD_MOMENTS))
def test_a_stop_in_the_middle_of_a_reload_leaves_nothing_behind(
    daemon: Daemon, moment: Callable[[Daemon], object]
) -> None:
    def begin() -> None:
        text = daemon.config.read_text("utf-8")
        daemon.config.write_text(f"{text}sinkhole: {{ttl: 31}}\n", "utf-8")
        os.kill(daemon.pid, signal.SIGHUP)

    stops_in_the_middle(daemon, begin, moment)


def test_a_program_that_is_killed_while_it_tries_itself_is_told_of_and_leaves_no_process(
    daemon: Daemon, place: Path
) -> None:
    before = sorted(daemon.processes())
    for is_reached in (trials, has_canary):
        with ThreadPoolExecutor(1) as pool:
            trying = pool.submit(upgraded, daemon, "--from", other_version(place / is_reached.__name__))
            until(lambda: is_reached(daemon) or trying.done(), "it tries itself")  # noqa: B023 - used at once
            for pid in trials(daemon):
                os.kill(pid, signal.SIGKILL)
            told = trying.result()
        assert told["outcome"] == "failed"
        assert "ended (killed by SIGKILL) without a word on whether it can take over" in told["problems"][0]
        until(lambda: sorted(daemon.processes()) == before, "its worker has ended, too")
    assert daemon.ask("listed.example").addresses == SINKHOLE
    daemon.stop()


def test_a_second_upgrade_is_refused_and_the_first_one_is_still_told_of(daemon: Daemon, place: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(upgraded, daemon, "--from", other_version(place / "first", "9.9.1"))
        until(lambda: trials(daemon), "it tries itself")
        [pid] = trials(daemon)
        os.kill(pid, signal.SIGSTOP)
        second = upgraded(daemon, "--from", other_version(place / "second", "9.9.2"))
        assert second["outcome"] == "refused"
        assert second["problems"] == ["an upgrade is in progress; ask again once it has ended"]
        os.kill(pid, signal.SIGCONT)
        assert first.result()["outcome"] == "taken"
    assert daemon.status()["version"] == "9.9.1"
    daemon.stop()

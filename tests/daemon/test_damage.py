"""A ruleset that is damaged while it is used, and processes that hang: answers go on, blocks hold, and it is told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, everywhere, remove_below, until, write_list
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
NAMES = ["listed.example", *(f"name-{number}.example" for number in range(5000))]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("damage")
    write_list(folder / "list", NAMES)
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "1h"}
    with Daemon(folder, feed, upstream=resolver.address, gate={"max_shrink": "100%"}) as running:
        write_list(folder / "list", [*NAMES, "second.example"])
        running.refresh()
        yield running


def in_force(daemon: Daemon) -> Path:
    version = daemon.status()["ruleset"]["version"]
    return daemon.state_dir / "rulesets" / f"{version:06}.ruleset"


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def zero(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))


def scramble(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"ANOTHER!")


@pytest.mark.parametrize("damage", [cut, zero, scramble])
def test_ruleset_that_is_damaged_while_it_is_used_is_replaced(daemon: Daemon, damage: Callable[[Path], None]) -> None:
    write_list(daemon.folder / "list", [*NAMES, "second.example", f"{damage.__name__}.example"])
    daemon.refresh()
    path = in_force(daemon)
    damage(path)

    def blocks() -> bool:
        for number in range(0, 5000, 100):
            if daemon.ask(f"name-{number}.example", timeout=0.5).addresses != SINKHOLE:
                return False
        return in_force(daemon) != path and daemon.ask("second.example", timeout=0.5).addresses == SINKHOLE

    until(blocks, "it blocks again, by another version")
    until(daemon.is_ready, "all is well")
    names = [alarm["name"] for alarm in daemon.status()["alarms"]]
    assert "BlockdRulesetDamaged" in names
    assert daemon.metric("blockd_rulesets_damaged") >= 1
    assert path.with_suffix(".damaged").exists()
    assert [found.suffix for found in path.parent.glob("*.damaged")] == [".damaged"], "one is kept as evidence"


@pytest.mark.parametrize("is_folder", [False, True])
def test_rulesets_that_are_removed_are_made_again(daemon: Daemon, is_folder: bool) -> None:
    """Workers go on with what they have mapped; one that is started again meanwhile has nothing to open."""
    write_list(daemon.folder / "list", [*NAMES, "second.example", f"removed-{is_folder}.example"])
    daemon.refresh()
    path = in_force(daemon)
    for other in path.parent.glob("*.ruleset"):
        if other != path:
            other.unlink(missing_ok=True)
    if is_folder:
        remove_below(path.parent)
    else:
        path.unlink()
    os.kill(daemon.status()["workers"][0]["pid"], signal.SIGKILL)
    lost = int(path.stem)
    until(lambda: (daemon.status()["ruleset"] or {}).get("version", lost) != lost, "it is made again", 40.0)
    everywhere(lambda: daemon.ask(f"removed-{is_folder}.example").addresses == SINKHOLE, "it is enforced")
    until(daemon.is_ready, "all is well")
    assert "BlockdRulesetDamaged" in [alarm["name"] for alarm in daemon.status()["alarms"]]


def test_only_the_control_process_and_the_supervisor_can_write_the_states_of_orders(daemon: Daemon) -> None:
    def writes(pid: int) -> bool:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="ascii", errors="replace").splitlines()
        return any("memfd:blockd-states" in line and line.split()[1].startswith("rw") for line in maps)

    until(daemon.is_ready, "all is well")
    control = daemon.control_pid()
    assert writes(control)
    assert writes(daemon.pid)
    assert [pid for pid in daemon.children() if writes(pid)] == [control]


def test_hung_worker_is_told_and_started_again_and_takes_nothing_back(daemon: Daemon) -> None:
    victim = daemon.status()["workers"][1]["pid"]
    taken_back = daemon.log.count("taken back")
    os.kill(victim, signal.SIGSTOP)
    write_list(daemon.folder / "list", [*NAMES, "second.example", "third.example"])
    os.kill(daemon.pid, signal.SIGHUP)
    said = f"worker 1 (process {victim}) does not answer".encode()
    until(lambda: said in daemon.get("/healthz")[1], "it is told", 40.0)
    until(lambda: daemon.get("/healthz")[0] == 200 and daemon.is_ready(), "all is well", 40.0)
    assert daemon.status()["workers"][1]["pid"] != victim
    everywhere(lambda: daemon.ask("third.example").addresses == SINKHOLE, "the new list stays")
    assert daemon.log.count("taken back") == taken_back
    assert f"The worker 1 process {victim} does not answer. It is ended and started again." in daemon.log


def test_hung_control_and_page_processes_are_started_again(daemon: Daemon) -> None:
    victims = [pid for pid in daemon.children() if pid not in {w["pid"] for w in daemon.status()["workers"]}]
    control = daemon.control_pid()
    before = daemon.children()
    for pid in {*victims, control}:
        os.kill(pid, signal.SIGSTOP)
    for _ in range(20):
        assert daemon.ask("listed.example").addresses == SINKHOLE
    until(lambda: not {*victims, control} & set(daemon.children()), "they are ended", 40.0)
    until(lambda: daemon.get("/healthz")[0] == 200, "all is well")
    assert len(daemon.children()) == len(before)
    assert daemon.metric("blockd_process_restarts_total", process="control") >= 1


def test_machine_that_pauses_ends_nobody(daemon: Daemon) -> None:
    before = set(daemon.children())
    everybody = [*daemon.children(), daemon.pid]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(14.0)  # the pause that is tested: longer than a process may be silent
    for pid in reversed(everybody):
        os.kill(pid, signal.SIGCONT)
    looked = time.monotonic()
    until(lambda: time.monotonic() - looked > 3.0, "the supervisor has looked")
    assert set(daemon.children()) == before
    assert daemon.ask("listed.example").addresses == SINKHOLE


def test_supervisor_that_is_stopped_is_told(daemon: Daemon) -> None:
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        until(lambda: daemon.get("/healthz")[0] == 503, "it is told", seconds=30)
        reason = daemon.get("/healthz")[1].decode()
        assert f"the supervisor (process {daemon.pid}) does not answer" in reason
        assert "BlockdSupervisorSilent" in [alarm["name"] for alarm in daemon.status()["alarms"]]
        assert daemon.metric("blockd_supervisor_silent") == 1
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    until(lambda: daemon.get("/healthz")[0] == 200, "all is well")
    assert daemon.metric("blockd_supervisor_silent") == 0

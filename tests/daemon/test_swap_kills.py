"""A process is killed at each step from a compiled ruleset to one that is in force and on record.

`test_kills` kills at any moment; a step that takes a hundred microseconds is never hit by that.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from blockd.cli import main
from tests.daemon.dying import OF_CONTROL, OF_SUPERVISOR, OF_WORKER
from tests.daemon.harness import PATIENCE, Daemon, entries_of, everywhere, until, write_list
from tests.effort import some
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
ALWAYS = "always.example"


class Node:
    """A daemon that publishes list after list; `number` is that of the newest, which is to be enforced at last."""

    def __init__(self, folder: Path, upstream: str) -> None:
        feed = {"name": "national", "type": "domains", "path": "list", "interval": "100ms"}
        self.number = 0
        self.daemon = Daemon(folder, feed, upstream=upstream, program="tests.daemon.dying")
        self._publish()

    def kill_at(self, victim: str, step: str) -> None:
        """Publish the next list; have the victim killed at a step of that, and watch until all is well again."""
        fault = self.daemon.folder / f"die-{victim}-{step.replace(' ', '-')}"
        before = self._pids(victim)
        fault.touch()
        self.number += 1
        self._publish()
        until(lambda: self._has_ended(victim, before) or not self.is_good(), f"{victim} is killed at: {step}")
        if victim == "supervisor":
            self.daemon.destroy()  # what is left of it ends by itself
            self.daemon.launch()
            assert self.daemon.first_answer(ALWAYS).addresses == SINKHOLE
        until(lambda: self.is_good() and self.daemon.is_ready(), f"all processes are there again after: {step}")
        fault.unlink()
        everywhere(lambda: self.is_good() and self.is_newest(), f"the list is enforced after: {step}")
        until(self.is_recorded, f"the record says so after: {step}")
        assert main(["audit", "verify", "--config", str(self.daemon.config)]) == 0, step

    def is_good(self) -> bool:
        """Whether a worker answers; what it enforces must be the newest list or the one before, whole."""
        with socket.create_connection(("127.0.0.1", self.daemon.dns_port), PATIENCE) as one_worker:
            asked = [ALWAYS, *(f"round-{number}.example" for number in (self.number, self.number - 1, self.number))]
            blocked = [self.daemon.ask(name, tcp=True, sock=one_worker).addresses == SINKHOLE for name in asked]
        assert blocked[0], "a name of every list is open"
        assert any(blocked[1:]), "neither the newest list nor the one before is enforced"
        return True

    def is_newest(self) -> bool:
        """Whether a worker enforces the newest list, and no longer the one before."""
        new, old = (self.daemon.ask(f"round-{self.number - ago}.example", tcp=True).addresses for ago in (0, 1))
        return (new, old) == (SINKHOLE, [])

    def is_recorded(self) -> bool:
        """Whether the state folder, the status and the feed say that what is enforced is in force."""
        folder = self.daemon.state_dir / "rulesets"
        version = self.daemon.status()["ruleset"]["version"]
        return (
            int((folder / "current").read_text("ascii")) == version
            and (folder / f"{version:06}.json").exists()
            and self.daemon.feed("national")["refusal"] is None
            and not [path.name for path in entries_of(folder) if path.suffix == ".damaged"]
        )

    def _publish(self) -> None:
        names = [ALWAYS, f"round-{self.number}.example", *(f"name-{place}.example" for place in range(20))]
        write_list(self.daemon.folder / "list", names)

    def _pids(self, victim: str) -> Sequence[int]:
        if victim == "supervisor":
            return [self.daemon.pid]
        return self.daemon.children("w" if victim == "worker" else victim)

    def _has_ended(self, victim: str, before: Sequence[int]) -> bool:
        if victim == "supervisor":
            return self.daemon.process is not None and self.daemon.process.poll() is not None
        return not set(before) <= set(self._pids(victim))


@pytest.fixture
def node(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Node]:
    made = Node(tmp_path, resolver.address)
    with made.daemon as daemon:
        yield made
        until(lambda: not _unfinished(daemon), "what was not finished is tidied up")


def _unfinished(daemon: Daemon) -> list[str]:
    return [path.name for path in entries_of(daemon.state_dir / "rulesets") if path.name.startswith(".")]


def test_control_process_is_killed_at_each_step(node: Node) -> None:
    for step in some(OF_CONTROL, 10):
        node.kill_at("control", step)


def test_worker_is_killed_at_each_step(node: Node) -> None:
    for step in OF_WORKER:
        node.kill_at("worker", step)


def test_supervisor_is_killed_at_each_step_and_started_again(node: Node) -> None:
    for step in (*OF_SUPERVISOR, *some(OF_CONTROL, 4)):
        node.kill_at("supervisor", step)

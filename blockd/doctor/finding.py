"""What a check is given, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from blockd.doctor.machine import Machine
from blockd.settings import Settings


class Grade(StrEnum):
    """The grade of a finding."""

    OK = "ok"
    WARNING = "warning"  # blockd works, but not as well as it could, or not for everybody
    BAD = "bad"  # blockd does not start, does not serve, or serves clients that it must not serve


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in one sentence, and what to do about it; `advice` is empty if all is well."""

    grade: Grade
    found: str
    advice: str = ""
    name: str = ""  # of the check; `examine` sets it


@dataclass(frozen=True, slots=True)
class Running:
    """The daemon that runs with this config, as far as it can be seen from outside.

    `pid` is the process that holds the state folder; `status` is the answer of the admin port, and `silence` says why
    there is none.
    """

    pid: int | None = None
    status: Mapping[str, Any] | None = None
    silence: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether a daemon is running."""
        return self.pid is not None or self.status is not None

    @property
    def pids(self) -> set[int]:
        """The known process ids of the daemon; their children belong to it too."""
        workers = self.status["workers"] if self.status is not None else ()
        return {pid for pid in (self.pid, *(worker["pid"] for worker in workers)) if pid}


@dataclass(frozen=True, slots=True)
class Context:
    """What is examined: a config, the machine, and the daemon that runs there."""

    config: Path
    settings: Settings
    machine: Machine
    running: Running


def ok(found: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(Grade.OK, found)


def warning(found: str, advice: str) -> Finding:
    """Return a finding about something that could be better."""
    return Finding(Grade.WARNING, found, advice)


def bad(found: str, advice: str) -> Finding:
    """Return a finding about something that must be repaired."""
    return Finding(Grade.BAD, found, advice)

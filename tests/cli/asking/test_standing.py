"""Waiting for the end of what was asked for: it ends soon if the daemon does, or is started anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from blockd.cli.admin_client import RunningDaemon
from blockd.cli.asking import standing
from blockd.cli.asking.way import SocketWay
from blockd.errors import CommandError

BEGUN = {"id": "ours", "outcome": "taking"}
OTHER = {"id": "other", "outcome": "refused"}
UNDER_WAY = ("taking",)
LONG = 600.0  # seconds that nobody is to wait


class Answers(RunningDaemon):
    """A daemon that gives some answers, and then the last one again and again."""

    def __init__(self, *answers: dict[str, Any] | CommandError) -> None:
        super().__init__([])
        self._answers = list(answers)

    def ask(self, path: str, body: Mapping[str, object] | None = None, seconds: float = 0.0) -> dict[str, Any]:
        """Return the next one."""
        assert (path, body) == ("/it", None)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, CommandError):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "PAUSE", 0.001)
    monkeypatch.setattr(standing, "GONE_SECONDS", 0.1)


def waited(daemon: RunningDaemon) -> dict[str, Any]:
    return standing.ended(daemon, "/it", BEGUN, UNDER_WAY, LONG)


def test_a_daemon_that_is_gone_is_told_soon_and_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"was ended before this came to its end.*admin\.sock"):
        waited(RunningDaemon([SocketWay(tmp_path / "admin.sock")]))


@pytest.mark.parametrize("answer", [{"current": None}, {"current": None, "last": None}], ids=["upgrade", "reload"])
def test_a_daemon_that_was_started_anew_knows_nothing_and_that_is_told_soon(answer: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="started anew before this came to its end, and knows nothing of it"):
        waited(Answers({"current": BEGUN}, answer))


def test_one_that_is_busy_or_tells_of_another_is_asked_until_what_was_begun_has_ended() -> None:
    done = {"id": "ours", "outcome": "taken"}
    busy = [CommandError("busy")] * 200
    assert waited(Answers(*busy, {"current": BEGUN}, {"current": OTHER}, {"current": OTHER, "last": done})) == done
    assert waited(Answers({"current": None}, {"current": done, "last": None})) == done

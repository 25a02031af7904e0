"""Who tries a canary asks it as often as helps, and no more."""

from __future__ import annotations

import pytest

from blockd.daemon.reload import canary


def test_one_that_answers_at_once_is_not_asked_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("blockd.daemon.reload.canary.time.monotonic", lambda: now[0])
    monkeypatch.setattr("blockd.daemon.reload.canary.time.sleep", sleep)
    tries = list(canary._tries(100.0 + 4 * canary.ANSWER))
    assert len(tries) == 4
    assert now[0] == pytest.approx(100.0 + 4 * canary.ANSWER)

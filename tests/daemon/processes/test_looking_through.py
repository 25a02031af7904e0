"""Looking through the state folder takes a bounded share of a processor, however many feeds there are."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blockd.daemon import damage
from blockd.daemon.damage import LONGEST, SHARE, Damage
from blockd.daemon.processes.supervisor_watch import SupervisorWatch


@pytest.mark.parametrize(("cost", "wait"), [(0.05, 0.05 / SHARE), (30.0, LONGEST)])
def test_a_costly_look_is_followed_by_a_long_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float, wait: float
) -> None:
    used, now, looks = [0.0], [100.0], [0]

    def unwritable(_: object) -> str:
        looks[0] += 1
        used[0] += cost
        return "it cannot be written"

    versions = SimpleNamespace(note_used=lambda _: None, damaged=list)
    state = SimpleNamespace(
        folder=tmp_path, versions=versions, unwritable=unwritable, restore_folders=lambda _: [], lock=None
    )
    timing = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(damage, "time", SimpleNamespace(thread_time=lambda: used[0], monotonic=time.monotonic))
    updater = cast("Any", SimpleNamespace(feeds={}))
    anything = cast("Any", None)
    looked = Damage(cast("Any", state), anything, anything, cast("Any", timing), {}, SupervisorWatch(None), updater)
    looked.unwritable, _ = looked._seen()
    for _ in range(3):
        now[0] += wait / 4
        assert looked._seen()[0] == "it cannot be written", "what was found stands meanwhile"
    assert looks[0] == 1
    now[0] += wait / 4
    looked._seen()
    assert looks[0] == 2

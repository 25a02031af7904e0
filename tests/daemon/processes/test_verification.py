"""The child that looks for a version to enforce is ended if it hangs, and what it read is left alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.processes import verification
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.processes.verification import VersionCheck
from blockd.daemon.state_dir import StateDir
from blockd.settings import Settings


def test_a_version_that_cannot_be_read_to_its_end_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(verification, "PATIENCE", 3.0)
    monkeypatch.setattr(verification, "LONGEST_STEP", 0.2)
    state = StateDir(tmp_path)

    def hang(*_: object, tell: object, skip: object, **__: object) -> None:
        assert callable(tell)
        assert isinstance(skip, dict)
        if 7 not in skip:
            tell(7, "")
            time.sleep(600)

    monkeypatch.setattr(state, "last_good", hang)
    check = VersionCheck(
        Settings.model_validate({"state_dir": str(tmp_path)}),
        state,
        Family(Reaper()),
        lambda: HitSlots(tmp_path / "hit-slots.json"),
    )
    found = check.wait(lambda: None)
    assert (found.version, found.has_failed) == (None, False)
    assert check.damaged == {7: "reading it took more than 3 seconds"}
    assert "hangs, and is ended" in caplog.text
    assert "Version 7 is left alone: reading it took more than 3 seconds" in caplog.text

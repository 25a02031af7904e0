from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from blockd.daemon import shared_gate
from blockd.daemon.shared_gate import SharedGate
from blockd.errors import CommandError, ConfigError
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import GateSettings
from tests.daemon.harness import Daemon, blockd


def test_the_gate_is_that_of_the_settings_however_often_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "protected").write_text("bank.example\n", encoding="utf-8")
    settings = GateSettings.model_validate({"protected": [str(tmp_path / "protected")]})
    kept = SharedGate(settings)
    kept.check()
    (tmp_path / "protected").unlink()
    first, second = kept.gate(), kept.gate()
    assert first == second
    assert first.guard.digest
    (tmp_path / "protected").write_text("bank.example\n", encoding="utf-8")
    assert first == gate_of(settings)


def test_a_list_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    kept = SharedGate(GateSettings.model_validate({"protected": [str(tmp_path / "absent")]}))
    with pytest.raises(ConfigError, match=r"gate.protected\[0\]: it cannot be read"):
        kept.check()


def test_nothing_of_it_is_left_behind_in_the_process() -> None:
    kept = SharedGate(GateSettings())
    kept.check()
    for reader in (kept._reader, kept._spare):
        with pytest.raises(ChildProcessError):
            os.waitpid(reader.pid, os.WNOHANG)


def stopped(settings: GateSettings) -> SharedGate:
    """Return a gate whose first reader has not begun."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_gate._Reader, "begin", lambda _: None)
        return SharedGate(settings)


def test_a_reader_that_is_killed_is_followed_by_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "protected").write_text("bank.example\n", encoding="utf-8")
    settings = GateSettings.model_validate({"protected": [str(tmp_path / "protected")]})
    kept = stopped(settings)
    os.kill(kept._reader.pid, signal.SIGKILL)
    kept.check()
    assert kept.gate() == gate_of(settings)
    assert "ended (killed by SIGKILL). Another does." in caplog.text


def test_a_reader_that_is_killed_twice_is_told_as_what_it_is() -> None:
    kept = stopped(GateSettings())
    os.kill(kept._reader.pid, signal.SIGKILL)
    os.kill(kept._spare.pid, signal.SIGKILL)
    with pytest.raises(CommandError, match="the process that reads them was killed by SIGKILL, twice; nothing was"):
        kept.check()


def test_a_start_with_a_wrong_list_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "protected").write_text("not a name !\n", encoding="utf-8")
    daemon = Daemon(tmp_path)
    daemon.settings["gate"] = {"protected": ["protected"]}
    daemon.write_config()
    told = blockd("run", folder=daemon.folder, config=daemon.config)
    assert told.returncode == 2
    assert "line 1 is not a valid name" in told.stderr
    assert "Traceback" not in told.stderr
    assert told.stdout == ""

"""Ctrl-C: one line that says what was and was not changed, exit code 130, no traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blockd import files
from blockd.cli import INTERRUPTED, doings, main
from blockd.cli.grammar import VERBS
from tests.places import ROOT


def _interrupted_in(monkeypatch: pytest.MonkeyPatch, module: str, do: Callable[[], None]) -> None:
    """Have the verb of a module do something, and be interrupted after it."""

    def run(_: object) -> int:
        do()
        raise KeyboardInterrupt

    monkeypatch.setattr(f"{module}.run", run)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("authority", "cache", "override", "run")])
def test_interrupted_verb_says_in_one_line_that_nothing_was_changed(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ".".join(filter(None, ("blockd.cli", VERBS[verb].folder, verb.replace("-", "_"))))
    __import__(module)
    _interrupted_in(monkeypatch, module, lambda: None)
    words = {"lookup": ["a.example"], "diff": ["1", "2"], "validate": ["list"], "accept": ["f"], "token": ["list"]}.get(
        verb, []
    )
    assert main([verb, *words]) == INTERRUPTED
    assert capsys.readouterr().err == f"\nblockd {verb}: interrupted; nothing was changed.\n"


def test_interrupted_start_says_that_nothing_was_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import blockd.cli.service.run  # noqa: F401 - so that it can be replaced

    _interrupted_in(monkeypatch, "blockd.cli.service.run", lambda: None)
    assert main(["run"]) == INTERRUPTED
    assert capsys.readouterr().err == "\nblockd run: interrupted; nothing was started.\n"


def test_files_that_were_written_are_named_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import blockd.cli.compile  # noqa: F401 - so that it can be replaced

    (tmp_path / "old").touch()

    def write() -> None:
        files.replace_file(tmp_path / "one", b"1")
        files.remove(tmp_path / "old")
        with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "two"):
            raise KeyboardInterrupt

    _interrupted_in(monkeypatch, "blockd.cli.compile", write)
    assert main(["compile"]) == INTERRUPTED
    told = capsys.readouterr().err
    said = f"it has written {tmp_path / 'one'} and removed {tmp_path / 'old'}; no other file was changed"
    assert told == f"\nblockd compile: interrupted; {said}.\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one"]


def test_interruption_between_note_and_rename_does_not_claim_the_file(tmp_path: Path) -> None:
    done = doings.Doings()
    made = tmp_path / "made"
    made.touch()
    done.changing(tmp_path / "path", made.stat())  # and then the interruption came
    assert done.sentence() == "nothing was changed"


def test_daemon_that_was_asked_goes_on() -> None:
    done = doings.Doings()
    done.asked()
    assert done.sentence().startswith("the running daemon was asked already and goes on")


def test_many_files_are_counted(tmp_path: Path) -> None:
    done = doings.Doings()
    files.observe(done.changing)
    try:
        files.replace_files((tmp_path / str(number), (b"",)) for number in range(8))
    finally:
        files.observe(None)
    assert " and 3 more; no other file was changed" in done.sentence()


def test_signal_ends_a_process_in_the_midst_of_its_work_with_one_line() -> None:
    script = (
        "import os, signal, sys\n"
        "from blockd.__main__ import script\n"
        "from blockd.cli import status\n"
        "def run(args):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    signal.pause()\n"
        "status.run = run\n"
        "sys.argv = ['blockd', 'status']\n"
        "sys.exit(script())\n"
    )
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == INTERRUPTED
    assert told.stderr == "\nblockd status: interrupted; nothing was changed.\n"


@pytest.mark.parametrize("moment", ["blockd.cli.grammar", "blockd.settings"])
def test_signal_while_modules_are_imported_ends_with_one_line(moment: str) -> None:
    script = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        f"        if name == {moment!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder)\n"
        "sys.argv = ['blockd', 'check']\n"
        "from blockd.__main__ import script\n"
        "sys.exit(script())\n"
    )
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == INTERRUPTED
    assert "interrupted; nothing was changed." in told.stderr
    assert "Traceback" not in told.stderr

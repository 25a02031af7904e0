"""The child that looks for a version to enforce: only what says that a version is damaged makes it so."""

from __future__ import annotations

import errno
import faulthandler
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.processes import verification
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.file_faults import is_of_the_process
from blockd.daemon.processes.reaping import Reaper
from blockd.daemon.processes.suspicion import Suspicion
from blockd.daemon.processes.verification import TRIES, VERIFIER, VersionCheck
from blockd.daemon.processes.waiting import readable
from blockd.daemon.state_dir import StateDir
from blockd.errors import RulesetError
from blockd.ruleset import StatesMemory
from blockd.settings import Settings


class Subject:
    """A check whose child does `work` with what `StateDir.last_good` is given, instead of reading a version."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[..., int | None]) -> None:
        self.state = StateDir(folder)
        self.aside: list[int] = []
        self.forked: list[str] = []
        monkeypatch.setattr(verification, "FIRST_PAUSE", 0.0)
        monkeypatch.setattr(self.state, "set_aside", self.aside.append)
        self.states = StatesMemory.make([], [], 0.0)
        monkeypatch.setattr(self.state, "states_of", lambda _: self.states)
        monkeypatch.setattr(self.state, "last_good", lambda *_, **given: work(**given))
        self.family = Family(Reaper())
        settings = Settings.model_validate({"state_dir": str(folder)})
        self.check = VersionCheck(settings, self.state, self.family, lambda: HitSlots(folder / "hit-slots.json"))

    def found(self) -> int | None:
        return self.check.wait(lambda: None).version


def end_by(number: int, at: int = 7, *, even_as_is: bool = False) -> Callable[..., int | None]:
    """Return what is ended by a signal while it reads one version, and finds that good if it is not to read it."""

    def work(*, tell: Callable[[int, str], None], skip: Any, as_is: Any, **_: object) -> int | None:
        if at in skip:
            return at - 1
        tell(at, "")
        if even_as_is or at not in as_is:
            faulthandler.disable()
            os.kill(os.getpid(), number)
            time.sleep(600)
        return at

    return work


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_child_that_is_ended_from_outside_says_nothing_of_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    subject = Subject(tmp_path, monkeypatch, end_by(number))
    assert subject.found() == 7, "no other is preferred"
    assert subject.check.damaged == {}
    assert subject.aside == []
    why = f"the process that read it ended (killed by {number.name})"
    assert subject.check.unverified == {7: why}
    assert caplog.text.count(f"Version 7 could not be verified: {why}. It is tried again") == TRIES
    assert "Version 7 is enforced as it is: it could not be verified." in caplog.text
    assert "older one" not in caplog.text


def test_a_child_that_is_ended_once_is_followed_by_one_that_verifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ended"

    def work(*, tell: Callable[[int, str], None], as_is: Any, **_: object) -> int | None:
        tell(7, "")
        assert not as_is
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 7

    subject = Subject(tmp_path, monkeypatch, work)
    assert subject.found() == 7
    assert subject.check.unverified == {}


def test_a_child_that_is_ended_before_its_first_word_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = tmp_path / "count"

    def work(*, tell: Callable[[int, str], None], **_: object) -> int | None:
        with count.open("ab") as file:
            file.write(b".")
        if count.stat().st_size <= TRIES + 2:
            os.kill(os.getpid(), signal.SIGKILL)
        tell(7, "")
        return 7

    assert Subject(tmp_path, monkeypatch, work).found() == 7


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "no memory"), ValueError("a bug")])
def test_a_child_without_means_says_nothing_of_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def work(*, tell: Callable[[int, str], None], as_is: Any, **_: object) -> int | None:
        tell(7, "")
        if 7 not in as_is:
            raise error
        return 7

    subject = Subject(tmp_path, monkeypatch, work)
    assert subject.found() == 7
    assert (subject.check.damaged, subject.aside) == ({}, [])


def test_a_file_that_is_cut_while_it_is_read_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(tmp_path, monkeypatch, end_by(signal.SIGBUS))
    assert subject.found() == 6
    assert subject.check.damaged == {7: "reading it ended the process (killed by SIGBUS)"}
    assert (subject.aside, subject.check.unverified) == ([7], {})


def hang(*, even_as_is: bool) -> Callable[..., int | None]:
    return end_by(signal.SIGWINCH, even_as_is=even_as_is)  # which ends nobody


@pytest.mark.parametrize("even_as_is", [False, True])
def test_a_version_that_cannot_be_read_to_its_end_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, even_as_is: bool
) -> None:
    monkeypatch.setattr(verification, "PATIENCE", 1.0)
    monkeypatch.setattr(verification, "LONGEST_STEP", 0.2)
    subject = Subject(tmp_path, monkeypatch, hang(even_as_is=even_as_is))
    assert subject.found() == (6 if even_as_is else 7), "another only if it cannot even be opened"
    assert subject.check.damaged == {}
    assert subject.check.unverified == {7: "reading it took more than 1 seconds"}
    assert "hangs, and is ended" in caplog.text


class Jobs:
    version: int | None = 7

    def enforce(self, version: int | None) -> None:
        self.version = version


def suspected(subject: Subject) -> tuple[Suspicion, Any]:
    jobs: Any = Jobs()
    return Suspicion(subject.check, jobs, subject.family, subject.state, lambda: None), jobs


def one_try(subject: Subject, suspicion: Suspicion) -> None:
    """Wait until the child that verifies has ended."""
    suspicion.look()
    child = subject.family.of(VERIFIER)
    assert child is not None
    while child.watch not in readable([child.watch], 0.2):
        suspicion.look()
    suspicion.ended(child)


def test_what_is_in_force_stays_until_it_could_be_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    is_killed = tmp_path / "killed"
    is_killed.touch()

    def work(*, tell: Callable[[int, str], None], in_force: int, skip: Any, as_is: Any, **_: object) -> int | None:
        assert (in_force, set(skip), set(as_is)) == (7, set(), set())
        tell(7, "")
        if is_killed.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return 7

    subject = Subject(tmp_path, monkeypatch, work)
    suspicion, jobs = suspected(subject)
    suspicion.suspect("its time has changed")
    assert not suspicion.holds_up, "processes are started on it meanwhile"
    for _ in range(TRIES + 2):
        one_try(subject, suspicion)
        assert jobs.version == 7
        assert subject.check.unverified == {7: "the process that read it ended (killed by SIGKILL)"}
        assert suspicion.seconds(time.monotonic()) is not None, "it is tried again"
    is_killed.unlink()
    with caplog.at_level("INFO"):
        one_try(subject, suspicion)
    assert subject.check.unverified == {}
    assert suspicion.seconds(time.monotonic()) is None
    assert "Version 7 was verified: it is right, and stays in force." in caplog.text
    assert "damaged" not in caplog.text.replace("may be damaged", "")
    assert subject.aside == []


def test_processes_wait_only_while_one_was_ended_by_reading_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(tmp_path, monkeypatch, end_by(signal.SIGKILL))
    suspicion, _ = suspected(subject)
    suspicion.suspect("the worker 0 process was killed by SIGBUS", is_evidence=True)
    for _ in range(TRIES):
        assert suspicion.holds_up
        one_try(subject, suspicion)
    assert not suspicion.holds_up, "but not for ever"


def test_a_version_that_has_ended_a_process_and_cannot_be_read_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "PATIENCE", 1.0)
    monkeypatch.setattr(verification, "LONGEST_STEP", 0.2)
    subject = Subject(tmp_path, monkeypatch, hang(even_as_is=True))
    suspicion, jobs = suspected(subject)
    suspicion.suspect("the worker 0 process was killed by SIGBUS", is_evidence=True)
    one_try(subject, suspicion)
    assert jobs.version == 7
    one_try(subject, suspicion)
    assert jobs.version == 6
    why = "the worker 0 process was killed by SIGBUS, and reading it took more than 1 seconds"
    assert subject.check.damaged == {7: why}
    assert subject.aside == []


def test_another_version_that_comes_into_force_is_not_suspected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(tmp_path, monkeypatch, end_by(signal.SIGKILL))
    suspicion, jobs = suspected(subject)
    suspicion.suspect("its time has changed")
    one_try(subject, suspicion)
    jobs.version = 8
    suspicion.look()
    assert subject.check.unverified == {}
    assert (suspicion.seconds(time.monotonic()), subject.check.is_running) == (None, False)


def test_want_of_means_is_told_from_a_fault_of_the_file() -> None:
    def caused(number: int) -> RulesetError:
        error = RulesetError("it cannot be opened")
        error.__cause__ = OSError(number, os.strerror(number))
        return error

    assert all(is_of_the_process(caused(number)) for number in (errno.ENOMEM, errno.EMFILE, errno.ENFILE))
    assert not any(is_of_the_process(caused(number)) for number in (errno.EIO, errno.ENOENT, errno.EACCES))
    assert not is_of_the_process(RulesetError("its format is another"))

"""The process that compiles, by itself."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from blockd.daemon.interchange.failures import failure_values
from blockd.daemon.processes import progress
from blockd.daemon.update import compile_child, diff_child
from blockd.daemon.update.child_process import ChildProcess
from blockd.daemon.update.compile_child import MAX_RESULT, Compiler, Ended, Job
from blockd.errors import FeedRefused, RulesetError
from blockd.ruleset import Gate
from blockd.ruleset.versions.diff import Changes
from tests.places import ROOT


def octets(job: Job) -> bytes:
    """Return a job as a child is given it."""
    return Compiler()._octets(job)


WHOLE = octets(Job([], Path("/nowhere"), Gate(), None, {}, {}))


@pytest.mark.parametrize("job", [b"", WHOLE[:7], WHOLE[:-7], WHOLE.splitlines()[0], b"null\n{}", b'{"job": {}}\n{}'])
def test_a_job_that_was_not_written_to_its_end_is_none(job: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "blockd.daemon.update.compile_child"],
        cwd=ROOT,
        input=job,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_result_that_nobody_waits_for_any_more_is_dropped_in_silence(tmp_path: Path) -> None:
    job = Job([], tmp_path / "new.ruleset", Gate(), None, {}, {})
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "blockd.daemon.update.compile_child"],
            cwd=ROOT,
            input=octets(job),
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def frame(kind: int, octets: bytes, size: int | None = None) -> bytes:
    return struct.pack("<BQ", kind, len(octets) if size is None else size) + octets


def told_by(octets: bytes, *, code: int = 0, path: Path, before: str = "") -> Compiler:
    """Return a compiler whose child takes its job, tells some octets, and ends."""
    (path / "told").write_bytes(octets)
    script = f"cat > /dev/null; {before}cat {path / 'told'}; exit {code}"

    async def start(module: str, *arguments: str, reads: bool = False) -> ChildProcess:
        assert reads, (module, arguments)
        return await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )

    return Compiler(start, quick=True)


NOTHING = "the compiling process returned no result"


@pytest.mark.parametrize(
    ("octets", "code", "sentence"),
    [
        (b"", 0, NOTHING),
        (b"", 3, "the compiling process ended with 3"),
        (b"\x01", 0, NOTHING),
        (b"garbage", 0, NOTHING),
        (os.urandom(4000).replace(b"\x00", b"\x07"), 0, NOTHING),
        (frame(1, b"{"), 0, NOTHING),
        (frame(1, b"[" * 100_000), 0, NOTHING),
        (frame(1, b"null"), 0, NOTHING),
        (frame(1, b"{}"), 0, NOTHING),
        (frame(1, b'{"built": {"header": 7}}'), 0, NOTHING),
        (frame(1, b'{"error": ["SystemExit", "x"]}'), 0, NOTHING),
        (frame(1, b"cut short", size=100), 0, NOTHING),
        (frame(1, b"", size=MAX_RESULT + 1), 0, f"{NOTHING}: it told something else than a result"),
        (frame(1, b"", size=(1 << 64) - 1), 0, NOTHING),
        (frame(0, b"x" * 2000), 0, NOTHING),
        (frame(0, b"unknown"), 0, f"{NOTHING}: it told of a feed that it was not given"),
        (frame(0, b"\xff"), 0, NOTHING),
        (frame(2, b""), 0, NOTHING),
        (b"\x80\x05cposix\nsystem\n", 0, NOTHING),
    ],
)
def test_a_child_that_tells_anything_else_is_a_sentence(
    tmp_path: Path, octets: bytes, code: int, sentence: str
) -> None:
    compiler = told_by(octets, code=code, path=tmp_path)

    async def run() -> None:
        try:
            await compiler.compile(Job([], tmp_path / "new.ruleset", Gate(), None, {}, {}))
        finally:
            await compiler.close()

    with pytest.raises(RulesetError, match=re.escape(sentence)) as told:
        asyncio.run(run())
    assert code == 0 or isinstance(told.value, Ended)


def test_the_error_of_a_child_is_raised_as_it_was(tmp_path: Path) -> None:
    refused = FeedRefused("html", "It is a page.")
    compiler = told_by(frame(1, json.dumps({"error": failure_values(refused)}).encode()), path=tmp_path)

    async def run() -> None:
        try:
            await compiler.compile(Job([], tmp_path / "new.ruleset", Gate(), None, {}, {}))
        finally:
            await compiler.close()

    with pytest.raises(FeedRefused, match=r"It is a page\."):
        asyncio.run(run())


def hanging(path: Path) -> Compiler:
    """Return a compiler whose child is stopped once it has its job."""
    return told_by(b"", path=path, before="kill -STOP $$; ")


@pytest.mark.parametrize("work", ["job", "reading"])
def test_a_child_that_uses_no_processor_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str) -> None:
    monkeypatch.setattr(progress, "STUCK", 0.2)
    monkeypatch.setattr(progress, "LOOK", 0.05)
    monkeypatch.setattr(compile_child, "STUCK", 60.0)
    compiler = hanging(tmp_path)
    job = Job([], tmp_path / "new.ruleset", Gate(), None, {}, {})

    async def run() -> None:
        try:
            if work == "job":
                await compiler.compile(job)
            else:
                await compiler.read(job)
        finally:
            await compiler.close()

    with pytest.raises(Ended, match="stood still for 60 seconds and was ended") as caught:
        asyncio.run(run())
    assert (caught.value.number, caught.value.is_stuck) == (signal.SIGKILL, True)


def test_a_comparison_that_uses_no_processor_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "STUCK", 0.2)
    monkeypatch.setattr(progress, "LOOK", 0.05)

    async def start(module: str, *arguments: str, reads: bool = False) -> ChildProcess:
        assert not reads, (module, arguments)
        return await asyncio.create_subprocess_exec("/bin/sh", "-c", "kill -STOP $$", stdout=asyncio.subprocess.PIPE)

    with pytest.raises(RulesetError, match="returned no result"):
        asyncio.run(diff_child.compared(tmp_path / "old", tmp_path / "new", start))


@pytest.mark.parametrize("often", [1, 2])
def test_a_comparison_that_is_ended_from_outside_is_begun_anew_once(tmp_path: Path, often: int) -> None:
    begun: list[str] = []

    async def start(module: str, *_: str, reads: bool = False) -> ChildProcess:
        assert not reads
        begun.append(module)
        told = "kill -KILL $$" if len(begun) <= often else 'echo \'{"added": 1, "removed": 2, "changed": 3}\''
        return await asyncio.create_subprocess_exec("/bin/sh", "-c", told, stdout=asyncio.subprocess.PIPE)

    compared = diff_child.compared(tmp_path / "old", tmp_path / "new", start)
    if often == 1:
        assert asyncio.run(compared) == Changes(added=1, removed=2, changed=3)
    else:
        with pytest.raises(RulesetError, match="returned no result: its process was ended by signal 9"):
            asyncio.run(compared)
    assert len(begun) == 2


def test_the_processor_that_a_process_uses_is_known_until_it_has_ended() -> None:
    before = progress.used_by(os.getpid())
    assert before is not None
    while progress.used_by(os.getpid()) == before:
        sum(range(10000))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert progress.used_by(child) is None
    os.waitpid(child, 0)
    assert progress.used_by(child) is None

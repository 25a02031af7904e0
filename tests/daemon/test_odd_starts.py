"""Starts under odd conditions: each is right, or one sentence with an exit code; never a traceback, never a hang.

One start has all the oddities at once that blockd bears; with BLOCKD_LONG=1 each is tried alone as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from tests.daemon.harness import PATIENCE, START_PATIENCE, Daemon, entries_of, until, write_list
from tests.effort import LONG
from tests.places import ROOT

# What a shell does before it becomes the daemon; `$STATE` is the state folder, `$ODD` a folder for odd things.
BORNE = {
    "standard streams are closed": "exec <&- >&- 2>&-",
    "whoever starts it lets everybody write": "umask 0",
    "whoever starts it lets nobody read": "umask 0777",
    "no home": "unset HOME",
    "another encoding": "export LANG=C LC_ALL=C PYTHONIOENCODING=ascii PYTHONUNBUFFERED=1",
    "no folder for temporary files": "export TMPDIR=/nowhere",
    "the current folder is gone": 'mkdir "$ODD/gone"; cd "$ODD/gone"; rmdir "$ODD/gone"',
    "the clock stands in 1970": 'export PYTHONPATH="$ODD/clock:$PYTHONPATH"',
    "small core files": "ulimit -c 0",
    "small files": "ulimit -f 2000",
}
MOUNTS = {
    "no shared memory": "mount -t tmpfs -o ro none /dev/shm",
    "no /dev": "mount -t tmpfs -o ro none /dev",
    "a root that is read-only": 'mount --bind "$STATE" "$STATE"; mount -o remount,ro,bind /',
}
REFUSED = {
    "few descriptors": ("ulimit -n 16", 2, "a process may open 16"),
    "little memory": ("ulimit -v 120000", 2, "of memory mapped (RLIMIT_AS), and needs"),
    "no /proc": ("umount -l /proc", 2, "blockd needs /proc"),
}
SINKHOLE = ["127.0.0.1"]


def _may_unshare() -> bool:
    program = shutil.which("unshare")
    return program is not None and subprocess.run([program, "-m", "true"], check=False).returncode == 0  # noqa: S603


class OddStart:
    """One daemon that a shell starts after having done something odd."""

    def __init__(self, folder: Path, *, unshared: Sequence[str] = ()) -> None:
        self.odd = folder / "odd"
        (self.odd / "clock").mkdir(parents=True)
        (self.odd / "clock" / "sitecustomize.py").write_text("import time\ntime.time = lambda: 3.0\n", encoding="ascii")
        self.daemon = Daemon(folder / "daemon", {"name": "n", "type": "domains", "path": "list"}, workers=1)
        write_list(self.daemon.folder / "list", ["listed.example"])
        self.daemon.write_config()
        self._unshared = unshared
        self.errors = folder / "errors"
        self.process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self, *before: str, output: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Start it after the words of `before`; it is killed at the end."""
        self.daemon.state_dir.mkdir(exist_ok=True)
        script = "\n".join(["set -e", *before, f"exec {sys.executable} -m blockd run --config {self.daemon.config}"])
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "STATE": str(self.daemon.state_dir), "ODD": str(self.odd)}
        shell = ["/bin/bash", "-c", script]
        with self.errors.open("wb") as errors:
            files = errors if output is None else output
            process = subprocess.Popen(  # noqa: S603 - our own programs
                [*self._unshared, *shell] if self._unshared else shell,
                cwd=self.daemon.folder, env=environment, stdin=subprocess.DEVNULL, stdout=files, stderr=files,
                start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)

    def said(self) -> str:
        """Return what it has printed."""
        return self.errors.read_text(encoding="utf-8")

    def until_it_blocks(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it answers a listed name as it should."""

        def blocks() -> bool:
            assert process.poll() is None, self.said()
            return self.daemon.ask("listed.example", timeout=0.5).addresses == SINKHOLE

        until(blocks, "it blocks", START_PATIENCE)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End it: well, and without having failed."""
        process.terminate()
        assert process.wait(PATIENCE) == 0, self.said()
        assert "Traceback" not in self.said()
        assert "internal error" not in self.said()


def _unshared() -> list[str]:
    return ["unshare", "-m", "--propagation", "private"] if _may_unshare() else []


def test_all_oddities_at_once(tmp_path: Path) -> None:
    unshared = _unshared()
    start = OddStart(tmp_path, unshared=unshared)
    before = [*BORNE.values(), *(MOUNTS.values() if unshared else ())]
    before.sort(key=lambda words: words.startswith("exec"))  # the streams last, so that a failure is seen
    with start.running(*before) as process:
        start.until_it_blocks(process)
        for path, entry in entries_of(start.daemon.state_dir).items():
            assert stat.S_ISLNK(entry.st_mode) or not entry.st_mode & stat.S_IWOTH, path
            assert entry.st_mode & stat.S_IRUSR, path
        start.end(process)


@pytest.mark.skipif(not LONG, reason="with BLOCKD_LONG=1")
@pytest.mark.parametrize("oddity", [*BORNE, *MOUNTS])
def test_one_oddity(tmp_path: Path, oddity: str) -> None:
    unshared = _unshared()
    if oddity in MOUNTS and not unshared:
        pytest.skip("this user may not make a mount namespace")
    start = OddStart(tmp_path, unshared=unshared)
    with start.running((BORNE | MOUNTS)[oddity]) as process:
        start.until_it_blocks(process)
        start.end(process)


@pytest.mark.parametrize("oddity", REFUSED)
def test_what_cannot_be_borne_is_one_sentence(tmp_path: Path, oddity: str) -> None:
    words, code, sentence = REFUSED[oddity]
    unshared = _unshared()
    if "mount" in words and not unshared:
        pytest.skip("this user may not make a mount namespace")
    start = OddStart(tmp_path, unshared=unshared)
    with start.running(words) as process:
        assert process.wait(START_PATIENCE) == code, start.said()
    assert sentence in start.said()
    assert "Traceback" not in start.said()


def test_log_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    start = OddStart(tmp_path)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    try:
        with start.running(output=writing) as process:
            start.until_it_blocks(process)
            write_list(start.daemon.folder / "list", ["listed.example", "later.example"])
            process.send_signal(signal.SIGHUP)
            until(lambda: start.daemon.ask("later.example").addresses == SINKHOLE, "it goes on")
            start.end(process)
    finally:
        os.close(reading)
        os.close(writing)


def test_first_process_of_a_container_waits_for_orphans(tmp_path: Path) -> None:
    if not _may_unshare():
        pytest.skip("this user may not make a namespace")
    start = OddStart(tmp_path, unshared=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    # Before it becomes the daemon, the shell leaves a child whose own child outlives it.
    with start.running("(sleep 1 & sleep 1 & exec sleep 0.1) &") as process:
        start.until_it_blocks(process)
        first = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()[0])

        def states() -> list[str]:
            children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii").split()
            return [Path(f"/proc/{child}/comm").read_text().strip() for child in children]

        until(lambda: all(name.startswith("blockd") for name in states()), "only its own are left")
        assert len(states()) == 3
        os.kill(first, signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, start.said()
    assert " ended (" not in start.said()


FULL = """cp -a "$STATE/." "$ODD/copy"; mount -t tmpfs -o size=600k none "$STATE"; cp -a "$ODD/copy/." "$STATE"
cat /dev/zero > "$STATE/fill" 2> /dev/null || true"""
READ_ONLY = 'mount --bind "$STATE" "$STATE"; mount -o remount,ro,bind "$STATE"'


@pytest.mark.parametrize(
    ("words", "alarm"), [(READ_ONLY, "BlockdStateReadOnly"), (FULL, "BlockdDiskShort")], ids=["read-only", "full"]
)
def test_state_that_cannot_be_written_is_enforced_and_told(tmp_path: Path, words: str, alarm: str) -> None:
    if not _may_unshare():
        pytest.skip("this user may not make a mount namespace")
    start = OddStart(tmp_path, unshared=_unshared())
    with start.running() as process:
        start.until_it_blocks(process)
        start.end(process)
    (start.daemon.state_dir / "reserve").unlink(missing_ok=True)
    (start.odd / "copy").mkdir()
    new = {"name": "new", "type": "domains", "path": "list"}  # a feed that has no folder yet
    start.daemon.settings["feeds"] = [*cast("list[object]", start.daemon.settings["feeds"]), new]
    start.daemon.write_config()
    with start.running(words) as process:
        start.until_it_blocks(process)
        until(lambda: alarm in [one["name"] for one in start.daemon.status()["alarms"]], "it is told")
        assert start.daemon.get("/readyz")[0] == 200
        start.end(process)


def test_read_only_state_without_a_ruleset_is_told_and_names_are_resolved(tmp_path: Path) -> None:
    if not _may_unshare():
        pytest.skip("this user may not make a mount namespace")
    start = OddStart(tmp_path, unshared=_unshared())
    with start.running('mount -t tmpfs -o ro none "$STATE"') as process:
        until(lambda: start.daemon.ask("open.example", timeout=0.5).rcode == "NXDOMAIN", "it resolves", START_PATIENCE)
        until(lambda: start.daemon.get("/readyz")[0] == 503, "it is not ready")
        assert "BlockdStateReadOnly" in [one["name"] for one in start.daemon.status()["alarms"]]
        start.end(process)

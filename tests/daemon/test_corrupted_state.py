"""Every file of a node's state, corrupted in turn: the next start recovers, or ends with a sentence.

Meanwhile nothing is enforced that no source lists, or no longer has its authority's signature.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from blockd.audit import AuditLog, AuditRecorder
from blockd.compile.built import Built
from blockd.daemon.channel import pair
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.ruleset_switcher import RulesetSwitcher
from blockd.daemon.state_dir import StateDir
from blockd.daemon.switching import Store, WorkerLink
from blockd.daemon.timing import Timing
from blockd.daemon.update.compile_child import Compiler, Compiling, Job, _compiled
from blockd.daemon.update.current_gate import CurrentGate
from blockd.daemon.update.expiry import ended
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.update.feed_state import FeedState
from blockd.daemon.update.updater import Updater
from blockd.daemon.workers import Workers
from blockd.errors import CommandError
from blockd.names import key_from_text
from blockd.resolver import SelfTestKey
from blockd.ruleset import Gate
from blockd.ruleset.gate.lists import gate_of
from blockd.ruleset.versions.keeping import Retention
from blockd.selftest import SelfTests
from blockd.settings import Settings, load
from tests.daemon.harness import PATIENCE, Daemon, everywhere, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
LISTED = ("signed.example", "listed.example", "later.example")
INNOCENT = {"open-1.example": ["192.0.2.1"], "open-2.example": ["192.0.2.2"]}
FOUND = 15  # files that a node has at least; fewer would mean that the test looks in the wrong place


def _other_name(path: Path) -> None:
    """Write another name of the same length over each that is listed."""
    content = path.read_bytes()
    for listed, other in ((b"signed", b"open-1"), (b"listed", b"open-2")):
        content = content.replace(listed, other)
    path.write_bytes(content)


def _folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def _unreadable(path: Path) -> None:
    """Let nobody read it, root neither."""
    path.unlink()
    path.symlink_to(path.name)


def _link(path: Path) -> None:
    """Put the file somewhere else, and a link in its place: nobody but blockd may choose what it opens."""
    elsewhere = path.with_name(f"{path.name}-elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "random octets": lambda path: path.write_bytes(random.Random(7).randbytes(max(64, path.stat().st_size))),  # noqa: S311
    "other names": _other_name,
    "a folder": _folder,
    "unreadable": _unreadable,
    "a link": _link,
    "a pipe": _pipe,
    "gone": lambda path: path.unlink(),
}


@dataclass
class Node:
    """A daemon that has run, and its state as it was left."""

    daemon: Daemon
    left: Path

    def files(self) -> list[Path]:
        """Return every file of the state, from its folder."""
        return sorted(path.relative_to(self.left) for path in self.left.rglob("*") if path.is_file())

    def restore(self) -> None:
        """Restore the state of the daemon."""
        if self.daemon.state_dir.exists():
            shutil.rmtree(self.daemon.state_dir)
        shutil.copytree(self.left, self.daemon.state_dir)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Node:
    folder = tmp_path_factory.mktemp("node")
    publisher = Publisher(folder / "authority")
    publisher.order("order-1", ["signed.example"])
    publisher.publish()
    write_list(folder / "list", ["listed.example", "first.example"])
    national = {"name": "national", "type": "domains", "path": str(folder / "list"), "interval": "200ms"}
    daemon = Daemon(folder / "daemon", publisher.feed(), national, upstream=resolver.address, workers=1)
    daemon.write_config()

    async def run() -> None:
        settings = load(daemon.config)
        async with begun(settings, gate_of(settings.gate)) as (enforcing, updater):
            await updater.refresh(None)
            write_list(folder / "list", ["listed.example", "other.example"])
            await updater.refresh(None)
            assert enforcing.enforced is not None
            assert enforcing.enforced.version == 2
            await enforcing.roll_back(2, "A pin is a file too.")

    with pytest.MonkeyPatch.context() as patch:
        compile_here(patch)
        asyncio.run(run())
    left = folder / "left"
    shutil.copytree(daemon.state_dir, left)
    publisher.order("order-2", ["later.example"])  # so that each start has something to compile
    publisher.publish()
    return Node(daemon, left)


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_is_corrupted_a_start_recovers_or_ends_with_a_sentence(
    node: Node, damage: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file in turn, with all of the daemon's code for starts and feeds, and none of its processes."""
    compile_here(monkeypatch)
    files = node.files()
    assert len(files) >= FOUND, files
    settings = load(node.daemon.config)
    gate = gate_of(settings.gate)  # of files that are not the node's: read once
    wrong = []
    for path in files:
        node.restore()
        DAMAGES[damage](node.daemon.state_dir / path)
        caplog.clear()
        with contextlib.suppress(CommandError):  # which is a sentence
            try:
                told = asyncio.run(enforced_after_a_start(settings, gate))
            except (OSError, AssertionError) as error:
                wrong.append(f"{path}: {error!r}")
                continue
            if told != dict.fromkeys(LISTED, True) | dict.fromkeys(INNOCENT, False):
                wrong.append(f"{path}: {told}")
        wrong += [f"{path}: {record.message}" for record in caplog.records if record.exc_info]
    assert wrong == []


def test_the_folder_of_a_feed_is_kept_whatever_its_name(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    for name in ("current", "accepted", "compiled"):
        (state.feed_folder(name) / "waiting").mkdir(parents=True)
        (state.feed_folder(name) / "trusted" / "accepted").mkdir(parents=True)
    state.tidy()
    for name in ("current", "accepted", "compiled"):
        assert [path.name for path in state.feed_folder(name).iterdir()] == ["trusted"]
        assert (state.feed_folder(name) / "trusted" / "accepted").is_dir()


async def enforced_after_a_start(settings: Settings, gate: Gate) -> dict[str, bool]:
    """Return which names are enforced once all feeds were seen."""
    async with begun(settings, gate) as (enforcing, updater):
        if enforcing.enforced is not None:
            assert not any(verdicts(enforcing, INNOCENT).values()), "something that nobody lists is enforced"
        if enforcing.is_held:
            await enforcing.release()
        await updater.refresh(None)
        await updater.refresh(None)  # what was lost is fetched anew with the next look
        assert not any(tracked.refusal for tracked in updater.feeds.values())
        return verdicts(enforcing, (*LISTED, *INNOCENT))


@contextlib.asynccontextmanager
async def begun(settings: Settings, gate: Gate) -> AsyncIterator[tuple[RulesetSwitcher, Updater]]:
    """Start as the supervisor and the control process do, without workers."""
    now = time.time()
    state = StateDir(settings.state_dir)
    lock = state.take_lock()
    ours, theirs = pair()
    enforcing: RulesetSwitcher | None = None
    try:
        state.secure()
        state.tidy()
        slots = HitSlots(state.folder / "hit-slots.json")
        known = [(feed, FeedState.load(state.feed_folder(feed.name))) for feed in settings.feeds]
        version = state.last_good(slots, now, ended(known, now))
        slots.save()
        timing = Timing()
        feeds = FeedSet.load(settings.feeds, state.feed_folder, gate, timing)
        recorder = AuditRecorder(AuditLog(state.folder), settings.feeds, time.time)
        store = Store(state, HitSlots.load(state.folder / "hit-slots.json"), Retention(5, 1 << 40))
        tests = SelfTests(settings, SelfTestKey.make(os.urandom))
        enforcing = RulesetSwitcher(store, WorkerLink(Workers(0, {}), ours), feeds, tests, recorder, timing)
        await enforcing.begin(version)
        updater = Updater(feeds, Compiling(CurrentGate(gate), state.folder / "compiled"), enforcing, recorder, timing)
        yield enforcing, updater
        await enforcing.close()
    finally:
        if enforcing is not None and enforcing.enforced is not None:
            enforcing.enforced.close()
        ours.close()
        theirs.close()
        lock.close()


def compile_here(patch: pytest.MonkeyPatch) -> None:
    """Compile in this process, which is quick, and always from what each feed gave."""

    async def compiled(_: Compiler, job: Job) -> Built:
        return _compiled(job)

    patch.setattr(Compiler, "compile", compiled)
    patch.setattr(Compiler, "prepare", lambda _: None)
    patch.setattr("blockd.daemon.update.compile_child.amend", lambda *_, **__: None)


def verdicts(enforcing: RulesetSwitcher, names: Iterable[str]) -> dict[str, bool]:
    """Return whether each name is touched."""
    assert enforcing.enforced is not None
    enforced = enforcing.enforced
    return {name: enforced.verdict(key_from_text(name)).touches for name in names}


@pytest.mark.parametrize("number", range(len(DAMAGES)))
def test_a_daemon_on_a_corrupted_state_recovers_or_ends_with_a_sentence(node: Node, number: int) -> None:
    """One file of each kind, the damages going round."""
    kinds = {(path.parts[0], path.suffix, path.parent.name): path for path in node.files()}
    for place, path in enumerate(kinds.values()):
        if place % len(DAMAGES) == number:
            damage = list(DAMAGES)[(place * 3 + 1) % len(DAMAGES)]
            node.restore()
            DAMAGES[damage](node.daemon.state_dir / path)
            _assert_recovers_or_says_why(node, f"{path} {damage}")


def _assert_recovers_or_says_why(node: Node, what: str) -> None:
    daemon = node.daemon
    logged = len(daemon.log)
    daemon.launch()
    assert daemon.process is not None
    try:
        if daemon.has_begun():
            # It is refused where the pin itself was corrupted.
            daemon.post("/api/rollback", {"release": True, "reason": "To see."})
            everywhere(
                lambda: all(daemon.ask(name).addresses == SINKHOLE for name in LISTED), f"{what}: all is enforced"
            )
            told = {name: daemon.ask(name).addresses for name in INNOCENT}
            assert told == INNOCENT, what
        else:
            assert daemon.process.wait(PATIENCE) == 2, what
    finally:
        if daemon.process.poll() is None:
            daemon.process.terminate()
            daemon.process.wait(PATIENCE)
        daemon.destroy()
    log = daemon.log[logged:]
    assert "Traceback" not in log, f"{what}:\n{log}"
    assert "internal error" not in log, f"{what}:\n{log}"

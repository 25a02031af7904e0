"""Twenty hours of a node in fast motion: publications with faults sprinkled in, and what has to be so after each."""

from __future__ import annotations

import contextlib
import datetime
import random
import shutil
import stat
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

from blockd.audit.log import DATABASE
from blockd.audit.verifying import verify_log
from blockd.feeds.fetched import Validators
from blockd.feeds.kinds import open_source
from blockd.feeds.signed import side_by_side
from blockd.feeds.source import FeedSource
from blockd.names.suffixes import parse_suffixes
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.gate.guard import Guard
from blockd.settings import Feed, SignedFeed
from blockd.times import time_text
from tests.daemon.harness import entries_of
from tests.daemon.parts import ManualTime
from tests.feeds.transfer.primary import Primary
from tests.feeds.tuf.repository import NOW, Repository
from tests.worlds.motion.figures import Figures
from tests.worlds.motion.lists import FEEDS, Lists, Pages
from tests.worlds.motion.mirrors import FAULTS, WAITED, Mirror, MirroredSource
from tests.worlds.motion.publishers import ROLES, Publishers
from tests.worlds.node import Node
from tests.worlds.views import RESOLVED, verdict_of

KEEP = 5  # versions, by the config
STEP = 72.0  # seconds from one publication to the next: a thousand of them take twenty hours
LATEST = 5.0  # seconds from a good order or lifting to its enforcement
SIGNED = "orders"
POLLS_BETWEEN = 2  # of the signed feed until the next publication
POLLS = 6  # polls after which an order that is not enforced is given up
SHORT = 64 << 20  # octets that are free on a disk that is short: enforcement has room, evidence has not
NEVER = ("bad.example", "evil.example", "never.bulk.example", "never.zone.example", "never.transfer.example")
GATE = Gate(guard=Guard.of(parse_suffixes("example\n"), [], [], "of the story"))


class MotionNode(Node):
    """A node whose signed feed has simulated mirrors; the others are fetched and transferred as ever."""

    mirrors: tuple[Mirror, ...] = ()

    def _source(self, feed: Feed, folder: Path, validators: Validators) -> FeedSource:
        if isinstance(feed, SignedFeed):
            return MirroredSource(feed, folder, self.mirrors, self.time.clock, self.time.clock)
        return open_source(feed, folder, validators)

    def shown_mirrors(self) -> list[dict[str, object]]:
        """Return what `blockd status` shows of the mirrors."""
        return self.control.parts.feeds[SIGNED].source.mirrors


class Story:
    """The story of `seed`; `told` says what happened last, for the report of a failure."""

    def __init__(self, folder: Path, served: Pages, primary: Primary, seed: int) -> None:
        self.chosen = random.Random(seed)  # noqa: S311 - a story is told again from its seed
        self._sampled = random.Random(seed)  # noqa: S311 - another one, so that checks change no story
        self.time = ManualTime(NOW.timestamp())
        self.figures = Figures()
        self.told: deque[str] = deque(maxlen=12)
        self.repository = Repository()
        self.publishers = Publishers(self.repository, self.chosen)
        self.lists = Lists(served, primary, self.chosen)
        self.mirrors = tuple(Mirror(f"http://{name}.example", self.repository) for name in ("one", "two"))
        self._state = folder / "state"
        root = folder / "root.json"
        root.write_bytes(self.repository.first_root)
        one, two = (mirror.url for mirror in self.mirrors)
        signed = {"name": SIGNED, "type": "signed", "url": one, "mirrors": [two], "root": str(root), "priority": 10}
        config = {
            "state_dir": str(self._state), "feeds": [signed, *self.lists.config()],
            "versions": {"keep": KEEP},
        }  # fmt: skip
        self.node = MotionNode(folder, config, GATE, self.time)
        self.node.mirrors = self.mirrors
        self._interval = self.node.settings.feeds[0].poll_interval
        self._ordered: Mapping[str, str] = {}  # what has to be enforced by orders, and
        self._listed: Mapping[str, str] = {}  # by lists
        self._models: dict[int, Mapping[str, str]] = {}  # by version
        self._pinned: Mapping[str, str] | None = None
        self._overrides: dict[str, float] = {}  # until when, by name
        self._names = deque[str](maxlen=40)  # that orders were about

    async def begin(self) -> None:
        """Start with a first content of every feed."""
        await self.node.start()
        await self.node.control.refresh(list(FEEDS))
        await self._poll()
        self._names.extend(one.name for role in ROLES for one in self.publishers.orders[role].values())
        self._ordered, self._listed = self._said(), self.lists.expected
        self._check()

    async def step(self) -> None:
        """Have something published, and perhaps something go wrong, and check all of it."""
        until = self.time.now + STEP
        self.told.append(f"--- at {time_text(self.time.now)}")
        self._change_mirrors()
        await self._operate()
        with self._perhaps_short():
            await self._publish_lists()
            await self._publish_orders()
            self._check()
        pause = max(until - self.time.now, 0.0) / POLLS_BETWEEN
        for _ in range(POLLS_BETWEEN):
            self._pass(pause)
            await self._poll()
        self._check()
        self._measure()

    async def end(self) -> None:
        """Have all be good again, and check that all of it heals."""
        for mirror in self.mirrors:
            mirror.begin("")
        if self._pinned is not None:
            await self._release()
        self.lists.heal()
        self.lists.heed(*FEEDS)
        self._pass(STEP)
        await self.node.control.refresh(list(FEEDS))
        self._listed = self.lists.expected
        await self._take(self.publishers.publish(self.time.now))
        self._check()
        await self.node.stop()
        self.verify()

    def verify(self) -> None:
        """Check that `audit verify` finds the log whole."""
        self.node.log.wait()
        told = verify_log(self._state / DATABASE, {SIGNED: [self.repository.first_root]})
        assert not told.problem, told.problem
        assert told.proved, "no signed list is proved"

    def _happens(self, share: float, what: str = "") -> bool:
        happens = self.chosen.random() < share
        if happens and what:
            self._note(what)
        return happens

    def _note(self, fault: str) -> None:
        self.figures.faults[fault] += 1
        self.told.append(fault)

    def _pass(self, seconds: float) -> None:
        self.node.pass_time(seconds)
        self.repository.now = datetime.datetime.fromtimestamp(self.time.now, datetime.UTC)

    def _change_mirrors(self) -> None:
        """Have one mirror misbehave, or none, or rarely both be dead.

        One that misbehaved counts as good once the node has asked it again, which it does after a pause.
        """
        if not self._happens(0.5):
            return  # as before
        paused = {mirror["url"] for mirror in self.node.shown_mirrors() if mirror["refusal"]}
        bad = self.chosen.choice([mirror for mirror in self.mirrors if not paused or mirror.url in paused])
        for mirror in self.mirrors:
            mirror.begin("")
        if self._happens(0.05, "mirrors: both dead"):
            for mirror in self.mirrors:
                mirror.begin("dead")
        elif len(paused) < len(self.mirrors) and self._happens(0.8):
            bad.begin(self.chosen.choice(FAULTS))
            self._note(f"mirror: {bad.fault}")
            self.told.append(f"of {bad.url}")

    @contextlib.contextmanager
    def _perhaps_short(self) -> Iterator[None]:
        """Have the disk be short meanwhile, rarely."""
        if not self._happens(0.04, "disk short"):
            yield
            return
        usage = shutil.disk_usage(self._state)._replace(total=400 << 20, used=(400 << 20) - SHORT, free=SHORT)
        with mock.patch("shutil.disk_usage", return_value=usage):
            yield

    async def _operate(self) -> None:
        """Have the operator do something: overrides, pins and releases, restarts."""
        control = self.node.control
        names = [name for name in self._names if name not in self._overrides]
        if names and self._happens(0.1, "override"):
            name, until = self.chosen.choice(names), self.time.now + self.chosen.choice((30.0, 600.0, 7200.0))
            asked = {"name": name, "reason": "A reason.", "until": time_text(until), "scope": "exact"}
            await control.override("add", asked)
            self._overrides[name] = float(int(until))
        elif self._overrides and self._happens(0.1, "override ended"):
            name = self.chosen.choice(list(self._overrides))
            await control.override("end", {"name": name, "reason": "It is over."})
            del self._overrides[name]
        if self._pinned is not None and self._happens(0.5, "release"):
            await self._release()
        elif self._happens(0.04):
            await self._pin()
        if self._happens(0.04, "restart"):
            self.node.log.wait()
            await self.node.stop()
            await self.node.start()
            await self._poll()

    async def _pin(self) -> None:
        kept = [version for version in self.node.control.parts.state.versions.all() if version in self._models]
        if kept:
            version = self.chosen.choice(kept)
            self._note("rollback")
            self.told.append(f"to version {version}")
            self._pinned = self._models[version]
            await self.node.control.rollback(version, "A reason.")

    async def _release(self) -> None:
        await self.node.control.release("It is over.")
        self._pinned = None
        await self.node.control.refresh(list(FEEDS))
        await self._poll()

    async def _publish_lists(self) -> None:
        """Have the list and the zones publish, well or badly; what is bad changes nothing."""
        lists, polled = self.lists, list[str]()
        for name, publish, fail, taken in (
            ("bulk", lists.publish_list, lists.fail_list, ("faulty-line",)),
            ("zone", lists.publish_zone, lists.fail_zone, ("conflict",)),
            ("transferred", lists.publish_transfer, lists.fail_transfer, ("bad-differences",)),
        ):
            if not self._happens(0.25):
                continue
            polled.append(name)
            if self._happens(0.5):
                fault = fail()
                self._note(f"{name}: {fault}")
                is_good = fault in taken
            else:
                publish()
                self.told.append(f"{name}: news")
                is_good = True
            self.figures.publications += 1
            if is_good:
                lists.heed(name)
        if polled:
            control = self.node.control
            result = await control.refresh(polled)
            self.told.append(str(result.to_json()))
            if "The zone is fetched whole" in str(result.to_json()):
                await control.refresh(["transferred"])  # as the hint has it that such a refusal leaves
            self._listed = self.lists.expected

    async def _publish_orders(self) -> None:
        """Have an authority publish, well or badly, and wait until what is good of it is in force."""
        publishers, now, dice = self.publishers, self.time.now, self.chosen.random()
        self.figures.publications += 1
        if dice < 0.05 and not any(mirror.fault for mirror in self.mirrors):  # else the only fresh mirror is paused
            self._note(f"repository: {publishers.publish_whole_fault(now)}")
            await self._poll()
            return
        if dice < 0.2:
            fault, name = publishers.publish_order_fault(now)
            self._note(f"order: {fault}")
        elif dice < 0.3:
            fault, name = publishers.publish_part_fault(now)
            self._note(f"authority: {fault}")
        else:
            name = publishers.publish(now)
        await self._take(name)

    async def _take(self, name: str) -> None:
        """Poll until what is published of a name is in force, and note how long that took."""
        published = self.time.now
        self._names.append(name)
        self.told.append(f"{name} has to be {self.publishers.expected(name) or RESOLVED}")
        if self._pinned is not None or not self._has_good_mirror:
            await self._poll()
            return
        self._pass(self.chosen.uniform(0.0, 1.1) * self._interval)
        for _ in range(POLLS):
            await self._poll()
            if not self._wrong():
                break
            self._pass(self.chosen.uniform(0.9, 1.1) * self._interval)
        self.figures.latencies.append(self.time.now - published)
        late = f"{name} came into force after {self.figures.latencies[-1]:.1f} s: {self._wrong()}"
        assert self.figures.latencies[-1] <= LATEST, late

    async def _poll(self) -> None:
        """Poll the signed feed, which takes longer where a silent mirror is asked."""
        for mirror in self.mirrors:
            mirror.was_waited_for = False
            mirror.released.clear()
        is_silent = any(mirror.fault == "silent" for mirror in self.mirrors)
        with mock.patch.object(side_by_side, "PATIENCE", 0.02 if is_silent else 60.0):  # a busy machine is no fault
            result = await self.node.control.refresh([SIGNED])
        self.told.append(str(result.to_json()["feeds"]))
        for mirror in self.mirrors:
            mirror.released.set()
        self._pass(WAITED if any(mirror.was_waited_for for mirror in self.mirrors) else 0.0)
        if self.publishers.is_good and self._has_good_mirror:
            self._ordered = self._said()

    @property
    def _has_good_mirror(self) -> bool:
        return any(not mirror.fault for mirror in self.mirrors)

    def _said(self) -> dict[str, str]:
        """Return what the authorities' orders say now, by name."""
        names = {one.name for orders in self.publishers.orders.values() for one in orders.values()}
        return {name: action for name in names if (action := self.publishers.expected(name))}

    @property
    def _model(self) -> Mapping[str, str]:
        """What has to be enforced, by name, without overrides."""
        return {**self._listed, **self._ordered} if self._pinned is None else self._pinned

    def _wrong(self) -> dict[str, tuple[str, str]]:
        """Return the names of which something else is enforced than has to be, with both."""
        model = self._model
        listed = self._sampled.sample(sorted(self.lists.expected), 8)
        wrong = {}
        for name in dict.fromkeys((*self._names, *listed, *self.lists.gone, *NEVER)):
            right = RESOLVED if name in self._overrides else model.get(name, RESOLVED)
            if (found := verdict_of(self.node, name)) != right:
                wrong[name] = found, right
        return wrong

    def _check(self) -> None:
        """Check what is enforced against the model, and the file that it is enforced from."""
        self._overrides = {name: until for name, until in self._overrides.items() if self.time.now < until}
        wrong = self._wrong()
        assert not wrong, f"(found, right): {wrong}"
        enforced = self.node.control.parts.enforced
        assert enforced is not None
        Ruleset.open(enforced.ruleset.path, verify=True).close()
        kept = set(self.node.control.parts.state.versions.all())
        self._models[enforced.version] = self._model
        self._models = {version: model for version, model in self._models.items() if version in kept}

    def _measure(self) -> None:
        versions, log, other = self.node.control.parts.state.versions, 0, 0
        for path, entry in entries_of(self._state).items():
            size = entry.st_size if stat.S_ISREG(entry.st_mode) else 0
            log += size if path.name.startswith(DATABASE) else 0
            other += size if not path.name.startswith(DATABASE) and versions.folder not in path.parents else 0
        self.figures.versions.append(len(versions.all()))
        self.figures.logs.append(log)
        self.figures.sizes.append(other)

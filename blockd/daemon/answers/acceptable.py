"""What accepting a feed's refused content would change, for the admin port: found by child processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blockd.daemon.answers.differences import LIMIT, Differ
from blockd.daemon.operator.accepting import STAYS
from blockd.daemon.update.compile_child import Job, RulesetCompiler
from blockd.daemon.update.current_gate import CurrentGate
from blockd.daemon.update.disk_room import DiskRoom
from blockd.daemon.update.feed_set import FeedSet
from blockd.errors import CommandError, RulesetError, cause_of
from blockd.feeds.fetched import Fetched
from blockd.ruleset import Ruleset
from blockd.ruleset.gate.guard_report import GuardReport

FILE = "preview"  # of the ruleset in the folder of those that are made, and of the content in its feed's
KEPT = 16  # previews that are remembered, of some 100 KB each: one takes as long as a version to be made


@dataclass(frozen=True, slots=True)
class AcceptPreview:
    """A feed's refused content, and what taking it would change; `changes` is None if no ruleset is in force.

    `names` are those of the feed if it is taken, `before` those in force, `rejected` is a number of lines.
    """

    feed: str
    digest: str
    reason: str
    sentence: str
    before: int
    names: int
    rejected: int
    held: GuardReport
    changes: Mapping[str, Any] | None

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, as `blockd accept --show --json` does."""
        return {
            "feed": self.feed,
            "digest": self.digest,
            "refused": {"reason": self.reason, "sentence": self.sentence},
            "names_before": self.before,
            "names": self.names,
            "rejected": self.rejected,
            "held": self.held.to_json(),
            "changes": self.changes,
        }


_Key = tuple[str, str, Path | None]  # a feed, the digest of its content, and the ruleset in force


class _WouldBeRefused(CommandError):
    """A content that cannot be accepted, since it would be refused for another reason."""

    def __init__(self, sentence: str, digest: str) -> None:
        super().__init__(sentence)
        self.digest = digest


class AcceptPreviews:
    """Finds what acceptances would change, one at a time, and remembers the last ones; files are made in `folder`.

    So whoever asks again and again costs one compilation for each content that was refused and each version in force.

    The compiler among `tools` is one of its own, so that nobody waits for what is only looked at. `popular` is the file
    of popular names.
    """

    def __init__(
        self,
        feeds: FeedSet,
        gate: CurrentGate,
        ruleset: Callable[[], Ruleset | None],
        tools: tuple[RulesetCompiler, Differ],
        folder: Path,
        room: DiskRoom,
        popular: Path | None,
    ) -> None:
        self._feeds = feeds
        self._gate = gate
        self._ruleset = ruleset
        self._compiler, self._differ = tools
        self._path = folder / FILE
        self._room = room
        self._popular = popular
        self._turn = asyncio.Lock()
        self._known: OrderedDict[_Key, AcceptPreview | _WouldBeRefused] = OrderedDict()

    async def preview(self, name: str) -> AcceptPreview:
        """Return what accepting would change; raises CommandError if there is nothing, or it cannot be read."""
        self._refused(name)  # at once, and not in turn
        async with self._turn:
            ruleset = self._ruleset()
            in_force = ruleset.path if ruleset else None
            key = name, self._refused(name).digest, in_force
            found = self._known.get(key)
            if found is None:
                try:
                    found = await self._found(name, ruleset)
                except _WouldBeRefused as refusal:
                    found = refusal
                self._remember((name, found.digest, in_force), found)
            if isinstance(found, _WouldBeRefused):
                raise CommandError(str(found))
            return found

    def _remember(self, key: _Key, found: AcceptPreview | _WouldBeRefused) -> None:
        """Remember what was found, as long as the same version is in force."""
        for other in [other for other in self._known if other[2] != key[2]]:
            del self._known[other]
        self._known[key] = found
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    async def _found(self, name: str, ruleset: Ruleset | None) -> AcceptPreview:
        if not self._room.keeps_history:
            raise CommandError(
                f"There is too little room on the disk to look at it. {STAYS} {self._room.what_is_left()}"
            )
        managed = self._feeds[name]
        content = managed.state.folder / FILE
        try:
            fetched = self._linked(name, content)
            candidates = [self._feeds.candidate(one, fetched if one == name else None) for one in self._feeds]
            in_force = ruleset.path if ruleset else None
            reports = self._feeds.rejects(), self._feeds.held()
            refused = managed.state.refused
            built = await self._compiler.compile(Job(candidates, self._path, self._gate.now, in_force, *reports))
            if name in built.refused:
                raise _WouldBeRefused(
                    f"Feed {name} would be refused nevertheless: {built.refused[name]} {STAYS}", fetched.digest
                )
            record = built.records.get(name)
            if built.header is None or record is None or refused is None:
                raise CommandError(f"The contents of the feeds cannot be read now. {STAYS} Ask again.")
            told = await self._differ(in_force, self._path, LIMIT, self._popular) if in_force else None
        except RulesetError as error:
            raise CommandError(f"What it would change could not be found: {error}. {STAYS}") from error
        except OSError as error:
            raise CommandError(
                f"The refused content of feed {name} cannot be read: {cause_of(error)}. {STAYS}"
            ) from error
        finally:
            for path in (self._path, content):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        before = ruleset.catalogue.feed(name) if ruleset else None
        return AcceptPreview(
            name, fetched.digest, refused.reason, refused.sentence, before.names if before else 0, record.names,
            record.rejected, built.held.get(name, GuardReport()), told,
        )  # fmt: skip

    def _linked(self, name: str, content: Path) -> Fetched:
        """Return the refused content under a name of its own, so that a newer one does not take its place meanwhile."""
        fetched = self._refused(name)
        content.unlink(missing_ok=True)
        os.link(fetched.path, content)
        return replace(fetched, path=content, waived=True, read_alone=True)

    def _refused(self, name: str) -> Fetched:
        self._feeds.must_have([name])
        managed = self._feeds[name]
        if managed.state.refused is None:
            why = f" What it is refused for cannot be waived: {managed.refusal}" if managed.refusal else ""
            raise CommandError(f"Feed {name} has no content that the gate has refused. {STAYS}{why}")
        return managed.state.refused.fetched

"""The version that an operator went back to, and what is enforced of it: with the overrides of now on top.

rulesets/pinned        the number of that version (`blockd.ruleset.versions.kept`)
rulesets/pinned.json   since when, and why; for people only
compiled-pinned        a ruleset while it is made
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass

from blockd.compile.news import News
from blockd.compile.pinned import Overrides, content_with, digest_in, with_overrides
from blockd.daemon.state_dir import StateDir
from blockd.daemon.timing import Timing
from blockd.daemon.update.feed_set import FeedSet
from blockd.errors import FeedRefused, RulesetError
from blockd.feeds.fetched import Fetched
from blockd.feeds.signed.bundle import read_bundle
from blockd.files import read_kept, replace_file
from blockd.orders.operator_line import MAX_LINE
from blockd.ruleset import Catalogue, Enforced, Ruleset
from blockd.ruleset.format import MAX_TIME
from blockd.settings.feeds import OVERRIDES
from blockd.times import time_text

COMPILED = "compiled-pinned"  # in the state folder
MAX_PIN = 16 << 10  # octets of pinned.json: a reason, all of it escaped


@dataclass(frozen=True, slots=True)
class Pin:
    """A version that an operator went back to, since when (seconds since the epoch, if that is known), and why."""

    version: int
    since: int | None = None
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        since = time_text(self.since) if self.since is not None else None
        return {"version": self.version, "since": since, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class NextVersion:
    """A version kept that is to be enforced; `base` is the one it was made from by other overrides, None if by none.

    `news` is None unless it has just been made.
    """

    version: int
    base: int | None = None
    news: News | None = None


class Pinning:
    """The pin in the folder of versions, and the versions made from others with the overrides of `feeds`."""

    def __init__(self, state: StateDir, feeds: FeedSet, timing: Timing) -> None:
        self._state = state
        self._versions = state.versions
        self._details = state.versions.folder / "pinned.json"
        self._feeds = feeds
        self._timing = timing
        self.pin = self._read()

    def set(self, pin: Pin | None) -> None:
        """Pin a version, or release it; raises RulesetError if its file is missing, and OSError."""
        if pin is None:
            self._versions.release()
            self._details.unlink(missing_ok=True)
        else:
            told = {"version": pin.version, "since": pin.since, "reason": pin.reason[:MAX_LINE]}
            replace_file(self._details, json.dumps(told).encode())
            self._versions.pin(pin.version)
        self.pin = pin

    def base_of(self, enforced: Enforced) -> int:
        """Return the version that the one in force was made from by other overrides; itself if by none."""
        record = self._versions.record(enforced.version)
        base = record.base if record is not None else None
        if base is None or base not in self._versions.all():
            return enforced.version
        try:
            catalogue = self._catalogue(base)
        except RulesetError:
            return enforced.version
        own = enforced.ruleset.catalogue
        return base if own.made_from == content_with(catalogue, digest_in(own)) else enforced.version

    async def with_overrides(self, base: int, fetched: Fetched | None = None) -> NextVersion:
        """Return the version that is `base` with the overrides of now, `fetched` if they are new; make it if need be.

        Raises FeedRefused if the overrides accepted last cannot be read, RulesetError and OSError.
        """
        overrides = self._overrides(fetched)
        catalogue = self._catalogue(base)
        if overrides.are_in(catalogue):
            return NextVersion(base)
        content = content_with(catalogue, overrides.digest)
        kept = await asyncio.to_thread(self._versions.with_content, content)
        if kept is not None and self._is_sound(kept):
            return NextVersion(kept, base)
        path = self._state.folder / COMPILED
        created = int(self._timing.clock())
        made = await asyncio.to_thread(
            with_overrides, self._versions.ruleset(base), overrides, path, created=created, randomness=os.urandom
        )
        taken = {OVERRIDES: fetched} if fetched else {}
        news = News(path, made.content, taken, names=made.names, changes=made.changes)
        return NextVersion(self._versions.add(path), base, news)

    def _overrides(self, fetched: Fetched | None) -> Overrides:
        """Read the overrides at once, so that their digest is theirs; raises FeedRefused if they cannot be read."""
        own = self._feeds.own
        if own is None:
            return Overrides()
        if own.is_lost and fetched is None:
            raise FeedRefused("missing", own.look_refusal)
        content = self._feeds.candidate(OVERRIDES, fetched)
        chosen = content.incoming or content.accepted
        return Overrides(chosen.digest, read_bundle(chosen.path).documents) if chosen else Overrides()

    def _is_sound(self, version: int) -> bool:
        try:
            self._catalogue(version, verify=True)
        except RulesetError:
            return False
        return True

    def _catalogue(self, version: int, *, verify: bool = False) -> Catalogue:
        """Return a version's catalogue; raises RulesetError."""
        ruleset = Ruleset.open(self._versions.ruleset(version), verify=verify)
        ruleset.close()
        return ruleset.catalogue

    def _read(self) -> Pin | None:
        """Read the pin; what is not known of it is left out."""
        version = self._versions.pinned()
        if version is None:
            return None
        try:
            told = json.loads(read_kept(self._details, MAX_PIN))
            since, reason = told["since"], told["reason"]
            if told["version"] == version and isinstance(reason, str) and (since is None or 0 <= since <= MAX_TIME):
                return Pin(version, None if since is None else int(since), reason[:MAX_LINE])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            pass
        record = self._versions.record(version)  # as it was kept before
        period = record.periods[-1] if record and record.periods else None
        if period is not None and period.rollback:
            return Pin(version, period.since, period.reason)
        return Pin(version)

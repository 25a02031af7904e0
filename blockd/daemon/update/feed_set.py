"""All feeds of one daemon, shared by what enforces them and what polls them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path

from blockd.compile.build import examples
from blockd.compile.built import Built
from blockd.daemon.results import HintResult
from blockd.daemon.timing import Timing
from blockd.daemon.update.expiry import Ends, ended, kept_feeds, removed
from blockd.daemon.update.feed_state import FeedState
from blockd.daemon.update.managed_feed import ManagedFeed, OpenSource
from blockd.daemon.update.refused_notify import RefusedNotifies
from blockd.errors import CommandError, RulesetError
from blockd.feeds.budget import TOGETHER
from blockd.feeds.candidate import Candidate
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.kinds import open_source
from blockd.feeds.source import FeedSource
from blockd.formats.rejects import RejectReport
from blockd.ruleset import Catalogue, Gate
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.settings import Feed, Limits, Upstream


def resolving(open_source: OpenSource, upstreams: Callable[[], Sequence[Upstream]]) -> OpenSource:
    """Return what opens sources that look up names at the upstreams of that moment."""

    def opened(feed: Feed, folder: Path, validators: Validators) -> FeedSource:
        source = open_source(feed, folder, validators)
        source.resolve_with(upstreams())
        return source

    return opened


class FeedSet(Mapping[str, ManagedFeed]):
    """The feeds by name, the internal one for overrides included."""

    def __init__(self, feeds: Mapping[str, ManagedFeed], timing: Timing) -> None:
        self._feeds = dict(feeds)
        self._timing = timing
        self.notify = RefusedNotifies(self.settings, timing.clock)

    @classmethod
    def load(
        cls,
        feeds: Sequence[Feed],
        folder_of: Callable[[str], Path],
        gate: Gate,
        timing: Timing,
        source: OpenSource = open_source,
        limits: Limits | None = None,
    ) -> FeedSet:
        """Load each feed's state from its folder, and open its source with `source`; `limits` are for all feeds."""
        managed: dict[str, ManagedFeed] = {}
        for feed in feeds:
            folder = folder_of(feed.name)
            with contextlib.suppress(OSError):  # a state folder that cannot be written: then polling says so
                folder.mkdir(parents=True, exist_ok=True)
            state = FeedState.load(folder)
            state.sizes.start(gate.of(feed).limits)
            managed[feed.name] = one = ManagedFeed(source(feed, folder, state.validators), state, source)
            one.limits = (limits or Limits()).overridden_by(feed.limits)
            if state.expires is None:
                one.renew()  # known by a zone's source itself
            one.save()
            state.drop_news()
        return cls(managed, timing)

    def __getitem__(self, name: str) -> ManagedFeed:
        return self._feeds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._feeds)

    def __len__(self) -> int:
        return len(self._feeds)

    def resolve_with(self, upstreams: Sequence[Upstream]) -> None:
        """Have sources look up names at these upstreams from now on."""
        for managed in self._feeds.values():
            managed.source.resolve_with(upstreams)

    @property
    def settings(self) -> list[Feed]:
        """The config of each feed."""
        return [managed.source.feed for managed in self._feeds.values()]

    @property
    def configured(self) -> dict[str, ManagedFeed]:
        """The feeds of the config, without the internal one."""
        return {name: found for name, found in self.items() if not found.source.feed.is_own}

    @property
    def own(self) -> ManagedFeed | None:
        """The internal one; None if there is none."""
        return next((found for found in self._feeds.values() if found.source.feed.is_own), None)

    def must_know_own(self, in_force: Catalogue | None) -> None:
        """Raise RulesetError if what the operator has in force can be read from nowhere: it must not drop out."""
        own = self.own
        if own is not None and own.is_lost and in_force is not None and in_force.feed(own.source.feed.name):
            raise RulesetError(f"the overrides in force can be read from nowhere: {own.look_refusal}")

    def known(self) -> list[tuple[Feed, FeedState]]:
        """Return every feed with its state."""
        return [(managed.source.feed, managed.state) for managed in self._feeds.values()]

    def rejects(self) -> dict[str, RejectReport]:
        """Return the reject reports of what was accepted, by feed."""
        return {name: managed.state.rejects for name, managed in self.items() if managed.state.rejects}

    def held(self) -> dict[str, GuardReport]:
        """Return the reports of what the gate held back of what was accepted, by feed."""
        return {name: managed.state.held for name, managed in self.items() if managed.state.held}

    def reports_with(self, built: Built) -> tuple[dict[str, RejectReport], dict[str, GuardReport]]:
        """Return the reports of rejects and of what is held back, of a build and of what was accepted before."""
        taken = {name: report for name, report in built.rejects.items() if name not in built.refused}
        held = {name: report for name, report in (self.held() | built.held).items() if report.total}
        return self.rejects() | taken, held

    def must_have(self, names: Sequence[str]) -> None:
        """Raise CommandError if one of the feeds is not configured."""
        if unknown := [name for name in names if name not in self._feeds]:
            known = ", ".join(self.configured) or "none"
            raise CommandError(f"There is no feed {unknown[0]!r}; configured are: {known}.")

    def hint(self, name: str) -> None:
        """Have a feed polled soon, since it is said to have news; an unknown one is ignored."""
        self.notify.heeded(name)
        if name in self._feeds:
            self._feeds[name].news_hinted.set()

    def notes(self, name: str) -> list[str]:
        """Return sentences about what of a feed works, but not as it should."""
        return [*self._feeds[name].source.notes, *self.notify.notes(name)]

    def hint_signed(self, name: str | None) -> HintResult:
        """Have one feed polled soon, or all signed ones if `name` is None.

        Raises CommandError for a feed that is not configured.
        """
        self.must_have([name] if name is not None else [])
        signed = [feed for feed, managed in self.configured.items() if managed.source.feed.is_signed]
        woken = signed if name is None else [name]
        for feed in woken:
            self.hint(feed)
        return HintResult(tuple(woken))

    def ends(self, now: float) -> Ends:
        """Return what has expired at `now`."""
        return ended(self.known(), now)

    def removed(self, catalogue: Catalogue) -> Ends:
        """Return the feeds of a ruleset that the config no longer has, as stopped."""
        return removed(catalogue, kept_feeds(self.known()))

    def candidate(self, name: str, fetched: Fetched | None, patience: float = TOGETHER) -> Candidate:
        """Return what a feed may be compiled from; `fetched` is new, and read beside others for `patience` seconds."""
        managed = self._feeds[name]
        budget = managed.budget(fetched, patience)
        return managed.state.candidate(managed.source.feed, fetched, self._timing.clock(), budget)

    def put_back(self, fresh: Mapping[str, Fetched], but: Set[str] = frozenset()) -> None:
        """Offer news again that could not be taken, without those of the feeds in `but`."""
        for name, fetched in fresh.items():
            if name not in but:
                self[name].put_back(fetched)

    def examples(self, name: str, fetched: Fetched | None) -> list[bytes]:
        """Return a few names of a feed's content, `fetched` or accepted before; none for an unknown feed."""
        return examples(self.candidate(name, fetched)) if name in self._feeds else []

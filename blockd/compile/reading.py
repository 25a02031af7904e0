"""Reading one feed's contents for the compiler: held to its budget, judged by the gate, its refusals told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from blockd.compile.built import Built, Judged
from blockd.compile.sharing import SharedTime
from blockd.compile.spending import Exhausted, Watch
from blockd.errors import FeedRefused, GateRefused, RulesetError
from blockd.feeds.budget import Spent, over_memory, over_time
from blockd.feeds.candidate import Candidate
from blockd.feeds.kinds import kind_of
from blockd.files import open_kept
from blockd.formats.rejects import RejectReport
from blockd.formats.taking import Lines, LineTaker
from blockd.ruleset import FeedInput, FeedRecord, Gate, Listing, compile_ruleset

_Step = TypeVar("_Step")


class RefusedReading(Exception):
    """Carries a refusal out of the compiler, with the feed it belongs to."""

    def __init__(self, feed: str, refused: FeedRefused) -> None:
        self.feed = feed
        self.refused = refused
        super().__init__(feed)


class _Sound(Exception):
    """Ends the compile of a single feed that was only to be judged."""


def examine(
    candidate: Candidate,
    built: Built,
    watch: Watch,
    shares: SharedTime,
    gate: Gate,
    before: FeedRecord | None,
    created: int,
) -> None:
    """Read and judge a feed's news beside no others; if they are refused, or slow, that is noted in `built`."""
    feed = candidate.feed.name
    built.rejects.pop(feed, None)

    def judge(record: FeedRecord) -> None:
        watch.end()
        built.records[feed] = record
        judge_news(gate, record, before, candidate, built.rejects.get(feed))
        raise _Sound

    try:
        compile_ruleset(
            [input_of(candidate, built, watch, shares)],
            Path(),  # nothing is written, since `judge` ends it
            created=created,
            randomness=bytes,
            judge=judge,
            guard=gate.guard,
            guards=gate.guards(),
            held=built.held.__setitem__,
        )
    except _Sound:
        pass
    except (Exhausted, MemoryError) as failure:
        if not watch.feed:
            raise
        watch.end()
        over_budget(candidate, failure, watch.spent()[feed], built, shares)
    except RulesetError as error:
        built.refused[feed] = too_large(feed, error)
    except RefusedReading as refusal:
        built.refused[feed] = refusal.refused
        if isinstance(refusal.refused, GateRefused):
            built.found[feed] = Judged(built.records[feed], built.held[feed])
    watch.end()
    shares.done(feed)


def too_large(feed: str, error: RulesetError) -> FeedRefused:
    """Return the refusal of a feed's news with which a limit of the format would be exceeded."""
    sentence = f"With the new content of feed {feed} no ruleset can be made: {str(error).removesuffix('.')}."
    return FeedRefused("too large", sentence)


def without_news(candidate: Candidate) -> Candidate:
    """Return the candidate with its accepted content only, or with none if the accepted content has failed."""
    accepted = candidate.accepted if candidate.incoming else None
    return whole(replace(candidate, incoming=None, accepted=accepted))


def whole(candidate: Candidate) -> Candidate:
    """Return the candidate without its accepted content if that would be used and is damaged.

    A bundle is checked when it is read, and its digest is of the orders, not of the file.
    """
    accepted = candidate.accepted
    if candidate.incoming or accepted is None or kind_of(candidate.feed).proves_itself:
        return candidate
    try:
        with open_kept(accepted.path) as file:
            is_whole = hashlib.file_digest(file, "sha256").hexdigest() == accepted.digest
    except OSError:
        is_whole = False
    return candidate if is_whole else replace(candidate, accepted=None)


def judge_news(
    gate: Gate,
    record: FeedRecord,
    before: FeedRecord | None,
    candidate: Candidate,
    rejects: RejectReport | None,
) -> None:
    """Check a feed's news against the gate.

    Signed orders are exempt from the limits on size and rejects: their signer answers for each order, and many must be
    as quick to withdraw as to issue. Having none at all is refused there too.
    """
    lasting = candidate.lasting
    if candidate.feed.is_own:  # it may hold nothing
        return
    if candidate.feed.is_signed:
        before = lasting = None
    try:
        accepted = rejects.accepted if rejects else None
        gate.of(candidate.feed).check(record, before, lasting, accepted=accepted, waived=candidate.waived)
    except FeedRefused as refused:
        raise RefusedReading(record.name, refused) from refused


def input_of(candidate: Candidate, built: Built, watch: Watch, shares: SharedTime) -> FeedInput:
    """Return what the compiler takes of a candidate; a refusal is raised when the listings are iterated."""
    feed = candidate.feed
    content = candidate.incoming or candidate.accepted
    assert content is not None  # noqa: S101 - build leaves out those without
    rejects = RejectReport()
    if not feed.is_signed:
        built.rejects.setdefault(feed.name, rejects)
    budget = candidate.budget if candidate.incoming else None
    watch.begin(feed.name, shares.of(feed.name, budget))
    try:
        made = kind_of(feed).read(feed, content, rejects)
    except FeedRefused as refused:
        watch.end()
        broken = RefusedReading(feed.name, refused)
        return FeedInput(feed.name, feed.type, feed.priority, content.digest, [], _raising(broken))
    watch.end()
    refusing = _refusing_listings(feed.name, made.listings)

    def watched() -> Iterator[Listing]:
        """Yield the listings; what is done from the first of them on is the feed's."""
        watch.end()
        watch.begin(feed.name, shares.of(feed.name, budget))
        yield from refusing

    return replace(made, listings=watched())


def over_budget(candidate: Candidate, failure: BaseException, spent: Spent, built: Built, shares: SharedTime) -> None:
    """Refuse a feed's news for what reading them takes, or set them aside to be read by themselves."""
    budget, content = candidate.budget, candidate.incoming
    assert budget is not None  # noqa: S101 - `watch` has limited it
    assert content is not None  # noqa: S101
    if isinstance(failure, Exhausted) and shares.was_short(candidate.feed.name):
        built.slow.add(candidate.feed.name)
        return
    over = over_time if isinstance(failure, Exhausted) else over_memory
    built.refused[candidate.feed.name] = over(content.shown, spent, budget)


def _refusing_listings(feed: str, listings: Iterable[Listing]) -> Iterator[Listing]:
    for listing in _refusing(feed, listings):
        keys = listing.keys
        if isinstance(keys, Lines):
            yield replace(listing, keys=_RefusedLines(feed, keys))
        else:
            yield replace(listing, keys=_refusing(feed, keys))


@dataclass(frozen=True, slots=True)
class _RefusedLines:
    """A feed's lines, whose refusal stops the compiler."""

    feed: str
    lines: Lines

    def __iter__(self) -> Iterator[bytes]:
        return _refusing(self.feed, self.lines)

    def add_to(self, taker: LineTaker) -> Iterator[int]:
        return _refusing(self.feed, self.lines.add_to(taker))


def _refusing(feed: str, steps: Iterable[_Step]) -> Iterator[_Step]:
    try:
        yield from steps
    except FeedRefused as refused:
        raise RefusedReading(feed, refused) from refused


def _raising(refusal: RefusedReading) -> Iterator[Listing]:
    raise refusal
    yield  # pragma: no cover - makes this a generator

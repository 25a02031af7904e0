"""From what the feeds have fetched to a compiled ruleset that has passed the gate.

A feed whose new content is refused keeps its accepted content, with which the compile starts again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from blockd.compile.spending import Exhausted, NoWatch, Watch
from blockd.errors import FeedRefused, GateRefused, RulesetError
from blockd.feeds.budget import Budget, Spent, over_memory, over_time
from blockd.feeds.candidate import Candidate
from blockd.feeds.kinds import kind_of
from blockd.files import open_kept
from blockd.formats.rejects import RejectReport
from blockd.formats.taking import Lines, LineTaker
from blockd.names import MAX_LABEL
from blockd.orders import Order
from blockd.ruleset import Catalogue, FeedInput, FeedRecord, Gate, Listing, Progress, compile_ruleset
from blockd.ruleset.building.builder import new_builder
from blockd.ruleset.building.claims import ClaimSets, Joins
from blockd.ruleset.building.compiler import add_keys, no_progress
from blockd.ruleset.format import FORMAT, MAX_ENTRIES_SIZE, Header
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.salts import salts_of
from blockd.ruleset.versions.diff import Changes

EXAMPLES = 4  # names of one order
MAX_EXAMPLES = 64  # orders of one feed with examples
MAX_QUICK = 4 << 20  # octets of a content that can only be read whole
_RULES = 2  # of compiling: what an earlier blockd compiled by other rules is compiled anew
_Step = TypeVar("_Step")


@dataclass(slots=True)
class Built:
    """The result of a build: the header, None if no feed had any content; and each refused feed, with the reason."""

    header: Header | None = None
    made_from: str = ""  # the fingerprint of what it was made from
    taken: set[str] = field(default_factory=set)  # feeds whose incoming content is in the ruleset
    refused: dict[str, FeedRefused] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)  # feeds whose news take too long to be read beside those of others
    spent: dict[str, Spent] = field(default_factory=dict)  # on reading new content, by feed
    lost: set[str] = field(default_factory=set)  # feeds in force whose accepted content can no longer be read
    rejects: dict[str, RejectReport] = field(default_factory=dict)  # of the refused content if a feed's was refused
    held: dict[str, GuardReport] = field(default_factory=dict)  # of the content in the ruleset, by feed
    records: dict[str, FeedRecord] = field(default_factory=dict)  # of the content in the ruleset, by feed
    found: dict[str, Judged] = field(default_factory=dict)  # the refused content, by feed, if it was read to its end
    news: tuple[bytes, ...] = ()  # some keys that are known to have been added or removed
    changes: Changes | None = None  # from the ruleset in force, if it was amended


@dataclass(frozen=True, slots=True)
class Judged:
    """A content as the gate judged it: its record, and what was held back of it."""

    record: FeedRecord
    held: GuardReport


class _Refusal(Exception):
    """Carries a refusal out of the compiler, with the feed it belongs to."""

    def __init__(self, feed: str, refused: FeedRefused) -> None:
        self.feed = feed
        self.refused = refused
        super().__init__(feed)


def fingerprint(candidates: Sequence[Candidate], gate: Gate = Gate()) -> str:  # noqa: B008 - frozen
    """Return a digest of all that a ruleset is made from: contents, their feeds' config, the guards and the rules.

    It is another for each format, so that a ruleset of an older one is enforced until it has been compiled anew.
    """
    parts: list[object] = [FORMAT, _RULES, gate.guard.digest]
    guards = gate.guards()
    for candidate in candidates:
        feed = candidate.feed
        content = candidate.incoming or candidate.accepted
        if content is None and feed.is_own:
            continue  # there has never been an override
        config = {name: str(value) for name, value in feed if name not in feed.source_keys}
        own = [guards[feed.name].digest] if feed.name in guards else []
        parts.append([config, content.digest if content else "", *own])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def build(
    candidates: Sequence[Candidate],
    path: Path,
    *,
    gate: Gate,
    in_force: Catalogue | None,
    created: int,
    randomness: Callable[[int], bytes],
    progress: Progress = no_progress,
    watch: Watch = NoWatch(),  # noqa: B008 - it has no state
) -> Built:
    """Compile the candidates to `path`; refused feeds fall back to their accepted content, or are left out.

    `in_force` is the catalogue of the ruleset enforced now, which the gate compares with. If it holds a feed that has
    no readable content left, nothing is compiled: its names must not drop out for a fault of this machine. Neither is
    it if the operator's own cannot be read, in force or not, so that it is read anew first. Raises RulesetError if a
    limit of the format is exceeded. `watch` holds each feed's news to its budget.
    """
    before = {record.name: record for record in in_force.feeds} if in_force else {}
    remaining = [_whole(candidate) for candidate in candidates]
    built = Built()
    while True:
        usable = [candidate for candidate in remaining if candidate.incoming or candidate.accepted]
        built.lost = {c.feed.name for c in remaining if c not in usable and c.feed.name in before and not c.feed.is_own}
        if built.lost or all(candidate.feed.is_own for candidate in usable):
            return built
        built.rejects = {name: report for name, report in built.rejects.items() if name in built.refused}
        built.held.clear()
        built.records.clear()
        built.spent = watch.spent()
        inputs: list[FeedInput] = []  # what an earlier turn has read is dropped before this one reads
        news = {candidate.feed.name: candidate for candidate in remaining if candidate.incoming}

        def judge(record: FeedRecord, news: dict[str, Candidate] = news) -> None:
            watch.end()
            built.records[record.name] = record
            if record.name in news:
                _judge(gate, record, before.get(record.name), news[record.name], built.rejects.get(record.name))

        try:
            inputs = [_input(candidate, built, watch) for candidate in usable]
            _refuse_salts(inputs, created, news)
            built.header = compile_ruleset(
                inputs,
                path,
                created=created,
                randomness=randomness,
                made_from=fingerprint(remaining, gate),
                judge=judge,
                guard=gate.guard,
                guards=gate.guards(),
                held=built.held.__setitem__,
                progress=progress,
            )
        except (Exhausted, MemoryError) as failure:
            if not watch.feed:
                raise
            name = watch.feed
            watch.end()
            _over_budget(news[name], failure, watch.spent()[name], built)
            remaining = [_without_news(c) if c.feed.name == name else c for c in remaining]
            continue
        except _Refusal as refusal:
            watch.end()
            [failed] = [candidate for candidate in remaining if candidate.feed.name == refusal.feed]
            if failed.feed.is_own and not failed.incoming:
                built.lost = {refusal.feed}
                built.made_from = ""
                return built
            built.refused[refusal.feed] = refusal.refused
            if isinstance(refusal.refused, GateRefused):
                built.found[refusal.feed] = Judged(built.records[refusal.feed], built.held[refusal.feed])
            remaining = [_without_news(c) if c.feed.name == refusal.feed else c for c in remaining]
            continue
        built.spent = watch.spent()
        built.taken = set(news)
        built.made_from = fingerprint(remaining, gate)
        return built


def read_alone(candidate: Candidate, watch: Watch) -> Built:
    """Read a feed's news as `build` does, and write nothing; the result says whether they are refused, and why."""
    built, feed = Built(), candidate.feed.name
    candidate = replace(candidate, budget=candidate.budget and replace(candidate.budget, patience=None))
    try:
        made = _input(candidate, built, watch)
        builder, claims = new_builder(bytes(16), MAX_ENTRIES_SIZE), ClaimSets()
        index_of = {order.key(feed): index for index, order in enumerate(made.orders)}
        own = frozenset(index_of.values())
        for listing in made.listings:
            builder.start(Joins(claims, index_of[listing.order.key(feed)], listing.scope, own))
            for _ in add_keys(builder, listing.keys):
                pass
    except (Exhausted, MemoryError) as failure:
        if not watch.feed:
            raise
        watch.end()
        _over_budget(candidate, failure, watch.spent()[feed], built)
    except _Refusal as refusal:
        built.refused[feed] = refusal.refused
    watch.end()
    built.spent = watch.spent()
    return built


def examples(candidate: Candidate) -> list[bytes]:
    """Return some of the first names of each of a feed's orders; empty if they cannot be read quickly."""
    content = candidate.incoming or candidate.accepted
    with contextlib.suppress(FeedRefused, _Refusal, OSError):
        is_lazy = kind_of(candidate.feed).is_streamed(candidate.feed)
        if content is None or (not is_lazy and content.path.stat().st_size > MAX_QUICK):
            return []
        readable = _input(candidate, Built(), NoWatch()).listings
        listings = islice((one for one in readable if one.scope), MAX_EXAMPLES)
        found = (key for listing in listings for key in islice(listing.keys, EXAMPLES))
        return [key for key in found if key[0] <= MAX_LABEL]
    return []


def _without_news(candidate: Candidate) -> Candidate:
    """Return the candidate with its accepted content only, or with none if the accepted content has failed."""
    accepted = candidate.accepted if candidate.incoming else None
    return _whole(replace(candidate, incoming=None, accepted=accepted))


def _refuse_salts(inputs: Sequence[FeedInput], created: int, news: Container[str]) -> None:
    """Refuse the first feed whose confidential orders bring more salts than a ruleset may have.

    Feeds with `news` come last, so that their salts cannot displace those in force.
    """
    orders: list[Order] = []
    for feed in sorted(inputs, key=lambda feed: (feed.name in news, feed.priority, feed.name)):
        orders += feed.orders
        try:
            salts_of(orders, created)
        except RulesetError as error:
            sentence = f"Feed {feed.name} has too many confidential orders beside those of other feeds: {error}."
            raise _Refusal(feed.name, FeedRefused("too large", sentence)) from error


def _whole(candidate: Candidate) -> Candidate:
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


def _judge(
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
        raise _Refusal(record.name, refused) from refused


def _input(candidate: Candidate, built: Built, watch: Watch) -> FeedInput:
    """Return what the compiler takes of a candidate; a refusal is raised when the listings are iterated."""
    feed = candidate.feed
    content = candidate.incoming or candidate.accepted
    assert content is not None  # noqa: S101 - build leaves out those without
    rejects = RejectReport()
    if not feed.is_signed:
        built.rejects.setdefault(feed.name, rejects)
    budget = candidate.budget if candidate.incoming else None
    watch.begin(feed.name, budget)
    try:
        made = kind_of(feed).read(feed, content, rejects)
    except FeedRefused as refused:
        watch.end()
        broken = _Refusal(feed.name, refused)
        return FeedInput(feed.name, feed.type, feed.priority, content.digest, [], _raising(broken))
    watch.end()
    return replace(made, listings=_watched(feed.name, budget, watch, _refusing_listings(feed.name, made.listings)))


def _watched(feed: str, budget: Budget | None, watch: Watch, listings: Iterable[Listing]) -> Iterator[Listing]:
    """Yield the listings; what is done from the first of them on is the feed's."""
    watch.begin(feed, budget)
    yield from listings


def _over_budget(candidate: Candidate, failure: BaseException, spent: Spent, built: Built) -> None:
    """Refuse a feed's news for what reading them takes, or set them aside to be read by themselves."""
    budget, content = candidate.budget, candidate.incoming
    assert budget is not None  # noqa: S101 - `watch` has limited it
    assert content is not None  # noqa: S101
    if isinstance(failure, Exhausted) and budget.limit < budget.seconds:
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
        raise _Refusal(feed, refused) from refused


def _raising(refusal: _Refusal) -> Iterator[Listing]:
    raise refusal
    yield  # pragma: no cover - makes this a generator

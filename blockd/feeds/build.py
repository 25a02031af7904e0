"""From what the feeds have fetched to a compiled ruleset that has passed the gate.

A feed whose new content is refused costs only its own news: the compile starts again with what the feed gave before.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

from blockd.errors import FeedRefused, RulesetError
from blockd.feeds.bundle import read_bundle
from blockd.feeds.lists import DomainLines, read_list, read_scopes, read_transferred, read_zone
from blockd.feeds.name_lists import text_path
from blockd.feeds.named import NamedLines
from blockd.feeds.rejects import RejectReport
from blockd.feeds.zone_orders import override_of, zone_input
from blockd.names import MAX_LABEL, key_from_text
from blockd.orders import Order, OrderDocument, Scope
from blockd.ruleset import Catalogue, FeedInput, FeedRecord, Gate, Listing, Progress, compile_ruleset
from blockd.ruleset.builder import LineTaker
from blockd.ruleset.compiler import unheard
from blockd.ruleset.diff import Changes
from blockd.ruleset.format import Header
from blockd.ruleset.held import HeldReport
from blockd.ruleset.salts import salts_of
from blockd.settings import (
    AdblockFeed,
    AnyFeed,
    DomainsFeed,
    HostsFeed,
    OverridesFeed,
    RpzFeed,
    SignedFeed,
    TransferFeed,
)

EXAMPLES = 4  # names given of one order
MAX_EXAMPLES = 64  # orders of one feed that names are given of
MAX_QUICK = 4 << 20  # octets of what is not read line by line, but whole or not at all
# Keys of a feed that change no ruleset.
_NOT_CONTENT = (
    "interval", "max_size", "url", "path", "root", "signature", "at_expiry", "max_age",
    "primary", "tsig", "min_refresh", "authorities", "notify",
)  # fmt: skip

_Step = TypeVar("_Step")


@dataclass(frozen=True, slots=True)
class Content:
    """What a feed fetched: a list as it came, or a bundle of signed orders."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One feed with what it may be compiled from: `incoming` is new and must pass the gate, `accepted` has passed."""

    feed: AnyFeed
    incoming: Content | None
    accepted: Content | None
    first_seen: int  # seconds since the epoch: the date of an order that names none
    lasting: int | None = None  # how many names it had for longest in the last days, where that is known


@dataclass(slots=True)
class Built:
    """What came of a build: the header, None where no feed had anything; and each feed that was refused, with why."""

    header: Header | None = None
    made_from: str = ""  # the fingerprint of what it was made from
    taken: set[str] = field(default_factory=set)  # feeds whose incoming content is in the ruleset
    refused: dict[str, FeedRefused] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)  # feeds in force whose accepted content cannot be read any more
    rejects: dict[str, RejectReport] = field(default_factory=dict)  # of refused content where a feed's was refused
    held: dict[str, HeldReport] = field(default_factory=dict)  # of what is in the ruleset, for each of its feeds
    news: tuple[bytes, ...] = ()  # some keys that are known to have come or gone
    changes: Changes | None = None  # from the ruleset in force, where it was made from that


class _Refusal(Exception):
    """Carries a refusal out of the compiler, with the feed it belongs to."""

    def __init__(self, feed: str, refused: FeedRefused) -> None:
        self.feed = feed
        self.refused = refused
        super().__init__(feed)


def fingerprint(candidates: Sequence[Candidate], guard: str = "") -> str:
    """Give a digest of all that a ruleset is made from: contents, the config of their feeds, the guard's digest."""
    parts: list[object] = [guard]
    for candidate in candidates:
        content = candidate.incoming or candidate.accepted
        if content is None and isinstance(candidate.feed, OverridesFeed):
            continue  # nobody has ever overridden anything
        config = {name: str(value) for name, value in candidate.feed if name not in _NOT_CONTENT}
        parts.append([config, content.digest if content else "", candidate.first_seen])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def build(
    candidates: Sequence[Candidate],
    path: Path,
    *,
    gate: Gate,
    in_force: Catalogue | None,
    created: int,
    randomness: Callable[[int], bytes],
    progress: Progress = unheard,
) -> Built:
    """Compile the candidates to `path`; feeds that are refused fall back to what they gave before, or are left out.

    `in_force` is the catalogue of the ruleset enforced now, which the gate compares with. Where it holds a feed that
    has nothing readable left, nothing is compiled: its names must not drop out for a fault of this machine. Raises
    RulesetError where the whole passes the limits of the format.
    """
    before = {record.name: record for record in in_force.feeds} if in_force else {}
    remaining = [_whole(candidate) for candidate in candidates]
    built = Built()
    while True:
        usable = [candidate for candidate in remaining if candidate.incoming or candidate.accepted]
        built.lost = {
            c.feed.name
            for c in remaining
            if c not in usable and c.feed.name in before and not isinstance(c.feed, OverridesFeed)
        }
        if built.lost or all(isinstance(candidate.feed, OverridesFeed) for candidate in usable):
            return built
        built.rejects = {name: report for name, report in built.rejects.items() if name in built.refused}
        built.held.clear()
        inputs = [_input(candidate, built) for candidate in usable]
        news = {candidate.feed.name: candidate for candidate in remaining if candidate.incoming}

        def judge(record: FeedRecord, news: dict[str, Candidate] = news) -> None:
            if record.name in news:
                _judge(gate, record, before.get(record.name), news[record.name])

        try:
            _refuse_salts(inputs, created, news)
            built.header = compile_ruleset(
                inputs,
                path,
                created=created,
                randomness=randomness,
                made_from=fingerprint(remaining, gate.guard.digest),
                judge=judge,
                guard=gate.guard,
                held=built.held.__setitem__,
                progress=progress,
            )
        except _Refusal as refusal:
            built.refused[refusal.feed] = refusal.refused
            remaining = [_without_news(c) if c.feed.name == refusal.feed else c for c in remaining]
            continue
        built.taken = set(news)
        built.made_from = fingerprint(remaining, gate.guard.digest)
        return built


def examples(candidate: Candidate) -> list[bytes]:
    """Give some of the first names of each of a feed's orders; none where it cannot be read, or not quickly."""
    content = candidate.incoming or candidate.accepted
    with contextlib.suppress(FeedRefused, _Refusal, OSError):
        is_lazy = isinstance(candidate.feed, DomainsFeed | HostsFeed)
        if content is None or (not is_lazy and content.path.stat().st_size > MAX_QUICK):
            return []
        listings = islice(_input(candidate, Built()).listings, MAX_EXAMPLES)
        found = (key for listing in listings for key in islice(listing.keys, EXAMPLES))
        return [key for key in found if key[0] <= MAX_LABEL]
    return []


def _without_news(candidate: Candidate) -> Candidate:
    """Fall back to what was accepted; where that is what has just failed, to nothing."""
    accepted = candidate.accepted if candidate.incoming else None
    return _whole(replace(candidate, incoming=None, accepted=accepted))


def _refuse_salts(inputs: Sequence[FeedInput], created: int, news: Container[str]) -> None:
    """Refuse the first feed whose confidential orders bring more salts than a ruleset may have.

    Feeds that have `news` come last, so that their salts cannot displace those that are in force.
    """
    orders: list[Order] = []
    for feed in sorted(inputs, key=lambda feed: (feed.name in news, feed.priority, feed.name)):
        orders += feed.orders
        try:
            salts_of(orders, created)
        except RulesetError as error:
            sentence = f"Feed {feed.name} has more confidential orders than go with those before it: {error}."
            raise _Refusal(feed.name, FeedRefused("too large", sentence)) from error


def _whole(candidate: Candidate) -> Candidate:
    """Leave out accepted content that would be used and is not what it was: a damaged list may be a list all the same.

    A bundle says so itself when it is read, and its digest is of the orders and not of the file.
    """
    accepted = candidate.accepted
    if candidate.incoming or accepted is None or isinstance(candidate.feed, SignedFeed | OverridesFeed):
        return candidate
    try:
        with accepted.path.open("rb") as file:
            is_whole = hashlib.file_digest(file, "sha256").hexdigest() == accepted.digest
    except OSError:
        is_whole = False
    return candidate if is_whole else replace(candidate, accepted=None)


def _judge(gate: Gate, record: FeedRecord, before: FeedRecord | None, candidate: Candidate) -> None:
    """Put a feed's news through the gate.

    Signed orders are exempt from the limits on size and rejects: whoever signs answers for each order, and
    the withdrawal of many must be as quick as their making. None at all is a mistake there too.
    """
    lasting = candidate.lasting
    if isinstance(candidate.feed, OverridesFeed):  # where the last one has ended there is none, and that is right
        return
    if isinstance(candidate.feed, SignedFeed):
        before = lasting = None
    try:
        gate.check(record, before, lasting)
    except FeedRefused as refused:
        raise _Refusal(record.name, refused) from refused


def _input(candidate: Candidate, built: Built) -> FeedInput:
    feed = candidate.feed
    content = candidate.incoming or candidate.accepted
    assert content is not None  # noqa: S101 - build leaves out those without
    if isinstance(feed, SignedFeed | OverridesFeed):
        return _signed_input(feed, content)
    if isinstance(feed, RpzFeed | TransferFeed):
        return _zone_input(feed, content, candidate.first_seen, built)
    order = feed.order(candidate.first_seen)
    rejects = RejectReport()
    built.rejects.setdefault(feed.name, rejects)
    keys: Iterable[bytes]
    listings: Iterable[Listing]
    if isinstance(feed, AdblockFeed):
        listings = _scoped_listings(feed, order, content, rejects)
    elif feed.type == "domains":
        keys = _RefusedLines(feed.name, DomainLines(content.path, rejects, feed.max_size))
        listings = [Listing(order, feed.scope, keys)]
    else:
        keys = _refusing(feed.name, read_list(feed.type, content.path, rejects, feed.max_size))
        listings = [Listing(order, feed.scope, keys)]
    return FeedInput(
        name=feed.name,
        type=feed.type,
        priority=feed.priority,
        digest=content.digest,
        orders=[order],
        listings=listings,
        rejected=lambda: rejects.rejected,
    )


def _scoped_listings(feed: AdblockFeed, order: Order, content: Content, rejects: RejectReport) -> Iterator[Listing]:
    """Read a list whose rules say themselves what they cover."""
    try:
        listed = read_scopes(content.path, rejects, feed.max_size)
    except FeedRefused as refused:
        raise _Refusal(feed.name, refused) from refused
    for scope in (Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH):
        if keys := [key for key, own in listed.items() if own == scope]:
            yield Listing(order, scope, keys)


def _signed_input(feed: SignedFeed | OverridesFeed, content: Content) -> FeedInput:
    """Read a bundle; one that cannot be read is refused when its listings are asked for, like any other content."""
    try:
        version = read_bundle(content.path)
    except FeedRefused as refused:
        broken = _Refusal(feed.name, refused)
        return FeedInput(feed.name, feed.type, feed.priority, content.digest, [], _raising(broken))
    return FeedInput(
        name=feed.name,
        type=feed.type,
        priority=feed.priority,
        digest=content.digest,
        orders=[document.order for document in version.documents],
        listings=[it for document in version.documents for it in _listings(document, feed.name, content.path.parent)],
        version=str(version.targets_version),
        signed=True,
    )


def _zone_input(feed: RpzFeed | TransferFeed, content: Content, first_seen: int, built: Built) -> FeedInput:
    """Read a zone, whose orders are known only then; one that is refused is so when its listings are asked for."""
    rejects = RejectReport()
    built.rejects.setdefault(feed.name, rejects)
    override = override_of(feed)
    try:
        if isinstance(feed, TransferFeed):
            rules = read_transferred(content.path, rejects, zone=key_from_text(feed.zone), override=override)
        else:
            zone = key_from_text(feed.zone) if feed.zone else None
            rules = read_zone(content.path, rejects, feed.max_size, zone=zone, override=override)
    except FeedRefused as refused:
        broken = _Refusal(feed.name, refused)
        return FeedInput(feed.name, feed.type, feed.priority, content.digest, [], _raising(broken))
    made = zone_input(feed, rules, digest=content.digest, first_seen=first_seen)
    return replace(made, listings=_refusing(feed.name, made.listings))


def _listings(document: OrderDocument, feed: str, folder: Path) -> Iterator[Listing]:
    if document.names is not None:
        step = document.names.last
        yield Listing(document.order, document.scope, _RefusedLines(feed, NamedLines(text_path(folder, step), step)))
        return
    for scope, entries in groupby(sorted(document.entries, key=lambda entry: entry.scope), lambda entry: entry.scope):
        yield Listing(document.order, scope, [entry.key for entry in entries])


@dataclass(frozen=True, slots=True)
class _RefusedLines:
    """Lines of a feed, whose refusal stops the compiler."""

    feed: str
    lines: DomainLines | NamedLines

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

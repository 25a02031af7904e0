"""From what the feeds have fetched to a compiled ruleset that has passed the gate.

A feed whose new content is refused keeps its accepted content, with which the compile starts again. Before it does,
all other new contents are read and judged by themselves, so that it starts again only once, however many are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Container, Mapping, Sequence
from itertools import islice
from pathlib import Path

from blockd.compile.built import Built, Judged
from blockd.compile.reading import (
    RefusedReading,
    examine,
    input_of,
    judge_news,
    over_budget,
    too_large,
    whole,
    without_news,
)
from blockd.compile.sharing import SharedTime
from blockd.compile.spending import Exhausted, NoWatch, Watch
from blockd.errors import FeedRefused, GateRefused, RulesetError
from blockd.feeds.budget import TOGETHER
from blockd.feeds.candidate import Candidate
from blockd.feeds.kinds import kind_of
from blockd.names import MAX_LABEL
from blockd.orders import Order
from blockd.ruleset import Catalogue, FeedInput, FeedRecord, Gate, Progress, compile_ruleset
from blockd.ruleset.building.compiler import no_progress
from blockd.ruleset.format import FORMAT
from blockd.ruleset.salts import salts_of

EXAMPLES = 4  # names of one order
MAX_EXAMPLES = 64  # orders of one feed with examples
MAX_QUICK = 4 << 20  # octets of a content that can only be read whole
_RULES = 2  # of compiling: what an earlier blockd compiled by other rules is compiled anew


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
    limit of the format is exceeded by what was accepted before; news with which it would be are refused. `watch` holds
    each feed's news to its budget, and all that are not read by themselves to TOGETHER.
    """
    before = {record.name: record for record in in_force.feeds} if in_force else {}
    remaining = [whole(candidate) for candidate in candidates]
    built = Built()
    shares = SharedTime(watch, TOGETHER, remaining)
    judged: set[str] = set()  # feeds whose news have passed the gate
    is_sorted_out = False
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

        def judge(record: FeedRecord, news: dict[str, Candidate] = news, shares: SharedTime = shares) -> None:
            watch.end()
            built.records[record.name] = record
            if record.name in news:
                judge_news(gate, record, before.get(record.name), news[record.name], built.rejects.get(record.name))
                judged.add(record.name)
                shares.done(record.name)

        try:
            inputs = [input_of(candidate, built, watch, shares) for candidate in usable]
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
            over_budget(news[name], failure, watch.spent()[name], built, shares)
            failed = name
        except RulesetError as error:
            name = watch.feed or _largest(news)
            watch.end()
            if not name:
                raise
            built.refused[name] = too_large(name, error)
            failed = name
        except RefusedReading as refusal:
            watch.end()
            failed = refusal.feed
            [found] = [candidate for candidate in remaining if candidate.feed.name == failed]
            if found.feed.is_own and not found.incoming:
                built.lost = {failed}
                built.made_from = ""
                return built
            built.refused[failed] = refusal.refused
            if isinstance(refusal.refused, GateRefused):
                built.found[failed] = Judged(built.records[failed], built.held[failed])
        else:
            built.spent = watch.spent()
            built.taken = set(news)
            built.made_from = fingerprint(remaining, gate)
            return built
        inputs = []  # their memory is needed
        out = {failed}
        if not is_sorted_out:
            is_sorted_out = True
            unjudged = [c for name, c in news.items() if name not in {*judged, failed} and not c.feed.is_own]
            shares = SharedTime(watch, TOGETHER, unjudged)
            for candidate in unjudged:
                examine(candidate, built, watch, shares, gate, before.get(candidate.feed.name), created)
            out |= built.refused.keys() | built.slow
            remaining = [without_news(c) if c.incoming and c.feed.name in out else c for c in remaining]
            out = {failed} - news.keys()
            shares = SharedTime(watch, None, [])  # all that is left was read within its share
        remaining = [without_news(c) if c.feed.name in out else c for c in remaining]


def read_alone(
    candidate: Candidate,
    watch: Watch,
    *,
    gate: Gate = Gate(),  # noqa: B008 - frozen
    in_force: Catalogue | None = None,
    created: int = 0,
) -> Built:
    """Read and judge a feed's news as `build` does, and write nothing.

    The result says whether they are refused, and why, or whether they take longer than the patience of their budget.
    """
    built = Built()
    before = in_force.feed(candidate.feed.name) if in_force else None
    examine(candidate, built, watch, SharedTime(watch, float("inf"), []), gate, before, created)
    built.spent = watch.spent()
    return built


def _largest(news: Mapping[str, Candidate]) -> str:
    """Return the feed with the largest new content, empty if there is none but the operator's own."""
    sizes = {name: _size(c.incoming.path) for name, c in news.items() if c.incoming and not c.feed.is_own}
    return max(sizes, key=lambda name: sizes[name], default="")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def examples(candidate: Candidate) -> list[bytes]:
    """Return some of the first names of each of a feed's orders; empty if they cannot be read quickly."""
    content = candidate.incoming or candidate.accepted
    with contextlib.suppress(FeedRefused, RefusedReading, OSError):
        is_lazy = kind_of(candidate.feed).is_streamed(candidate.feed)
        if content is None or (not is_lazy and content.path.stat().st_size > MAX_QUICK):
            return []
        watch = NoWatch()
        readable = input_of(candidate, Built(), watch, SharedTime(watch, None, [])).listings
        listings = islice((one for one in readable if one.scope), MAX_EXAMPLES)
        found = (key for listing in listings for key in islice(listing.keys, EXAMPLES))
        return [key for key in found if key[0] <= MAX_LABEL]
    return []


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
            raise RefusedReading(feed.name, FeedRefused("too large", sentence)) from error

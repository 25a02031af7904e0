"""The names that a self-test asks for: some of every feed that the new ruleset touches, some that it must spare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from blockd.names import MAX_LABEL, DomainName
from blockd.ruleset import Enforced

DRAWS = 300  # entries drawn from each of the two files: a few milliseconds at any size
PER_FEED = 4  # names of a feed that are touched
MAX_TOUCHED = 64  # names in all, subdomains not counted; every worker is asked for each
MAX_SPARED = 24  # names that are lifted, removed or allowed
CONTROLS = 4  # names that nobody lists
_LABEL = 8  # octets of a control's random label, which no list has

Examples = Callable[[str], Iterable[bytes]]
"""Returns some keys of a feed's content, by the feed's name."""


@dataclass(slots=True)
class Chosen:
    """Keys of domain names, by what a self-test expects of them."""

    touched: list[bytes] = field(default_factory=list)
    spared: list[bytes] = field(default_factory=list)  # touched before, or listed, but not to be touched now
    controls: list[bytes] = field(default_factory=list)


def choose(
    enforced: Enforced,
    before: Enforced | None,
    news: Iterable[bytes],
    examples: Examples,
    randomness: Callable[[int], bytes],
    is_local: Callable[[bytes], bool] = lambda _: False,
) -> Chosen:
    """Choose names for the ruleset `enforced`, which has just replaced `before`.

    `news` are keys known to have been added or removed, which are chosen first. Then come entries drawn at random, new
    ones before others; `examples` is called for feeds that the draw has missed. Names that `is_local` are answered here
    without a list: nothing can be seen in them of a list that spares them. Raises RulesetError if a file is damaged.
    """
    drawn = list(enforced.ruleset.drawn(DRAWS, randomness))
    old = list(before.ruleset.drawn(DRAWS, randomness)) if before else []
    fresh = [key for key in drawn if before is not None and not before.ruleset.claims(key)]
    pool = dict.fromkeys([*news, *fresh, *old, *drawn])
    chosen = Chosen()
    by_feed: Counter[str] = Counter()
    _sort(pool, enforced, before, chosen, by_feed)
    for feed in enforced.ruleset.catalogue.feeds:
        if not by_feed[feed.name] and len(chosen.touched) < MAX_TOUCHED:
            _sort((key for key in examples(feed.name) if key not in pool), enforced, before, chosen, by_feed)
    chosen.spared = [key for key in chosen.spared if not is_local(key)]
    chosen.controls = [key for key in _controls(chosen, enforced, randomness, is_local) if not is_local(key)]
    return chosen


def _sort(
    keys: Iterable[bytes], enforced: Enforced, before: Enforced | None, chosen: Chosen, by_feed: Counter[str]
) -> None:
    for key in keys:
        if key[0] > MAX_LABEL:
            continue  # a network, or a name known only by its hash: it cannot be asked for
        verdict = enforced.verdict(key)
        if verdict.touches:
            if by_feed[verdict.feed] < PER_FEED and len(chosen.touched) < MAX_TOUCHED:
                by_feed[verdict.feed] += 1
                chosen.touched.append(key)
        elif len(chosen.spared) < MAX_SPARED and (
            verdict.order is not None or (before is not None and before.verdict(key).touches)
        ):
            by_feed[verdict.feed] += 1
            chosen.spared.append(key)


def _controls(
    chosen: Chosen, enforced: Enforced, randomness: Callable[[int], bytes], is_local: Callable[[bytes], bool]
) -> Iterator[bytes]:
    """Yield unlisted names in the top-level domains of listed ones, and so close to them in the file's order."""
    found = [key[: 1 + key[0]] for key in (*chosen.touched, *chosen.spared)]
    tops = [top for top in found if not is_local(top)] or [DomainName.from_text("example").key]
    for number in range(CONTROLS):
        label = randomness(_LABEL).hex().encode()
        key = tops[number % len(tops)] + bytes((len(label),)) + label
        if enforced.verdict(key).order is None:
            yield key

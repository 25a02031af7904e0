"""A day's change: the ruleset in force with what its feeds have more or less, without compiling all of it again.

Whatever is out of the ordinary is left to `blockd.compile.build`, which answers for the refusals as well.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from blockd.compile.build import Built, Candidate, Content, fingerprint
from blockd.errors import FeedRefused, RulesetError
from blockd.feeds.signed.amend import amend_signed, ranked_anew
from blockd.feeds.transfer.amend import NEWS, Amended, amend_zone
from blockd.formats.body import open_body, open_regular
from blockd.formats.changes import Text, list_changes
from blockd.formats.gunzip import MAGIC
from blockd.formats.rejects import RejectReport
from blockd.ruleset import Catalogue, Gate, Ruleset
from blockd.ruleset.amender import Amender
from blockd.ruleset.held import HeldReport
from blockd.ruleset.native import is_native
from blockd.ruleset.writing import write_amended
from blockd.settings import DomainsFeed, OverridesFeed, SignedFeed, TransferFeed

_LISTED = (DomainsFeed, TransferFeed)
_SIGNED = (SignedFeed, OverridesFeed)


def amend(
    candidates: Sequence[Candidate],
    in_force: Path,
    path: Path,
    *,
    reports: Mapping[str, RejectReport],
    held: Mapping[str, HeldReport],
    gate: Gate,
    created: int,
    randomness: Callable[[int], bytes],
) -> Built | None:
    """Make the ruleset of the candidates at `path` from the one at `in_force`; None where it must be compiled.

    What is made lists the same names with the same claims as what `build` would make, with the same catalogue and the
    same reports. `reports` and `held` have those of the accepted content, by feed. It is made where the file in force
    came from the same feeds with the same config and their accepted content, where all news are lists of domains,
    differences of transferred zones, signed orders or overrides, and where they pass the gate. None is also given where
    a file cannot be read. Nobody has waited for the disk to have what is made.
    """
    news = [candidate for candidate in candidates if candidate.incoming]
    can_be = all(isinstance(c.feed, _SIGNED) or (isinstance(c.feed, _LISTED) and c.accepted) for c in news)
    if not news or not can_be or not is_native():
        return None
    accepted = [replace(candidate, incoming=None) for candidate in candidates]
    with contextlib.suppress(RulesetError, FeedRefused), contextlib.ExitStack() as stack:
        ruleset = Ruleset.open(in_force, verify=False)
        stack.callback(ruleset.close)
        sound = stack.enter_context(ThreadPoolExecutor(1)).submit(ruleset.verify)  # beside the comparing of lists
        if ruleset.catalogue.made_from != fingerprint(accepted, gate.guard.digest):
            return None
        amender = Amender(ruleset)
        stack.callback(amender.release)
        built = Built(
            made_from=fingerprint(candidates, gate.guard.digest), taken={candidate.feed.name for candidate in news}
        )
        built.rejects = {c.feed.name: reports[c.feed.name] for c in candidates if c.feed.name in reports}
        built.held = {c.feed.name: held[c.feed.name].copy() for c in candidates if c.feed.name in held}
        catalogue = replace(ruleset.catalogue, made_from=built.made_from)
        gone: set[int] = set()
        for candidate in news:
            name = candidate.feed.name
            if candidate.accepted is None:
                built.held[name] = HeldReport(enforced=True)  # as compiling says of what is signed
            before, holding = reports.get(name), built.held.get(name)
            if holding is None:
                return None
            if isinstance(candidate.feed, _SIGNED):
                orders = amend_signed(candidate, catalogue, amender, holding, gate)
                if orders is None:
                    return None
                catalogue, some = orders.catalogue, orders.news
                gone |= orders.gone
            else:
                way = amend_zone if isinstance(candidate.feed, TransferFeed) else _amend_list
                changed = way(candidate, catalogue, amender, before, holding, gate) if before else None
                if changed is None:
                    return None
                catalogue, built.rejects[name], some = changed
            built.news += some
        catalogue = ranked_anew(catalogue, gone, [candidate.feed for candidate in candidates], amender.claims)
        patches, more = amender.finish()
        built.changes = amender.changes()
        header = replace(
            ruleset.header,
            build_id=randomness(16),
            created=created,
            entries=amender.entries,
            names=amender.names,
            max_labels=amender.max_labels,
            ipv4_prefixes=amender.ipv4_prefixes,
            ipv6_prefixes=amender.ipv6_prefixes,
            holes=amender.holes,
        )
        built.header = write_amended(
            path, ruleset, header, catalogue, amender.claims.words, patches, more, sound.result
        )
        return built
    return None


def _amend_list(
    candidate: Candidate, catalogue: Catalogue, amender: Amender, before: RejectReport, held: HeldReport, gate: Gate
) -> Amended | None:
    """Amend one list's names, and `held`; give what comes of it."""
    feed, old, new = candidate.feed, candidate.accepted, candidate.incoming
    assert isinstance(feed, DomainsFeed)  # noqa: S101 - `amend` has looked
    assert old is not None  # noqa: S101
    assert new is not None  # noqa: S101
    [index] = [index for index, order in enumerate(catalogue.orders) if order.feed == feed.name]  # a list is one order
    names = catalogue.orders[index].names
    with _text(old, feed.max_size, checked=True) as old_text, _text(new, feed.max_size, checked=False) as new_text:
        if old_text[-1:] != b"\n" or new_text[-1:] != b"\n":
            return None
        changes = list_changes(old_text, new_text, before, names + held.held)
    if changes is None:
        return None
    for key in changes.removed:
        if reason := gate.guard.reason(key, feed.scope, feed.action):
            held.remove(reason, key)
        else:
            amender.remove(key, index)
            names -= 1
    joins = amender.joins(index, feed.scope)
    for key in changes.added:
        if reason := gate.guard.reason(key, feed.scope, feed.action):
            held.add_unless_there(reason, key)
        else:
            names += amender.add(key, joins)
    orders = list(catalogue.orders)
    orders[index] = replace(orders[index], names=names)
    feeds = list(catalogue.feeds)
    [at] = [at for at, record in enumerate(feeds) if record.name == feed.name]
    record = replace(feeds[at], names=names, digest=new.digest, rejected=changes.rejects.rejected)
    gate.check(record, feeds[at], candidate.lasting)
    feeds[at] = record
    news = (*changes.added[:NEWS], *changes.removed[:NEWS])
    return replace(catalogue, feeds=tuple(feeds), orders=tuple(orders)), changes.rejects, news


@contextlib.contextmanager
def _text(content: Content, max_size: int, *, checked: bool) -> Iterator[Text]:
    """Give a list's whole text, checked as when it is read by blocks unless that was done before.

    Raises FeedRefused as `open_body` does.
    """
    with open_body(content.path, max_size) as pieces, open_regular(content.path) as file:
        if file.read(len(MAGIC)) == MAGIC:
            yield b"".join(pieces)
            return
        if not checked:
            for _ in pieces:
                pass
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            yield text

"""Amending: the ruleset in force with its feeds' differences applied, without compiling all of it again.

Anything out of the ordinary, refusals included, is left to `blockd.compile.build`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from blockd.compile.build import fingerprint
from blockd.compile.built import Built
from blockd.compile.sharing import SharedTime
from blockd.compile.spending import Exhausted, NoWatch, Watch
from blockd.errors import BlockdError, RulesetError
from blockd.feeds.amendment import Amending
from blockd.feeds.budget import HASTE
from blockd.feeds.candidate import Candidate
from blockd.feeds.kinds import kind_of
from blockd.formats.rejects import RejectReport
from blockd.native import is_native
from blockd.ruleset import Catalogue, Gate, Ruleset
from blockd.ruleset.building.amender import Amender
from blockd.ruleset.building.claims import ClaimSets
from blockd.ruleset.building.spare import Spare
from blockd.ruleset.building.writing import write_amended
from blockd.ruleset.catalogue import rank
from blockd.ruleset.format import MAX_ORDERS, Header
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.settings import Feed


def amend(
    candidates: Sequence[Candidate],
    in_force: Path,
    path: Path,
    *,
    reports: Mapping[str, RejectReport],
    held: Mapping[str, GuardReport],
    gate: Gate,
    created: int,
    randomness: Callable[[int], bytes],
    watch: Watch = NoWatch(),  # noqa: B008 - it has no state
    spare: Spare | None = None,
) -> Built | None:
    """Make the ruleset of the candidates at `path` from the one at `in_force`; None if it must be compiled.

    The result lists the same names with the same claims as that of `build`, with the same catalogue and the same
    reports. `reports` and `held` have those of the accepted content, by feed. A ruleset can be amended if the file in
    force was made from the same feeds with the same config and their accepted content, if the kinds of all feeds with
    news can amend, and if the news pass the gate. None is also returned if a file cannot be read, or if `watch` finds a
    feed's news over its budget, or all of them over HASTE. The result is not synced to the disk. It is made of `spare`
    if that is a copy of the file in force, which need not be verified then: what was copied has been.
    """
    news = [candidate for candidate in candidates if candidate.incoming]
    if not news or not all(kind_of(c.feed).can_amend(c.feed, c) for c in news) or not is_native():
        return None
    accepted = [replace(candidate, incoming=None) for candidate in candidates]
    with contextlib.suppress(BlockdError, Exhausted, MemoryError), contextlib.ExitStack() as stack:
        stack.callback(watch.end)
        ruleset = Ruleset.open(in_force, verify=False)
        stack.callback(ruleset.close)
        if spare is not None and spare.is_of(ruleset):
            proved = no_proof
        else:  # while lists are compared
            proved, spare = stack.enter_context(ThreadPoolExecutor(1)).submit(ruleset.verify).result, None
        if ruleset.catalogue.made_from != fingerprint(accepted, gate):
            return None
        amender = Amender(ruleset)
        stack.callback(amender.release)
        built = Built(made_from=fingerprint(candidates, gate), taken={candidate.feed.name for candidate in news})
        built.rejects = {c.feed.name: reports[c.feed.name] for c in candidates if c.feed.name in reports}
        built.held = {c.feed.name: held[c.feed.name].copy() for c in candidates if c.feed.name in held}
        catalogue = replace(ruleset.catalogue, made_from=built.made_from)
        gone: set[int] = set()
        shares = SharedTime(watch, HASTE, news)
        for candidate in news:
            name = candidate.feed.name
            if candidate.accepted is None:
                built.held[name] = GuardReport(enforced=True)  # as compiling does for signed feeds
            holding = built.held.get(name)
            if holding is None:
                return None
            amending = Amending(catalogue, amender, reports.get(name), holding, gate.of(candidate.feed))
            watch.begin(name, shares.of(name, candidate.budget))
            amendment = kind_of(candidate.feed).amend(candidate.feed, candidate, amending)
            watch.end()
            shares.done(name)
            if amendment is None:
                return None
            catalogue = amendment.catalogue
            gone |= amendment.gone
            if amendment.rejects is not None:
                built.rejects[name] = amendment.rejects
            built.news += amendment.news
        built.records = {record.name: record for record in catalogue.feeds}
        built.changes = amender.changes()  # which compares claims as they were numbered so far
        catalogue = _ranked_anew(catalogue, gone, [candidate.feed for candidate in candidates], amender.claims)
        built.spent = watch.spent()
        built.header = write(path, ruleset, amender, catalogue, created, randomness, proved, spare)
        return built
    return None


def write(
    path: Path,
    ruleset: Ruleset,
    amender: Amender,
    catalogue: Catalogue,
    created: int,
    randomness: Callable[[int], bytes],
    proved: Callable[[], None],
    spare: Spare | None = None,
) -> Header:
    """Write what `amender` made of `ruleset` to `path`; return its header. `proved` raises if `ruleset` is damaged.

    Raises RulesetError. The file is not synced to the disk. A `spare` copy of the ruleset becomes the file.
    """
    patches, more = amender.finish()
    header = replace(
        ruleset.header,
        build_id=randomness(16),
        created=created,
        entries=amender.entries,
        names=amender.names,
        empty_names=amender.empty_names,
        max_labels=amender.max_labels,
        ipv4_prefixes=amender.ipv4_prefixes,
        ipv6_prefixes=amender.ipv6_prefixes,
        holes=amender.holes,
    )
    return write_amended(path, ruleset, header, catalogue, amender.claims.words, patches, more, proved, spare)


def no_proof() -> None:
    """Raise nothing: what the new file is made of was verified when it was copied."""


def _ranked_anew(catalogue: Catalogue, gone: Set[int], feeds: Sequence[Feed], claims: ClaimSets) -> Catalogue:
    """Remove the orders that are `gone`, and rank the others as compiling `feeds` would.

    `claims` are changed accordingly. Raises RulesetError if that is not possible.
    """
    places = {feed.name: (place, feed.priority) for place, feed in enumerate(feeds)}

    def key(index: int) -> tuple[tuple[int, int, int, str], int]:
        place, priority = places[catalogue.orders[index].feed]
        return rank(catalogue.orders[index].order, priority), place

    order = sorted((index for index in range(len(catalogue.orders)) if index not in gone), key=key)
    if not 0 < len(order) <= MAX_ORDERS:
        raise RulesetError(f"there are none or more than {MAX_ORDERS} orders")
    if order == list(range(len(catalogue.orders))):
        return catalogue
    claims.renumber({index: place for place, index in enumerate(order)})
    return replace(catalogue, orders=tuple(catalogue.orders[index] for index in order))

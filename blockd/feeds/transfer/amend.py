"""Amending by a transferred zone: the differences between its accepted and its new journal.

Anything but a rule for a name that was added or removed is left to compiling the zone anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from itertools import islice

from blockd.feeds.amendment import NEWS, Amending, Amendment
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.transfer.content import Differences, ZoneContent
from blockd.feeds.transfer.empty_names import EmptyNameChanges
from blockd.feeds.zone_orders import order_id
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.rules import RpzRules
from blockd.formats.rpz.triggers import UNSUPPORTED
from blockd.formats.rpz.zone import ZoneText
from blockd.names import MAX_LABEL, key_from_text, label_ends
from blockd.names.suffixes import ancestors
from blockd.orders import Action, Entry, Scope
from blockd.ruleset import Catalogue, Gate
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.settings import TransferFeed, ZoneOverride

# Local data depend on what else is at a name, and passthru is written in two ways.
_SEVERAL_RECORDS = (Action.LOCAL, Action.PASSTHRU)
_UNSUPPORTED = frozenset(UNSUPPORTED.values())


@dataclass(frozen=True, slots=True)
class ZoneChanges:
    """Lines that were removed and added between two journals of one base, and the new serial."""

    gone: list[bytes]
    come: list[bytes]
    serial: int

    @classmethod
    def between(cls, old: Content, new: Content) -> ZoneChanges | None:
        """Return the differences of two journals; None if their bases differ, or only the base says what has changed.

        What is added may be in the base too. Raises FeedRefused if a journal is unusable.
        """
        before, after = ZoneContent.read(old.path), ZoneContent.read(new.path)
        if before.base != after.base:
            return None
        one, two = Differences.read(old.path), Differences.read(new.path)
        changes = cls([], [], after.serial)
        if one.now.keys() - two.now.keys():
            return None  # the new one is not built upon the old one
        for record, line in two.now.items():
            was = one.now.get(record)
            if record not in one.now:
                if record in two.needed:
                    was = record  # with the base's TTL, which no plain rule depends on
                elif line is None:
                    return None  # it came and went: if the base has it, it has gone
            if line != was:
                changes.gone.extend([was] if was is not None else [])
                changes.come.extend([line] if line is not None else [])
        return changes


def amend_zone(feed: TransferFeed, candidate: Candidate, amending: Amending) -> Amendment | None:
    """Amend a zone's rules; None if it must be compiled, as it must if something is held back or was warned of.

    Samples of the report keep their line numbers. Raises RulesetError if the ruleset does not hold what was removed,
    and FeedRefused as the gate does, or if a journal cannot be used.
    """
    old, new, before = candidate.accepted, candidate.incoming, amending.rejects
    catalogue, amender, gate = amending.catalogue, amending.amender, amending.gate
    if old is None or new is None or before is None or before.warnings:
        return None  # what is warned of, such as a second rule of a name, may come into effect
    changes = ZoneChanges.between(old, new)
    if changes is None or feed.override is not ZoneOverride.GIVEN:  # else several records make one rule
        return None
    if not before.counts.keys() <= _UNSUPPORTED:
        return None  # a rule that was rejected for another one of its name counts once that has gone
    index_of = {record.order.id: index for index, record in enumerate(catalogue.orders) if record.feed == feed.name}
    gone, come = (_rules(feed, lines, index_of) for lines in (changes.gone, changes.come))
    if gone is None or come is None or _is_guarded(gone, catalogue, gate) or _is_guarded(come, catalogue, gate):
        return None
    changed = gone.keys() | come.keys()
    if _concerns_others(changed, feed, catalogue, amending.held):
        return None
    own = frozenset(index_of.values())
    empty_names = EmptyNameChanges(amender, own)
    names = {index: catalogue.orders[index].names for index in own}
    [at] = [at for at, record in enumerate(catalogue.feeds) if record.name == feed.name]
    feed_names = catalogue.feeds[at].names
    for key in changed:
        listed, lists = amender.change(key, gone.get(key, {}), come.get(key, {}), own)
        empty_names.note(key, listed, lists)
        for index in listed.keys() ^ lists.keys():
            names[index] += 1 if index in lists else -1
        feed_names += bool(lists) - bool(listed)
    if not all(names.values()):
        return None  # an order that lists nothing is dropped
    if not empty_names.amend():
        return None
    orders = list(catalogue.orders)
    for index, count in names.items():
        orders[index] = replace(orders[index], names=count)
    feeds = list(catalogue.feeds)
    feeds[at] = replace(feeds[at], names=feed_names, digest=new.digest, version=str(changes.serial))
    more = len(changes.come) - len(changes.gone)
    rejects = replace(before, lines=before.lines + more, accepted=before.accepted + more)
    gate.check(feeds[at], catalogue.feeds[at], candidate.lasting, accepted=rejects.accepted, waived=candidate.waived)
    news = (*islice(come, NEWS), *islice(gone, NEWS))
    return Amendment(replace(catalogue, feeds=tuple(feeds), orders=tuple(orders)), news, rejects)


def _concerns_others(changed: Set[bytes], feed: TransferFeed, catalogue: Catalogue, held: GuardReport) -> bool:
    """Return whether a change may have an effect on other rules.

    That is so above a target that the zone itself has the data of, and below a wildcard that is held back, whose empty
    names are in the ruleset nevertheless.
    """
    zone = key_from_text(feed.zone)
    aliases = [record.order.cname for record in catalogue.orders if record.feed == feed.name and record.order.cname]
    keys = [key_from_text(target.removeprefix("*.")) for target in aliases]
    targets = [key[len(zone) :] for key in keys if key.startswith(zone)]  # a part of a name need not be a valid one
    if not all(targets):
        return True  # a wildcard that leads to all of the zone
    if not changed.isdisjoint(key[:end] for key in targets for end in label_ends(key)):
        return True
    if any(count > len(held.entries.get(reason, ())) for reason, count in held.counts.items()):
        return True
    others = {entry.text for entries in held.entries.values() for entry in entries}
    return bool(others) and any(Entry(above).text in others for key in changed for above in ancestors(key))


def _is_guarded(rules: dict[bytes, dict[int, int]], catalogue: Catalogue, gate: Gate) -> bool:
    """Return whether the gate holds back one of the rules."""
    return any(
        gate.guard.reason(key, scope, catalogue.orders[index].order.action)
        for key, scopes in rules.items()
        for index, scope in scopes.items()
    )


def _rules(feed: TransferFeed, lines: Iterable[bytes], index_of: dict[str, int]) -> dict[bytes, dict[int, int]] | None:
    """Return the scopes of each name by order; None if a line is not a plain rule of a known order."""
    report = RejectReport()
    rules = RpzRules(report)
    ZoneText(rules, key_from_text(feed.zone)).read(_block(lines), feed.zone)
    rules.finish()
    if report.accepted != report.lines:
        return None  # something was rejected, or is not a rule
    found: dict[bytes, dict[int, int]] = {}
    answers = rules.answers
    for number, scope, keys in rules.rules():
        index = index_of.get(order_id(feed.name, answers[number]))
        if index is None or answers[number].action in _SEVERAL_RECORDS:
            return None
        for key in keys:
            if key[0] > MAX_LABEL:
                return None  # a network, whose prefix length is noted elsewhere too
            scopes = found.setdefault(key, {})
            scopes[index] = scopes.get(index, Scope(0)) | scope
    return found


def _block(lines: Iterable[bytes]) -> Iterator[bytes]:
    block = b"".join([line + b"\n" for line in sorted(lines)])
    if block:
        yield block

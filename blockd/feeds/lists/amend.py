"""Amending by a text list: the lines that were added and removed since the accepted version."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from dataclasses import replace

from blockd.feeds.amendment import NEWS, Amending, Amendment
from blockd.feeds.candidate import Candidate, Content
from blockd.formats.blocks import KEPT, open_end
from blockd.formats.body import open_body, open_regular
from blockd.formats.changes import Text, list_changes
from blockd.formats.packed.forms import HEAD, is_packed
from blockd.settings import ListFeed


def amend_list(feed: ListFeed, candidate: Candidate, amending: Amending) -> Amendment | None:
    """Amend a list's names and the report of those held back; None if the list must be compiled.

    Raises RulesetError if the ruleset does not hold what it should, and FeedRefused as the gate does.
    """
    old, new, before = candidate.accepted, candidate.incoming, amending.rejects
    catalogue, amender, held, gate = amending.catalogue, amending.amender, amending.held, amending.gate
    if old is None or new is None or before is None:
        return None
    [index] = [index for index, order in enumerate(catalogue.orders) if order.feed == feed.name]  # a list is one order
    names = catalogue.orders[index].names
    with _text(old, feed.max_size, checked=True) as old_text, _text(new, feed.max_size, checked=False) as new_text:
        if not len(old_text) or not len(new_text):
            return None
        changes = list_changes(feed.form, _ended(old_text), _ended(new_text), before, names + held.held)
        if changes is not None and new_text[-1:] != b"\n":
            changes.rejects.warn(open_end(new_text[new_text.rfind(b"\n") + 1 :][:KEPT]))
    if changes is None:
        return None
    for key in changes.removed:
        reason = gate.guard.reason(key, feed.covers, feed.action)
        if reason:
            held.remove(reason, key, feed.covers)
        if not reason or gate.guard.only_reports(reason):
            amender.remove(key, index)
            names -= 1
    joins = amender.joins(index, feed.covers)
    for key in changes.added:
        reason = gate.guard.reason(key, feed.covers, feed.action)
        is_reported = gate.guard.only_reports(reason)
        if reason:
            held.add_unless_there(reason, key, feed.covers, reported=is_reported)
        if not reason or is_reported:
            names += amender.add(key, joins)
    orders = list(catalogue.orders)
    orders[index] = replace(orders[index], names=names)
    feeds = list(catalogue.feeds)
    [at] = [at for at, record in enumerate(feeds) if record.name == feed.name]
    record = replace(feeds[at], names=names, digest=new.digest, rejected=changes.rejects.rejected)
    gate.check(record, feeds[at], candidate.lasting, accepted=changes.rejects.accepted, waived=candidate.waived)
    feeds[at] = record
    news = (*changes.added[:NEWS], *changes.removed[:NEWS])
    return Amendment(replace(catalogue, feeds=tuple(feeds), orders=tuple(orders)), news, changes.rejects)


@contextlib.contextmanager
def _text(content: Content, max_size: int, *, checked: bool) -> Iterator[Text]:
    """Yield a list's whole text, checked as when it is read by blocks unless that was done before.

    Raises FeedRefused as `open_body` does.
    """
    with open_body(content.path, max_size, source=content.shown) as pieces, open_regular(content.path) as file:
        if is_packed(file.read(HEAD)):
            yield b"".join(pieces)
            return
        if not os.fstat(file.fileno()).st_size:
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if not checked:
                next(pieces)  # checks how it begins
                if len(text) > max_size or text.find(b"\0") >= 0:  # else there is nothing to refuse it for
                    for _ in pieces:
                        pass
            yield text


def _ended(text: Text) -> Text:
    """Return a text whose last line ends with a line feed."""
    return text if text[-1:] == b"\n" else bytes(text) + b"\n"

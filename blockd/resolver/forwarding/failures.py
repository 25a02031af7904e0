"""The memory of failures (RFC 9520), and the sentences that tell of them.

A name that failed is not asked for again for some seconds, doubling while it is asked and fails again. That no
upstream could be asked is no fact about the name: it is forgotten as soon as one is heard.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from blockd.dns import types
from blockd.resolver.cache import CacheKey
from blockd.resolver.caching.inspection import RememberedFailure
from blockd.resolver.forwarding.groups import LinkGroup
from blockd.resolver.forwarding.health import failure_kept
from blockd.resolver.forwarding.limits import FAILURES_PER_TURN, MAX_FAILURE_TEXT, MAX_FAILURES
from blockd.resolver.reading.extended_errors import errors_text
from blockd.resolver.response import Response

NAMES = {
    types.FORMERR: "FORMERR",
    types.SERVFAIL: "SERVFAIL",
    types.NOTIMP: "NOTIMP",
    types.REFUSED: "REFUSED",
    types.NOTAUTH: "NOTAUTH",
    types.BADVERS: "BADVERS",
    types.BADCOOKIE: "BADCOOKIE",
}


class Failure(NamedTuple):
    """No usable answer: an Extended DNS Error (RFC 8914), and a sentence for whoever has to find out why."""

    code: int
    text: str


class About(NamedTuple):
    """What a failure that is no fact about the name is about: a group, and since when it has been so."""

    group: LinkGroup
    moment: float  # by the clock of flights
    is_silent: bool  # nothing was heard, not even a refusal


@dataclass(slots=True)
class _Entry:
    outcome: Response | Failure
    until: float  # seconds by the clock of the cache
    kept: float  # seconds
    about: About | None


class Failures:
    """Failures by question."""

    def __init__(self) -> None:
        self._entries: OrderedDict[CacheKey, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: CacheKey, now: float) -> Response | Failure | None:
        """Return the failure of a question that still holds; None if it is to be asked."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry.outcome if _holds(entry, now) else None

    def of(self, name: bytes, now: float, *, below: bool) -> Iterator[list[RememberedFailure]]:
        """Yield those of a name's questions that still hold, and with `below` of those under it, in parts.

        They may change in between.
        """
        keys = tuple(self._entries)
        for first in range(0, len(keys), FAILURES_PER_TURN):
            found = [(key, self._entries.get(key)) for key in keys[first : first + FAILURES_PER_TURN]]
            yield [
                RememberedFailure(key, entry.until, _why(entry.outcome))
                for key, entry in found
                if entry is not None and (key[0].startswith(name) if below else key[0] == name) and _holds(entry, now)
            ]

    def note(self, key: CacheKey, outcome: Response | Failure, now: float, about: About | None = None) -> None:
        """Remember a failure of the name, or one `about` its upstreams."""
        before = self._entries.pop(key, None)
        has_lasted = about is None and before is not None and before.about is None
        if has_lasted and before is not None and now <= before.until + before.kept:
            kept = failure_kept(before.kept)  # it has been asked for all the time
        else:
            kept = failure_kept(0.0)
        self._entries[key] = _Entry(outcome, now + kept, kept, about)
        if len(self._entries) > MAX_FAILURES:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget all: others are asked now."""
        self._entries.clear()

    def forget(self, key: CacheKey) -> None:
        """Forget a question's failure: it has been answered."""
        self._entries.pop(key, None)


def _holds(entry: _Entry, now: float) -> bool:
    return now < entry.until and (entry.about is None or not _is_over(entry.about))


def failure_text(errors: bytes) -> str:
    """Return why a question failed, by the Extended DNS Errors that are kept of its failure."""
    return errors_text(errors) or "an upstream answered SERVFAIL"


def _why(outcome: Response | Failure) -> str:
    return outcome.text if isinstance(outcome, Failure) else failure_text(outcome.errors)


def _is_over(about: About) -> bool:
    if about.is_silent:
        return about.group.is_heard_since(about.moment)
    return about.group.is_up_since(about.moment)


def rcode_text(rcode: int) -> str:
    """Return an rcode's name, or its number."""
    return NAMES.get(rcode, f"rcode {rcode}")


def seconds_text(seconds: float) -> str:
    """Return a time as in `4 s` or `0.5 s`."""
    tenths = round(min(max(seconds, 0.0), 1e8) * 10.0)
    return f"{tenths // 10}.{tenths % 10}".removesuffix(".0") + " s"


def joined(sentences: Iterable[str]) -> str:
    """Join what several upstreams did, as many as fit; the rest are counted."""
    told = ""
    rest = list(sentences)
    while rest:
        one = rest[0] if not told else f"{told}; {rest[0]}"
        more = f"; and {len(rest) - 1} more" if len(rest) > 1 else ""
        if told and len((one + more).encode()) > MAX_FAILURE_TEXT:
            return f"{told}; and {len(rest)} more"
        told = one
        rest.pop(0)
    return told.encode()[:MAX_FAILURE_TEXT].decode(errors="ignore")


def silence_of(group: LinkGroup, seconds: float) -> str:
    """Say that no upstream of a group has answered for so many seconds, since the last answer that was heard."""
    if not group.links:
        return "no upstream is known"
    names = ", ".join(link.upstream.label for link in group.links)
    return joined([f"no upstream has answered for {seconds_text(seconds)}: {names}"])

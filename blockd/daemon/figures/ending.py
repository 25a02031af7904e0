"""What ends soon, from the parts that know the ends: feeds, certificates, overrides, orders in force, tokens."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from blockd.audit.statement import kept_statements
from blockd.daemon.certificates.told import TOLD_NAMES, CertificateStatus
from blockd.daemon.operator.overrides import OverrideStatus
from blockd.daemon.update.expiry import end_of, ends_of_roles
from blockd.daemon.update.feed_set import FeedSet
from blockd.orders import Order, State
from blockd.orders.disclosure import called
from blockd.printable import some_of
from blockd.ruleset import Enforced
from blockd.ruleset.catalogue import OrderRecord
from blockd.settings.feeds import OVERRIDES
from blockd.times import span_text, time_from_text, time_text
from blockd.web.figures.both_languages import BothLanguages
from blockd.web.figures.ending import MAX_ENDING, EndingItem, EndingKind, EndingSoon

OVERDUE = 3600.0  # seconds after which a statement that was not made is told
PASSED = 7 * 86400.0  # seconds for which what has ended, and was not renewed, is still shown


class EndingToken(Protocol):
    """A token of the admin port."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def expires(self) -> float | None:
        """When it ends, in seconds since the epoch; None for never."""


@dataclass(frozen=True, slots=True)
class End:
    """Something that ends at a moment, in seconds since the epoch."""

    kind: EndingKind
    what: str
    at: float
    english: str  # the beginning of a sentence, which goes on with `ends in …`
    indonesian: str
    href: str

    def item(self, now: float) -> EndingItem:
        """Return it as it is shown at `now`."""
        left = int(self.at - now)
        verb = ("is due", "jatuh tempo") if self.kind == "review" else ("ends", "berakhir")
        past = ("was due", "jatuh tempo") if self.kind == "review" else ("ended", "berakhir")
        if left >= 0:
            english, indonesian = f"{verb[0]} in {span_text(left, 'en')}", f"{verb[1]} dalam {span_text(left, 'id')}"
        else:
            english = f"{past[0]} {span_text(-left, 'en')} ago"
            indonesian = f"{past[1]} {span_text(-left, 'id')} yang lalu"
        sentence = BothLanguages(f"{self.english} {english}.", f"{self.indonesian} {indonesian}.")
        return EndingItem(self.kind, self.what, time_text(self.at), left, sentence, self.href)


def ending_soon(ends: Iterable[End], within: float, now: float, more: int = 0) -> EndingSoon:
    """Return what ends within so many seconds, the first to end first; `more` are later ones that are not in `ends`."""
    found = sorted((end for end in ends if now - PASSED <= end.at <= now + within), key=lambda end: end.at)
    return EndingSoon(within, tuple(end.item(now) for end in found[:MAX_ENDING]), len(found[MAX_ENDING:]) + more)


def of_feeds(feeds: FeedSet) -> Iterator[End]:
    """Yield when the signatures of feeds and of authorities end, and what others say until when they are good."""
    for name, managed in feeds.configured.items():
        feed, state, href = managed.source.feed, managed.state, f"#/feeds/{quote(name, safe='')}"
        whose = ("The signature of", "Tanda tangan") if feed.is_signed else ("The content of", "Isi")
        if (end := end_of(feed, state)) is not None:
            yield End("signature", name, end, f"{whose[0]} feed {name}", f"{whose[1]} feed {name}", href)
        for role, end in ends_of_roles(state).items():
            yield End(
                "signature", f"{name}/{role}", end, f"The signature of authority {role} of feed {name}",
                f"Tanda tangan otoritas {role} dari feed {name}", href,
            )  # fmt: skip


def of_certificates(certificates: Iterable[CertificateStatus]) -> Iterator[End]:
    """Yield when certificates end."""
    for one in certificates:
        names = some_of(one.names, TOLD_NAMES) or one.certificate
        yield End(
            "certificate", one.certificate, time_from_text(one.expires), f"The certificate for {names}",
            f"Sertifikat untuk {names}", "#/certificates",
        )  # fmt: skip


def of_overrides(overrides: Iterable[OverrideStatus]) -> Iterator[End]:
    """Yield when overrides that have not ended do."""
    for status in overrides:
        if not status.is_over:
            name = status.override.name
            yield End(
                "override", name, status.override.until, f"The override of {name}", f"Override {name}",
                "#/overrides",
            )  # fmt: skip


def of_orders(enforced: Enforced | None, within: float, now: float) -> tuple[list[End], int]:
    """Return when orders in force end within so many seconds, and when their reviews are due, the first of these.

    There are MAX_ENDING at most, since their words take longest; the number is of how many more there are.
    """
    found: list[tuple[float, int, EndingKind]] = []
    if enforced is None:
        return [], 0
    records, first, last = enforced.ruleset.catalogue.orders, now - PASSED, now + within
    for index, (record, state) in enumerate(zip(records, bytes(enforced.states.states), strict=True)):
        if state == State.IN_FORCE and record.feed != OVERRIDES:
            order = record.order
            if order.expires is not None and first <= order.expires <= last:
                found.append((order.expires, index, "order"))
            if order.review_by is not None and first <= order.review_by <= last:
                found.append((order.review_by, index, "review"))
    found.sort()
    shown = [_of_order(records[index], at, kind) for at, index, kind in found[:MAX_ENDING]]
    return shown, len(found[MAX_ENDING:])


def _of_order(record: OrderRecord, at: float, kind: EndingKind) -> End:
    what = f"{record.feed}/{record.order.name}"
    words = _called(record.order) if kind == "order" else _review(record.order)
    return End(kind, what, at, *words, f"#/orders/{quote(what)}")


def of_tokens(tokens: Iterable[EndingToken]) -> Iterator[End]:
    """Yield when tokens end."""
    for token in tokens:
        if token.expires is not None:
            yield End(
                "token", token.name, token.expires, f"The token {token.name}", f"Token {token.name}", "#/tokens"
            )  # fmt: skip


def of_statement(folder: Path, interval: float | None, now: float) -> Iterator[End]:
    """Yield when the newest statement of enforcement should have been followed by another one, if it was not.

    `folder` is the state folder, `interval` the seconds from one to the next, None if none are made.
    """
    kept = kept_statements(folder, asked=False) if interval is not None else []
    if kept and interval is not None:
        with contextlib.suppress(OSError):  # it was removed meanwhile
            due = kept[-1].stat().st_mtime + interval
            if now > due + OVERDUE:
                yield End(
                    "statement", kept[-1].name, due, "The time of the newest statement of enforcement",
                    "Masa pernyataan penerapan yang terbaru", "#/statements",
                )  # fmt: skip


def _called(order: Order) -> tuple[str, str]:
    return called(order, "Order", "List"), called(order, "Perintah", "Daftar")


def _review(order: Order) -> tuple[str, str]:
    return f"The review of {called(order)}", f"Peninjauan {called(order, 'perintah', 'daftar')}"

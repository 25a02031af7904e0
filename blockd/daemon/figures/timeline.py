"""The timeline: records of the audit log as sentences in both languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from blockd.audit.chain import Record
from blockd.daemon.figures.refusal_words import INDONESIAN
from blockd.printable import printable
from blockd.web.figures.both_languages import BothLanguages
from blockd.web.figures.timeline import MAX_EVENTS, EventKind, Timeline, TimelineEvent

MAX_RECORDS = 4000  # read for one timeline, of orders and of all else: orders of a large version are told together
FEW = 5  # orders of one version that are told one by one
_STATES = {
    "in force": ("is in force", "berlaku"),
    "pending": ("is not in force yet", "belum berlaku"),
    "expired": ("has expired", "telah kedaluwarsa"),
    "lifted": ("is lifted", "telah dicabut"),
    "gone": ("is no longer listed", "tidak lagi terdaftar"),
}

_RELOADS = {
    "taken": ("The config on disk was taken", "Konfigurasi di disk diambil"),
    "refused": ("The config on disk was refused", "Konfigurasi di disk ditolak"),
    "failed": ("The config on disk could not be taken", "Konfigurasi di disk tidak dapat diambil"),
    "unchanged": ("The config on disk says the same", "Konfigurasi di disk tidak berubah"),
}
_UPGRADES = {
    "taken": ("blockd was replaced", "blockd diganti"),
    "refused": ("blockd was not replaced", "blockd tidak diganti"),
    "failed": ("blockd could not be replaced", "blockd tidak dapat diganti"),
}

Body = Mapping[str, Any]
Sentence = Callable[[Body], BothLanguages]
Newest = Callable[[Sequence[str], float, float, int], tuple[list[Record], bool]]
"""Returns the newest records of some kinds in a time, and whether there are more; see `LogReader.newest`."""


def _version(body: Body) -> BothLanguages:
    version, names = body.get("version"), body.get("names")
    count = f"{names:,}" if isinstance(names, int) else "?"
    return BothLanguages(
        f"Version {version} with {count} names is enforced by every worker.",
        f"Versi {version} dengan {count.replace(',', '.')} nama diberlakukan oleh semua worker.",
    )


def _taken_back(body: Body) -> BothLanguages:
    version, why = body.get("version"), _text(body, "why")
    return BothLanguages(
        f"Version {version} is not enforced: {why}.", f"Versi {version} tidak diberlakukan."
    )  # fmt: skip


def _order(body: Body) -> BothLanguages:
    english, indonesian = _STATES.get(_text(body, "state"), ("has changed", "berubah"))
    called = _text(body, "called") or _text(body, "order")
    return BothLanguages(f"Order {called} {english}.", f"Perintah {called} {indonesian}.")


def _override(body: Body) -> BothLanguages:
    name, until = _text(body, "name"), _text(body, "until")
    return BothLanguages(
        f"{name} is let through until {until}.", f"{name} diloloskan sampai {until}."
    )  # fmt: skip


def _override_ended(body: Body) -> BothLanguages:
    name = _text(body, "name")
    return BothLanguages(f"The override of {name} is ended.", f"Override {name} diakhiri.")


def _rollback(body: Body) -> BothLanguages:
    version = body.get("version")
    return BothLanguages(
        f"Back to version {version}, which is pinned.", f"Kembali ke versi {version}, yang disematkan."
    )  # fmt: skip


def _release(body: Body) -> BothLanguages:
    version = body.get("version")
    return BothLanguages(f"Version {version} is no longer pinned.", f"Versi {version} tidak lagi disematkan.")


def _refused(body: Body) -> BothLanguages:
    whose, reason = _part(body), INDONESIAN.get(_text(body, "reason"), "")
    return BothLanguages(
        f"New content of {whose} is refused: {_text(body, 'sentence')}",
        f"Isi baru dari {whose} ditolak{f': {reason}' if reason else ''}.",
    )


def _good_again(body: Body) -> BothLanguages:
    whose = _part(body)
    return BothLanguages(f"{whose} is good again.", f"{whose} sudah baik kembali.")


def _accept(body: Body) -> BothLanguages:
    whose = _part(body)
    return BothLanguages(f"What was refused of {whose} is taken once.", f"Isi {whose} yang ditolak diterima sekali.")


def _gate_release(body: Body) -> BothLanguages:
    name = _text(body, "entry") or _text(body, "name")
    return BothLanguages(f"{name}, which the gate held back, is let through.", f"{name}, yang ditahan, diloloskan.")


def _gate_hold(body: Body) -> BothLanguages:
    name = _text(body, "entry") or _text(body, "name")
    return BothLanguages(f"{name} is held back again.", f"{name} ditahan kembali.")


def _start(body: Body) -> BothLanguages:
    what = _text(body, "of")
    indonesian = "Proses kendali" if what == "control process" else "blockd"
    return BothLanguages(
        f"The {what or 'daemon'} started (blockd {_text(body, 'blockd')}).",
        f"{indonesian} dijalankan (blockd {_text(body, 'blockd')}).",
    )


def _stop(_body: Body) -> BothLanguages:
    return BothLanguages("blockd was stopped in order.", "blockd dihentikan dengan tertib.")


def _reload(body: Body) -> BothLanguages:
    english, indonesian = _RELOADS.get(_text(body, "outcome"), ("The config was read anew", "Konfigurasi dibaca ulang"))
    return BothLanguages(f"{english}{_listed(_told(body))}.", f"{indonesian}.")


def _token(body: Body) -> BothLanguages:
    name, role = _text(body, "name"), _text(body, "role")
    is_made = body.get("done") == "made"
    return BothLanguages(
        f"The token {name} with the role {role} was {'made' if is_made else 'removed'}.",
        f"Token {name} dengan peran {role} {'dibuat' if is_made else 'dihapus'}.",
    )


def _refresh(body: Body) -> BothLanguages:
    names = _listed(body.get("feeds"))
    return BothLanguages(f"An operator had feeds fetched{names}.", f"Operator meminta pengambilan feed{names}.")


def _flush(body: Body) -> BothLanguages:
    name = _text(body, "name")
    what, indonesian = (f"what is cached of {name}", f"isi cache untuk {name}") if name else ("the cache", "cache")
    return BothLanguages(f"An operator removed {what}.", f"Operator menghapus {indonesian}.")


def _upgrade(body: Body) -> BothLanguages:
    english, indonesian = _UPGRADES.get(_text(body, "outcome"), ("blockd was replaced", "blockd diganti"))
    after = f": {_text(body, 'after')}" if _text(body, "after") else ""
    return BothLanguages(f"{english}{_listed(_told(body)) or after}.", f"{indonesian}{'' if _told(body) else after}.")


def _told(body: Body) -> object:
    """Return what a reload or an upgrade tells of itself: why it was not taken, else what it changed."""
    return body.get("problems") or body.get("changes")


_DETAILS: Mapping[str, Callable[[Body], str]] = {
    "taken-back": lambda body: _text(body, "why"),
    "refused": lambda body: _text(body, "sentence"),
    "reload": lambda body: _listed(_told(body)).removeprefix(": "),
    "upgrade": lambda body: _listed(_told(body)).removeprefix(": "),
}
"""What records say in English alone."""
_NOT_PEOPLE = frozenset({"refused", "taken-back", "enforced"})  # whose `reason` or `why` no person gave


def _listed(texts: object) -> str:
    """Return the first of some texts behind a colon; empty if there is none."""
    told = [printable(one) for one in texts if isinstance(one, str)] if isinstance(texts, list) else []
    return f": {'; '.join(told[:FEW])}{'; …' if len(told) > FEW else ''}".removesuffix(".") if told else ""


SENTENCES: Mapping[str, tuple[EventKind, Sentence]] = {
    "enforced": ("version", _version),
    "taken-back": ("version", _taken_back),
    "order": ("order", _order),
    "override": ("override", _override),
    "override-ended": ("override", _override_ended),
    "rollback": ("rollback", _rollback),
    "release": ("rollback", _release),
    "refused": ("refusal", _refused),
    "good-again": ("refusal", _good_again),
    "accept": ("operator", _accept),
    "gate-release": ("operator", _gate_release),
    "gate-hold": ("operator", _gate_hold),
    "reload": ("reload", _reload),
    "token": ("operator", _token),
    "flush": ("operator", _flush),
    "refresh": ("operator", _refresh),
    "upgrade": ("restart", _upgrade),
    "start": ("restart", _start),
    "stop": ("restart", _stop),
}


ORDERS = ("order",)
OTHERS = tuple(kind for kind in SENTENCES if kind not in ORDERS)


def timeline_of(newest: Newest, begin: float, end: float) -> Timeline:
    """Return what changed between two moments; `newest` is that of the log's reader, and waits for the disk.

    Orders are read apart from all else: a version that changes ten thousand of them hides nothing but older orders.
    """
    orders, is_more_of_orders = newest(ORDERS, begin, end, MAX_RECORDS)
    others, is_more = newest(OTHERS, begin, end, MAX_RECORDS)
    records = sorted((*orders, *others), key=lambda record: -record.number)
    events = tuple(events_of(records, oldest=orders[-1].number if is_more_of_orders and orders else 0))
    return Timeline(events[:MAX_EVENTS], is_more or is_more_of_orders or len(events) > MAX_EVENTS)


def events_of(records: Iterable[Record], *, oldest: int = 0) -> Iterator[TimelineEvent]:
    """Yield the events of records, the newest first; many orders that one version changes alike are one event.

    `oldest` is the number of the oldest order that was read, if there are older ones: there may be more like it.
    """

    def alike(record: Record) -> tuple[object, ...]:
        if record.kind != "order":
            return (record.number,)
        return record.kind, record.time, record.body.get("version"), record.body.get("state")

    for _, group in groupby(records, alike):
        together = list(group)
        if len(together) > FEW:
            yield _of_many(together, is_cut=together[-1].number == oldest)
        else:
            yield from map(event_of, together)


def event_of(record: Record) -> TimelineEvent:
    """Return the event of one record, whose kind is in SENTENCES."""
    kind, sentence = SENTENCES[record.kind]
    return _event(record, kind, sentence(record.body), _text(record.body, "called") or _text(record.body, "order"))


def _of_many(records: list[Record], *, is_cut: bool) -> TimelineEvent:
    body = records[0].body
    english, indonesian = _STATES.get(_text(body, "state"), ("has changed", "berubah"))
    plural = english.replace("is ", "are ", 1).replace("has ", "have ", 1)
    count, feeds = len(records), {_text(record.body, "feed") for record in records}
    [english_feeds, indonesian_feeds] = (
        [f"feed {min(feeds)}", min(feeds)] if len(feeds) == 1 else [f"{len(feeds):,} feeds", f"{len(feeds)} feed"]
    )
    number = f"{count:,}".replace(",", ".")
    sentence = BothLanguages(
        f"{'At least ' if is_cut else ''}{count:,} orders of {english_feeds} {plural}.",
        f"{'Sedikitnya ' if is_cut else ''}{number} perintah dari {indonesian_feeds} {indonesian}.",
    )
    event = _event(records[0], "order", sentence, "")
    return event if len(feeds) == 1 else replace(event, feed="")


def _event(record: Record, kind: EventKind, sentence: BothLanguages, order: str) -> TimelineEvent:
    body = record.body
    version = body.get("version")
    return TimelineEvent(
        record.time, record.number, kind, version if isinstance(version, int) else None, _text(body, "feed"), order,
        sentence, _DETAILS[record.kind](body) if record.kind in _DETAILS else "",
        _text(body, "by") or _text(body, "officer"), "" if record.kind in _NOT_PEOPLE else _words(body),
    )  # fmt: skip


def _words(body: Body) -> str:
    """Return why somebody did what a record tells."""
    return _text(body, "ended_reason") or _text(body, "reason") or _text(body, "why")


def _part(body: Body) -> str:
    parts = [_text(body, name) for name in ("feed", "role", "order")]
    return "/".join(part for part in parts if part)


def _text(body: Body, name: str) -> str:
    """Return a text of a record on one line: lists and people outside have written some of them."""
    value = body.get(name)
    return printable(value) if isinstance(value, str) else ""

"""What the help desk may tell a caller who cannot reach a name: the verdict in two or three sentences, no more.

Nothing of it is confidential, and nothing is said that nobody has stated.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from blockd.orders import Action, Order, Verdict
from blockd.orders.disclosure import called
from blockd.web.figures.both_languages import BothLanguages

Sentences = Iterator[tuple[str, str]]


def help_desk_text(name: str, verdict: Verdict, *, is_led: bool = False) -> BothLanguages:
    """Return the text for a name, as a lookup shows it, and the verdict on it; `is_led` if on what it leads to."""
    sentences = list(_sentences(name, verdict, is_led=is_led))
    return BothLanguages(" ".join(english for english, _ in sentences), " ".join(text for _, text in sentences))


def _sentences(name: str, verdict: Verdict, *, is_led: bool) -> Sentences:
    order = verdict.order
    if order is None or verdict.action is None or not verdict.touches:
        yield from _of_open(name, verdict)
        return
    led = " leads to what is blocked" if is_led else " is blocked"
    led_id = " mengarah ke yang diblokir" if is_led else " diblokir"
    if order.is_confidential:
        name, led, led_id = "This name", " is blocked", " diblokir"
    by, by_id = called(order), called(order, "perintah", "daftar")
    whose = f" of {order.authority}" if order.authority else ""
    whose_id = f" dari {order.authority}" if order.authority else ""
    if verdict.action is Action.TCP_ONLY:
        led, led_id = " is answered over TCP only", " hanya dijawab lewat TCP"
    shown = "Nama ini" if order.is_confidential else name
    yield f"{name}{led} here by {by}{whose}.", f"{shown}{led_id} di sini oleh {by_id}{whose_id}."
    yield from _of_dates(order)
    if order.is_confidential:
        yield (
            "The order is confidential: which names it covers is not disclosed.",
            "Perintah ini rahasia: nama yang tercakup tidak diungkapkan.",
        )
    elif order.legal_basis:
        yield f"Legal basis: {order.legal_basis}.", f"Dasar hukum: {order.legal_basis}."
    if order.contact:
        yield f"Objections go to {order.contact}.", f"Keberatan disampaikan ke {order.contact}."
    yield (
        "Changing a setting or a device does not lift it, and this help desk cannot.",
        "Mengganti pengaturan atau perangkat tidak membukanya, dan layanan ini tidak dapat membukanya.",
    )


def _of_dates(order: Order) -> Sentences:
    since, until = order.in_force_from, order.expires
    if since is not None:
        yield f"It has been in force since {_day(since)}.", f"Berlaku sejak {_day(since)}."
    if until is not None:
        yield f"It ends on {_day(until)}.", f"Berakhir pada {_day(until)}."


def _of_open(name: str, verdict: Verdict) -> Sentences:
    if verdict.action is Action.ALLOW:
        yield f"{name} is let through here, whatever lists say.", f"{name} dibuka di sini, apa pun isi daftar."
    else:
        yield f"{name} is not blocked here.", f"{name} tidak diblokir di sini."
    yield (
        "If it cannot be reached, the cause is elsewhere: the site itself, the way to it, or another resolver in use.",
        "Jika tidak dapat dijangkau, sebabnya di tempat lain: situsnya sendiri, jalurnya, atau resolver lain.",
    )


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")

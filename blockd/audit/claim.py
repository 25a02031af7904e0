"""Whether what a proof claims agrees with itself, where lists whose content is not in the proof may have decided.

Then records and signatures say neither which order decided nor what a client was told. But the claim says both in
several of its members, of which none may contradict another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blockd.audit.deciding import told_clients
from blockd.orders import Action, OrderKey
from blockd.orders.key import parse_asked

_OF_FEED = frozenset(("name", "digest", "proved", "whole"))


def contradicting_members(claim: Mapping[str, Any]) -> list[str]:
    """Return the names of a claim's members that contradict the others, or have not the form of a claim's."""
    wrong = []
    orders = claim["orders"]
    if not all({"feed", "role", "id", "order", "action"} <= order.keys() for order in orders):
        return ["orders"]
    deciding = [order for order in orders if order.get("decides") is True]
    if not all(type(order.get("decides")) is bool and isinstance(order.get("proved_by"), str) for order in orders):
        wrong.append("orders")
    if claim["decides"] is None:
        wrong += ["decides"] if deciding else []
        wrong += ["action"] if claim["action"] is not None else []
    elif len(deciding) != 1 or not is_called(claim["decides"], deciding[0]):
        wrong.append("decides")
    elif claim["action"] not in set(Action) or claim["action"] != deciding[0].get("action"):
        wrong.append("action")
    if not wrong and not _says_what_clients_were_told(claim):
        wrong += ["udp", "tcp"]
    feeds = claim["feeds"]
    if any(feed.keys() != _OF_FEED or (type(feed["whole"]), type(feed["proved"])) != (bool, str) for feed in feeds):
        wrong.append("feeds")
    notes = claim["notes"]
    if not isinstance(notes, list) or any(not isinstance(note, str) for note in notes):
        wrong.append("notes")
    return wrong


def key_of_claimed(order: Mapping[str, Any]) -> OrderKey:
    """Return the key of an order of a claim."""
    return OrderKey(str(order["feed"]), str(order["role"]), str(order["id"]))


def is_called(text: object, order: Mapping[str, Any]) -> bool:
    """Return whether a text is one of the names of an order of a claim."""
    asked = parse_asked(text) if isinstance(text, str) else None
    return text == order["order"] or (asked is not None and asked.fits(key_of_claimed(order)))


def _says_what_clients_were_told(claim: Mapping[str, Any]) -> bool:
    """Return whether `udp` and `tcp` follow from the action; of an earlier claim without one they are not known."""
    action = None if claim["action"] is None else Action(claim["action"])
    told = {"udp": claim["udp"], "tcp": claim["tcp"]}
    possible = [told_clients(action, claim["covered"], over_tcp) for over_tcp in (True, False)]
    return told in possible or (action is None and told == {"udp": None, "tcp": None})

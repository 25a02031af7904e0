"""What a node can show of a signed order beside the order itself: its history here, and the signatures behind it.

The control process takes both from the audit log and writes them to a file for the page process, which has no part in
that log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from blockd.orders.order import Order
from blockd.orders.stored import order_to_json

MAX_TURNS = 50  # of an order's history that are shown, the newest; an order has a handful
MAX_SIGNERS = 64  # keys of one signed file that are shown


@dataclass(frozen=True, slots=True)
class OrderTurn:
    """From when every worker of this node had an order in a state: `at` is RFC 3339, the state as `State.text`."""

    at: str
    state: str


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A signed file that an order rests on: of its keys' signatures, all of them verified, `threshold` were needed.

    `keys` are the ids of the keys (The Update Framework, specification 1.0), in hexadecimal.
    """

    file: str
    version: int
    threshold: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dossier:
    """The history of an order, the oldest turn first, and what it rests on, from the root of trust down.

    `of` is the fingerprint of the very order that the signatures are of. `verified` is when the node took the signed
    files, RFC 3339, empty if none are known. `sha256` and `size` are those of the signed document, empty and 0 if it is
    not shown; `is_kept` says whether it can be had here.
    """

    of: str
    history: tuple[OrderTurn, ...] = ()
    verified: str = ""
    signatures: tuple[SignedFile, ...] = ()
    sha256: str = ""
    size: int = 0
    is_kept: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values; `dossier_from_json` is the inverse."""
        return asdict(self)


def dossier_from_json(told: Any) -> Dossier:
    """Return what `Dossier.to_json` wrote; raises ValueError if it is anything else."""
    try:
        history = tuple(OrderTurn(**{name: _text(one[name]) for name in ("at", "state")}) for one in told["history"])
        signatures = tuple(_signed_file(one) for one in told["signatures"])
        return Dossier(
            _text(told["of"]), history[-MAX_TURNS:], _text(told["verified"]), signatures, _text(told["sha256"]),
            int(told["size"]), bool(told["is_kept"]),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not the dossier of an order: {error}") from error


def fingerprint(order: Order) -> str:
    """Return what tells an order from another version of it: a SHA-256 in hexadecimal over all that it says.

    It is for processes of one blockd, which have read the order from the same ruleset.
    """
    stored = ascii(sorted(order_to_json(order).items()))
    return hashlib.sha256(stored.encode("ascii")).hexdigest()


def _signed_file(told: Mapping[str, Any]) -> SignedFile:
    keys = tuple(_text(key) for key in told["keys"][:MAX_SIGNERS])
    return SignedFile(_text(told["file"]), int(told["version"]), int(told["threshold"]), keys)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a text")
    return value

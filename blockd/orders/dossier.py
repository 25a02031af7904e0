"""What a node can show of a signed order beside the order itself: its history here, and the signatures behind it.

The control process takes both from the audit log and writes them to files for the page process, which has no part in
that log. The signatures are the same for all orders of an authority, and change with each of them: they have a file of
their own, so that a change of one order leaves the files of all others as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from blockd.orders.order import Order
from blockd.orders.repository import EARLIER
from blockd.orders.stored import order_to_json

MAX_TURNS = 50  # of an order's history that are shown, the newest; an order has a handful
MAX_SIGNERS = 64  # keys of one signed file that are shown
MAX_ROOTS = 50  # roots of trust that are shown: the first, and the newest; a repository has one more every few years


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
class Signatures:
    """What the orders of one authority rest on, from the root of trust down to the authority's own metadata.

    `verified` is when the node took the signed files, RFC 3339. Earlier metadata of the authority come last: they are
    behind the orders that only they list.
    """

    verified: str
    files: tuple[SignedFile, ...]

    def to_json(self) -> dict[str, object]:
        """Return them as JSON values; `signatures_from_json` is the inverse."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Dossier:
    """The history of an order, the oldest turn first, and what it rests on, from the root of trust down.

    `of` is the fingerprint of the very order that the signatures are of. `listed_by` is the newest metadata that list
    its document, empty if none are known. `sha256` and `size` are those of the signed document, empty and 0 if it is
    not shown; `is_kept` says whether it can be had here. `verified` and `signatures` are those of `Signatures` that the
    order rests on, empty and none until they are known (`resting_on`).
    """

    of: str
    history: tuple[OrderTurn, ...] = ()
    listed_by: str = ""
    sha256: str = ""
    size: int = 0
    is_kept: bool = False
    verified: str = ""
    signatures: tuple[SignedFile, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values, without the signatures; `dossier_from_json` is the inverse."""
        told = asdict(replace(self, signatures=()))
        return {name: value for name, value in told.items() if name not in ("verified", "signatures")}

    def resting_on(self, signatures: Signatures) -> Dossier:
        """Return it with the signatures behind this order, of those behind its authority's orders."""
        if not self.listed_by:
            return self
        files = (one for one in signatures.files if one.file == self.listed_by or not one.file.startswith(EARLIER))
        return replace(self, verified=signatures.verified, signatures=tuple(files))


def dossier_from_json(told: Any) -> Dossier:
    """Return what `Dossier.to_json` wrote; raises ValueError if it is anything else."""
    try:
        history = tuple(OrderTurn(**{name: _text(one[name]) for name in ("at", "state")}) for one in told["history"])
        return Dossier(
            _text(told["of"]), history[-MAX_TURNS:], _text(told["listed_by"]), _text(told["sha256"]),
            int(told["size"]), bool(told["is_kept"]),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not the dossier of an order: {error}") from error


def signatures_from_json(told: Any) -> Signatures:
    """Return what `Signatures.to_json` wrote; raises ValueError if it is anything else."""
    try:
        return Signatures(_text(told["verified"]), tuple(map(_signed_file, told["files"])))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"they are not the signatures behind orders: {error}") from error


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

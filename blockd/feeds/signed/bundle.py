"""One version of a signed list, and the bundle file in which the compiling process receives it.

The bundle's first line is a JSON object with the length and SHA-256 of the rest; the rest is one JSON object. The text
of an order's list lies beside the bundle, as lists/SHA256.txt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from blockd.errors import BadOrder, FeedRefused, FileTooLarge, cause_of
from blockd.files import open_kept, read_rest, replacing
from blockd.orders import Entry, ListStep, NameList, OrderDocument, Scope
from blockd.orders.repository import checked_may_lift
from blockd.orders.stored import order_to_json, parse_order
from blockd.ruleset.parties import MayLift, authority_text

BUNDLE_FORMAT = 2
MAX_BUNDLE = 2 * 1024**3  # bytes; names are written as hex, so a bundle may be twice as large as its orders
MAX_HEADER = 1024  # bytes


@dataclass(frozen=True, slots=True)
class AuthorityVersion:
    """The state of one authority's delegated role; `refusal` says why its newest metadata is not taken, if it is not.

    Then `version` and `expires` are those of its previous part, 0 if there is none. `refusal` also reports orders
    that were left out, all else of the authority being taken. `role` is in quotes if it is not a valid name for an
    authority's role.
    """

    role: str
    version: int
    expires: int  # seconds since the epoch
    reason: str = ""  # of `blockd.feeds.reasons`
    refusal: str = ""  # a sentence


@dataclass(frozen=True, slots=True)
class RefusedOrder:
    """An order whose newest version is refused alone, with a sentence; all else of its signer is taken.

    `stays` is whether an earlier version of it stays in force. `role` is empty for the repository's own. Beyond
    MAX_TOLD orders of one role, the last one has no id and stands for all `orders` that are not told one by one.
    """

    role: str
    order: str
    reason: str  # of `blockd.feeds.reasons`
    refusal: str  # a sentence
    stays: bool
    orders: int = 1

    @property
    def called(self) -> str:
        """The order as sentences call it: `ROLE/ID`, or `ID` if the repository itself signs it."""
        name = self.order or f"{self.orders:,} more orders"
        return f"{self.role}/{name}" if self.role else name


@dataclass(frozen=True, slots=True)
class SignedVersion:
    """The verified content of a signed repository at one time.

    `expires` is the earliest expiry of its root, timestamp, snapshot and targets, in seconds since the epoch; each of
    `authorities` has its own. `digest` is a SHA-256 in hex over the orders and `may_lift`: equal digests mean that
    these are equal.
    """

    targets_version: int
    timestamp_version: int
    expires: int
    documents: tuple[OrderDocument, ...]
    digest: str
    authorities: tuple[AuthorityVersion, ...] = ()
    published: float | None = (
        None  # seconds since the epoch, when it was signed; None if the timestamp's metadata does not say
    )
    refused: tuple[RefusedOrder, ...] = ()
    may_lift: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by role, the roles whose orders it may lift


def write_bundle(version: SignedVersion, path: Path) -> None:
    """Write `version` to `path` atomically."""
    content = json.dumps(
        {
            "targets_version": version.targets_version,
            "timestamp_version": version.timestamp_version,
            "expires": version.expires,
            "digest": version.digest,
            "authorities": [astuple(authority) for authority in version.authorities],
            "published": version.published,
            "refused": [astuple(order) for order in version.refused],
            "may_lift": {role: list(lifted) for role, lifted in version.may_lift.items()},
            "documents": [
                {
                    "order": order_to_json(document.order),
                    "entries": [[entry.key.hex(), int(entry.scope)] for entry in document.entries],
                    "steps": [astuple(step) for step in document.names.steps] if document.names else [],
                    "scope": int(document.scope),
                }
                for document in version.documents
            ],
        },
        separators=(",", ":"),
    ).encode()
    header = {"bundle": BUNDLE_FORMAT, "length": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with replacing(path) as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(content)


def read_bundle(path: Path) -> SignedVersion:
    """Read a bundle; raises FeedRefused: `missing`, `cut` if it is incomplete, `format` if it is damaged."""
    content = read_content(path)
    try:
        return _version(content, str(path))
    except (ValueError, TypeError, KeyError, AttributeError, BadOrder) as error:
        raise FeedRefused("format", f"The bundle {path} cannot be used: {cause_of(error)}. {_REMEDY}") from error


def read_content(path: Path) -> Any:
    """Return a bundle's JSON value, its documents not parsed; raises FeedRefused as `read_bundle` does."""
    try:
        with open_kept(path) as file:
            header = file.readline(MAX_HEADER)
            content = read_rest(file, MAX_BUNDLE)
    except FileTooLarge as error:
        raise FeedRefused("format", f"The bundle {path} is larger than {MAX_BUNDLE >> 30} GiB. {_REMEDY}") from error
    except OSError as error:
        raise FeedRefused("missing", f"The bundle {path} cannot be read: {error.strerror}.") from error
    try:
        head = json.loads(header)
        known, length, digest = head["bundle"] == BUNDLE_FORMAT, int(head["length"]), str(head["sha256"])
    except (ValueError, TypeError, KeyError) as error:
        reason = "format" if header.endswith(b"\n") else "cut"
        raise FeedRefused(reason, f"The bundle {path} has no usable first line. {_REMEDY}") from error
    if not known:
        raise FeedRefused("format", f"The bundle {path} is not of format {BUNDLE_FORMAT}. {_REMEDY}")
    if len(content) < length:
        raise FeedRefused("cut", f"The bundle {path} ends {length - len(content)} bytes early. {_REMEDY}")
    if len(content) > length or hashlib.sha256(content).hexdigest() != digest:
        raise FeedRefused("format", f"The bundle {path} is damaged: its digest does not match. {_REMEDY}")
    try:
        return json.loads(content)
    except ValueError as error:
        raise FeedRefused("format", f"The bundle {path} cannot be used: {cause_of(error)}. {_REMEDY}") from error


_REMEDY = "It is fetched anew with the next refresh; what the feed gave before stays in force."


def _version(content: Any, source: str) -> SignedVersion:
    documents = tuple(read_document(document, source) for document in content["documents"])
    return SignedVersion(
        targets_version=int(content["targets_version"]),
        timestamp_version=int(content["timestamp_version"]),
        expires=int(content["expires"]),
        documents=documents,
        digest=str(content["digest"]),
        authorities=tuple(AuthorityVersion(*authority) for authority in content["authorities"]),
        published=None if content["published"] is None else float(content["published"]),
        refused=tuple(RefusedOrder(*order) for order in content.get("refused", ())),
        may_lift=may_lift_of(content),
    )


def may_lift_of(content: Any) -> dict[str, tuple[str, ...]]:
    """Return the `may_lift` of a bundle's JSON value; raises ValueError, TypeError or AttributeError."""
    found = content.get("may_lift", {})  # older bundles have none
    return {str(role): checked_may_lift(role, lifted) for role, lifted in found.items()}


def lifted_by(feed: str, may_lift: Mapping[str, Sequence[str]]) -> MayLift:
    """Return a repository's `may_lift` as a ruleset has it, given the name of its feed."""
    return {role: tuple(authority_text(feed, one) for one in lifted) for role, lifted in may_lift.items()}


def read_document(document: Any, source: str) -> OrderDocument:
    """Parse one of a bundle's documents; raises ValueError, TypeError, KeyError or BadOrder."""
    return OrderDocument(
        parse_order(document["order"], source),
        tuple(Entry(bytes.fromhex(key), Scope(scope)) for key, scope in document["entries"]),
        NameList(tuple(ListStep(*step) for step in document["steps"])) if document["steps"] else None,
        Scope(document["scope"]),
    )

"""One version of a signed list, and the bundle file in which the compiling process receives it.

The bundle's first line is a JSON object with the length and SHA-256 of the rest; the rest is one JSON object. The text
of an order's list lies beside the bundle, as lists/SHA256.txt.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from blockd.errors import BadOrder, FeedRefused, FileTooLarge
from blockd.files import read_rest, replacing
from blockd.orders import Entry, ListStep, NameList, OrderDocument, Scope
from blockd.orders.stored import order_to_json, parse_order

BUNDLE_FORMAT = 2
MAX_BUNDLE = 2 * 1024**3  # bytes; names are written as hex, so a bundle may be twice as large as its orders
MAX_HEADER = 1024  # bytes


@dataclass(frozen=True, slots=True)
class AuthorityVersion:
    """What one authority's delegated role has given; `refusal` says why its newest metadata is not taken, if it is not.

    Then `version` and `expires` are of what was taken before, 0 where that is nothing. `refusal` also tells of an order
    that was left out because an authority before it has one with the same id. `role` is in quotes where it could not be
    an authority's.
    """

    role: str
    version: int
    expires: int  # seconds since the epoch
    reason: str = ""  # of `blockd.feeds.reasons`
    refusal: str = ""  # a sentence


@dataclass(frozen=True, slots=True)
class SignedVersion:
    """What a signed repository held at one moment, all of it verified.

    `expires` is the earliest expiry of its root, timestamp, snapshot and targets, in seconds since the epoch; those of
    `authorities` are their own. `digest` is a SHA-256 in hex over the orders: the same digest, the same orders.
    """

    targets_version: int
    timestamp_version: int
    expires: int
    documents: tuple[OrderDocument, ...]
    digest: str
    authorities: tuple[AuthorityVersion, ...] = ()
    published: float | None = (
        None  # seconds since the epoch, when it was signed, where the timestamp's metadata says so
    )


def write_bundle(version: SignedVersion, path: Path) -> None:
    """Write `version` to `path`, whole or not at all."""
    content = json.dumps(
        {
            "targets_version": version.targets_version,
            "timestamp_version": version.timestamp_version,
            "expires": version.expires,
            "digest": version.digest,
            "authorities": [astuple(authority) for authority in version.authorities],
            "published": version.published,
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
    """Read a bundle; raises FeedRefused: `missing`, `cut` where its end is gone, `format` where it is damaged."""
    content = read_content(path)
    try:
        return _version(content, str(path))
    except (ValueError, TypeError, KeyError, BadOrder) as error:
        raise FeedRefused("format", f"The bundle {path} cannot be used: {error}. {_REMEDY}") from error


def read_content(path: Path) -> Any:
    """Give the JSON value that a bundle holds, with its documents unread; raises FeedRefused as `read_bundle` does."""
    try:
        with path.open("rb") as file:
            header = file.readline(MAX_HEADER)
            content = read_rest(file, MAX_BUNDLE)
    except FileTooLarge as error:
        raise FeedRefused("format", f"The bundle {path} is larger than any. {_REMEDY}") from error
    except OSError as error:
        raise FeedRefused("missing", f"The bundle {path} cannot be read: {error.strerror}.") from error
    try:
        told = json.loads(header)
        known, length, digest = told["bundle"] == BUNDLE_FORMAT, int(told["length"]), str(told["sha256"])
    except (ValueError, TypeError, KeyError) as error:
        reason = "format" if header.endswith(b"\n") else "cut"
        raise FeedRefused(reason, f"The bundle {path} has no usable first line. {_REMEDY}") from error
    if not known:
        raise FeedRefused("format", f"The bundle {path} is of another format than {BUNDLE_FORMAT}. {_REMEDY}")
    if len(content) < length:
        raise FeedRefused("cut", f"The bundle {path} ends {length - len(content)} bytes early. {_REMEDY}")
    if len(content) > length or hashlib.sha256(content).hexdigest() != digest:
        raise FeedRefused("format", f"The bundle {path} is damaged: its digest is another one. {_REMEDY}")
    try:
        return json.loads(content)
    except ValueError as error:
        raise FeedRefused("format", f"The bundle {path} cannot be used: {error}. {_REMEDY}") from error


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
    )


def read_document(document: Any, source: str) -> OrderDocument:
    """Read one of a bundle's documents; raises ValueError, TypeError, KeyError or BadOrder."""
    return OrderDocument(
        parse_order(document["order"], source),
        tuple(Entry(bytes.fromhex(key), Scope(scope)) for key, scope in document["entries"]),
        NameList(tuple(ListStep(*step) for step in document["steps"])) if document["steps"] else None,
        Scope(document["scope"]),
    )

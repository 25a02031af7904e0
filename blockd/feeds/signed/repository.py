"""The signed repository: a feed whose every byte is proved by The Update Framework before it is parsed.

Its orders are signed by the repository itself, by authorities that it delegates to, or both (`blockd.feeds.signed.part`
has the form). `blockd.feeds.signed.trust` has the rules of trust.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tuf.api.metadata import Timestamp

from blockd.errors import FeedRefused
from blockd.feeds.bundle import AuthorityVersion, SignedVersion
from blockd.feeds.signed.authorities import Authorities, Given, Room
from blockd.feeds.signed.connections import Connections
from blockd.feeds.signed.documents import Documents, ListTexts
from blockd.feeds.signed.fetchers import BoundedFetcher
from blockd.feeds.signed.part import Delegation, Part, delegations, part_of, refused
from blockd.feeds.signed.trust import TOP, Attempt, Trust
from blockd.orders import OrderDocument
from blockd.orders.moment import moment_from_text
from blockd.orders.repository import PUBLISHED_FIELD
from blockd.ruleset.salts import MAX_SALTS


class SignedRepository:
    """One signed repository at `url` (`file:`, `http:` or `https:`), trusted through `root`, the bytes of a root.json.

    `folder` is this feed's own; it keeps what was trusted last, so that an older list is known as such after a
    restart, and the orders already fetched. `now` gives seconds since the epoch; `fetcher` makes one for each fetch;
    `texts` brings the names that are in files of their own.
    """

    def __init__(
        self,
        url: str,
        root: bytes,
        folder: Path,
        *,
        now: Callable[[], float] = time.time,
        fetcher: Callable[[], BoundedFetcher] = BoundedFetcher,
        texts: ListTexts | None = None,
    ) -> None:
        self._url = url
        self._folder = folder
        self._now = now
        self._fetcher = fetcher
        self._connections = Connections()
        self._trust = Trust(root, folder / "trusted", folder / "staging", now)
        self._documents = Documents(folder, texts)
        self._authorities = Authorities(folder / "trusted", self._documents)
        self._last: SignedVersion | None = None
        self._timestamp = b""  # of the last version, as it came
        self._root_version = 0
        self._until = 0.0  # when one of its roles expires; 0 where the next look has to be a whole one
        self._proofs: dict[str, Path] = {}

    def fetch(self, url: str = "") -> SignedVersion:
        """Fetch and verify what is published now, at `url` where a mirror is asked; blocks, so it is for a thread.

        Where the digest is the one that was given before, nothing has changed. Raises FeedRefused, or FeedUnreachable
        where the repository does not answer; what was given before stays trusted. An authority that is refused is
        told in the version; only where every part is, the whole is refused.
        """
        url = (url or self._url).rstrip("/")
        subject = f"The signed list {url}"
        fetcher = self._fetcher()
        fetcher.connections = self._connections
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            fetcher.folder = self._folder
            with self._trust.attempt(f"{url}/metadata/", fetcher, subject, f"{url}/targets/") as attempt:
                return self._version(attempt, subject)
        except FeedRefused:
            with contextlib.suppress(OSError):
                self._documents.bound()
            raise
        except OSError as error:
            raise FeedRefused(
                "fault",
                f"{subject} could not be stored in {self._folder}: {error}; what it gave before "
                "stays in force. See that the folder can be written and the disk has room; the folder may be removed.",
            ) from error
        finally:
            fetcher.close()

    def evidence(self) -> dict[str, bytes]:
        """Give the files that prove the version given last, as they came, by their names in the repository.

        They are the roots, `timestamp.json`, `snapshot.json`, `targets.json`, `ROLE.json` of each authority, and each
        order's document by its target path. Raises FeedRefused where the disk no longer has them.
        """
        try:
            return {name: path.read_bytes() for name, path in self._proofs.items()}
        except OSError as error:
            self._until = 0.0
            raise FeedRefused(
                "fault",
                f"What proves the signed list {self._url} cannot be read: {error}; what it gave before stays in force. "
                "It is fetched again.",
            ) from error

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._connections.close()

    def _version(self, attempt: Attempt, subject: str) -> SignedVersion:
        attempt.begin()
        unchanged = attempt.root.version == self._root_version and self._now() < self._until
        if self._last is not None and unchanged and attempt.octets("timestamp.json") == self._timestamp:
            return self._last
        attempt.finish()
        own, given = self._parts(attempt, subject)
        documents, digest, left_out = _documents(own, given)
        if not documents:
            raise refused("empty", subject, "lists no order")
        tops = (attempt.root, attempt.timestamp, attempt.snapshot, attempt.targets)
        version = SignedVersion(
            targets_version=attempt.targets.version,
            timestamp_version=attempt.timestamp.version,
            expires=min(int(top.expires.timestamp()) for top in tops),
            documents=documents,
            digest=digest,
            authorities=tuple(one.version(left_out.get(one.delegation.role)) for one in given),
            published=_published(attempt.timestamp),
        )
        timestamp = attempt.octets("timestamp.json")
        self._trust.keep(one.delegation.role for one in given if one.is_new)
        self._trust.forget_all_but(one.delegation.role for one in given)
        self._last, self._timestamp, self._root_version = version, timestamp, attempt.root.version
        parts = [one.part for one in (own, *given) if one.part]
        self._documents.keep(parts, [one.wanted for one in given if one.wanted])
        self._proofs = self._proofs_of(parts, attempt.root.version)
        settled = all(one.is_settled for one in given)
        self._until = min([version.expires, *(one.part.expires for one in given if one.is_new and one.part)])
        self._until *= settled
        return version

    def _parts(self, attempt: Attempt, subject: str) -> tuple[Given, list[Given]]:
        """Give what the repository itself lists, and what its authorities give; raises FeedRefused where all fail."""
        itself = Delegation("", "", subject)
        own = part_of(attempt.targets, itself)
        found = delegations(attempt.targets, subject)
        before = self._authorities.before(attempt, found)
        room = Room(before)
        room.take(own)
        documents = self._documents.read(attempt, own)
        given = [self._authorities.give(attempt, one, before[one.role], room) for one in found]
        refusals = [one.refusal for one in given if one.refusal is not None]
        if not own.orders and refusals and len(refusals) == len(given):
            raise refusals[0]
        return Given(itself, own, documents), given

    def _proofs_of(self, parts: Sequence[Part], root_version: int) -> dict[str, Path]:
        names = [*TOP, *(f"{part.role}.json" for part in parts if part.role)]
        return {
            **self._trust.roots(root_version),
            **{name: self._trust.folder / name for name in names},
            **{target.path: self._documents.path(target) for part in parts for target in part.orders.values()},
        }


def _documents(own: Given, given: Sequence[Given]) -> tuple[tuple[OrderDocument, ...], str, dict[str, FeedRefused]]:
    """Give all documents, their digest, and what is to be told of roles whose orders have the ids of earlier ones."""
    owners: dict[str, str] = {}
    found: list[OrderDocument] = []
    hashes: list[tuple[str, str]] = []
    left_out: dict[str, FeedRefused] = {}
    salts: set[bytes] = set()
    for one in (own, *given):
        if one.part is None:
            continue
        for identifier, document in one.documents.items():
            owner = owners.setdefault(identifier, one.delegation.role)
            if owner != one.delegation.role:
                left_out[one.delegation.role] = _taken(one.delegation, identifier, owner)
                continue
            if document.order.is_confidential:
                salts.add(document.order.salt)
                if len(salts) > MAX_SALTS:
                    salts.remove(document.order.salt)
                    left_out[one.delegation.role] = _salted(one.delegation, identifier)
                    continue
            found.append(document)
            target = one.part.orders[identifier]
            hashes.append((target.path, target.hashes["sha256"]))
    return tuple(found), hashlib.sha256(json.dumps(hashes).encode()).hexdigest(), left_out


def _salted(delegation: Delegation, identifier: str) -> FeedRefused:
    return FeedRefused(
        "too large",
        f"{delegation.subject} has a confidential order {identifier} with one salt more than the {MAX_SALTS} that "
        "all orders of a repository may have: it is left out, all else of this authority is in force. One salt does "
        "for all confidential orders of an authority.",
    )


def _taken(delegation: Delegation, identifier: str, owner: str) -> FeedRefused:
    whose = f"of the authority {owner}" if owner else "that the repository itself signs"
    return FeedRefused(
        "outside",
        f"{delegation.subject} has an order {identifier}, which is the id of one {whose}: that one counts, all else of "
        "this authority is in force. It has to give its order another id.",
    )


def _published(timestamp: Timestamp) -> float | None:
    """Give when the timestamp was signed, in seconds since the epoch, where it says so as it should."""
    try:
        return moment_from_text(timestamp.unrecognized_fields.get(PUBLISHED_FIELD))
    except (ValueError, OverflowError):
        return None


def refused_authorities(version: SignedVersion) -> list[AuthorityVersion]:
    """Give the authorities of which not all is taken."""
    return [authority for authority in version.authorities if authority.refusal]

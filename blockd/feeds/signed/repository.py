"""The signed repository: a feed whose every byte is verified with The Update Framework before it is parsed.

Its orders are signed by the repository itself, by authorities that it delegates to, or both
(`blockd.feeds.signed.role_targets` has the form). `blockd.feeds.signed.trust` has the rules of trust.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Container, Sequence
from pathlib import Path

from tuf.api.metadata import Timestamp

from blockd.errors import FeedRefused, FeedUnreachable, cause_of
from blockd.feeds.http.access import Access
from blockd.feeds.signed.allowance import Allowance
from blockd.feeds.signed.authorities import Authorities, Quota, RoleResult, used_by
from blockd.feeds.signed.bundle import AuthorityVersion, RefusedOrder, SignedVersion
from blockd.feeds.signed.connections import HttpConnections
from blockd.feeds.signed.documents import Documents, ListTexts
from blockd.feeds.signed.earlier import EARLIER, EarlierMetadata, metadata_name
from blockd.feeds.signed.fetchers import BoundedFetcher, LookFetcher
from blockd.feeds.signed.ownership import Held, held_by, together
from blockd.feeds.signed.refusals import FOREIGN, refusal
from blockd.feeds.signed.role_targets import Delegation, RoleTargets, delegations, part_of, refused
from blockd.feeds.signed.side_by_side import MirrorLane, SideBySide
from blockd.feeds.signed.trust import TOP, RefreshAttempt, Trust
from blockd.orders.repository import PUBLISHED_FIELD
from blockd.times import moment_from_text

CLOSING = 0.5  # seconds in which a thread whose connection was cut usually ends


class SignedRepository:
    """One signed repository at `url` (`file:`, `http:` or `https:`), trusted through `root`, the bytes of a root.json.

    `folder` is this feed's own; it keeps what was trusted last, so that an older list is detected after a restart, and
    the orders already fetched. `now` returns seconds since the epoch; `fetcher` makes one for each fetch; `texts` makes
    the texts of lists in files of their own; `access` says how servers are reached, with secrets as they are now.
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
        access: Callable[[], Access] | None = None,
    ) -> None:
        self._url = url
        self._folder = folder
        self._now = now
        self._fetcher = fetcher
        self._access = access
        self._lanes: dict[str, MirrorLane] = {}  # with what is connected, by URL
        self._trust = Trust(root, folder / "trusted", folder / "staging", now)
        allowance = Allowance(now)
        self._documents = Documents(folder, texts, allowance)
        self._earlier = EarlierMetadata(folder / EARLIER, folder / "trusted")
        self._authorities = Authorities(folder / "trusted", self._documents, self._earlier, allowance)
        self.look: SideBySide | None = None  # the last one, if two mirrors were asked side by side
        self._last: SignedVersion | None = None
        self._timestamp = b""  # of the last version, as fetched
        self._root_version = 0
        self._until = 0.0  # when one of its roles expires; 0 if the next fetch has to be a complete one
        self._proofs: dict[str, Path] = {}

    def fetch(self, url: str = "", beside: str = "") -> SignedVersion:
        """Fetch and verify what is published now, at `url` for a mirror; blocks, so call it from a thread.

        After a second of waiting the mirror `beside` is asked too, and `look` then says what it gave.

        If the digest is the same as before, nothing has changed. Raises FeedRefused, or FeedUnreachable if the
        repository does not answer; the previous version stays trusted. A refused order or authority is reported in the
        version; the whole is refused only if every part is, or no order is left.
        """
        url, beside = (url or self._url).rstrip("/"), beside.rstrip("/")
        subject = f"The signed list {url}"
        self.look = SideBySide((self._lane(url), self._lane(beside))) if beside not in ("", url) else None
        fetcher: LookFetcher = self.look or self._lane(url, is_alone=True).fetcher
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
                f"{subject} could not be stored in {self._folder}: {cause_of(error)}; what it gave before "
                "stays in force. Check that the folder is writable and the disk has room; the folder may be removed.",
            ) from error
        finally:
            fetcher.close()

    def late(self) -> FeedRefused | None:
        """Return what is to be said of the first mirror of the last look if the other one gave first; else None."""
        look = self.look
        if look is None or not look.was_late:
            return None
        first, second = look.lanes
        subject = f"The signed list {first.url}"
        if isinstance(look.error, FOREIGN):
            return refusal(look.error, subject, first.fetcher)
        return FeedRefused("stalled", f"{subject} is sent slowly; {second.url} was faster, and is asked first now.")

    def evidence(self) -> dict[str, bytes]:
        """Return the files that prove the last version, as fetched, by their names in the repository.

        They are the roots, `timestamp.json`, `snapshot.json`, `targets.json`, `ROLE.json` of each authority, and each
        order's document by its target path; `earlier/VERSION.ROLE.json` are earlier metadata that list a document of
        which a newer version is refused. Raises FeedRefused if they are no longer on the disk.
        """
        try:
            return {name: path.read_bytes() for name, path in self._proofs.items()}
        except OSError as error:
            self._until = 0.0
            raise FeedRefused(
                "fault",
                f"The evidence of the signed list {self._url} cannot be read: {cause_of(error)}; what it gave before "
                "stays in force. It is fetched again.",
            ) from error

    def close(self) -> None:
        """Close the connections that are kept open."""
        for lane in self._lanes.values():
            lane.fetcher.connections.cut()
            if lane.is_idle.wait(CLOSING):  # else the thread closes what it still uses
                lane.fetcher.connections.close()

    def _lane(self, url: str, *, is_alone: bool = False) -> MirrorLane:
        """Return a mirror with the connections that are kept, and the limits of a new look.

        If a thread still uses them, it is the mirror as that thread has it, or one with new connections to look
        at it alone.
        """
        before = self._lanes.get(url)
        is_idle = before is None or before.is_idle.is_set()
        if before is not None and not is_idle and not is_alone:
            return before
        try:
            access = self._access() if self._access is not None else Access.to(url)
        except ValueError:  # the fetcher says what is wrong with it
            access = Access.to()
        fetcher = self._fetcher()
        fetcher.connections = before.fetcher.connections if before and is_idle else HttpConnections(access)
        fetcher.connections.use(access)
        fetcher.connections.begin()
        self._lanes[url] = MirrorLane(url, fetcher)
        return self._lanes[url]

    def _version(self, attempt: RefreshAttempt, subject: str) -> SignedVersion:
        attempt.begin()
        unchanged = attempt.root.version == self._root_version and self._now() < self._until
        if self._last is not None and unchanged and attempt.octets("timestamp.json") == self._timestamp:
            return self._last
        attempt.finish()
        own, given = self._parts(attempt, subject)
        held = self._held()
        _refuse_lost((own, *given), held, subject)
        documents, digest, left_out = together(own, given, held)
        told = tuple(order for one in (own, *given) for order in one.orders)
        may_lift = {one.delegation.role: one.delegation.may_lift for one in given if one.delegation.may_lift}
        if may_lift:
            digest = hashlib.sha256(json.dumps([digest, sorted(may_lift.items())]).encode()).hexdigest()
        if not documents:
            if told:
                sentence = f"{subject} lists no order that can be taken; what it gave before stays in force. "
                sentence += told[0].refusal
                is_away = told[0].reason == "unreachable"
                raise FeedUnreachable(sentence) if is_away else FeedRefused(told[0].reason, sentence)
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
            refused=told,
            may_lift=may_lift,
        )
        timestamp = attempt.octets("timestamp.json")
        used = used_by((own, *given))
        self._earlier.keep(used)
        self._trust.keep(one.delegation.role for one in given if one.is_new)
        self._trust.forget_all_but(one.delegation.role for one in given)
        self._last, self._timestamp, self._root_version = version, timestamp, attempt.root.version
        parts = [one.part for one in (own, *given) if one.part]
        self._documents.keep(parts, [one.wanted for one in (own, *given) if one.wanted])
        self._proofs = {
            **self._proofs_of(parts, attempt.root.version, held_by(documents)),
            **{f"{EARLIER}/{v}.{metadata_name(role)}.json": self._earlier.path(role, v) for role, v in sorted(used)},
        }
        self._earlier.forget_all_but(used)
        settled = all(one.is_settled for one in (own, *given))
        self._until = min([version.expires, *(one.part.expires for one in given if one.is_new and one.part)])
        self._until *= settled
        return version

    def _parts(self, attempt: RefreshAttempt, subject: str) -> tuple[RoleResult, list[RoleResult]]:
        """Return the results for the repository itself and for its authorities; raises FeedRefused if all fail."""
        itself = Delegation("", "", subject)
        newest = part_of(attempt.targets, itself)
        found = delegations(attempt.targets, subject)
        before = self._authorities.before(attempt, found)
        room = Quota(before)
        room.take(newest)
        own = self._authorities.own(attempt, itself, newest)
        given = [self._authorities.give(attempt, one, before[one.role], room) for one in found]
        refusals = [one.refusal for one in given if one.refusal is not None]
        if not own.documents and refusals and len(refusals) == len(given):
            raise refusals[0]
        return own, given

    def _held(self) -> Held:
        """Return what the orders of the previous version hold; after a start that is the one in force."""
        return held_by(self._last.documents if self._last is not None else self._documents.accepted())

    def _proofs_of(
        self, parts: Sequence[RoleTargets], root_version: int, taken: Container[tuple[str, str]]
    ) -> dict[str, Path]:
        """Return the files of `evidence`, with the documents that are in `taken`, by role and id."""
        names = [*TOP, *(f"{part.role}.json" for part in parts if part.role)]
        targets = [(part.role, *order) for part in parts for order in part.orders.items()]
        return {
            **self._trust.roots(root_version),
            **{name: self._trust.folder / name for name in names},
            **{it.path: self._documents.path(it) for role, order, it in targets if (role, order) in taken},
        }


def _refuse_lost(results: Sequence[RoleResult], held: Held, subject: str) -> None:
    """Raise FeedRefused if an order in force is neither on this disk any more nor to be had from the repository.

    It must not drop out for a fault of this machine and of a server.
    """
    for result in results:
        if result.wanted is None or result.is_settled:
            continue
        role = result.delegation.role
        for identifier in result.wanted.orders.keys() - result.documents.keys():
            if (role, identifier) in held:
                raise FeedRefused(
                    "fault",
                    f"{subject} does not give the order {identifier}, which is in force and can no longer be read in "
                    "the state folder; what it gave before stays in force. It is tried again; check the disk.",
                )


def _published(timestamp: Timestamp) -> float | None:
    """Return when the timestamp was signed, in seconds since the epoch; None if it does not say so properly."""
    try:
        return moment_from_text(timestamp.unrecognized_fields.get(PUBLISHED_FIELD))
    except (ValueError, OverflowError):
        return None


def refused_parts(version: SignedVersion) -> list[AuthorityVersion | RefusedOrder]:
    """Return the authorities and the orders that are refused; each has a reason and a refusal."""
    return [*(authority for authority in version.authorities if authority.refusal), *version.refused]

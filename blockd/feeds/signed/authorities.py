"""The roles of a signed repository: if an order or an authority is refused, all others are taken nevertheless.

If an order's newest version is refused, an earlier one stays in force if there is one, whatever becomes of the other
orders; it ends by its own dates, or when its signer no longer lists it. If a role's newest metadata are refused, its
last trusted metadata and their documents stay in force. Both hold as long as what stays is signed by the keys that the
repository has for the role now.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tuf.api.metadata import TargetFile

from blockd.errors import FeedRefused
from blockd.feeds.signed.allowance import DAILY, Allowance
from blockd.feeds.signed.bundle import AuthorityVersion, RefusedOrder
from blockd.feeds.signed.documents import Documents
from blockd.feeds.signed.earlier import EarlierMetadata, Used, metadata_name, read_part
from blockd.feeds.signed.limits import MAX_EARLIER, MAX_ORDERS, MAX_TOLD, MAX_TOTAL
from blockd.feeds.signed.role_targets import Delegation, RoleTargets, part_of, refused
from blockd.feeds.signed.trust import RefreshAttempt
from blockd.orders import OrderDocument
from blockd.printable import one_line


@dataclass(frozen=True, slots=True)
class RoleResult:
    """The result for a role: `part` and its documents, None if there are none; `refusal` of its newest metadata.

    `part` has the orders that are taken, each as the target that it is taken from: `earlier` metadata list some of
    them, and `orders` are those whose newest versions are refused. `wanted` is what the newest metadata list, if they
    could be read. `is_settled` says that reading the same metadata again would have the same result, as the refused
    content is what was signed.
    """

    delegation: Delegation
    part: RoleTargets | None
    documents: Mapping[str, OrderDocument]
    refusal: FeedRefused | None = None
    wanted: RoleTargets | None = None
    is_settled: bool = True
    orders: tuple[RefusedOrder, ...] = ()
    earlier: frozenset[tuple[str, int]] = frozenset()

    @property
    def is_new(self) -> bool:
        """Whether its newest metadata were taken."""
        return self.part is not None and self.refusal is None

    def version(self, note: FeedRefused | None = None) -> AuthorityVersion:
        """Return the result for the daemon; `note` is the refusal to report if there is no other."""
        shown = self.refusal or note
        version, expires = (self.part.version, self.part.expires) if self.part else (0, 0)
        reason, sentence = (shown.reason, str(shown)) if shown else ("", "")
        return AuthorityVersion(self.delegation.role, version, expires, reason, sentence)


class Quota:
    """The limits over all parts: accepted parts keep their share; news may use what is left.

    Half of all room is kept for the authorities in equal shares, so that none takes it before others have signed.
    """

    def __init__(self, parts: Mapping[str, RoleTargets | None]) -> None:
        self._used = {role: _size(part) for role, part in parts.items()}

    def take(self, part: RoleTargets) -> None:
        """Replace the share of the role's previous part by that of `part`; raises FeedRefused if it is too large."""
        used = {**self._used, part.role: _size(part)}
        if not self._fits(part.role, used, 0, MAX_ORDERS):
            raise refused("too large", part.subject, f"lists more orders than there is room for: {MAX_ORDERS} in all")
        if not self._fits(part.role, used, 1, MAX_TOTAL):
            raise refused(
                "too large", part.subject, f"lists more bytes of orders than there is room for: {MAX_TOTAL} in all"
            )
        self._used = used

    def _fits(self, role: str, used: Mapping[str, tuple[int, int]], which: int, limit: int) -> bool:
        """Return whether a role's new part leaves the others what they have, and their shares of the rest."""
        share = limit // (2 * max(1, sum(bool(name) for name in used)))
        sizes = {name: size[which] for name, size in used.items()}
        new = sizes.pop(role)
        before = self._used[role][which] if role in self._used else 0
        if new + sum(sizes.values()) > limit:
            return False
        kept = sum(max(size, share) if name else size for name, size in sizes.items())
        return new <= max(before, share if role else 0) or new + kept <= limit


class Authorities:
    """The roles of one repository, itself included, whose trusted metadata are in `trusted`."""

    def __init__(self, trusted: Path, documents: Documents, earlier: EarlierMetadata, allowance: Allowance) -> None:
        self._trusted = trusted
        self._allowance = allowance
        self._documents = documents
        self._earlier = earlier

    def before(self, attempt: RefreshAttempt, delegations: Sequence[Delegation]) -> dict[str, RoleTargets | None]:
        """Return each role's previous part; None if it has none that its present keys have signed."""
        return {delegation.role: self._before(attempt, delegation) for delegation in delegations}

    def own(self, attempt: RefreshAttempt, itself: Delegation, part: RoleTargets) -> RoleResult:
        """Return the part of the repository itself."""
        failures = attempt.failures
        taken = self._taken(attempt, itself, part, self._before(attempt, itself))
        return replace(taken, wanted=part, is_settled=attempt.failures == failures)

    def give(
        self, attempt: RefreshAttempt, delegation: Delegation, before: RoleTargets | None, room: Quota
    ) -> RoleResult:
        """Return a role's newest part, or its previous one if that is refused."""
        if delegation.fault is None and before is None and f"{delegation.role}.json" not in attempt.snapshot.meta:
            return RoleResult(delegation, None, {})  # it has signed nothing yet
        wanted = None
        failures = attempt.failures
        try:
            if delegation.fault is not None:
                raise delegation.fault.kept()
            newest = part_of(attempt.role(delegation.role, delegation.subject), delegation)
            room.take(newest)
            wanted = newest
            if before is None or newest.version != before.version:
                self._allow(attempt, newest)
            taken = self._taken(attempt, delegation, newest, before)
            return replace(taken, wanted=wanted, is_settled=attempt.failures == failures)
        except FeedRefused as refusal:
            is_settled = attempt.failures == failures
            stays = RoleResult(delegation, None, {})
            if before is not None:
                with contextlib.suppress(FeedRefused):
                    stays = self._taken(attempt, delegation, before, before)
            return replace(stays, refusal=refusal.kept(), wanted=wanted, is_settled=is_settled)

    def _allow(self, attempt: RefreshAttempt, part: RoleTargets) -> None:
        """Count new metadata of an authority; raises FeedRefused if it has given too much."""
        octets = len(attempt.octets(f"{part.role}.json"))
        if not self._allowance.allows(part.role, octets, reserve=0):
            attempt.failures += 1  # another attempt may succeed in it
            what = f"has signed too much that is new: {DAILY >> 20} MiB a day are the limit"
            raise refused("too large", part.subject, what)
        self._allowance.take(part.role, octets)

    def _taken(
        self, attempt: RefreshAttempt, delegation: Delegation, part: RoleTargets, before: RoleTargets | None
    ) -> RoleResult:
        """Return what is taken of `part`; raises FeedRefused if earlier versions would need too many metadata."""
        read = self._documents.read(attempt, part, before.orders if before else ())
        if not read.faults:
            return RoleResult(delegation, part, read.documents)
        documents, used = dict(read.documents), set[tuple[str, int]]()
        targets: dict[str, TargetFile] = {identifier: part.orders[identifier] for identifier in documents}
        older = [*([before] if before else []), *self._earlier.parts(attempt, delegation)]
        for identifier in read.faults:
            for each in _listing(older, identifier, part):
                document = self._documents.one(attempt, each, identifier)
                if document is not None:
                    documents[identifier], targets[identifier] = document, each.orders[identifier]
                    used.add((delegation.role, each.version))
                    break
        if len(used) > MAX_EARLIER:
            what = f"has orders that are refused, whose last good versions are from {len(used)} versions of its list"
            raise refused("too large", part.subject, f"{what}; {MAX_EARLIER} are the limit")
        return RoleResult(
            delegation,
            replace(part, orders={identifier: targets[identifier] for identifier in sorted(targets)}),
            {identifier: documents[identifier] for identifier in sorted(documents)},
            orders=tuple(_told(part, read.faults, documents)),
            earlier=frozenset(used),
        )

    def _before(self, attempt: RefreshAttempt, delegation: Delegation) -> RoleTargets | None:
        return read_part(self._trusted / f"{metadata_name(delegation.role)}.json", attempt, delegation)


def used_by(results: Sequence[RoleResult]) -> Used:
    """Return the earlier metadata that orders in force are taken from."""
    return {used for result in results for used in result.earlier}


def _listing(older: Sequence[RoleTargets], identifier: str, part: RoleTargets) -> Iterator[RoleTargets]:
    """Yield the parts that list another version of an order than `part`, the newest first."""
    newest = part.orders.get(identifier)
    for each in older:
        target = each.orders.get(identifier)
        if target is not None and each.version != part.version and (newest is None or target.hashes != newest.hashes):
            yield each


def _told(
    part: RoleTargets, faults: Mapping[str, FeedRefused], documents: Mapping[str, OrderDocument]
) -> Iterator[RefusedOrder]:
    for identifier, fault in islice(sorted(faults.items()), MAX_TOLD):
        stays = identifier in documents
        end = "An earlier version of the order stays in force." if stays else "It is not in force."
        yield RefusedOrder(part.role, identifier, fault.reason, one_line(f"{fault} {end}"), stays)
    more = sorted(faults)[MAX_TOLD:]
    if more:
        sentence = f"{part.subject} has {len(more):,} more orders that are refused, {more[0]} and others."
        stays = all(identifier in documents for identifier in more)
        yield RefusedOrder(part.role, "", faults[more[0]].reason, sentence, stays, len(more))


def _size(part: RoleTargets | None) -> tuple[int, int]:
    return (len(part.orders), part.octets) if part else (0, 0)

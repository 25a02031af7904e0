"""The authorities of a signed repository: if one is refused, the others are taken nevertheless.

If a role's newest metadata or documents are refused, its last trusted metadata and their documents stay in force, as
long as they are signed by the keys that the repository now delegates to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Targets

from blockd.errors import FeedRefused
from blockd.feeds.signed.bundle import AuthorityVersion
from blockd.feeds.signed.documents import Documents
from blockd.feeds.signed.limits import MAX_METADATA, MAX_ORDERS, MAX_TOTAL
from blockd.feeds.signed.role_targets import Delegation, RoleTargets, part_of, refused
from blockd.feeds.signed.trust import RefreshAttempt
from blockd.orders import OrderDocument


@dataclass(frozen=True, slots=True)
class RoleResult:
    """The result for a role: `part` and its documents, None if there are none; `refusal` of its newest metadata.

    `wanted` is what those metadata list, if they could be read. `is_settled` says that reading the same metadata again
    would have the same result, as the refused content is what was signed.
    """

    delegation: Delegation
    part: RoleTargets | None
    documents: Mapping[str, OrderDocument]
    refusal: FeedRefused | None = None
    wanted: RoleTargets | None = None
    is_settled: bool = True

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
    """The delegated roles of one repository, whose trusted metadata are in `folder`."""

    def __init__(self, folder: Path, documents: Documents) -> None:
        self._folder = folder
        self._documents = documents

    def before(self, attempt: RefreshAttempt, delegations: Sequence[Delegation]) -> dict[str, RoleTargets | None]:
        """Return each role's previous part; None if it has none that its present keys have signed."""
        return {delegation.role: self._before(attempt, delegation) for delegation in delegations}

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
                raise delegation.fault
            newest = part_of(attempt.role(delegation.role, delegation.subject), delegation)
            room.take(newest)
            wanted = newest
            return RoleResult(delegation, newest, self._documents.read(attempt, newest))
        except FeedRefused as refusal:
            is_settled = attempt.failures == failures
            try:
                documents = self._documents.read(attempt, before) if before else {}
            except FeedRefused:  # its documents are neither on the disk nor in the repository
                before, documents = None, {}
            return RoleResult(delegation, before, documents, refusal, wanted, is_settled)

    def _before(self, attempt: RefreshAttempt, delegation: Delegation) -> RoleTargets | None:
        path = self._folder / f"{delegation.role}.json"
        if delegation.fault is not None and delegation.fault.reason == "format":
            return None
        try:
            if path.stat().st_size > MAX_METADATA["targets"]:
                return None
            metadata: Metadata[Targets] = Metadata.from_bytes(path.read_bytes())
            attempt.targets.verify_delegate(delegation.role, metadata.signed_bytes, metadata.signatures)
            if metadata.signed.type != Targets.type:
                return None
            return part_of(metadata.signed, delegation)
        except (OSError, ValueError, RepositoryError, FeedRefused):
            return None


def _size(part: RoleTargets | None) -> tuple[int, int]:
    return (len(part.orders), part.octets) if part else (0, 0)

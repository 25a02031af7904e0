"""Earlier metadata of roles, kept for orders whose newest versions are refused.

FOLDER/ROLE-VERSION.json is the metadata of an authority that list the version of an order that stays in force, or
`targets-VERSION.json` of the repository itself. They are verified anew each time they are used: an earlier version
stays only as long as it is signed by keys that the repository has for the role now.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Targets

from blockd.errors import FeedRefused
from blockd.feeds.signed.limits import MAX_EARLIER, MAX_METADATA
from blockd.feeds.signed.role_targets import Delegation, RoleTargets, part_of
from blockd.feeds.signed.trust import RefreshAttempt
from blockd.files import read_kept, replace_file

EARLIER = "earlier"  # the folder in a feed's folder
_FILE = re.compile(r"([a-z0-9-]{1,32})-([1-9][0-9]{0,15})\.json", re.ASCII)

Used = set[tuple[str, int]]
"""Roles and versions of metadata."""


def metadata_name(role: str) -> str:
    """Return the name of a role in TUF; the repository's own role is empty here."""
    return role or Targets.type


def read_part(path: Path, attempt: RefreshAttempt, delegation: Delegation) -> RoleTargets | None:
    """Return what metadata in a file list; None if there are none that the role's present keys have signed."""
    if delegation.fault is not None and delegation.fault.reason == "format":
        return None
    name = metadata_name(delegation.role)
    try:
        metadata: Metadata[Targets] = Metadata.from_bytes(read_kept(path, MAX_METADATA["targets"]))
        delegator = attempt.targets if delegation.role else attempt.root
        delegator.verify_delegate(name, metadata.signed_bytes, metadata.signatures)
        return part_of(metadata.signed, delegation) if metadata.signed.type == Targets.type else None
    except (OSError, ValueError, RepositoryError, FeedRefused):
        return None


@dataclass(frozen=True, slots=True)
class EarlierMetadata:
    """The earlier metadata in `folder`; `trusted` is the folder of those that are trusted now, by TUF's names."""

    folder: Path
    trusted: Path

    def parts(self, attempt: RefreshAttempt, delegation: Delegation) -> Iterator[RoleTargets]:
        """Yield the earlier parts of a role that its present keys have signed, the newest first."""
        for version in sorted(self._versions().get(metadata_name(delegation.role), ()), reverse=True):
            part = read_part(self.path(delegation.role, version), attempt, delegation)
            if part is not None and part.version == version:
                yield part

    def path(self, role: str, version: int) -> Path:
        """Return where the metadata of a role with this version are kept."""
        return self.folder / f"{metadata_name(role)}-{version}.json"

    def keep(self, used: Used) -> None:
        """Keep the metadata that are `used`, which are here or trusted now, before newer ones are trusted."""
        for role, version in used:
            path = self.path(role, version)
            if not path.is_file():
                self.folder.mkdir(parents=True, exist_ok=True)
                replace_file(path, (self.trusted / f"{metadata_name(role)}.json").read_bytes())

    def forget_all_but(self, used: Used) -> None:
        """Remove the metadata that are no longer used."""
        kept = {self.path(role, version).name for role, version in used}
        for path in self.folder.glob("*"):
            if path.name not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _versions(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for path in self.folder.glob("*.json"):
            if match := _FILE.fullmatch(path.name):
                found.setdefault(match[1], []).append(int(match[2]))
        return {role: sorted(versions)[-MAX_EARLIER:] for role, versions in found.items()}

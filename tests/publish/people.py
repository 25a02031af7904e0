"""People with keys, and the folders in which they sign, for tests."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import CryptoSigner, Signer

from blockd.feeds.signed.bundle import SignedVersion
from blockd.feeds.signed.fetchers import BoundedFetcher
from blockd.feeds.signed.repository import SignedRepository
from blockd.feeds.signed.trust import Trust
from blockd.publish import Workshop, publish
from blockd.publish.delegations import delegate, write_delegations
from blockd.publish.initial_root import Founding
from blockd.publish.keys.key_files import load_key, new_key
from blockd.publish.keys.online_roles import seal

MINISTRY = "Ministry of Examples"


class People:
    """Alice, Bob and Carol, each with a key in a file of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.alice, self.bob, self.carol = (new_key(folder / f"{name}.pem") for name in ("alice", "bob", "carol"))

    @property
    def all(self) -> tuple[CryptoSigner, ...]:
        return self.alice, self.bob, self.carol

    def founding(self, threshold: int = 2) -> Founding:
        """A repository whose root and targets are theirs together."""
        keys = tuple(signer.public_key for signer in self.all)
        return Founding(keys, threshold, keys, threshold)

    def delegate(self, workshop: Workshop, role: str = "ministry", name: str = MINISTRY, threshold: int = 2) -> None:
        """Stage an authority whose keys are theirs."""
        delegations = workshop.staged_delegations()
        delegate(delegations, role, name, [signer.public_key for signer in self.all], threshold)
        write_delegations(workshop.delegations, delegations)


def load_signer(folder: Path, role: str) -> Signer:
    """The key that was made for a role, of those in a workshop's folder of keys."""
    return load_key(folder / f"{role}.pem")


def copied(workshop: Workshop, name: str) -> Workshop:
    """The same folder on another machine."""
    return Workshop(Path(shutil.copytree(workshop.folder, workshop.folder.parent / name)))


def published(workshop: Workshop, out: Path, now: datetime) -> None:
    """Seal what has its signatures and publish it."""
    seal(workshop, now)
    publish(workshop, out)


def fetched(workshop: Workshop, out: Path, state: Path, now: datetime) -> SignedVersion:
    """What a node that has always known the first root takes."""
    root = (workshop.metadata / "1.root.json").read_bytes()
    return SignedRepository(out.as_uri(), root, state, now=now.timestamp).fetch()


def target_is_found(workshop: Workshop, out: Path, path: str, now: datetime) -> bool:
    """Whether TUF's client, going from the first root, finds and verifies a target."""
    scratch = Path(tempfile.mkdtemp(dir=workshop.folder.parent))
    root = (workshop.metadata / "1.root.json").read_bytes()
    trust = Trust(root, scratch / "trusted", scratch / "staging", now.timestamp)
    fetcher, url = BoundedFetcher(), out.as_uri()
    try:
        with trust.attempt(f"{url}/metadata/", fetcher, "The repository", f"{url}/targets/") as attempt:
            attempt.begin()
            attempt.finish()
            if found := attempt.find(path):
                attempt.bring(found, scratch / "target", "The target")
            return found is not None
    finally:
        fetcher.close()

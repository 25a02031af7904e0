"""Builds of small contents in a folder, for tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from blockd.compile.build import build
from blockd.compile.built import Built
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.names import key_from_text
from blockd.orders import parse_document
from blockd.ruleset import Catalogue, Gate, Ruleset
from blockd.ruleset.policy import at_time
from blockd.settings import FEED_TYPES, ListFeed, SignedFeed

NOW = 1_800_000_000  # seconds since the epoch
MAX_SIZE = 64 * 1024  # bytes


def domains(name: str = "national", **keys: object) -> ListFeed:
    feed = FEED_TYPES["domains"].model_validate(
        {"name": name, "type": "domains", "path": "/srv/list", "max_size": "64K", **keys}
    )
    assert isinstance(feed, ListFeed)
    return feed


def signed(name: str = "ministry", **keys: object) -> SignedFeed:
    return SignedFeed.model_validate(
        {"name": name, "type": "signed", "url": "https://lists.example.net/", "root": "/srv/root.json", **keys}
    )


class Builder:
    """Contents in a folder, and builds of them into one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "ruleset"

    def content(self, *names: str) -> Content:
        return self.octets("".join(f"{name}\n" for name in names).encode())

    def octets(self, octets: bytes) -> Content:
        digest = hashlib.sha256(octets).hexdigest()
        path = self.folder / digest[:16]
        path.write_bytes(octets)
        return Content(path, digest)

    def bundle(self, **orders: list[str]) -> Content:
        documents = tuple(
            parse_document(
                {
                    "schema": "1.0",
                    "id": identifier.replace("_", "-"),
                    "authority": "Sample Authority",
                    "platform": "Example Messenger",
                    "in_force_from": "2026-01-01",
                    "names": names,
                },
                identifier,
            )
            for identifier, names in orders.items()
        )
        path = self.folder / "-".join(orders or ["none"])
        write_bundle(SignedVersion(5, 6, NOW, documents, "cd" * 32), path)
        return Content(path, hashlib.sha256(path.read_bytes()).hexdigest())

    def build(self, *candidates: Candidate, gate: Gate | None = None, in_force: Catalogue | None = None) -> Built:
        return build(
            candidates,
            self.path,
            gate=gate or Gate(),
            in_force=in_force,
            created=NOW,
            randomness=lambda count: bytes(range(count)),
        )

    def listed(self, name: str) -> str:
        """Return feed and order that block a name, empty if none does."""
        with_ruleset = at_time(1, Ruleset.open(self.path), NOW)
        verdict = with_ruleset.verdict(key_from_text(name))
        with_ruleset.close()
        return f"{verdict.feed}/{verdict.order.id}" if verdict.touches and verdict.order else ""

    def catalogue(self) -> Catalogue:
        ruleset = Ruleset.open(self.path)
        ruleset.close()
        return ruleset.catalogue


def reasons(built: Built) -> dict[str, str]:
    return {feed: refused.reason for feed, refused in built.refused.items()}

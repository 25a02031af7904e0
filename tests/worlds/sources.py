"""The sources of a world's feeds: what the next poll finds is handed in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.feeds.fetched import INCOMING, Fetched
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.feeds.source import FeedSource
from blockd.orders import OrderDocument, parse_document
from blockd.settings import Feed


class WorldSource(FeedSource):
    """A source without a network; `before` is the source of the same feed in an earlier process."""

    def __init__(self, feed: Feed, folder: Path, before: WorldSource | None) -> None:
        super().__init__(feed, folder)
        self.text: bytes | None = before.text if before else None
        self.evidence: Mapping[str, bytes] = before.evidence if before else {}
        self.failure = ""

    async def poll(self) -> Fetched | None:
        if self.failure:
            raise FeedRefused("unreachable", self.failure)
        path = self.folder / INCOMING
        if self.evidence:
            documents = tuple(_document(name, octets) for name, octets in self.evidence.items() if "orders/" in name)
            digest = hashlib.sha256(repr(sorted(self.evidence.items())).encode()).hexdigest()
            roles = json.loads(self.evidence["targets.json"])["signed"]["delegations"]["roles"]
            may_lift = {role["name"]: lifted for role in roles if (lifted := role.get("x-blockd-may-lift"))}
            write_bundle(SignedVersion(1, 1, 0, documents, digest, may_lift=may_lift), path)
            return Fetched(path, digest, None, evidence=dict(self.evidence))
        if self.text is None:
            return None
        path.write_bytes(self.text)
        return Fetched(path, hashlib.sha256(self.text).hexdigest(), None)


def _document(path: str, octets: bytes) -> OrderDocument:
    document = parse_document(json.loads(octets), path)
    role = path.split("/")[1] if path.count("/") == 2 else ""
    return replace(document, order=replace(document.order, role=role))

"""A blockd whose signed feeds are bundles that a test writes: `python -m tests.daemon.bundled run …`.

It stands for what a repository with several authorities gives, without its keys. A feed's URL is a folder with the file
`bundle`; each look adds its time to the file `looks` there. A bundle that has expired is refused, as a repository is.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from blockd.cli import main
from blockd.errors import FeedRefused
from blockd.feeds.signed import source as signed_source
from blockd.feeds.signed.bundle import AuthorityVersion, SignedVersion, read_bundle, write_bundle
from blockd.orders import OrderDocument, parse_document


class BundledRepository:
    """Takes the place of `blockd.feeds.signed.repository.SignedRepository`."""

    def __init__(self, url: str, *_: object, **_more: object) -> None:
        self._folder = Path(urlsplit(url).path)

    def fetch(self, _url: str = "") -> SignedVersion:
        with (self._folder / "looks").open("a", encoding="ascii") as file:
            file.write(f"{time.monotonic()}\n")
        version = read_bundle(self._folder / "bundle")
        if version.expires <= time.time():
            raise FeedRefused("expired", "The timestamp has expired; what it gave before stays in force.")
        return version

    def evidence(self) -> dict[str, bytes]:
        return {}


class Bundles:
    """Writes the bundle in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "root.json").write_bytes(b"{}")
        self._documents: dict[str, OrderDocument] = {}

    def feed(self, **more: object) -> dict[str, object]:
        """Return the feed that reads from here."""
        place = {"url": self.folder.as_uri(), "root": str(self.folder / "root.json")}
        return {"name": "ministry", "type": "signed", "interval": "200ms", **place, **more}

    def order(self, identifier: str, role: str, *names: str) -> None:
        """Have an order of a role, empty for the repository's own, in the next bundle."""
        document = parse_document(
            {
                "schema": "1.0",
                "id": identifier,
                "authority": f"Authority {role}",
                "platform": "Example Messenger",
                "in_force_from": "2026-01-01",
                "names": list(names),
            },
            identifier,
        )
        self._documents[identifier] = replace(document, order=replace(document.order, role=role))

    def give(self, *authorities: AuthorityVersion, expires: float = 86_400.0 * 9) -> None:
        """Write it; it expires in so many seconds."""
        documents = tuple(self._documents.values())
        digest = f"{len(documents):064x}"
        end = int(time.time() + expires)
        write_bundle(SignedVersion(1, 1, end, documents, digest, authorities), self.folder / "bundle")

    def looks(self) -> list[float]:
        """Return when the daemon has looked, by its monotonic clock."""
        path = self.folder / "looks"
        return [float(line) for line in path.read_text(encoding="ascii").split()] if path.exists() else []


if __name__ == "__main__":
    setattr(signed_source, "SignedRepository", BundledRepository)  # noqa: B010 - mypy has the module's own names
    sys.exit(main())

"""An authority that signs and publishes while a daemon reads: its workshop and its folder, at the real time."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blockd.publish import Workshop, publish, sign
from tests.publish.staging import lift, order_document, stage


class Publisher:
    """Publishes to `folder`/out, with the first root in `folder`/root.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.workshop = Workshop.make(folder / "workshop", datetime.now(UTC))
        self.out = folder / "out"
        self.root = folder / "root.json"

    def feed(self, name: str = "ministry", **more: object) -> dict[str, object]:
        """Return the feed that reads from here."""
        return {
            "name": name,
            "type": "signed",
            "url": self.out.as_uri(),
            "root": str(self.root),
            "interval": "200ms",
            "priority": 10,
            **more,
        }

    def order(self, identifier: str, names: Sequence[object], **more: object) -> None:
        """Stage an order by law, in force since January."""
        stage(self.workshop, order_document(identifier, names, mandate="law", **more))

    def lift(self, identifier: str, on: datetime, reason: str = "The objection was granted.") -> None:
        """Stage the lifting of an order."""
        lift(self.workshop, identifier, on.strftime("%Y-%m-%dT%H:%M:%SZ"), reason)

    def publish(self, life: timedelta | None = None, to: Path | None = None) -> None:
        """Sign what is staged and publish it, in the usual place or in another; it expires after `life`."""
        now = datetime.now(UTC)
        sign(self.workshop, now, now + life if life else None)
        publish(self.workshop, to or self.out)
        if not self.root.exists():
            shutil.copyfile(self.out / "root.json", self.root)

    @property
    def timestamp(self) -> Path:
        """The one published file that is ever replaced."""
        return self.out / "metadata" / "timestamp.json"

"""Recent blocks: what was blocked, by which order, and never for whom."""

from __future__ import annotations

from dataclasses import asdict, dataclass

MAX_BLOCKS = 200  # blocks shown, the newest ones


@dataclass(frozen=True, slots=True)
class RecentBlock:
    """An entry that was hit.

    `time` is when it was hit last (RFC 3339, UTC, whole seconds), `count` how often since it was first hit among those
    shown. `name` is the name or the network that the list has, not what was asked for; None if its order is
    confidential, or has a rule for clients. `via` is a transport: `udp`, `tcp`, `dot`, `doh`; `http` and `tls` for the
    block page.
    """

    time: str
    name: str | None
    feed: str
    order: str
    authority: str
    platform: str
    action: str
    via: str
    count: int

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RecentBlocks:
    """The newest blocks, the newest first, at most MAX_BLOCKS."""

    blocks: tuple[RecentBlock, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"blocks": [block.to_json() for block in self.blocks]}

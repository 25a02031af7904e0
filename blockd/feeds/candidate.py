"""One feed with what it may be compiled from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blockd.settings import Feed


@dataclass(frozen=True, slots=True)
class Content:
    """What a feed fetched: a list as it came, or a bundle of signed orders."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One feed with what it may be compiled from: `incoming` is new and must pass the gate, `accepted` has passed."""

    feed: Feed
    incoming: Content | None
    accepted: Content | None
    first_seen: int  # seconds since the epoch: the date of an order that names none
    lasting: int | None = None  # how many names it had for longest in the last days, if that is known

"""What ends soon: signatures, certificates, overrides, orders, reviews, tokens."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from blockd.web.figures.both_languages import BothLanguages

EndingKind = Literal["signature", "certificate", "review", "override", "order", "token", "statement"]
MAX_ENDING = 500  # shown, those that end first
USUAL_WITHIN = 30 * 86400.0  # seconds
MAX_WITHIN = 400 * 86400.0  # seconds that can be looked ahead: what is renewed once a year is in it


@dataclass(frozen=True, slots=True)
class EndingItem:
    """One thing with an end: `ends` is RFC 3339 in UTC, `seconds` is how far away that is, negative if it has passed.

    `href` is the console's page about it, as a fragment: `#/feeds/NAME`, `#/orders/FEED/ROLE/ID`, `#/overrides`,
    `#/certificates`, `#/tokens`, `#/statements`. A statement is told only if it is overdue.
    """

    kind: EndingKind
    what: str
    ends: str
    seconds: int
    sentence: BothLanguages
    href: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values; `in` is `seconds`."""
        told = asdict(self)
        seconds = told.pop("seconds")
        return {**told, "in": seconds}


@dataclass(frozen=True, slots=True)
class EndingSoon:
    """What ends within a time, the first to end first; `more` is how many of it are not shown."""

    within: float  # seconds
    items: tuple[EndingItem, ...]
    more: int

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"within": self.within, "items": [item.to_json() for item in self.items], "more": self.more}

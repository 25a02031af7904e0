"""What has changed, and who or what has changed it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from blockd.web.figures.both_languages import BothLanguages

MAX_EVENTS = 500  # of one timeline, the newest ones
EventKind = Literal["version", "order", "override", "rollback", "refusal", "reload", "restart", "operator"]


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """A record of the audit log that changed what is enforced, or was to change it.

    `time` is RFC 3339 in UTC with milliseconds, `record` its number in the audit log. `version` is that of the ruleset,
    None if it is about none, `order` what the order is called, empty for none. `detail` is what the sentence says in
    English alone, as the daemon or a program told it, empty if both languages say all. `by` is who did it, empty if
    nobody did or it is not known, `reason` that person's own words.
    """

    time: str
    record: int
    kind: EventKind
    version: int | None
    feed: str
    order: str
    sentence: BothLanguages
    detail: str
    by: str
    reason: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The events of a time, the newest first; `truncated` if not all of them are here."""

    events: tuple[TimelineEvent, ...]
    truncated: bool

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {"events": [event.to_json() for event in self.events], "truncated": self.truncated}

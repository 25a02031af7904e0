"""What comes of making a ruleset."""

from __future__ import annotations

from dataclasses import dataclass, field

from blockd.errors import FeedRefused
from blockd.feeds.budget import Spent
from blockd.formats.rejects import RejectReport
from blockd.ruleset import FeedRecord
from blockd.ruleset.format import Header
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.versions.diff import Changes


@dataclass(slots=True)
class Built:
    """The result of a build: the header, None if no feed had any content; and each refused feed, with the reason."""

    header: Header | None = None
    made_from: str = ""  # the fingerprint of what it was made from
    taken: set[str] = field(default_factory=set)  # feeds whose incoming content is in the ruleset
    refused: dict[str, FeedRefused] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)  # feeds whose news take too long to be read beside those of others
    spent: dict[str, Spent] = field(default_factory=dict)  # on reading new content, by feed
    lost: set[str] = field(default_factory=set)  # feeds in force whose accepted content can no longer be read
    rejects: dict[str, RejectReport] = field(default_factory=dict)  # of the refused content if a feed's was refused
    held: dict[str, GuardReport] = field(default_factory=dict)  # of the content in the ruleset, by feed
    records: dict[str, FeedRecord] = field(default_factory=dict)  # of the content in the ruleset, by feed
    found: dict[str, Judged] = field(default_factory=dict)  # the refused content, by feed, if it was read to its end
    news: tuple[bytes, ...] = ()  # some keys that are known to have been added or removed
    changes: Changes | None = None  # from the ruleset in force, if it was amended


@dataclass(frozen=True, slots=True)
class Judged:
    """A content as the gate judged it: its record, and what was held back of it."""

    record: FeedRecord
    held: GuardReport

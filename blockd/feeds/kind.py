"""The interface of a kind of feed: where its content comes from, how it is read, and how its news amend a ruleset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import Generic, TypeVar

from blockd.feeds.amendment import Amending, Amendment
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import Validators
from blockd.feeds.source import FeedSource
from blockd.feeds.weakness import Weakness
from blockd.formats.body import Progress
from blockd.formats.finding.line import Line
from blockd.formats.rejects import RejectReport
from blockd.ruleset import FeedInput
from blockd.ruleset.explain import ExplainedClaim
from blockd.settings import Feed

FeedT = TypeVar("FeedT", bound=Feed)


class FeedKind(ABC, Generic[FeedT]):
    """One kind of feed: its behaviour. Its facts are class variables of its settings class."""

    settings: type[FeedT]
    proves_itself = False  # whether reading its content detects damage; other contents are compared with their digest

    @abstractmethod
    def source(self, feed: FeedT, folder: Path, validators: Validators) -> FeedSource:
        """Return the feed's source; `validators` are those of the accepted content in `folder`.

        Kinds import their fetching code here, and not before: most commands fetch nothing, and HTTP and TUF take a
        tenth of a second to import.
        """

    @abstractmethod
    def read(
        self,
        feed: FeedT,
        content: Content,
        rejects: RejectReport,
        progress: Progress | None = None,
    ) -> FeedInput:
        """Return what the compiler takes of a content, and fill `rejects` while it does so.

        Raises FeedRefused, and so may the listings while they are read.
        """

    def weakness(self, feed: FeedT) -> Weakness | None:
        """Return what is weak about how the feed is fetched; None if nothing is. Nothing is fetched."""
        return None

    def is_streamed(self, feed: FeedT) -> bool:
        """Return whether the first names can be read without the whole content."""
        return False

    def can_amend(self, feed: FeedT, candidate: Candidate) -> bool:
        """Return whether news of this kind can be worked into a ruleset in force at all."""
        return False

    def amend(self, feed: FeedT, candidate: Candidate, amending: Amending) -> Amendment | None:
        """Work a candidate's news into a ruleset in force; None if it must be compiled.

        Raises RulesetError if the ruleset does not hold what it should, and FeedRefused as the gate does, or if a
        content cannot be used.
        """
        return None

    def line_of(self, feed: FeedT, claim: ExplainedClaim, folder: Path, key: bytes) -> Line | None:
        """Return the line of the accepted content that names a claim's entry; None if none does, or it has no lines.

        `key` is the entry's, and the claim's scope is that part of the entry's that is asked about. Blocks while it
        reads.
        """
        return None

    def lines_of(self, feed: FeedT, folder: Path, keys: Collection[bytes]) -> dict[bytes, Line]:
        """Return the first line of the accepted content for each of many entries, by key, as far as there is one.

        The content is read once. Blocks while it reads.
        """
        return {}

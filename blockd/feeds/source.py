"""The interface of a feed's source: each poll returns new content or None."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.signed.bundle import AuthorityVersion, RefusedOrder
from blockd.settings import Feed, Upstream


class FeedSource(ABC):
    """One feed's source, with a `folder` of its own on disk, which is created if it is missing.

    `expires` is when what was polled last expires, in seconds since the epoch; None if it names no end.
    `validators` are those of what was taken last. `fetch_time` is in seconds how long a poll may take before it is
    ended; None if it never is.
    """

    has_many_files: ClassVar[bool] = False  # whether its folder may hold thousands

    def __init__(self, feed: Feed, folder: Path, validators: Validators = Validators()) -> None:  # noqa: B008 - frozen
        with contextlib.suppress(OSError):  # a state folder that cannot be written: then polling says so
            folder.mkdir(parents=True, exist_ok=True)
        self.feed = feed
        self.folder = folder
        self.validators = validators
        self.expires: int | None = None
        self.fetch_time: float | None = None

    @abstractmethod
    async def poll(self) -> Fetched | None:
        """Return new content, in the folder as `incoming`, or None if there is none; raises FeedRefused.

        The caller says then whether it has been `taken`; if it could not be, `forget` has it returned again.
        """

    def taken(self, fetched: Fetched) -> None:
        """Note that what was returned last is in safe hands, so that a server need not send it again."""
        self.validators = fetched.validators

    def forget(self, validators: Validators) -> None:
        """Return again, at the next poll, what was returned last; `validators` are those of the accepted content."""
        self.validators = validators

    @property
    def interval(self) -> float:
        """Seconds until the next poll."""
        return self.feed.poll_interval

    @property
    def authorities(self) -> tuple[AuthorityVersion, ...]:
        """The authorities of a signed feed with their versions; empty for other kinds."""
        return ()

    @property
    def refused_orders(self) -> tuple[RefusedOrder, ...]:
        """The orders of a signed feed that were refused alone, by the last poll; empty for other kinds."""
        return ()

    @property
    def mirrors(self) -> list[dict[str, object]]:
        """The mirrors of a signed feed that has several, as JSON values; empty for other kinds."""
        return []

    @property
    def notes(self) -> Sequence[str]:
        """Sentences for the operator about what works, but not as it should; empty if all does."""
        return ()

    def resolve_with(self, upstreams: Sequence[Upstream]) -> None:  # noqa: B027 - most kinds have nothing to do here
        """Take the upstreams at which host names can be looked up without asking this daemon."""

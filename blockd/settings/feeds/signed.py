"""Signed repositories of orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field

from blockd.orders.repository import MAX_AUTHORITIES
from blockd.settings.authorities import Authority, Notify, Role
from blockd.settings.feeds.base import CrossCheck
from blockd.settings.feeds.http import WEB_KEYS, WebFeed
from blockd.settings.paths_and_urls import ConfigPath, RepositoryUrl
from blockd.settings.section import setting
from blockd.settings.values import time_within

MAX_MIRRORS = 8  # of one repository, beside its own URL; each is polled now and then


def _no_limits(feed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    gate = feed.get("gate")
    for key in ("max_shrink", "max_growth", "max_rejects"):
        if isinstance(gate, Mapping) and key in gate:
            yield f"gate.{key}", "what authorities sign has no limits of size and rejects; leave it out"


class SignedFeed(WebFeed):
    """A repository of orders that authorities sign."""

    is_signed: ClassVar[bool] = True
    cross_checks: ClassVar[tuple[CrossCheck, ...]] = (_no_limits, *WebFeed.cross_checks)
    source_keys: ClassVar[frozenset[str]] = (
        WebFeed.source_keys | WEB_KEYS | {"url", "mirrors", "root", "authorities", "notify"}
    )

    type: Literal["signed"] = Field(description="A signed repository of orders.")
    url: RepositoryUrl = Field(description="Where the repository is: http, https, or file with a folder.")
    mirrors: tuple[RepositoryUrl, ...] = setting(
        (), "Other places with the same repository; the newest of all is taken.", max_length=MAX_MIRRORS
    )
    root: ConfigPath = Field(description="The file with the first root of trust, handed over out of band.")
    interval: Annotated[float, time_within("100ms", "7d")] = setting("2s", "How often it is polled.")
    authorities: dict[Role, Authority] = setting(
        {}, "By role, authorities whose at_expiry differs from the feed's.", max_length=MAX_AUTHORITIES
    )
    notify: Notify | None = setting(None, "Whose NOTIFY triggers a poll.", validate_default=False)

    @property
    def place(self) -> str:
        """Its URL."""
        return self.url

    @property
    def web_urls(self) -> tuple[str, ...]:
        """Its URL, if that is no folder's, and its mirrors'."""
        return tuple(url for url in (self.url, *self.mirrors) if not url.startswith("file:"))

    @property
    def local_path(self) -> Path | None:
        """The folder of a file URL."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def root_of_trust(self) -> Path:
        """Its `root`."""
        return self.root

    @property
    def hinted_by(self) -> Notify | None:
        """Its `notify`."""
        return self.notify

    @property
    def roles(self) -> frozenset[str]:
        """Those that `authorities` names."""
        return frozenset(self.authorities)

    def end(self, *, checked: float, expires: float | None) -> float | None:
        """Return when its signatures expire."""
        return expires

    def at_expiry_of(self, role: str) -> Literal["keep", "stop"]:
        """Return what `authorities` says of the role, else what is done with the feed."""
        return self.authorities[role].at_expiry if role in self.authorities else self.at_expiry

"""Feeds that are one text, in a file or behind a URL, perhaps with a detached signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from blockd.orders import Action, Mandate
from blockd.settings.feeds.base import CrossCheck, OrderingFeed
from blockd.settings.feeds.http import WEB_KEYS, WebFeed
from blockd.settings.paths_and_urls import ConfigPath, list_url_from_text, path_from_text
from blockd.settings.section import Section, setting
from blockd.settings.values import size_within, time_within

PATH_INTERVAL = "2s"  # reading a file's times costs nothing
URL_INTERVAL = "1h"  # a list's server is not the operator's own

ListPath = Annotated[Path | None, PlainValidator(path_from_text)]
ListUrl = Annotated[str | None, PlainValidator(list_url_from_text)]


class ListSignature(Section):
    """A detached signature, which is verified before a list is read."""

    type: Literal["rsa-sha256", "minisign"] = Field(description="The form of its signature: rsa-sha256 or minisign.")
    key: ConfigPath = Field(description="The file with the public key, handed over out of band.")
    path: ListPath = setting(
        None, "The signature's file; if none, the list's own path and .sign, or .minisig.", validate_default=False
    )
    url: ListUrl = setting(
        None, "The signature's URL; if none, the list's own URL and .sign, or .minisig.", validate_default=False
    )

    @property
    def suffix(self) -> str:
        """What is appended to the list's place if the signature's place is not given."""
        return {"rsa-sha256": ".sign", "minisign": ".minisig"}[self.type]


def _one_place(feed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given = [key for key in ("path", "url") if feed.get(key) is not None]
    if len(given) != 1:
        given_text = "both path and url" if given else "neither path nor url"
        yield "", f"has {given_text}; set exactly one of them"


def _end_to_stop_at(feed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if feed.get("at_expiry") == "stop" and feed.get("max_age") is None:
        yield "at_expiry", "stop needs an end; set max_age, such as 7d"


def _signature_beside_list(feed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    signature = feed.get("signature")
    for key, other in (("path", "url"), ("url", "path")):
        given = isinstance(signature, Mapping) and signature.get(key) is not None
        if given and feed.get(key) is None and feed.get(other) is not None:
            yield f"signature.{key}", f"the list has a {other}; set the signature's {other} instead"


def _given(value: object) -> object:
    """Refuse a key without a value: the list would not be verified."""
    if value is None:
        raise ValueError("expected a mapping with at least type and key, got an empty value")
    return value


def _interval(known: dict[str, Any]) -> Any:
    return PATH_INTERVAL if known.get("path") else URL_INTERVAL


class TextFeed(OrderingFeed, WebFeed):
    """A text, in a file or behind a URL."""

    is_text: ClassVar[bool] = True
    source_keys: ClassVar[frozenset[str]] = (
        WebFeed.source_keys | WEB_KEYS | {"path", "url", "signature", "max_size", "max_age"}
    )
    cross_checks: ClassVar[tuple[CrossCheck, ...]] = (
        _one_place, _end_to_stop_at, _signature_beside_list, *WebFeed.cross_checks
    )  # fmt: skip

    path: ListPath = setting(None, "The list's file; a feed has a path or a url.", validate_default=False)
    url: ListUrl = setting(None, "The list's http or https URL; a feed has a path or a url.", validate_default=False)
    signature: Annotated[ListSignature | None, BeforeValidator(_given)] = setting(
        None, "How the list is signed; if none, it is not.", validate_default=False
    )
    interval: Annotated[float, time_within("100ms", "7d")] = Field(
        default_factory=_interval,
        description="How often it is polled.",
        json_schema_extra={"default": f"{PATH_INTERVAL} for a path, {URL_INTERVAL} for a url"},
    )
    max_size: Annotated[int, size_within("1K", "64G")] = setting("1G", "The largest size taken, uncompressed.")
    max_age: Annotated[float | None, time_within("1s", "3650d")] = setting(
        None, "How long after the last good poll the feed is at its end; if none, never.", validate_default=False
    )

    @property
    def place(self) -> str:
        """Its path or URL; a checked feed has exactly one."""
        return str(self.path or self.url or "")

    @property
    def web_urls(self) -> tuple[str, ...]:
        """Its URL and its signature's."""
        given = (self.url, self.signature.url if self.signature else None)
        return tuple(url for url in given if url) if self.url else ()

    @property
    def local_path(self) -> Path | None:
        """Its path."""
        return self.path

    @property
    def is_kept_by_hand(self) -> bool:
        """Whether it has a `path`, and the action `allow` or a `mandate` in the config other than law."""
        is_wanted = "mandate" in self.model_fields_set and self.mandate in (Mandate.OPERATOR, Mandate.CLIENT)
        return self.path is not None and (is_wanted or getattr(self, "action", None) is Action.ALLOW)

    @property
    def public_key(self) -> Path | None:
        """The key of its `signature`."""
        return self.signature.key if self.signature else None

    @property
    def max_silence(self) -> float | None:
        """Its `max_age`."""
        return self.max_age

    def end(self, *, checked: float, expires: float | None) -> float | None:
        """Return when `max_age` is over."""
        return checked + self.max_age if self.max_age and checked else None

"""Feeds that may come from web servers: proxies, secrets, and which addresses may be connected to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from blockd.settings.feeds.base import CrossCheck, Feed
from blockd.settings.paths_and_urls import ConfigPath, path_from_text, proxy_from_text
from blockd.settings.section import Section, setting

SecretFile = Annotated[Path | None, PlainValidator(path_from_text)]
ProxyUrl = Annotated[str, PlainValidator(proxy_from_text)]


class ClientCertificate(Section):
    """A certificate that is shown to a server which asks for one."""

    certificate: ConfigPath = Field(description="The file with the certificate, and those behind it, in PEM.")
    key: ConfigPath = Field(description="The file with its private key in PEM, closed to other users.")


def _of_a_url(feed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    url = feed.get("url")
    if isinstance(url, str) and not url.startswith("file:"):
        return
    for key in WEB_KEYS:
        if feed.get(key) not in (None, "", False):
            yield key, "is for a feed with an http or https URL, and this one has none"


def _that_go_together(feed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if feed.get("token_file") is not None and feed.get("login_file") is not None:
        yield "login_file", "token_file is the Authorization header already; set one of the two"
    if feed.get("proxy_login_file") is not None and feed.get("proxy") in (None, ""):
        yield "proxy_login_file", "needs a proxy"
    url = feed.get("url")
    if feed.get("client_certificate") is not None and isinstance(url, str) and url.startswith("http:"):
        yield "client_certificate", "needs an https URL: without TLS no certificate is shown"


class WebFeed(Feed):
    """A feed that may come from a web server."""

    cross_checks: ClassVar[tuple[CrossCheck, ...]] = (_of_a_url, _that_go_together)

    proxy: ProxyUrl = setting("", "The HTTP proxy that its servers are reached by, such as http://proxy.example:3128.")
    proxy_login_file: SecretFile = setting(
        None, "The file with the proxy's user:password, closed to other users.", validate_default=False
    )
    headers_file: SecretFile = setting(
        None, "The file with headers for its server, one in a line, closed to other users.", validate_default=False
    )
    token_file: SecretFile = setting(
        None, "The file with its server's bearer token, closed to other users.", validate_default=False
    )
    login_file: SecretFile = setting(
        None, "The file with its server's user:password (basic), closed to other users.", validate_default=False
    )
    client_certificate: ClientCertificate | None = setting(
        None, "The certificate that is shown to its server.", validate_default=False
    )
    allow_private: bool = setting(
        False, "Whether redirects and names may lead to private addresses, and to this machine.", strict=True
    )

    @property
    def web_urls(self) -> tuple[str, ...]:
        """Its http and https URLs, its own first; empty if it is a file."""
        raise NotImplementedError


WEB_KEYS = frozenset(WebFeed.model_fields) - frozenset(Feed.model_fields)
"""The keys that say how web servers are reached; they change no ruleset."""

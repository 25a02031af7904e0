"""How a feed's servers are reached: over which proxy, with which secrets, and at which addresses."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blockd.errors import cause_of
from blockd.feeds.http.origin import Origin, origin_of
from blockd.feeds.http.reach import Reach
from blockd.feeds.http.secret_files import basic, must_be_closed, read_headers, read_login, read_token, unusable
from blockd.settings import WebFeed


@dataclass(frozen=True, slots=True)
class Access:
    """The way to a feed's servers.

    `home` is the origin that gets the secrets of `headers`, and to which the client's certificate is shown: that of the
    feed's own URL, None for a file. No other server does, neither a mirror nor where a redirect leads.
    """

    reach: Reach
    home: Origin | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: tuple[Path, Path] | None = None  # a client's: its chain and its key
    proxy: str = ""  # its URL
    proxy_login: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def to(cls, *urls: str) -> Access:
        """Return the plain way to these URLs, without any setting."""
        return cls(Reach.of(urls))

    @classmethod
    def of(cls, feed: WebFeed) -> Access:
        """Return a feed's way, with its secrets read now; raises FeedRefused("key") if one cannot be used.

        Blocks while it reads.
        """
        headers = read_headers(feed.headers_file) if feed.headers_file else {}
        if feed.token_file:
            headers["Authorization"] = f"Bearer {read_token(feed.token_file)}"
        if feed.login_file:
            headers["Authorization"] = basic(read_login(feed.login_file))
        shown = feed.client_certificate
        if shown is not None:
            must_be_closed(shown.key)
            _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), shown.certificate, shown.key)
        return cls(
            Reach.of(feed.web_urls, allow_private=feed.allow_private),
            origin_of(feed.place) if feed.place in feed.web_urls else None,
            headers,
            (shown.certificate, shown.key) if shown is not None else None,
            feed.proxy,
            read_login(feed.proxy_login_file) if feed.proxy_login_file else None,
        )

    def headers_for(self, origin: Origin) -> Mapping[str, str]:
        """Return the headers with secrets that an origin gets: none unless it is the feed's own."""
        return self.headers if origin == self.home else {}

    def tls_for(self, origin: Origin, trusted: str | None = None) -> ssl.SSLContext:
        """Return how TLS is spoken with an origin; `trusted` has certificates in PEM instead of the system's.

        Raises FeedRefused("key") if the client's certificate cannot be used. Blocks while it reads.
        """
        context = ssl.create_default_context(cadata=trusted)
        if self.certificate is not None and origin == self.home:
            _load(context, *self.certificate)
        return context


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Have a client's certificate shown; raises FeedRefused("key") if it cannot be used."""
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except FileNotFoundError as error:
        raise unusable(certificate, "it or its key is not there") from error
    except ssl.SSLError as error:
        raise unusable(certificate, f"it is not a certificate in PEM that goes with {key}") from error
    except (OSError, ValueError) as error:
        raise unusable(certificate, cause_of(error)) from error


def _no_password() -> str:
    """Raise ValueError: a key under a password would be asked for at the terminal."""
    raise ValueError("its key is encrypted, and nobody is there to be asked for the password")

"""What a web server's answer means: its status, its codings, its validators, and when to ask again.

Sentences are in words of our own: a server's reason phrase is its own text.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from blockd.feeds.fetched import Validators
from blockd.formats.packed.forms import CODINGS

REDIRECTS = (301, 302, 303, 307, 308)
GONE = (404, 410)
MAX_RETRY_AFTER = 86_400.0  # seconds: a server may keep clients away for a day, not for ever
TOO_OFTEN = 300.0  # seconds until the next try if a server says that it is asked too often, and not until when
MAX_CODINGS = 2  # one behind the other: a list that was packed, and was packed again on its way

# What is seen in Content-Encoding though nothing is encoded: the word of RFC 9110 section 12.5.3, words of charsets and
# of mail, and how a body was signed when it was stored.
_NO_CODINGS = frozenset(("", "identity", "none", "aws-chunked", "utf-8", "utf8", "us-ascii", "binary", "7bit", "8bit"))
_WORD = re.compile(r"[a-z0-9-]{1,20}")
_VARIANT = re.compile(r"[-;](?:gzip|df|zstd|br)$")  # what servers append to the ETag of a packed response
_SECONDS = re.compile(r"[0-9]+", re.ASCII)


def status_words(status: int) -> str:
    """Return what a status other than 200 says, as in "URL answers …"."""
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return "that the proxy does not let this machine through (407)"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"that this machine may not fetch it ({status})"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return f"that it was asked too often ({status})"
    if status == HTTPStatus.NOT_MODIFIED:
        return f"that nothing has changed ({status}), though it was asked for the whole list"
    if status in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT):
        return f"without any content ({status})"
    if status == HTTPStatus.PARTIAL_CONTENT:
        return f"with a part of the list ({status}), though it was asked for the whole"
    return f"with an error of its own ({status})" if status >= 500 else f"with {status}, not with the list"


def retry_after(status: int, headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds after which a server wants to be asked again (RFC 9110 section 10.2.3); None if it says none.

    `now` is seconds since the epoch.
    """
    if status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return None
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    elif (at := time_of(text)) is not None:
        seconds = at - (time.time() if now is None else now)
    else:
        return TOO_OFTEN if status == HTTPStatus.TOO_MANY_REQUESTS else None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def time_of(header: str) -> int | None:
    """Return the seconds since the epoch of a date in a header; None if it is none."""
    try:
        return int(parsedate_to_datetime(header).timestamp())
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None


def codings_of(header: str) -> list[str]:
    """Return the codings of a Content-Encoding in the order in which they are undone.

    Raises ValueError, in words that continue "URL is sent", if one is not read, or if there are more than MAX_CODINGS.
    """
    words = [word for one in header.split(",") if (word := one.strip().lower()) not in _NO_CODINGS]
    for word in words:
        if word not in CODINGS:
            named = f"as {word!r}" if _WORD.fullmatch(word) else "in a way"
            raise ValueError(f"packed {named}, which was not asked for and is not read")
    if len(words) > MAX_CODINGS:
        raise ValueError(f"packed {len(words)} times, one over the other")
    return words[::-1]


def is_same(asked: Validators, headers: Mapping[str, str]) -> bool:
    """Return whether a 304 is about the version that was asked about, as far as it says (RFC 9111 section 4.3.4)."""
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    if etag and asked.etag:
        return _bare(etag) == _bare(asked.etag)
    return not (modified and asked.last_modified) or modified == asked.last_modified


def place_of(url: str, final: str) -> str:
    """Return a digest of where a response comes from: a URL of the config, and the one that it was redirected to.

    Of the latter the query is left out: stores of objects sign each redirect anew there. It is a digest because a query
    may hold a secret.
    """
    end = "" if final == url else final.partition("#")[0].partition("?")[0]
    return hashlib.sha256(f"{url}\n{end}".encode()).hexdigest()[:32]


def _bare(etag: str) -> str:
    """Return an ETag for a weak comparison (RFC 9110 section 8.8.3.2), without the mark of a packed variant."""
    return _VARIANT.sub("", etag.strip().removeprefix("W/").strip('"'))

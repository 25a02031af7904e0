"""What TUF's client raises, told as a refusal: a reason fit for a label and a sentence fit for an operator."""

from __future__ import annotations

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.serialization import DeserializationError

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.fetchers import BoundedFetcher, CutShort

FOREIGN = (RepositoryError, DownloadError)
_GONE = (404, 410)  # RFC 9110 sections 15.5.5 and 15.5.11
_STAYS = "what it gave before stays in force"

# The first class that fits decides, so a class stands before its base.
_KNOWN: tuple[tuple[type[Exception], str, str, str], ...] = (
    (CutShort, "cut", "was not sent to its end", "It is tried again."),
    (DownloadLengthMismatchError, "too large", "sends more than was signed or is allowed", "Tell who hosts it."),
    (ExpiredMetadataError, "expired", "has expired", "The authority has to sign it anew; is this clock right?"),
    (BadVersionNumberError, "rollback", "is older than what was seen before", "Ask the authority why it went back."),
    (LengthOrHashMismatchError, "signature", "holds a file that is not the one signed", "Tell the authority."),
    (UnsignedMetadataError, "signature", "is not signed by the authority's keys", "Tell the authority at once."),
)


def refusal(error: Exception, source: str, fetcher: BoundedFetcher) -> FeedRefused:
    """Tell `error`, one of `FOREIGN`, as a refusal of the list at `source`."""
    detail = f"({error or type(error).__name__})"
    for kind, reason, what, remedy in _KNOWN:
        if isinstance(error, kind):
            return FeedRefused(reason, f"The signed list {source} {what}; {_STAYS}. {remedy} {detail}")
    if isinstance(error, DownloadHTTPError) and error.status_code in _GONE:
        return FeedRefused(
            "missing", f"A file of the signed list {source} is not there; {_STAYS}. Is the URL right? {detail}"
        )
    if isinstance(error, DownloadError):
        return FeedUnreachable(f"The signed list {source} could not be fetched; {_STAYS}. It is tried again. {detail}")
    reason = _kind_of_wrong_file(fetcher) if isinstance(error, DeserializationError) else "format"
    return FeedRefused(reason, f"The signed list {source} holds metadata that cannot be read; {_STAYS}. {detail}")


def _kind_of_wrong_file(fetcher: BoundedFetcher) -> str:
    start, end = fetcher.first.lstrip(), fetcher.last.rstrip()
    if not start:
        return "empty"
    if start.startswith(b"<"):
        return "html"
    return "cut" if start.startswith(b"{") and not end.endswith(b"}") else "format"

"""What TUF's client raises, told as a refusal: a reason fit for a label and a sentence fit for an operator."""

from __future__ import annotations

import re

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    SlowRetrievalError,
    UnsignedMetadataError,
)
from tuf.api.serialization import DeserializationError

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.signed.fetchers import BoundedFetcher, CutShort

FOREIGN = (RepositoryError, DownloadError)
_GONE = (404, 410)  # RFC 9110 sections 15.5.5 and 15.5.11
_STAYS = "what it gave before stays in force"

# The client tells these apart by their texts only.
_MIXED = re.compile(r"Expected ((snapshot|root) version|\S+ v[0-9]+, got v|'\w+', got ')")
_TOO_FEW = re.compile(r"signed by [1-9][0-9]*/[0-9]+ keys")
_DROPPED = re.compile(r"New snapshot is missing info")
_UNLISTED = re.compile(r"does not contain information for|is not part of snapshot")

_EXPIRED = ("expired", "has expired", "Whoever signs it has to sign it anew; is this clock right?")
_MIX = ("mixed", "holds metadata that do not belong together, of different versions or roles", "Tell who hosts it.")
_OTHER = ("signature", "holds a file that is not the one signed", "Tell the authority.")
_UNSIGNED = ("signature", "is not signed by the authority's keys", "Tell the authority at once.")
_FEW = ("threshold", "is signed by fewer keys than have to sign", "Ask the authority who has not signed.")
_OLDER = ("rollback", "is older than what was seen before", "Ask the authority why it went back.")
_LARGE = ("too large", "sends more than was signed or is allowed", "Tell who hosts it.")
_CUT = ("cut", "was not sent to its end", "It is tried again.")
_SLOW = ("stalled", "is sent slower than is allowed", "It is tried again; tell who hosts it.")


def refusal(error: Exception, subject: str, fetcher: BoundedFetcher, *, of_target: bool = False) -> FeedRefused:
    """Tell `error`, one of `FOREIGN`, as a refusal of `subject`, which begins a sentence.

    `of_target` says that what was fetched is no metadata, but what they vouch for.
    """
    detail = f"({error or type(error).__name__})"
    known = _known(error, of_target)
    if known is not None:
        reason, what, remedy = known
        return FeedRefused(reason, f"{subject} {what}; {_STAYS}. {remedy} {detail}")
    if isinstance(error, DownloadHTTPError) and error.status_code in _GONE:
        return FeedRefused("missing", f"{subject} lacks a file; {_STAYS}. Is the URL right? {detail}")
    if isinstance(error, DownloadError):
        return FeedUnreachable(f"{subject} could not be fetched; {_STAYS}. It is tried again. {detail}")
    reason = _kind_of_wrong_file(fetcher) if isinstance(error, DeserializationError) else "format"
    return FeedRefused(reason, f"{subject} holds metadata that cannot be read; {_STAYS}. {detail}")


def _known(error: Exception, of_target: bool) -> tuple[str, str, str] | None:
    """Give reason, sentence and remedy; a class stands before its base."""
    text = str(error)
    match error:
        case CutShort():
            return _CUT
        case DownloadLengthMismatchError():
            return _LARGE
        case SlowRetrievalError():
            return _SLOW
        case ExpiredMetadataError():
            return _EXPIRED
        case BadVersionNumberError():
            return _MIX if _MIXED.match(text) else _OLDER
        case LengthOrHashMismatchError():
            return _OTHER if of_target else _MIX
        case UnsignedMetadataError():
            return _FEW if _TOO_FEW.search(text) else _UNSIGNED
        case RepositoryError() if _DROPPED.match(text):
            return _OLDER
        case RepositoryError() if _MIXED.match(text) or _UNLISTED.search(text):
            return _MIX
        case _:
            return None


def _kind_of_wrong_file(fetcher: BoundedFetcher) -> str:
    start, end = fetcher.first.lstrip(), fetcher.last.rstrip()
    if not start:
        return "empty"
    if start.startswith(b"<"):
        return "html"
    return "cut" if start.startswith(b"{") and not end.endswith(b"}") else "format"

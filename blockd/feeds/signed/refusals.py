"""Maps what TUF's client raises to a refusal: a reason for a metric's label and a sentence for the operator."""

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
from blockd.feeds.signed.fetchers import CutShort, LookFetcher
from blockd.printable import one_line

FOREIGN = (RepositoryError, DownloadError)
MAX_CAUSE = 400  # characters of a download's cause, which names a URL
_GONE = (404, 410)  # RFC 9110 sections 15.5.5 and 15.5.11
_STAYS = "what it gave before stays in force"

# The client distinguishes these by their texts only.
_MIXED = re.compile(r"Expected ((snapshot|root) version|\S+ v[0-9]+, got v|'\w+', got ')")
_TOO_FEW = re.compile(r"signed by [1-9][0-9]*/[0-9]+ keys")
_SIGNED_BY = re.compile(r"([A-Za-z0-9_.-]{1,80}) was signed by ([0-9]{1,6})/([0-9]{1,6}) keys")
_DROPPED = re.compile(r"New snapshot is missing info")
_UNLISTED = re.compile(r"does not contain information for|is not part of snapshot")

_EXPIRED = ("expired", "has expired", "Its signer has to sign it again; check this machine's clock.")
_MIX = ("mixed", "holds metadata of different versions or roles that do not belong together", "Inform its host.")
_OTHER = ("signature", "holds a file that is not the one signed", "Inform the authority.")
_UNSIGNED = ("signature", "is not signed by the authority's keys", "Inform the authority at once.")
_FEW = ("threshold", "is signed by fewer keys than required", "Ask the authority which signatures are missing.")
_OLDER = ("rollback", "is older than what was seen before", "Ask the authority why.")
_LARGE = ("too large", "sends more than was signed or is allowed", "Inform its host.")
_CUT = ("cut", "was sent incompletely", "It is tried again.")
_SLOW = ("stalled", "is sent too slowly", "It is tried again; inform its host.")


def refusal(error: Exception, subject: str, fetcher: LookFetcher, *, of_target: bool = False) -> FeedRefused:
    """Return the refusal of `subject`, which begins a sentence, for `error`, one of `FOREIGN`.

    `of_target` says that a target was fetched, not metadata; then `subject` is an order, and whether an earlier version
    of it stays in force is said by whoever knows.
    """
    known = _known(error, of_target)
    stays = "" if of_target else f"; {_STAYS}"
    if known is not None:
        reason, what, remedy = known
        return FeedRefused(reason, f"{subject} {what}{_counted(str(error))}{stays}. {remedy}{_where(error)}")
    if isinstance(error, DownloadHTTPError) and error.status_code in _GONE:
        remedy = "Inform its host; it is tried again." if of_target else "Is the URL right?"
        return FeedRefused("missing", f"{subject} lacks a file{stays}. {remedy}{_where(error)}")
    if isinstance(error, DownloadError):
        return FeedUnreachable(f"{subject} could not be fetched{stays}. It is tried again.{_where(error)}")
    reason = _kind_of_wrong_file(fetcher) if isinstance(error, DeserializationError) else "format"
    return FeedRefused(reason, f"{subject} holds metadata that cannot be read{stays}.")


def _counted(text: str) -> str:
    """Return how many of the required signatures there are, if the client says so."""
    found = _SIGNED_BY.search(text)
    return f" ({found[1]}: {found[2]} of {found[3]})" if found else ""


def _where(error: Exception) -> str:
    """Return the cause of a failed download, which is blockd's own sentence; empty for errors of the client."""
    return f" ({one_line(str(error), MAX_CAUSE)})" if isinstance(error, DownloadError) and str(error) else ""


def _known(error: Exception, of_target: bool) -> tuple[str, str, str] | None:
    """Return reason, sentence and remedy; None for an unknown error. A class must come before its base."""
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


def _kind_of_wrong_file(fetcher: LookFetcher) -> str:
    start, end = fetcher.first.lstrip(), fetcher.last.rstrip()
    if not start:
        return "empty"
    if start.startswith(b"<"):
        return "html"
    return "cut" if start.startswith(b"{") and not end.endswith(b"}") else "format"

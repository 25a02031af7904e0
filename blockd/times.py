"""Times as text: in seconds for documents and pages, in milliseconds for evidence.

All are RFC 3339 in UTC. Nothing here reads a clock.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII)


def time_from_text(text: str) -> int:
    """Return the seconds since the epoch of an RFC 3339 date or time, UTC if it names no zone; raises ValueError.

    Fractions of a second are cut off. A moment that in UTC is outside of the years 1 to 9999 is not valid.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return int(moment.astimezone(UTC).replace(microsecond=0).timestamp())
    except OverflowError as error:
        raise ValueError("the date is out of range") from error


def time_text(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC; `time_from_text` is the inverse."""
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=0, tzinfo=None)
    return f"{moment.isoformat()}Z"  # strftime would write the year 900 with three digits


def moment_text(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC with milliseconds: `2026-11-24T12:00:00.250Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_from_text(text: object) -> float:
    """Return the seconds since the epoch of what `moment_text` wrote; raises ValueError for anything else."""
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        raise ValueError("expected a time in UTC with milliseconds")
    return datetime.fromisoformat(text).timestamp()


def span_text(seconds: float, language: str = "en") -> str:
    """Return a time in words, in its largest unit: `2 days`, or in Indonesian (`id`) `2 hari`."""
    for size, english, indonesian in ((86400, "day", "hari"), (3600, "hour", "jam"), (60, "minute", "menit")):
        if seconds >= size:
            count = math.floor(seconds / size)
            return f"{count} {indonesian}" if language == "id" else f"{count} {english}{'' if count == 1 else 's'}"
    return "kurang dari semenit" if language == "id" else "less than a minute"

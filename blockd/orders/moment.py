"""A moment as text, to the millisecond: as a timestamp says when it was signed, and as the audit log says when."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII)


def moment_text(seconds: float) -> str:
    """Write seconds since the epoch as RFC 3339 in UTC with milliseconds: `2026-11-24T12:00:00.250Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_from_text(text: object) -> float:
    """Give the seconds since the epoch of what `moment_text` wrote; raises ValueError for anything else."""
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        raise ValueError("no time in UTC with milliseconds")
    return datetime.fromisoformat(text).timestamp()

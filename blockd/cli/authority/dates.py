"""Dates as the steps take them."""

from __future__ import annotations

from datetime import UTC, datetime

from blockd.errors import CommandError
from blockd.times import time_from_text


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def date_option(text: str | None, option: str) -> datetime | None:
    """Return the date that an option names, None if it was not given; raises CommandError, also for the past."""
    if text is None:
        return None
    try:
        found = datetime.fromtimestamp(time_from_text(text), UTC)
    except (ValueError, OverflowError) as error:
        raise CommandError(
            f"{option}: expected a date such as 2026-12-31 or 2026-12-31T12:00:00Z, got {text!r}"
        ) from error
    if found <= now():
        raise CommandError(f"{option} {text} has passed already")
    return found

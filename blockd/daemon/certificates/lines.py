"""The lines of `blockd status` about certificates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from blockd.printable import some_of

TOLD_NAMES = 8  # of one certificate; JSON has all


def certificate_lines(certificates: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what each certificate is for and until when, from the status as JSON."""
    for one in certificates:
        named = some_of(one["names"], TOLD_NAMES) or "no name"
        days = one["expires_in_seconds"] // 86400
        until = f"expires {one['expires']}, in {days} days" if days >= 0 else f"EXPIRED {one['expires']}"
        yield f"certificate {one['certificate']}: {named}; {until}"
        if one["refusal"]:
            yield f"  REFUSED: {one['refusal']}; the one before stays in use"

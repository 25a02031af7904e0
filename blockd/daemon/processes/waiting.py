"""What the supervisor waits for: descriptors that become readable."""

from __future__ import annotations

import select
from collections.abc import Sequence


def readable(descriptors: Sequence[int], seconds: float | None) -> list[int]:
    """Wait for at most `seconds`, or without limit if None, and return the descriptors that are readable."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]

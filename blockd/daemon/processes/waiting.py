"""What the supervisor waits for: descriptors that become readable."""

from __future__ import annotations

import select
from collections.abc import Collection, Sequence


def readable(descriptors: Sequence[int], seconds: float | None, writing: Collection[int] = ()) -> list[int]:
    """Wait for at most `seconds`, or without limit if None, and return the descriptors that are readable.

    The wait also ends once one of those in `writing`, which are among the descriptors, can be written to.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN | (select.POLLOUT if descriptor in writing else 0))
    found = poll.poll(None if seconds is None else seconds * 1000)
    return [descriptor for descriptor, events in found if events != select.POLLOUT]

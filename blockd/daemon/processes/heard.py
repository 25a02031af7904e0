"""What the supervisor takes of a message of a worker or a follower, which may have been broken into.

Such a child may say few things, about versions and feeds that there are, and not too often. One that says anything
else is not heard any more: it is ended, and started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from blockd.daemon.channel import Message
from blockd.feeds.transfer.notify_causes import CAUSES

MAX_VERSION = (1 << 63) - 1
MAX_RATE = 200.0  # messages in a second: a worker that is asked to poll by every primary says less than fifty
MAX_BURST = 1000.0  # messages at once: more than the channel holds while the supervisor does not run

# What such a child may say; it would speak in the place of others if it could say more.
_TYPES = {
    "enforcing": int,
    "failed": int,
    "why": str,
    "reason": str,
    "notified": str,
    "refused_notify": dict,
    "cache": dict,
    "handed_over": int,
    "connection": str,
}
_SHAPES = [
    {"enforcing"},
    {"failed", "why"},
    {"reason"},
    {"notified"},
    {"refused_notify"},
    {"cache"},
    {"handed_over"},
    {"connection"},
]


def from_child(message: Message) -> Message:
    """Return what a child may say of the message, as far as it is of the right type; it may be empty."""
    return {key: value for key, value in message.items() if _is_right(key, value)}


def fault_in(message: Message, versions: Collection[int], feeds: Collection[str]) -> str:
    """Return why no child of blockd's says this, as a sentence without its end; empty if one may.

    `versions` are those that were passed on, `feeds` the names of those configured.
    """
    if set(message) not in _SHAPES or from_child(message) != message:
        return "it has said what it may not say"
    version = message.get("enforcing", message.get("failed", 0))
    if version and version not in versions:
        return f"it has told of version {version}, which there is not"
    refused = message.get("refused_notify", {})
    told = message.get("notified", refused.get("feed", ""))
    if told != "" and told not in feeds:
        return "it has told of a feed that there is not"
    if "refused_notify" in message and not (isinstance(cause := refused.get("cause"), str) and cause in CAUSES):
        return "it has said what it may not say"
    return ""


class TalkPace:
    """How often a child may say something: `take` is false for a message that is one too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = MAX_BURST
        self._last = clock()

    def take(self) -> bool:
        """Count a message; return whether it may be heard."""
        now = self._clock()
        self._left = min(MAX_BURST, self._left + (now - self._last) * MAX_RATE) - 1.0
        self._last = now
        return self._left >= 0.0


def _is_right(key: str, value: object) -> bool:
    return type(value) is _TYPES.get(key) and (not isinstance(value, int) or 0 <= value <= MAX_VERSION)

"""What the supervisor takes of a message of a worker or the page process, which may have been broken into."""

from __future__ import annotations

from blockd.daemon.channel import Message

MAX_VERSION = (1 << 63) - 1

# What such a child may say; it would speak in the place of others if it could say more.
_TYPES = {
    "enforcing": int,
    "failed": int,
    "why": str,
    "reason": str,
    "notified": str,
    "refused_notify": dict,
    "cache": dict,
}


def from_child(message: Message) -> Message:
    """Return what a child may say of the message, as far as it is of the right type; it may be empty."""
    return {key: value for key, value in message.items() if _is_right(key, value)}


def _is_right(key: str, value: object) -> bool:
    return type(value) is _TYPES.get(key) and (not isinstance(value, int) or 0 <= value <= MAX_VERSION)

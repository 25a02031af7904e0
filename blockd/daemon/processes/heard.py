"""What the supervisor passes on of a message of a worker or the page process, which may have been broken into."""

from __future__ import annotations

from blockd.daemon.channel import Message

MAX_VERSION = (1 << 63) - 1

# What only others say; a child that says it would speak in their place.
_OF_OTHERS = frozenset(("enforce", "resolution", "refresh", "died", "worker", "pid", "page"))
_TYPES = {"enforcing": int, "failed": int, "why": str, "notified": str, "refused_notify": dict, "cache": dict}


def from_child(message: Message) -> Message:
    """Return the message without what no child may say, and without members of another type; it may be empty."""
    return {key: value for key, value in message.items() if key not in _OF_OTHERS and _is_right(key, value)}


def _is_right(key: str, value: object) -> bool:
    kind = _TYPES.get(key)
    if kind is None:
        return True
    return type(value) is kind and (not isinstance(value, int) or 0 <= value <= MAX_VERSION)

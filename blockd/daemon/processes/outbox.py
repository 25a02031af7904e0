"""Messages for a process that may be slow to hear them: of each kind from each sender the last one waits, none is lost.

So what one sender says often takes no room from what another says once.
"""

from __future__ import annotations

from collections.abc import Hashable

from blockd.daemon.channel import Channel, Message


class Outbox:
    """The messages that wait, by key, in the order in which each was put last."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Message] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, key: Hashable, message: Message) -> None:
        """Have a message sent, instead of an earlier one of the same key that still waits."""
        self._waiting.pop(key, None)
        self._waiting[key] = message

    def flush(self, channel: Channel) -> None:
        """Send as many as the other side has room for."""
        while self._waiting:
            key = next(iter(self._waiting))
            if not channel.try_send(self._waiting[key]):
                return
            del self._waiting[key]

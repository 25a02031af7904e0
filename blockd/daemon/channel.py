"""Messages between the supervisor and its children: one JSON object per packet of a local socket pair.

From control: `{"enforce": version}`, `{"resolution": {…}}` with what it sees of the machine's resolvers and addresses
(`Observation`), and `{"cache": {…}}` with a request about caches, which each worker answers by a `{"cache": {…}}` of
its own (`blockd.daemon.cache`). From a worker: `{"enforcing": version}` (0 for none), `{"failed": version, "why":
sentence}`, `{"notified": feed}` if a primary announces that a zone has changed, or `{"refused_notify": {…}}`, with the
fields of `RefusedNotify`, if what does so is not heeded. From the page process: the first two of these. From the
supervisor: what control says to workers, of which the page process hears only what to enforce; and to control the
workers' messages with `"worker": index` and `"pid"` added, `{"died": index}`, `{"page": {…}}` with the page process'
message and its `"pid"` or with `"died"`, and `{"refresh": true}` for SIGHUP. The channel ends when the other side ends.
"""

from __future__ import annotations

import json
import socket
from typing import Any

MAX_AT_ONCE = 64  # messages taken before others are looked after; the rest is there the next time
MAX_MESSAGE = 16 * 1024  # octets; a message is a few numbers and a sentence, or what is cached of a name

Message = dict[str, Any]


class Channel:
    """One end of a channel."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        sock.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor, to wait for messages."""
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Send a message; it is lost if the other side is gone or does not read for long."""
        try:
            self._socket.send(json.dumps(message).encode()[:MAX_MESSAGE])
        except OSError:
            return

    def receive(self) -> list[Message] | None:
        """Return the messages received; None if the other side is gone."""
        messages: list[Message] = []
        while len(messages) < MAX_AT_ONCE:
            try:
                packet = self._socket.recv(MAX_MESSAGE)
            except BlockingIOError:
                return messages
            except OSError:
                return None
            if not packet:
                return messages or None
            messages.append(json.loads(packet))
        return messages

    def close(self) -> None:
        """Close this end of the channel."""
        self._socket.close()


def pair() -> tuple[Channel, Channel]:
    """Return both ends of a new channel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours), Channel(theirs)

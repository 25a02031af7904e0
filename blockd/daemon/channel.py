"""Messages between the supervisor and its children: one JSON object per packet of a local socket pair.

From control: `{"enforce": version}`, with a descriptor of the memory of its orders' states; `{"resolution": {…}}` with
what it sees of the machine's resolvers and addresses (`Observation`); `{"lock": true}`, with a descriptor that locks
the state folder anew; `{"certificates": count}`, with a descriptor of the memory that has them and their keys;
`{"status": sentence}` for the service manager; `{"ready": true}` once it serves; `{"announced": true}` once it has told
the start-up; `{"reload": {…}}` to have the config taken (`ReloadRequest`); and `{"cache": {…}}` with a request about
caches, which each worker answers by a `{"cache": {…}}` of its own (`blockd.daemon.cache`). From a worker:
`{"enforcing": version}` (0 for none), `{"failed": version, "why": sentence}`, `{"notified": feed}` if a primary
announces that a zone has changed, or `{"refused_notify": {…}}`, with the fields of `RefusedNotify`, if what does so is
not heeded. From the page process and the one that decides for HTTP proxies: the first two of these. From the
supervisor: what control says to workers, of which these two hear only what to enforce, and the page process the
certificates; and to control the workers' messages with `"worker": index` and `"pid"` added, `{"died": index}`,
`{"page": {…}}` and `{"decide": {…}}` with such a process' message and its `"pid"` or with `"died"`, `{"reloaded": {…}}`
with how a reload stands (`ReloadRecord`), and `{"refresh": true}` for SIGHUP. To a worker: `{"hand_over": octets}`,
which it answers by `{"handed_over": entries}` and a descriptor of so much of what it has cached. To any of them:
`{"drain": true}`, when its successor runs, after which it answers what has come and ends with code 0; sockets in a list
`empty`, by descriptor, are read empty first. A worker that drains passes connections on by `{"connection": hex}`, with
a descriptor and what has come of a question; the supervisor passes that on to one that serves. The channel ends when
the other side ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol

MAX_AT_ONCE = 64  # messages taken before others are looked after; the rest is there the next time
MAX_MESSAGE = 16 * 1024  # octets; a message is a few numbers and a sentence, or what is cached of a name

DESCRIPTOR = "descriptor"  # the key of a descriptor that came with a message
_MOST_DESCRIPTORS = 4  # taken with one message; all but the first are closed

Message = dict[str, Any]


class Channel:
    """One end of a channel."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        sock.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor, to wait for messages."""
        return self._socket.fileno()

    def send(self, message: Message, descriptor: int | None = None) -> None:
        """Send a message, with a copy of a descriptor; it is lost if the other side is gone or does not read it."""
        octets = json.dumps(message).encode()[:MAX_MESSAGE]
        with contextlib.suppress(OSError):
            if descriptor is None:
                self._socket.send(octets)
            else:
                socket.send_fds(self._socket, [octets], [descriptor])

    def try_send(self, message: Message, descriptor: int | None = None) -> bool:
        """Send a message, with a copy of a descriptor; return false if the other side has no room for it now.

        It is lost if that is gone.
        """
        octets = json.dumps(message).encode()[:MAX_MESSAGE]
        try:
            if descriptor is None:
                self._socket.send(octets)
            else:
                socket.send_fds(self._socket, [octets], [descriptor])
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            return error.errno not in (errno.ENOBUFS, errno.ENOMEM)
        return True

    def receive(self) -> list[Message] | None:
        """Return the messages received; None if the other side is gone.

        What is no message comes as an empty one. A descriptor is in its message under `DESCRIPTOR`; who reads the
        message has to close it (`discard`).
        """
        messages: list[Message] = []
        for _ in range(MAX_AT_ONCE):
            try:
                packet, descriptors, _, _ = socket.recv_fds(
                    self._socket, MAX_MESSAGE, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return messages
            except OSError:
                return None
            if not packet and self._is_over():
                return messages or None
            messages.append(_message(packet, descriptors))
        return messages

    def _is_over(self) -> bool:
        """Return whether the other side is gone: a packet may be empty, too."""
        poll = select.poll()
        poll.register(self._socket, 0)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close this end of the channel."""
        self._socket.close()


class MessageSource(Protocol):
    """The side of a channel that hears, see `Channel`."""

    def fileno(self) -> int:
        """Return the descriptor, to wait for messages."""

    def receive(self) -> list[Message] | None:
        """Return the messages received; None if the other side is gone."""


def listen(channel: MessageSource, take: Callable[[Message], None], end: Callable[[], None]) -> None:
    """Have every message of a channel taken in the running event loop; `end` is called once the other side is gone."""
    loop = asyncio.get_running_loop()

    def hear() -> None:
        messages = channel.receive()
        if messages is None:
            loop.remove_reader(channel.fileno())
            end()
            return
        for message in messages:
            if message:
                take(message)

    loop.add_reader(channel.fileno(), hear)


def discard(message: Message) -> None:
    """Close the descriptor of a message that has one and should not, or is not needed."""
    descriptor = message.pop(DESCRIPTOR, None)
    if descriptor is not None:
        os.close(descriptor)


def _message(packet: bytes, descriptors: list[int]) -> Message:
    """Return the message of a packet; empty if it is none: a process that was broken into may send anything."""
    try:
        message = json.loads(packet)
    except (ValueError, RecursionError):
        message = None
    used = descriptors[:1] if isinstance(message, dict) else []
    for descriptor in descriptors[len(used) :]:
        os.close(descriptor)
    if not isinstance(message, dict):
        return {}
    message.pop(DESCRIPTOR, None)  # it is none that the kernel has passed on
    return {**message, DESCRIPTOR: used[0]} if used else message


def pair() -> tuple[Channel, Channel]:
    """Return both ends of a new channel."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours), Channel(theirs)

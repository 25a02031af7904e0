"""What the supervisor waits for: signals as octets of a socket, and descriptors that become readable."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Sequence


def signal_socket(numbers: Sequence[signal.Signals]) -> socket.socket:
    """Return a socket that receives the number of each signal as one octet."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda _number, _frame: None)
    return ours


def readable(descriptors: Sequence[int], seconds: float | None) -> list[int]:
    """Wait for at most `seconds`, or without limit if None, and return the descriptors that are readable."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]

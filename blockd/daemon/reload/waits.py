"""Waiting within a change that is made step by step: the supervisor goes on with its turns meanwhile.

A step is a generator that yields whenever it waits; the supervisor goes on with it in each turn.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from blockd.daemon.processes.children import Child

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""Steps to a result."""

_OVER = object()

LOOK = 0.02  # seconds between two looks at what is waited for, at most


def until(condition: Callable[[], bool], seconds: float) -> Steps[bool]:
    """Wait for a condition; return whether it holds, which it may not after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        yield
    return True


def go_on(steps: Steps[None]) -> bool:
    """Go on with steps as far as nothing has to be waited for; return whether there are more."""
    return next(steps, _OVER) is not _OVER


def ended(child: Child, seconds: float) -> Steps[bool]:
    """Wait until a child has ended; it is killed after so many seconds. Return whether it has ended by itself."""
    in_time = yield from until(lambda: child.status is not None, seconds)
    if not in_time:
        child.send_signal(signal.SIGKILL)
        yield from until(lambda: child.status is not None, seconds)
    return in_time

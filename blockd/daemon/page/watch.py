"""The page process as the control process knows it: whether it runs, and whether it follows the workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from blockd.daemon.channel import Message
from blockd.daemon.contexts import ProcessState

FOLLOWS = 10.0  # seconds for it to enforce what the workers do; it takes as long as they, a little later


@dataclass(frozen=True, slots=True)
class PageStatus:
    """What is told of the page process; `pid` is None if it does not run, `enforcing` if it enforces nothing."""

    pid: int | None
    enforcing: int | None
    trouble: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


class PageWatch:
    """Knows the page process by its messages; `is_wanted` is whether anything is listened on for it.

    `clock` is monotonic. What the page process enforces decides nothing: it follows the workers.
    """

    def __init__(self, state: ProcessState | None, clock: Callable[[], float], *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._clock = clock
        self._pid = state.pid if state else None
        self._enforcing = (state.enforcing if state else None) or 0
        self._is_silent = False  # whether it does not answer the supervisor
        self._failure = ""  # why it cannot enforce a version, which it says as soon as it knows
        self._newest = 0  # the version that a worker said last to enforce, and since when one does
        self._since = clock()

    def heard(self, message: Message) -> None:
        """Handle a message of the supervisor about the page process."""
        if "died" in message:
            self._pid, self._enforcing, self._failure, self._is_silent = None, 0, "", False
            return
        if "silent" in message:
            self._is_silent = bool(message["silent"])
            return
        self._pid = int(message["pid"])
        if "failed" in message:
            self._failure = f"it cannot enforce version {message['failed']}: {message['why']}"
        else:
            self._enforcing, self._failure = int(message["enforcing"]), ""

    def worker_enforces(self, version: int) -> None:
        """Note that a worker enforces a version: from then on the block page has `FOLLOWS` seconds to do so."""
        if version != self._newest:
            self._newest, self._since = version, self._clock()

    def trouble(self, version: int | None) -> str:
        """Return what is wrong with the block page if workers enforce `version`, None for none; empty if nothing is."""
        if not self._is_wanted:
            return ""
        if self._pid is None:
            return "the block page's process is not running; it is being started again"
        if self._is_silent:
            return f"the block page's process ({self._pid}) does not answer; it is ended and started again"
        if version is None or self._enforcing == version:
            return ""
        if not self._failure and self._clock() - self._since < FOLLOWS:
            return ""
        has = f"version {self._enforcing}" if self._enforcing else "no version"
        why = f"; {self._failure}" if self._failure else ""
        return f"the block page tells of {has}, while workers enforce version {version}{why}"

    def status(self, version: int | None) -> PageStatus | None:
        """Return what is told of it; None if there is no block page."""
        return PageStatus(self._pid, self._enforcing or None, self.trouble(version)) if self._is_wanted else None

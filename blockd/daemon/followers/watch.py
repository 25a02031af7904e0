"""The processes that follow the workers, as the control process knows them: whether they run, and whether they follow.

These are the page process, and the one that decides for HTTP proxies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from blockd.daemon.channel import Message
from blockd.daemon.contexts import ProcessState

FOLLOWS = 10.0  # seconds for one to enforce what the workers do; it takes as long as they, a little later


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """What is told of a follower; `pid` is None if it does not run, `enforcing` if it enforces nothing."""

    pid: int | None
    enforcing: int | None
    trouble: str

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FollowerWords:
    """How sentences call a follower, and what it does by a version."""

    name: str
    does: str


PAGE_WORDS = FollowerWords("the block page", "tells of")
DECIDE_WORDS = FollowerWords("the decision server", "decides by")


class FollowerWatch:
    """Knows a follower by its messages; `is_wanted` is whether anything is listened on for it.

    `clock` is monotonic. What a follower enforces changes nothing for the workers.
    """

    def __init__(
        self, words: FollowerWords, state: ProcessState | None, clock: Callable[[], float], *, is_wanted: bool
    ) -> None:
        self._words = words
        self._is_wanted = is_wanted
        self._clock = clock
        self._pid = state.pid if state else None
        self._enforcing = (state.enforcing if state else None) or 0
        self._is_silent = False  # whether it does not answer the supervisor
        self._failure = ""  # why it cannot enforce a version, which it says as soon as it knows
        self._newest = 0  # the version that a worker said last to enforce, and since when one does
        self._since = clock()

    def heard(self, message: Message) -> None:
        """Handle a message of the supervisor about it."""
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
        """Note that a worker enforces a version: from then on the follower has `FOLLOWS` seconds to do so."""
        if version != self._newest:
            self._newest, self._since = version, self._clock()

    def trouble(self, version: int | None) -> str:
        """Return what is wrong with it if workers enforce `version`, None for none; empty if nothing is."""
        name = self._words.name
        if not self._is_wanted:
            return ""
        if self._pid is None:
            return f"{name}'s process is not running; it is being started again"
        if self._is_silent:
            return f"{name}'s process ({self._pid}) does not answer; it is ended and started again"
        if version is None or self._enforcing == version:
            return ""
        if not self._failure and self._clock() - self._since < FOLLOWS:
            return ""
        has = f"version {self._enforcing}" if self._enforcing else "no version"
        why = f"; {self._failure}" if self._failure else ""
        return f"{name} {self._words.does} {has}, while workers enforce version {version}{why}"

    def status(self, version: int | None) -> FollowerStatus | None:
        """Return what is told of it; None if there is none."""
        return FollowerStatus(self._pid, self._enforcing or None, self.trouble(version)) if self._is_wanted else None


@dataclass(frozen=True, slots=True)
class Followers:
    """All followers."""

    page: FollowerWatch
    decide: FollowerWatch

    @classmethod
    def of(
        cls, states: Mapping[str, ProcessState], clock: Callable[[], float], *, has_page: bool, decides: bool
    ) -> Followers:
        """Return those of a daemon; `states` are of those that run, by their kinds."""
        return cls(
            FollowerWatch(PAGE_WORDS, states.get("page"), clock, is_wanted=has_page),
            FollowerWatch(DECIDE_WORDS, states.get("decide"), clock, is_wanted=decides),
        )

    def heard(self, message: Message) -> bool:
        """Handle a message of the supervisor if it is about one of them; return whether it is."""
        if "page" in message:
            self.page.heard(message["page"])
        elif "decide" in message:
            self.decide.heard(message["decide"])
        else:
            return False
        return True

    def worker_enforces(self, version: int) -> None:
        """Note that a worker enforces a version."""
        self.page.worker_enforces(version)
        self.decide.worker_enforces(version)

    def trouble(self, version: int | None) -> list[str]:
        """Return what is wrong with each of them if workers enforce `version`."""
        return [trouble for one in (self.page, self.decide) if (trouble := one.trouble(version))]

"""The control process's side: every running worker is asked about its caches, and their answers are put together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from blockd.daemon.channel import Message
from blockd.daemon.switching import WorkerLink
from blockd.daemon.timing import Timing
from blockd.errors import BadName, CommandError
from blockd.formats.subject import not_a_subject, subject_of
from blockd.names import DomainName
from blockd.ruleset import Enforced
from blockd.ruleset.explain import explain

SECONDS = 30.0  # for the answers of all workers: a search of a million entries takes one of them a second or two
LOOK = 0.5  # seconds between two checks of whether a worker that has not answered still runs
_MEMBERS: dict[str, dict[str, type]] = {  # of an answer, by what was asked for
    "flush": {"entries": int, "failures": int},
    "show": {"entries": list, "failures": list, "more": int},
    "failing": {"failures": list, "more": int},
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CacheShown:
    """What the workers have cached of a name, and policy's verdict on it, which is asked before any cache."""

    name: str
    verdict: str
    why: str
    is_blocked: bool
    workers: tuple[Message, ...]
    silent: tuple[int, ...]  # the workers that did not answer

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "why": self.why,
            "blocked": self.is_blocked,
            "workers": list(self.workers),
            "silent": list(self.silent),
        }


@dataclass(frozen=True, slots=True)
class CacheFlushed:
    """How many entries and remembered failures each worker removed; `name` is None if it was all."""

    name: str | None
    below: bool
    workers: tuple[Message, ...]
    silent: tuple[int, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "name": self.name, "below": self.below, "workers": list(self.workers), "silent": list(self.silent),
        }  # fmt: skip


class CacheService:
    """Asks the workers of `link`; `enforced` returns what is enforced."""

    def __init__(self, link: WorkerLink, enforced: Callable[[], Enforced | None], timing: Timing) -> None:
        self._workers = link.workers
        self._sender = link.sender
        self._enforced = enforced
        self._timing = timing
        self._asking = asyncio.Lock()
        self._number = 0  # of the request that is being answered
        self._do = ""  # what it asks for
        self._answers: dict[int, Message] = {}
        self._heard = asyncio.Event()

    async def show(self, asked: str) -> CacheShown:
        """Return what is cached of a name; raises CommandError if the text is not one."""
        key = _key_of(asked)
        answers, silent = await self._ask({"do": "show", "name": key.hex(), "below": False})
        explained = explain(self._enforced(), asked)
        why = explained.why
        if explained.by_group:
            why += f"; another verdict for the groups {', '.join(one.group for one in explained.by_group)}"
        return CacheShown(explained.name, explained.verdict, why, explained.is_blocked, answers, silent)

    async def flush(self, kind: str, asked: str) -> CacheFlushed:
        """Remove what is cached: `kind` is `name`, `below` for what is under it as well, or `all`; or CommandError."""
        key = _key_of(asked) if kind != "all" else b""
        answers, silent = await self._ask({"do": "flush", "name": key.hex(), "below": kind != "name"})
        log.info("Entries flushed from the cache on request: %d.", sum(answer["entries"] for answer in answers))
        return CacheFlushed(DomainName(key).text if kind != "all" else None, kind == "below", answers, silent)

    async def failing(self, seconds: float) -> tuple[tuple[Message, ...], tuple[int, ...]]:
        """Return what each worker tells of the names that fail, and which of them did not within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                return await self._ask({"do": "failing", "name": "", "below": True})
        except TimeoutError:
            answers = tuple(self._answers.values()) if self._do == "failing" else ()
            told = {answer["worker"] for answer in answers}
            return answers, tuple(sorted(set(self._workers.pids) - told))

    def heard(self, message: Message) -> None:
        """Handle a worker's answer."""
        answer = message["cache"]
        if answer["id"] == self._number:
            if {name: type(value) for name, value in answer.items() if name != "id"} != _MEMBERS[self._do]:
                raise ValueError(f"expected the members {list(_MEMBERS[self._do])} of their types")
            told = {name: value for name, value in answer.items() if name != "id"}
            self._answers[message["worker"]] = {"worker": message["worker"], **told}
            self._heard.set()

    async def _ask(self, request: Message) -> tuple[tuple[Message, ...], tuple[int, ...]]:
        """Return the answers of the workers, and which of them did not answer."""
        async with self._asking:
            self._number += 1  # who answers an earlier request now is too late
            self._answers, self._do = {}, request["do"]
            asked = set(self._workers.pids)
            deadline = self._timing.monotonic() + SECONDS
            self._sender.send({"cache": {"id": self._number, **request}})
            while missing := (asked & set(self._workers.pids)) - set(self._answers):
                left = deadline - self._timing.monotonic()
                if left <= 0:
                    break
                self._heard.clear()
                await self._timing.wait(self._heard, min(left, LOOK))
            answers = tuple(self._answers[worker] for worker in sorted(self._answers))
            self._number += 1  # who answers now is too late
        return answers, tuple(sorted(missing))


def _key_of(text: str) -> bytes:
    try:
        subject = subject_of(text)
    except BadName as error:
        raise CommandError(f"{not_a_subject(text, error)}; nothing was changed.") from error
    if subject.is_network:
        raise CommandError(f"The cache holds answers for names, and {subject.text} is an address or a network.")
    return subject.key

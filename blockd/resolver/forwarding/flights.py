"""The flights of a worker: which upstream is asked next, when, and what comes of it.

Nothing here waits: what arrives and what is due calls back, so that thousands of questions cost no task each.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace

from blockd.dns import types
from blockd.errors import cause_of
from blockd.resolver.cache import CacheKey
from blockd.resolver.forwarding.agenda import SLACK, Agenda
from blockd.resolver.forwarding.failures import About, Failure, Failures, joined, seconds_text, silence_of
from blockd.resolver.forwarding.flight import Flight
from blockd.resolver.forwarding.floods import Floods
from blockd.resolver.forwarding.groups import LinkGroup
from blockd.resolver.forwarding.health import SERVFAILING, SILENT, UNREACHABLE, choose
from blockd.resolver.forwarding.judging import Judgement, Meaning, judge
from blockd.resolver.forwarding.limits import LATE, MAX_ASKED, MAX_IN_FLIGHT, MAX_LATE
from blockd.resolver.forwarding.tries import Try
from blockd.resolver.options import Instruments, UpstreamOptions
from blockd.resolver.response import Response

log = logging.getLogger(__name__)

ALL = 0xFFFFFFFF  # a bit for each upstream of a group

Keep = Callable[[CacheKey, Response], object]
"""Keeps a response that nobody waits for any more."""


class Flights:
    """All flights, those that somebody waits for and those that are only listened to."""

    def __init__(self, options: UpstreamOptions, instruments: Instruments, now: Callable[[], float]) -> None:
        """`now` is the clock of flights; that of the instruments is the cache's, by which failures are remembered."""
        self._timeout = options.timeout
        self._attempts = options.attempts
        self._row = instruments.row
        self._clock = instruments.clock
        self._now = now
        self._flights: dict[CacheKey, Flight] = {}
        self._landed: dict[CacheKey, Flight] = {}  # answered in this turn of the loop
        self._late: OrderedDict[Flight, None] = OrderedDict()  # in the order in which they ended
        self._agenda = Agenda(now, self._look_at)
        self.failures = Failures()
        self.floods = Floods(options.floods, log.warning)
        self.keep: Keep = lambda _key, _response: None  # where there is no cache

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def late(self) -> int:
        """How many are listened to though they have ended."""
        return len(self._late)

    def find(self, key: CacheKey) -> Flight | None:
        """Return the flight with this question that may be joined, which may just have been answered; else None."""
        return self._flights.get(key) or self._landed.get(key)

    @property
    def cache_now(self) -> float:
        """The time by the cache's clock, by which failures are remembered."""
        return self._clock()

    def remembered(self, key: CacheKey) -> Response | Failure | None:
        """Return the failure that a question is answered with at once; None if it is to be asked."""
        return self.failures.get(key, self._clock())

    def launch(self, key: CacheKey, group: LinkGroup, asker: bytes = b"") -> Flight:
        """Ask a question; return its flight, which may have failed already."""
        now = self._now()
        flight = Flight(key, group, now, asker)
        if group.is_down:
            since = max((health.silent_since() for health in group.healths), default=now)
            flight.tell(Failure(types.EDE_NO_REACHABLE_AUTHORITY, silence_of(group, now - since)))
            return flight
        why = self.floods.refusal(key[0], asker, now)
        if why is not None:
            flight.tell(Failure(types.EDE_OTHER, why.decode()))
            return flight
        if len(self._flights) >= MAX_IN_FLIGHT:  # a flood of names that are slow hurts these alone
            self._fail(next(iter(self._flights.values())), is_remembered=False)
        self._flights[key] = flight
        self._go_on(flight)
        return flight

    def close(self, left: Iterable[Flight] = ()) -> None:
        """Tell who waits for these flights or for those that are `left`, and listen to nothing any more."""
        for flight in (*left, *self.take_all()):
            flight.tell(Failure(types.EDE_NO_REACHABLE_AUTHORITY, "blockd is stopping"))
        self._landed.clear()
        self._agenda.clear()

    def take_all(self) -> list[Flight]:
        """Return the flights that somebody waits for; nothing that was asked is listened to any more."""
        flying = list(self._flights.values())
        for flight in [*flying, *self._late]:
            flight.end_doubt(self.floods)
            self._leave(flight)
        self._flights.clear()
        self._late.clear()
        return flying

    # What links tell of tries.

    def answered(self, made: Try, flight: Flight, message: bytes) -> None:
        """Take an answer, early or late."""
        link, now = made.link, self._now()
        link.close(made)
        self._row.upstream(now - made.sent)
        if flight.is_done:
            link.health.late += 1
        judged = judge(made, message)
        if judged.meaning is Meaning.ANSWER and judged.response is not None:
            if made.is_plain:
                link.ask_without_edns()
            link.health.note_resolved(now)
            self._resolve(flight, replace(judged.response, source=link.upstream.label))
            return
        flight.said[made.index] = f"{link.upstream.label} {judged.said}"
        if judged.meaning is Meaning.WITHOUT_EDNS and not flight.is_done and flight.asked < MAX_ASKED:
            self._ask_or_go_on(flight, made.index, is_plain=True)
            return
        self._note_failure(made, flight, judged, now)
        self._go_on(flight)

    def failed(self, made: Try, flight: Flight, kind: int, sentence: str) -> None:
        """Take word that no answer will come."""
        made.link.close(made)
        made.link.health.note_failure(kind, self._now())
        flight.said[made.index] = sentence
        self._go_on(flight)

    def undone(self, made: Try, flight: Flight) -> None:
        """Ask again, as the upstream supports it."""
        made.link.close(made)
        flight.said[made.index] = f"{made.link.upstream.label} answered in a way that could be forged"
        if flight.asked < MAX_ASKED and not flight.is_done:
            self._ask_or_go_on(flight, made.index)
        else:
            self._go_on(flight)

    def _note_failure(self, made: Try, flight: Flight, judged: Judgement, now: float) -> None:
        health = made.link.health
        health.note_failure(judged.failure, now)
        flight.is_about_name |= judged.is_about_name
        response = judged.response
        if judged.failure == SERVFAILING and response is not None:
            health.note_tried(now)
            if response.errors and flight.servfail is None:
                flight.servfail = response

    # What is asked next.

    def _go_on(self, flight: Flight) -> None:
        """Ask the next upstream that has not been asked; if there is none, wait for those that were."""
        while not flight.is_done and flight.asked < self._attempts:
            index = choose(flight.group.healths, flight.tried)
            if index < 0:
                break
            if self._ask(flight, index):
                return
        self._wait(flight)

    def _ask_or_go_on(self, flight: Flight, index: int, *, is_plain: bool = False) -> None:
        if not self._ask(flight, index, is_plain=is_plain):
            self._go_on(flight)

    def _ask(self, flight: Flight, index: int, *, is_plain: bool = False) -> bool:
        """Ask one upstream of the group; return whether that was possible."""
        link, now = flight.group.links[index], self._now()
        if flight.asked and flight.fails_alone:
            flight.doubt(self.floods, now)
        flight.asked += 1
        flight.tried |= 1 << index
        flight.again = -1
        link.health.note_asked()
        try:
            made = link.ask(flight, index, flight.key, is_plain=is_plain)
        except OSError as error:
            link.health.note_failure(UNREACHABLE, now)
            flight.said[index] = f"{link.upstream.label} cannot be reached: {cause_of(error)}"
            return False
        flight.tries.append(made)
        self._plan(flight, now + link.health.patience())
        return True

    def _wait(self, flight: Flight) -> None:
        """Ask again later whom nothing was heard of; if every upstream has said or shown that it fails, so it is."""
        waiting = flight.open_tries
        if flight.is_done:
            if not waiting:
                self._forget(flight)
            return
        if not waiting:
            self._fail(flight)
            return
        due = flight.started + self._timeout
        if flight.asked < self._attempts:
            others = ~sum(1 << index for index in {made.index for made in waiting if made.may_be_lost}) & ALL
            flight.again = choose(flight.group.healths, others)
            if flight.again >= 0:
                asked = [made.sent for made in flight.tries if made.index == flight.again]
                due = asked[-1] + flight.group.healths[flight.again].patience_alone(len(asked))
        self._plan(flight, due)

    def _plan(self, flight: Flight, due: float) -> None:
        """Look at a flight again when something is due, at the latest when its time is over."""
        self._agenda.plan(flight, due if flight.is_done else min(due, flight.started + self._timeout))

    def _look_at(self, flight: Flight) -> None:
        """Do what is due."""
        now = self._now()
        if flight.is_done:
            self._forget(flight)
        elif now + SLACK >= flight.started + self._timeout:
            self._fail(flight)
        elif flight.again >= 0 and self._is_in_flood(flight, now):
            flight.again = -1
            self._plan(flight, flight.started + self._timeout)
        elif flight.again >= 0:
            fresh = choose(flight.group.healths, flight.tried)
            self._ask_or_go_on(flight, fresh if fresh >= 0 else self._doubt_no_more(flight))
        elif self._may_ask_another(flight, now):
            self._go_on(flight)
        else:
            self._wait(flight)

    def _is_in_flood(self, flight: Flight, now: float) -> bool:
        """Return whether a question that has not been answered is not worth another one."""
        if flight.fails_alone:
            flight.doubt(self.floods, now)
        return self.floods.is_flooded(flight.key[0], flight.asker, now)

    def _doubt_no_more(self, flight: Flight) -> int:
        """Return the upstream that is asked again; if it was asked over TCP because of a doubt, that did not help."""
        for made in flight.open_tries:
            if made.index == flight.again:
                made.link.stop_doubting(made)
        return flight.again

    def _may_ask_another(self, flight: Flight, now: float) -> bool:
        """Return whether the next upstream is asked now that patience with the last one is over.

        If something was heard of it meanwhile, it is this name that is slow, for which few others are asked.
        """
        last = flight.tries[-1]
        if not last.is_open:
            return True
        health = last.link.health
        if not health.is_heard_since(last.sent):
            health.note_failure(SILENT, now)
            return True
        is_possible = flight.asked < self._attempts and choose(flight.group.healths, flight.tried) >= 0
        return is_possible and health.take_hedge()

    # How a flight ends.

    def _resolve(self, flight: Flight, response: Response) -> None:
        """Pass an answer on to those who wait; a late one is kept, and passed on to who asks the same meanwhile."""
        if flight.is_done and flight.is_resolved:
            self._go_on(flight)  # another upstream was faster
            return
        if response.failed:  # YXDOMAIN, which is not cached
            self.failures.note(flight.key, response, self._clock())
        else:
            self.failures.forget(flight.key)
        flight.is_resolved = True
        if response.rcode == types.NXDOMAIN:
            flight.count_failure(self.floods, self._now())
        else:
            flight.take_back(self.floods)
        if not flight.is_done:
            self._end(flight, response)
            return
        self.keep(flight.key, response)
        waiting = self._flights.get(flight.key)
        if waiting is not None:
            waiting.is_resolved = True
            self._end(waiting, response)
        self._go_on(flight)

    def _fail(self, flight: Flight, *, is_remembered: bool = True) -> None:
        """Answer with what upstreams said or did."""
        now, group = self._now(), flight.group
        is_silent, sentences = True, []
        for index in dict.fromkeys([*(made.index for made in flight.tries), *flight.said]):
            said = flight.said.get(index)
            if said is None:
                sent = [made.sent for made in flight.tries if made.index == index]
                said = f"{group.links[index].upstream.label} did not answer in {seconds_text(now - sent[0])}"
            else:
                is_silent = False
            sentences.append(said)
        is_about_name = flight.fails_alone
        if is_about_name:
            flight.count_failure(self.floods, now)
        for made in flight.open_tries:
            made.link.stop_doubting(made)
            if not made.link.health.is_heard_since(made.sent):
                made.link.health.note_failure(SILENT, now)
        code = types.EDE_NO_REACHABLE_AUTHORITY if is_silent else types.EDE_NETWORK_ERROR
        outcome = flight.servfail or Failure(code, joined(sentences) or "no upstream can be asked")
        if is_remembered:
            about = None if is_about_name else About(group, now, is_silent)
            self.failures.note(flight.key, outcome, self._clock(), about)
        self._end(flight, outcome)

    def _end(self, flight: Flight, outcome: Response | Failure) -> None:
        """Tell those who wait; answers that come later are still heard."""
        flight.end_doubt(self.floods)
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
            if flight.is_resolved:
                if not self._landed:
                    asyncio.get_running_loop().call_soon(self._landed.clear)
                self._landed[flight.key] = flight
        flight.tell(outcome)
        if not flight.open_tries:
            flight.is_gone = True
            return
        self._late[flight] = None
        if len(self._late) > MAX_LATE:
            self._forget(next(iter(self._late)))
        if not flight.is_gone:
            self._plan(flight, flight.tries[-1].sent + LATE)

    def _forget(self, flight: Flight) -> None:
        self._late.pop(flight, None)
        self._leave(flight)

    def _leave(self, flight: Flight) -> None:
        flight.is_gone = True
        for made in flight.open_tries:
            made.link.close(made)

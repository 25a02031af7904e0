"""What a turn of the event loop has no time for is left to the next ones, in which nobody and nothing is lost.

With a budget of no time at all every turn does the least that it can.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from blockd.resolver import engine_name
from blockd.resolver.response import parse
from tests.resolver.rig import Rig, question
from tests.upstream import closed_port

if engine_name() != "native":
    pytest.skip("the native engine does not run here", allow_module_level=True)

from tests.resolver.sink import LONG, Sink, socket_here

MANY = 40
NAME = "www.example"
KEY = b"\7example\3www"
TURNS = 100_000  # in which all must be done


class Turning(Sink):
    """An engine whose turns have no time."""

    def __enter__(self) -> Turning:
        super().__enter__()
        self.engine.turn_budget = 0.0
        self.turn = 0
        return self

    def send(self, *names: str, **edns: Any) -> None:
        """Send questions with the numbers 0, 1 and so on as IDs, without having them read."""
        for number, name in enumerate(names):
            query = question(name, **{"use_edns": 0, **edns})
            query.id = number
            self.client.send(query.to_wire())

    def ask_all(self, *names: str, **edns: Any) -> None:
        """Send questions and have all of them read."""
        self.send(*names, **edns)
        self.engine.drain(self.descriptor)
        while self.engine.is_behind:
            self.engine.drain(self.descriptor)
            self.go_on()

    def go_on(self) -> list[dns.message.Message]:
        """Have one turn; return what it answers, none of which is given back."""
        self.turn += 1
        assert self.turn < TURNS, "it is never done"
        assert self.engine.drain_upstreams() == []
        return list(self.heard())

    def finish(self) -> list[list[dns.message.Message]]:
        """Have all turns that are needed; return what each answers."""
        answered = []
        while self.engine.is_behind:
            answered.append(self.go_on())
        return answered

    def heard(self) -> Iterator[dns.message.Message]:
        """Yield what has been answered."""
        with contextlib.suppress(BlockingIOError):
            while True:
                yield dns.message.from_wire(self.client.recv(65535))

    def answer(self, rcode: Callable[[str], dns.rcode.Rcode] = lambda _: dns.rcode.NOERROR) -> int:
        """Answer what the upstream was asked; return how many questions these were."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                octets, address = self.upstream.recvfrom(65535)
                asked = dns.message.from_wire(octets)
                name = asked.question[0].name
                answer = dns.message.make_response(asked, recursion_available=True)
                answer.set_rcode(rcode(name.to_text().lower()))
                if answer.rcode() == dns.rcode.NOERROR:
                    answer.answer.append(dns.rrset.from_text(name, 300, "IN", "A", "198.51.100.1"))
                self.upstream.sendto(answer.to_wire(), address)
                count += 1
        return count


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Turning]:
    """Gives an engine; `given` are its options."""

    def made(**given: Any) -> Turning:
        rig = Rig(tmp_path, closed_port(), stale=LONG * 60)
        monkeypatch.setattr(type(rig.clock), "__call__", lambda _: time.monotonic())
        return Turning(rig, **{"cookies": False, "mixed_case": False, "sockets": 4, **given})

    return made


Make = Callable[..., Turning]


def sockets_to(where: tuple[str, int]) -> list[socket.socket]:
    """Return duplicates of this process's UDP sockets that are connected to an address."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            borrowed = socket.socket(fileno=int(entry.name))
            try:
                is_new = borrowed.getsockname() not in found  # and no duplicate made here
                if is_new and borrowed.type == socket.SOCK_DGRAM and borrowed.getpeername() == where:
                    found[borrowed.getsockname()] = borrowed.dup()
            finally:
                borrowed.detach()
    return list(found.values())


def ids(answered: list[list[dns.message.Message]]) -> list[int]:
    heard = itertools.accumulate(map(len, answered))  # the network may bring an answer a turn later
    assert all(answers <= turns for turns, answers in enumerate(heard, 1)), "a turn with no time answers one"
    return [answer.id for turn in answered for answer in turn]


def test_those_who_wait_for_one_flight_are_answered_in_their_order(make: Make) -> None:
    with make() as alone:
        alone.ask_all(*[NAME] * MANY)
        assert alone.answer() == 1
        answered = [alone.go_on()]
        assert alone.engine.forwarding.flights.waiting == 0
        assert alone.engine.cache.remove((KEY, 1, False, False)), "they do not need it"
        answered += alone.finish()
        assert ids(answered) == list(range(MANY))
        assert {str(answer.answer[0][0]) for turn in answered for answer in turn} == {"198.51.100.1"}


def test_each_is_told_the_failure_of_its_own_question(make: Make) -> None:
    with make() as alone:
        rcodes = {"refused.example.": dns.rcode.REFUSED, "notimp.example.": dns.rcode.NOTIMP}
        alone.ask_all(*["refused.example", "notimp.example"] * MANY)
        alone.answer(rcodes.__getitem__)
        answered = [alone.go_on(), *alone.finish()]
        while alone.engine.forwarding.flights.waiting or alone.engine.is_behind:  # NOTIMP is asked again without EDNS
            alone.answer(rcodes.__getitem__)
            answered += [alone.go_on(), *alone.finish()]
        assert sorted(ids(answered)) == list(range(2 * MANY))
        for turn in answered:
            for answer in turn:
                (error,) = (one for one in answer.options if isinstance(one, dns.edns.EDEOption))
                assert f"answered {answer.question[0].name.labels[0].decode().upper()}" in str(error.text)


def test_flights_that_are_due_at_once_end_one_after_the_other(make: Make) -> None:
    with make(timeout=0.05) as alone:
        flights = alone.engine.forwarding.flights
        alone.send(*(f"{number}.example" for number in range(MANY)))
        ended, last = [], MANY
        while flights.launched < MANY or flights.count:
            ended += alone.go_on()
            alone.engine.drain(alone.descriptor)
            assert flights.count >= last - 1 or flights.launched < MANY
            last = flights.count
        ended += list(alone.heard())
        ended += [answer for turn in alone.finish() for answer in turn]
        assert sorted(answer.id for answer in ended) == list(range(MANY))


def test_an_upstream_that_goes_away_fails_one_try_after_the_other(make: Make) -> None:
    with make() as alone:
        alone.ask_all(*(f"{number}.example" for number in range(MANY)))
        where = alone.upstream.getsockname()
        alone.upstream.close()
        for sock in sockets_to(where):
            sock.send(b"?")  # the network reports that nobody is there, for all that were asked from it
            sock.close()
        answered: list[list[dns.message.Message]] = []
        while alone.engine.forwarding.flights.count or sum(map(len, answered)) < MANY:
            answered.append(alone.go_on())
        assert sorted(ids(answered)) == list(range(MANY))
        assert {answer.rcode() for turn in answered for answer in turn} == {dns.rcode.SERVFAIL}


@pytest.mark.parametrize("times", [1, 3])
def test_what_is_waited_for_is_asked_of_other_upstreams_bit_by_bit(make: Make, times: int) -> None:
    with make() as alone:
        alone.ask_all(*(f"{number % MANY}.example" for number in range(2 * MANY)))
        before = alone.engine.forwarding
        for _ in range(times):
            alone.upstream.close()
            alone.upstream = socket_here()
            alone.forward()
        assert before.flights.count == MANY - times, "one of them at once"
        assert before.ports.open, "closed when all are asked"
        assert alone.finish().count([]) >= MANY - times
        assert (before.flights.count, before.flights.waiting, before.flights.late, before.ports.open) == (0, 0, 0, 0)
        assert alone.engine.forwarding.flights.count == MANY
        assert alone.answer() == MANY
        heard: list[dns.message.Message] = []
        while len(heard) < 2 * MANY:
            heard += alone.go_on()
        assert sorted(answer.id for answer in heard) == list(range(2 * MANY))
        assert {answer.rcode() for answer in heard} == {dns.rcode.NOERROR}


def test_who_asks_the_same_meanwhile_waits_with_them(make: Make) -> None:
    with make() as alone:
        alone.ask_all(*(f"{number}.example" for number in range(MANY)))
        alone.forward()
        alone.send(f"{MANY - 1}.example")
        alone.engine.drain(alone.descriptor)
        alone.finish()
        assert alone.engine.forwarding.flights.count == MANY
        assert alone.engine.forwarding.flights.waiting == MANY + 1


def test_a_stop_answers_all_that_was_left(make: Make) -> None:
    with make() as alone:
        alone.ask_all(*[NAME] * MANY, *(f"{number}.example" for number in range(MANY)))
        alone.answer(lambda name: dns.rcode.NOERROR if name.startswith("www") else dns.rcode.SERVFAIL)
        alone.go_on()
        alone.forward()
        alone.send(*[NAME] * 3)
        alone.engine.drain(alone.descriptor)
        answered = len(list(alone.heard()))
        alone.engine.stop_forwarding()
        assert answered + len(list(alone.heard())) >= 2 * MANY - 1 + 3


def test_messages_for_the_pipeline_are_answered_one_after_the_other(make: Make) -> None:
    with make() as alone, socket_here() as other, socket_here() as client:
        unread = alone.engine.attach(other)
        client.connect(other.getsockname())
        alone.send(*["version.bind"] * MANY, flags=0)  # no recursion is desired
        client.send(question("version.bind", flags=0).to_wire())
        assert alone.engine.drain(alone.descriptor) == []
        answered = [list(alone.heard())]
        assert alone.engine.is_behind
        for _ in range(MANY):
            alone.engine.drain(unread)
            answered.append(list(alone.heard()))
        assert ids(answered) == list(range(MANY))
        assert dns.message.from_wire(client.recv(65535)).rcode() == dns.rcode.REFUSED


def test_what_has_expired_is_given_to_one_after_the_other(make: Make) -> None:
    with make(timeout=LONG) as alone:
        alone.engine.stale_after = 0.05
        query = question(NAME).to_wire()
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\2"
        response = parse(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + record, len(query) - 12)
        alone.engine.cache.put(KEY, 1, False, False, response, time.monotonic() - 100)
        alone.engine.turn_budget = LONG
        alone.send(*[NAME] * MANY)
        alone.engine.drain(alone.descriptor)
        alone.engine.turn_budget = 0.0
        answered = [list(alone.heard())]
        while sum(map(len, answered)) < MANY:
            answered.append(alone.go_on())
        assert sorted(answer.id for turn in answered for answer in turn) == list(range(MANY))
        assert {str(answer.answer[0][0]) for turn in answered for answer in turn} == {"198.51.100.2"}
        assert max(map(len, answered[1:]), default=1) <= 1
        assert alone.engine.forwarding.flights.count == 1, "it flies on"

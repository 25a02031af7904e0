"""The questions of a self-test, each with its only right answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from blockd.dns import types
from blockd.metrics import Transport
from blockd.names import MAX_NAME, DomainName
from blockd.orders import Action, Verdict
from blockd.resolver import SelfTestKey
from blockd.resolver.answers import BlockAnswers, Sinkhole, error, time_left
from blockd.resolver.query import Query
from blockd.ruleset import Enforced
from blockd.selftest.sampling import Chosen

BELOW = b"\x08selftest"  # the label put before a listed name
LASTS = 3  # seconds, at most, from making the questions to receiving the last answer


@dataclass(frozen=True, slots=True)
class SelfTestQuestion:
    """One question; `packet` and `wanted` have the ID 0; if `wanted` is None, no answer is expected.

    `later` are the answers that become right during the test, as the order's remaining time decreases.
    """

    name: str
    qtype: int
    packet: bytes
    wanted: bytes | None
    expected: str  # in words
    later: tuple[bytes, ...] = ()

    def is_answered_by(self, message: bytes) -> bool:
        """Return whether an answer is right, whatever its ID."""
        return any(right is not None and right[2:] == message[2:] for right in (self.wanted, *self.later))


def questions(
    chosen: Chosen, enforced: Enforced, sinkhole: Sinkhole, transport: Transport, selftest_key: SelfTestKey, now: float
) -> list[SelfTestQuestion]:
    """Return the questions for the chosen names, with the answers of the enforced ruleset at `now`, since the epoch.

    Aliases are left out, since their answers need an upstream, and so are a policy zone's own records.
    """
    answers = BlockAnswers(sinkhole, enforced.version)
    found = []
    for key, qtype in _asked(chosen):
        packet = selftest_key.question(DomainName(key), qtype)
        verdict = enforced.verdict(key)
        if verdict.action not in (Action.CNAME, Action.LOCAL):
            left = time_left(verdict.until, now)
            seconds = range(left, max(left - LASTS, 0) - 1, -1) if left < sinkhole.ttl + LASTS else (left,)
            right = [_wanted(Query(packet, transport), verdict, answers, second) for second in seconds]
            later = tuple(answer for answer in right[1:] if answer is not None)
            words = _in_words(verdict, enforced.version)
            found.append(SelfTestQuestion(DomainName(key).text, qtype, packet, right[0], words, later))
    return found


def _asked(chosen: Chosen) -> Iterator[tuple[bytes, int]]:
    """Yield names and types: spared ones and controls between touched ones, so that the first few have all kinds."""
    touched = iter(chosen.touched)
    for key in touched:
        yield key, types.A
        yield key, types.HTTPS  # whose answer has the version as its serial
        if len(key) + len(BELOW) < MAX_NAME:
            yield key + BELOW, types.AAAA
        break
    others = [*chosen.controls[:1], *chosen.spared, *chosen.controls[1:]]
    yield from ((key, types.A) for key in others[:3])
    for key in touched:
        yield key, types.A
        if len(key) + len(BELOW) < MAX_NAME:
            yield key + BELOW, types.AAAA
    yield from ((key, types.A) for key in others[3:])


def _wanted(query: Query, verdict: Verdict, answers: BlockAnswers, left: int) -> bytes | None:
    """Return the right answer: that of the policy with `left` seconds to go, or the refusal without recursion."""
    over_stream = query.transport is not Transport.UDP
    if verdict.touches and not (verdict.action is Action.TCP_ONLY and over_stream):
        return answers.give(query, verdict, left)
    return error(query, types.REFUSED)


def _in_words(verdict: Verdict, version: int) -> str:
    if verdict.touches and verdict.order is not None:
        return f"{verdict.action} by order {verdict.order.name} of feed {verdict.feed} in version {version}"
    return f"no block, since {verdict.reason}"


def answer_text(message: bytes) -> str:
    """Return a summary of an answer for the log."""
    flags = int.from_bytes(message[2:4])
    count = int.from_bytes(message[6:8])
    rcode = _RCODES.get(flags & types.RCODE, str(flags & types.RCODE))
    return f"{rcode}, {count} records" + (", truncated" if flags & types.TC else "")


_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}

"""The self-tests of one control process: the last result, and the number of failures."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass

from blockd.metrics import Transport
from blockd.resolver import SelfTestKey, Sinkhole
from blockd.resolver.local.local_zones import LocalZones
from blockd.ruleset import Enforced
from blockd.selftest.as_client import ask_as_client, everybody_is_touched
from blockd.selftest.client import ClientOutcome, ask_workers
from blockd.selftest.expectations import questions
from blockd.selftest.sampling import Examples, choose
from blockd.settings import Settings, SocketAddress
from blockd.times import time_text

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of the self-test of one version."""

    version: int
    at: float  # seconds since the epoch
    seconds: float  # duration
    outcome: ClientOutcome


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    """The result of the last self-test, and the number of failures since the start."""

    version: int
    at: str  # in UTC, to the second
    milliseconds: float
    failure: str | None
    answers: int
    workers: list[int]
    skipped: list[str]
    failures: int

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return asdict(self)


class SelfTests:
    """Runner of self-tests; `failures` counts those that found a wrong answer, `last` is the newest result."""

    def __init__(
        self,
        settings: Settings,
        selftest_key: SelfTestKey,
        randomness: Callable[[int], bytes] = os.urandom,
        addresses: Sequence[SocketAddress] = (),
    ) -> None:
        """`addresses` are asked instead of those that the config listens on."""
        sinkhole = settings.sinkhole
        self._sinkhole = Sinkhole(
            str(sinkhole.ipv4), str(sinkhole.ipv6), settings.block_ttl, settings.operator.disclosed
        )
        self._addresses = tuple(addresses) or settings.listen.dns
        self._clients = settings.clients.allow
        self._proxies = settings.proxy_protocol.networks
        self._selftest_key = selftest_key
        self._randomness = randomness
        self._local = LocalZones.of(settings, ())
        self._skipped: list[str] = []
        self.failures = 0
        self.last: Result | None = None

    def _is_local(self, key: bytes) -> bool:
        """Whether a name may be answered here without a list."""
        return self._local.zone_of(key) is not None

    async def run(
        self,
        enforced: Enforced,
        before: Enforced | None,
        workers: Collection[int],
        news: Iterable[bytes],
        examples: Examples,
    ) -> str:
        """Test the version that `workers` have just begun to enforce; return what is wrong, empty if nothing is.

        For `news` and `examples`, see `choose`. Raises RulesetError if a file is damaged.
        """
        started = time.monotonic()

        def ask() -> ClientOutcome:
            chosen = choose(enforced, before, news, examples, self._randomness, self._is_local)
            asked = {
                transport: questions(chosen, enforced, self._sinkhole, transport, self._selftest_key, time.time())
                for transport in (Transport.UDP, Transport.TCP)
            }
            outcome = ask_workers(asked, self._addresses, workers, self._selftest_key)
            if enforced.asks_client and not outcome.failure:
                outcome.failure = everybody_is_touched(enforced, self._clients) or next(
                    (
                        ask_as_client(enforced, self._sinkhole, self._addresses, key, self._proxies)
                        for key in chosen.controls[:1]
                    ),
                    "",
                )
            return outcome

        moment = enforced.moment
        outcome = await asyncio.to_thread(ask)
        if outcome.failure and enforced.moment != moment:  # an order came into force, or ended, during the test
            outcome = await asyncio.to_thread(ask)
        self.last = Result(enforced.version, time.time(), time.monotonic() - started, outcome)
        if outcome.failure:
            self.failures += 1
            return f"the self-test of version {enforced.version} failed: {outcome.failure}"
        if outcome.skipped and outcome.skipped != self._skipped:
            log.warning(
                "The self-test of version %d was incomplete. Not tested: %s.",
                enforced.version,
                "; ".join(outcome.skipped),
            )
        self._skipped = outcome.skipped
        return ""

    def report(self) -> SelfTestReport | None:
        """Return the result of the last one; None before the first."""
        if self.last is None:
            return None
        outcome = self.last.outcome
        return SelfTestReport(
            version=self.last.version,
            at=time_text(self.last.at),
            milliseconds=round(self.last.seconds * 1000, 1),
            failure=outcome.failure or None,
            answers=outcome.answers,
            workers=sorted(outcome.workers),
            skipped=outcome.skipped,
            failures=self.failures,
        )

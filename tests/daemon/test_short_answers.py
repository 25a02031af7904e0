"""What dig is told of an order that soon begins or ends: no resolver in between keeps an answer beyond that moment."""

from __future__ import annotations

import math
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.daemon.authorities import Authorities, soon, text
from tests.daemon.harness import SLACK, Daemon, everywhere, has_dig, until
from tests.upstream import UpstreamSimulator

SINKHOLE = "127.0.0.1"
OPEN = "192.0.2.33"
PACE = 0.2  # seconds between two rounds of questions
BEGINS = "begins.example"
ENDS = "ends.example"

pytestmark = pytest.mark.skipif(not has_dig(), reason="dig is not installed")


def test_no_answer_lives_longer_than_until_the_next_beginning_or_end(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    for name in (BEGINS, ENDS):
        resolver.plan(name, "A", f"{name}. 300 IN A {OPEN}")
    authorities = Authorities(tmp_path / "authorities")
    authorities.order("telecom", "telecom-1", ["listed.example"])
    authorities.publish()
    with Daemon(tmp_path / "daemon", authorities.feed(), upstream=resolver.address) as daemon:
        until(daemon.is_ready, "it enforces")
        at = soon(10)
        authorities.order("telecom", "begins", [BEGINS], in_force_from=text(at))
        authorities.order("court", "ends", [ENDS], expires=text(at))
        authorities.publish()
        everywhere(lambda: daemon.ask(ENDS).addresses == [SINKHOLE], "the news are enforced")
        seen = set()
        pause = threading.Event()  # never set: it only waits
        while time.time() < at.timestamp() - 0.2:
            pause.wait(PACE)
            for name, address in ((BEGINS, OPEN), (ENDS, SINKHOLE)):
                left = remaining(at)
                found, ttl = daemon.dig_address(name)
                if time.time() < at.timestamp():
                    assert found == address, name
                    assert ttl <= left, name
                    seen.add((name, ttl))
        assert {name for name, _ in seen} == {BEGINS, ENDS}
        assert len(seen) > 4, "it counts down"
        everywhere(lambda: daemon.ask(BEGINS).addresses == [SINKHOLE], "the one has begun")
        assert daemon.dig_address(ENDS)[0] == OPEN
        assert 0 <= time.time() - at.timestamp() < SLACK


def remaining(at: datetime) -> int:
    """Return the whole seconds that are left when a question is sent, rounded up."""
    return math.ceil(at.timestamp() - time.time())

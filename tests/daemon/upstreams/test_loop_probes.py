"""Questions that come back to blockd are seen, whatever is in between."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable

import pytest

from blockd.daemon.timing import Timing
from blockd.daemon.upstreams.loop_probes import KEPT, MAX_LED_BACK, LoopProbes
from blockd.dns import types
from blockd.errors import UpstreamFailure
from blockd.metrics import Transport
from blockd.names import key_from_wire
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.machine.loop_token import SECRET, LoopToken
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings, Upstream
from tests.resolver.rig import Rig
from tests.upstream import UpstreamSimulator

TOKEN = LoopToken.make(os.urandom)
HEADER = struct.pack(">6H", 7, types.RD, 1, 0, 0, 0)


def settings(*upstreams: str) -> Settings:
    return Settings.model_validate({"upstreams": list(upstreams)}, context={"folder": None})


class Probed:
    """Upstreams of which some lead back."""

    def __init__(self, *texts: str) -> None:
        self.settings = settings(*texts)
        self.leading: set[str] = set()
        self.asked: list[str] = []
        self.told: tuple[str, ...] = ()
        self.now = 1000.0
        self.probes = LoopProbes(TOKEN, self._tell, Timing(monotonic=lambda: self.now), self._ask)

    def _tell(self, addresses: tuple[str, ...]) -> None:
        self.told = addresses

    async def _ask(
        self, upstream: Upstream, query: bytes, size: int, _seconds: float, _randomness: Callable[[int], int]
    ) -> bytes:
        assert len(query) == 12 + size
        self.asked.append(upstream.host)
        if upstream.host == "192.0.2.13":
            raise UpstreamFailure(22, "it did not answer")
        return query + (TOKEN.proof if upstream.host in self.leading else b"")

    def look(self) -> None:
        asyncio.run(self.probes.look(Resolution.of(self.settings)))


def test_the_one_that_leads_back_is_told_and_left_out_for_a_while() -> None:
    probed = Probed("192.0.2.1", "192.0.2.2", "192.0.2.13")
    probed.look()
    assert (probed.told, probed.asked) == ((), ["192.0.2.1", "192.0.2.2", "192.0.2.13"])
    probed.leading = {"192.0.2.2"}
    probed.look()
    assert probed.told == ("192.0.2.2:53",)
    probed.leading = set()
    probed.now += KEPT - 1
    probed.look()
    assert probed.told == ("192.0.2.2:53",), "one way of several may have been taken"
    probed.now += 2
    probed.look()
    assert not probed.told


def test_what_is_told_is_bounded() -> None:
    probed = Probed("192.0.2.1")
    probed.settings = Settings.model_validate(
        {"forward": [{"zone": f"z{n}.example", "upstreams": [f"127.0.{n}.1"]} for n in range(200)]},
        context={"folder": None},
    )
    probed.leading = {f"127.0.{n}.1" for n in range(200)}
    probed.look()
    assert len(probed.told) == MAX_LED_BACK


def answer_of(rig: Rig, name: bytes) -> bytes:
    answer = rig.resolver.begin(HEADER + name, "127.0.0.1", Transport.UDP)
    assert isinstance(answer, bytes)
    return answer


def test_blockd_answers_its_own_name_and_nobody_elses(tmp_path_factory: pytest.TempPathFactory) -> None:
    with UpstreamSimulator() as upstream:
        local = TOKEN.with_zone(LocalZones.of(settings("192.0.2.1"), ()))
        rig = Rig(tmp_path_factory.mktemp("rig"), upstream.upstream, local=local)
        question = TOKEN.question(os.urandom(SECRET))
        answer = answer_of(rig, question)
        assert TOKEN.is_shown(answer)
        assert answer[3] & types.RCODE == types.NOERROR
        other = LoopToken.make(os.urandom)
        assert not TOKEN.is_shown(answer_of(rig, other.question(os.urandom(SECRET))))
        assert not other.is_shown(answer)
        assert not upstream.seen, "nothing of it goes to upstreams"
        assert local.zone_of(key_from_wire(question[:-4])) is not None
        assert TOKEN.proof not in question

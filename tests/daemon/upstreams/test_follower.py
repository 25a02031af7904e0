"""A worker follows what is seen of the machine, also after a change that it could not follow."""

from __future__ import annotations

import asyncio
import errno
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blockd.daemon.upstreams import follower
from blockd.daemon.upstreams.follower import ResolutionFollower
from blockd.metrics.upstreams import UpstreamTable
from blockd.resolver.machine.observation import Observation
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings, Upstream


class Short:
    """A resolver that is short of files for its first changes."""

    load = (0, 0, 0)

    def __init__(self, failures: int) -> None:
        self.healths: dict[Upstream, Any] = {}
        self.looped: dict[str, int] = {}
        self.failures = failures
        self.last_used = asyncio.Event()

    def use(self, groups: Any, _local: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        if list(groups[0].upstreams) == [Upstream("192.0.2.2", 53)]:
            self.last_used.set()


@pytest.mark.parametrize("failures", [0, 2])
def test_a_change_that_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failures: int
) -> None:
    monkeypatch.setattr(follower, "RETRY", 0.0)
    settings = Settings.model_validate({"upstreams": ["system"]}, context={"folder": None})
    seen = [Observation((f"192.0.2.{number}",)) for number in range(3)]
    resolver = Short(failures)

    async def main() -> None:
        shared = SimpleNamespace(settings=settings, upstreams=UpstreamTable(1), loop_token=None)
        context = SimpleNamespace(index=0, row=0, shared=shared, resolution=Resolution.by(settings, seen[0]))
        one = ResolutionFollower(cast(Any, context), cast(Any, resolver))
        one.start()
        for observation in seen[1:]:
            one.take(observation.to_message())
        await resolver.last_used.wait()
        one.stop()

    asyncio.run(asyncio.wait_for(main(), 30.0))
    assert len(caplog.records) == failures
    assert all("too many open files; those before are. It is tried again." in one.message for one in caplog.records)

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadFileScheduling, Scheduling  # type: ignore[import-untyped]

from tests.longest import longest_first, scope_of
from tests.upstream import UpstreamSimulator

# No test depends on the machine's speed: on a busy one any example may be slow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


class _LongestFirst(LoadFileScheduling):  # type: ignore[misc]
    """Hands out whole files in the order of their tests, but for those that are shared out."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Return what hands out tests to workers with `--dist loadfile`."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # not by their number
    return _LongestFirst(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without collecting garbage; what is there then stays, and need not be looked through again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files first that take longest, in every worker alike."""
    items[:] = longest_first(items, lambda item: item.nodeid)


@pytest.fixture
def upstream() -> Iterator[UpstreamSimulator]:
    """A recursive resolver on loopback that a test programs."""
    with UpstreamSimulator() as simulator:
        yield simulator

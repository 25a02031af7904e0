"""What is cached comes to the next worker, but for what another config makes untrue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blockd.daemon.worker.caches import PART, room
from blockd.daemon.worker.origins import Origins
from blockd.names import key_from_text
from blockd.resolver.resolution import Resolution
from blockd.settings import Settings
from tests.daemon.harness import EVERY_WORKER, Daemon
from tests.upstream import UpstreamSimulator

NAMES = [f"name{number}.example" for number in range(20)]


def resolution(**settings: Any) -> Resolution:
    config = {"upstreams": ["192.0.2.1"], "feeds": [], **settings}
    return Resolution.by(Settings.model_validate(config), Resolution().observation)


def told_again(before: Resolution) -> Origins:
    """Return the origins of names as another version is told of them."""
    return Origins.from_json(json.loads(json.dumps(Origins.of(before).to_json())))


def forwards(zone: str, address: str) -> dict[str, Any]:
    return {"zone": zone, "upstreams": [address]}


@pytest.mark.parametrize(
    ("before", "now", "names"),
    [
        ({}, {}, []),
        ({}, {"upstreams": ["192.0.2.2"]}, ["www.example", "a.b.test", "b.test"]),
        ({}, {"forward": [forwards("b.test", "192.0.2.3")]}, ["a.b.test", "b.test"]),
        ({"forward": [forwards("b.test", "192.0.2.3")]}, {}, ["a.b.test", "b.test"]),
        (
            {"forward": [forwards("b.test", "192.0.2.3")]},
            {"forward": [forwards("b.test", "192.0.2.3")], "upstreams": ["192.0.2.2"]},
            ["www.example"],
        ),
        ({}, {"local": {"names": {"b.test": ["192.0.2.9"]}}}, ["a.b.test", "b.test"]),
    ],
)
def test_what_lies_below_a_zone_that_has_changed_is_left_out(
    before: dict[str, Any], now: dict[str, Any], names: list[str]
) -> None:
    is_changed = told_again(resolution(**before)).changed(Origins.of(resolution(**now)))
    asked = ["www.example", "a.b.test", "b.test"]
    assert [name for name in asked if is_changed(key_from_text(name))] == names


def test_an_eighth_of_what_is_available_is_shared(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    told.write_text("MemTotal:       100 kB\nMemAvailable:    64000 kB\n")
    assert room(4, told) == 64_000 * 1024 // PART // 4
    assert room(4, tmp_path / "missing") == 0
    told.write_text("MemAvailable:\n")
    assert room(4, told) == 0


@pytest.fixture
def daemon(tmp_path: Path, upstream: UpstreamSimulator) -> Iterator[Daemon]:
    for name in NAMES:
        upstream.plan(name, "A", f"{name}. 3600 IN A 198.51.100.1")
    with Daemon(tmp_path / "node", upstream=upstream.address, fresh=True) as running:
        yield running


def ask_all(daemon: Daemon) -> None:
    for name in NAMES:
        assert daemon.ask(name).addresses == ["198.51.100.1"]


def test_no_upstream_is_asked_again_after_reloads(daemon: Daemon, upstream: UpstreamSimulator) -> None:
    for _ in range(EVERY_WORKER):
        ask_all(daemon)
    asked = asked_for(upstream)
    assert asked >= len(NAMES)
    hits = daemon.metric("blockd_cache_hits_total")
    for workers in (1, 2, 3):
        daemon.reload(workers=workers)
        for _ in range(5):
            ask_all(daemon)
    assert asked_for(upstream) == asked
    assert daemon.metric("blockd_cache_hits_total") >= hits + 300
    assert "left" not in daemon.log


def test_other_upstreams_are_asked_for_what_was_cached(daemon: Daemon) -> None:
    ask_all(daemon)
    with UpstreamSimulator() as other:
        for name in NAMES:
            other.plan(name, "A", f"{name}. 3600 IN A 198.51.100.2")
        daemon.reload(upstreams=[other.address])
        for name in NAMES:
            assert daemon.ask(name).addresses == ["198.51.100.2"]


def asked_for(upstream: UpstreamSimulator) -> int:
    """Return how many of the questions that came were for NAMES."""
    return sum(one.name in NAMES for one in list(upstream.seen))


def test_no_descriptor_is_left_behind(daemon: Daemon) -> None:
    ask_all(daemon)
    daemon.reload(sinkhole={"ttl": 31})
    before = descriptors(daemon)
    for ttl in (32, 33):
        daemon.reload(sinkhole={"ttl": ttl})
    assert descriptors(daemon) <= before


def descriptors(daemon: Daemon) -> int:
    return sum(1 for _ in Path(f"/proc/{daemon.pid}/fd").iterdir())

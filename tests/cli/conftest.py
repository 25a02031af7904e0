from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.daemon.harness import Daemon, until, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator

_LEADS = "cdn.example. 60 IN CNAME www.listed.example."


@pytest.fixture(scope="package")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all verbs: signed orders, one of them lifted, and a list of exceptions on top."""
    folder = tmp_path_factory.mktemp("verbs")
    publisher = Publisher(folder / "authority")
    publisher.order("order-1", ["listed.example"], reference="Letter 12/2026", expires="2099-12-31")
    publisher.order(
        "order-2", ["lifted.example"], lifted_on="2026-02-01T00:00:00Z", lifted_reason="The objection was granted."
    )
    publisher.order("order-3", ["monitored.example"], action="monitor", authority="Министерство связи")
    publisher.publish()
    write_list(folder / "exceptions", ["allowed.listed.example"])
    exceptions = {"name": "exceptions", "type": "domains", "path": "exceptions", "action": "allow", "priority": 1}
    with UpstreamSimulator() as resolver, Daemon(folder, publisher.feed(), exceptions, upstream=resolver.address) as it:
        resolver.plan("alias.example", "A", "alias.example. 60 IN CNAME cdn.example.", _LEADS)
        resolver.plan("alias.example", "AAAA", "alias.example. 60 IN AAAA 2001:db8::7")
        resolver.plan("free.example", "A", "free.example. 60 IN A 192.0.2.7")
        until(lambda: {feed["phase"] for feed in it.status()["feeds"]} == {"enforced"}, "every feed is enforced")
        yield it


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)

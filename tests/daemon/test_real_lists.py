from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from tests.daemon.harness import DATA, Daemon, until
from tests.upstream import UpstreamSimulator

NATIONAL = DATA / "trustpositif-783135.txt.gz"
SAMPLE = 200


@pytest.mark.skipif(not NATIONAL.exists(), reason="the real national list is not on this machine")
def test_real_national_list_is_enforced(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    with gzip.open(NATIONAL, "rt", encoding="utf-8", errors="replace") as file:
        names = [line.strip() for line in file]
    chance = random.Random(1)  # noqa: S311 - no secret
    sample = [name for name in chance.sample(names, SAMPLE) if "." in name and name.isascii() and " " not in name]
    feed = {"name": "national", "type": "domains", "path": str(NATIONAL)}
    with Daemon(tmp_path, feed, upstream=resolver.address) as daemon:
        until(daemon.is_ready, "the list is enforced", 60)
        missed = [name for name in sample if daemon.ask(name).addresses != ["127.0.0.1"]]
        assert len(sample) > SAMPLE * 0.9
        assert missed == []
        assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]
        assert daemon.metric("blockd_ruleset_names") > 700_000

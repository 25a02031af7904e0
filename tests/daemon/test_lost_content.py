"""What a feed gave is damaged on this machine's disk: its names stay in force, and it is fetched again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, everywhere, until, write_list
from tests.upstream import UpstreamSimulator


@pytest.mark.parametrize("gone", [False, True], ids=["damaged", "gone"])
def test_a_feed_whose_content_is_lost_stays_enforced(tmp_path: Path, resolver: UpstreamSimulator, gone: bool) -> None:
    write_list(tmp_path / "one", ["one.example"])
    write_list(tmp_path / "two", ["0.0.0.0 two.example"])
    feeds = [
        {"name": "one", "type": "domains", "path": "one", "interval": "200ms"},
        {"name": "two", "type": "hosts", "path": "two", "interval": "200ms"},  # whose news always compile all
    ]
    with Daemon(tmp_path, *feeds, upstream=resolver.address) as daemon:
        everywhere(lambda: daemon.ask("one.example").addresses == ["127.0.0.1"], "one.example is blocked")
        accepted = daemon.state_dir / "feeds" / "one" / "accepted"
        accepted.unlink() if gone else accepted.write_bytes(b"\0" * 10)
        write_list(tmp_path / "two", ["0.0.0.0 two.example", "0.0.0.0 new.example"])
        everywhere(lambda: daemon.ask("new.example").addresses == ["127.0.0.1"], "new.example is blocked")
        assert daemon.ask("one.example").addresses == ["127.0.0.1"]
        until(lambda: accepted.read_bytes() == b"one.example\n", "what was lost is there again")
        assert "fetched anew" in daemon.log

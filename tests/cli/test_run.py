from __future__ import annotations

from pathlib import Path

from tests.daemon.harness import Daemon, Feed, write_list
from tests.daemon.publisher import Publisher


def test_run_stays_in_the_foreground_and_logs_to_standard_error(daemon: Daemon) -> None:
    assert daemon.process is not None
    assert daemon.process.poll() is None
    assert " INFO Version 1 is enforced by every worker: " in daemon.log
    assert " INFO " not in daemon.banner


def test_log_level_of_the_config_is_kept(tmp_path: Path) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    with Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"}, log_level="error") as running:
        assert running.ask("listed.example").addresses == ["127.0.0.1"]
        assert running.log == ""


def test_example_of_a_signed_list_and_a_text_list_is_told_feed_by_feed(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "authority")
    publisher.order("order-1", ["listed.example"])
    publisher.publish()
    write_list(tmp_path / "list", ["other.example"])
    feeds: list[Feed] = [publisher.feed(), {"name": "national", "type": "domains", "path": "list"}]
    with Daemon(tmp_path, *feeds) as running:
        assert "feed ministry (signed, version 1): 1 names" in running.banner
        assert "feed national (domains): 1 names" in running.banner
        assert "2 of 2 orders in force" in running.banner

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.cli import main
from tests.daemon.harness import Daemon, put, write_list


def test_refresh_tells_each_feed(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refresh", "--config", str(daemon.config)]) == 0
    told = capsys.readouterr().out
    assert "feed ministry: unchanged" in told
    assert "feed exceptions: unchanged" in told
    assert f"enforced: version {daemon.status()['ruleset']['version']}" in told


def test_refresh_of_one_feed_is_json_for_programs(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refresh", "ministry", "--json", "--config", str(daemon.config)]) == 0
    assert json.loads(capsys.readouterr().out)["feeds"] == {"ministry": {"outcome": "unchanged"}}


def test_feed_that_is_not_configured_is_exit_code_2(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refresh", "nobody", "--config", str(daemon.config)]) == 2
    assert "There is no feed 'nobody'; configured are: ministry, exceptions." in capsys.readouterr().err


def test_news_are_enforced_and_bad_news_are_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "1d"}
    with Daemon(tmp_path, feed) as daemon:
        write_list(tmp_path / "list", ["listed.example", "new.example"])
        assert main(["refresh", "--config", str(daemon.config)]) == 0
        assert "feed national: enforced" in capsys.readouterr().out
        assert daemon.ask("new.example").addresses == ["127.0.0.1"]
        put(tmp_path / "list", b"")
        assert main(["refresh", "--config", str(daemon.config)]) == 1
        assert "feed national: refused: " in capsys.readouterr().out
        assert daemon.ask("new.example").addresses == ["127.0.0.1"]

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.cli import main
from tests.daemon.harness import Daemon, write_list


def look(daemon: Daemon, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the verb; give its exit code and what it prints."""
    code = main(["lookup", "--config", str(daemon.config), *arguments])
    return code, capsys.readouterr().out


def test_listed_name_is_explained(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = look(daemon, capsys, "www.listed.example")
    assert code == 0
    for text in (
        "www.listed.example: sinkhole",
        "order-1",
        "Example Messenger",
        "Sample Authority",
        "Sample regulation 1",
        "Letter 12/2026",
        "objections@example.net",
        "ministry",
        "listed.example (both)",
        "2026-01-01",
        "2099-12-31",
    ):
        assert text in told


def test_listed_name_is_json_for_programs(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = look(daemon, capsys, "listed.example", "--json")
    found = json.loads(told)
    assert code == 0
    assert (found["name"], found["verdict"], found["feed"]) == ("listed.example", "sinkhole", "ministry")
    assert (found["order"]["id"], found["state"]) == ("order-1", "in force")
    assert found["version"] == daemon.status()["ruleset"]["version"]
    assert found == {**daemon.lookup("listed.example")}


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("allowed.listed.example", "allow"),
        ("lifted.example", "resolved"),
        ("monitored.example", "monitor"),
        ("unlisted.example", "resolved"),
    ],
)
def test_name_that_is_not_touched_is_exit_code_1(
    daemon: Daemon, capsys: pytest.CaptureFixture[str], name: str, verdict: str
) -> None:
    code, told = look(daemon, capsys, name)
    assert code == 1
    assert told.startswith(f"{name}: {verdict}")


def test_lifted_order_is_told_with_its_reason(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = look(daemon, capsys, "lifted.example")
    assert "order-2" in told
    assert "2026-02-01" in told
    assert "The objection was granted." in told


def test_order_that_an_exception_overrides_is_told_too(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = look(daemon, capsys, "allowed.listed.example")
    assert "exceptions" in told
    assert "also in force: order order-1, by listed.example in feed ministry" in told


def test_name_in_unicode_is_found(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = look(daemon, capsys, "bücher.listed.example")
    assert code == 0
    assert "listed.example" in told


@pytest.mark.parametrize("name", ["", "a..b", "-" * 300, "a b"])
def test_what_is_no_name_is_exit_code_2(daemon: Daemon, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["lookup", "--config", str(daemon.config), "--", name]) == 2
    assert "is no domain name" in capsys.readouterr().err


def test_lookup_needs_no_running_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    stopped = Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"})
    with stopped:
        pass
    assert look(stopped, capsys, "listed.example")[0] == 0
    assert look(stopped, capsys, "unlisted.example")[0] == 1


def test_lookup_before_any_ruleset_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    assert main(["lookup", "--config", str(daemon.config), "listed.example"]) == 2
    assert "blockd run" in capsys.readouterr().err

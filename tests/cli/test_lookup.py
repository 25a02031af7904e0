from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from blockd.cli import main
from tests.daemon.harness import Daemon, write_list


def look(daemon: Daemon, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the verb; return its exit code and what it prints."""
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
    assert found == daemon.lookup("listed.example&trace")
    short = daemon.lookup("listed.example")
    claims = [{name: value for name, value in claim.items() if name != "line"} for claim in found["claims"]]
    assert {**found, "claims": claims} == {**short, "listed": found["listed"], "held": []}


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


def test_lines_of_lists_and_the_first_version_are_told(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = look(daemon, capsys, "www.allowed.listed.example")
    assert "feed:         exceptions, line 1: allowed.listed.example\n" in told
    assert (
        "also in force: order order-1, by listed.example in feed ministry; "
        "the allow entry allowed.listed.example of feed exceptions beats every block\n"
    ) in told
    assert re.search(r"^listed:       first in version 1 of 20\S+ or earlier, until now$", told, re.MULTILINE)
    assert "feed:         exceptions\n" in look(daemon, capsys, "www.allowed.listed.example", "--quick")[1]
    _, told = look(daemon, capsys, "unlisted.example")
    assert re.search(r"^listed:       never in the \d+ versions kept$", told, re.MULTILINE)


def test_every_feed_that_lists_a_name_is_told_with_why_it_decides_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(tmp_path / "national", ["# the ministry's", "casino.example", "bets.example"])
    write_list(tmp_path / "own", ["casino.example", "www.casino.example"])
    write_list(tmp_path / "never", ["help.casino.example"])
    write_list(tmp_path / "count", ["casino.example"])
    feeds = [
        {"name": "national", "type": "domains", "path": "national", "priority": 10},
        {"name": "own", "type": "domains", "path": "own", "action": "nxdomain", "priority": 60},
        {"name": "never", "type": "domains", "path": "never", "action": "allow", "priority": 90},
        {"name": "count", "type": "domains", "path": "count", "action": "monitor", "priority": 1},
    ]
    with Daemon(tmp_path, *feeds) as daemon:
        answers = {
            name: daemon.ask(name, edns=True)
            for name in ("casino.example", "www.casino.example", "help.casino.example", "a.help.casino.example")
        }
        assert answers["casino.example"].addresses == ["127.0.0.1"]
        assert answers["www.casino.example"].rcode == "NXDOMAIN"
        for name in ("help.casino.example", "a.help.casino.example"):  # which nobody resolves here
            assert answers[name].rcode == "SERVFAIL"
            assert [code for code, _ in answers[name].errors if code in (15, 16, 17)] == []
        expected = {
            "casino.example": [
                ("national", 2, "it decides"),
                ("own", 1, "feed national comes before own, by priority 10 and 60"),
                ("count", 1, "it only counts questions, and hides no block"),
            ],
            "www.casino.example": [
                ("own", 2, "it decides"),
                ("national", 2, "the longer www.casino.example decides"),
                ("own", 1, "the longer www.casino.example decides"),
                ("count", 1, "it only counts questions, and hides no block"),
            ],
            "help.casino.example": [
                ("never", 1, "it decides"),
                ("national", 2, "the allow entry help.casino.example of feed never beats every block"),
                ("own", 1, "the allow entry help.casino.example of feed never beats every block"),
                ("count", 1, "the allow entry help.casino.example of feed never beats every block"),
            ],
        }
        for name, claims in expected.items():
            told = json.loads(look(daemon, capsys, name, "--json")[1])
            found = [(claim["feed"], claim["line"]["number"], claim["because"]) for claim in told["claims"]]
            assert found == claims
            assert [claim["feed"] for claim in told["claims"] if claim["decides"]] == [claims[0][0]]


def test_name_that_was_taken_off_is_told_with_its_last_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(tmp_path / "list", ["always.example", "gone.example"])
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}
    with Daemon(tmp_path, feed, gate={"max_shrink": "100%"}) as daemon:
        for version, name in ((2, "second.example"), (3, "third.example")):
            write_list(tmp_path / "list", ["always.example", name])
            daemon.refresh()
            assert daemon.status()["ruleset"]["version"] == version
        found = {
            name: json.loads(look(daemon, capsys, name, "--json")[1])["listed"]
            for name in ("gone.example", "second.example", "third.example", "always.example", "unlisted.example")
        }
        lines = look(daemon, capsys, "second.example")[1]
    told = {
        name: (
            (listed["first"] or {}).get("version"),
            (listed["last"] or {}).get("version"),
            listed["since_before"],
            listed["until_now"],
        )
        for name, listed in found.items()
    }
    assert told == {
        "gone.example": (1, 1, True, False),
        "second.example": (2, 2, False, False),
        "third.example": (3, 3, False, True),
        "always.example": (1, 3, True, True),
        "unlisted.example": (None, None, False, False),
    }
    assert re.search(r"^listed: .* last in version 2 of 20\S+$", lines, re.MULTILINE)


def test_name_in_unicode_is_found(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = look(daemon, capsys, "bücher.listed.example")
    assert code == 0
    assert "listed.example" in told


@pytest.mark.parametrize("name", ["", "a..b", "-" * 300, "a b"])
def test_what_is_no_name_is_exit_code_2(daemon: Daemon, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["lookup", "--config", str(daemon.config), "--", name]) == 2
    assert "is not a valid domain name" in capsys.readouterr().err


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

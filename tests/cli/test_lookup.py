from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from blockd.cli import main
from blockd.cli.admin_client import DaemonRefused, ask
from blockd.settings import Settings
from blockd.times import time_text
from tests.daemon.harness import Daemon, until, write_list


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
    assert found == daemon.lookup("listed.example&trace&resolve")
    assert [question["answer"]["records"] for question in found["aliases"]["questions"]] == [
        ["A 127.0.0.1"], ["AAAA ::1"], []
    ]  # fmt: skip
    short = daemon.lookup("listed.example&resolve")
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
        for name in ("help.casino.example", "a.help.casino.example"):  # which no upstream knows
            assert answers[name].rcode == "NXDOMAIN"
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


def test_a_name_that_is_blocked_through_an_alias_is_told_with_the_way(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert daemon.ask("alias.example").addresses == ["127.0.0.1"]
    before = daemon.get("/metrics")[1]
    code, text = look(daemon, capsys, "alias.example", "--json")
    told = json.loads(text)
    assert (code, told["verdict"], told["blocked"]) == (0, "sinkhole", True)
    assert (told["order"]["id"], told["entry"], told["claims"]) == ("order-1", "listed.example", [])
    assert told["aliases"]["followed"]
    a, aaaa, _ = told["aliases"]["questions"]
    assert [(step["owner"], step["type"], step["to"], step["decides"]) for step in a["steps"]] == [
        ("alias.example", "CNAME", "cdn.example", False),
        ("cdn.example", "CNAME", "www.listed.example", True),
    ]
    assert a["answer"]["records"] == ["A 127.0.0.1"]
    assert "order order-1" in a["answer"]["errors"][0]
    assert (aaaa["outcome"], aaaa["answer"]["records"]) == ("resolved", ["AAAA 2001:db8::7"])
    assert _counted(before) == _counted(daemon.get("/metrics")[1]), "a lookup is not a client's question"
    _, text = look(daemon, capsys, "alias.example")
    assert "alias.example: sinkhole (it leads to CNAME www.listed.example, which an order in force covers)\n" in text
    assert "  cdn.example CNAME www.listed.example: sinkhole (in force, order order-1 by listed.example" in text
    code, text = look(daemon, capsys, "alias.example", "--offline")
    assert code == 1
    assert "aliases:      not followed: --offline was given\n" in text


def test_a_name_that_is_resolved_is_told_with_its_answer(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = look(daemon, capsys, "https://Free.Example/x")
    assert code == 1
    assert "free.example: resolved (no order covers the name)\n" in text
    assert "read as:      free.example, the name in a URL\n" in text
    assert "answered with NOERROR, A 192.0.2.7\n" in text


def test_several_names_and_standard_input_are_answered_in_their_order(
    daemon: Daemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("# a comment\n\nlisted.example\n" + "x" * 9000 + "\nfree.example\n"))
    code, text = look(daemon, capsys, "--json", "-sso.listed.example", "-")
    told = [json.loads(line) for line in text.splitlines()]
    assert [each.get("name") for each in told] == ["-sso.listed.example", "listed.example", None, "free.example"]
    assert [each.get("blocked") for each in told] == [True, True, None, False]
    assert "too long" in told[2]["error"]
    assert code == 2
    assert look(daemon, capsys, "listed.example", "www.listed.example")[0] == 0
    code, text = look(daemon, capsys, "listed.example", "free.example")
    assert code == 1
    assert "\n\nfree.example: resolved" in text
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert look(daemon, capsys, "-")[0] == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("http://listed.example/" + "é" * 8000 + "\nfree.example\n"))
    told = [json.loads(line) for line in look(daemon, capsys, "--json", "-")[1].splitlines()]
    assert [each["aliases"]["followed"] for each in told] == [True, True]
    assert told[0]["taken_from"] == "the name in a URL"


def test_a_name_that_the_daemon_refuses_says_nothing_of_the_next(
    daemon: Daemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(settings: Settings, path: str, *, seconds: float) -> dict[str, Any]:
        if "listed" in path:
            raise DaemonRefused("It is not answered.")
        return ask(settings, path, seconds=seconds)

    monkeypatch.setattr("blockd.cli.lookup.ask", asked)
    told = [
        json.loads(line) for line in look(daemon, capsys, "--json", "listed.example", "free.example")[1].splitlines()
    ]
    assert [each["aliases"]["why"] for each in told] == ["It is not answered.", None]


def test_a_time_before_the_log_and_one_of_now_are_told_apart(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = look(daemon, capsys, "listed.example", "--at", "2026-01-02")
    assert code == 1
    assert "listed.example: unknown at 2026-01-02T00:00:00Z (what was enforced then is not known)\n" in text
    assert "note:         The log begins later" in text
    moment = int(time.time()) + 1  # after the whole second in which the list was enforced
    until(lambda: time.time() > moment, "the moment is in the past for both that are asked")
    now = time_text(moment)
    told = json.loads(look(daemon, capsys, "listed.example", "--at", now, "--json")[1])
    assert (told["verdict"], told["at"]) == ("sinkhole", now)
    assert told == daemon.lookup(f"listed.example&trace&at={now}")
    later = look(daemon, capsys, "listed.example", "--at", "2100-01-01")[1]
    assert "listed.example: resolved at 2100-01-01T00:00:00Z (an order covers the name, and is not in force)" in later
    assert main(["lookup", "--config", str(daemon.config), "listed.example", "--at", "noon"]) == 2


def test_a_client_that_is_not_served_is_told_so(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    text = look(daemon, capsys, "listed.example", "--client", "198.51.100.1")[1]
    assert "listed.example: refused for the client 198.51.100.1 (the client is not served)" in text
    assert "answered with NOERROR" not in text
    assert "note:         This client is not served" in text
    assert main(["lookup", "--config", str(daemon.config), "listed.example", "--client", "x"]) == 2
    assert "expected the IP address of a client" in capsys.readouterr().err


def test_a_daemon_with_another_state_folder_is_not_believed(
    daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_list(tmp_path / "list", ["own.example"])
    other = Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"})
    with other:
        pass
    other.listen["admin"] = daemon.listen["admin"]
    assert main(["token", "add", "other", "--role", "read", "--config", str(daemon.config)]) == 0
    monkeypatch.setenv("BLOCKD_TOKEN", capsys.readouterr().out.strip())
    other.write_config()
    code, text = look(other, capsys, "own.example")
    assert code == 0
    assert "aliases:      not followed: The blockd that answers here has another state folder" in text


def _counted(metrics: bytes) -> list[str]:
    """Return the series that count clients' questions, answers and hits."""
    kinds = tuple(f"blockd_{kind}_total" for kind in ("queries", "answers", "hits", "cache_hits", "cache_misses"))
    return [line for line in metrics.decode().splitlines() if line.startswith(kinds)]


def test_lookup_needs_no_running_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    stopped = Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"})
    with stopped:
        pass
    code, text = look(stopped, capsys, "listed.example")
    assert code == 0
    assert "aliases:      not followed: no blockd answers at http://" in text
    assert look(stopped, capsys, "unlisted.example")[0] == 1


def test_lookup_before_any_ruleset_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    assert main(["lookup", "--config", str(daemon.config), "listed.example"]) == 2
    assert "blockd run" in capsys.readouterr().err

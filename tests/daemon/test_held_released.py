"""What the gate holds back is listed whole, looked up, let through at once, and held back again; over restarts."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.daemon.harness import Daemon, everywhere, until, write_list
from tests.upstream import UpstreamSimulator

NAMES = [f"name-{number}.example" for number in range(50)]
SUFFIXES = ["ac.jp", "co.id", "co.jp", "co.uk", "com.au", "com.br", "github.io", "or.jp", "web.id"]
ZONE = """$TTL 60
@ SOA localhost. root.localhost. 1 3600 600 86400 60
@ NS localhost.
ads.example CNAME .
*.zip CNAME .
*.id CNAME rpz-passthru.
1.0.0.0.0.rpz-ip CNAME .
1.0.0.0.128.rpz-ip CNAME .
8.0.0.0.10.rpz-ip CNAME .
8.0.0.0.127.rpz-client-ip CNAME rpz-drop.
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("held-released")
    write_list(folder / "list", [*NAMES, *SUFFIXES, "google.com"])
    (folder / "zone").write_text(ZONE, "ascii")
    national = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}
    zone = {"name": "zone", "type": "rpz", "path": "zone", "priority": 10}
    with Daemon(folder, zone, national, upstream=resolver.address) as running:
        yield running


def held(daemon: Daemon, *words: str) -> dict[str, dict[str, object]]:
    done = daemon.run_verb("held", "--json", *words)
    assert done.returncode == 0, done.stderr
    return {
        str(entry["entry"]): entry for feed in json.loads(done.stdout)["feeds"].values() for entry in feed["entries"]
    }


def test_every_entry_is_listed_with_line_and_reason(daemon: Daemon) -> None:
    found = held(daemon, "--feed", "national")
    assert {name: entry["line"] for name, entry in found.items() if entry["held"]} == {
        name: {"number": 51 + at, "text": name} for at, name in enumerate(SUFFIXES)
    }
    assert found["google.com"] == {
        "entry": "google.com", "scope": "both", "reason": "popular", "held": False,
        "line": {"number": 60, "text": "google.com"},
    }  # fmt: skip
    zone = held(daemon, "--feed", "zone")
    assert {name: (entry["reason"], entry["held"]) for name, entry in zone.items()} == {
        "zip": ("top-level name", True),
        "0.0.0.0/1": ("network too wide", True),
        "128.0.0.0/1": ("network too wide", True),
        "10.0.0.0/8": ("special-purpose network", False),
        "client 127.0.0.0/8": ("network too wide", True),
    }
    assert zone["zip"]["line"] == {"number": 5, "text": "*.zip CNAME ."}
    assert zone["zip"]["scope"] == "subdomains"
    text = daemon.run_verb("held").stdout
    assert "  co.id (both): held back, public suffix, line 52: co.id" in text
    assert "feed zone: 4 held back, 1 only reported" in text


def test_the_internet_stays_there(daemon: Daemon) -> None:
    assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]
    assert daemon.ask("ads.example").rcode == "NXDOMAIN"
    assert daemon.metric("blockd_feed_held_names", feed="zone") == 4
    assert daemon.metric("blockd_feed_held_names", feed="national") == 9


def test_lookup_says_where_it_is_listed_and_how_to_let_it_through(daemon: Daemon) -> None:
    done = daemon.run_verb("lookup", "shop.co.id")
    assert "listed at line 52 of feed national as co.id (both): public suffix" in done.stdout
    assert "to let it through: blockd held release co.id --reason TEXT" in done.stdout
    assert "never" not in done.stdout
    told = json.loads(daemon.run_verb("lookup", "x.zip", "--json").stdout)
    assert [(entry["feed"], entry["entry"], entry["held"]) for entry in told["held"]] == [("zone", "zip", True)]
    assert json.loads(daemon.run_verb("lookup", "google.com", "--json").stdout)["held"][0]["held"] is False


def test_an_entry_is_let_through_at_once_and_over_a_restart_and_held_again(daemon: Daemon) -> None:
    assert daemon.ask("shop.co.uk").addresses != ["127.0.0.1"]
    for words in (["co.uk", "--as", "Ms Officer"], ["*.zip"]):
        done = daemon.run_verb("held", "release", *words, "--reason", "the court says so")
        assert (done.returncode, "enforced: version" in done.stdout) == (0, True), done.stderr
    assert daemon.ask("shop.co.uk").addresses == ["127.0.0.1"]
    assert (daemon.lookup("x.zip")["verdict"], daemon.lookup("zip")["verdict"]) == ("nxdomain", "resolved")
    assert (daemon.lookup("x.id")["verdict"], daemon.ask("x.id").addresses) == ("passthru", [])
    assert daemon.feed("national")["held"]["held"] == 8
    assert "co.uk" not in held(daemon, "--feed", "national")
    assert "released: co.uk since" in daemon.run_verb("held").stdout
    write_list(daemon.folder / "list", [*NAMES, *SUFFIXES, "google.com", "new.example", "vercel.app"])
    until(lambda: daemon.feed("national")["held"]["held"] == 9, "an amended version has its record")
    line = {"number": 62, "text": "vercel.app"}
    until(lambda: held(daemon).get("vercel.app", {}).get("line") == line, "the list that its line is in is kept")
    daemon.stop()
    daemon.start()
    assert daemon.first_answer("shop.co.uk").addresses == ["127.0.0.1"]
    version = daemon.status()["ruleset"]["version"]
    assert daemon.status()["ruleset"]["version"] == version
    assert daemon.run_verb("check").stdout.count("9 entries are held back") == 1
    done = daemon.run_verb("held", "hold", "co.uk", "--reason", "appealed")
    assert (done.returncode, "held back again" in done.stdout) == (0, True), done.stderr
    assert daemon.ask("shop.co.uk").addresses != ["127.0.0.1"]
    recorded = daemon.run_verb("audit", "--kind", "gate-release", "--kind", "gate-hold").stdout
    assert all(word in recorded for word in ("the court says so", "Ms Officer", "appealed"))


def test_what_is_no_entry_or_not_released_is_refused(daemon: Daemon) -> None:
    for words in (
        ["release", "no name", "--reason", "why"],
        ["release", "zip", "--reason", "twice"],
        ["release", "a.example", "--reason", " "],
        ["hold", "never.example", "--reason", "why"],
    ):
        done = daemon.run_verb("held", *words)
        assert (done.returncode, "nothing was changed" in done.stderr) == (2, True)
    assert daemon.run_verb("held", "--feed", "unknown").returncode == 2


def test_a_pinned_version_stays_as_it_is_and_has_its_own_record(daemon: Daemon) -> None:
    version = daemon.status()["ruleset"]["version"]
    assert daemon.run_verb("rollback", "1", "--reason", "To see.").returncode == 0
    assert "zip" in held(daemon)
    assert daemon.feed("national")["held"]["held"] == 9
    done = daemon.run_verb("held", "release", "github.io", "--reason", "why")
    assert (done.returncode, "saved, but not enforced yet: version 1 is pinned" in done.stdout) == (1, True)
    assert daemon.ask("x.github.io").addresses != ["127.0.0.1"]
    assert daemon.run_verb("rollback", "--release", "--reason", "Seen.").returncode == 0
    everywhere(lambda: daemon.ask("x.github.io").addresses == ["127.0.0.1"], "the pin has ended")
    assert daemon.status()["ruleset"]["version"] > version
    assert "github.io" not in held(daemon)

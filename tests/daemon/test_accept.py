"""A refused list is shown, taken on the operator's word in a running daemon, and recorded."""

from __future__ import annotations

import json
from pathlib import Path

from tests.daemon.harness import Daemon, until, write_list
from tests.upstream import UpstreamSimulator

MANY = [f"n{number}.example" for number in range(1_000)]


def test_operator_takes_a_refused_list(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    write_list(tmp_path / "list", MANY)
    national = {"name": "national", "type": "domains", "path": "list", "interval": "100ms"}
    with Daemon(tmp_path, national, upstream=resolver.address) as daemon:
        nothing = daemon.run_verb("accept", "national", "--reason", "why", "--yes")
        assert (nothing.returncode, "Its content is not refused." in nothing.stderr) == (2, True)
        write_list(tmp_path / "list", ["co.id", *MANY[:10], "new.example"])
        until(lambda: daemon.feed("national")["acceptable"], "it is refused")
        assert "blockd accept national" in daemon.run_verb("status").stdout
        shown = daemon.run_verb("accept", "national", "--show")
        assert shown.returncode == 0, shown.stderr
        assert "feed national is refused (shrunk): it holds 11 names, but 1000 are in force" in shown.stdout
        assert "if it is taken, it has 11 names in place of 1,000\n  1 entry is held back" in shown.stdout
        assert "--all" not in shown.stdout, "which it does not have"
        assert "added: 1\n  + new.example\nremoved: 990\n" in shown.stdout
        assert "and 970 more (--limit)" in shown.stdout
        every = daemon.run_verb("accept", "national", "--show", "--limit", "1000", "--json")
        assert sorted(json.loads(every.stdout)["changes"]["removed_names"]) == sorted(MANY[10:])
        asked = daemon.run_verb("accept", "national", "--reason", "why")
        assert (asked.returncode, "use --yes" in asked.stderr) == (2, True)
        other = daemon.run_verb("accept", "national", "--reason", "why", "--yes", "--digest", "0" * 64)
        assert (other.returncode, "has the SHA-256" in other.stderr) == (2, True)
        assert daemon.ask(MANY[999]).addresses == ["127.0.0.1"]
        taken = daemon.run_verb("accept", "national", "--reason", "cleaned up", "--as", "Budi", "--yes", "--json")
        assert taken.returncode == 0, taken.stderr
        told = json.loads(taken.stdout)
        assert (told["outcome"], told["names_before"], told["names"]) == ("enforced", 1_000, 11)
        assert daemon.ask("new.example").addresses == ["127.0.0.1"]
        assert daemon.ask(MANY[999]).addresses != ["127.0.0.1"]
        assert daemon.feed("national")["refusal"] is None
        records = daemon.run_verb("audit", "--kind", "accept", "--feed", "national")
        assert f"national {told['digest'][:12]} (shrunk), 11 names by Budi: cleaned up" in records.stdout
        assert daemon.run_verb("audit", "verify").returncode == 0
        write_list(tmp_path / "list", [])
        until(lambda: daemon.feed("national")["acceptable"], "the next one is refused again")
        assert "feed national would be refused (empty)" in daemon.run_verb("check").stdout
        assert daemon.ask("new.example").addresses == ["127.0.0.1"]

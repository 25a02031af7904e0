from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.cli import main
from tests.daemon.harness import Daemon, put, until, write_list

FIRST = ["a.example", "b.example", "goes.example"]
SECOND = ["a.example", "b.example", "comes.example", "comes-too.example"]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    """A daemon that has enforced two versions and was stopped."""
    folder = tmp_path_factory.mktemp("versions")
    write_list(folder / "list", FIRST)
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "1d"}
    daemon = Daemon(folder, feed, gate={"max_shrink": "100%"})
    with daemon:
        write_list(folder / "list", [*SECOND, "not a name"])
        daemon.refresh()
        until(lambda: _json(daemon, "versions")["versions"][-1]["difference"], "what changed is known")
    return daemon


def verb(
    daemon: Daemon, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0, error: bool = False
) -> str:
    """Run a verb in this process and give what it prints."""
    capsys.readouterr()
    assert main([*arguments, "--config", str(daemon.config)]) == code
    told = capsys.readouterr()
    return told.err if error else told.out


def _json(daemon: Daemon, *arguments: str) -> dict[str, list[dict[str, object]]]:
    told: dict[str, list[dict[str, object]]] = json.loads(daemon.run_verb(*arguments, "--json").stdout)
    return told


def test_versions_are_shown_without_a_daemon(stopped: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    told = verb(stopped, capsys, "versions")
    assert "version 1: 3 names, 1 orders, compiled 20" in told
    assert "version 2 (in force): 4 names, 1 orders, compiled 20" in told
    assert "  against version 1: +2 -1\n" in told
    assert told.count("enforced from 20") == 2
    assert told.count("until now") == 1
    assert f"feed national (domains): 4 names, from {stopped.folder / 'list'} of 20" in told
    assert "    rejected: bad character 1" in told


def test_versions_are_json_for_programs(stopped: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(verb(stopped, capsys, "versions", "--json"))
    assert (told["current"], told["pinned"]) == (2, None)
    first, second = told["versions"]
    assert first["periods"][0]["until"] is not None
    assert (second["since"], second["until"]) == (second["periods"][0]["since"], None)
    assert second["difference"] == {"against": 1, "added": 2, "removed": 1, "changed": 0}
    assert second["rejects"]["national"]["rejected"] == 1
    assert second["held"] == {}
    assert len(second["feeds"][0]["digest"]) == 64


def test_no_version_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    assert "`blockd run` makes the first one" in verb(daemon, capsys, "versions", code=1)


def test_damaged_ruleset_is_shown_as_such(stopped: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    rulesets = daemon.state_dir / "rulesets"
    rulesets.mkdir(parents=True)
    (rulesets / "000007.ruleset").write_bytes(b"nonsense")
    put(rulesets / "000008.ruleset", (stopped.state_dir / "rulesets" / "000002.ruleset").read_bytes())
    told = verb(daemon, capsys, "versions")
    assert "version 7: " in told
    assert "cannot be used as a ruleset" in told
    assert "version 8: 4 names" in told
    assert "its record is missing or damaged" in told


def test_diff_shows_names_that_came_and_went(stopped: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    told = verb(stopped, capsys, "diff", "1", "2")
    assert told == (
        "from version 1 to version 2\n"
        "added: 2\n  + comes.example\n  + comes-too.example\n"
        "removed: 1\n  - goes.example\n"
    )
    assert verb(stopped, capsys, "diff", "2", "2") == "from version 2 to version 2\nadded: 0\nremoved: 0\n"


def test_diff_shows_as_many_names_as_asked(stopped: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    told = verb(stopped, capsys, "diff", "1", "2", "--limit", "1")
    assert "  + comes.example\n  + and 1 more (--limit, --all)\n" in told
    assert "comes-too" not in told
    assert "and" not in verb(stopped, capsys, "diff", "1", "2", "--limit", "0").replace("and pinned", "")
    told = verb(stopped, capsys, "diff", "1", "2", "--all")
    assert told == "+ comes.example\n+ comes-too.example\n- goes.example\nadded: 2\nremoved: 1\n"


@pytest.mark.parametrize("more", [[], ["--all"]])
def test_diff_is_json_for_programs(stopped: Daemon, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    told = json.loads(verb(stopped, capsys, "diff", "1", "2", "--json", *more))
    assert (told["old"], told["new"]) == (1, 2)
    assert (told["added"], told["removed"], told["changed"]) == (2, 1, 0)
    assert told["added_names"] == ["comes.example", "comes-too.example"]
    assert told["removed_names"] == ["goes.example"]
    assert told["orders"] == {"came": [], "went": [], "changed": []}


def test_diff_names_popular_names_with_their_rank(stopped: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    popular = stopped.folder / "popular.csv"
    popular.write_text("1,free.example\n2,WWW.Comes.example\n# comment\n3,..\n4,goes.example\n")
    told = verb(stopped, capsys, "diff", "1", "2", "--popular", str(popular))
    assert "POPULAR: www.comes.example (rank 2) is covered now, by comes.example\n" in told
    assert "POPULAR: goes.example (rank 3) is no longer covered, by goes.example\n" in told
    found = json.loads(verb(stopped, capsys, "diff", "1", "2", "--json", "--popular", str(popular)))["popular"]
    assert found["covered"] == [{"rank": 2, "name": "www.comes.example", "entry": "comes.example"}]


def test_popular_names_are_as_many_as_the_limit_says(stopped: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    popular = stopped.folder / "popular.csv"
    popular.write_text("1,a.comes.example\n2,b.comes.example\n3,comes.example\n")
    options = ["diff", "1", "2", "--popular", str(popular), "--limit", "1"]
    told = verb(stopped, capsys, *options)
    assert told.count("is covered now, by comes.example") == 1
    assert "POPULAR: and 2 more, each of which is covered now (--limit, --all)\n" in told
    found = json.loads(verb(stopped, capsys, *options, "--json"))["popular"]
    assert (len(found["covered"]), found["counts"]) == (1, {"covered": 3, "no_longer_covered": 0})
    assert verb(stopped, capsys, *options[:-2], "--all").count("POPULAR: ") == 3


@pytest.mark.parametrize("content", [None, "", "# nothing\n", "\0\n"])
def test_list_without_popular_names_is_exit_code_2(
    stopped: Daemon, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    popular = stopped.folder / "unusable"
    popular.unlink(missing_ok=True)
    if content is not None:
        popular.write_text(content)
    told = verb(stopped, capsys, "diff", "1", "2", "--popular", str(popular), code=2, error=True)
    assert str(popular) in told


def test_version_that_is_not_kept_is_exit_code_2(stopped: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    told = verb(stopped, capsys, "diff", "1", "9", code=2, error=True)
    assert "version 9 is not kept; kept are 1, 2" in told


@pytest.mark.parametrize(
    "arguments",
    [["--reason", "why"], ["1", "--release", "--reason", "why"], ["1"], ["--release"], ["1", "--reason", " "]],
)
def test_rollback_takes_a_version_or_the_release_and_a_reason(
    stopped: Daemon, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert "nothing was changed" in verb(stopped, capsys, "rollback", *arguments, code=2, error=True)


def test_rollback_without_a_daemon_is_exit_code_2(stopped: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no blockd answers" in verb(stopped, capsys, "rollback", "1", "--reason", "why", code=2, error=True)


def test_rollback_is_told_by_every_verb_until_the_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "list", FIRST)
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "1d"}
    with Daemon(tmp_path, feed, gate={"max_shrink": "100%"}) as daemon:
        write_list(tmp_path / "list", SECOND)
        daemon.refresh()
        told = verb(daemon, capsys, "rollback", "1", "--reason", "the list was bad")
        assert told == "enforced and pinned: version 1\nIt stays until `blockd rollback --release`.\n"
        assert daemon.ask("goes.example").addresses == ["127.0.0.1"]
        shown = verb(daemon, capsys, "versions")
        assert "version 1 (in force, pinned): 3 names" in shown
        assert "until now, by a rollback: the list was bad" in shown
        status = verb(daemon, capsys, "status")
        assert "PINNED: version 1 since 20" in status
        assert "(the list was bad); what is new waits until `blockd rollback --release`" in status
        write_list(tmp_path / "list", [*SECOND, "more.example"])
        assert "feed national: waiting: it is new, and waits until the pinned version is released" in verb(
            daemon, capsys, "refresh"
        )
        dry = verb(daemon, capsys, "refresh", "--dry-run")
        assert "version 1 is pinned: what is new would wait" in dry
        assert "Version 9 is not kept" in verb(daemon, capsys, "rollback", "9", "--reason", "why", code=2, error=True)
        assert verb(daemon, capsys, "rollback", "--release", "--reason", "over") == "released; enforced: version 3\n"
        assert daemon.ask("more.example").addresses == ["127.0.0.1"]
        assert "PINNED" not in verb(daemon, capsys, "status")

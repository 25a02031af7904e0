from __future__ import annotations

import json

import pytest

from blockd.cli import main
from tests.daemon.harness import Daemon, everywhere

NAME = "free.example"


def verb(daemon: Daemon, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["cache", *words, "--config", str(daemon.config)]) == code, capsys.readouterr()
    told = capsys.readouterr()
    return told.out + told.err


def test_what_is_cached_is_shown_and_flushed(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    everywhere(lambda: daemon.ask(NAME).rcode == "NOERROR", "every worker has it in its cache")
    told = verb(daemon, capsys, "show", NAME)
    assert told.startswith(f"{NAME}: resolved (")
    for worker in range(2):
        assert f"worker {worker}:\n  A: NOERROR, fresh, " in told
    assert told.count(f"    {NAME}. ") == told.count(" IN A 192.0.2.7\n") == 2
    as_json = json.loads(verb(daemon, capsys, "show", NAME, "--json"))
    assert [worker["entries"][0]["records"][0].split()[-1] for worker in as_json["workers"]] == ["192.0.2.7"] * 2
    told = verb(daemon, capsys, "flush", NAME)
    assert told.splitlines()[0] == f"flushed: what was cached of {NAME}"
    assert [line.split(": ")[0] for line in told.splitlines()[1:]] == ["worker 0", "worker 1"]
    told = verb(daemon, capsys, "show", NAME, code=1)
    assert told.splitlines()[1:] == ["worker 0: nothing", "worker 1: nothing"]
    assert daemon.metric("blockd_cache_flushed_entries_total") >= 2


def test_more_than_one_name_is_flushed(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.ask(NAME)
    assert "and of all names under it" in verb(daemon, capsys, "flush", "example", "--below")
    daemon.ask(NAME)
    assert "everything" in verb(daemon, capsys, "flush", "--all")
    assert daemon.metric("blockd_cache_entries") == 0


def test_a_blocked_name_is_said_to_be_blocked(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    told = verb(daemon, capsys, "show", "listed.example", code=1)
    assert told.splitlines()[0].endswith("; whatever is cached, it is answered otherwise")


@pytest.mark.parametrize(
    "words", [("flush",), ("flush", NAME, "--all"), ("flush", "--all", "--below"), ("flush", "a..example")]
)
def test_a_flush_of_nothing_in_particular_is_refused(
    daemon: Daemon, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert verb(daemon, capsys, *words, code=2).startswith("blockd cache: ")

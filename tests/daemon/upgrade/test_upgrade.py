"""Another version takes the place of the running one: no question is lost, and if it cannot, the one before goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, until, write_list
from tests.daemon.load.load import Load
from tests.daemon.load.upstreams import elsewhere
from tests.daemon.notify.systemd import Systemd, at
from tests.daemon.upgrade.programs import other_version, upgraded
from tests.effort import LONG

NATIONAL = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}
SINKHOLE = ["127.0.0.1"]
UPGRADES = 10 if LONG else 3


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that runs, by an interpreter of its own."""
    write_list(tmp_path / "list", ["listed.example"])
    with elsewhere() as upstream:
        one = Daemon(tmp_path, NATIONAL, upstream=upstream, fresh=True)
        one.settings["upstream"] = {"flood_limit": 0}  # under load all names are new
        one.start()
        yield one
        one.destroy()


def versions_of(daemon: Daemon) -> str:
    told: str = daemon.status()["version"]
    return told


def test_no_question_is_lost_while_one_version_takes_the_place_of_another(daemon: Daemon, place: Path) -> None:
    pid, before = daemon.pid, set(daemon.children())
    with Load(daemon, "listed.example", "open.example", programs=True) as load:
        for number in range(UPGRADES):
            told = upgraded(daemon, "--from", other_version(place / str(number), f"9.9.{number}"))
            assert (told["outcome"], told["after"]) == ("taken", f"9.9.{number}")
            until(lambda: len(daemon.children()) == 4, "those of the version before have ended")
            assert not before & set(daemon.children())
            before = set(daemon.children())
    print(*load.figures.lines(), sep="\n")
    assert load.figures.lost == []
    assert not LONG or load.figures.overdue == []
    assert daemon.pid == pid
    assert versions_of(daemon) == f"9.9.{UPGRADES - 1}"
    assert daemon.ask("listed.example").addresses == SINKHOLE
    daemon.stop()


def test_counters_and_what_is_enforced_go_on_and_new_content_comes_into_force(daemon: Daemon, place: Path) -> None:
    for _ in range(5):
        assert daemon.ask("listed.example").addresses == SINKHOLE
    queries = daemon.metric("blockd_queries_total")
    hits = daemon.metric("blockd_order_hits_total")
    assert queries >= 5
    assert upgraded(daemon, "--from", other_version(place))["outcome"] == "taken"
    assert daemon.metric("blockd_queries_total") == queries
    assert daemon.metric("blockd_order_hits_total") == hits
    assert daemon.status()["ruleset"]["version"] == 1
    write_list(daemon.folder / "list", ["listed.example", "other.example"])
    daemon.wait_for_version(2)
    assert daemon.ask("other.example").addresses == SINKHOLE
    daemon.stop()


def test_a_dry_run_changes_nothing(daemon: Daemon, place: Path) -> None:
    children = daemon.children()
    told = upgraded(daemon, "--dry-run", "--from", other_version(place))
    assert (told["outcome"], told["after"]) == ("tried", "9.9.9")
    assert daemon.children() == children
    assert versions_of(daemon) != "9.9.9"
    daemon.stop()


def test_without_a_program_the_one_that_was_started_is_executed(daemon: Daemon) -> None:
    told = upgraded(daemon)
    assert (told["outcome"], told["before"]) == ("taken", told["after"])
    daemon.stop()


SAYS_WHAT_NONE_SAYS = """
import blockd.daemon.channel as c
send = c.Channel.send
c.Channel.send = lambda self, said, *more: send(self, {"trial": {"problems": 5}} if "trial" in said else said, *more)
"""


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("raise SystemExit('no such module')", "without a word on whether it can take over"),
        (
            "import time\ntime.sleep = lambda _: None\nimport blockd.daemon.upgrade.handover as h\nh.FORMAT = 2",
            "format",
        ),
        ("import blockd.resolver\nblockd.resolver.Resolver.enforce = lambda *_: 1 / 0", "failed its test"),
        (SAYS_WHAT_NONE_SAYS, "without a word on whether it can take over"),
    ],
    ids=["it does not start", "it takes over something else", "its workers do not serve", "it says what none says"],
)
def test_a_version_that_cannot_is_refused_and_nothing_stops(daemon: Daemon, place: Path, more: str, why: str) -> None:
    children = daemon.children()
    told = upgraded(daemon, "--from", other_version(place, more=more))
    assert told["outcome"] in ("refused", "failed")
    assert why in " ".join(told["problems"])
    assert daemon.children() == children
    assert daemon.ask("listed.example").addresses == SINKHOLE
    daemon.destroy()


def test_what_only_a_restart_takes_is_told_and_the_version_before_goes_on(daemon: Daemon, place: Path) -> None:
    good = daemon.config.read_text(encoding="utf-8")
    daemon.config.write_text(f"{good}user: nobody\n", encoding="utf-8")
    told = upgraded(daemon, "--from", other_version(place))
    assert told["outcome"] == "refused"
    assert "user: only a restart takes another one than none" in told["problems"]
    assert daemon.ask("listed.example").addresses == SINKHOLE
    daemon.config.write_text(good, encoding="utf-8")
    daemon.stop()


def test_one_that_fails_once_it_was_executed_gives_the_place_back(daemon: Daemon, place: Path) -> None:
    more = (
        "import os\nif 'BLOCKD_HANDOVER' in os.environ:\n"
        "    import blockd.daemon.processes.family as f\n    f.Family.fork = None"
    )
    with Load(daemon, "listed.example") as load:
        told = upgraded(daemon, "--from", other_version(place, more=more))
        until(lambda: len(daemon.children()) == 4, "the version before has its own processes again")
    assert (told["outcome"], load.figures.lost) == ("failed", [])
    assert "is executed again" in daemon.log
    assert daemon.is_ready()
    daemon.destroy()


def test_one_that_cannot_read_what_it_is_handed_gives_the_place_back(daemon: Daemon, place: Path) -> None:
    more = (
        "import os\nif 'BLOCKD_HANDOVER' in os.environ:\n    import json\n    loads = json.loads\n"
        "    def of_another_form(text):\n        found = loads(text)\n"
        "        found.pop('secrets', None) if isinstance(found, dict) else None\n        return found\n"
        "    import blockd.daemon.upgrade.handover as h\n    read = h.Handover.read.__func__\n"
        "    def reading(cls, descriptor):\n        json.loads = of_another_form\n        try:\n"
        "            return read(cls, descriptor)\n        finally:\n            json.loads = loads\n"
        "    h.Handover.read = classmethod(reading)"
    )
    with Load(daemon, "listed.example") as load:
        told = upgraded(daemon, "--from", other_version(place, more=more))
        until(lambda: len(daemon.children()) == 4, "the version before has its own processes again")
    assert (told["outcome"], load.figures.lost) == ("failed", [])
    [problem] = told["problems"]
    assert "version 9.9.9 cannot read what it was handed" in problem
    assert daemon.is_ready()
    assert upgraded(daemon, "--from", other_version(place / "good"))["outcome"] == "taken"
    daemon.destroy()


@pytest.mark.parametrize("victim", ["w", "page", "control"])
def test_a_process_that_is_killed_meanwhile_is_not_missed(daemon: Daemon, place: Path, victim: str) -> None:
    program = other_version(place)
    os.kill(daemon.children(victim)[0], signal.SIGKILL)
    until(daemon.is_ready, "it is started again")
    told = upgraded(daemon, "--from", program)
    os.kill(daemon.children(victim)[0], signal.SIGKILL)
    assert told["outcome"] == "taken"
    until(lambda: len(daemon.children()) == 4 and daemon.is_ready(), "it is started again by the new version")
    daemon.destroy()


def test_a_program_that_others_can_write_is_not_executed(daemon: Daemon, place: Path) -> None:
    program = other_version(place)
    Path(program).chmod(0o777)
    told = upgraded(daemon, "--from", program)
    assert told["outcome"] == "failed"
    assert "can be written by others" in told["problems"][0]
    for path, why in (("blockd", "is not the whole path"), ("/nowhere/blockd", "is not a program")):
        assert why in upgraded(daemon, "--from", path)["problems"][0]
    daemon.destroy()


def test_the_service_manager_sees_a_reload_and_keeps_the_sockets(tmp_path: Path, place: Path) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    daemon = Daemon(tmp_path, NATIONAL)
    with at(tmp_path) as systemd:
        systemd.launch(daemon)
        try:
            systemd.wait_for("READY")
            daemon.wait_for_banner()
            kept = {name: len(one) for name, one in systemd.kept.items()}
            assert upgraded(daemon, "--from", other_version(place), "--reason", "why not")["outcome"] == "taken"
            systemd.wait_for("READY", 2)
            until(lambda: _kept(systemd) == kept, "all are kept")
            assert systemd.values("RELOADING") == ["1"]
            assert {pid for pid, _ in systemd.told} == {daemon.pid}
            [record] = daemon.recorded("upgrade")
            assert (record["after"], record["reason"], record["outcome"]) == ("9.9.9", "why not", "taken")
            daemon.stop()
        finally:
            daemon.destroy()


def _kept(systemd: Systemd) -> dict[str, int]:
    systemd.hear()
    return {name: len(one) for name, one in systemd.kept.items()}

"""What `blockd reload` is asked is what is done, recorded and told, whatever lies where the config should."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blockd.daemon.reload.reloading import MAX_WAITING
from blockd.metrics.reloads import RESULTS
from blockd.orders.operator_line import MAX_LINE
from blockd.settings.yaml_file import MAX_FILE, MAX_VALUES
from tests.daemon.harness import Daemon, blockd, until, write_list

BLOCKED = "blocked.example"
SINKHOLE = ["127.0.0.1"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("asked")
    write_list(folder / "list", [BLOCKED])
    (folder / "var").symlink_to(folder / "node" / "state")  # where a config that says nothing has it
    with Daemon(folder / "node", {"name": "one", "type": "domains", "path": str(folder / "list")}) as running:
        until(running.is_ready, "every worker enforces the list")
        yield running


def last(daemon: Daemon) -> dict[str, Any]:
    """Return the last reload that was to be taken, as the status tells of it."""
    found: dict[str, Any] = daemon.status()["reload"]["last"]
    return found


def test_a_reason_is_kept_whole_or_refused(daemon: Daemon) -> None:
    daemon.settings["sinkhole"] = {"ttl": 30}
    daemon.write_config()
    reason = "é\U0001f600" * (MAX_LINE // 2)
    done = daemon.run_verb("reload", "--reason", reason + "x")
    told = f"blockd reload: The reason is one line of at most {MAX_LINE} characters; nothing was changed.\n"
    assert (done.returncode, done.stderr) == (2, told)
    status, told_by_port = daemon.post("/api/v1/reload", {"reason": reason + "x"})
    assert status == 400
    assert f"reason: expected a text of at most {MAX_LINE} characters" in told_by_port["error"]
    assert last(daemon) is None, "nothing was done"
    assert daemon.run_verb("reload", "--reason", reason).returncode == 0
    assert last(daemon)["reason"] == reason
    until(lambda: daemon.recorded("reload"), "it is recorded")
    assert daemon.recorded("reload")[-1]["reason"] == reason


def test_a_reload_of_another_config_than_the_daemons_is_none(daemon: Daemon, tmp_path: Path) -> None:
    other = tmp_path / "blockd.yaml"
    other.write_text(f"state_dir: {daemon.state_dir}\nworkers: 7\n")
    before = daemon.recorded("reload")
    done = blockd("reload", folder=tmp_path, config=other)
    assert done.returncode == 2
    assert f"This blockd runs by {daemon.config}, and not by {other}; nothing was read or changed." in done.stderr
    assert daemon.recorded("reload") == before
    link = daemon.folder / "link.yaml"
    link.symlink_to(daemon.config)
    done = blockd("reload", "--dry-run", folder=tmp_path, config=link)
    assert (done.returncode, done.stderr) == (0, ""), "that is the same file"


def test_reloads_asked_for_at_once_are_each_told_how_they_ended(daemon: Daemon) -> None:
    """The first replaces the process by which the others wait; who comes when others wait already is refused."""
    before = daemon.recorded("reload")
    counted = {result: daemon.metric("blockd_reloads_total", result=result) for result in RESULTS}
    daemon.settings["sinkhole"] = {"ttl": 50}
    daemon.write_config()
    ended: list[dict[str, Any]] = []

    def ask(number: int) -> None:
        done = daemon.run_verb("reload", "--json", "--reason", f"number {number}")
        ended.append({"told": done.stderr} if done.stderr else json.loads(done.stdout))

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(MAX_WAITING + 3)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert [one for one in ended if "told" in one] == []
    outcomes = Counter(one["outcome"] for one in ended)
    assert outcomes["taken"] == 1
    assert sum(outcomes[result] for result in ("taken", "unchanged", "refused")) == len(asking)
    refused = [one for one in ended if one["outcome"] == "refused"]
    assert all("other reloads wait already" in one["problems"][0] for one in refused)
    expected = len(before) + 1 + len(refused)
    until(lambda: len(daemon.recorded("reload")) == expected, "all but the unchanged ones are recorded")
    now = {result: daemon.metric("blockd_reloads_total", result=result) for result in RESULTS}
    assert {result: now[result] - counted[result] for result in RESULTS} == {one: outcomes[one] for one in RESULTS}
    assert daemon.status()["alarms"] == [], "the config on disk was taken"
    if refused:
        assert "refused, nothing was read: other reloads wait" in daemon.run_verb("audit", "--kind", "reload").stdout


def test_what_waits_for_a_restart_is_told_as_that(daemon: Daemon) -> None:
    daemon.settings["user"] = "nobody"
    daemon.write_config()
    assert "Nothing of the config on disk is new but what needs a restart." in daemon.run_verb("reload").stdout
    assert "nothing of the config on disk is new but what needs a restart." in daemon.log
    until(lambda: "unchanged" in daemon.recorded("reload")[-1]["outcome"], "it is recorded")
    assert ": only a restart takes user [" in daemon.run_verb("audit", "--kind", "reload").stdout
    del daemon.settings["user"]
    daemon.write_config()
    assert daemon.run_verb("reload").returncode == 0


def meanwhile(daemon: Daemon, work: Callable[[], subprocess.CompletedProcess[str]]) -> subprocess.CompletedProcess[str]:
    """Return the result of some work, while the daemon answers all others."""
    done: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(target=lambda: done.append(work()))
    thread.start()
    while thread.is_alive():
        assert daemon.get("/healthz")[0] == 200
        assert daemon.ask(BLOCKED).addresses == SINKHOLE
        thread.join(0.1)
    return done[0]


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_loop(path: Path) -> None:
    path.symlink_to(path)


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_great_hole(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def nothing(_: Path) -> None:
    pass


HOSTILE: dict[str, tuple[str | Callable[[Path], None], str]] = {
    "gone": (nothing, "the file does not exist"),
    "folder": (Path.mkdir, "expected a YAML file, got a folder or device"),
    "pipe": (a_pipe, "expected a YAML file, got a folder or device"),
    "loop": (a_loop, "the file cannot be read: "),
    "zeros": (zeros, "expected a YAML file, got a folder or device"),
    "terabyte": (a_great_hole, f"expected at most {MAX_FILE} octets, got more"),
    "empty": ("", "the file has no settings"),
    "10 MB": ("a: " + "b" * (10 << 20), f"expected at most {MAX_FILE} octets, got more"),
    "bomb": ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchors and aliases are not allowed"),
    "deep": ("[" * 500_000, "more than 16 levels"),
    "deep mappings": ("".join(" " * level + "a:\n" for level in range(1_000)), "more than 16 levels"),
    "many values": ("a: [" + "1," * 400_000 + "]", f"more than {MAX_VALUES} keys and values"),
    "many keys": ("".join(f"k{number}: 1\n" for number in range(45_000)), "k0: unknown key"),
    "16,384 feeds": ("feeds:\n" + "- {name: a, type: domains, path: a}\n" * 16_384, "keys and values"),
    "too many feeds": ("feeds:\n" + "- {name: a, type: domains, path: a}\n" * 1_200, "feeds: expected at most 1000"),
    "null": ("workers: 1\0\n", "line 1: a character that YAML does not allow"),
    "long key": ("? " + "k" * 1_000_000 + "\n: 1\n", "unknown key"),
    "not UTF-8": ("workers: \udcff\n", "not valid UTF-8"),
    "control characters": ('user: "\\e[2J\\u202e"\n', "user: expected a user name"),
    "other state folder": ("state_dir: /dev/null/x\nworkers: nine\n", "workers: "),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_cannot_be_a_config_is_refused_by_the_daemon_and_recorded(daemon: Daemon, kind: str) -> None:
    made, expected = HOSTILE[kind]
    good, before = daemon.config.read_bytes(), len(daemon.recorded("reload"))
    daemon.config.unlink()
    try:
        if callable(made):
            made(daemon.config)
        else:
            daemon.config.write_bytes(made.encode("utf-8", "surrogateescape"))
        done = meanwhile(daemon, lambda: daemon.run_verb("reload", "--json"))
    finally:
        if daemon.config.is_dir():
            daemon.config.rmdir()
        else:
            daemon.config.unlink(missing_ok=True)
        daemon.config.write_bytes(good)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["outcome"] == "refused"
    assert expected in " ".join(told["problems"])
    assert all(problem.isprintable() for problem in told["problems"])
    assert last(daemon) == told
    until(lambda: len(daemon.recorded("reload")) > before, "it is recorded")
    assert daemon.recorded("reload")[-1]["problems"] == told["problems"]
    assert daemon.ask(BLOCKED).addresses == SINKHOLE

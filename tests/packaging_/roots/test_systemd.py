"""The unit that is shipped, run by the real systemd: start, reload, restart, upgrade, watchdog, journal and stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.harness import until
from tests.effort import LONG
from tests.packaging_.roots.machine import Asking, Machine, why_not

CONFIG: dict[str, Any] = {"listen": {"dns": ["127.0.0.1:53"], "block_page": {}}, "upstreams": ["127.0.0.1:5300"]}
SIZES = [1, 1_000_000]  # names on the list

_WHY = why_not() if LONG else "needs a machine of systemd's own: `make rehearse` runs it"
pytestmark = pytest.mark.skipif(bool(_WHY), reason=_WHY)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    # The watchdog's time, and that before SIGKILL, are shorter than shipped, so that a test need not wait.
    with Machine(tmp_path, CONFIG, ["listed.example"], "WatchdogSec=6", "TimeoutAbortSec=2") as one:
        yield one


def status(machine: Machine) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(machine.run("/opt/blockd/bin/blockd", "status", "--json", *WITH, check=False))
    return told


WITH = ["--config", "/etc/blockd/blockd.yaml"]


def enforced(machine: Machine) -> None:
    until(lambda: machine.show("StatusText").startswith("Version 1 is enforced"), "the status tells what is enforced")


def test_the_unit_is_started_reloaded_restarted_and_stopped_without_a_question_lost(machine: Machine) -> None:
    enforced(machine)
    assert machine.show("SubState") == "running"
    kept = machine.show("NFileDescriptorStore")
    assert int(kept) >= 4, "the sockets of two workers are kept"
    main = machine.show("MainPID")
    with Asking(machine, "listed.example") as asking:
        machine.run("sed", "-i", "$a sinkhole: {ttl: 31}", "/etc/blockd/blockd.yaml")
        machine.run("systemctl", "reload", "blockd")
        until(lambda: "the config is taken after" in machine.journal(), "it is taken")
        until(lambda: machine.show("ActiveState") == "active", "the reload is over")
        enforced(machine)
        assert machine.show("MainPID") == main

        machine.run("/opt/blockd/bin/blockd", "upgrade", *WITH)
        until(lambda: machine.show("ActiveState") == "active", "the upgrade is over")
        enforced(machine)
        assert (machine.show("MainPID"), machine.show("NFileDescriptorStore")) == (main, kept)

        machine.run("systemctl", "restart", "blockd")
        enforced(machine)
        assert machine.show("MainPID") != main
        assert machine.show("NFileDescriptorStore") == kept
    assert (asking.lost, machine.show("NRestarts")) == ([], "0")
    print(f"asked: {asking.asked}, longest: {asking.longest * 1000:.0f} ms")
    machine.run("systemctl", "stop", "blockd")
    assert [machine.show(name) for name in ("Result", "SubState", "NFileDescriptorStore")] == ["success", "dead", "0"]


def test_a_supervisor_that_hangs_is_ended_by_the_watchdog_and_started_again(machine: Machine) -> None:
    enforced(machine)
    kept, main = machine.show("NFileDescriptorStore"), machine.show("MainPID")
    machine.run("kill", "-STOP", main)
    until(lambda: machine.show("NRestarts") == "1", "it is started again")
    until(lambda: machine.show("ActiveState") == "active", "it serves")
    assert machine.show("MainPID") != main
    assert machine.show("NFileDescriptorStore") == kept
    with Asking(machine, "listed.example") as asking:
        until(lambda: asking.asked >= 4, "it answers")
    assert asking.lost == []


def test_the_journal_has_the_priority_of_each_line(machine: Machine) -> None:
    enforced(machine)
    machine.run("pkill", "-KILL", "blockd: w0")
    until(lambda: "is started again" in machine.journal("--priority=err"), "it is told")
    lines = [json.loads(line) for line in machine.journal("--output=json").splitlines()]
    of_blockd = [line for line in lines if line.get("SYSLOG_IDENTIFIER") != "systemd"]
    errors = [line["MESSAGE"] for line in of_blockd if line["PRIORITY"] == "3"]
    assert any("ended (killed by SIGKILL) and is started again." in message for message in errors)
    assert [message for message in errors if " ERROR " in message] == errors
    assert {line["PRIORITY"] for line in of_blockd} <= {"3", "4", "6"}


@pytest.mark.parametrize("size", SIZES)
def test_no_question_is_lost_while_the_unit_is_restarted_and_upgraded(tmp_path: Path, size: int) -> None:
    names = ["listed.example", *(f"n{number}.example" for number in range(size - 1))]
    with Machine(tmp_path, CONFIG, names) as machine:
        enforced(machine)
        for command in (("systemctl", "restart", "blockd"), ("/opt/blockd/bin/blockd", "upgrade", *WITH)):
            with Asking(machine, "listed.example") as asking:
                until(lambda: asking.asked > 100, "all is warm")
                warm, asking.longest = asking.longest, 0.0
                machine.run(*command)
                enforced(machine)
            assert asking.lost == []
            print(f"{size} names, {command[1]}: {asking.longest * 1000:.0f} ms (before: {warm * 1000:.0f} ms)")

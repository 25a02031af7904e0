"""After every swap the workers are asked, by their own sockets; a version that one answers wrongly is taken back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blockd.cli import main
from tests.daemon.harness import HAS_IPV6, Daemon, until, write_list
from tests.daemon.publisher import Publisher

SINKHOLE = ["127.0.0.1"]
FEED = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}


@pytest.mark.parametrize("worker", [0, 1])
def test_version_that_one_worker_answers_wrongly_is_taken_back_and_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], worker: int
) -> None:
    write_list(tmp_path / "list", ["always.example", "before.example"])
    with Daemon(tmp_path, FEED, program="tests.daemon.faulty", gate={"max_shrink": "100%"}) as daemon:
        (tmp_path / f"fault-{worker}").touch()
        write_list(tmp_path / "list", ["always.example", "after.example"])
        until(lambda: daemon.metric("blockd_selftest_failures_total") == 1, "the self-test fails")
        daemon.wait_for_version(1)
        for _ in range(10):  # each from another port, so that both workers are asked
            assert daemon.ask("before.example").addresses == SINKHOLE
            assert daemon.ask("after.example").addresses == []
        assert [path.name for path in (daemon.state_dir / "rulesets").glob("*.ruleset")] == ["000001.ruleset"]
        told = daemon.status()
        assert told["ruleset"]["version"] == 1
        assert re.search(
            rf"worker {worker}, asked at \S+ over UDP, was asked for \S+ \(type \d+\): "
            r"expected .*, got ",
            told["self_test"]["failure"],
        )
        assert re.search(r"ERROR Version 2 is taken back, and 1 enforced again: the self-test of version 2", daemon.log)
        assert "self-test of version 2 failed" in daemon.feed("national")["refusal"]
        capsys.readouterr()
        assert main(["status", "--config", str(daemon.config)]) == 1
        shown = capsys.readouterr().out
        assert "self-test: version 2" in shown
        assert "ALARM BlockdSelfTestFailed (critical): The self-test of version 2 failed" in shown

        (tmp_path / f"fault-{worker}").unlink()
        write_list(tmp_path / "list", ["always.example", "later.example"])
        until(lambda: daemon.status()["self_test"]["failure"] is None, "the next version is enforced and tested")
        for _ in range(10):
            assert daemon.ask("later.example").addresses == SINKHOLE
        until(
            lambda: all(alarm["severity"] == "info" for alarm in daemon.status()["alarms"]),
            "the feed is good again",
        )


def test_first_version_stays_though_a_worker_answers_wrongly(tmp_path: Path) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    (tmp_path / "fault-0").touch()
    with Daemon(tmp_path, FEED, program="tests.daemon.faulty") as daemon:
        assert daemon.status()["ruleset"]["version"] == 1
        assert "BlockdSelfTestFailed" in [alarm["name"] for alarm in daemon.status()["alarms"]]
        assert "It stays in force, as there is none to go back to." in daemon.log


def test_lifted_order_is_among_what_is_tested(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "authority")
    publisher.order("order-1", ["one.example"])
    publisher.order("order-2", ["two.example"])
    publisher.publish()
    with Daemon(tmp_path, publisher.feed(), program="tests.daemon.faulty") as daemon:
        (tmp_path / "fault-1").touch()
        publisher.lift("order-2", datetime(2026, 2, 1, tzinfo=UTC))
        publisher.publish()
        until(lambda: daemon.metric("blockd_selftest_failures_total") == 1, "the self-test fails")
        daemon.wait_for_version(1)


LISTENS = [["127.0.0.1:{port}"], ["0.0.0.0:{port}"]]
if HAS_IPV6:
    LISTENS += [
        ["127.0.0.1:{port}", "[::1]:{port}"],
        ["[::1]:{port}"],
        ["[::]:{port}"],
        ["0.0.0.0:{port}", "[::]:{port}"],
    ]


@pytest.mark.parametrize("listen", LISTENS, ids=" ".join)
@pytest.mark.parametrize("allow", [["192.0.2.0/24"], ["127.0.0.0/8", "::1/128"]], ids=" ".join)
def test_every_worker_is_asked_wherever_it_listens_and_whomever_it_serves(
    tmp_path: Path, listen: list[str], allow: list[str]
) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    daemon = Daemon(tmp_path, FEED, program="tests.daemon.faulty", clients={"allow": allow})
    daemon.listen["dns"] = [address.format(port=daemon.dns_port) for address in listen]
    with daemon:
        told = daemon.status()["self_test"]
        assert (told["failure"], told["workers"], told["skipped"]) == (None, [0, 1], [])
        assert told["answers"] > 0
        write_list(tmp_path / "list", ["listed.example", "more.example"])
        until(lambda: daemon.status()["self_test"]["version"] == 2, "the list is taken, and tested")
        for name in ("blockd_queries_total", "blockd_answers_total", "blockd_hits_total"):
            assert daemon.metric(name) == 0  # nobody else has asked

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from blockd.cli import doctor, main
from blockd.doctor import CHECKS, kernel_sockets, machine
from tests.daemon.harness import Daemon, write_list
from tests.upstream import UpstreamSimulator

LIMIT = 30.0  # seconds that the whole may take; an upstream that is held answers never


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for what answers as long as a busy machine may take."""
    monkeypatch.setattr(doctor, "SECONDS", LIMIT)
    monkeypatch.setattr(machine, "MARGIN", LIMIT)
    monkeypatch.setattr(kernel_sockets, "SEARCH_TIME", LIMIT)


def told(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Return the exit code, and the findings by the name of their check."""
    code = main(["doctor", "--json", "--config", str(config)])
    data = json.loads(capsys.readouterr().out)
    assert data["well"] is (code == 0)
    found: dict[str, list[dict[str, str]]] = {}
    for one in data["checks"]:
        assert set(one) == {"name", "state", "found", "advice"}
        assert (one["advice"] is None) == (one["state"] == "ok")
        found.setdefault(one["name"], []).append(one)
    return code, found


def states(found: dict[str, list[dict[str, str]]], name: str) -> set[str]:
    return {one["state"] for one in found[name]}


@pytest.mark.usefixtures("patient")
def test_running_daemon_is_well(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = told(daemon.config, capsys)
    assert list(found) == list(CHECKS)
    assert code == 0, found
    for name in ("state folder", "privileges", "ports", "clients", "admin port", "feeds", "roots of trust", "daemon"):
        assert states(found, name) == {"ok"}, found[name]
    assert "the running blockd has" in found["ports"][0]["found"]
    assert "every worker enforces version" in found["daemon"][0]["found"]
    assert "valid until" in found["signatures"][0]["found"]


@pytest.mark.usefixtures("patient")
def test_machine_before_a_start_is_examined_within_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], upstream: UpstreamSimulator
) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    daemon = Daemon(tmp_path, {"name": "list", "type": "domains", "path": "list"}, upstream=upstream.address)
    daemon.write_config()
    before = sorted(tmp_path.rglob("*"))
    started = time.monotonic()
    code, found = told(daemon.config, capsys)
    assert time.monotonic() - started < LIMIT
    assert code == 0, found
    assert found["daemon"][0]["found"] == "no blockd is running with this config"
    assert sorted(tmp_path.rglob("*")) == before, "nothing is made"


def test_silent_upstream_does_not_hold_it_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], upstream: UpstreamSimulator
) -> None:
    daemon = Daemon(tmp_path, upstream=upstream.address)
    daemon.write_config()
    started = time.monotonic()
    with upstream.held():
        code, found = told(daemon.config, capsys)
    assert time.monotonic() - started < LIMIT
    assert code == 1
    assert states(found, "upstreams") == {"bad"}


@pytest.mark.usefixtures("patient")
def test_port_of_another_program_is_bad_and_its_process_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], upstream: UpstreamSimulator
) -> None:
    daemon = Daemon(tmp_path, upstream=upstream.address)
    daemon.write_config()
    with socket.create_server(("127.0.0.1", daemon.http_port)):
        code, found = told(daemon.config, capsys)
    assert code == 1
    (taken,) = found["ports"]
    assert taken["state"] == "bad"
    assert f"(process {os.getpid()})" in taken["found"]


def test_another_service_on_the_admin_port_is_no_daemon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], daemon: Daemon
) -> None:
    other = Daemon(tmp_path, upstream=f"127.0.0.1:{daemon.dns_port}")
    other.listen["admin"] = f"127.0.0.1:{daemon.http_port}"  # a web server: the block page of the other daemon
    other.write_config()
    code, found = told(other.config, capsys)
    assert code == 1
    assert found["daemon"][0]["found"] == "no blockd is running with this config"
    assert states(found, "ports") == {"bad"}


@pytest.mark.usefixtures("patient")
def test_people_get_sentences_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], upstream: UpstreamSimulator
) -> None:
    daemon = Daemon(tmp_path, upstream=upstream.address, clients={"allow": ["0.0.0.0/0"]})
    daemon.write_config()
    assert main(["doctor", "--config", str(daemon.config)]) == 1
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    (number,) = [number for number, line in enumerate(lines) if line.startswith("BAD ")]
    assert "open resolver" in lines[number]
    assert "-> Name the networks of your subscribers." in lines[number + 1]
    assert lines[-1].endswith(" 1 bad")
    assert printed.err == ""


def test_config_error_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(tmp_path)
    daemon.settings["workers"] = -1
    daemon.write_config()
    assert main(["doctor", "--config", str(daemon.config)]) == 2
    assert "workers: " in capsys.readouterr().err

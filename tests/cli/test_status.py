from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path

import pytest

from blockd.cli import admin_client, main
from blockd.cli.status import pinned_lines
from tests.daemon.harness import Daemon, write_list


def test_status_shows_what_is_enforced(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", str(daemon.config)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^ruleset: version \d+ of 20\S+, 4 names$", told, re.MULTILINE)
    assert "orders: 3 in force, 1 lifted" in told
    assert re.search(r"^feed ministry \(signed\): 3 names, \d+ s old, expires 20\S+$", told, re.MULTILINE)
    assert re.search(r"^feed exceptions \(domains\): 1 names, \d+ s old$", told, re.MULTILINE)
    assert len(re.findall(r"^worker \d: process \d+, enforces version \d+$", told, re.MULTILINE)) == 2


@pytest.mark.parametrize(
    ("enforced", "base", "head", "more"),
    [
        (1, None, "PINNED: version 1", []),
        (3, 1, "PINNED: version 1", ["  enforced: version 3, which is version 1 with the overrides of now"]),
        (2, None, "PINNED BUT NOT ENFORCED: version 1", ["  IN FORCE: version 2 instead; the log says why"]),
        (None, None, "PINNED BUT NOT ENFORCED: version 1", ["  IN FORCE: version none instead; the log says why"]),
    ],
)
def test_what_is_in_force_is_said_of_a_pinned_version(
    enforced: int | None, base: int | None, head: str, more: list[str]
) -> None:
    pinned = {"version": 1, "since": None, "reason": "", "enforced": enforced, "base": base}
    assert list(pinned_lines(pinned)) == [f"{head}; what is new waits until `blockd rollback --release`", *more]


def test_status_is_json_for_programs(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--config", str(daemon.config)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [feed["name"] for feed in told["feeds"]] == ["ministry", "exceptions"]
    assert {worker["pid"] for worker in told["workers"]} <= set(daemon.children())


def test_refused_feed_is_exit_code_1_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "good", ["listed.example"])
    feeds = [{"name": name, "type": "domains", "path": name} for name in ("good", "absent")]
    with Daemon(tmp_path, *feeds) as daemon:
        assert main(["status", "--config", str(daemon.config)]) == 1
    told = capsys.readouterr().out
    assert "feed absent (domains): 0 names, never fetched" in told
    assert re.search(r"REFUSED: .*absent does not exist.*\n    its source is asked again at 20", told)


@pytest.mark.parametrize("verb", ["status", "refresh"])
def test_daemon_that_is_down_is_exit_code_2(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    assert main([verb, "--config", str(daemon.config)]) == 2
    told = capsys.readouterr()
    assert f"no blockd answers at http://127.0.0.1:{daemon.admin_port}" in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.0 200 OK\r\n\r\n[]", b"HTTP/1.0 200 OK\r\n\r\nhi"]
)
def test_another_service_on_the_port_is_no_blockd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    with socket.create_server(("127.0.0.1", daemon.admin_port)) as server:
        thread = threading.Thread(target=_answer_once, args=(server, answer))
        thread.start()
        assert main(["status", "--config", str(daemon.config)]) == 2
        thread.join()
    assert "blockd" in capsys.readouterr().err


def test_config_error_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(tmp_path)
    daemon.settings["workers"] = -1
    daemon.write_config()
    assert main(["status", "--config", str(daemon.config)]) == 2
    assert "workers: " in capsys.readouterr().err


def _answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(answer)


def test_daemon_that_ends_while_it_is_asked_for_a_change_may_have_made_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(tmp_path)
    daemon.write_config()
    with socket.create_server(("127.0.0.1", daemon.admin_port)) as server:

        def end() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)

        ending = threading.Thread(target=end)
        ending.start()
        assert main(["rollback", "--release", "--config", str(daemon.config)]) == 2
        ending.join()
    told = capsys.readouterr().err
    assert "did not answer (remote end closed connection without response). It may have done it, or do it yet" in told
    assert "`blockd override list` the overrides" in told
    assert "no blockd answers" not in told


BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"
    b'{"error": "Too many wait."}'
)


@pytest.mark.parametrize(("answer", "why"), [(b"", "remote end closed connection"), (BUSY, "Too many wait.")])
def test_daemon_that_is_too_busy_is_asked_once_more_and_is_not_said_to_be_down(
    answer: bytes, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_client, "PAUSE", 0.0)
    daemon = Daemon(tmp_path)
    daemon.write_config()
    with socket.create_server(("127.0.0.1", daemon.admin_port)) as server:

        def answer_twice() -> None:
            for _ in range(2):
                _answer_once(server, answer)

        answering = threading.Thread(target=answer_twice)
        answering.start()
        assert main(["status", "--config", str(daemon.config)]) == 2
        answering.join()
    told = capsys.readouterr().err
    assert "blockd runs but is busy" in told
    assert why in told
    assert "Is it running" not in told


def test_config_on_disk_that_is_another_is_told_with_what_takes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    with Daemon(tmp_path, {"name": "l", "type": "domains", "path": "list"}) as daemon:
        as_started = daemon.config.read_text(encoding="utf-8")
        daemon.config.write_text(f"{as_started}\n# Another day.\n", encoding="utf-8")
        main(["status", "--config", str(daemon.config)])
        other = capsys.readouterr().out
        beside = daemon.config.with_name("elsewhere.yaml")
        beside.write_text(as_started, encoding="utf-8")
        daemon.config.unlink()
        main(["status", "--config", str(beside)])
        gone = capsys.readouterr().out
    path = re.escape(str(daemon.config))
    assert re.search(
        rf"^  CHANGED: {path} on disk is another since 20\S+; `blockd reload` takes it$", other, re.MULTILINE
    )
    assert re.search(
        rf"^  GONE: {path} is not on the disk any more; a restart and a reload need it$", gone, re.MULTILINE
    )

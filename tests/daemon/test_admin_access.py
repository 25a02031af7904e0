"""Who may use a running daemon's admin port and socket, and what the audit log says of them."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blockd.audit.statement import kept_statements
from tests.daemon.harness import Daemon, request, until, write_list
from tests.tls.certificates import certificate

TOMORROW = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
USER = f"user {pwd.getpwuid(os.geteuid()).pw_name}"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    write_list(tmp_path / "list", ["listed.example"])
    with Daemon(tmp_path, {"name": "list", "type": "domains", "path": "list"}) as running:
        until(lambda: running.status()["ruleset"], "a version is enforced")
        yield running


def by_token(daemon: Daemon, token: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    method = "GET" if body is None else "POST"
    with request(method, daemon.admin_port, path, headers, None if body is None else json.dumps(body)) as response:
        told = response.read()
        return response.status, json.loads(told) if response.getheader("Content-Type", "").endswith("json") else {}


def test_tokens_work_at_once_by_their_role_until_they_are_removed(daemon: Daemon) -> None:
    assert [by_token(daemon, "", path)[0] for path in ("/healthz", "/metrics", "/api/status", "/")] == [200] * 3 + [401]
    read, operator = daemon.add_token("support", "read"), daemon.add_token("officer", "operator")
    assert by_token(daemon, read, "/api/v1/whoami") == (
        200, {"name": "token support", "role": "read", "how": "token", "may_write": False}
    )  # fmt: skip
    assert by_token(daemon, read, "/api/v1/refresh", {})[0] == 403
    assert by_token(daemon, operator, "/api/v1/refresh", {})[0] == 200
    assert "support: read" in daemon.run_verb("token", "list").stdout
    assert daemon.run_verb("token", "add", "support", "--role", "read").returncode == 2
    assert daemon.run_verb("token", "remove", "support").returncode == 0
    assert by_token(daemon, read, "/api/v1/whoami")[0] == 401
    assert daemon.run_verb("token", "remove", "support").returncode == 2
    kept = (daemon.state_dir / "tokens.json").read_text()
    assert not any(text in kept + daemon.log for text in (read, operator))
    until(lambda: len(daemon.recorded("token")) == 3, "what was done to tokens is recorded")
    assert [(one["name"], one["done"], one.get("by")) for one in daemon.recorded("token")] == [
        ("support", "made", USER), ("officer", "made", USER), ("support", "removed", None),
    ]  # fmt: skip


def test_tokens_that_are_removed_while_it_does_not_run_are_recorded_and_no_other_twice(daemon: Daemon) -> None:
    daemon.add_token("one", "read")
    daemon.add_token("two", "read")
    until(lambda: len(daemon.recorded("token")) == 2, "both are recorded")
    daemon.stop()
    assert daemon.run_verb("token", "remove", "one").returncode == 0
    daemon.start()
    until(lambda: len(daemon.recorded("token")) == 3, "the end is recorded")
    assert daemon.recorded("token")[-1]["done"] == "removed"


def test_whoever_changes_something_is_recorded(daemon: Daemon, tmp_path: Path) -> None:
    token = daemon.add_token("officer", "operator", "--expires", "2099-12-31")
    reason = ("--reason", "why")
    assert daemon.run_verb("override", "add", "listed.example", *reason, "--until", TOMORROW).returncode == 0
    (tmp_path / "token").write_text(token + "\n")
    done = daemon.run_verb("override", "--token-file", str(tmp_path / "token"), "end", "listed.example", *reason)
    assert done.returncode == 0, done.stderr
    assert daemon.run_verb("rollback", "1", *reason).returncode == 0
    assert by_token(daemon, token, "/api/v1/rollback", {"release": True, "reason": "why"})[0] == 200
    assert daemon.run_verb("cache", "flush", "--all").returncode == 0
    assert daemon.run_verb("refresh", "list").returncode == 0
    by = [one["by"] for one in daemon.recorded("override", "override-ended", "rollback", "release")]
    assert by == [USER, "token officer", USER, "token officer"]
    assert daemon.recorded("flush", "refresh") == [
        {"kind": "all", "name": "", "by": USER}, {"feeds": ["list"], "by": USER}
    ]  # fmt: skip
    assert f"[{USER}]" in daemon.run_verb("audit", "--kind", "override").stdout
    assert daemon.run_verb("audit", "verify").returncode == 0


def test_statements_on_demand_take_the_place_of_none_that_the_node_makes(daemon: Daemon) -> None:
    until(lambda: len(kept_statements(daemon.state_dir)) == 1, "the daily statement is made")
    daily = kept_statements(daemon.state_dir)
    for _ in range(105):
        assert daemon.post("/api/v1/statement", {})[0] == 200
    assert kept_statements(daemon.state_dir, asked=False) == daily
    assert len(kept_statements(daemon.state_dir, asked=True)) == 100
    assert daemon.run_verb("audit", "verify").returncode == 0


def test_a_socket_at_another_path_is_found_in_the_config(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    place = tmp_path / ("long" * 40)
    place.mkdir()
    daemon.listen["admin_socket"] = str(place / "blockd.sock")
    with daemon:
        assert (place / "blockd.sock").is_socket()
        assert json.loads(daemon.run_verb("status", "--json").stdout)["workers"]
    assert list(place.iterdir()) == []


def test_without_the_socket_the_commands_use_the_port_with_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(tmp_path)
    daemon.listen["admin_socket"] = str(tmp_path / "state" / "other.sock")
    with daemon:
        (tmp_path / "state" / "other.sock").unlink()
        assert daemon.run_verb("status").returncode in (0, 1), "which needs none on this machine"
        refused = daemon.run_verb("refresh")
        assert (refused.returncode, "needs a token" in refused.stderr) == (2, True)
        assert "other.sock" in refused.stderr
        monkeypatch.setenv("BLOCKD_TOKEN", daemon.add_token("officer", "operator"))
        assert daemon.run_verb("refresh").returncode == 0
        monkeypatch.setenv("BLOCKD_TOKEN", "blockd_wrong")
        assert "not known here" in daemon.run_verb("refresh").stderr


def test_callers_are_known_by_their_certificates(tmp_path: Path) -> None:
    for name, names in (("server", ("127.0.0.1",)), ("scraper", ("prometheus.example",)), ("other", ("x.example",))):
        chain, key = certificate(*names)
        (tmp_path / f"{name}.pem").write_bytes(chain)
        (tmp_path / f"{name}.key").write_bytes(key)
    authorities = (tmp_path / "scraper.pem").read_bytes() + (tmp_path / "other.pem").read_bytes()
    (tmp_path / "ca.pem").write_bytes(authorities)
    daemon = Daemon(tmp_path, certificates=[{"chain": "server.pem", "key": "server.key"}])
    clients = [{"name": "prometheus.example", "role": "metrics"}]
    daemon.listen["admin_tls"] = {"client_ca": "ca.pem", "clients": clients}

    def status(path: str, shown: str = "") -> int:
        context = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
        if shown:
            context.load_cert_chain(tmp_path / f"{shown}.pem", tmp_path / f"{shown}.key")
        connection = http.client.HTTPSConnection("127.0.0.1", daemon.admin_port, timeout=30, context=context)
        try:
            connection.request("GET", path)
            with connection.getresponse() as response:
                return response.status
        finally:
            connection.close()

    with daemon:
        assert [status(path) for path in ("/healthz", "/metrics", "/api/status", "/")] == [200, 401, 200, 401]
        assert [status(path, "scraper") for path in ("/metrics", "/api/v1/traffic")] == [200, 403]
        assert status("/metrics", "other") == 401
        token = daemon.add_token("support", "read")
        (tmp_path / "token").write_text(token)
        told = daemon.run_verb("status", "--json", "--token-file", str(tmp_path / "token"))
        assert json.loads(told.stdout)["bound"]["admin_socket"] == [str(daemon.state_dir / "admin.sock")]
        chain, key = certificate("127.0.0.1", "renewed.example")
        (tmp_path / "server.key").write_bytes(key)
        (tmp_path / "server.pem").write_bytes(chain)
        until(lambda: status("/healthz") == 200, "the renewed certificate is shown")
        with pytest.raises((OSError, http.client.HTTPException)), request("GET", daemon.admin_port, "/healthz"):
            pass


def test_what_was_typed_into_the_config_by_mistake_is_told_to_those_who_may_read_alone(daemon: Daemon) -> None:
    good = daemon.config.read_text()
    daemon.settings["workers"] = "my-secret-token"
    daemon.write_config()
    assert "my-secret-token" in daemon.run_verb("reload").stdout
    daemon.config.write_text(good)
    token = daemon.add_token("desk", "read")
    assert "my-secret-token" in json.dumps(by_token(daemon, token, "/api/v1/status")[1])
    told = by_token(daemon, "", "/api/v1/status")[1]
    assert "my-secret-token" not in json.dumps(told)
    assert told["reload"]["last"]["outcome"] == "refused"  # type: ignore[index]
    assert [alarm["name"] for alarm in told["alarms"]] == ["BlockdReloadFailed"]  # type: ignore[attr-defined]
    assert "my-secret-token" not in by_token(daemon, token, "/api/v1/status")[1]["alarms"][0]["what"]  # type: ignore[index]

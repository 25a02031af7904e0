"""Decisions of a running daemon, over TCP and a Unix socket, by the ruleset that its workers enforce."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, blockd, free_port, until, write_list

FRONT = "127.0.7.7"
GROUPS = [{"name": "offices", "networks": ["127.0.11.0/24"], "feeds": ["national"]}]


Decision = tuple[int, http.client.HTTPMessage, str]


class Local(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


class Deciding(Daemon):
    """A daemon that decides at an address and at a Unix socket."""

    def __init__(self, folder: Path, at_first_start: str = "serve") -> None:
        feeds = [
            {"name": "national", "type": "domains", "path": "national", "priority": 10, "legal_basis": "Act 1"},
            {"name": "adult", "type": "domains", "path": "adult", "priority": 20},
        ]
        clients = {"front_ends": [f"{FRONT}/32"]}
        super().__init__(
            folder, *feeds, gate={"max_shrink": "100%"}, groups=GROUPS, clients=clients, at_first_start=at_first_start
        )
        self.decide_port = free_port()
        self.socket = folder / "decide.sock"
        self.listen["decide"] = [f"127.0.0.1:{self.decide_port}", f"unix:{self.socket}"]

    def __enter__(self) -> Deciding:
        self.start()
        return self

    def decide(self, host: str, source: str = "127.0.0.1", **fields: str) -> Decision:
        """Return what a proxy at an address is answered about a host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.decide_port, timeout=30, source_address=(source, 0))
        return self._asked(connection, host, fields)

    def decide_locally(self, host: str, **fields: str) -> Decision:
        """Return what a proxy at the Unix socket is answered about a host."""
        return self._asked(Local(self.socket), host, fields)

    def _asked(self, connection: http.client.HTTPConnection, host: str, fields: Mapping[str, str]) -> Decision:
        try:
            headers = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request("GET", f"/decide/url?host={host}", headers=headers)
            with connection.getresponse() as response:
                return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def decide_pid(self) -> int:
        return self._only("decide")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deciding]:
    folder = tmp_path_factory.mktemp("decisions")
    write_list(folder / "national", ["law.example"])
    write_list(folder / "adult", ["adult.example"])
    with Deciding(folder) as running:
        running.wait_for_version(1)
        yield running


def test_proxies_are_told_what_dns_tells_over_tcp_and_the_unix_socket(daemon: Deciding) -> None:
    until(lambda: daemon.decide("law.example")[0] == 451, "the list is enforced for proxies")
    for asked in (daemon.decide, daemon.decide_locally):
        status, fields, page = asked("www.law.example:443")
        assert (status, fields["Blockd-List"], fields["Cache-Control"]) == (451, "national", "private, max-age=60")
        assert "www.law.example" in page
        assert asked("free.example")[0] == 204


def test_a_client_gets_what_its_group_gets_and_only_a_front_end_names_another(daemon: Deciding) -> None:
    office = {"X_Forwarded_For": "127.0.11.1"}
    until(lambda: daemon.decide("adult.example")[0] == 451, "the list is enforced for proxies")
    assert daemon.decide("adult.example", **office)[0] == 451
    assert daemon.decide("adult.example", FRONT, **office)[0] == 204
    assert daemon.decide("adult.example", FRONT)[0] == 451
    assert daemon.decide_locally("adult.example", **office)[0] == 204
    assert daemon.decide("adult.example", "127.0.11.1")[0] == 204
    assert daemon.decide("law.example", "127.0.11.1")[0] == 451


def test_decisions_are_counted_as_requests_and_hits_over_http(daemon: Deciding) -> None:
    hits = {"feed": "national", "action": "page"}
    requests, found = (
        daemon.metric("blockd_queries_total", transport="http"),
        daemon.metric("blockd_hits_total", **hits),
    )
    for host in ("law.example", "free.example"):
        daemon.decide_locally(host)
    assert daemon.metric("blockd_queries_total", transport="http") == requests + 2
    assert daemon.metric("blockd_hits_total", **hits) == found + 1


def test_status_tells_where_it_listens_and_which_version_decides(daemon: Deciding) -> None:
    told = daemon.status()
    assert told["bound"]["decide"] == [f"127.0.0.1:{daemon.decide_port}", f"unix:{daemon.socket}"]
    assert told["decide"] == {"pid": daemon.decide_pid(), "enforcing": 1, "trouble": ""}
    assert daemon.metric("blockd_decide_ready") == 1
    shown = blockd("status", folder=daemon.folder, config=daemon.config).stdout
    assert f"decisions for HTTP: process {daemon.decide_pid()}, by version 1" in shown
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o660


def test_a_check_beside_a_running_daemon_finds_its_socket_and_leaves_it(daemon: Deciding) -> None:
    done = daemon.run_verb("check")
    assert "decide.sock" not in done.stdout + done.stderr
    assert daemon.decide_locally("free.example")[0] == 204


def test_the_squid_helper_answers_by_the_daemon_and_finds_it_by_the_config(daemon: Deciding) -> None:
    asked = ("0 127.0.11.1 adult.example -", "1 127.0.0.1 adult.example -", "2 - law.example", "3 - free.example")
    lines = "\n".join((*asked, "4 - a%20b", "x", ""))
    for where in (["--at", f"unix:{daemon.socket}"], ["--config", str(daemon.config)]):
        told = subprocess.run(  # noqa: S603
            [str(Path(sys.executable).with_name("blockd")), "squid-helper", *where],
            input=lines, capture_output=True, text=True, timeout=60, check=True,
            cwd=daemon.folder,
        ).stdout.splitlines()  # fmt: skip
        local = where[0] == "--at"
        assert told[0] == ("0 ERR" if local else told[1].replace("1 OK", "0 OK")), "127.0.0.1 is no front end"
        see = f"; see http://127.0.0.1:{daemon.http_port}/"
        assert told[1] == f'1 OK message="blocked by list adult{see}" status=451 log="adult"'
        assert told[2] == f'2 OK message="blocked by list national{see}" status=451 log="national"'
        assert told[3] == "3 ERR"
        assert told[4] == '4 OK message="the host cannot be read"'
        assert told[5].startswith("BH message=")


def test_a_new_list_is_followed_and_a_process_that_dies_is_back_with_it(tmp_path: Path) -> None:
    write_list(tmp_path / "national", ["law.example"])
    write_list(tmp_path / "adult", ["adult.example"])
    with Deciding(tmp_path) as daemon:
        until(lambda: daemon.decide("law.example")[0] == 451, "the list is enforced for proxies")
        write_list(tmp_path / "national", ["law.example", "new.example"])
        daemon.post("/api/refresh", {"feeds": ["national"]})
        until(lambda: daemon.decide_locally("new.example")[0] == 451, "the new list is followed")
        before = daemon.decide_pid()
        os.kill(before, signal.SIGKILL)
        until(lambda: daemon.decide_pid() != before, "it is started again")
        until(lambda: daemon.decide_locally("new.example")[0] == 451, "it decides by the version in force")
        until(lambda: daemon.status()["decide"]["enforcing"] == 2, "it is known to follow")
        assert daemon.metric("blockd_process_restarts_total", process="decide") == 1
    assert not daemon.socket.exists()


def test_without_a_list_at_first_start_the_config_says_whether_requests_pass(tmp_path: Path) -> None:
    for when, status in (("serve", 204), ("refuse", 503)):
        folder = tmp_path / when
        with Deciding(folder, at_first_start=when) as daemon:  # whose lists are missing
            until(lambda daemon=daemon, status=status: daemon.decide("law.example")[0] == status, "it decides")  # type: ignore[misc]

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, until, write_list
from tests.upstream import UpstreamSimulator

FEED = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Daemon:
    return Daemon(tmp_path, FEED, upstream=resolver.address)


def test_serving_without_a_list_resolves_and_is_not_ready(daemon: Daemon) -> None:
    daemon.settings["at_first_start"] = "serve"
    with daemon:
        assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]
        status, reason = daemon.get("/readyz")
        assert (status, b"resolved without a policy" in reason) == (503, True)
        assert daemon.get("/healthz")[0] == 200
        assert "Enforced: nothing yet." in daemon.banner
        assert daemon.log.count("Feed national is refused (missing)") == 1
        assert daemon.metric("blockd_ruleset_names") == 0
        assert daemon.run_verb("status").returncode == 1
        _assert_enforced_when_it_appears(daemon)


def test_refusing_without_a_list_says_that_it_is_not_ready(daemon: Daemon) -> None:
    daemon.settings["at_first_start"] = "refuse"
    with daemon:
        for tcp in (False, True):
            told = daemon.ask("open-1.example", edns=True, tcp=tcp)
            assert told.rcode == "SERVFAIL"
            assert told.errors[0][0] == 14
        status, reason = daemon.get("/readyz")
        assert (status, b"answered with SERVFAIL" in reason) == (503, True)
        _assert_enforced_when_it_appears(daemon)


def test_first_list_may_be_bad(daemon: Daemon) -> None:
    (daemon.folder / "list").write_bytes(b"<html><body>503</body></html>\n")
    with daemon:
        assert daemon.log.count("Feed national is refused (html)") == 1
        assert "nothing of it is in force" in daemon.log
        _assert_enforced_when_it_appears(daemon)


def test_config_without_feeds_resolves(tmp_path: Path, resolver: UpstreamSimulator) -> None:
    with Daemon(tmp_path, upstream=resolver.address) as daemon:
        assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]
        assert daemon.get("/readyz")[0] == 503
        assert daemon.refresh()["feeds"] == {}


def test_a_control_process_that_dies_before_it_has_told_the_start_leaves_that_to_the_next(
    tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        feed = {"name": "far", "type": "domains", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/list"}
        daemon = Daemon(tmp_path, feed, upstream=resolver.address)
        daemon.launch()
        try:
            asked, _ = silent.accept()  # it is not answered: the start cannot be told yet
            os.kill(daemon.control_pid(), signal.SIGKILL)
            daemon.wait_for_banner()
            assert daemon.banner.count("Try:") == 1
            told = [json.loads(line) for line in daemon.run_verb("audit", "--json").stdout.splitlines()]
            assert [one["body"]["of"] for one in told if one["kind"] == "start"] == ["daemon", "control process"]
        finally:
            daemon.destroy()
            asked.close()


def _assert_enforced_when_it_appears(daemon: Daemon) -> None:
    write_list(daemon.folder / "list", ["listed.example"])
    until(daemon.is_ready, "the list is enforced")
    assert daemon.ask("listed.example").addresses == ["127.0.0.1"]
    assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]

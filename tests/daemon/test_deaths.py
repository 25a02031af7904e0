"""Whatever dies, the others go on, and what died is back at once."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.asking import Asking
from tests.daemon.harness import PATIENCE, Daemon, everywhere, remove_below, request, until, write_list
from tests.upstream import UpstreamSimulator

LISTENS = "0A"  # the state of a socket, in /proc/net/tcp (proc_pid_net(5))
SINKHOLE = ["127.0.0.1"]
QUESTIONS = [("listed.example", SINKHOLE), ("open-1.example", ["192.0.2.1"])]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("deaths")
    write_list(folder / "list", ["listed.example", "other.example"])
    feed = {"name": "national", "type": "domains", "path": "list", "interval": "200ms"}
    with Daemon(folder, feed, upstream=resolver.address, gate={"max_shrink": "100%"}, fresh=True) as running:
        yield running


def test_killed_worker_is_replaced_and_what_waits_for_it_is_answered(daemon: Daemon) -> None:
    for _ in range(40):
        daemon.ask("listed.example")
    before = daemon.metrics()
    victim = daemon.status()["workers"][0]["pid"]
    with Asking(daemon, QUESTIONS) as asking:
        asking.during(lambda: _kill_worker(daemon, victim))
    _assert_only_held_ones_lost(asking)
    after = daemon.metrics()
    falling = [key for key, value in before.items() if key[0].endswith("_total") and after[key] < value]
    assert falling == []
    assert daemon.status()["workers"][0]["enforcing"] == daemon.status()["ruleset"]["version"]
    assert f"The worker 0 process {victim} ended (killed by SIGKILL) and is started again." in daemon.log


def test_dns_goes_on_without_the_control_process_and_feeds_with_the_next(daemon: Daemon) -> None:
    victim = daemon.control_pid()
    with Asking(daemon, QUESTIONS) as asking:
        os.kill(victim, signal.SIGKILL)
        asking.wait_for_more(50)
        until(lambda: daemon.is_ready() and daemon.control_pid() != victim, "the control process is back")
        asking.wait_for_more(50)
    asking.assert_nothing_lost_or_wrong()
    told = daemon.status()
    assert [worker["enforcing"] for worker in told["workers"]] == [told["ruleset"]["version"]] * 2
    assert all(worker["pid"] for worker in told["workers"])
    write_list(daemon.folder / "list", ["listed.example", "later-1.example"])
    everywhere(lambda: daemon.ask("later-1.example").addresses == SINKHOLE, "the list is taken")
    assert daemon.banner.count("Try:") == 1


def test_the_page_process_is_replaced_and_what_waits_for_it_is_answered(daemon: Daemon) -> None:
    victim = daemon.page_pid()
    visit(daemon)
    before = daemon.metric("blockd_queries_total", transport="http")
    os.kill(victim, signal.SIGSTOP)
    waiting = http.client.HTTPConnection("127.0.0.1", daemon.http_port, timeout=PATIENCE)
    waiting.request("GET", "/", headers={"Host": "listed.example"})
    os.kill(victim, signal.SIGKILL)
    assert waiting.getresponse().status == 451
    waiting.close()
    assert daemon.page_pid() != victim
    until(lambda: daemon.get("/healthz")[0] == 200, "the page process is heard of")
    assert f"The page process {victim} ended (killed by SIGKILL) and is started again." in daemon.log
    assert daemon.metric("blockd_queries_total", transport="http") == before + 1, "its row goes on"
    assert daemon.status()["page"] == {
        "pid": daemon.page_pid(), "enforcing": daemon.status()["ruleset"]["version"], "trouble": "",
    }  # fmt: skip


def test_each_process_holds_the_sockets_that_it_serves(daemon: Daemon) -> None:
    page = {daemon.http_port, daemon.tls_port}
    assert listening(daemon.page_pid()) == page
    assert listening(daemon.control_pid()) == {daemon.admin_port}
    for worker in daemon.status()["workers"]:
        assert listening(worker["pid"]) == {daemon.dns_port}
    assert listening(daemon.pid) == {*page, daemon.admin_port, daemon.dns_port}


def test_the_block_page_follows_and_goes_on_without_what_it_cannot_open(daemon: Daemon) -> None:
    write_list(daemon.folder / "list", ["listed.example", "later-0.example"])
    until(lambda: visit(daemon, "later-0.example") == 451, "the block page follows")
    write_list(daemon.folder / "list", ["listed.example"])
    until(lambda: visit(daemon, "later-0.example") == 404, "the block page follows")


def test_all_children_killed_together_come_back(daemon: Daemon) -> None:
    victims = daemon.children()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(daemon.children()) == 4 and daemon.is_ready(), "all are back")
    assert not set(victims) & set(daemon.children())
    assert daemon.ask("listed.example", timeout=10).addresses == SINKHOLE
    write_list(daemon.folder / "list", ["listed.example", "later-2.example"])
    everywhere(lambda: daemon.ask("later-2.example").addresses == SINKHOLE, "the list is taken")


def test_children_end_by_themselves_when_the_supervisor_is_killed(daemon: Daemon) -> None:
    until(lambda: len(daemon.processes()) == 5, "supervisor, page, control and two workers")
    os.kill(daemon.pid, signal.SIGKILL)
    until(lambda: daemon.processes() == [], "no process is left")
    daemon.destroy()
    daemon.start()
    assert daemon.is_ready()
    assert daemon.ask("listed.example").addresses == SINKHOLE


def test_worker_never_serves_without_what_is_in_force(daemon: Daemon) -> None:
    """One that is started again while the rulesets are gone gets what is in force from the supervisor."""
    victim = daemon.status()["workers"][1]["pid"]
    remove_below(daemon.state_dir / "rulesets")
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in daemon.children() and len(daemon.children("w")) == 2, "the worker is back")
    for _ in range(20):
        assert daemon.ask("listed.example").addresses == SINKHOLE
    until(lambda: daemon.is_ready() and list((daemon.state_dir / "rulesets").glob("*.ruleset")), "it is made again")
    assert daemon.ask("listed.example").addresses == SINKHOLE


def visit(daemon: Daemon, name: str = "listed.example") -> int:
    """Visit the block page of a name; return the status."""
    with request("GET", daemon.http_port, "/", {"Host": name}) as response:
        return response.status


def listening(pid: int) -> set[int]:
    """Return the ports of loopback that a process has TCP sockets bound to, for whoever connects."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and fields[9] in inodes:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found


def _kill_worker(daemon: Daemon, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: daemon.status()["workers"][0]["pid"] not in (None, pid), "the worker is back")


def _assert_only_held_ones_lost(asking: Asking) -> None:
    """What the killed process had read and not answered yet, at most one of each client, died with it."""
    assert len(asking.lost) <= len(QUESTIONS)
    assert asking.wrong == []

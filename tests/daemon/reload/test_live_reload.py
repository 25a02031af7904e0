"""The config is taken by a daemon that goes on answering, or told to be wrong while the one before stays in force."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blockd.settings import Settings
from blockd.times import time_text
from blockd.transports.descriptors import Shares, allowed
from tests.daemon.harness import EVERY_WORKER, Daemon, free_port, put, until, write_list
from tests.daemon.load.load import Load
from tests.daemon.reload.random_configs import BLOCKED, OPEN_BELOW, run
from tests.effort import tries
from tests.tls.certificates import certificate
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]


def feed(folder: Path, name: str, *names: str) -> dict[str, object]:
    """Publish a list, and return the feed of it."""
    write_list(folder / name, names)
    return {"name": name, "type": "domains", "path": str(folder / name)}


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    lists = feed(tmp_path, "one", BLOCKED), feed(tmp_path, "two", "second.example")
    with Daemon(tmp_path / "node", *lists, upstream=resolver.address, fresh=True) as running:
        names = BLOCKED, "second.example"  # which may come with two versions, one after the other
        until(lambda: [running.ask(name).addresses for name in names] == [SINKHOLE] * 2, "both lists are enforced")
        until(running.is_ready, "every worker enforces them")
        yield running


def ttl(daemon: Daemon) -> int:
    """Return how long a block may be cached."""
    [found] = daemon.ask(BLOCKED).message.answer
    return found.ttl


def test_a_config_is_taken_by_every_process_and_all_tell_of_it(daemon: Daemon) -> None:
    before, control = set(daemon.children("w")), daemon.control_pid()
    counted = daemon.metric("blockd_queries_total", transport="udp")
    began = daemon.status()["since"]
    until(lambda: time_text(time.time()) != began, "the second is over in which it was started")
    assert daemon.ask(BLOCKED).addresses == SINKHOLE
    assert "sinkhole.ttl: 60 becomes 30" in daemon.reload(sinkhole={"ttl": 30}, workers=3)
    assert ttl(daemon) <= 30
    until(lambda: len(daemon.children("w")) == 3, "three workers serve")
    assert not before & set(daemon.children("w"))
    assert daemon.control_pid() != control
    assert daemon.metric("blockd_queries_total", transport="udp") > counted, "counters go on"
    status = daemon.status()
    assert [status["reload"]["last"][key] for key in ("outcome", "restart")] == ["taken", []]
    assert status["config"]["changed"] == []
    assert status["since"] == began, "a reload is no start"
    assert daemon.metric("blockd_reloads_total", result="taken") == 1
    until(lambda: daemon.recorded("reload"), "the audit log has it")
    [record] = daemon.recorded("reload")
    assert record["outcome"] == "taken"
    assert "sinkhole.ttl: 60 becomes 30" in record["changes"]


def test_workers_come_and_go_while_nothing_is_lost(daemon: Daemon) -> None:
    daemon.reload(upstream={"flood_limit": 0})
    with Load(daemon, BLOCKED, OPEN_BELOW) as load:
        for count in (1, 2, tries(3, 8), 1):
            daemon.reload(workers=count)
            until(lambda: len(daemon.children("w")) == count, "so many workers serve")  # noqa: B023 - used at once
    assert load.figures.lost == []
    assert all(kind.answers for kind in load.figures.kinds.values())


def test_random_configs_are_taken_or_refused_while_nothing_is_lost(tmp_path: Path) -> None:
    assert list(run(tmp_path, tries(5, 100), seed=2)) == []


def test_what_is_wrong_is_told_whole_and_the_config_before_stays(daemon: Daemon) -> None:
    before = daemon.children()
    wrong = {"gate": {"protected": ["absent.txt"]}, "certificates": [{"chain": "absent.pem", "key": "absent.key"}]}
    told = daemon.reload(code=1, sinkhole={"ttl": 7}, **wrong)
    assert "The config on disk was not taken. The one in force stays, and goes on." in told
    assert "gate.protected[0]: " in told
    assert "certificates[0]: " in told
    assert daemon.children() == before, "no process was replaced"
    assert ttl(daemon) > 7
    assert daemon.alarms() == ["BlockdReloadFailed"]
    assert daemon.metric("blockd_config_last_reload_successful") == 0
    for key in wrong:
        del daemon.settings[key]
    daemon.reload()
    assert daemon.alarms() == []


def test_an_address_that_another_program_has_is_refused_and_named(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        listen = {**daemon.listen, "dns": [f"127.0.0.1:{daemon.dns_port}", taken]}
        assert f"listen.dns[1]: {taken} cannot be listened on" in daemon.reload(code=1, listen=listen)
    assert daemon.ask(BLOCKED).addresses == SINKHOLE


def test_upstreams_that_do_not_answer_are_refused_by_the_worker_that_tries_them(daemon: Daemon) -> None:
    assert daemon.ask("open-1.example").addresses == ["192.0.2.1"]  # so that those in force are known to answer
    until(lambda: daemon.metric("blockd_upstream_state", state="up") > 0, "the control process knows that")
    wrong = [f"127.0.0.1:{free_port()}"]
    for arguments in (["--dry-run"], []):
        told = daemon.reload(*arguments, code=1, upstreams=wrong)
        assert "a worker that tried the config failed: its upstreams" in told
    assert daemon.ask("open-2.example").addresses == ["192.0.2.2"]


def test_dry_run_tells_what_would_change_and_changes_nothing(daemon: Daemon) -> None:
    before = daemon.children()
    told = daemon.reload("--dry-run", sinkhole={"ttl": 30}, user="nobody", audit={"statement": "off"})
    assert "would be taken; nothing was changed" in told
    assert "Only a restart takes what is new of user" in told
    assert "It would change:" in told
    assert "Processes that would be replaced" in told
    assert "Changed:" not in told
    assert daemon.children() == before
    assert ttl(daemon) > 30
    assert "BlockdConfigChanged" in [alarm["name"] for alarm in daemon.status()["alarms"]]


def test_what_needs_a_restart_is_named_and_all_else_is_taken(daemon: Daemon) -> None:
    daemon.settings |= {"state_dir": "another", "sinkhole": {"ttl": 30}}
    daemon.write_config()
    assert "`systemctl reload blockd`" in daemon.run_verb("reload").stderr, "it looks for the daemon in the new folder"
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: daemon.status()["reload"]["last"], "it is taken")
    assert "Only a restart takes what is new of state_dir." in daemon.log
    assert [alarm["name"] for alarm in daemon.status()["alarms"]] == ["BlockdRestartNeeded"]
    assert ttl(daemon) <= 30
    assert not (daemon.folder / "another").exists()


def test_a_hangup_takes_the_config_and_fetches_every_feed(daemon: Daemon, tmp_path: Path) -> None:
    feed(tmp_path, "one", BLOCKED, "new.example")
    daemon.settings["sinkhole"] = {"ttl": 30}
    daemon.write_config()
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: daemon.status()["reload"]["last"], "it is taken")
    assert daemon.status()["reload"]["last"]["by"] == "SIGHUP"
    until(lambda: daemon.ask("new.example").addresses == SINKHOLE, "the feed is fetched")
    assert ttl(daemon) <= 30


def test_feeds_come_and_go(daemon: Daemon, tmp_path: Path) -> None:
    one, three = daemon.settings["feeds"][0], feed(tmp_path, "three", "third.example")  # type: ignore[index]
    daemon.reload(feeds=[one, three])
    until(lambda: daemon.ask("second.example").rcode == "NXDOMAIN", "the removed feed's name resolves")
    until(lambda: daemon.ask("third.example").addresses == SINKHOLE, "the new feed is enforced")
    assert "Feed two is no longer in the config: its names are not enforced from now on." in daemon.log


def test_listeners_come_and_go(daemon: Daemon) -> None:
    port, before = free_port(), daemon.dns_port
    daemon.reload(listen={**daemon.listen, "dns": [f"127.0.0.1:{before}", f"127.0.0.1:{port}"]})
    for daemon.dns_port in (before, port):
        assert daemon.ask(BLOCKED).addresses == daemon.ask(BLOCKED, tcp=True).addresses == SINKHOLE
    daemon.reload(listen={**daemon.listen, "dns": [f"127.0.0.1:{port}"]})
    assert daemon.ask(BLOCKED, tcp=True).addresses == SINKHOLE
    daemon.dns_port = before
    until(lambda: _is_refused(daemon), "the address that went is closed")
    daemon.dns_port = port


def test_an_address_that_the_machine_does_not_have_is_told_once(daemon: Daemon) -> None:
    absent = f"192.0.2.77:{free_port()}"
    daemon.reload(listen={**daemon.listen, "dns": [f"127.0.0.1:{daemon.dns_port}", absent]})
    told = f"{absent} is listened on although this machine does not have that address now"
    until(lambda: told in daemon.log, "it is told")
    daemon.reload(sinkhole={"ttl": 30})
    assert daemon.log.count(told) == 1


def test_the_address_of_the_page_about_orders_is_another_wherever_it_is_told(daemon: Daemon, tmp_path: Path) -> None:
    chain, key = certificate("dns.example", "127.0.0.1")
    for name, content in (("pem", chain), ("key", key)):
        put(tmp_path / f"chain.{name}", content)
    pair = {"chain": str(tmp_path / "chain.pem"), "key": str(tmp_path / "chain.key")}
    listen = {**daemon.listen, "dot": [f"127.0.0.1:{free_port()}"]}
    for name in ("one.example", "two.example"):
        public, discovery = {"url": f"https://{name}/"}, {"name": "dns.example"}
        daemon.reload(certificates=[pair], listen=listen, public=public, discovery=discovery)
        found = {str(daemon.ask("resolver.arpa", "TYPE261").message.answer[0]) for _ in range(EVERY_WORKER)}
        assert all(f"infourl=https://{name}/" in one for one in found), "every worker says it (RFC 9606)"


def _is_refused(daemon: Daemon) -> bool:
    try:
        daemon.ask(BLOCKED, tcp=True)
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("role", ["w0", "page", "control", "checker", "canary", "tester"])
def test_a_process_that_is_killed_in_the_middle_is_healed(daemon: Daemon, role: str) -> None:
    """Whatever comes of the reload, all serve afterwards, and the next one is taken."""
    daemon.settings["sinkhole"] = {"ttl": 30}
    daemon.write_config()
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: _kill(daemon, role) or _has_ended(daemon), "it is killed, or too late")
    until(lambda: _has_ended(daemon), "the reload ends")
    until(daemon.is_ready, "every worker enforces the version")
    daemon.reload(sinkhole={"ttl": 20})
    assert ttl(daemon) <= 20


def _kill(daemon: Daemon, role: str) -> bool:
    """Kill a process of a role that runs now; return whether there was one."""
    found = daemon.children(role)
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return bool(found)


def _has_ended(daemon: Daemon) -> bool:
    last: dict[str, Any] | None = daemon.status()["reload"]["last"]
    return last is not None and last["by"] == "SIGHUP"


def test_every_process_that_answers_has_room_for_its_files_before_it_does(daemon: Daemon) -> None:
    """Else each growth of the kernel's table stops a process with threads until every processor has come by."""
    daemon.reload(workers=3)
    until(lambda: len(daemon.children("w")) == 3, "three workers serve")
    wanted = Shares.of(Settings.model_validate({"workers": 3})).wanted(0)
    for pid in daemon.children():
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        [size] = [int(line.split()[1]) for line in lines if line.startswith("FDSize:")]
        assert size >= min(wanted, allowed())


def test_what_was_taken_is_over_for_who_asks_next(daemon: Daemon) -> None:
    """A worker that was given up still answers what is pending by then, and its socket is closed after that."""
    for workers in (1, 2, 1):
        daemon.reload(workers=workers)
        done, told = daemon.post("/api/v1/upgrade", {"dry_run": True})
        assert (done, told["outcome"], told["problems"]) == (200, "tried", [])


def test_a_wrong_file_on_disk_keeps_nobody_from_the_daemon_that_runs(daemon: Daemon) -> None:
    """Who has to have a name resolve at once cannot wait until somebody else has mended the file."""
    daemon.config.write_text(f"{daemon.config.read_text()}\nno_such_key: 1\n")
    assert daemon.run_verb("check").returncode == 2
    for change in (
        ["override", "add", BLOCKED, "--reason", "a mistake", "--until", time_text(time.time() + 86400.0)],
        ["override", "end", BLOCKED, "--reason", "settled"],
    ):
        done = daemon.run_verb(*change)
        assert done.returncode == 0, done.stderr
    refused = daemon.run_verb("held", "release", BLOCKED, "--reason", "none")
    assert "no_such_key" not in refused.stderr
    printed = daemon.run_verb("audit", "--kind", "override-ended")
    assert "settled" in printed.stdout, printed.stderr
    assert daemon.run_verb("audit", "key").returncode == 0

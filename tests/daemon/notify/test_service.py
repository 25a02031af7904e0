"""Blockd as a service of systemd: what it tells, and that what comes while it is started again waits for it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.exception
import pytest

from tests.daemon.harness import PATIENCE, Daemon, until, write_list
from tests.daemon.notify.systemd import Systemd

NATIONAL = {"name": "national", "type": "domains", "path": "list"}
# Under which names the sockets of a daemon with two workers are kept.
KEPT = {"dns_udp.0", "dns_udp.1", "dns_tcp.0", "dns_tcp.1", "block_page_http", "block_page_https", "admin"}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that is not started yet; nothing of it is left at the end."""
    folder = tmp_path / "daemon"
    folder.mkdir()
    write_list(folder / "list", ["listed.example"])
    one = Daemon(folder, NATIONAL)
    yield one
    one.destroy()


def test_a_service_is_ready_once_every_worker_answers_and_tells_what_it_enforces(
    daemon: Daemon, systemd: Systemd
) -> None:
    systemd.launch(daemon)
    systemd.wait_for("READY")
    assert daemon.ask("listed.example").rcode
    assert len(daemon.children("w")) == 2
    systemd.wait_for("STATUS", like=_tells("Version 1 is enforced: 1 name"))
    assert systemd.values("MAINPID") == [str(daemon.pid)]
    daemon.stop()
    assert systemd.values("STOPPING") == ["1"]
    assert {pid for pid, _ in systemd.told} == {pid for pid, _ in systemd.told[:1]}, "NotifyAccess=main"
    first = systemd.told[0][1]
    assert first["STATUS"].startswith("Starting: ")
    assert systemd.values("READY") == ["1"]


def _tells(start: str) -> Callable[[str], bool]:
    return lambda sentence: sentence.startswith(start)


def test_what_needs_somebody_is_in_the_sentence(daemon: Daemon, systemd: Systemd) -> None:
    systemd.launch(daemon)
    systemd.wait_for("STATUS", like=_tells("Version 1 is enforced"))
    (daemon.folder / "list").unlink()
    daemon.wait_for_banner()
    daemon.refresh()
    systemd.wait_for("STATUS", like=lambda told: "1 warning alarm, the first: feed national: " in told)
    daemon.stop()


def test_a_reload_is_told_with_its_time_and_its_end(daemon: Daemon, systemd: Systemd) -> None:
    systemd.launch(daemon)
    systemd.wait_for("READY")
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    os.kill(daemon.pid, signal.SIGHUP)
    systemd.wait_for("READY", 2)
    told = [one for _, one in systemd.told if "RELOADING" in one]
    assert [one["RELOADING"] for one in told] == ["1"]
    assert before <= int(told[0]["MONOTONIC_USEC"]) / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC)
    order = [next(iter(one)) for _, one in systemd.told if "RELOADING" in one or "READY" in one]
    assert order == ["READY", "RELOADING", "READY"]
    daemon.wait_for_banner()
    daemon.stop()


def test_it_is_ready_only_once_no_reload_is_in_progress_or_waits_whatever_was_refused(
    daemon: Daemon, systemd: Systemd
) -> None:
    daemon.write_config()
    systemd.launch(daemon)
    systemd.wait_for("READY")
    daemon.wait_for_banner()
    os.kill(daemon.pid, signal.SIGHUP)
    until(lambda: stopped(daemon, "checker"), "the config is being read")
    for number in range(2, 7):  # four of them wait, and the last one is refused
        os.kill(daemon.pid, signal.SIGHUP)
        systemd.wait_for("RELOADING", number)
    until(lambda: "other reloads wait already" in audit(daemon), "one is refused")
    assert systemd.values("READY") == ["1"]
    assert systemd.values("STATUS")[-1] == "The config on disk is read and tried; the one in force goes on."
    [checker] = daemon.children("checker")
    os.kill(checker, signal.SIGCONT)
    systemd.wait_for("READY", 2)
    assert len(systemd.values("RELOADING")) == 6
    assert daemon.metric("blockd_reloads_total", result="unchanged") == 5
    systemd.wait_for("STATUS", like=lambda told: told.startswith("Version 1 is enforced"))
    assert systemd.values("READY") == ["1", "1"]
    daemon.stop()


def stopped(daemon: Daemon, role: str) -> bool:
    """Stop the process of a role by SIGSTOP; return whether there was one, and it is stopped."""
    for pid in daemon.children(role):
        os.kill(pid, signal.SIGSTOP)
        until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "TZ", "it is stopped")  # noqa: B023
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T"
    return False


def audit(daemon: Daemon) -> str:
    return daemon.run_verb("audit", "--kind", "reload").stdout


def test_the_watchdog_hears_of_each_turn_and_of_none_while_the_supervisor_is_stopped(
    daemon: Daemon, systemd: Systemd
) -> None:
    daemon.variables["WATCHDOG_USEC"] = "600000"
    systemd.launch(daemon)
    systemd.wait_for("WATCHDOG", 4)
    os.kill(daemon.pid, signal.SIGSTOP)
    until(lambda: Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(") ")[2][0] == "T", "it is stopped")
    stopped = len(systemd.values("WATCHDOG"))
    assert len(systemd.values("WATCHDOG")) == stopped
    os.kill(daemon.pid, signal.SIGCONT)
    systemd.wait_for("WATCHDOG", stopped + 1)
    daemon.wait_for_banner()
    daemon.stop()


def test_an_abstract_socket_is_told_too_and_no_child_is_told_of_it(daemon: Daemon) -> None:
    with Systemd(f"@blockd-test-{uuid.uuid4().hex}") as systemd:
        systemd.launch(daemon)
        systemd.wait_for("READY")
        assert set(systemd.kept) == KEPT
        daemon.wait_for_banner()
        daemon.stop()


@contextlib.contextmanager
def load(daemon: Daemon) -> Iterator[list[str]]:
    """Ask over UDP and TCP all the time, from a new port each time; yield what was not answered, for the end.

    A question that crosses the end of its connection is asked once more, as clients have to (RFC 7766 section 6.2.4).
    """
    lost: list[str] = []
    over = threading.Event()
    asked = [0, 0]

    def ask(place: int) -> None:
        while not over.is_set():
            try:
                try:
                    answer = daemon.ask("listed.example", tcp=bool(place), timeout=PATIENCE)
                except (ConnectionResetError, EOFError):
                    answer = daemon.ask("listed.example", tcp=bool(place), timeout=PATIENCE)
                if answer.addresses != ["127.0.0.1"]:
                    lost.append(f"{'tcp' if place else 'udp'}: {answer.rcode} {answer.addresses}")
            except (OSError, EOFError, dns.exception.DNSException) as error:
                lost.append(f"{'tcp' if place else 'udp'}: {error!r}")
            asked[place] += 1

    threads = [threading.Thread(target=ask, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        yield lost
        before = list(asked)
        until(lambda: all(now > then for now, then in zip(asked, before, strict=True)), "both are answered again")
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_restart_loses_no_question_over_udp_or_tcp(daemon: Daemon, systemd: Systemd) -> None:
    systemd.launch(daemon)
    systemd.wait_for("STATUS", like=_tells("Version 1 is enforced"))
    systemd.hear()
    assert set(systemd.kept) == KEPT
    bound = {name: [socket_name(one) for one in kept] for name, kept in systemd.kept.items()}
    with load(daemon) as lost:
        for _ in range(2):
            daemon.stop()
            systemd.told.clear()
            systemd.launch(daemon)
            systemd.wait_for("STATUS", like=_tells("Version 1 is enforced"))
            daemon.wait_for_banner()
    assert lost == []
    systemd.hear()
    assert {name: [socket_name(one) for one in kept] for name, kept in systemd.kept.items()} == bound
    assert daemon.is_ready()
    daemon.stop()


def socket_name(descriptor: int) -> tuple[str, int]:
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        host, port = sock.getsockname()[:2]
        return host, port


def test_what_the_config_no_longer_asks_for_is_no_longer_kept(daemon: Daemon, systemd: Systemd) -> None:
    systemd.launch(daemon)
    systemd.wait_for("READY")
    daemon.wait_for_banner()
    daemon.stop()
    systemd.hear()
    daemon.settings["workers"] = 1
    systemd.told.clear()
    systemd.launch(daemon)
    systemd.wait_for("READY")
    assert set(systemd.kept) == {name for name in KEPT if not name.endswith(".1")}
    assert "Sockets that were kept from before are closed, since the config does not ask for them: 127.0.0.1:" in (
        daemon.log
    )
    for _ in range(20):  # none of them waits in a socket that nobody reads
        assert daemon.ask("listed.example").addresses == ["127.0.0.1"]
    daemon.wait_for_banner()
    daemon.stop()


def test_a_start_with_more_workers_makes_what_is_not_kept(daemon: Daemon, systemd: Systemd) -> None:
    daemon.settings["workers"] = 1
    systemd.launch(daemon)
    systemd.wait_for("READY")
    daemon.wait_for_banner()
    daemon.stop()
    systemd.hear()
    daemon.settings["workers"] = 2
    systemd.launch(daemon)
    systemd.wait_for("READY", 2)
    assert set(systemd.kept) == KEPT
    daemon.wait_for_banner()
    daemon.stop()


def test_what_is_no_socket_is_refused_with_a_sentence(daemon: Daemon, systemd: Systemd, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no socket")
    systemd.kept["dns_udp.0"] = [os.open(tmp_path / "file", os.O_RDONLY)]
    ours, theirs = socket.socketpair()
    theirs.close()
    systemd.kept["admin"] = [ours.detach()]
    systemd.launch(daemon)
    systemd.wait_for("READY")
    assert "Descriptor 3 (dns_udp.0), which the service manager has passed, is not a socket" in daemon.log
    assert "Descriptor 4 (admin), which the service manager has passed, is not a socket of IP" in daemon.log
    daemon.wait_for_banner()
    assert daemon.ask("listed.example").addresses
    daemon.wait_for_banner()
    daemon.stop()


def test_all_that_is_written_is_json_if_programs_read_it(daemon: Daemon) -> None:
    daemon.settings["log"] = {"format": "json"}
    with daemon:
        os.kill(daemon.children("w")[0], signal.SIGKILL)
        until(lambda: "is started again" in daemon.log, "it is told")
    told = [json.loads(line) for line in (daemon.log + daemon.banner).splitlines()]
    assert {one["process"] for one in told} >= {"supervisor", "control"}
    [ended] = [one for one in told if "ended (" in one["message"]]
    assert (ended["level"], ended["fields"]["values"][0]) == ("ERROR", "worker 0")
    assert ended["logger"] == "blockd.daemon.supervisor"


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_journal_is_told_the_priority_of_each_line(daemon: Daemon, form: str) -> None:
    (daemon.folder / "stderr").touch()
    found = (daemon.folder / "stderr").stat()
    daemon.variables["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
    daemon.settings["log"] = {"format": form}
    with daemon:
        os.kill(daemon.children("w")[0], signal.SIGKILL)
        until(lambda: "is started again" in daemon.log, "it is told")
    lines = daemon.log.splitlines()
    levels = {"<6>": "INFO", "<4>": "WARNING", "<3>": "ERROR"}  # a busy machine may have it warn of what is late
    assert {line[:3] for line in lines} - {"<4>"} == {"<6>", "<3>"}
    assert all(levels[line[:3]] in line and ("ERROR" in line) == line.startswith("<3>") for line in lines)
    daemon.settings["user"] = "nobody-there"
    daemon.launch()
    assert daemon.process is not None
    assert daemon.process.wait(PATIENCE) == 2
    told = daemon.log.splitlines()[len(lines) :]
    assert {line[:3] for line in told if "nobody-there" in line} == {"<2>"}

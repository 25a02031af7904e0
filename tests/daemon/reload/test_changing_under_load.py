"""What clients are answered by changes under load, and what was begun is taken back, while no question is lost."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.daemon.harness import Daemon, free_port, put, until, write_list
from tests.daemon.load.load import Load
from tests.daemon.reload.random_configs import BLOCKED, OPEN_BELOW
from tests.effort import tries
from tests.tls.certificates import certificate
from tests.upstream import UpstreamSimulator

NAME = "dns.example"
SINKHOLE = ["127.0.0.1"]
MANY = 10  # questions by which every worker is met


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    write_list(tmp_path / "one", [BLOCKED])
    feed: dict[str, object] = {"name": "one", "type": "domains", "path": str(tmp_path / "one")}
    upstream = {"flood_limit": 0}  # the clients ask for new names all the time
    with Daemon(tmp_path / "node", feed, upstream=resolver.address, fresh=True) as running:
        running.wait_for_version(1)
        running.settings["upstream"] = upstream
        running.reload()
        yield running


def certified(folder: Path, name: str) -> tuple[dict[str, str], ssl.SSLContext]:
    """Make a certificate, and return its setting and a client that trusts it alone."""
    chain, key = certificate(NAME, "127.0.0.1")
    put(folder / f"{name}.key", key)
    put(folder / f"{name}.pem", chain)
    trusting = ssl.create_default_context(cafile=str(folder / f"{name}.pem"))
    return {"chain": str(folder / f"{name}.pem"), "key": str(folder / f"{name}.key")}, trusting


def by_tls(port: int, context: ssl.SSLContext) -> dns.message.Message:
    """Ask over a new connection by DoT."""
    query = dns.message.make_query(BLOCKED, "A")
    return dns.query.tls(query, "127.0.0.1", 30, port, ssl_context=context, server_hostname=NAME)


def by_https(port: int, context: ssl.SSLContext) -> int:
    """Ask over a new connection by DoH; return the status."""
    wire = dns.message.make_query(BLOCKED, "A").to_wire()
    with (
        socket.create_connection(("127.0.0.1", port), 30) as sock,
        context.wrap_socket(sock, server_hostname=NAME) as secured,
    ):
        head = f"POST /dns-query HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/dns-message\r\n"
        secured.sendall(f"{head}Content-Length: {len(wire)}\r\nConnection: close\r\n\r\n".encode() + wire)
        return int(secured.makefile("rb").readline().split()[1])


def server_cookie(daemon: Daemon, cookie: bytes) -> tuple[bytes, int]:
    """Ask with a cookie; return the server's, and the response code."""
    query = dns.message.make_query(BLOCKED, "A", use_edns=0, options=[dns.edns.CookieOption(cookie[:8], cookie[8:])])
    answer = daemon.exchange(query)
    [found] = [one for one in answer.options if isinstance(one, dns.edns.CookieOption)]
    return found.server, answer.rcode()


def test_what_is_secured_and_shared_changes_while_nothing_is_lost(daemon: Daemon, tmp_path: Path) -> None:
    first, trusts_first = certified(tmp_path, "first")
    second, trusts_second = certified(tmp_path, "second")
    dot, doh = free_port(), free_port()
    listen, secured = daemon.listen, {"dot": [f"127.0.0.1:{dot}"], "doh": [f"127.0.0.1:{doh}"]}
    secret = tmp_path / "cookies"
    put(secret, b"00" * 16 + b"\n")
    secret.chmod(0o600)
    with Load(daemon, BLOCKED, OPEN_BELOW) as load:
        daemon.reload(listen={**listen, **secured}, certificates=[first], clients={"cookie_secrets": str(secret)})
        assert [by_tls(dot, trusts_first).rcode() for _ in range(MANY)] == [dns.rcode.NOERROR] * MANY
        assert [by_https(doh, trusts_first) for _ in range(MANY)] == [200] * MANY
        before, _ = server_cookie(daemon, b"12345678")
        (tmp_path / "protected").write_text("protected.example\n")
        told = daemon.reload(certificates=[second], gate={"protected": [str(tmp_path / "protected")]}, workers=3)
        assert "gate.protected" in told
        assert [by_tls(dot, trusts_second).rcode() for _ in range(MANY)] == [dns.rcode.NOERROR] * MANY
        with pytest.raises(ssl.SSLCertVerificationError):
            by_https(doh, trusts_first)
        put(secret, b"11" * 16 + b"\n" + b"00" * 16 + b"\n")
        secret.chmod(0o600)
        assert "clients.cookie_secrets" in daemon.reload()
        after, code = server_cookie(daemon, b"12345678" + before)
        assert code == dns.rcode.NOERROR, "the secret before is still taken"
        assert after[8:] != before[8:], "the new one signs"
        daemon.reload(listen=listen, certificates=None, clients=None, gate=None)
        assert daemon.status()["certificates"] == []
        for port in (dot, doh):
            until(lambda: not is_open(port), "what went is closed")  # noqa: B023 - used at once
    assert load.figures.lost == []
    assert all(kind.answers for kind in load.figures.kinds.values())


def is_open(port: int) -> bool:
    """Whether anybody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 30).close()
    except ConnectionRefusedError:
        return False
    return True


def test_a_worker_that_fails_in_the_middle_takes_back_what_the_others_have_taken(daemon: Daemon) -> None:
    """The first worker is replaced already when the second one's successor is killed."""
    with Load(daemon, BLOCKED, OPEN_BELOW) as load:
        for number in range(1, 20):
            ended = threading.Event()
            killing = threading.Thread(target=kill_new, args=(daemon, "w1", ended))
            daemon.settings["sinkhole"] = {"ttl": number}
            daemon.write_config()
            killing.start()
            done = daemon.run_verb("reload")
            until(lambda: daemon.status()["reload"]["last"]["outcome"] in ("taken", "failed"), "it has ended")
            ended.set()
            killing.join()
            last = daemon.status()["reload"]["last"]
            if last["outcome"] == "failed":
                break
            assert done.returncode == 0
        assert "the new worker 1 process ended (killed by SIGKILL)" in last["problems"][0]
        until(lambda: len(daemon.children("w")) == 2, "those that were replaced have left")
        found = {daemon.ask(BLOCKED).message.answer[0].ttl == number for _ in range(MANY)}
        assert found == {False}, "the config before is in force at every worker"
        assert "BlockdReloadFailed" in [alarm["name"] for alarm in daemon.status()["alarms"]]
        until(daemon.is_ready, "every worker enforces the version")
        daemon.reload(sinkhole={"ttl": 33}, workers=tries(3, 8))
        assert {daemon.ask(BLOCKED).message.answer[0].ttl for _ in range(MANY)} <= {32, 33}
    assert load.figures.lost == []


def kill_new(daemon: Daemon, role: str, ended: threading.Event) -> None:
    """Kill the first process of a role that is there later than those that are now."""
    before = set(daemon.children(role))
    while not ended.is_set():
        for pid in set(daemon.children(role)) - before:
            os.kill(pid, signal.SIGKILL)
            return


def test_a_lift_shows_at_a_worker_that_leaves(daemon: Daemon, resolver: UpstreamSimulator) -> None:
    """It stays for a question that waits for an upstream, and answers others on the same connection meanwhile."""
    daemon.reload(workers=1, upstream={"flood_limit": 0, "timeout": "20s"})
    until(lambda: len(daemon.children("w")) == 1, "the others have left")
    end = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lift = {"name": BLOCKED, "reason": "Court order 7", "until": end}
    for number in range(1, 20):  # it takes questions for some seconds only, in which the control process is replaced
        [old] = daemon.children("w")
        with socket.create_connection(("127.0.0.1", daemon.dns_port), 30) as sock:
            with resolver.held("slow.example"):
                dns.query.send_tcp(sock, dns.message.make_query(f"n{number}.slow.example", "A"))
                assert ask_on(sock) == dns.rcode.NOERROR
                daemon.reload(sinkhole={"ttl": number})
                status, told = daemon.post("/api/override", {"add": lift})
                assert status == 200, told
                found = ask_on(sock)
                stayed = old in daemon.children("w")
            until(lambda: len(daemon.children("w")) == 1, "it has left")
        if found is not None and stayed:
            assert found == dns.rcode.NXDOMAIN
            return
        daemon.post("/api/override", {"end": {"name": BLOCKED, "reason": "once more"}})
        until(lambda: daemon.ask(BLOCKED).addresses == SINKHOLE, "it is blocked again")
    pytest.fail("it has always left before the lift")


def ask_on(sock: socket.socket) -> int | None:
    """Ask for BLOCKED on a connection; return the response code, None if the connection ends."""
    query = dns.message.make_query(BLOCKED, "A")
    try:
        dns.query.send_tcp(sock, query)
        answer, _ = dns.query.receive_tcp(sock, time.time() + 30)
    except (EOFError, OSError):
        return None
    return answer.rcode() if answer.id == query.id else None

"""DNS over TLS as a daemon serves it, with its workers, its certificates and what it tells of them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from blockd.native import is_native
from blockd.tls.choice import EXTENSION
from tests.daemon.harness import SLACK, Daemon, Feed, blockd, free_port, put, until, write_list
from tests.tls.certificates import certificate

NAME = "dns.example"


class Served:
    """A daemon with DoT."""

    def __init__(self, folder: Path) -> None:
        write_list(folder / "list", ["listed.example"])
        self.chain, self.key = folder / "chain.pem", folder / "key.pem"
        self.port = free_port()
        self.renew()
        feed: Feed = {"name": "list", "type": "domains", "path": "list"}
        self.daemon = Daemon(folder, feed, certificates=[{"chain": str(self.chain), "key": str(self.key)}])
        self.daemon.listen["dot"] = [f"127.0.0.1:{self.port}"]

    def renew(self) -> None:
        """Put another certificate in place, for the same name."""
        chain, key = certificate(NAME)
        put(self.key, key)
        put(self.chain, chain)

    def context(self) -> ssl.SSLContext:
        """Return that of a client that trusts the certificate that is in place now."""
        made = ssl.create_default_context(cafile=str(self.chain))
        made.set_alpn_protocols(["dot"])
        return made

    def connect(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        """Connect; raises SSLError if the certificate is another one."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        try:
            return context.wrap_socket(sock, server_hostname=NAME, session=session)
        except BaseException:
            sock.close()
            raise

    def is_trusted(self, context: ssl.SSLContext) -> bool:
        """Return whether a new connection gets the certificate that a client trusts."""
        try:
            self.connect(context).close()
        except ssl.SSLCertVerificationError:
            return False
        return True

    def events(self, event: str) -> float:
        """Return what has been counted of connections."""
        return self.daemon.metrics()["blockd_stream_events_total", (("event", event), ("transport", "dot"))]


def ask(sock: ssl.SSLSocket, name: str = "listed.example") -> dns.message.Message:
    query = dns.message.make_query(name, "A")
    dns.query.send_tcp(sock, query)
    answer, _ = dns.query.receive_tcp(sock)
    assert query.is_response(answer)
    return answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A daemon that runs."""
    made = Served(tmp_path)
    with made.daemon:
        yield made


def test_it_is_served_told_and_counted(served: Served) -> None:
    with served.connect(served.context()) as sock:
        assert sock.selected_alpn_protocol() == "dot"
        assert [str(record) for record in ask(sock).answer[0]] == ["127.0.0.1"]
        assert ask(sock, "example.com").rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    assert f"127.0.0.1:{served.port}" in served.daemon.banner
    assert served.daemon.status()["bound"]["dot"] == [f"127.0.0.1:{served.port}"]
    told = blockd("status", folder=served.daemon.folder, config=served.daemon.config).stdout
    assert f"listens: DNS over TLS on 127.0.0.1:{served.port}" in told
    assert "by each of TCP, TLS and HTTPS" in told
    until(lambda: served.events("handshake") == 1, "the handshake is counted")
    assert (served.events("connection"), served.events("handshake_failed")) == (1, 0)


@pytest.mark.skipif(not is_native(EXTENSION), reason="without its part in C sessions are resumed in one process only")
def test_a_client_resumes_at_whichever_worker_and_at_one_that_was_started_meanwhile(served: Served) -> None:
    context = served.context()
    with served.connect(context) as sock:
        ask(sock)
        session = sock.session
    for _ in range(20):
        with served.connect(context, session) as sock:
            ask(sock)
            assert sock.session_reused
    workers = served.daemon.children("w")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(served.daemon.children("w")) - set(workers)) == len(workers), "others are started")
    with served.connect(context, session) as sock:
        ask(sock)
        assert sock.session_reused


def test_other_certificates_are_used_soon_and_no_connection_is_lost(served: Served) -> None:
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(served.connect(served.context())) for _ in range(20)]
        for sock in open_ones:
            ask(sock)
        served.renew()
        context = served.context()
        until(lambda: all(served.is_trusted(context) for _ in range(20)), "every worker uses it", 5.0 + SLACK)
        for sock in open_ones:
            assert ask(sock).answer
    served.key.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    until(lambda: "BlockdCertificateRefused" in str(served.daemon.status()["alarms"]), "it is told")
    assert all(served.is_trusted(context) for _ in range(20)), "the one before stays in use"


def test_a_connection_is_told_the_end_when_the_daemon_stops(served: Served) -> None:
    with served.connect(served.context()) as sock:
        ask(sock)
        served.daemon.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        assert sock.recv(1) == b"", "close_notify, and no reset"

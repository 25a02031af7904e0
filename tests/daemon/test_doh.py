"""DNS over HTTPS as a daemon serves it: what it tells, and what a browser that is set to it sees."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import shutil
import signal
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from blockd.native import ENGINE
from tests.daemon.harness import Daemon, Feed, blockd, free_port, put, until, write_list
from tests.tls.certificates import certificate

NAME = "dns.example"
LISTED = "listed.example"
OPEN = "open.example"
PATIENCE = 60.0  # seconds for which a browser is waited for


class Served:
    """A daemon with DoH, which knows a name that is not blocked as well."""

    def __init__(self, folder: Path) -> None:
        write_list(folder / "list", [LISTED])
        chain, key = certificate(NAME, "127.0.0.1")
        self.chain, self.key = folder / "chain.pem", folder / "key.pem"
        put(self.key, key)
        put(self.chain, chain)
        self.port = free_port()
        feed: Feed = {"name": "list", "type": "domains", "path": "list"}
        self.daemon = Daemon(
            folder,
            feed,
            certificates=[{"chain": str(self.chain), "key": str(self.key)}],
            local={"names": {OPEN: "127.0.0.1"}},
        )
        self.daemon.listen["doh"] = [f"127.0.0.1:{self.port}"]

    def connect(self) -> http.client.HTTPSConnection:
        """Return a connection over HTTP/1.1."""
        context = ssl.create_default_context(cafile=str(self.chain))
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)

    def counted(self, event: str) -> float:
        """Return what has been counted of connections."""
        return self.daemon.metrics()["blockd_stream_events_total", (("event", event), ("transport", "doh"))]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A daemon that runs."""
    made = Served(tmp_path)
    with made.daemon:
        yield made


def ask(connection: http.client.HTTPSConnection, name: str) -> tuple[http.client.HTTPResponse, bytes]:
    message = dns.message.make_query(name, "A").to_wire()
    connection.request("POST", "/dns-query", message, {"Content-Type": "application/dns-message"})
    response = connection.getresponse()
    return response, response.read()


def test_it_is_served_told_and_counted(served: Served) -> None:
    connection = served.connect()
    for name in (LISTED, OPEN):
        response, body = ask(connection, name)
        assert (response.status, response.getheader("content-type")) == (200, "application/dns-message")
        assert str(dns.message.from_wire(body).answer[0][0]) == "127.0.0.1"
    connection.close()
    assert f"https://127.0.0.1:{served.port}" in served.daemon.banner
    assert served.daemon.status()["bound"]["doh"] == [f"127.0.0.1:{served.port}"]
    told = blockd("status", folder=served.daemon.folder, config=served.daemon.config).stdout
    assert f"DNS over HTTPS on 127.0.0.1:{served.port}" in told
    until(lambda: served.counted("stream") == 2, "the requests are counted")
    assert (served.counted("connection"), served.counted("handshake"), served.counted("flood")) == (1, 1, 0)
    assert served.daemon.metrics()["blockd_queries_total", (("transport", "doh"),)] == 2


def test_a_start_says_where_http2_is_done_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE, "python")
    served = Served(tmp_path)
    with served.daemon:
        connection = served.connect()
        assert ask(connection, LISTED)[0].status == 200
        connection.close()
        said = "HTTP/2 is done in Python, at a fiftieth of the speed: BLOCKD_ENGINE asks for it."
        until(lambda: said in served.daemon.log, "it is said")
    assert served.daemon.log.count("HTTP/2 is done in Python") == 1


def test_an_answer_is_private_where_groups_get_different_ones(served: Served) -> None:
    connection = served.connect()
    assert ask(connection, LISTED)[0].getheader("cache-control", "").startswith("max-age=")
    connection.close()
    served.daemon.stop()
    served.daemon.settings["groups"] = [{"name": "schools", "networks": ["127.0.0.9/32"], "feeds": []}]
    served.daemon.start()
    connection = served.connect()
    assert ask(connection, LISTED)[0].getheader("cache-control", "").startswith("private, max-age=")
    connection.close()


def test_an_idle_browser_is_told_goodbye_when_the_daemon_stops(served: Served) -> None:
    connection = served.connect()
    ask(connection, LISTED)
    sock = connection.sock
    served.daemon.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
    assert sock.recv(1) == b"", "close_notify, and no reset"
    connection.close()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_that_asks_over_https_sees_the_block_and_what_is_open(served: Served) -> None:
    """No other resolver knows either name, so that a page by it was looked up here."""
    public_key = x509.load_pem_x509_certificate(served.chain.read_bytes()).public_key()
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(encoded).digest()).decode()
    # A browser's last files may still be written when it has ended.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        templates = f"https://127.0.0.1:{served.port}/dns-query"
        Path(profile, "Local State").write_text(
            json.dumps({"dns_over_https": {"mode": "secure", "templates": templates}}), encoding="utf-8"
        )
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
        command += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
        command += [f"--ignore-certificate-errors-spki-list={pin}", "--dump-dom"]

        def page(name: str) -> str:
            address = f"http://{name}:{served.daemon.http_port}/"
            done = subprocess.run(  # noqa: S603 - the browser of this machine
                [*command, address], capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert f"Access to {LISTED} is blocked" in page(LISTED)
        assert f"{OPEN} itself is not blocked" in page(OPEN)
    assert served.daemon.metrics()["blockd_queries_total", (("transport", "doh"),)] >= 2
    assert served.counted("flood") == 0

"""Who loses a right at a running daemon loses it at once, on connections that are open as well."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from blockd.times import time_text
from tests.daemon.harness import Daemon, until, write_list
from tests.effort import tries
from tests.tls.certificates import certificate

JSON = {"Content-Type": "application/json"}
LAST_CHUNK = b"\r\n0\r\n\r\n"  # RFC 9112 section 7.1
EVENTS = "/api/v1/events"
OFFICER = "officer.example"
OPEN: list[http.client.HTTPSConnection] = []  # of one test


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    write_list(tmp_path / "list", ["listed.example"])
    for name, names in (("server", ("127.0.0.1",)), ("officer", (OFFICER,))):
        chain, key = certificate(*names)
        (tmp_path / f"{name}.pem").write_bytes(chain)
        (tmp_path / f"{name}.key").write_bytes(key)
    feed = {"name": "list", "type": "domains", "path": "list"}
    made = Daemon(tmp_path, feed, certificates=[{"chain": "server.pem", "key": "server.key"}])
    clients = [{"name": OFFICER, "role": "operator"}]
    made.listen["admin_tls"] = {"client_ca": "officer.pem", "clients": clients}
    with made:
        until(lambda: made.status()["ruleset"], "a version is enforced")
        yield made


class Client:
    """A connection over TLS, by a token, a certificate, or a cookie."""

    def __init__(self, daemon: Daemon, headers: Mapping[str, str] | None = None, *, shown: bool = False) -> None:
        context = ssl.create_default_context(cafile=str(daemon.folder / "server.pem"))
        if shown:
            context.load_cert_chain(daemon.folder / "officer.pem", daemon.folder / "officer.key")
        self.headers = dict(headers or {})
        self.connection = http.client.HTTPSConnection("127.0.0.1", daemon.admin_port, timeout=30, context=context)
        OPEN.append(self.connection)

    def ask(self, path: str, body: object = None) -> tuple[int, str]:
        """Return the status and the body of an answer."""
        sent = self.headers | (JSON if body is not None else {})
        self.connection.request(
            "GET" if body is None else "POST", path, None if body is None else json.dumps(body), sent
        )
        with self.connection.getresponse() as response:
            return response.status, response.read().decode()

    def listen(self) -> socket.socket:
        """Return the socket of a stream of events that has begun."""
        self.connection.request("GET", EVENTS, headers=self.headers)
        assert isinstance(self.connection.sock, socket.socket)
        sock = self.connection.sock
        head = sock.recv(1 << 16)
        assert head.startswith(b"HTTP/1.1 200 "), head
        return sock


def ends(sock: socket.socket, seconds: float = 60) -> None:
    """Wait until a stream has ended, or its connection; a test that waits for longer than that has failed."""
    sock.settimeout(seconds)
    last = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while not last.endswith(LAST_CHUNK) and (part := sock.recv(1 << 16)):
            last = (last + part)[-len(LAST_CHUNK) :]


def by(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_streams_and_sessions_end_with_their_token_and_others_go_on(daemon: Daemon) -> None:
    support, officer = daemon.add_token("support", "read"), daemon.add_token("officer", "operator")
    signing_in = Client(daemon)
    signing_in.connection.request("POST", "/login", json.dumps({"token": support}), JSON)
    with signing_in.connection.getresponse() as response:
        response.read()
        cookie = {"Cookie": response.headers["Set-Cookie"].partition(";")[0]}
    signed_in, other = Client(daemon, cookie), Client(daemon, by(officer))
    streams = [Client(daemon, headers).listen() for headers in (by(support), cookie)]
    goes_on = Client(daemon, by(officer)).listen()
    assert signed_in.ask("/api/v1/whoami")[0] == 200
    assert daemon.run_verb("token", "remove", "support").returncode == 0
    assert signed_in.ask("/api/v1/whoami")[0] == 401
    for stream in streams:
        ends(stream)
    assert other.ask("/api/v1/whoami")[0] == 200
    goes_on.setblocking(False)
    with contextlib.suppress(ssl.SSLWantReadError):
        while True:
            part = goes_on.recv(1 << 16)
            assert part, "somebody else's stream has ended, too"
            assert not part.endswith(LAST_CHUNK)


def test_token_whose_role_is_lowered_or_that_expires_does_no_more_at_once(daemon: Daemon) -> None:
    client = Client(daemon, by(daemon.add_token("officer", "operator")))
    stream = Client(daemon, client.headers).listen()
    assert client.ask("/api/v1/refresh", {})[0] == 200
    path = daemon.state_dir / "tokens.json"
    kept = json.loads(path.read_text())

    def change(**values: str) -> None:
        kept["tokens"][0].update(values)
        made = path.with_name("tokens.new")
        made.write_text(json.dumps(kept))
        made.chmod(0o640)
        made.replace(path)

    change(role="read")
    assert [client.ask(path, body)[0] for path, body in (("/api/v1/refresh", {}), ("/api/v1/feeds", None))] == [
        403,
        200,
    ]
    change(role="metrics")
    ends(stream)
    assert client.ask("/api/v1/feeds")[0] == 403
    change(expires=time_text(time.time() - 1))
    assert client.ask("/metrics")[0] == 401


def test_certificate_whose_role_is_lowered_by_a_reload_does_no_more(daemon: Daemon) -> None:
    client = Client(daemon, shown=True)
    assert client.ask("/api/v1/refresh", {})[0] == 200
    stream = Client(daemon, shown=True).listen()
    daemon.listen["admin_tls"]["clients"] = [{"name": OFFICER, "role": "metrics"}]  # type: ignore[index]
    daemon.reload()
    ends(stream)
    with contextlib.suppress(ConnectionError, http.client.HTTPException, ssl.SSLError):
        assert client.ask("/api/v1/refresh", {})[0] == 403, "the connection of before"
    again = Client(daemon, shown=True)
    assert [again.ask(path)[0] for path in ("/metrics", "/api/v1/feeds")] == [200, 403]
    assert again.ask("/api/v1/refresh", {})[0] == 403


def test_ten_thousand_connections_to_the_port_keep_nobody_from_the_socket(daemon: Daemon) -> None:
    """They are of the very user who asks at the socket; once they have gone, the port answers as before."""
    by_token = by(daemon.add_token("support", "read"))
    descriptors = Path(f"/proc/{daemon.control_pid()}/fd")
    most = 0
    for _ in range(tries(10, 100)):
        held = []
        for _ in range(100):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", daemon.admin_port))
            held.append(sock)
        with daemon.by_socket("GET", "/healthz") as response:
            assert response.status == 200
        most = max(most, len(list(descriptors.iterdir())))
        for sock in held:
            sock.close()
    assert most < 400, "places and those that wait for one are bounded"
    until(lambda: Client(daemon, by_token).ask("/api/v1/whoami")[0] == 200, "others are answered")
    daemon.assert_no_fault()

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from pathlib import Path
from urllib.request import urlopen

import dns.exception

from tests.daemon.harness import Daemon, content_of, request, until, write_list
from tests.upstream import Fault, UpstreamSimulator

CLIENT = "127.0.0.77"


def test_no_client_address_is_stored_or_logged(tmp_path: Path) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    write_list(tmp_path / "dropped", ["dropped.example"])
    feeds = [
        {"name": "national", "type": "domains", "path": "list", "interval": "200ms"},
        {"name": "dropped", "type": "domains", "path": "dropped", "action": "drop"},
    ]
    with (
        UpstreamSimulator() as resolver,
        Daemon(tmp_path, *feeds, upstream=resolver.address, log_level="info", cache={"max_ttl": "1h"}) as daemon,
    ):
        _visit(daemon)
        resolver.faults = {Fault.MALFORMED}
        assert daemon.ask("malformed.example", source=CLIENT, edns=True).rcode == "SERVFAIL"
        write_list(tmp_path / "list", ["listed.example", "other.example"])
        daemon.refresh()
        assert daemon.ask("other.example", source=CLIENT).addresses == ["127.0.0.1"]
        seen = {str(path): content for path, content in content_of(daemon.state_dir).items()}
        seen |= {path: daemon.get(path)[1] for path in ("/metrics", "/api/status", "/api/lookup?name=listed.example")}
        packed = socket.inet_aton(CLIENT)
        assert [name for name, content in seen.items() if CLIENT.encode() in content] == []
        stored = {name: content for name, content in seen.items() if name.startswith("/api") or "state" in name}
        assert [name for name, content in stored.items() if packed in content and "ruleset" not in name] == []
        for handle in daemon.processes():
            assert not list(Path(f"/proc/{handle}/cwd").glob("core*"))
        assert [name for name, content in seen.items() if b"asked-about" in content] == []
    assert CLIENT not in daemon.log
    assert "asked-about" not in daemon.log
    assert CLIENT not in daemon.banner


def _visit(daemon: Daemon) -> None:
    """Be a client of every kind, well behaved and not."""
    for tcp in (False, True):
        assert daemon.ask("listed.example", source=CLIENT, tcp=tcp, edns=True).rcode == "NOERROR"
        assert daemon.ask("absent.example", source=CLIENT, tcp=tcp).rcode == "NXDOMAIN"
    with contextlib.suppress(dns.exception.Timeout):
        daemon.ask("dropped.example", source=CLIENT, timeout=0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((CLIENT, 0))
        for packet in (b"", b"\0" * 11, b"\0" * 12, b"\xff" * 100, b"\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c"):
            sock.sendto(packet, ("127.0.0.1", daemon.dns_port))
    for port in (daemon.dns_port, daemon.http_port, daemon.tls_port, daemon.admin_port):
        with _connected(port) as sock:
            sock.sendall(b"\0\5GARBAGE \xff\r\n\r\n")
    for port, host in (
        (daemon.http_port, "listed.example"),
        (daemon.http_port, "absent.example"),
        (daemon.admin_port, "evil"),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(CLIENT, 0))
        connection.request("GET", "/", headers={"Host": host})
        with contextlib.closing(connection), connection.getresponse() as response:
            assert response.status in (451, 404, 403)
    with request("GET", daemon.http_port, "/?name=asked-about.example") as response:
        assert response.status == 200
    with request("GET", daemon.http_port, "/", {"Host": "listed.example"}) as response:
        link = str(response.getheader("Link"))
    own = link[1 : link.index(">")]  # by default the block page's own address
    with urlopen(own, timeout=30) as response:  # noqa: S310 - of the daemon's own
        assert response.status == 200
    for name in ("listed.example", "absent.example"):
        with _connected(daemon.tls_port) as sock, contextlib.suppress(ssl.SSLError):
            ssl.create_default_context().wrap_socket(sock, server_hostname=name)
    until(lambda: daemon.metric("blockd_hits_total", action="alert") == 1, "the visits are counted")


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10, source_address=(CLIENT, 0))

"""The page about orders of a running daemon: what it tells whom, from where, and what is in it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.daemon.authorities import THRESHOLD, Authorities
from tests.daemon.harness import Daemon, free_port, put, until, write_list
from tests.tls.certificates import certificate
from tests.upstream import UpstreamSimulator

CLIENT, STRANGER = "127.0.0.1", "127.1.0.1"
PUBLISHED, SECRET, LISTED, WATCHED = "listed.example", "hidden.example", "text.example", "watched.example"


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    made = Authorities(tmp_path / "authorities")
    made.order("court", "court-1", [PUBLISHED], lumen_id="51234567", reference="Letter 84")
    made.order("court", "secret-1", [SECRET], confidential=True)
    made.order("telecom", "watch-1", [WATCHED], action="monitor")
    made.publish()
    return made


@pytest.fixture
def daemon(tmp_path: Path, authorities: Authorities, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    write_list(tmp_path / "list", [LISTED])
    lists = {"name": "own", "type": "domains", "path": str(tmp_path / "list"), "priority": 50}
    running = Daemon(
        tmp_path / "daemon", authorities.feed(), lists, upstream=resolver.address,
        clients={"allow": ["127.0.0.0/16"]}, public={"url": "https://block.example/"},
        operator={"name": "Example Net", "contact": "help@isp.example"},
    )  # fmt: skip
    running.listen["public"] = {"http": [f"0.0.0.0:{free_port()}"]}
    running.start()
    try:
        until(running.is_ready, "it enforces")
        yield running
        running.stop()
    finally:
        running.destroy()


def get(daemon: Daemon, path: str, source: str = CLIENT, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    port = int(cast(dict[str, list[str]], daemon.listen["public"])["http"][0].rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(source, 0))
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def told(daemon: Daemon, path: str, source: str = CLIENT) -> dict[str, Any]:
    return dict(json.loads(get(daemon, path, source, Accept="application/json")[2]))


def history(daemon: Daemon) -> list[str]:
    return [turn["state"] for turn in told(daemon, "/orders/court-1").get("history", ())]


def test_an_orders_page_has_its_history_its_signatures_and_the_document_that_was_signed(
    authorities: Authorities, daemon: Daemon
) -> None:
    until(lambda: "signatures" in told(daemon, "/orders/court-1", STRANGER), "its dossier is there")
    order = told(daemon, "/orders/court/court-1", STRANGER)
    assert order["order"]["lumen_id"] == "51234567"
    assert [turn["state"] for turn in order["history"]] == ["in force"]
    files = {one["file"]: one for one in order["signatures"]["files"]}
    assert files.keys() >= {"1.root.json", "timestamp.json", "snapshot.json", "targets.json", "court.json"}
    assert files["court.json"]["threshold"] == THRESHOLD
    assert set(files["court.json"]["keys"]) <= set(authorities.keyids["court"])
    status, headers, document = get(daemon, order["document"]["url"], STRANGER)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert hashlib.sha256(document).hexdigest() == order["document"]["sha256"]
    assert any(path.read_bytes() == document for path in (authorities.out / "targets").rglob("*.json")), (
        "it is the file that the authority has published"
    )
    page = get(daemon, "/orders/court-1", STRANGER)[2].decode()
    for words in ("History at Example Net", files["court.json"]["keys"][0][:16], "/documents/court/court-1",
                  "lumendatabase.org/notices/51234567", order["document"]["sha256"], "Letter 84"):  # fmt: skip
        assert words in page
    assert PUBLISHED not in page
    authorities.lift("court", "court-1")
    authorities.publish()
    until(lambda: history(daemon) == ["in force", "lifted"], "its lifting is in its history")
    assert "platform has complied" in get(daemon, "/orders/court-1", Accept_Language="id")[2].decode()


def test_of_a_confidential_order_there_is_what_is_disclosed_and_never_its_document(daemon: Daemon) -> None:
    until(lambda: "signatures" in told(daemon, "/orders/secret-1", STRANGER), "its dossier is there")
    order = told(daemon, "/orders/court/secret-1", STRANGER)
    assert order["order"]["confidential"] is True
    assert "document" not in order
    assert "platform" not in order["order"]
    assert get(daemon, "/documents/court/secret-1")[0] == 404
    assert not any(
        b"hashed" in path.read_bytes() for path in (daemon.state_dir / "incidents").rglob("*") if path.is_file()
    )


def test_strangers_are_told_of_published_orders_alone_and_clients_what_dns_answers(daemon: Daemon) -> None:
    assert told(daemon, f"/?name=www.{PUBLISHED}", STRANGER)["order"]["called"] == "court/court-1"
    for name in (SECRET, LISTED, WATCHED, "open.example", "www." + SECRET):
        answer = told(daemon, f"/?name={name}", STRANGER)
        assert (answer["blocked"], answer["detail"]) == (None, "this page cannot tell")
        assert answer["name"] == name
        page = get(daemon, f"/?name={name}", STRANGER)[2].decode()
        assert "cannot tell" in page
        assert "not blocked here" not in page
    assert told(daemon, f"/?name={LISTED}")["blocked"] is True
    assert told(daemon, f"/?name={WATCHED}")["blocked"] is False
    hidden = told(daemon, f"/?name={SECRET}")
    assert (hidden["blocked"], hidden["order"]) == (True, {"called": "court/secret-1", "confidential": True})
    page = get(daemon, f"/?name={SECRET}")[2].decode()
    assert "/orders/court/secret-1" in page
    assert SECRET not in page
    assert "Sample Court" not in page


@pytest.mark.parametrize("path", ["/orders/none", "/orders/watch-1", "/documents/none", "/x", "/documents/../orders"])
def test_what_is_not_there_is_not_found(daemon: Daemon, path: str) -> None:
    for source in (CLIENT, STRANGER):
        status, headers, _ = get(daemon, path, source)
        assert (status, headers["X-Robots-Tag"]) == (404, "noindex")


def test_block_page_and_its_link_header_lead_to_the_incidents_page(daemon: Daemon) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.http_port, timeout=20)
    connection.request("GET", "/", headers={"Host": PUBLISHED})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    assert response.status == 451
    assert '<https://block.example/orders/court/court-1>; rel="describedby"' in response.headers["Link"]
    assert 'rel="blocked-by"' in response.headers["Link"]
    assert 'href="https://block.example/orders/court/court-1"' in body


def test_visits_are_counted_apart_and_nothing_is_kept_of_who_came(daemon: Daemon) -> None:
    before = daemon.metric("blockd_queries_total", transport="http")
    for _ in range(3):
        get(daemon, f"/?name={PUBLISHED}", STRANGER)
    until(lambda: daemon.metric("blockd_queries_total", transport="public") == 3, "they are counted")
    assert daemon.metric("blockd_queries_total", transport="http") == before
    assert STRANGER not in daemon.log
    for path in daemon.state_dir.rglob("*"):
        if path.is_file() and os.access(path, os.R_OK):
            assert STRANGER.encode() not in path.read_bytes()


def test_dossiers_are_made_anew_when_they_are_gone_and_removed_with_their_orders(daemon: Daemon) -> None:
    until(lambda: "signatures" in told(daemon, "/orders/court-1"), "its dossier is there")
    daemon.stop()
    folder = daemon.state_dir / "incidents"
    kept = sorted(path.relative_to(folder) for path in folder.rglob("*.*") if path.is_file())
    for path in folder.rglob("court-1.dossier"):
        path.write_bytes(b"damaged")
    (folder / "national" / "court" / "gone-1.dossier").write_text("{}")
    daemon.start()
    until(lambda: "document" in told(daemon, "/orders/court-1"), "it is there again")
    until(lambda: not (folder / "national" / "court" / "gone-1.dossier").exists(), "what is no order's is removed")
    assert sorted(path.relative_to(folder) for path in folder.rglob("*.*") if path.is_file()) == kept


def test_https_has_the_operators_certificate_of_today_and_the_sinkhole_stays_a_refusal(
    tmp_path: Path, daemon: Daemon
) -> None:
    daemon.stop()
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    first, second = certificate("block.example"), certificate("block.example")
    put(key, first[1])
    put(chain, first[0])
    port = free_port()
    daemon.settings["certificates"] = [{"chain": str(chain), "key": str(key)}]
    cast(dict[str, object], daemon.listen["public"])["https"] = [f"127.0.0.1:{port}"]
    daemon.start()
    until(daemon.is_ready, "it enforces")
    assert over_tls(port, first[0], "/orders/court-1")[0] == 200
    status, body = over_tls(port, first[0], f"/?name={LISTED}")
    assert (status, LISTED in body) == (200, True)
    put(key, second[1])
    put(chain, second[0])
    until(lambda: over_tls(port, second[0], "/")[0] == 200, "the new certificate is used")
    assert daemon.metric("blockd_stream_events_total", transport="public", event="handshake") >= 3
    with pytest.raises(ssl.SSLError):
        over_tls(daemon.tls_port, second[0], "/", name=PUBLISHED)


def over_tls(port: int, trusted: bytes, path: str, name: str = "block.example") -> tuple[int, str]:
    """Ask over HTTPS; raises OSError if the certificate is not the trusted one."""
    context = ssl.create_default_context(cadata=trusted.decode())
    plain = socket.create_connection(("127.0.0.1", port), 20)
    with plain, context.wrap_socket(plain, server_hostname=name) as secured:
        secured.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        response = http.client.HTTPResponse(secured)
        response.begin()
        return response.status, response.read().decode()

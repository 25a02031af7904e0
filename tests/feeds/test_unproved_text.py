"""What a source writes that nobody has signed: it is nowhere stored or shown but escaped and cut."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blockd.errors import FeedRefused
from blockd.feeds.fetched import Validators
from blockd.feeds.signed.repository import SignedRepository
from blockd.feeds.web import WebSource
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.reading import read_zone
from blockd.formats.text_format import TextFormat, read_list
from blockd.formats.text_formats import TEXT_FORMATS
from blockd.printable import MAX_UNPROVED
from tests.feeds.authority import Authority

WORD = "3vil"
HOSTILE = f"{WORD}\x1b[31m\x9b2J\r\u202e" * 10_000  # 110 kB
OCTETS = HOSTILE.replace("\r", "").encode()

RESPONSES = {
    "status line": b"HTTP/1.1 503 %b\r\nContent-Length: 0\r\n\r\n",
    "short status line": b"HTTP/1.1 200 %.300b\r\nContent-Length: 0\r\n\r\n",
    "no response": b"%b\r\n\r\n",
    "version": b"HTTP/%.300b 200 OK\r\n\r\n",
    "status": b"HTTP/1.1 %.300b OK\r\n\r\n",
    "header": b"HTTP/1.1 200 OK\r\nX-%.300b: a\r\nContent-Length: 0\r\n\r\n",
    "location": b"HTTP/1.1 302 Found\r\nLocation: gopher://h/%.3000b\r\nContent-Length: 0\r\n\r\n",
    "location's host": b"HTTP/1.1 302 Found\r\nLocation: http://[%.3000b]/\r\nContent-Length: 0\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %.300b\r\n\r\n",
    "encoding": b"HTTP/1.1 200 OK\r\nContent-Encoding: %.3000b\r\nContent-Length: 0\r\n\r\n",
    "transfer encoding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %.3000b\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%.3000b\r\n",
    "validators": b"HTTP/1.1 200 OK\r\nETag: %.3000b\r\nLast-Modified: \x1b[2J\r\nContent-Length: 2\r\n\r\nx\n",
    "retry": b"HTTP/1.1 429 Slow\r\nRetry-After: %.3000b\r\nContent-Length: 0\r\n\r\n",
    "body": b"HTTP/1.1 200 OK\r\n\r\n%b",
}


@contextlib.contextmanager
def answering(response: bytes) -> Iterator[str]:
    """Yield the URL of a server that gives every client these octets."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    client.settimeout(10)
                    with client, contextlib.suppress(OSError):
                        client.recv(65_536)
                        client.sendall(response)
                        client.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def assert_harmless(said: str) -> None:
    assert said.isprintable(), ascii(said)
    assert said.count(WORD) <= MAX_UNPROVED // len(WORD), said


def assert_report_is_harmless(report: RejectReport) -> None:
    for line in report.text():
        assert_harmless(line)
    assert_harmless(shown(report.warnings))
    for samples in report.samples.values():
        for sample in samples:
            assert_harmless(sample.text)


def shown(content: object) -> str:
    """Return all that an object holds, as it is stored."""
    return json.dumps(content, ensure_ascii=False, default=lambda it: it.hex() if isinstance(it, bytes) else str(it))


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_of_a_server_of_a_list(tmp_path: Path, response: bytes) -> None:
    async def fetch(url: str) -> str:
        try:
            fetched = await WebSource(url, 1 << 20).fetch(tmp_path, Validators())
        except FeedRefused as error:
            return str(error)
        return shown(dataclasses.asdict(fetched)) if fetched else ""

    with answering(response % OCTETS) as url:
        assert_harmless(asyncio.run(fetch(url)))


@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_of_a_mirror_of_a_signed_repository(tmp_path: Path, response: bytes) -> None:
    authority = Authority(tmp_path)
    with answering(response % OCTETS) as url, pytest.raises(FeedRefused) as refused:
        SignedRepository(url, authority.root, tmp_path / "state").fetch()
    assert_harmless(str(refused.value))


@pytest.mark.parametrize("end", [b"", b"\n", b"\nfree.example\n"])
@pytest.mark.parametrize("start", [b"", b"0.0.0.0 ", b"||", b"@@||", b"a.example "])
@pytest.mark.parametrize("form", TEXT_FORMATS, ids=lambda form: form.name)
def test_of_the_lines_of_a_list(tmp_path: Path, form: TextFormat, start: bytes, end: bytes) -> None:
    path, report = tmp_path / "list", RejectReport()
    for line in (OCTETS, OCTETS[:250], OCTETS[:40]):
        path.write_bytes(start + line + end)
        try:
            for _ in read_list(form, path, report, 1 << 20):
                pass
        except FeedRefused as error:
            assert_harmless(str(error))
    assert_report_is_harmless(report)


ZONES = (
    b"@ SOA a. b. 1 1 1 1 1\n%()b\n",
    b"@ SOA a. b. 1 1 1 1 1\nx CNAME %()b\n",
    b'@ SOA a. b. 1 1 1 1 1\nx %().40b CNAME .\nx TXT "%().100b"\n',
    b"$ORIGIN %()b\n",
    b"$%()b x\n",
    b"@ SOA a. b. %().20b 1 1 1 1\n",
    b"%().60b. SOA a. b. 1 1 1 1 1\nx CNAME .\n",
)


@pytest.mark.parametrize("zone", ZONES)
def test_of_a_policy_zone(tmp_path: Path, zone: bytes) -> None:
    path, report = tmp_path / "zone", RejectReport()
    path.write_bytes(zone % {b"": OCTETS})
    try:
        read_zone(path, report, 1 << 20)
    except FeedRefused as error:
        assert_harmless(str(error))
    assert_report_is_harmless(report)

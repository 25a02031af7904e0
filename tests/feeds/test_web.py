from __future__ import annotations

import asyncio
import datetime
import gzip
import hashlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.web import MAX_REDIRECTS, WebSource

BODY = b"a.example\nb.example\n"
NONE = Validators()


@dataclass
class Visitor:
    """One connection to the server: its request, and both its directions."""

    head: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Answer = Callable[[Visitor], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """An HTTP server that answers as `answer` says, well or badly."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await answer(Visitor(head.decode("ascii"), reader, writer))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def saying(status: str, *headers: str, body: bytes = b"", length: int | None = None) -> Answer:
    async def answer(visitor: Visitor) -> None:
        lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}", "", "")
        visitor.writer.write("\r\n".join(lines).encode() + body)

    return answer


def fetch(
    answer: Answer, folder: Path, previous: Validators = NONE, max_size: int = 1_000_000, stall: float = 10
) -> Fetched | None:
    async def run() -> Fetched | None:
        async with server(answer) as url:
            return await WebSource(f"{url}/list", max_size, total=10, stall=stall).fetch(folder, previous)

    return asyncio.run(run())


def refusal(answer: Answer, folder: Path, max_size: int = 1_000_000, stall: float = 10) -> FeedRefused:
    (folder / "incoming").write_bytes(b"left over")
    with pytest.raises(FeedRefused) as refused:
        fetch(answer, folder, max_size=max_size, stall=stall)
    assert list(folder.iterdir()) == []
    assert "nothing" in str(refused.value)
    return refused.value


def test_a_list_is_fetched_with_its_digest_time_and_validators(tmp_path: Path) -> None:
    stamp = "Fri, 14 Jul 2017 04:30:00 GMT"
    fetched = fetch(saying("200 OK", 'ETag: "v1"', f"Last-Modified: {stamp}", body=BODY), tmp_path)
    assert fetched is not None
    assert fetched.path == tmp_path / "incoming"
    assert fetched.path.read_bytes() == BODY
    assert fetched.digest == hashlib.sha256(BODY).hexdigest()
    assert fetched.source_time == 1_500_006_600
    assert fetched.validators == Validators('"v1"', stamp)


def test_an_unchanged_list_is_not_sent_again(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(visitor: Visitor) -> None:
        asked.append(visitor.head)
        visitor.writer.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")

    assert fetch(answer, tmp_path, Validators('"v1"', "Fri, 14 Jul 2017 04:30:00 GMT")) is None
    assert 'If-None-Match: "v1"\r\n' in asked[0]
    assert "If-Modified-Since: Fri, 14 Jul 2017 04:30:00 GMT\r\n" in asked[0]
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_says_unchanged_unasked_is_not_believed(tmp_path: Path) -> None:
    assert refusal(saying("304 Not Modified"), tmp_path).reason == "unreachable"


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_a_list_that_is_gone_is_missing(tmp_path: Path, status: str) -> None:
    assert refusal(saying(status, body=b"<html>gone"), tmp_path).reason == "missing"


@pytest.mark.parametrize("status", ["204 No Content", "206 Partial Content", "401 Unauthorized", "503 Busy"])
def test_any_other_status_is_unreachable(tmp_path: Path, status: str) -> None:
    refused = refusal(saying(status), tmp_path)
    assert isinstance(refused, FeedUnreachable)
    assert status[:3] in str(refused)


def test_a_body_shorter_than_announced_is_cut(tmp_path: Path) -> None:
    assert refusal(saying("200 OK", body=BODY, length=len(BODY) + 1), tmp_path).reason == "cut"


def test_a_chunked_body_without_its_last_chunk_is_cut(tmp_path: Path) -> None:
    async def answer(visitor: Visitor) -> None:
        visitor.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\na.example\n\r\n")

    assert refusal(answer, tmp_path).reason == "cut"


def test_a_body_without_end_is_too_large(tmp_path: Path) -> None:
    async def answer(visitor: Visitor) -> None:
        visitor.writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            visitor.writer.write(b"a.example\n" * 1000)
            await visitor.writer.drain()

    assert refusal(answer, tmp_path).reason == "too large"


def test_a_server_that_stalls_is_given_up(tmp_path: Path) -> None:
    async def answer(visitor: Visitor) -> None:
        visitor.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na.example\n")
        await visitor.writer.drain()
        await visitor.reader.read()  # ends when the client has had enough

    refused = refusal(answer, tmp_path, stall=0.2)
    assert isinstance(refused, FeedUnreachable)
    assert "sent nothing for 0.2 seconds" in str(refused)


def test_a_server_that_drips_is_given_up_in_total(tmp_path: Path) -> None:
    async def answer(visitor: Visitor) -> None:
        visitor.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not visitor.writer.transport.is_closing():
            visitor.writer.write(b"\n")
            await visitor.writer.drain()
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with server(answer) as url:
            await WebSource(url, 1_000_000, total=0.3, stall=10).fetch(tmp_path, Validators())

    with pytest.raises(FeedUnreachable, match=r"longer than 0\.3 seconds"):
        asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_unreachable_and_no_password_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        async with server(saying("200 OK")) as url:
            pass
        await WebSource(url.replace("//", "//name:secret@"), 1000, total=10, stall=10).fetch(tmp_path, Validators())

    with pytest.raises(FeedUnreachable, match="refuses the connection") as refused:
        asyncio.run(run())
    assert "secret" not in str(refused.value)


def test_what_is_no_http_is_unreachable(tmp_path: Path) -> None:
    async def answer(visitor: Visitor) -> None:
        visitor.writer.write(b"SSH-2.0-list\r\n")

    assert refusal(answer, tmp_path).reason == "unreachable"


def test_a_packed_body_is_unpacked(tmp_path: Path) -> None:
    fetched = fetch(saying("200 OK", "Content-Encoding: gzip", body=gzip.compress(BODY, mtime=0)), tmp_path)
    assert fetched is not None
    assert fetched.path.read_bytes() == BODY


def test_an_archive_that_is_no_encoding_is_left_packed(tmp_path: Path) -> None:
    packed = gzip.compress(BODY, mtime=0)
    fetched = fetch(saying("200 OK", "Content-Type: application/gzip", body=packed), tmp_path)
    assert fetched is not None
    assert fetched.path.read_bytes() == packed


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("gzip", gzip.compress(bytes(2_000_000), mtime=0), "too large"),
        ("gzip", gzip.compress(BODY, mtime=0)[:-4], "cut"),
        ("gzip", BODY, "format"),
        ("br", BODY, "format"),
    ],
)
def test_a_bad_encoding_is_refused(tmp_path: Path, encoding: str, body: bytes, reason: str) -> None:
    assert refusal(saying("200 OK", f"Content-Encoding: {encoding}", body=body), tmp_path).reason == reason


def test_redirects_are_followed(tmp_path: Path) -> None:
    async def answer(visitor: Visitor) -> None:
        count = int(visitor.head.split()[1].removeprefix("/list") or 0)
        if count < MAX_REDIRECTS:
            await saying("302 Found", f"Location: /list{count + 1}")(visitor)
        else:
            await saying("200 OK", body=BODY)(visitor)

    fetched = fetch(answer, tmp_path)
    assert fetched is not None
    assert fetched.path.read_bytes() == BODY


@pytest.mark.parametrize("location", ["/list", "ftp://127.0.0.1/list", "file:///etc/hosts", "http://[", "//:0/"])
def test_redirects_that_lead_nowhere_are_refused(tmp_path: Path, location: str) -> None:
    assert refusal(saying("302 Found", f"Location: {location}"), tmp_path).reason == "unreachable"


def _tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's side of a certificate for 127.0.0.1."""
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "list server")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, None)
        .public_bytes(Encoding.PEM)
    )
    path = folder / "server.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    return serving, ssl.create_default_context(cadata=certificate.decode("ascii"))


def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    folder.mkdir()
    serving, asking = _tls(tmp_path)

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=asking))

    async def run() -> None:
        async with (
            server(saying("200 OK", body=BODY)) as plain,
            server(saying("302 Found", f"Location: {plain}/list"), serving) as safe,
        ):
            await WebSource(safe, 1000, session, total=10, stall=10).fetch(folder, NONE)

    with pytest.raises(FeedUnreachable, match="redirects to http://"):
        asyncio.run(run())
    assert list(folder.iterdir()) == []


def test_a_certificate_of_nobody_known_is_unreachable(tmp_path: Path) -> None:
    serving, _ = _tls(tmp_path)

    async def run() -> None:
        async with server(saying("200 OK", body=BODY), serving) as safe:
            await WebSource(safe, 1000, total=10, stall=10).fetch(tmp_path, NONE)

    with pytest.raises(FeedUnreachable, match="certificate"):
        asyncio.run(run())


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused) as refused:
        fetch(saying("200 OK", body=BODY), tmp_path / "nowhere")
    assert refused.value.reason == "fault"


def test_validators_survive_json_and_nothing_strange_is_sent_back() -> None:
    validators = Validators('"v1"', "Fri, 14 Jul 2017 04:30:00 GMT")
    assert Validators.from_json(validators.to_json()) == validators
    assert Validators.from_json({"etag": 'x"\r\nEvil: 1', "last_modified": 5}) == Validators()
    assert Validators.from_headers({"ETag": "x" * 5000}) == Validators()

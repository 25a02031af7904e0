from __future__ import annotations

import asyncio
import datetime
import gzip
import hashlib
import ipaddress
import lzma
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.fetched import Fetched, Validators
from blockd.feeds.http.answers import MAX_RETRY_AFTER, TOO_OFTEN, place_of, retry_after
from blockd.feeds.web import MAX_REDIRECTS, WebSource
from tests.feeds.http.server import Answer, Visitor, saying, server

BODY = b"a.example\nb.example\n"
NONE = Validators()


def fetch(
    answer: Answer,
    folder: Path,
    previous: Validators = NONE,
    max_size: int = 1_000_000,
    stall: float = 10,
    *,
    as_published: bool = False,
) -> Fetched | None:
    """Fetch from a server; `previous` are validators of the same URL."""

    async def run() -> Fetched | None:
        async with server(answer) as url:
            url = f"{url}/list"
            known = replace(previous, source=place_of(url, url)) if previous != NONE else NONE
            source = WebSource(url, max_size, total=10, stall=stall, as_published=as_published)
            return await source.fetch(folder, known)

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
    assert (fetched.validators.etag, fetched.validators.last_modified) == ('"v1"', stamp)
    assert fetched.validators.source


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


def _tls(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server's side of a certificate for 127.0.0.1, and the certificate in PEM."""
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
    return serving, certificate.decode("ascii")


def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    folder.mkdir()
    serving, certificate = _tls(tmp_path)

    async def run() -> None:
        async with (
            server(saying("200 OK", body=BODY)) as plain,
            server(saying("302 Found", f"Location: {plain}/list"), serving) as safe,
        ):
            await WebSource(safe, 1000, total=10, stall=10, trusted=certificate).fetch(folder, NONE)

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
    validators = Validators('"v1"', "Fri, 14 Jul 2017 04:30:00 GMT", "0123")
    assert Validators.from_json(validators.to_json()) == validators
    assert Validators.from_json({"etag": 'x"\r\nEvil: 1', "last_modified": 5}) == Validators()
    assert Validators.from_headers({"ETag": "x" * 5000}, "0123") == Validators(source="0123")


VARIANTS = Validators('"v1"', "Fri, 14 Jul 2017 04:30:00 GMT")


@pytest.mark.parametrize(
    "headers",
    [('ETag: "v2"',), ('ETag: W/"v2"', "Last-Modified: Fri, 14 Jul 2017 04:30:00 GMT")],
)
def test_a_server_that_says_unchanged_of_another_version_is_asked_for_the_whole(
    tmp_path: Path, headers: tuple[str, ...]
) -> None:
    asked: list[str] = []

    async def answer(visitor: Visitor) -> None:
        asked.append(visitor.head)
        if "If-None-Match" in visitor.head:
            await saying("304 Not Modified", *headers)(visitor)
        else:
            await saying("200 OK", 'ETag: "v2"', body=BODY)(visitor)

    fetched = fetch(answer, tmp_path, VARIANTS)
    assert fetched is not None
    assert fetched.validators.etag == '"v2"'
    assert len(asked) == 2
    assert "If-" not in asked[1]


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', '"v1-gzip"', '"v1;gzip"'])
def test_a_version_is_the_same_however_its_mark_is_written(tmp_path: Path, etag: str) -> None:
    assert fetch(saying("304 Not Modified", f"ETag: {etag}"), tmp_path, VARIANTS) is None


def test_unchanged_of_another_date_is_not_believed(tmp_path: Path) -> None:
    async def answer(visitor: Visitor) -> None:
        if "If-Modified-Since" in visitor.head:
            await saying("304 Not Modified", "Last-Modified: Sat, 15 Jul 2017 04:30:00 GMT")(visitor)
        else:
            await saying("200 OK", body=BODY)(visitor)

    assert fetch(answer, tmp_path, replace(VARIANTS, etag="")) is not None


def test_unchanged_again_and_again_is_named(tmp_path: Path) -> None:
    with pytest.raises(FeedUnreachable, match=r"nothing has changed \(304\), though it was asked for the whole"):
        fetch(saying("304 Not Modified", 'ETag: "v2"'), tmp_path, VARIANTS)


def test_another_url_is_not_sent_the_validators_of_the_former(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(visitor: Visitor) -> None:
        asked.append(visitor.head)
        await saying("200 OK", 'ETag: "v1"', body=BODY)(visitor)

    async def run() -> None:
        async with server(answer) as one, server(answer) as two:
            fetched = await WebSource(f"{one}/list", 1000).fetch(tmp_path, NONE)
            assert fetched is not None
            for url in (f"{two}/list", f"{one}/other", f"{one}/list?all", f"{one}/list"):
                await WebSource(url, 1000).fetch(tmp_path, fetched.validators)

    asyncio.run(run())
    assert ["If-None-Match" in head for head in asked] == [False, False, False, False, True]


def test_validators_are_sent_to_where_a_redirect_led_and_to_no_other_place(tmp_path: Path) -> None:
    asked: list[tuple[str, bool]] = []
    target = "/a?signed=1"

    async def answer(visitor: Visitor) -> None:
        path = visitor.head.split()[1]
        asked.append((path, "If-None-Match" in visitor.head))
        if path == "/list":
            await saying("302 Found", f"Location: {target}")(visitor)
        else:
            await saying("200 OK", 'ETag: "v1"', body=BODY)(visitor)

    async def run() -> None:
        nonlocal target
        async with server(answer) as url:
            source = WebSource(f"{url}/list", 1000)
            fetched = await source.fetch(tmp_path, NONE)
            assert fetched is not None
            for place in ("/a?signed=2", "/b"):
                target = place
                await source.fetch(tmp_path, fetched.validators)

    asyncio.run(run())
    assert asked[::2] == [("/list", False)] * 3
    assert asked[1::2] == [("/a?signed=1", False), ("/a?signed=2", True), ("/b", False)]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("204 No Content", "without any content"),
        ("206 Partial Content", "a part of the list"),
        ("304 Not Modified", "nothing has changed"),
        ("300 Multiple Choices", "with 300, not with the list"),
        ("302 Found", "answers 302, and does not say where it redirects to"),
        ("407 Proxy Authentication Required", "the proxy does not let this machine through"),
        ("429 Too Many Requests", "asked too often"),
        ("503 Busy", "an error of its own"),
    ],
)
def test_each_answer_has_a_sentence_of_its_own(tmp_path: Path, status: str, words: str) -> None:
    assert words in str(refusal(saying(status), tmp_path))


def test_a_part_that_is_sent_as_the_whole_is_refused(tmp_path: Path) -> None:
    refused = refusal(saying("200 OK", "Content-Range: bytes 0-19/40", body=BODY), tmp_path)
    assert "a part of the list (Content-Range)" in str(refused)


def test_redirects_in_a_circle_are_named(tmp_path: Path) -> None:
    assert "in a circle" in str(refusal(saying("302 Found", "Location: /list"), tmp_path))


@pytest.mark.parametrize("coding", ["", "identity", "none", "aws-chunked", "utf-8", "identity, aws-chunked"])
def test_words_that_encode_nothing_are_passed_over(tmp_path: Path, coding: str) -> None:
    fetched = fetch(saying("200 OK", f"Content-Encoding: {coding}", body=BODY), tmp_path)
    assert fetched is not None
    assert fetched.path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("identity, gzip", gzip.compress(BODY, mtime=0)),
        ("GZIP", gzip.compress(BODY, mtime=0)),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY, mtime=0), mtime=0)),
        ("xz", lzma.compress(BODY)),
        ("xz, gzip", gzip.compress(lzma.compress(BODY), mtime=0)),
    ],
)
def test_codings_are_undone_from_the_last_to_the_first(tmp_path: Path, coding: str, body: bytes) -> None:
    fetched = fetch(saying("200 OK", f"Content-Encoding: {coding}", body=body), tmp_path)
    assert fetched is not None
    assert fetched.path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("coding", "words"),
    [
        ("br", "is sent packed as 'br'"),
        ("gzip, br", "is sent packed as 'br'"),
        ("deflate", "is sent packed as 'deflate'"),
        ("gzip, gzip, gzip", "3 times"),
        ("\x1b[31mred", "is sent packed in a way"),
    ],
)
def test_a_coding_that_is_not_read_is_named(tmp_path: Path, coding: str, words: str) -> None:
    async def answer(visitor: Visitor) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(BODY)}\r\n\r\n"
        visitor.writer.write(head.encode() + BODY)

    refused = refusal(answer, tmp_path)
    assert words in str(refused) or refused.reason == "unreachable"  # the library refuses escapes in headers itself


OPEN = b"a.example\nb.example"


def to_the_end(body: bytes) -> Answer:
    async def answer(visitor: Visitor) -> None:
        visitor.writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)

    return answer


def test_a_last_line_without_a_line_feed_is_taken_if_the_body_is_proved_whole(tmp_path: Path) -> None:
    async def chunked(visitor: Visitor) -> None:
        visitor.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Expires\r\n\r\n")
        visitor.writer.write(b"%x\r\n%s\r\n0\r\nExpires: never\r\n\r\n" % (len(OPEN), OPEN))

    async def packed(visitor: Visitor) -> None:
        visitor.writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n")
        visitor.writer.write(gzip.compress(OPEN, mtime=0))

    for answer in (saying("200 OK", body=OPEN), chunked, packed):
        fetched = fetch(answer, tmp_path)
        assert fetched is not None
        assert fetched.path.read_bytes() == OPEN
    archive = gzip.compress(OPEN, mtime=0)
    fetched = fetch(to_the_end(archive), tmp_path)  # its check sum is compared when it is read
    assert fetched is not None
    assert fetched.path.read_bytes() == archive


def test_a_body_that_ends_with_the_connection_in_a_line_is_cut(tmp_path: Path) -> None:
    refused = refusal(to_the_end(OPEN), tmp_path)
    assert refused.reason == "cut"
    assert "its server did not say how long it is" in str(refused)
    assert fetch(to_the_end(BODY), tmp_path) is not None


def test_what_a_signature_proves_may_end_with_the_connection(tmp_path: Path) -> None:
    assert fetch(to_the_end(OPEN), tmp_path, as_published=True) is not None


def test_a_list_that_is_announced_as_too_large_is_not_read(tmp_path: Path) -> None:
    async def answer(visitor: Visitor) -> None:
        visitor.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n")
        await visitor.writer.drain()
        await visitor.reader.read()  # ends when the client has had enough

    assert refusal(answer, tmp_path).reason == "too large"


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        ("503 Busy", "Retry-After: 120", 120.0),
        ("429 Too Many Requests", "Retry-After: 0", 0.0),
        ("429 Too Many Requests", "Retry-After: soon", TOO_OFTEN),
        ("429 Too Many Requests", "X: y", TOO_OFTEN),
        ("503 Busy", "Retry-After: 99999999", MAX_RETRY_AFTER),
        ("503 Busy", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("503 Busy", "Retry-After: Fri, 14 Jul 2017 04:30:00 GMT", 0.0),
        ("503 Busy", "Retry-After: -5", None),
        ("503 Busy", f"Retry-After: {'9' * 5000}", MAX_RETRY_AFTER),
        ("500 Broken", "Retry-After: 120", None),
    ],
)
def test_when_a_server_wants_to_be_asked_again_is_known(
    tmp_path: Path, status: str, header: str, seconds: float | None
) -> None:
    refused = refusal(saying(status, header), tmp_path)
    assert isinstance(refused, FeedUnreachable)
    assert refused.retry_after == seconds


def test_a_date_to_retry_after_is_counted_from_now() -> None:
    headers = {"Retry-After": "Fri, 14 Jul 2017 04:30:00 GMT"}
    assert retry_after(503, headers, now=1_500_006_000.0) == 600.0
    assert retry_after(503, {"Retry-After": "9" * 1000}, now=0.0) == 86_400.0

"""What is said of a server that does not give a file: own words, never a library's or a server's."""

from __future__ import annotations

import asyncio
import errno
import http.client
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest

from blockd.errors import FeedRefused, cause_of
from blockd.feeds.fetched import Validators
from blockd.feeds.http_causes import http_cause
from blockd.feeds.web import WebSource
from blockd.printable import MAX_SENTENCE
from blockd.settings import shown_place

CERTIFICATE = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
CERTIFICATE.verify_code = 10


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "refuses the connection"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "ended the connection"),
        (socket.gaierror(-2, "Name or service not known"), "has a host name that cannot be resolved"),
        (OSError(errno.EHOSTUNREACH, "x"), "cannot be reached: there is no route to it"),
        (TimeoutError("x"), "does not answer in time"),
        (CERTIFICATE, "has a certificate that is not accepted: it has expired"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "cannot be connected to by TLS"),
        (aiohttp.ServerDisconnectedError(), "ended the connection without an answer"),
        (http.client.BadStatusLine("\x1b[2J"), "sends what is not an HTTP response"),
        (http.client.RemoteDisconnected("x"), "ended the connection without an answer"),
        (ValueError("x"), "has an address that cannot be used"),
        (OSError("something"), "cannot be fetched: the connection failed"),
    ],
)
def test_each_kind_of_failure_has_its_own_words(error: Exception, words: str) -> None:
    assert http_cause(error).startswith(words)
    wrapped = aiohttp.ClientError("library's text")
    wrapped.__cause__ = error
    assert http_cause(wrapped).startswith(words)


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (b"\x1b[2J" + b"x" * 100 + b"\r\n\r\n", "sends what is not an HTTP response"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "sends what is not an HTTP response"),
        (b"", "ended the connection without an answer"),
        (b"HTTP/1.1 503 \x1b[31mred\r\nContent-Length: 0\r\n\r\n", "answers with an error of its own (503)"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "answers that this machine may not fetch it (403)"),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n", "redirects to ftp://x/"),
    ],
)
def test_a_refusal_names_the_url_without_its_secrets_and_nothing_of_a_library(
    tmp_path: Path, response: bytes, words: str
) -> None:
    async def test() -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(FeedRefused) as caught:
                await WebSource(f"http://127.0.0.1:{port}/list?token=secret#part", 1000).fetch(tmp_path, Validators())
            return str(caught.value).replace(str(port), "PORT")

    said = asyncio.run(test())
    assert said.startswith(f"http://127.0.0.1:PORT/list?… {words}")
    assert said.isprintable()
    assert not any(text in said for text in ("secret", "message=", "aiohttp", "Errno", "Error"))


def test_places_are_shown_without_secrets() -> None:
    assert shown_place("https://user:pass@lists.example:8443/a/b?key=1#c") == "https://lists.example:8443/a/b?…"
    assert shown_place("/srv/list?x") == "/srv/list?x"


def test_a_refusal_is_one_bounded_line_whatever_it_is_made_of() -> None:
    said = str(FeedRefused("format", "a\nb\x1b[2J\u202e" + "x" * 5_000))
    assert said.startswith("a b\\x1b[2J\\u202exxx")
    assert (len(said), said[-1], said.isprintable()) == (MAX_SENTENCE, "…", True)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/secret/path"), "permission denied"),
        (KeyError("orders"), "'orders' is missing"),
        (RecursionError(), "it is nested too deeply"),
        (TypeError("unsupported operand"), "it has another structure than expected"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "it is not valid UTF-8"),
        (ValueError("expected a list"), "expected a list"),
    ],
)
def test_causes_are_words_and_no_text_of_a_library(error: Exception, words: str) -> None:
    assert cause_of(error) == words

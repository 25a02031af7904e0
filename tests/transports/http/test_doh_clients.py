"""DNS over HTTPS as real clients speak it."""

from __future__ import annotations

import re
from pathlib import Path

import dns.message
import pytest

from blockd.metrics import Transport
from blockd.transports.http.doh import CONTENT_TYPE
from tests.resolver.rig import Rig, question
from tests.transports.connections import LISTED, Serving
from tests.transports.http.clients import LOOPBACK, NAME, PAIR, events, over_https
from tests.transports.loops import Run, until
from tests.transports.test_dot_clients import output, program
from tests.upstream import UpstreamSimulator

SINKHOLE = "192.0.2.80"  # of the rig
REQUESTS = 5000
HTTP_VERSIONS = ["--http1.1", "--http2"]


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The file with what clients trust."""
    path = tmp_path / "authority.pem"
    path.write_bytes(PAIR.chain)
    return path


def url(served: Serving, path: str = "/dns-query", scheme: str = "https", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{served.address[1]}{path}"


def curl(authority: Path, *arguments: str) -> list[str]:
    return [program("curl", "curl"), "-sS", "--max-time", "30", "--cacert", str(authority), *arguments]


def test_kdig_asks_by_get_and_post(rig: Rig, run: Run, authority: Path) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            host, port = served.address
            asked = [program("kdig", "knot-dnsutils"), f"@{host}", "-p", str(port), "+retry=0", "+time=30"]
            asked += [f"+tls-ca={authority}", f"+tls-hostname={NAME}", f"+https={NAME}/dns-query"]
            for method in ("+https", "+https-get"):
                text = await output(*asked, method, "+padding", "+dnssec", LISTED)
                assert SINKHOLE in text
                assert "status: 200" in text

    run(main())
    assert rig.counters.queries()[Transport.DOH] == 2


@pytest.mark.parametrize("method", ["+https", "+https-get", "+http-plain", "+http-plain-get"])
def test_dig_asks_with_and_without_tls(rig: Rig, run: Run, method: str) -> None:
    async def main() -> None:
        async with over_https(rig, plain_from=LOOPBACK) as served:
            host, port = served.address
            text = await output(program("dig", "bind9-dnsutils"), f"@{host}", "-p", str(port), method, LISTED)
            assert SINKHOLE in text
            assert "(HTTP" in text

    run(main())


@pytest.mark.parametrize("version", HTTP_VERSIONS)
def test_curl_looks_names_up(
    rig: Rig, upstream: UpstreamSimulator, run: Run, authority: Path, tmp_path: Path, version: str
) -> None:
    """The page that it loads is at the server as well: a 404."""
    upstream.plan("www.example", "A", "www.example. 300 IN A 127.0.0.1")

    async def main() -> None:
        async with over_https(rig, plain_from=LOOPBACK) as served:
            command = curl(authority, version, "--doh-url", url(served), "-o", str(tmp_path / "page"))
            command += ["-w", "%{remote_ip} %{http_code}", url(served, "/", "http", "www.example")]
            assert await output(*command) == "127.0.0.1 404"
            assert b"/dns-query" in (tmp_path / "page").read_bytes()

    run(main())
    assert rig.counters.queries()[Transport.DOH] >= 2, "A and AAAA"


@pytest.mark.parametrize("version", HTTP_VERSIONS)
def test_curl_posts_a_message(rig: Rig, run: Run, authority: Path, tmp_path: Path, version: str) -> None:
    message, answer = tmp_path / "message", tmp_path / "answer"
    message.write_bytes(question(LISTED).to_wire())

    async def main() -> None:
        async with over_https(rig) as served:
            command = curl(authority, version, "-H", f"Content-Type: {CONTENT_TYPE.decode()}", "-o", str(answer))
            command += ["--data-binary", f"@{message}", "-D", "-", url(served)]
            text = await output(*command)
            assert re.match(r"HTTP/(1\.1|2) 200", text)
            assert "cache-control: max-age=60" in text
            assert dns.message.from_wire(answer.read_bytes()).answer
            refused = await output(*command, "-X", "PUT")
            assert re.match(r"HTTP/(1\.1|2) 405", refused)
            assert "allow: GET, POST" in refused

    run(main())


def test_curl_sends_what_is_too_long_in_vain(rig: Rig, run: Run, authority: Path, tmp_path: Path) -> None:
    message = tmp_path / "message"

    async def main() -> None:
        async with over_https(rig) as served:
            for version, size in zip(HTTP_VERSIONS, (1 << 15, 1 << 20), strict=True):
                message.write_bytes(bytes(size))
                command = curl(authority, version, "-H", f"Content-Type: {CONTENT_TYPE.decode()}", "-o", "/dev/null")
                command += ["--data-binary", f"@{message}", "-w", "%{http_code}", url(served)]
                assert "413" in await output(*command)

    run(main())


def test_nghttp_speaks_http2_as_its_authors_do(rig: Rig, run: Run, tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_bytes(question(LISTED).to_wire())

    async def main() -> None:
        async with over_https(rig) as served:
            command = [program("nghttp", "nghttp2-client"), "-nvy", "-d", str(message)]
            command += ["-H", f"content-type: {CONTENT_TYPE.decode()}", url(served), url(served, "/elsewhere")]
            text = await output(*command)
            assert ":status: 200" in text
            assert ":status: 404" in text
            assert "ENHANCE_YOUR_CALM" not in text
            assert "PROTOCOL_ERROR" not in text

    run(main())


@pytest.mark.parametrize("arguments", [("-c", "1", "-m", "100"), ("-c", "20", "-m", "10"), ("-c", "10", "--h1")])
def test_h2load_loses_no_request(rig: Rig, run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    message = tmp_path / "message"
    message.write_bytes(question(LISTED).to_wire())

    async def main() -> None:
        async with over_https(rig) as served:
            command = [program("h2load", "nghttp2-client"), "-n", str(REQUESTS), *arguments, "-d", str(message)]
            command += ["-H", f"content-type: {CONTENT_TYPE.decode()}", url(served)]
            assert f"{REQUESTS} succeeded, 0 failed, 0 errored" in await output(*command)

    run(main())
    assert rig.counters.queries()[Transport.DOH] == REQUESTS
    assert events(rig)["stream"] == REQUESTS
    assert "flood" not in events(rig)


def test_dnsperf_gets_an_answer_to_every_question(rig: Rig, run: Run, tmp_path: Path) -> None:
    """One at a time: Debian's version does not notice the end of what it has read of several in one record."""
    asked = tmp_path / "asked"
    asked.write_text(f"{LISTED} A\n" * 20, encoding="utf-8")

    async def main() -> None:
        async with over_https(rig) as served:
            host, port = served.address
            command = [program("dnsperf", "dnsperf"), "-m", "doh", "-s", host, "-p", str(port), "-d", str(asked)]
            text = await output(*command, "-O", f"doh-uri={url(served)}", "-n", "1", "-q", "1", "-t", "30")
            assert re.search(r"Queries completed: +20 \(100", text)
            assert re.search(r"HTTP/2 return codes: +200: 20\b", text)

    run(main())


def test_clients_leave_nothing_behind(rig: Rig, run: Run, authority: Path) -> None:
    async def main() -> None:
        async with over_https(rig) as served:
            for version in HTTP_VERSIONS:
                await output(*curl(authority, version, "-o", "/dev/null", url(served, "/")))
            await until(lambda: not served.server.connections)

    run(main())
    assert events(rig)["stream"] == 2

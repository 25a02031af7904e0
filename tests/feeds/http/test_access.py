"""Secrets reach the feed's own server alone, and are shown nowhere; a proxy is used with and without a login."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.fetched import Validators
from blockd.feeds.http.access import Access
from blockd.feeds.http.connecting import NotReached, connected
from blockd.feeds.http.origin import Origin, origin_of
from blockd.feeds.http.reach import Reach
from blockd.feeds.http.secret_files import basic
from blockd.feeds.kinds import open_source
from blockd.feeds.signed import source
from blockd.feeds.signed.repository import SignedRepository
from blockd.feeds.web import WebSource
from blockd.settings import FEED_TYPES, Feed
from tests.feeds.authority import NOW, Authority
from tests.feeds.http.proxy import proxying
from tests.feeds.http.server import Answer, Visitor, saying, server
from tests.feeds.signed.test_over_http import serving

BODY = b"a.example\n"


def secret(folder: Path, text: str, name: str = "secret", mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def feed(url: str, **keys: Any) -> Feed:
    return FEED_TYPES["domains"].model_validate(
        {"name": "national", "type": "domains", "url": url, **{key: _plain(value) for key, value in keys.items()}}
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def recording(heads: list[str], answer: Answer) -> Answer:
    async def recorded(visitor: Visitor) -> None:
        heads.append(visitor.head)
        await answer(visitor)

    return recorded


def poll(one: Feed, folder: Path) -> bytes:
    fetched = asyncio.run(open_source(one, folder, Validators()).poll())
    return fetched.path.read_bytes() if fetched else b""


@pytest.mark.parametrize(
    ("key", "text", "line"),
    [
        ("token_file", "s3cr3t\n", "Authorization: Bearer s3cr3t"),
        ("login_file", "user:pass:word\n", f"Authorization: {basic(('user', 'pass:word'))}"),
        ("headers_file", "# of the ministry\nX-Api-Key: s3cr3t\nuser-agent: Me/1\n", "X-Api-Key: s3cr3t"),
    ],
)
def test_a_secret_is_sent_to_the_feeds_own_server_and_not_where_it_redirects_to(
    tmp_path: Path, key: str, text: str, line: str
) -> None:
    path = secret(tmp_path, text)
    heads: list[str] = []
    others: list[str] = []

    async def run() -> None:
        async with server(recording(others, saying("200 OK", body=BODY))) as other:

            async def answer(visitor: Visitor) -> None:
                target = "/next" if visitor.head.startswith("GET /list ") else f"{other}/list"
                await saying("302 Found", f"Location: {target}")(visitor)

            async with server(recording(heads, answer)) as url:
                one = feed(f"{url}/list", allow_private=True, **{key: path})
                assert await open_source(one, tmp_path / "feed", Validators()).poll() is not None

    asyncio.run(run())
    assert len(heads) == 2
    assert all(f"{line}\r\n" in head for head in heads)
    assert all(head.lower().count("user-agent:") == 1 for head in heads)
    [head] = others
    assert "Authorization" not in head
    assert "s3cr3t" not in head


def test_a_secret_is_read_anew_at_each_fetch(tmp_path: Path) -> None:
    path = secret(tmp_path, "one")
    heads: list[str] = []

    async def run() -> None:
        async with server(recording(heads, saying("200 OK", body=BODY))) as url:
            opened = open_source(feed(f"{url}/list", token_file=path), tmp_path / "feed", Validators())
            await opened.poll()
            path.write_text("two")
            await opened.poll()

    asyncio.run(run())
    assert ["Bearer one" in heads[0], "Bearer two" in heads[1]] == [True, True]


@pytest.mark.parametrize(
    ("key", "text", "mode", "words"),
    [
        ("token_file", "s3cr3t", 0o604, "accessible to every user"),
        ("token_file", "", 0o600, "is not one token"),
        ("token_file", "s3cr3t and more", 0o600, "is not one token"),
        ("token_file", "s3cr3t\r\nX: y", 0o600, "is not one token"),
        ("token_file", "s3cr3t" * 5000, 0o600, "larger than"),
        ("login_file", "s3cr3t", 0o600, "is not a user and a password"),
        ("headers_file", "X-Key s3cr3t", 0o600, "line 1 of"),
        ("headers_file", "Host: s3cr3t", 0o600, "sets a header that blockd sets itself"),
        ("headers_file", "if-none-match: s3cr3t", 0o600, "sets a header that blockd sets itself"),
        ("headers_file", "# s3cr3t", 0o600, "has 0 headers"),
        ("headers_file", "X-Key: s3cr3t\x0b1", 0o600, "line 1 of"),
        ("proxy_login_file", "s3cr3t", 0o600, "is not a user and a password"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_and_not_shown(
    tmp_path: Path, key: str, text: str, mode: int, words: str
) -> None:
    path = secret(tmp_path, text, mode=mode)
    more = {"proxy": "http://127.0.0.1:1"} if key == "proxy_login_file" else {}
    with pytest.raises(FeedRefused, match="Nothing is fetched") as refused:
        poll(feed("http://127.0.0.1:1/list", **{key: path}, **more), tmp_path / "feed")
    assert refused.value.reason == "key"
    assert words in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_a_secret_is_not_in_what_stands_for_it(tmp_path: Path) -> None:
    keys = {"token_file": secret(tmp_path, "s3cr3t"), "proxy": "http://127.0.0.1:1"}
    login = secret(tmp_path, "me:s3cr3t", "login")
    one = feed("http://127.0.0.1:1/list", **keys, proxy_login_file=login)
    assert "s3cr3t" not in repr(Access.of(one))  # type: ignore[arg-type]
    with pytest.raises(FeedUnreachable) as refused:
        poll(one, tmp_path / "feed")
    assert "s3cr3t" not in str(refused.value)
    assert all(b"s3cr3t" not in path.read_bytes() for path in (tmp_path / "feed").rglob("*") if path.is_file())


def test_a_list_comes_over_a_proxy_and_its_login_is_the_proxys_alone(tmp_path: Path) -> None:
    login = secret(tmp_path, "me:s3cr3t")
    heads: list[str] = []

    async def run(url: str, **keys: Any) -> bytes:
        async with server(recording(heads, saying("200 OK", body=BODY))) as own:
            one = feed(f"{own}/list", proxy=url, **keys)
            fetched = await open_source(one, tmp_path / "feed", Validators()).poll()
            return fetched.path.read_bytes() if fetched else b""

    with proxying(basic(("me", "s3cr3t"))) as proxy:
        assert asyncio.run(run(proxy.url, proxy_login_file=login)) == BODY
        assert proxy.asked[0].startswith("GET http://127.0.0.1:")
        assert "Proxy-Authorization" not in heads[0]
        with pytest.raises(FeedUnreachable, match="the proxy does not let this machine through"):
            asyncio.run(run(proxy.url))
    with pytest.raises(FeedUnreachable, match="refuses the connection"):
        asyncio.run(run(proxy.url))


def test_no_proxy_connects_to_private_addresses_for_a_public_url(tmp_path: Path) -> None:
    with proxying() as proxy:
        redirecting = saying("302 Found", "Location: http://localhost:1/metrics")

        async def run() -> None:
            async with server(redirecting) as own:
                await open_source(feed(f"{own}/list", proxy=proxy.url), tmp_path / "feed", Validators()).poll()

        with pytest.raises(FeedUnreachable, match="leads to localhost, which a public URL must not"):
            asyncio.run(run())
        assert len(proxy.asked) == 1


def certificate_for(folder: Path, name: str) -> tuple[Path, Path]:
    """Return a self-signed certificate for 127.0.0.1, and its key."""
    key = ed25519.Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), now - day, now + day
    )
    octets = made.add_extension(address, critical=False).sign(key, None).public_bytes(Encoding.PEM)
    (folder / f"{name}.pem").write_bytes(octets)
    secret(folder, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), f"{name}.key")
    return folder / f"{name}.pem", folder / f"{name}.key"


def test_a_client_certificate_is_shown_to_the_feeds_own_server_alone(tmp_path: Path) -> None:
    of_server, of_client = certificate_for(tmp_path, "server"), certificate_for(tmp_path, "client")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(*of_server)
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.load_verify_locations(of_client[0])
    shown: list[str] = []

    async def answer(visitor: Visitor) -> None:
        shown.append(str(visitor.writer.get_extra_info("peercert")["subject"]))
        await saying("200 OK", body=BODY)(visitor)

    async def run(access: Callable[[str], Access]) -> None:
        async with server(answer, serving) as url:
            trusted = of_server[0].read_text()
            await WebSource(url, 1000, lambda: access(url), trusted=trusted).fetch(tmp_path, Validators())

    keys = {"certificate": str(of_client[0]), "key": str(of_client[1])}
    asyncio.run(run(lambda url: Access.of(feed(url, client_certificate=keys))))  # type: ignore[arg-type]
    assert "client" in shown[0]
    with pytest.raises(FeedUnreachable):
        asyncio.run(run(Access.to))


def test_a_client_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    certificate, key = certificate_for(tmp_path, "client")
    _, other = certificate_for(tmp_path, "other")
    for shown, words in (((certificate, other), "goes with"), ((tmp_path / "none", key), "not there")):
        keys = dict(zip(("certificate", "key"), map(str, shown), strict=True))
        with pytest.raises(FeedRefused, match=words) as refused:
            poll(feed("https://127.0.0.1:1/list", client_certificate=keys), tmp_path / "feed")
        assert refused.value.reason == "key"
    key.chmod(0o644)
    with pytest.raises(FeedRefused, match="accessible to every user"):
        poll(feed("https://127.0.0.1:1/list", client_certificate={"certificate": str(certificate), "key": str(key)}),
             tmp_path / "feed")  # fmt: skip


def signed(url: str, root: Path, **keys: Any) -> Feed:
    return FEED_TYPES["signed"].model_validate(
        {"name": "ministry", "type": "signed", "url": url, "root": str(root), **{k: _plain(v) for k, v in keys.items()}}
    )


@pytest.fixture
def then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have signed repositories read at the time at which the test's authority signs."""
    monkeypatch.setattr(source, "SignedRepository", partial(SignedRepository, now=lambda: NOW.timestamp()))


@pytest.mark.usefixtures("then")
def test_a_signed_repository_comes_over_a_proxy(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    (tmp_path / "root.json").write_bytes(authority.root)
    login = secret(tmp_path, "me:s3cr3t")
    with serving(authority) as port, proxying(basic(("me", "s3cr3t"))) as proxy:
        one = signed(
            f"http://127.0.0.1:{port}", tmp_path / "root.json", proxy=proxy.url, proxy_login_file=login,
            token_file=secret(tmp_path, "t0ken", "token"),
        )  # fmt: skip
        assert poll(one, tmp_path / "feed")
        assert proxy.asked[0].startswith(f"GET http://127.0.0.1:{port}/metadata/")
        assert all("Authorization: Bearer t0ken" in head for head in proxy.heads)
        with pytest.raises(FeedUnreachable):
            poll(signed(f"http://127.0.0.1:{port}", tmp_path / "root.json", proxy=proxy.url), tmp_path / "other")


@pytest.mark.usefixtures("then")
def test_a_signed_repository_is_not_followed_to_private_addresses(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    (tmp_path / "root.json").write_bytes(authority.root)

    async def run(target: str, **keys: Any) -> None:
        async def answer(visitor: Visitor) -> None:
            await saying("302 Found", f"Location: {target}{visitor.head.split()[1]}")(visitor)

        async with server(answer) as url:
            assert await open_source(signed(url, tmp_path / "root.json", **keys), tmp_path / "f", Validators()).poll()

    with serving(authority) as port:
        target = f"http://127.0.0.1:{port}"
        with pytest.raises(FeedUnreachable, match=r"leads to 127\.0\.0\.1 \(loopback\)"):
            asyncio.run(run(target))
        asyncio.run(run(target, allow_private=True))


def test_https_goes_through_a_tunnel_with_the_servers_own_certificate(tmp_path: Path) -> None:
    certificate, key = certificate_for(tmp_path, "server")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    heads: list[str] = []

    async def run(proxy: str, login: tuple[str, str] | None) -> None:
        async with server(recording(heads, saying("200 OK", body=BODY)), tls) as url:
            access = Access(Reach.of([url]), origin_of(url), {"X-Key": "t0ken"}, proxy=proxy, proxy_login=login)
            source = WebSource(url, 1000, lambda: access, trusted=certificate.read_text())
            assert await source.fetch(tmp_path, Validators()) is not None
            await asyncio.to_thread(connect, access, origin_of(url))

    def connect(access: Access, origin: Origin) -> None:
        with connected(origin, access, 5.0) as tunnel:
            ssl.create_default_context(cafile=certificate).wrap_socket(tunnel, server_hostname=origin[1]).close()

    with proxying(basic(("me", "s3cr3t"))) as proxy:
        asyncio.run(run(proxy.url, ("me", "s3cr3t")))
        assert [line.split()[0] for line in proxy.asked] == ["CONNECT", "CONNECT"]
        assert all("t0ken" not in head for head in proxy.heads)
        assert "X-Key: t0ken" in heads[0]
        assert "s3cr3t" not in heads[0]
        with pytest.raises(FeedUnreachable, match="the proxy"):
            asyncio.run(run(proxy.url, None))
        with pytest.raises(NotReached, match=r"the proxy does not let this machine through \(407\)"):
            connected(("https", "127.0.0.1", 1), Access(Reach(is_open=True), proxy=proxy.url), 5.0)

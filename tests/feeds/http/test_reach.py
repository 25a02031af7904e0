"""From a public URL only public addresses are connected to; what the config names itself is the operator's choice."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from blockd.errors import FeedUnreachable
from blockd.feeds.fetched import Validators
from blockd.feeds.http import reach
from blockd.feeds.http.access import Access
from blockd.feeds.http.connecting import NotReached, connected
from blockd.feeds.http.reach import Reach, is_private_host, private_use
from blockd.feeds.web import WebSource
from tests.feeds.http.server import saying, server

BODY = b"a.example\n"


@pytest.mark.parametrize(
    ("address", "use"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.1", "private use"),
        ("192.168.1.1", "private use"),
        ("100.64.0.1", "shared address space"),
        ("169.254.169.254", "link local"),
        ("fe80::1%lo", "link local"),
        ("fd00::1", "unique local"),
        ("0.0.0.0", "this network"),  # noqa: S104 - Linux connects to this machine
        ("::", "unspecified"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::10.0.0.1", "private use"),
        ("2002:7f00:1::", "6to4"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("8.8.8.8", ""),
        ("2a00:1450::1", ""),
        ("64:ff9b::8.8.8.8", ""),
        ("::ffff:8.8.8.8", ""),
    ],
)
def test_special_addresses_are_not_public(address: str, use: str) -> None:
    assert private_use(address) == use


def test_an_address_of_this_machine_is_not_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_special", lambda _: "")  # as if loopback were a public address of this machine
    assert private_use("127.0.0.1") == "this machine"


@pytest.mark.parametrize(
    ("host", "is_private"),
    [
        ("127.0.0.1", True),
        ("127.1", True),
        ("2130706433", True),
        ("0x7f.1", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("lists", True),
        ("lists.internal", True),
        ("lists.home.arpa", True),
        ("lists.example.net", False),
        ("8.8.8.8", False),
        ("10.0.0.1.example.net", False),
    ],
)
def test_a_host_of_the_config_says_whether_it_is_public(host: str, is_private: bool) -> None:
    assert is_private_host(host) == is_private


def test_only_the_origin_that_the_config_names_may_be_private() -> None:
    own = Reach.of(["http://10.0.0.1/list"])
    assert own.refusal(("http", "10.0.0.1", 80), "10.0.0.1") == ""
    for origin in (("http", "10.0.0.1", 81), ("https", "10.0.0.1", 80), ("http", "10.0.0.2", 80)):
        assert "must not" in own.refusal(origin, origin[1])
    assert Reach.of(["http://lists.example.net/"], allow_private=True).refusal(("http", "a", 80), "10.0.0.1") == ""


class Names:
    """The system's resolver, with names that lead to loopback, and the port that connections end at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
        self._ask = socket.getaddrinfo
        self._found = found
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if str(host).endswith("example.net"):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, int(port or 0))) for address in self._found]
        return self._ask(host, port, *args, **options)


def fetch(url: str, folder: Path, access: Access) -> bytes:
    async def run() -> bytes:
        fetched = await WebSource(url, 1000, lambda: access, total=10, stall=10).fetch(folder, Validators())
        return fetched.path.read_bytes() if fetched else b""

    return asyncio.run(run())


def test_a_public_name_that_leads_to_loopback_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, "127.0.0.1")
    asked: list[str] = []

    async def run(*, allow_private: bool) -> None:
        async def answer(visitor: Any) -> None:
            asked.append(visitor.head)
            await saying("200 OK", body=BODY)(visitor)

        async with server(answer) as local:
            url = local.replace("127.0.0.1", "lists.example.net") + "/list"
            access = Access(Reach.of([url], allow_private=allow_private))
            await WebSource(url, 1000, lambda: access).fetch(tmp_path, Validators())

    with pytest.raises(FeedUnreachable, match=r"leads to 127\.0\.0\.1 \(loopback\).*allow_private: true"):
        asyncio.run(run(allow_private=False))
    assert asked == []
    asyncio.run(run(allow_private=True))
    assert len(asked) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "lists.example.net"])
def test_a_redirect_to_another_server_of_this_machine_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    Names(monkeypatch, "127.0.0.1")
    asked: list[str] = []

    async def run() -> None:
        async def admin(visitor: Any) -> None:
            asked.append(visitor.head)
            await saying("200 OK", body=BODY)(visitor)

        async with server(admin) as inner:
            target = inner.replace("127.0.0.1", host)
            async with server(saying("302 Found", f"Location: {target}/metrics")) as outer:
                await WebSource(f"{outer}/list", 1000).fetch(tmp_path, Validators())

    with pytest.raises(FeedUnreachable, match="which a public URL must not"):
        asyncio.run(run())
    assert asked == []


def test_what_blocks_asks_no_other_address_either(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        Names(monkeypatch, "10.0.0.1", "127.0.0.1")
        origin = ("http", "lists.example.net", port)
        with pytest.raises(NotReached, match=r"leads to 127\.0\.0\.1 \(loopback\)"):
            connected(origin, Access(Reach.of([])), 5.0)
        Names(monkeypatch, "127.0.0.1")
        connected(origin, Access(Reach(is_open=True)), 5.0).close()
        connected(("http", "127.0.0.1", port), Access.to(f"http://127.0.0.1:{port}/"), 5.0).close()

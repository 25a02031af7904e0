"""The start-up names every feed with its state, and the addresses that are really bound."""

from __future__ import annotations

import asyncio
import errno
import io
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.daemon.report.banner import banner, progress
from blockd.daemon.report.feed_phase import FeedPhase, feed_line
from blockd.daemon.report.status_line import StatusLine
from blockd.errors import ConfigError, FeedRefused
from blockd.settings import Settings, SocketAddress
from blockd.settings.admin_tls import AdminTls
from blockd.times import time_text
from blockd.transports import binding
from blockd.transports.binding import Bound
from blockd.transports.listening import bound_socket
from tests.daemon.harness import free_port
from tests.daemon.test_control import Node

BOUND = Bound(
    dns_udp=("127.0.0.1:53",),
    dns_tcp=("127.0.0.1:53",),
    block_page_http=("127.0.0.1:80",),
    admin=("127.0.0.1:9053",),
    left_out=("[::1]:53",),
)


def lines(node: Node, bound: Bound = BOUND) -> list[str]:
    control = node.control
    feeds = control.parts.feeds.configured
    pinned = control.parts.switcher.pin.version if control.parts.switcher.pin else None
    return banner(
        control.parts.settings,
        Path("blockd.yaml"),
        bound,
        feeds,
        control.parts.switcher.enforced,
        pinned,
        control.parts.switcher.base,
    )


def checked(folder: Path, check: Callable[[Node], Awaitable[None]], **more: object) -> None:
    async def run() -> None:
        await check(Node(folder, None, **more))

    asyncio.run(run())


def test_feed_that_is_still_being_read_is_told_as_such(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        told = lines(node)
        assert "Enforced: nothing yet. A log line says when the first lists are enforced." in told
        assert "  feed national (domains) is being read; nothing of it is enforced yet" in told
        assert node.control.status().feeds[0].phase == "reading"

    checked(tmp_path, check)


def test_feed_that_is_enforced_is_told_with_its_names(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example", "b.example")
        assert any(line.startswith("  feed national (domains): 2 names, ") for line in lines(node))
        assert node.control.status().feeds[0].phase == "enforced"

    checked(tmp_path, check)


def test_feed_that_is_refused_is_told_with_the_reason(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        node.sources["national"].fail(FeedRefused("missing", "/lists/national: there is no such file"))
        await node.control.refresh(None)
        told = lines(node)
        refusal = "/lists/national: there is no such file"
        assert f"  feed national (domains) is REFUSED; nothing of it is enforced: {refusal}" in told
        assert "Enforced: nothing yet." in told, "no log line will come"
        assert node.control.status().feeds[0].phase == "refused"

    checked(tmp_path, check)


def test_pinned_version_and_overrides_are_told_for_what_they_are(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example", "b.example")
        until = time_text(node.time.clock() + 86400)
        await node.control.override("add", {"name": "a.example", "reason": "why", "until": until})
        assert "  feed overrides (overrides): 1 names" in lines(node)
        assert not any("no longer in the config" in line or "PINNED" in line for line in lines(node))
        await node.control.rollback(1, "why")
        assert "  PINNED: version 1; what is new waits until `blockd rollback --release`" in lines(node)

    checked(tmp_path, check)


def test_feed_that_is_enforced_and_whose_news_are_refused_is_told_as_both(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example")
        node.sources["national"].fail(FeedRefused("missing", "there is no such file"))
        await node.control.refresh(None)
        (line,) = [line for line in lines(node) if "feed national" in line]
        assert ": 1 names, " in line
        assert line.endswith("; its new content is REFUSED: there is no such file")

    checked(tmp_path, check)


def test_config_without_feeds_is_told_plainly(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        told = lines(node)
        assert "Enforced: nothing yet." in told
        assert "  No feed is configured (feeds: []): nothing is blocked." in told

    checked(tmp_path, check, feeds=[])


def test_refusal_of_others_cannot_forge_a_line(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        node.sources["national"].fail(FeedRefused("missing", "gone\n\x1b[2JEnforced: version 9"))
        await node.control.refresh(None)
        told = lines(node)
        assert all(line.isprintable() for line in told)
        assert any(r"gone \x1b[2JEnforced: version 9" in line for line in told)

    checked(tmp_path, check)


def test_banner_names_what_is_bound_and_what_was_left_out(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        told = lines(node)
        assert "  DNS         127.0.0.1:53  (UDP and TCP)" in told
        assert "  block page  http://127.0.0.1:80" in told
        assert "  TLS refused nowhere" in told
        assert "  admin       http://127.0.0.1:9053  (console, /metrics /healthz /readyz)" in told
        assert "  left out    [::1]:53  (this machine does not have that IPv6 address)" in told
        assert not any("left out" in line for line in lines(node, Bound(("127.0.0.1:53",), ("127.0.0.1:53",))))

    checked(tmp_path, check)


def test_admin_port_over_tls_is_told_as_such(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        both = replace(BOUND, admin=("127.0.0.1:9053", "[::1]:9053"))
        settings = node.control.parts.settings
        over_tls = settings.model_copy(update={"listen": settings.listen.model_copy(update={"admin_tls": AdminTls()})})
        told = banner(over_tls, Path("blockd.yaml"), both, {}, None, None, None)
        assert "  admin       https://127.0.0.1:9053, https://[::1]:9053  (console, /metrics /healthz /readyz)" in told

    checked(tmp_path, check)


def test_progress_names_what_is_read_and_what_is_not(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        feeds = node.control.parts.feeds.configured
        assert progress(feeds, 3.2) == "0 of 1 feeds are read; reading national, 3 s"
        await node.give("a.example")
        assert progress(feeds, 12.0) == "1 of 1 feeds are read; compiling, 12 s"

    checked(tmp_path, check)


def test_status_line_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((io.StringIO(), ""), (Terminal(), "\r\x1b[K1 of 2\r\x1b[K")):
        monkeypatch.setattr(sys, "stderr", stream)
        line = StatusLine()
        line.show("1 of 2")
        line.show("1 of 2")
        line.clear()
        line.clear()
        assert stream.getvalue() == shown


def _settings(dns: list[str]) -> Settings:
    ports = [free_port() for _ in range(3)]
    page = {"http": [f"127.0.0.1:{ports[0]}"], "https": [f"127.0.0.1:{ports[1]}"]}
    return Settings.model_validate(
        {"workers": 2, "listen": {"dns": dns, "block_page": page, "admin": f"127.0.0.1:{ports[2]}"}}
    )


def test_bound_is_what_the_kernel_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without IPv6 an address of it is left out, by each protocol."""
    port = free_port()
    bind = bound_socket._bound

    def without_ipv6(address: SocketAddress, kind: socket.SocketKind, **options: bool) -> socket.socket:
        if ":" in address.host:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return bind(address, kind, **options)

    monkeypatch.setattr(bound_socket, "_bound", without_ipv6)
    settings = _settings([f"127.0.0.1:{port}", f"[::1]:{port}"])
    sockets = binding.bind(settings, "blockd.yaml")
    try:
        assert sockets.bound == Bound(
            dns_udp=(f"127.0.0.1:{port}",),
            dns_tcp=(f"127.0.0.1:{port}",),
            block_page_http=tuple(address.text for address in settings.listen.block_page.http),
            block_page_https=tuple(address.text for address in settings.listen.block_page.https),
            admin=(settings.listen.admin.text,),
            left_out=(f"[::1]:{port}",),
        )
    finally:
        sockets.close()


def test_trouble_of_a_port_in_use_is_what_a_start_would_say() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        settings = _settings([f"127.0.0.1:{holder.getsockname()[1]}"])
        (trouble,) = binding.troubles(settings)
        assert trouble.is_taken
        with pytest.raises(ConfigError) as refused:
            binding.bind(settings, "blockd.yaml")
        assert refused.value.problems == (str(trouble),)


def test_entries_are_counted_in_the_word_for_what_the_feed_lists(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example", "b.example")
        managed = node.control.parts.feeds.configured["national"]
        enforced = node.control.parts.switcher.enforced
        assert enforced is not None
        (record,) = (record for record in enforced.ruleset.catalogue.feeds if record.name == "national")
        line = feed_line(managed, replace(record, type="addresses"), is_pinned=False)
        assert ": 2 addresses, " in line

    checked(tmp_path, check)


def test_feed_that_a_pinned_version_lacks_is_told_to_wait_and_not_to_be_compiled(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example")
        managed = node.control.parts.feeds.configured["national"]
        assert FeedPhase.of(managed, None, is_pinned=True) is FeedPhase.WAITING
        assert "waits until the pinned version is released" in feed_line(managed, None, is_pinned=True)

    checked(tmp_path, check)


def test_banner_names_client_groups_and_a_question_that_is_blocked_where_it_is_asked(tmp_path: Path) -> None:
    groups = [{"name": f"g{place}", "networks": [f"10.0.0.{place}"], "feeds": []} for place in range(9)]
    groups.append({"name": "here", "networks": ["127.0.0.0/8"], "feeds": ["other"]})

    async def check(node: Node) -> None:
        await node.give("a.example")
        told = lines(node)
        assert "  group g0: 1 network, exempt: no feed applies to it" in told
        assert "  and 2 more groups, which `blockd status` names" in told
        assert not any("a.example" in line for line in told), "it is not blocked for who asks from this machine"
        assert any(
            "dig @192.0.2.1 -p 53 a.example" in line for line in lines(node, replace(BOUND, dns_udp=("192.0.2.1:53",)))
        )

    checked(tmp_path, check, groups=groups)


def test_encrypted_transports_are_told_with_what_clients_enter(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        told = lines(node, replace(BOUND, dot=("127.0.0.1:853",), doh=("127.0.0.1:8443", "[::1]:8443")))
        assert "  DNS (TLS)   127.0.0.1:853" in told
        assert "  DNS (HTTPS) https://127.0.0.1:8443/resolve, https://[::1]:8443/resolve" in told

    checked(tmp_path, check, doh={"path": "/resolve"})

"""Whatever a list or a zone can hold: enforced, looked up, and taken off by the operator, in one daemon."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blockd.cli import main
from tests.daemon.harness import Daemon, write_list
from tests.upstream import UpstreamSimulator

SINKHOLE = ["127.0.0.1"]
ZONE = r"""
$TTL 60
$ORIGIN rpz.example.
@ SOA localhost. root.localhost. 1 3600 600 86400 60
@ NS localhost.
ads-.zone.example CNAME .
foo!bar.zone.example CNAME .
a\.b.zone.example CNAME .
24.0.51.198.203.rpz-ip CNAME .
32.9.0.0.127.rpz-client-ip CNAME .
"""
TAKEN_OFF = "192.0.2.66"  # the upstream's answer for what is not blocked


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a text list, an allow list and a policy zone of odd names."""
    folder = tmp_path_factory.mktemp("odd")
    write_list(folder / "list", ["good1.example", "-sso.bad.example", "r1---sn-x.-foo.example", r"x\033y.example"])
    write_list(folder / "own", [r"c\046d.zone.example"])
    (folder / "zone").write_text(ZONE + r"c\.d.zone.example CNAME ." + "\n")
    feeds = [
        {"name": "list", "type": "domains", "path": "list"},
        {"name": "own", "type": "domains", "path": "own", "action": "allow"},
        {"name": "zone", "type": "rpz", "path": "zone"},
    ]
    with UpstreamSimulator() as upstream:
        for name in ("-sso.bad.example", r"foo!bar.zone.example", r"c\.d.zone.example"):
            upstream.plan(name, "A", f"{name}. 60 IN A {TAKEN_OFF}")
        upstream.plan("leading.example", "A", "leading.example. 60 IN A 203.198.51.7")
        with Daemon(folder, *feeds, upstream=upstream.address) as running:
            yield running


Look = Callable[..., dict[str, Any]]


@pytest.fixture
def look(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> Look:
    """What the verb says of a name, with its other arguments."""

    def looked(*arguments: str) -> dict[str, Any]:
        code = main(["lookup", "--config", str(daemon.config), "--json", *arguments])
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert code == (0 if told["blocked"] else 1)
        return told

    return looked


def override(daemon: Daemon, name: str) -> None:
    day = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    asked = ["override", "add", name, "--config", str(daemon.config), "--reason", "why", "--until", day]
    assert main(asked) == 0


def test_odd_names_are_enforced_looked_up_and_overridden(
    daemon: Daemon, look: Look, capsys: pytest.CaptureFixture[str]
) -> None:
    assert daemon.ask("-sso.bad.example").addresses == SINKHOLE
    assert daemon.ask("www.r1---sn-x.-foo.example").addresses == SINKHOLE
    assert daemon.ask("x!y.example").addresses == SINKHOLE
    for name in ("ads-.zone.example", "foo!bar.zone.example", r"a\.b.zone.example"):
        assert daemon.ask(name).rcode == "NXDOMAIN"
    assert daemon.ask(r"c\.d.zone.example").addresses == [TAKEN_OFF], "the allow list names it"
    told = look("-sso.bad.example")
    assert (told["entry"], told["claims"][0]["line"]) == (
        "-sso.bad.example", {"number": 2, "text": "-sso.bad.example"},
    )  # fmt: skip
    told = look("x!y.example")
    assert (told["name"], told["claims"][0]["line"]["number"]) == (r"x\033y.example", 4)
    told = look("HTTPS://foo!bar.zone.example:443/x")
    assert (told["verdict"], told["entry"], told["feed"]) == ("nxdomain", r"foo\033bar.zone.example", "zone")
    assert told["taken_from"] == "the name in a URL"
    assert told["claims"][0]["line"] == {"number": 7, "text": "foo!bar.zone.example CNAME ."}
    assert look(r"c\.d.zone.example")["verdict"] == "allow"
    for name in ("-sso.bad.example", "foo!bar.zone.example"):
        override(daemon, name)
        capsys.readouterr()
        assert daemon.ask(name).addresses == [TAKEN_OFF]
        assert look(name)["verdict"] == "allow"
    name = r"foo\033bar.zone.example"
    assert main(["override", "end", name, "--config", str(daemon.config), "--reason", "settled"]) == 0
    assert daemon.ask("foo!bar.zone.example").rcode == "NXDOMAIN"


def test_addresses_and_clients_are_looked_up_and_an_address_is_overridden(
    daemon: Daemon, look: Look, capsys: pytest.CaptureFixture[str]
) -> None:
    assert daemon.ask("leading.example").rcode == "NXDOMAIN"
    told = look("leading.example")
    assert (told["verdict"], told["entry"], told["feed"]) == ("nxdomain", "203.198.51.0/24", "zone")
    (step,) = told["aliases"]["questions"][0]["steps"]
    assert (step["type"], step["to"], step["decides"]) == ("A", "203.198.51.7", True)
    assert step["line"]["number"] == 9
    told = look("203.198.51.7")
    assert (told["kind"], told["verdict"], told["entry"]) == ("address", "nxdomain", "203.198.51.0/24")
    assert told["claims"][0]["line"] == {"number": 9, "text": "24.0.51.198.203.rpz-ip CNAME ."}
    assert told["as_client"]["verdict"] == "resolved"
    assert look("203.198.0.0/16")["verdict"] == "resolved", "no rule covers all of it"
    assert look("24.0.51.198.203.rpz-ip")["verdict"] == "nxdomain"
    assert look("127.0.0.9")["as_client"]["verdict"] == "nxdomain"
    assert daemon.ask("good2.example", source="127.0.0.9").rcode == "NXDOMAIN"
    told = look("good2.example", "--client", "127.0.0.9")
    assert (told["verdict"], told["entry"], told["client"]) == ("nxdomain", "client 127.0.0.9", "127.0.0.9")
    assert look("good2.example", "--client", "127.0.0.8")["verdict"] == "resolved"
    override(daemon, "203.198.51.7")
    capsys.readouterr()
    assert daemon.ask("leading.example").addresses == ["203.198.51.7"]
    told = look("leading.example")
    assert (told["verdict"], told["aliases"]["questions"][0]["outcome"]) == ("resolved", "resolved")

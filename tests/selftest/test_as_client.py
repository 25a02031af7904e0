"""A rule about clients that hits everybody is noticed, and an ordinary client is asked for once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blockd.metrics import Transport
from blockd.names import Network, key_from_text
from blockd.orders import Action
from blockd.ruleset import Enforced
from blockd.selftest.as_client import ask_as_client, everybody_is_touched
from blockd.settings import SocketAddress
from blockd.transports import UdpServer
from tests.resolver.rig import SINKHOLE, Rig, order
from tests.resolver.test_policy_zones import zone
from tests.upstream import bound

CLIENTS = [Network.from_text(text) for text in ("127.0.0.0/8", "::1", "36.80.0.0/16", "2400:9800::/32")]
KEY = key_from_text("control.example")


def rig_with(folder: Path, action: Action, *clients: str, **serving: object) -> tuple[Rig, Enforced]:
    folder.mkdir()
    rig = Rig(folder, serving=serving)
    rules = (order("rule", action), ["a.example", *(f"client {text}" for text in clients)])
    rig.enforce_feeds([zone("z", 1, rules)])
    policy = rig.resolver.pipeline._policy
    assert policy is not None
    return rig, policy.enforced


@pytest.mark.parametrize(
    ("action", "rules", "is_told"),
    [
        (Action.DROP, ["36.80.0.0/16", "2400:9800::/32"], True),
        (Action.NXDOMAIN, ["36.80.0.0/15", "2400::/16"], True),
        (Action.DROP, ["36.80.0.0/16"], False),
        (Action.DROP, ["36.80.0.0/17", "2400:9800::/32"], False),
        (Action.DROP, ["127.0.0.0/8"], False),
        (Action.PASSTHRU, ["36.80.0.0/16", "2400:9800::/32"], False),
        (Action.DROP, [], False),
    ],
)
def test_rules_that_hit_every_client_are_told(tmp_path: Path, action: Action, rules: list[str], is_told: bool) -> None:
    _, enforced = rig_with(tmp_path / "r", action, *rules)
    told = everybody_is_touched(enforced, CLIENTS)
    assert bool(told) == is_told
    assert not told or told.endswith(f"whatever is asked: {action} by order rule of feed z")
    assert everybody_is_touched(enforced, CLIENTS[:2]) == ""


def test_what_an_ordinary_client_is_answered_is_compared_with_the_policy(tmp_path: Path) -> None:
    _, spared = rig_with(tmp_path / "spared", Action.NXDOMAIN, "36.80.0.0/16")
    rig, hit = rig_with(tmp_path / "hit", Action.NXDOMAIN, "127.0.0.1")
    _, dropped = rig_with(tmp_path / "dropped", Action.DROP, "127.0.0.1")

    async def asked(expected: Enforced) -> str:
        listening, datagrams = bound("127.0.0.1")
        with listening, datagrams:
            server = UdpServer([datagrams], rig.resolver)
            address = SocketAddress("127.0.0.1", listening.getsockname()[1])
            told = await asyncio.to_thread(ask_as_client, expected, SINKHOLE, [address], KEY)
            await server.close()
            return told

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("blockd.selftest.as_client.PATIENCE", 5.0)
        assert asyncio.run(asked(hit)) == ""
        assert asyncio.run(asked(dropped)) == ""
        told = asyncio.run(asked(spared))
    assert told == "an ordinary client was answered NXDOMAIN, 0 records, where REFUSED, 0 records was expected"


def test_on_the_machine_of_a_front_end_it_asks_as_that(tmp_path: Path) -> None:
    proxies = (Network.from_text("127.0.0.1"),)
    _, spared = rig_with(tmp_path / "spared", Action.NXDOMAIN, "36.80.0.0/16")
    rig, _ = rig_with(tmp_path / "hit", Action.NXDOMAIN, "127.0.0.1", networks=(), proxies=proxies)

    async def main() -> str:
        listening, datagrams = bound("127.0.0.1")
        with listening, datagrams:
            server = UdpServer([datagrams], rig.resolver)
            address = SocketAddress("127.0.0.1", listening.getsockname()[1])
            told = await asyncio.to_thread(ask_as_client, spared, SINKHOLE, [address], KEY, proxies)
            await server.close()
            return told

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("blockd.selftest.as_client.PATIENCE", 5.0)
        assert "answered NXDOMAIN, 0 records, where REFUSED" in asyncio.run(main())
    assert sum(rig.counters.stream_events(Transport.UDP)) == 0


def test_nobody_who_answers_is_no_fault_of_the_ruleset(tmp_path: Path) -> None:
    _, enforced = rig_with(tmp_path / "r", Action.NXDOMAIN, "36.80.0.0/16")
    listening, datagrams = bound("127.0.0.1")
    with listening, datagrams:
        address = SocketAddress("127.0.0.1", listening.getsockname()[1])
        assert ask_as_client(enforced, SINKHOLE, [address], KEY) == ""
    assert ask_as_client(enforced, SINKHOLE, [], KEY) == ""

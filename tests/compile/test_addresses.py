"""A feed of addresses from its lines to what is enforced on answers, compared with Python's own module."""

from __future__ import annotations

import ipaddress
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.compile.amend import amend
from blockd.compile.built import Built
from blockd.errors import FeedRefused
from blockd.feeds.candidate import Candidate, Content
from blockd.names import Network
from blockd.native import ENGINE
from blockd.orders import Action, Reason, Verdict
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.network_guard import NetworkGuard
from blockd.ruleset.gate.shared_networks import SharedNetworks
from blockd.ruleset.policy import at_time
from blockd.settings import FEED_TYPES, ListFeed
from tests.compile.builder import NOW, Builder, domains

OPEN = Gate(max_shrink=100, min_names=0, max_rejects=100)
SHARED = Guard.of(None, [], [], "d", SharedNetworks.of([Network.from_text("1.1.1.0/28")]))
GUARDED = replace(OPEN, guard=SHARED)


def addresses(name: str = "isp", **keys: object) -> ListFeed:
    feed = FEED_TYPES["addresses"].model_validate({"name": name, "type": "addresses", "path": "/srv/list", **keys})
    assert isinstance(feed, ListFeed)
    return feed


def verdicts(path: Path, *asked: str) -> list[Verdict]:
    ruleset = Ruleset.open(path)
    enforced = at_time(1, ruleset, NOW)
    found = [enforced.address_verdict(ipaddress.ip_address(text).packed) for text in asked]
    ruleset.close()
    return found


def near(base: int) -> st.SearchStrategy[int]:
    return st.integers(base, base + 40) | st.integers(base, base + (1 << 17))


hosts = near(0x01010000).map(ipaddress.IPv4Address) | near(0x2606 << 112).map(ipaddress.IPv6Address)


@st.composite
def lines(draw: st.DrawFn) -> str:
    host = draw(hosts)
    bits = draw(st.sampled_from([16, 24, 28, 30, 31, 32]) if host.version == 4 else st.sampled_from([112, 120, 128]))
    return str(ipaddress.ip_network((host, bits), strict=False))


@given(st.lists(lines(), min_size=1, max_size=12), st.lists(hosts, max_size=12))
def test_an_address_is_blocked_if_a_listed_network_holds_it(
    listed: list[str], asked: list[ipaddress.IPv4Address | ipaddress.IPv6Address]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        builder = Builder(Path(folder))
        built = builder.build(Candidate(addresses(), builder.content(*listed), None), gate=OPEN)
        networks = [ipaddress.ip_network(text) for text in listed]
        assert built.header is not None
        assert (built.header.names, built.header.networks) == (0, len(set(networks)))
        asked += [network[0] for network in networks] + [network[-1] for network in networks]
        for address, verdict in zip(asked, verdicts(builder.path, *map(str, asked)), strict=True):
            holding = [network for network in networks if address.version == network.version and address in network]
            assert verdict.touches == bool(holding)
            if holding:
                assert verdict.entry is not None
                longest = max(holding, key=lambda network: network.prefixlen)
                assert verdict.entry.text == Network.from_text(str(longest)).text
                assert verdict.feed == "isp"


def test_an_allowed_network_takes_its_addresses_off_a_list(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    builder.build(
        Candidate(addresses(), builder.content("1.1.1.0/24", "8.8.8.8"), None),
        Candidate(addresses("never", action="allow"), builder.content("1.1.1.64/26"), None),
        Candidate(domains(), builder.content("casino.example"), None),
    )
    found = verdicts(builder.path, "1.1.1.1", "1.1.1.65", "8.8.8.8", "9.9.9.9")
    assert [verdict.reason for verdict in found] == [Reason.LISTED, Reason.ALLOWED, Reason.LISTED, Reason.NOT_LISTED]
    assert builder.listed("casino.example") == "national/national"


@pytest.mark.parametrize("action", [action for action in Action if not action.is_zones])
def test_every_action_of_a_list_can_be_asked_for(tmp_path: Path, action: Action) -> None:
    builder = Builder(tmp_path)
    keys = {"cname": "landing.example"} if action is Action.CNAME else {}
    builder.build(Candidate(addresses(action=str(action), **keys), builder.content("1.1.1.1"), None))
    [verdict] = verdicts(builder.path, "1.1.1.1")
    assert verdict.action is action
    assert verdict.touches == (action not in (Action.ALLOW, Action.MONITOR))


@pytest.mark.parametrize(
    ("new", "reason", "words"),
    [
        (["10.0.0.1", "192.168.1.1"], "empty", "it holds 0 addresses, and 2 lines are not valid addresses"),
        (["1.2.3.4", "a.example", "b.example"], "rejects", "2 of 3 lines are not valid addresses, more than 20%"),
        ([f"1.2.3.{number}" for number in range(150)], "shrunk", "it holds 150 addresses, but 1200 are in force"),
    ],
)
def test_the_gates_limits_count_addresses(tmp_path: Path, new: list[str], reason: str, words: str) -> None:
    builder = Builder(tmp_path)
    old = builder.content(*(f"1.2.{number >> 8}.{number & 255}" for number in range(1200)))
    builder.build(Candidate(addresses(), old, None))
    ruleset = Ruleset.open(builder.path)
    assert ruleset.catalogue.feeds[0].names == ruleset.catalogue.orders[0].names == 1200
    built = builder.build(Candidate(addresses(), builder.content(*new), old), in_force=ruleset.catalogue)
    ruleset.close()
    refused = built.refused["isp"]
    assert isinstance(refused, FeedRefused)
    assert refused.reason == reason
    assert words in str(refused)


@pytest.mark.parametrize(("shortest", "held"), [(16, 2), (8, 1), (7, 0)])
def test_the_gate_says_which_network_is_too_wide(tmp_path: Path, shortest: int, held: int) -> None:
    builder = Builder(tmp_path)
    gate = replace(OPEN, guard=Guard.of(None, [], [], "d", networks=NetworkGuard(min_ipv4=shortest)))
    listed = builder.content("8.0.0.0/7", "11.0.0.0/8", "1.1.0.0/16")
    built = builder.build(Candidate(addresses(), listed, None), gate=gate)
    assert built.header is not None
    assert built.header.networks == 3 - held
    assert built.held["isp"].counts == ({"network too wide": held} if held else {})


def test_growth_is_limited_by_the_number_of_addresses(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    old, new = (builder.content(*(f"1.2.{n >> 8}.{n & 255}" for n in range(size))) for size in (6000, 13_000))
    builder.build(Candidate(addresses(), old, None))
    ruleset = Ruleset.open(builder.path)
    built = builder.build(Candidate(addresses(), new, old), in_force=ruleset.catalogue)
    ruleset.close()
    assert built.refused["isp"].reason == "grown"
    assert "it holds 13000 addresses, but 6000 are in force" in str(built.refused["isp"])


def test_repeated_and_overlapping_lines_are_one_entry_each(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    text = b"1.2.3.4\n" * 100_000 + b"1.2.3.4-1.2.3.4\n1.2.3.0/24\n1.2.0.0/16\n1.2.3.4/32\n"
    built = builder.build(Candidate(addresses(), builder.octets(text), None))
    assert built.header is not None
    assert (built.header.networks, built.rejects["isp"].accepted) == (3, 100_004)
    assert [v.entry.text for v in verdicts(builder.path, "1.2.3.4", "1.2.3.5", "1.2.4.5") if v.entry] == [
        "1.2.3.4", "1.2.3.0/24", "1.2.0.0/16",
    ]  # fmt: skip


POOL = [f"1.1.1.{number}" for number in range(10, 22)] + ["2606:4700::1", "1.1.1.16/30", "1.1.2.0/24"]
JUNK = ["a.example", "# note", "10.0.0.1", ""]


@st.composite
def versions(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    old = draw(st.lists(st.sampled_from(POOL), unique=True, min_size=1)) + draw(
        st.lists(st.sampled_from(JUNK), max_size=3)
    )
    new = [line for line in old if draw(st.booleans())]
    new += draw(st.lists(st.sampled_from([*POOL, *JUNK]), max_size=4))
    return old, [*new, "7.7.7.7"]


@given(versions(), st.sampled_from([OPEN, GUARDED]))
def test_amending_and_compiling_give_the_same(texts: tuple[list[str], list[str]], gate: Gate) -> None:
    pytest.importorskip("blockd.formats._changes", reason="blockd was installed without its C part")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE, "native")
        builder = Builder(Path(folder))
        old, new = (builder.content(*text, "5.5.5.5") for text in texts)
        first = builder.build(Candidate(addresses(), None, old), gate=gate)
        news = Candidate(addresses(), new, old)
        built = amended(news, builder.path, builder.folder / "new", first, gate)
        if built is None:
            return
        in_place = listed(builder.folder / "new")
        expected = builder.build(news, gate=gate)
        assert in_place == listed(builder.path)
        assert (built.rejects, built.held) == (expected.rejects, expected.held)


def amended(news: Candidate, in_force: Path, path: Path, first: Built, gate: Gate) -> Built | None:
    return amend(
        [news], in_force, path, reports=first.rejects, held=first.held, gate=gate, created=NOW,
        randomness=lambda count: bytes(range(count)),
    )  # fmt: skip


def listed(path: Path) -> tuple[object, ...]:
    ruleset = Ruleset.open(path)
    feeds = [replace(feed, digest="") for feed in ruleset.catalogue.feeds]
    found = dict(ruleset.entries()), feeds, ruleset.catalogue.orders, ruleset.header.networks, ruleset.header.names
    ruleset.close()
    return found


def test_a_few_changed_lines_are_amended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("blockd.formats._changes", reason="blockd was installed without its C part")
    monkeypatch.setenv(ENGINE, "native")
    builder = Builder(tmp_path)
    before = [f"1.{n >> 8}.{n & 255}.9" for n in range(3000)]
    old, new = builder.content(*before), builder.content(*before[:-2], "2606:4700::/32", "1.200.0.0/24")
    first = builder.build(Candidate(addresses(), None, old))
    built = amended(Candidate(addresses(), new, old), builder.path, tmp_path / "new", first, Gate())
    assert built is not None
    assert built.changes is not None
    assert (built.changes.added, built.changes.removed) == (2, 2)
    found = verdicts(tmp_path / "new", "2606:4700::7", "1.200.0.1", "1.11.183.9", "1.11.181.9")
    assert [verdict.touches for verdict in found] == [True, True, False, True]


def test_content_of_another_kind_is_refused(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    names = Content(builder.content("casino.example", "bets.example").path, "")
    built = builder.build(Candidate(addresses(), names, None))
    assert built.header is None
    assert built.refused["isp"].reason == "empty"

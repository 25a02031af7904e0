"""Which limits hold for a feed's new content: those of all feeds, its own, and when it may become empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import GateRefused
from blockd.feeds.candidate import Candidate
from blockd.ruleset import Gate
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import FEED_TYPES, GateSettings, RpzFeed
from tests.compile.builder import Builder, domains, reasons

OLD = [f"old-{number}.example" for number in range(1_000)]


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def test_each_feed_has_the_limits_and_the_guard_of_its_own_gate(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "protected").write_text("bank.example\n")
    feeds = [
        domains("loose", gate={"max_shrink": "100%", "max_rejects": "50%"}),
        domains("strict", gate={"min_names": 3, "protected": [str(tmp_path / "protected")]}),
        domains("plain"),
    ]
    gate = gate_of(GateSettings.model_validate({"public_suffixes": False, "protected": []}), feeds)
    first = [Candidate(feed, builder.content(*OLD), None) for feed in feeds]
    assert reasons(builder.build(*first, gate=gate)) == {}
    little = builder.octets(b"bank.example\nnew.example\nno name\n")
    built = builder.build(
        *(Candidate(feed, little, builder.content(*OLD)) for feed in feeds), gate=gate, in_force=builder.catalogue()
    )
    assert reasons(built) == {"strict": "empty", "plain": "rejects"}
    assert "at least 3 are required (gate.min_names of the feed)" in str(built.refused["strict"])
    assert built.found["strict"].held.counts == {"protected": 1}
    assert built.records["loose"].names == 2
    assert builder.listed("bank.example") == "loose/loose"
    other = gate_of(GateSettings.model_validate({"public_suffixes": False, "protected": []}), feeds[:1])
    assert builder.build(*first, gate=other).made_from != builder.build(*first, gate=gate).made_from


BY_HAND = [{"action": "allow"}, {"mandate": "operator"}, {"mandate": "client"}]


@pytest.mark.parametrize("keys", BY_HAND)
@pytest.mark.parametrize("content", [b"", b"# nothing\n"])
def test_a_small_list_that_is_kept_by_hand_may_become_empty(
    builder: Builder, keys: dict[str, str], content: bytes
) -> None:
    feed = domains(**keys)
    few, none = builder.content(*OLD[:999]), builder.octets(content)
    builder.build(Candidate(feed, few, None))
    built = builder.build(Candidate(feed, none, few), in_force=builder.catalogue())
    assert reasons(built) == {}
    assert builder.catalogue().feeds[0].names == 0
    assert builder.listed(OLD[0]) == ""
    builder.build(Candidate(feed, builder.content(*OLD), None))
    built = builder.build(Candidate(feed, none, builder.content(*OLD)), in_force=builder.catalogue())
    assert reasons(built) == {"national": "empty"}
    assert reasons(builder.build(Candidate(feed, none, few, lasting=1_000), in_force=None)) == {"national": "empty"}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"mandate": "law"},
        {"legal_basis": "Act 1"},
        {"url": "https://lists.example.net/", "mandate": "operator"},
        {"url": "https://lists.example.net/", "action": "allow"},
        {"mandate": "operator", "gate": {"min_names": 1}},
    ],
)
def test_any_other_list_that_becomes_empty_is_refused(builder: Builder, keys: dict[str, object]) -> None:
    place = {} if "url" in keys else {"path": "/srv/list"}
    feed = FEED_TYPES["domains"].model_validate({"name": "national", "type": "domains", **place, **keys})
    few = builder.content(*OLD[:2])
    gate = gate_of(GateSettings.model_validate({"public_suffixes": False, "protected": []}), [feed])
    builder.build(Candidate(feed, few, None))
    one, none = builder.content(OLD[0]), builder.octets(b"\n")
    assert reasons(builder.build(Candidate(feed, one, few), gate=gate, in_force=builder.catalogue())) == {}
    built = builder.build(Candidate(feed, none, one), gate=gate, in_force=builder.catalogue())
    assert reasons(built) == {"national": "empty"}
    assert isinstance(built.refused["national"], GateRefused)
    open_gate = gate_of(GateSettings.model_validate({"min_names": 0, "public_suffixes": False, "protected": []}))
    if "gate" not in keys:
        built = builder.build(Candidate(feed, none, one), gate=open_gate, in_force=builder.catalogue())
        assert reasons(built) == ({} if feed.is_kept_by_hand else {"national": "empty"})
    built = builder.build(Candidate(feed, none, one, waived=True), gate=gate, in_force=builder.catalogue())
    assert reasons(built) == {}


def test_a_feeds_own_gate_without_a_least_number_lets_it_become_empty(builder: Builder) -> None:
    feed = domains(gate={"min_names": 0})
    gate = gate_of(GateSettings.model_validate({"public_suffixes": False, "protected": []}), [feed])
    built = builder.build(Candidate(feed, builder.octets(b""), builder.content("a.example")), gate=gate)
    assert reasons(built) == {}
    assert (built.header.names, built.header.entries) == (0, 0) if built.header else False


ZONE = b"$ORIGIN rpz.example.\n@ 60 IN SOA . . %d 60 60 6000 60\n@ IN NS .\n"


def test_a_zone_that_was_emptied_with_a_newer_serial_is_empty_while_it_is_small(builder: Builder) -> None:
    feed = RpzFeed.model_validate({"name": "zone", "type": "rpz", "path": "/srv/zone"})
    many = b"".join(b"%b CNAME .\n" % name.encode() for name in OLD)

    def built(new: bytes, old: bytes, gate: Gate | None = None) -> dict[str, str]:
        builder.build(Candidate(feed, builder.octets(old), None))
        return reasons(
            builder.build(
                Candidate(feed, builder.octets(new), builder.octets(old)), gate=gate, in_force=builder.catalogue()
            )
        )

    few = ZONE % 5 + b"a.example CNAME .\n"
    assert built(ZONE % 6, few) == {}
    assert builder.catalogue().feeds[0].names == len(builder.catalogue().orders) == 0
    assert builder.listed("a.example") == ""
    assert built(ZONE % 5, few) == {"zone": "empty"}
    assert built(ZONE % 4, few) == {"zone": "rollback"}
    assert built(b"$TTL 60\n", few) == {"zone": "empty"}
    assert built(ZONE % 6, ZONE % 5 + many) == {"zone": "empty"}
    assert built(ZONE % 6, ZONE % 5 + many, Gate(max_shrink=1)) == {}
    assert built(ZONE % 6, few, Gate(is_least_set=True)) == {"zone": "empty"}

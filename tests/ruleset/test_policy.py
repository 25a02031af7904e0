from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.names import DomainName, Network, address_key, key_from_text
from blockd.native import ENGINE
from blockd.orders import Action, Order, Reason, Scope, State, Verdict, state_at
from blockd.ruleset import NOT_LISTED, Enforced, FeedInput, Listing, OrderStates
from tests.ruleset.lists import NOW, enforced, feed, listing, order

SCOPES = (Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH)
HASHES: tuple[Callable[[bytes], int] | None, ...] = (
    None,
    lambda _: 0,
    lambda key: (sum(key) % 3) * 0x5555555500000000,
    lambda key: len(key) << 32 | len(key) & 1,
)


class Claimed(NamedTuple):
    """A claim in the model."""

    key: bytes
    scope: Scope
    order: Order
    feed: str
    priority: int
    zone: bool
    tier: int
    party: tuple[str, str]  # of an authority its feed and role
    lifts: frozenset[tuple[str, str]]


class Model:
    """The policy as documented, over plain lists."""

    def __init__(self, feeds: list[FeedInput], now: int) -> None:
        scopes: dict[tuple[bytes, str, str], Scope] = {}
        for source in feeds:
            for found in source.listings:
                for key in found.keys:
                    place = (key, source.name, found.order.id)
                    scopes[place] = scopes.get(place, Scope(0)) | found.scope
        tiers: dict[str, int] = {}
        before: FeedInput | None = None
        own = [source for source in feeds if source.type != "signed"]
        for tier, source in enumerate(sorted(own, key=lambda source: (source.priority, source.name))):
            joined = before is not None and before.type == source.type == "domains"
            tiers[source.name] = tiers[before.name] if before and joined else tier
            before = source
        self._claims = [
            Claimed(key, scope, subject, source.name, source.priority, source.type == "rpz", tiers.get(source.name, 0),
                    _party(source, subject), _lifted(source, subject))
            for source in feeds
            for subject in source.orders
            for (key, name, identifier), scope in scopes.items()
            if (name, identifier) == (source.name, subject.id)
        ]  # fmt: skip
        self._now = now

    def verdict(self, name: DomainName) -> tuple[object, ...]:
        ancestors = [parent.key for parent in name.ancestors()]
        above = [claim for claim in self._claims if claim.key in ancestors]
        closest = {
            claim.feed: max(len(other.key) for other in above if other.feed == claim.feed and self._in_force(other))
            for claim in above
            if claim.zone and self._in_force(claim)
        }
        return self._decide(
            [
                claim
                for claim in above
                if (Scope.EXACT if claim.key == name.key else Scope.SUBDOMAINS) in claim.scope
                and not (self._in_force(claim) and len(claim.key) < closest.get(claim.feed, 0))
            ]
        )

    def address_verdict(self, packed: bytes) -> tuple[object, ...]:
        keys = {address_key(packed, length) for length in range(len(packed) * 8 + 1)}
        covering = [claim for claim in self._claims if claim.key in keys]
        longest = {  # of a policy zone's networks only the longest prefix counts
            claim.feed: max(other.key[1] for other in covering if other.feed == claim.feed and self._in_force(other))
            for claim in covering
            if claim.zone and self._in_force(claim)
        }
        return self._decide(
            [claim for claim in covering if not (self._in_force(claim) and claim.key[1] < longest.get(claim.feed, 0))]
        )

    def _in_force(self, claim: Claimed) -> bool:
        return state_at(claim.order, self._now) is State.IN_FORCE

    def _decide(self, covering: list[Claimed]) -> tuple[object, ...]:
        in_force = [claim for claim in covering if self._in_force(claim)]
        above = [claim for claim in in_force if claim.party == ("", "") and claim.order.action is Action.ALLOW]
        parties = {claim.party for claim in in_force}
        decided = [_of_party([claim for claim in in_force if claim.party == party]) for party in sorted(parties)]
        for reason, best in (
            (Reason.ALLOWED, min(above, key=_best, default=None)),
            (None, _between(decided)),
            (Reason.NOT_IN_FORCE, min(covering, key=_best, default=None)),
        ):
            if best is not None:
                found = reason or _REASONS.get(best.order.action, Reason.LISTED)
                return found, best.order, best.key, best.scope, best.feed
        return Reason.NOT_LISTED, None, None, None, ""


def _party(source: FeedInput, subject: Order) -> tuple[str, str]:
    return (source.name, subject.role or "targets") if source.type == "signed" else ("", "")


def _lifted(source: FeedInput, subject: Order) -> frozenset[tuple[str, str]]:
    """Return whose orders an order may lift, each a feed and a role, or a feed alone."""
    wanted = source.may_lift.get(subject.role if source.type == "signed" else "", ())
    return frozenset((text.partition("/")[0], text.partition("/")[2]) for text in wanted)


_REASONS = {Action.ALLOW: Reason.ALLOWED, Action.PASSTHRU: Reason.PASSED, Action.MONITOR: Reason.MONITORED}
_WEAK = {Action.CNAME: 2, Action.LOCAL: 2, Action.TCP_ONLY: 1, Action.MONITOR: 0, Action.ALLOW: 0, Action.PASSTHRU: 0}


def _of_party(claims: list[Claimed]) -> Claimed:
    """Return the claim by which one party decides."""
    for allow, monitor in ((True, False), (False, False), (False, True)):
        found = [
            claim for claim in claims
            if (claim.order.action is Action.ALLOW, claim.order.action is Action.MONITOR) == (allow, monitor)
        ]  # fmt: skip
        if found:
            return min(found, key=lambda claim: (0 if monitor else claim.tier, *_best(claim)))
    raise AssertionError("a party has claims")


def _between(decided: list[Claimed]) -> Claimed | None:
    """Return the claim that stands, as the table in the manual has it."""

    def lifts(one: Claimed, other: Claimed) -> bool:
        weaker, action = _strength(one) < _strength(other), one.order.action
        is_long = _length(one) >= _length(other)
        opens = action in (Action.ALLOW, Action.PASSTHRU) or (action is not Action.MONITOR and is_long)
        may = not one.lifts.isdisjoint((other.party, (other.party[0], "")))
        return may and other.party != ("", "") and weaker and opens

    left = sorted(decided, key=_strength)
    for one in list(left):
        if one in left:
            left = [other for other in left if not lifts(one, other)]
    return min(left, key=lambda claim: (-_strength(claim), _ranked(claim)), default=None)


def _strength(claim: Claimed) -> int:
    return _WEAK.get(claim.order.action, 3)


def _ranked(claim: Claimed) -> tuple[object, ...]:
    kind = {Action.ALLOW: 0, Action.MONITOR: 2}.get(claim.order.action, 1)
    return kind, claim.priority, -(claim.order.in_force_from or 0), claim.order.id


def _best(claim: Claimed) -> tuple[object, ...]:
    return -_length(claim), *_ranked(claim)


def _length(claim: Claimed) -> int:
    return claim.key[1] if claim.key[0] > 63 else len(claim.key)


def told(verdict: Verdict) -> tuple[object, ...]:
    entry = verdict.entry
    return verdict.reason, verdict.order, entry and entry.key, entry and entry.scope, verdict.feed


labels = st.sampled_from("abc")
names = st.lists(labels, min_size=1, max_size=4).map(lambda parts: key_from_text(".".join(parts)))
networks = st.builds(
    address_key,
    st.sampled_from([bytes((8, 8, 8, 8)), bytes((8, 8, 9, 1)), bytes(16), b"\x26" + bytes(15)]),
    st.integers(0, 32),
)
dates = st.integers(NOW - 2, NOW + 2)


AUTHORITIES = [f"{feed}/{role}" for feed in "xyz" for role in ("targets", "court", "ministry")]


@st.composite
def feeds(draw: st.DrawFn) -> list[FeedInput]:
    found = []
    for name in draw(st.sampled_from(["x", "xy", "yx", "xyz"])):
        kind = draw(st.sampled_from(["domains", "rpz", "signed", "signed"]))
        others = (Action.PASSTHRU,) if kind == "rpz" else (Action.ALLOW,)
        actions = [Action.SINKHOLE, Action.NXDOMAIN, Action.TCP_ONLY, Action.CNAME, Action.MONITOR, *others]
        orders = [
            order(
                f"{name}-{number}",
                draw(st.sampled_from(actions)),
                start=draw(st.one_of(st.just(0), dates)),
                expires=draw(st.none() | dates),
                lifted_on=draw(st.none() | dates),
                role=draw(st.sampled_from(["", "court", "ministry"])) if kind == "signed" else "",
            )
            for number in range(draw(st.integers(1, 3)))
        ]
        listings = [
            Listing(draw(st.sampled_from(orders)), scope, draw(st.lists(names | networks, max_size=5)))
            for scope in draw(st.lists(st.sampled_from(SCOPES), max_size=5))
        ]
        roles = {"rpz": [""], "signed": ["court", "ministry"]}.get(kind, [])
        may_lift = {role: draw(st.lists(st.sampled_from(AUTHORITIES), max_size=4)) for role in roles}
        found.append(FeedInput(name, kind, draw(st.integers(0, 2)), "", orders, listings, may_lift=may_lift))
    return found


EVERY_NAME = [
    DomainName.from_text(".".join(parts))
    for depth in (
        [[a] for a in "abc"],
        [[a, b] for a in "abc" for b in "abc"],
        [[a, b, c] for a in "abc" for b in "abc" for c in "abc"],
        [["x", a, b] for a in "abc" for b in "abc"],
        [["x", "y", "z", a, b, c] for a in "abc" for b in "abc" for c in "abc"],
    )
    for parts in depth
]
ADDRESSES = [
    bytes((8, 8, 8, 8)),
    bytes((8, 8, 9, 1)),
    bytes((1, 2, 3, 4)),
    bytes(16),
    b"\x26" + bytes(15),
    b"\xff" * 16,
]


@settings(max_examples=120)
@given(feeds(), st.sampled_from(HASHES))
def test_every_verdict_is_the_models(inputs: list[FeedInput], hashed: Callable[[bytes], int] | None) -> None:
    model = Model(inputs, NOW)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if hashed is not None:
            patch.setenv(ENGINE, "python")
            for module in ("building.builder", "mapped"):
                patch.setattr(f"blockd.ruleset.{module}.hash_of", lambda _, key: hashed(key))
        subject = enforced(Path(folder), *inputs)
        try:
            for name in EVERY_NAME:
                assert told(subject.verdict(name.key)) == model.verdict(name)
            for packed in ADDRESSES:
                assert told(subject.address_verdict(packed)) == model.address_verdict(packed)
        finally:
            subject.close()


def reason(folder: Path, name: str, *inputs: FeedInput) -> tuple[Reason, str]:
    subject = enforced(folder, *inputs)
    verdict = subject.verdict(key_from_text(name))
    subject.close()
    return verdict.reason, verdict.order.id if verdict.order else ""


def test_a_name_that_nobody_lists_is_not_listed(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o"), "a.example")))
    for name in ("example", "b.example", "xa.example", "a.example.org"):
        assert subject.verdict(key_from_text(name)) is NOT_LISTED
    assert subject.verdict(b"") is NOT_LISTED
    assert subject.address_verdict(bytes(4)) is NOT_LISTED


def test_a_scope_says_which_names_are_covered(tmp_path: Path) -> None:
    subject = order("o")
    inputs = feed(
        "f",
        listing(subject, "exact.example", scope=Scope.EXACT),
        listing(subject, "below.example", scope=Scope.SUBDOMAINS),
        listing(subject, "both.example", scope=Scope.BOTH),
    )
    found = enforced(tmp_path, inputs)
    covered = {
        name: found.verdict(key_from_text(name)).touches
        for scope in ("exact", "below", "both")
        for name in (f"{scope}.example", f"www.{scope}.example", f"a.b.c.{scope}.example")
    }
    assert list(covered.values()) == [True, False, False, False, True, True, True, True, True]


def test_the_longest_match_wins_over_priority(tmp_path: Path) -> None:
    inputs = (
        feed("first", listing(order("parent"), "a.example"), priority=1),
        feed("second", listing(order("child"), "www.a.example"), priority=9),
    )
    assert reason(tmp_path, "x.www.a.example", *inputs) == (Reason.LISTED, "child")
    assert reason(tmp_path, "b.a.example", *inputs) == (Reason.LISTED, "parent")


def test_an_allow_on_an_ancestor_beats_a_longer_block(tmp_path: Path) -> None:
    inputs = (
        feed("first", listing(order("block"), "www.a.example"), priority=1),
        feed("second", listing(order("allow", Action.ALLOW), "a.example"), priority=9),
    )
    assert reason(tmp_path, "www.a.example", *inputs) == (Reason.ALLOWED, "allow")


def test_an_allow_that_does_not_cover_a_name_changes_nothing(tmp_path: Path) -> None:
    inputs = (
        feed("first", listing(order("block"), "a.example")),
        feed("second", listing(order("allow", Action.ALLOW), "a.example", scope=Scope.EXACT)),
    )
    assert reason(tmp_path, "www.a.example", *inputs) == (Reason.LISTED, "block")
    assert reason(tmp_path, "a.example", *inputs) == (Reason.ALLOWED, "allow")


def test_an_allow_that_is_not_in_force_changes_nothing(tmp_path: Path) -> None:
    inputs = (
        feed("first", listing(order("block"), "a.example")),
        feed("second", listing(order("allow", Action.ALLOW, start=NOW + 1), "a.example")),
    )
    assert reason(tmp_path, "a.example", *inputs) == (Reason.LISTED, "block")


def test_a_monitor_never_hides_a_block(tmp_path: Path) -> None:
    monitor = feed("first", listing(order("monitor", Action.MONITOR), "www.a.example"), priority=1)
    assert reason(tmp_path, "www.a.example", monitor) == (Reason.MONITORED, "monitor")
    block = feed("second", listing(order("block"), "a.example"), priority=9)
    assert reason(tmp_path, "www.a.example", monitor, block) == (Reason.LISTED, "block")


def test_an_order_that_is_over_gives_way_to_a_shorter_match(tmp_path: Path) -> None:
    inputs = feed("f", listing(order("over", lifted_on=NOW), "www.a.example"), listing(order("still"), "a.example"))
    assert reason(tmp_path, "www.a.example", inputs) == (Reason.LISTED, "still")


def test_an_order_not_in_force_is_named_and_does_nothing(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("later", start=NOW + 1), "a.example")))
    verdict = subject.verdict(key_from_text("www.a.example"))
    assert verdict.reason is Reason.NOT_IN_FORCE
    assert verdict.order is not None
    assert verdict.order.id == "later"
    assert not verdict.touches


def test_a_verdict_says_who_and_why(tmp_path: Path) -> None:
    first, second = order("first", start=2), order("second", start=1)
    subject = enforced(tmp_path, feed("f", listing(first, "b.example"), listing(second, "a.example")))
    verdict = subject.verdict(key_from_text("www.a.example"))
    assert (verdict.order, verdict.feed, verdict.order_index) == (second, "f", 1)
    assert verdict.entry is not None
    assert (verdict.entry.text, verdict.entry.scope) == ("a.example", Scope.BOTH)


def test_the_longest_network_that_holds_an_address_decides(tmp_path: Path) -> None:
    wide, narrow, six = order("wide"), order("narrow"), order("six")
    subject = enforced(
        tmp_path,
        feed(
            "f", listing(wide, "8.8.0.0/16"), listing(narrow, "8.8.8.0/24", "8.8.4.4/32"), listing(six, "2600:1::/32")
        ),
    )

    def decided(text: str) -> str:
        verdict = subject.address_verdict(Network.from_text(text).packed)
        return verdict.order.id if verdict.order else ""

    assert [decided(text) for text in ("8.8.8.8", "8.8.9.8", "8.8.4.4", "8.8.4.5", "8.9.0.0")] == [
        "narrow",
        "wide",
        "narrow",
        "wide",
        "",
    ]
    assert [decided(text) for text in ("2600:1::5", "2600:2::5", "::808:808")] == ["six", "", ""]


def covering_orders(subject: Enforced, name: str) -> list[str]:
    """Return the orders that cover a name, the longest match first."""
    found = [covering.verdict.order for covering in subject.covering(key_from_text(name))]
    return [covers.id for covers in found if covers is not None]


def test_every_claim_that_covers_a_name_is_told(tmp_path: Path) -> None:
    subject = enforced(
        tmp_path,
        feed(
            "f",
            listing(order("child", start=NOW + 5), "www.a.example"),
            listing(order("parent"), "a.example"),
            listing(order("exact"), "a.example", scope=Scope.EXACT),
        ),
    )
    assert covering_orders(subject, "x.www.a.example") == ["child", "parent"]
    assert covering_orders(subject, "a.example") == ["exact", "parent"]
    assert subject.covering(key_from_text("b.example")) == []


def test_a_flip_shows_in_the_next_verdict_and_in_the_moment(tmp_path: Path) -> None:
    subject = enforced(tmp_path, feed("f", listing(order("o", expires=NOW + 10), "a.example")))
    orders = [record.order for record in subject.ruleset.catalogue.orders]
    assert isinstance(subject.states, OrderStates)
    writer = OrderStates(subject.states.memory, 1, writable=True)
    key, moment = key_from_text("a.example"), subject.moment
    assert subject.verdict(key).reason is Reason.LISTED
    assert writer.update(orders, NOW + 9) == []
    assert subject.moment == moment
    writer.update(orders, NOW + 10)
    assert subject.verdict(key).reason is Reason.NOT_IN_FORCE
    assert subject.moment != moment

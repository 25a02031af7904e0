"""Precedence between authorities and the operator: each cell of the manual's table, and random contradictions."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.names import DomainName, key_from_text
from blockd.native import is_native
from blockd.orders import Action, LocalRecord, Order, Reason, Verdict
from blockd.ruleset import Enforced, FeedInput
from blockd.ruleset.precedence import STRENGTHS
from tests.effort import tries
from tests.resolver.twins import RULINGS
from tests.ruleset.lists import NOW, enforced, feed, listing, order
from tests.ruleset.test_policy import AUTHORITIES, Model, dates, told

if is_native():
    from tests.ruleset.test_table import Opened

NAMES = ("a.example", "b.a.example", "c.b.a.example")
SIGNED = [action for action in Action if not action.is_zones]
FULL = {Action.SINKHOLE, Action.NXDOMAIN, Action.NODATA, Action.REFUSED, Action.DROP}
# The table of the manual, written out once more: from the strongest to the weakest.
LEVELS = (FULL, {Action.CNAME, Action.LOCAL}, {Action.TCP_ONLY}, {Action.MONITOR, Action.ALLOW, Action.PASSTHRU})


def signed(name: str, *orders: tuple[Order, str], priority: int = 50, **may_lift: list[str]) -> FeedInput:
    listings = [listing(subject, text) for subject, text in orders]
    subjects = list({subject.id: subject for subject, _ in orders}.values())
    return FeedInput(name, "signed", priority, "", subjects, listings, may_lift=may_lift)


def zone(name: str, *orders: tuple[Order, str], priority: int = 50, may_lift: tuple[str, ...] = ()) -> FeedInput:
    listings = [listing(subject, text) for subject, text in orders]
    subjects = list({subject.id: subject for subject, _ in orders}.values())
    return FeedInput(name, "rpz", priority, "", subjects, listings, may_lift={"": may_lift} if may_lift else {})


def of(identifier: str, action: Action, role: str = "", start: int = 0) -> Order:
    made = order(identifier, action, role=role, start=start)
    if action is not Action.LOCAL:
        return made
    return Order(**{name: getattr(made, name) for name in made.__slots__} | {"records": (LocalRecord(1, 60, b"abcd"),)})


def decided(folder: Path, name: str, *inputs: FeedInput) -> Verdict:
    subject = enforced(folder, *inputs)
    try:
        return subject.verdict(key_from_text(name))
    finally:
        subject.close()


def by(folder: Path, name: str, *inputs: FeedInput) -> str:
    verdict = decided(folder, name, *inputs)
    return verdict.order.id if verdict.order and verdict.action else ""


def level(action: Action) -> int:
    return next(place for place, actions in enumerate(LEVELS) if action in actions)


def test_every_action_has_the_strength_that_the_manual_gives_it() -> None:
    assert {action: 3 - level(action) for action in Action} == dict(STRENGTHS)


CELLS = [(one, other) for one in SIGNED for other in SIGNED if STRENGTHS[one] > STRENGTHS[other]]


@pytest.mark.parametrize(("strong", "weak"), CELLS)
def test_between_authorities_the_stronger_action_stands(tmp_path: Path, strong: Action, weak: Action) -> None:
    """Each cell: whoever names the longer name, is of the later date, or of the feed that comes first."""
    one, other = of("ministry", strong, "ministry"), of("court", weak, "court", start=5)
    for one_name, other_name in itertools.product(NAMES, NAMES):
        for one_feed, other_feed in (("f", "f"), ("f", "g"), ("g", "f")):
            inputs = [signed(one_feed, (one, one_name), priority=90), signed(other_feed, (other, other_name))]
            if one_feed == other_feed:
                inputs = [signed("f", (one, one_name), (other, other_name))]
            verdict = decided(tmp_path, "x.c.b.a.example", *inputs)
            assert (verdict.order, verdict.reason) == (one, Reason.LISTED), (one_name, other_name, one_feed)


@pytest.mark.parametrize("action", SIGNED)
def test_equal_actions_go_by_priority_then_date_then_id(tmp_path: Path, action: Action) -> None:
    other = {Action.ALLOW: Action.ALLOW, Action.MONITOR: Action.MONITOR}.get(action, action)
    early, late = of("a", action, "one", start=1), of("b", other, "two", start=2)
    assert by(tmp_path, NAMES[1], signed("f", (early, NAMES[1]), (late, NAMES[0]))) == "b"
    first = signed("f", (early, NAMES[0]), priority=1)
    assert by(tmp_path, NAMES[1], first, signed("g", (late, NAMES[1]), priority=2)) == "a"
    same = of("c", other, "two", start=1)
    assert by(tmp_path, NAMES[1], signed("f", (early, NAMES[0]), (same, NAMES[1]))) == "a"


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.ALLOW])
def test_what_the_operator_allows_stands_above_all(tmp_path: Path, action: Action) -> None:
    subject = of("o", action, "" if action.is_zones else "ministry")
    against = zone("z", (subject, NAMES[2])) if action.is_zones else signed("f", (subject, NAMES[2]), priority=0)
    allow = feed("allow", listing(of("allowed", Action.ALLOW), NAMES[0]), priority=90)
    verdict = decided(tmp_path, NAMES[2], against, allow)
    assert (verdict.order and verdict.order.id, verdict.reason) == ("allowed", Reason.ALLOWED)
    assert verdict.tiers_left == 0


@pytest.mark.parametrize("weak", [Action.PASSTHRU, Action.MONITOR, Action.TCP_ONLY, Action.LOCAL, Action.CNAME])
def test_the_operators_zone_opens_a_signed_order_only_if_it_may(tmp_path: Path, weak: Action) -> None:
    block = signed("f", (of("order", Action.SINKHOLE, "ministry"), NAMES[1]), priority=90)
    rule = of("rule", weak), NAMES[1]
    assert by(tmp_path, NAMES[2], zone("z", rule, priority=1), block) == "order"
    for wanted in ("f", "f/ministry"):
        opened = "order" if weak is Action.MONITOR else "rule"
        assert by(tmp_path, NAMES[2], zone("z", rule, priority=1, may_lift=(wanted,)), block) == opened
    assert by(tmp_path, NAMES[2], zone("z", rule, priority=1, may_lift=("g", "f/court", "f/targets")), block) == "order"


def test_the_operators_full_block_stands_over_an_authoritys_weaker_order(tmp_path: Path) -> None:
    own = feed("own", listing(of("own", Action.NXDOMAIN), NAMES[0]), priority=90)
    for action in (Action.ALLOW, Action.MONITOR, Action.TCP_ONLY, Action.CNAME):
        assert by(tmp_path, NAMES[2], signed("f", (of("order", action), NAMES[2]), priority=0), own) == "own"


def test_within_the_operators_feeds_a_passing_zone_ends_the_later_ones(tmp_path: Path) -> None:
    """As before: what authorities sign is apart from it."""
    passing, own = zone("z", (of("pass", Action.PASSTHRU), NAMES[1]), priority=1), of("own", Action.SINKHOLE)
    later = feed("own", listing(own, NAMES[2]), priority=9)
    assert by(tmp_path, NAMES[2], passing, later) == "pass"
    court = signed("f", (of("allow", Action.ALLOW, "court"), NAMES[2]))
    verdict = decided(tmp_path, NAMES[2], passing, later, court)
    assert (verdict.reason, verdict.tiers_left) == (Reason.ALLOWED, 1)


@pytest.mark.parametrize("weak", [Action.ALLOW, Action.TCP_ONLY, Action.CNAME])
def test_within_one_authority_it_is_as_it_was(tmp_path: Path, weak: Action) -> None:
    """The longest match decides, `allow` beats all."""
    inputs = signed(
        "f", (of("block", Action.SINKHOLE, "ministry", start=5), NAMES[1]), (of("weak", weak, "ministry"), NAMES[2])
    )
    other = signed("g", (of("counts", Action.MONITOR), NAMES[2]))
    assert by(tmp_path, NAMES[2], inputs, other) == "weak"
    assert by(tmp_path, "x.b.a.example", inputs, other) == "block"


@pytest.mark.parametrize("weak", [Action.ALLOW, Action.TCP_ONLY, Action.CNAME, Action.MONITOR])
def test_a_court_lifts_the_orders_of_whom_it_may(tmp_path: Path, weak: Action) -> None:
    def found(court_name: str, *may_lift: str) -> str:
        orders = (of("block", Action.DROP, "ministry"), NAMES[1]), (of("lifting", weak, "court"), court_name)
        return by(tmp_path, NAMES[2], signed("f", *orders, court=list(may_lift)))

    lifted = "block" if weak is Action.MONITOR else "lifting"
    assert found(NAMES[2], "f/ministry") == found(NAMES[1], "f/ministry") == lifted
    assert found(NAMES[0], "f/ministry") == ("lifting" if weak is Action.ALLOW else "block"), "of a shorter name"
    assert found(NAMES[2]) == found(NAMES[2], "f/court", "f/targets", "g/ministry", "g") == "block"


def test_what_was_lifted_lifts_nothing(tmp_path: Path) -> None:
    orders = [
        (of("appeal", Action.ALLOW, "appeal"), NAMES[1]),
        (of("court", Action.TCP_ONLY, "court"), NAMES[1]),
        (of("block", Action.SINKHOLE, "ministry"), NAMES[1]),
    ]
    lifting = {"court": ["f/ministry"], "appeal": ["f/court"]}
    assert by(tmp_path, NAMES[1], signed("f", *orders, priority=50, **lifting)) == "block"
    assert by(tmp_path, NAMES[1], signed("f", *orders, court=["f/ministry"])) == "court"
    both = {"court": ["f/appeal"], "appeal": ["f/court"]}
    assert by(tmp_path, NAMES[1], signed("f", *orders[:2], priority=50, **both)) == "appeal", (
        "only a weaker order lifts"
    )


def test_a_verdict_holds_no_longer_than_what_lifts_another(tmp_path: Path) -> None:
    lifting = order("lifting", Action.ALLOW, role="court", expires=NOW + 60)
    orders = (of("block", Action.DROP, "ministry"), NAMES[1]), (lifting, NAMES[1])
    counting = signed("a", (of("counts", Action.PASSTHRU), NAMES[1]), priority=0)
    inputs = signed("f", *orders, court=["f/ministry"]), zone("z", (of("pass", Action.PASSTHRU), NAMES[1]), priority=1)
    assert decided(tmp_path, NAMES[1], *inputs).until == NOW + 60
    assert counting.type == "signed"


@st.composite
def contradictions(draw: st.DrawFn) -> list[FeedInput]:
    found = []
    for name in draw(st.sampled_from(["xy", "yx", "xyz"])):
        kind = draw(st.sampled_from(["domains", "rpz", "signed", "signed"]))
        roles = ["", "court", "ministry"] if kind == "signed" else [""]
        actions = {"signed": SIGNED, "domains": SIGNED}.get(kind, [*SIGNED[:-1], Action.PASSTHRU, Action.LOCAL])
        orders = [
            of(f"{name}-{at}", draw(st.sampled_from(actions)), draw(st.sampled_from(roles)), draw(st.just(0) | dates))
            for at in range(draw(st.integers(1, 4)))
        ]
        may_lift = {
            role: draw(st.lists(st.sampled_from([*AUTHORITIES, "x", "y"]), max_size=4))
            for role in (["court", "ministry"] if kind == "signed" else roles if kind == "rpz" else [])
        }
        pairs = [listing(subject, draw(st.sampled_from(NAMES))) for subject in orders]
        found.append(FeedInput(name, kind, draw(st.integers(0, 1)), "", orders, pairs, may_lift=may_lift))
    return found


@settings(max_examples=tries(300, 5000))
@given(contradictions())
def test_contradictions_are_decided_as_the_manual_says(inputs: list[FeedInput]) -> None:
    model = Model(inputs, NOW)
    with tempfile.TemporaryDirectory() as folder:
        subject = enforced(Path(folder), *inputs)
        for text in (*NAMES, "x.c.b.a.example", "b.example"):
            name = DomainName.from_text(text)
            assert told(subject.verdict(name.key)) == model.verdict(name)
        _must_agree(subject)
        subject.close()


def _must_agree(subject: Enforced) -> None:
    """Check that the native reader decides alike, if it was built."""
    if not is_native():
        return
    path = subject.ruleset.path
    with Opened(path) as opened:
        for text in (*NAMES, "x.c.b.a.example", "b.example"):
            key = key_from_text(text)
            verdict = opened.enforced.verdict(key)
            ruling = RULINGS[verdict.reason]
            size = len(verdict.entry.key) if verdict.entry and ruling else 0
            index = verdict.order_index if ruling else 0
            expected = ruling, index, size, verdict.tier, verdict.until, verdict.tiers_left, bool(verdict.passing)
            assert opened.table.verdict(key) == expected, (text, verdict)

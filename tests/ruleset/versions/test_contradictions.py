"""The contradictions between authorities that are listed are those that decide, and the same in C and in Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from blockd.native import ENGINE, is_native
from blockd.orders import Action
from blockd.ruleset import FeedInput, Ruleset
from blockd.ruleset.versions import contradictions as module
from blockd.ruleset.versions.contradictions import contradictions
from tests.effort import tries
from tests.ruleset.lists import compiled, feed, listing, order
from tests.ruleset.test_precedence import NAMES, of, signed, zone
from tests.ruleset.test_precedence import contradictions as contradicting


def found(folder: Path, *inputs: FeedInput) -> list[tuple[str, str, bool, str]]:
    ruleset = compiled(folder / "r", *inputs)
    told = contradictions(ruleset)
    ruleset.close()
    assert told.is_whole
    assert told.count == len(told.listed)
    return [(one.order, one.other, one.lifts, one.example) for one in told.listed]


def test_what_is_overruled_and_what_lifts_is_listed(tmp_path: Path) -> None:
    block, allow = of("block", Action.SINKHOLE, "ministry"), of("allow", Action.ALLOW, "court")
    both = (block, NAMES[0]), (allow, NAMES[2])
    assert found(tmp_path, signed("f", *both)) == [("allow", "block", False, NAMES[2])]
    assert found(tmp_path, signed("f", *both, court=["f/ministry"])) == [("allow", "block", True, NAMES[2])]
    other_way = (block, NAMES[2]), (allow, NAMES[0])
    assert found(tmp_path, signed("f", *other_way)) == [("allow", "block", False, NAMES[2])]


def test_what_contradicts_nobody_else_is_not_listed(tmp_path: Path) -> None:
    block = of("block", Action.SINKHOLE, "ministry")
    own = of("own", Action.ALLOW, "ministry")
    assert found(tmp_path, signed("f", (block, NAMES[0]), (own, NAMES[1]))) == [], "within one authority"
    allow = feed("allow", listing(order("allowed", Action.ALLOW), NAMES[0]))
    assert found(tmp_path, signed("f", (block, NAMES[0])), allow) == [], "what the operator allows"
    counting = signed("g", (of("count", Action.MONITOR), NAMES[0]))
    assert found(tmp_path, signed("f", (block, NAMES[0])), counting) == [], "what only counts"
    over = order("over", Action.ALLOW, role="court", lifted_on=1)
    assert found(tmp_path, signed("f", (block, NAMES[0]), (over, NAMES[0]))) == [], "what has ended"


def test_a_zones_rule_and_an_authoritys_order_are_named(tmp_path: Path) -> None:
    ruleset = compiled(
        tmp_path / "r",
        signed("f", (of("block", Action.DROP), NAMES[1])),
        zone("z", (of("pass", Action.PASSTHRU), NAMES[0])),
    )
    [one] = contradictions(ruleset).listed
    assert one.sentence == (
        f"order pass of feed z (passthru) is overruled by order block of f/targets (drop), for {NAMES[1]}"
    )
    ruleset.close()


def test_more_than_can_be_examined_are_counted_as_far_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EXAMINED", 3)
    names = [f"n{number}.example" for number in range(9)]
    inputs = FeedInput(
        "f", "signed", 50, "", [block := order("b", role="a"), allow := order("w", Action.ALLOW, role="c")],
        [listing(block, *names), listing(allow, *names)],
    )  # fmt: skip
    ruleset = compiled(tmp_path / "r", inputs)
    told = contradictions(ruleset)
    assert (told.count, told.is_whole, told.listed[0].names) == (1, False, 3)
    ruleset.close()


@pytest.mark.skipif(not is_native(), reason="the native engine was not built")
@settings(max_examples=tries(60, 1000))
@given(contradicting())
def test_both_walks_find_the_same(tmp_path_factory: pytest.TempPathFactory, inputs: list[FeedInput]) -> None:
    path = tmp_path_factory.mktemp("r") / "r"
    compiled(path, *inputs).close()
    told = []
    for engine in ("native", "python"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ENGINE, engine)
            ruleset = Ruleset.open(path)
            told.append(contradictions(ruleset))
            ruleset.close()
    assert told[0] == told[1]

"""What applies to a group of clients: a model without the feeds that it lacks, the policy, and the table in C."""

from __future__ import annotations

import functools
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.names import client_key, key_from_text
from blockd.native import is_native
from blockd.orders import NO_TIER, Action, Reason, Scope, Verdict
from blockd.ruleset import NOT_LISTED, Enforced, FeedInput, Listing
from blockd.ruleset.leading import judge_by_table, where_it_leads
from blockd.settings.feeds import OVERRIDES
from tests.effort import tries
from tests.ruleset.lists import NOW, enforced, feed, groups, listing, order
from tests.ruleset.test_leading import ADDRESSES as LED_TO
from tests.ruleset.test_leading import NAMES, packed, world
from tests.ruleset.test_policy import ADDRESSES, EVERY_NAME, Model, feeds, told

if is_native():
    from blockd.ruleset._leading import judge
    from tests.resolver.twins import RULINGS
    from tests.ruleset.test_table import table_of

WORLDS = tries(80, 1500)
ME = bytes((127, 0, 1, 1))


def names_of(inputs: list[FeedInput]) -> list[str]:
    return [source.name for source in inputs]


class Lacking(Model):
    """The model without the claims of some feeds, which keep their places among the tiers."""

    def __init__(self, inputs: list[FeedInput], now: int, applying: set[str]) -> None:
        super().__init__(inputs, now)
        self._claims = [claim for claim in self._claims if claim.feed in applying]


def assert_alike_in_c(subject: Enforced, group: int) -> None:
    """Fail if the table in C decides otherwise for a group."""
    if not is_native():
        return
    view, table = subject.seen_by(group), table_of(subject)
    try:
        for keys, ours, theirs in (
            ([name.key for name in EVERY_NAME], view.verdict, table.verdict),
            (ADDRESSES, view.address_verdict, table.address_verdict),
            ([ME], view.client_verdict, table.client_verdict),
        ):
            for key in keys:
                verdict, found = ours(key), theirs(key, group)
                ruling = RULINGS[verdict.reason]
                size = len(verdict.entry.key) if verdict.entry and ruling else 0
                expected = (
                    ruling, verdict.order_index if ruling else 0, size, verdict.tier, verdict.until, verdict.tiers_left,
                    bool(verdict.passing),
                )  # fmt: skip
                assert found == expected, (key, verdict)
    finally:
        table.close()


@settings(max_examples=150)
@given(feeds(), st.data())
def test_every_verdict_is_that_of_a_model_without_what_does_not_apply(
    inputs: list[FeedInput], data: st.DataObject
) -> None:
    applying = data.draw(st.sets(st.sampled_from(names_of(inputs)), max_size=3))
    model = Lacking(inputs, NOW, applying)
    with tempfile.TemporaryDirectory() as folder:
        subject = enforced(Path(folder), *inputs, groups=groups(other=["x"], tested=applying))
        try:
            view = subject.seen_by(2)
            for name in EVERY_NAME:
                assert told(view.verdict(name.key)) == model.verdict(name)
            for octets in ADDRESSES:
                assert told(view.address_verdict(octets)) == model.address_verdict(octets)
            for group in (0, 1, 2):
                assert_alike_in_c(subject, group)
        finally:
            subject.close()


@pytest.mark.skipif(not is_native(), reason="the native engine was not built")
def test_where_answers_lead_is_judged_for_each_group_alike_in_c(tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311 - a test repeats itself
    different = set()
    for number in range(WORLDS):
        inputs = world(chance)
        every = names_of(inputs)
        groups_ = groups(one=chance.sample(every, chance.randint(1, len(every))), two=every[:1], none=[])
        subject = enforced(tmp_path, *inputs, groups=groups_)
        table = table_of(subject)
        try:
            for _ in range(4):
                keys = [key_from_text(name) for name in chance.sample(NAMES, chance.randint(0, 3))]
                addresses = packed(*chance.sample(LED_TO, chance.randint(0, 5)))
                verdicts: list[Verdict] = []
                for group in range(4):
                    verdict = where_it_leads(subject, keys, addresses, NO_TIER, frozenset(), group)
                    found = judge_by_table(
                        subject, functools.partial(judge, table), keys, addresses, NO_TIER, frozenset(), group
                    )
                    assert found == verdict, (number, group)
                    verdicts.append(verdict)
                assert verdicts[3].action is None
                different.add(len({verdict.order_index for verdict in verdicts}))
        finally:
            table.close()
            subject.close()
    assert different >= {1, 2, 3}


@settings(max_examples=60)
@given(feeds())
def test_a_group_with_every_feed_is_as_no_group(inputs: list[FeedInput]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        subject = enforced(Path(folder), *inputs, groups=groups(all=names_of(inputs), none=[]))
        try:
            for name in EVERY_NAME:
                assert subject.seen_by(1).verdict(name.key) == subject.verdict(name.key)
                assert subject.seen_by(2).verdict(name.key) is NOT_LISTED
        finally:
            subject.close()


def test_overrides_apply_to_all_but_exempt_groups(tmp_path: Path) -> None:
    law, own = order("law"), order("own", Action.ALLOW)
    block = order("block", Action.NXDOMAIN)
    sources = (
        feed("ministry", listing(law, "a.example", "b.example")),
        FeedInput(
            OVERRIDES, "overrides", 0, "", [own, block], [listing(own, "a.example"), listing(block, "c.example")]
        ),
    )
    subject = enforced(tmp_path, *sources, groups=groups(some=["ministry"], only=[OVERRIDES], probe=[]))
    by_group = [
        [subject.seen_by(group).verdict(key_from_text(name)).reason for name in ("a.example", "b.example", "c.example")]
        for group in range(4)
    ]
    assert by_group == [
        [Reason.ALLOWED, Reason.LISTED, Reason.LISTED],
        [Reason.ALLOWED, Reason.LISTED, Reason.LISTED],
        [Reason.ALLOWED, Reason.NOT_LISTED, Reason.LISTED],
        [Reason.NOT_LISTED] * 3,
    ]
    subject.close()


def test_rules_for_clients_act_in_groups_that_have_their_zone(tmp_path: Path) -> None:
    rule = order("stranger", Action.NXDOMAIN)
    zone = FeedInput(
        "zone", "rpz", 5, "", [rule], [Listing(rule, Scope.BOTH, [client_key(bytes((127, 0, 0, 0)), 8)])],
        asks_client=True,
    )  # fmt: skip
    law = feed("law", listing(order("law"), "a.example"))
    subject = enforced(tmp_path, zone, law, groups=groups(has=["zone", "law"], lacks=["law"]))
    key = key_from_text("free.example")
    for octets, action in (
        (ME, Action.NXDOMAIN),
        (bytes((127, 0, 2, 1)), None),
        (bytes((127, 0, 3, 1)), Action.NXDOMAIN),
    ):
        assert subject.seen_from(octets).verdict(key, octets).action is action
        assert subject.seen_from(octets).client_verdict(octets).action is action
    subject.close()


def test_a_zone_that_does_not_apply_closes_no_wildcards_and_ends_no_tiers(tmp_path: Path) -> None:
    star, inner = order("star", Action.NXDOMAIN), order("inner", Action.PASSTHRU)
    first = FeedInput("first", "rpz", 1, "", [inner], [listing(inner, "b.example")])
    second = FeedInput("second", "rpz", 2, "", [star], [listing(star, "example")])
    subject = enforced(tmp_path, first, second, groups=groups(second=["second"]))
    key = key_from_text("a.b.example")
    assert subject.verdict(key).reason is Reason.PASSED
    assert subject.seen_by(1).verdict(key).order == star
    subject.close()


def test_a_pending_order_that_does_not_apply_shortens_nothing(tmp_path: Path) -> None:
    soon = order("soon", start=NOW + 5)
    subject = enforced(tmp_path, feed("law", listing(soon, "a.example")), groups=groups(none=["other"]))
    key = key_from_text("a.example")
    assert subject.verdict(key).until == NOW + 5
    assert subject.seen_by(1).verdict(key) is NOT_LISTED
    assert subject.seen_by(1).covering(key) == []
    subject.close()

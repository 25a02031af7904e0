"""What is told of a reload and of an upgrade fits one message, whatever its texts are."""

from __future__ import annotations

import typing
from dataclasses import fields, is_dataclass

from blockd.daemon.channel import pair
from blockd.daemon.reload.record import MAX_BY, MAX_ID, ReloadRecord, ReloadRequest, bounded
from blockd.daemon.upgrade.record import UpgradeRecord, UpgradeRequest
from blockd.daemon.upgrade.trial import TrialResult
from blockd.orders.operator_line import MAX_LINE
from blockd.web.api import bodies
from blockd.web.api.asked import fields_of

WIDEST = "\U0001f600"  # a letter that takes twelve octets in JSON
BY, REASON = WIDEST * MAX_BY, WIDEST * MAX_LINE
PATH = "/" + "é" * ((bodies.MAX_PROGRAM - 1) // 2)
MANY = [WIDEST * 2_000] * 100


def passed(message: dict[str, object]) -> dict[str, typing.Any]:
    """Return a message as the other side of a channel hears it."""
    ours, theirs = pair()
    ours.send(message)
    [heard] = theirs.receive() or [{}]
    ours.close()
    theirs.close()
    return heard


def test_the_largest_reload_is_passed_on_whole() -> None:
    asked: dict[str, typing.Any] = {"id": "i" * MAX_ID, "by": BY, "reason": REASON, "dry_run": True}
    assert ReloadRequest.from_message(passed({"reload": asked})["reload"]) == ReloadRequest(**asked)
    record = ReloadRecord(
        "i" * MAX_ID, BY, REASON, False, "2026-12-31T23:59:59Z", "unchanged", "a" * 64, "b" * 64, bounded(MANY),
        ("worker", "page", "decide", "control"), ("state_dir", "user"), bounded(MANY), 12345.678,
    )  # fmt: skip
    assert ReloadRecord.from_message(passed({"reloaded": record.to_json()})["reloaded"]) == record


def test_the_largest_upgrade_is_passed_on_whole() -> None:
    asked: dict[str, typing.Any] = {"id": "i" * MAX_ID, "by": BY, "reason": REASON, "program": PATH, "dry_run": True}
    assert UpgradeRequest.from_message(passed({"upgrade": asked})["upgrade"]) == UpgradeRequest(**asked)
    record = UpgradeRecord(
        "i" * MAX_ID, BY, REASON, PATH, False, "2026-12-31T23:59:59Z", "refused", "1.0", "2.0", bounded(MANY), 1.5
    )
    assert UpgradeRecord.from_message(passed({"upgraded": record.to_json()})["upgraded"]) == record


def test_a_verdict_of_long_sentences_is_heard() -> None:
    said = passed({"trial": {"version": "2.0", "problems": bounded(MANY)}})
    verdict = TrialResult.of([said])
    assert verdict is not None
    assert verdict.problems[0].startswith(WIDEST * 200), "the first sentence is told, if not to its end"
    assert verdict.problems[-1] == "and 99 more; `blockd check` tells all of them"


def test_every_reason_and_officer_that_is_taken_may_be_as_long_as_those_that_are_kept() -> None:
    kinds = [kind for kind in vars(bodies).values() if is_dataclass(kind) and isinstance(kind, type)]
    texts = {
        (kind.__name__, field.name): field.about.most
        for kind in kinds
        for field in fields_of(kind)
        if fields(kind) and field.name in ("reason", "as")
    }
    assert len(texts) >= 10
    assert set(texts.values()) == {MAX_LINE}

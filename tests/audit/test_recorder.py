from __future__ import annotations

from typing import Any

import pytest

from blockd.audit.database import Database
from blockd.audit.refusals import HOUR, MOST, MOST_OF_ROLE, VARIED, Part
from blockd.audit.verifying import verify_log
from blockd.feeds.fetched import Fetched
from blockd.orders import OrderKey
from blockd.ruleset import Ruleset
from blockd.ruleset.policy import at_time
from tests.audit.conftest import NOON
from tests.audit.node import FEED, Node
from tests.audit.repository import Repository, order


def found(node: Node, *kinds: str, **wanted: Any) -> list[dict[str, Any]]:
    database = Database.read(node.state / "audit.db")
    try:
        return [dict(record.body) for record in database.find(kinds=kinds, **wanted)]
    finally:
        database.close()


def test_every_order_has_its_own_figure(story: Node) -> None:
    first, lifted = found(story, "order", name="order-1")
    assert (first["state"], first["change"], first["seconds"]) == ("in force", "imposed", None)  # the first version
    assert (lifted["state"], lifted["change"], lifted["seconds"]) == ("lifted", "lifted", 2.25)
    assert lifted["signed"] == "2026-11-24T12:10:07.750Z"
    _, expired = found(story, "order", name="media-1")
    assert (expired["state"], expired["change"], expired["seconds"]) == ("expired", "lifted", 0.125)


def test_times_are_measured_by_their_change(story: Node) -> None:
    times = story.recorder.times
    assert (sum(times["lifted"].by_bucket), sum(times["imposed"].by_bucket)) == (2, 0)
    assert times["lifted"].seconds == pytest.approx(2.375)


def test_new_order_is_measured_from_its_signing_and_later_dates_from_theirs(node: Node, repository: Repository) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["a.example"])}))
    node.time += 60
    documents = {
        "order-1": order("order-1", ["a.example"]),
        "order-2": order("order-2", ["b.example"]),
        "order-3": order("order-3", ["c.example"], in_force_from="2026-11-24T12:02:00Z"),
    }
    node.enforce(repository.publish(documents), node.time - 1.5)
    node.pass_time(NOON.timestamp() + 120.25 - node.time)
    node.stop()
    seconds = {body["order"]: body["seconds"] for body in found(node, "order") if body["change"] == "imposed"}
    assert seconds == {"order-1": None, "order-2": 1.5, "order-3": 0.25}
    assert node.recorder.times["imposed"].seconds == pytest.approx(1.75)


def test_order_that_its_feed_lists_no_more_is_lifted(node: Node, repository: Repository) -> None:
    orders = {name: order(name, [f"{name}.example"]) for name in ("order-1", "order-2")}
    node.enforce(repository.publish(orders))
    node.time += 60
    node.enforce(repository.publish({"order-1": orders["order-1"]}), node.time - 0.5)
    node.stop()
    gone = found(node, "order", name="order-2")[-1]
    assert (gone["state"], gone["change"], gone["seconds"]) == ("gone", "lifted", 0.5)


def test_restart_records_only_what_has_changed_meanwhile(node: Node, repository: Repository) -> None:
    enforced = node.enforce(repository.publish({"order-1": order("order-1", ["a.example"])}))
    node.stop()
    node.start()
    node.before = None
    node.recorder.enforced(_again(node, enforced.version), None, None, "start", "", node.time)
    since = node.recorder.in_force_since(OrderKey(FEED, "", "order-1"))
    node.stop()
    assert len(found(node, "order")) == 1
    assert since == found(node, "order")[0]["since"]
    first, second = found(node, "enforced")
    assert second["how"] == "start"
    assert second["feeds"][0]["proof"] == first["feeds"][0]["proof"]


def _again(node: Node, version: int) -> Any:
    node.before = at_time(version, Ruleset.open(node.versions.ruleset(version)), node.time)
    return node.before


def test_evidence_of_what_is_enforced_already_is_kept_once(node: Node, repository: Repository) -> None:
    evidence = repository.publish({"order-1": order("order-1", ["a.example"])})
    fetched = Fetched(node.folder, "ab" * 32, None, evidence=evidence)
    for _ in range(3):
        node.recorder.confirmed(FEED, fetched)
    node.stop()
    assert len(found(node, "evidence")) == 1


def test_refusals_without_end_do_not_fill_the_disk(node: Node) -> None:
    reasons = ("signature", "cut")  # in turn, so that none is the same as the one before
    for number in range(MOST * 3):
        node.recorder.refused(Part(FEED), reasons[number % 2], f"sentence {number}")
    node.time += HOUR
    node.recorder.refused(Part(FEED), "format", "an hour later")
    node.stop()
    refusals = found(node, "refused", feed=FEED)
    assert len(refusals) == MOST + 1
    assert refusals[-1]["passed_over"] == 2 * MOST


def test_refusal_whose_sentence_varies_is_recorded_some_times_an_hour(node: Node) -> None:
    for number in range(1_000):
        node.recorder.refused(Part(FEED), "unreachable", f"it says {number}")
    node.time += HOUR
    node.recorder.refused(Part(FEED), "unreachable", "an hour later")
    node.recorder.good_again(Part(FEED))
    node.stop()
    refusals = found(node, "refused", feed=FEED)
    assert len(refusals) == VARIED + 1
    assert refusals[-1]["times"] == 1_000 - VARIED
    assert found(node, "good-again", feed=FEED)[0]["times"] == 1_001


def test_same_refusal_is_one_record_with_a_count_when_it_is_over(node: Node) -> None:
    part = Part(FEED, "court", "order-1")
    told = [node.recorder.refused(part, "format", "It has a wrong date.") for _ in range(5)]
    assert told == [True, False, False, False, False]
    assert list(node.recorder.refused_of(FEED)) == [part]
    assert node.recorder.good_again(part)
    assert not node.recorder.good_again(part)
    node.stop()
    [refused] = found(node, "refused", feed=FEED)
    [good] = found(node, "good-again", feed=FEED)
    assert (refused["role"], refused["order"], refused["reason"]) == ("court", "order-1", "format")
    assert (good["role"], good["order"], good["times"]) == ("court", "order-1", 5)
    assert verify_log(node.state / "audit.db", {}).problem == ""
    database = Database.read(node.state / "audit.db")
    assert [record.kind for record in database.find(name="order-1")] == ["refused", "good-again"]
    database.close()


def test_one_authority_does_not_displace_the_records_of_another(node: Node) -> None:
    for number in range(MOST_OF_ROLE * 3):
        node.recorder.refused(Part(FEED, "court", f"order-{number}"), "format", "It has a wrong date.")
    node.recorder.refused(Part(FEED, "ministry"), "signature", "It is not signed.")
    node.recorder.refused(Part(FEED), "unreachable", "Nobody answers.")
    node.stop()
    refusals = found(node, "refused", feed=FEED)
    assert len([one for one in refusals if one.get("role") == "court"]) == MOST_OF_ROLE
    assert [one.get("role") for one in refusals[-2:]] == ["ministry", None]


def test_refusal_that_outlasts_a_restart_is_recorded_once_and_so_is_its_end(node: Node) -> None:
    part = Part(FEED, "court")
    node.recorder.refused(part, "expired", "It has expired.")
    node.stop()
    node.start()
    assert not node.recorder.refused(part, "expired", "It has expired.")
    assert node.recorder.good_again(part)
    node.stop()
    assert len(found(node, "refused", feed=FEED)) == len(found(node, "good-again", feed=FEED)) == 1


def test_version_whose_evidence_has_no_room_is_recorded_without_it(
    node: Node, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.audit.log.MAX_EVIDENCE_WAITING", 0)
    node.enforce(repository.publish({"order-1": order("order-1", ["a.example"])}), node.time)
    monkeypatch.undo()
    node.enforce(repository.publish({"order-1": order("order-1", ["b.example"])}), node.time)
    node.stop()
    signed = [[part["proof"] for part in body["feeds"] if part["name"] == FEED] for body in found(node, "enforced")]
    assert [bool(proof) for [proof] in signed] == [False, True]
    told = verify_log(node.state / "audit.db", {FEED: [node.root.read_bytes()]})
    assert (told.problem, told.proved) == ("", 1)


def test_evidence_of_what_is_in_force_stays_known_while_another_feed_changes_without_end(
    node: Node, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.audit.recorder.MAX_PROOFS", 3)
    node.enforce(repository.publish({"order-1": order("order-1", ["a.example"])}), node.time)
    for number in range(9):
        node.recorder.confirmed("other", Fetched(node.folder, f"{number}", None, evidence={"x": b"x"}))
        node.recorder.enforced(_again(node, 1), None, None, "start", "", node.time)
    node.stop()
    last = found(node, "enforced")[-1]
    assert [bool(part["proof"]) for part in last["feeds"] if part["name"] == FEED] == [True]

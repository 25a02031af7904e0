"""Two signers whose orders have one id: each has its own records, its own states and its own proofs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from blockd.audit.database import Database
from blockd.audit.proof_file import verify_proof
from blockd.audit.proof_signature import sign_proof
from blockd.audit.recorder import AuditRecorder
from blockd.audit.transitions import OrderTransition
from blockd.audit.verifying import verify_log
from blockd.cli.audit import printing
from blockd.errors import AuditError
from blockd.orders import OrderKey
from blockd.ruleset import Ruleset
from blockd.ruleset.policy import at_time
from tests.audit.conftest import NOON
from tests.audit.node import FEED, Node
from tests.audit.repository import Repository, order
from tests.audit.test_inquiry import KEY, SIGNED_AT, export, prove

OWN, MEDIA = OrderKey(FEED, "", "17"), OrderKey(FEED, "media", "17")
LIFTED = {"lifted_on": "2026-11-24T12:10:00Z", "lifted_reason": "Settled."}


def publish(
    repository: Repository, own: Mapping[str, object] | None = None, media: Mapping[str, object] | None = None
) -> dict[str, bytes]:
    """Publish one order of each signer, with the fields that differ."""
    return repository.publish(
        {"17": order("17", ["own.example", "both.example"], **own or {})},
        {"17": order("17", ["video.example", "both.example"], **media or {})},
    )


@pytest.fixture
def two(node: Node, repository: Repository) -> Node:
    """A node that enforces both, and since 12:10 the authority's alone, over a restart at 12:20."""
    node.enforce(publish(repository), NOON.timestamp())
    node.time = NOON.timestamp() + 600
    enforced = node.enforce(publish(repository, own=LIFTED), node.time)
    node.time = NOON.timestamp() + 1200
    node.stop()
    node.start()
    ruleset = Ruleset.open(node.versions.ruleset(enforced.version))
    node.before = at_time(enforced.version, ruleset, node.time)
    node.recorder.enforced(node.before, None, None, "start", "", node.time)
    return node


def told_of(node: Node, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run `blockd audit` with the options."""
    node.log.close()
    args = argparse.Namespace(
        config=node.config, json="--json" in options, order="", feed="", kind=None, since=None, until=None, part=None
    )
    for option, value in pairwise(options):
        if option in ("--order", "--feed"):
            setattr(args, option.removeprefix("--"), value)
    code = printing.run(args)
    return code, capsys.readouterr().out


def test_lifting_one_leaves_the_other_and_a_restart_mixes_neither(two: Node) -> None:
    assert two.recorder.in_force_since(OWN) is not None
    assert two.recorder.in_force_since(MEDIA) == "2026-11-24T12:00:10.000Z"
    two.log.close()
    database = Database.read(two.state / "audit.db")
    later = NOON.timestamp() + 1300
    states = {key: database.state_of(key, later) for key in (OWN, MEDIA)}
    assert [(one.body["called"], one.body["state"]) for one in states.values() if one is not None] == [
        ("targets/17", "lifted"), ("media/17", "in force")
    ]  # fmt: skip
    assert {one.body["state"] for one in database.last_states()} == {"lifted", "in force"}
    assert database.orders("17") == [OWN, MEDIA]
    assert len(list(database.find(kinds=["order"], name="17"))) == 3  # the restart has added none
    database.close()


def test_each_is_proved_by_its_own_keys_under_its_own_name(two: Node) -> None:
    two.log.close()
    before, after = prove(two, "both.example", "12:05:00.000"), prove(two, "both.example", "12:15:00.000")
    assert {one["order"]: one["state"] for one in before["orders"]} == {
        "targets/17": "in force",
        "media/17": "in force",
    }
    assert {one["order"]: one["state"] for one in after["orders"]} == {"targets/17": "lifted", "media/17": "in force"}
    assert (before["decides"], after["decides"]) == ("targets/17", "media/17")
    assert prove(two, "video.example", "12:05:00.000")["decides"] == "media/17"
    for told in (before, after):
        found = verify_proof(export(two, told), [two.root.read_bytes()])
        assert found["proved"]
        assert (found["decides"], found["orders"]) == (told["decides"], told["orders"])


def test_proof_that_names_the_other_order_of_the_same_id_is_refused(two: Node) -> None:
    two.log.close()
    proof = json.loads(export(two, prove(two, "both.example", "12:15:00.000")))
    for named, is_right in (("media/17", True), ("17", True), (f"{FEED}/media/17", True), ("targets/17", False)):
        proof["claim"]["decides"] = named
        proof["signature"] = sign_proof(proof, KEY, SIGNED_AT)
        if is_right:
            assert verify_proof(json.dumps(proof).encode(), [two.root.read_bytes()])["decides"] == "media/17"
        else:
            with pytest.raises(AuditError, match="differs from its records in: decides"):
                verify_proof(json.dumps(proof).encode(), [two.root.read_bytes()])


def test_an_id_alone_lists_the_orders_that_fit_and_a_role_chooses(
    two: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = told_of(two, "--order", "17", capsys=capsys)
    assert (code, out.splitlines()) == (1, [
        "2 orders fit 17; name one of them:", f"  targets/17 (feed {FEED})", f"  media/17 (feed {FEED})"
    ])  # fmt: skip
    code, out = told_of(two, "--order", "17", "--json", capsys=capsys)
    assert [one["called"] for one in json.loads(out)["orders"]] == ["targets/17", "media/17"]
    for asked in ("media/17", f"{FEED}/media/17"):
        code, out = told_of(two, "--order", asked, capsys=capsys)
        assert code == 0
        assert [line.split("order", 1)[1].split(" of ")[0].strip() for line in out.splitlines()] == ["media/17"]
    assert told_of(two, "--order", "targets/17", capsys=capsys)[1].count("targets/17 of") == 2
    for nobodys in ("court/17", "other/media/17", "18", "a/b/c/d"):
        assert told_of(two, "--order", nobodys, capsys=capsys) == (1, "")


def test_log_and_proof_of_an_earlier_blockd_are_read(
    node: Node, repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their records have the order's id and its authority's role, and their claims the id alone."""
    told = AuditRecorder._told

    def as_before(recorder: AuditRecorder, turn: OrderTransition, version: int) -> dict[str, Any]:
        return {name: value for name, value in told(recorder, turn, version).items() if name != "called"}

    with monkeypatch.context() as patch:
        patch.setattr(AuditRecorder, "_told", as_before)
        first = repository.publish({}, {"17": order("17", ["video.example"])})
        enforced = node.enforce(first, NOON.timestamp())
        node.stop()
    node.start()
    ruleset = Ruleset.open(node.versions.ruleset(enforced.version))
    node.recorder.enforced(at_time(enforced.version, ruleset, node.time), None, None, "start", "", node.time)
    assert node.recorder.in_force_since(MEDIA) == "2026-11-24T12:00:10.000Z"
    ruleset.close()
    assert "media/17 of" in told_of(node, "--order", "17", capsys=capsys)[1]
    proof = json.loads(export(node, prove(node, "video.example", "12:00:10.000")))
    proof["format"] = "blockd-proof-1"
    del proof["signature"]
    proof["claim"]["decides"] = "17"
    for claim in proof["claim"]["orders"]:
        claim["order"] = claim.pop("id")
    assert verify_proof(json.dumps(proof).encode(), [node.root.read_bytes()])["decides"] == "media/17"
    assert verify_log(node.state / "audit.db", {FEED: [node.root.read_bytes()]}).problem == ""


def test_override_is_found_by_its_id_beside_an_order_that_has_the_same(
    node: Node, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {
        "name": "a.example", "scope": "both", "until": "2026-12-01T00:00:00Z", "officer": "", "reason": "Why.",
        "ended": None, "ended_reason": "",
    }  # fmt: skip
    node.recorder.asked("override", {**told, "order": "override-1"})
    assert told_of(node, "--order", "override-1", capsys=capsys)[1].count("a.example") == 1
    node.start()
    node.enforce(repository.publish({"override-1": order("override-1", ["b.example"])}), NOON.timestamp())
    node.stop()
    code, out = told_of(node, "--order", "override-1", capsys=capsys)
    assert (code, [line.split()[0] for line in out.splitlines()[1:]]) == (
        1, ["ministry/targets/override-1", "overrides/targets/override-1"]
    )  # fmt: skip
    assert "a.example" in told_of(node, "--order", "overrides/targets/override-1", capsys=capsys)[1]
    assert "a.example" not in told_of(node, "--order", "override-1", "--feed", FEED, capsys=capsys)[1]

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from time import sleep
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.audit.database import Database
from blockd.audit.gap import ALIVE
from blockd.audit.inquiry import prove_name
from blockd.audit.proof_file import export_proof, verify_proof
from blockd.errors import AuditError, RulesetError
from blockd.names import key_from_text, name_digest
from blockd.ruleset import Ruleset
from blockd.times import moment_from_text
from tests.audit.conftest import NOON
from tests.audit.node import FEED, Node
from tests.audit.repository import Repository, order


def prove(node: Node, name: str, time: str, alive: float | None = None) -> dict[str, Any]:
    def kept(version: int, digest: str) -> Ruleset | None:
        try:
            ruleset = Ruleset.open(node.versions.ruleset(version))
        except RulesetError:
            return None
        assert ruleset.digest == digest
        return ruleset

    database = Database.read(node.state / "audit.db")
    try:
        roots = {FEED: [node.root.read_bytes()]}
        return prove_name(database, name, moment_from_text(f"2026-11-24T{time}Z"), roots, [], kept, alive)
    finally:
        database.close()


def export(node: Node, told: dict[str, Any]) -> bytes:
    database = Database.read(node.state / "audit.db")
    try:
        return export_proof(database, told)
    finally:
        database.close()


def test_name_is_proved_to_be_blocked_by_an_order_and_its_keys(story: Node) -> None:
    told = prove(story, "www.listed.example", "12:05:00.000")
    assert (told["covered"], told["decides"], told["version"]) == (True, "order-1", 1)
    (claim,) = told["orders"]
    assert claim["state"] == "in force"
    assert claim["proved_by"] == "signatures, verified again"
    assert [one["role"] for one in claim["signatures"]] == ["root", "timestamp", "snapshot", "targets"]


def test_lifted_order_is_proved_to_be_so(story: Node) -> None:
    told = prove(story, "listed.example", "12:30:00.000")
    assert (told["covered"], told["decides"], told["version"]) == (False, None, 2)
    assert told["orders"][0]["state"] == "lifted"


def test_order_of_an_authority_is_proved_by_its_own_keys_until_it_expires(story: Node) -> None:
    told = prove(story, "video.example", "12:29:00.000")
    assert told["covered"]
    assert (told["orders"][0]["signatures"][-1]["role"], told["orders"][0]["signatures"][-1]["threshold"]) == (
        "media",
        2,
    )
    later = prove(story, "video.example", "12:45:00.000")
    assert not later["covered"]
    assert later["orders"][0]["since"] == "2026-11-24T12:30:00.125Z"


def test_time_before_the_log_and_after_the_stop_is_told(story: Node) -> None:
    assert "begins later" in prove(story, "listed.example", "11:00:00.000")["notes"][0]
    after = prove(story, "video.example", "13:00:01.000")
    assert "had stopped" in after["notes"][0]
    assert not after["covered"]


def test_time_between_the_first_start_and_the_first_version_is_not_said_to_be_before_the_log(node: Node) -> None:
    while node.log.head.number == 0:  # records are written by a thread
        sleep(0.001)
    told = prove(node, "listed.example", "12:00:10.500")
    assert told["covered"] is None
    (note,) = told["notes"]
    assert note.startswith(
        "blockd had started, at 2026-11-24T12:00:10.000Z, and the log has no version in force by then"
    )


def test_time_between_a_death_and_the_next_start_is_not_known(node: Node, repository: Repository) -> None:
    for is_sign_lost in (True, False):
        node.time += 60
        node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))
        node.time += 60
        if is_sign_lost:
            (node.state / ALIVE).write_bytes(b"\0" * 24)
        else:
            (node.state / ALIVE).write_text("2026-11-24T13:05:00.000Z")
        node.die()
        node.time += 3600
        node.start()
    node.stop()
    gaps = (("12:01:10.000", "12:30:00.000", "13:02:10.000"), ("13:05:00.000", "13:30:00.000", "14:04:10.000"))
    for last, between, again in gaps:
        told = prove(node, "listed.example", between)
        assert (told["covered"], told["version"]) == (None, None)
        (note,) = told["notes"]
        assert note == (
            f"blockd ended without recording it: it was last seen alive at 2026-11-24T{last}Z and started again at "
            f"2026-11-24T{again}Z: whether this node enforced anything at that time is not known."
        )
        assert prove(node, "listed.example", last)["covered"]
        with pytest.raises(AuditError, match="nothing can be proved"):
            export(node, told)


def test_time_behind_the_last_sign_of_life_is_not_known(node: Node, repository: Repository) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))
    node.die()
    alive = moment_from_text("2026-11-24T12:05:00.000Z")
    assert prove(node, "listed.example", "12:05:30.000", alive)["covered"], "a sign of life may be late"
    told = prove(node, "listed.example", "12:05:30.001", alive)
    assert not told["covered"]
    assert "last seen alive at 2026-11-24T12:05:00.000Z" in told["notes"][0]


def test_list_is_proved_by_the_ruleset_while_that_is_kept(story: Node) -> None:
    told = prove(story, "national.example", "12:05:00.000")
    assert told["covered"]
    assert "the ruleset is kept" in told["orders"][0]["proved_by"]
    story.versions.drop(1)
    told = prove(story, "national.example", "12:05:00.000")
    assert told["covered"] is None
    assert any("its content is not kept" in feed["proved"] for feed in told["feeds"])


def test_confidential_order_is_proved_by_hashing_the_name(node: Node, repository: Repository) -> None:
    salt = bytes(range(16))
    hashed = {"salt": salt.hex(), "names": [name_digest(key_from_text("secret.example"), salt).hex()]}
    document = order("order-9", confidential=True, hashed=hashed)
    node.enforce(repository.publish({"order-9": document}))
    node.time += 60
    node.stop()
    told = prove(node, "www.secret.example", "12:00:30.000")
    assert told["covered"]
    assert told["orders"][0]["confidential"]
    assert any("hashed" in note for note in told["notes"])
    assert b"secret.example" not in (node.state / "audit.db").read_bytes()


def test_exported_proof_is_verified_without_the_node(story: Node) -> None:
    for time, covered, proved in (("12:29:00.000", True, True), ("12:45:00.000", False, False)):
        told = prove(story, "video.example", time)
        assert told["covered"] is covered
        found = verify_proof(export(story, told), [story.root.read_bytes()])
        for order_told, order_found in zip(told["orders"], found["orders"], strict=True):
            assert order_told | {"decides": False} == order_found, "a list may have decided, whose names it has not"
        assert found["proved"] is proved, "that no list has the name is not in the proof"


def test_exported_proof_of_a_list_is_not_taken_for_proved(story: Node) -> None:
    proof = export(story, prove(story, "national.example", "12:05:00.000"))
    assert not verify_proof(proof, [story.root.read_bytes()])["proved"]


def test_proof_is_nothing_under_another_root(story: Node) -> None:
    proof = export(story, prove(story, "listed.example", "12:05:00.000"))
    with pytest.raises(AuditError, match="differs from the trusted root"):
        verify_proof(proof, [Repository(NOON).root])


def claim_other(told: dict[str, Any]) -> None:
    told["claim"]["covered"] = False


def another_name(told: dict[str, Any]) -> None:
    told["name"] = "innocent.example"


def later(told: dict[str, Any]) -> None:
    told["time"] = "2026-11-24T12:45:00.000Z"


def without_a_link(told: dict[str, Any]) -> None:
    del told["links"][2]


def without_evidence(told: dict[str, Any]) -> None:
    told["evidence"].popitem()


def changed_evidence(told: dict[str, Any]) -> None:
    for digest in told["evidence"]:
        told["evidence"][digest] = base64.b64encode(b"{}").decode()


def changed_record(told: dict[str, Any]) -> None:
    told["links"][1]["record"] = told["links"][1]["record"].replace('"version":1', '"version":2')


@pytest.mark.parametrize(
    "change",
    [claim_other, another_name, later, without_a_link, without_evidence, changed_evidence, changed_record],
)
def test_changed_proof_is_refused(story: Node, change: Callable[[dict[str, Any]], None]) -> None:
    told = json.loads(export(story, prove(story, "listed.example", "12:05:00.000")))
    change(told)
    with pytest.raises(AuditError):
        verify_proof(json.dumps(told).encode(), [story.root.read_bytes()])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_proof_is_refused_or_proves_the_same(story: Node, data: st.DataObject) -> None:
    told = prove(story, "listed.example", "12:05:00.000") if not _KEPT else _KEPT[0][0]
    if not _KEPT:
        _KEPT.append((told, export(story, told), story.root.read_bytes()))
    told, proof, root = _KEPT[0]
    octets = bytearray(proof)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = verify_proof(bytes(octets), [root])
    except AuditError:
        return
    assert (found["name"], found["covered"]) == (told["name"], told["covered"])
    assert found["decides"] is None, "the national list may have"


_KEPT: list[tuple[dict[str, Any], bytes, bytes]] = []

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from time import sleep
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blockd.audit.chain import Record, chained
from blockd.audit.database import Database
from blockd.audit.gap import ALIVE
from blockd.audit.inquiry import prove_name, state_then
from blockd.audit.proof_file import export_proof, verify_proof
from blockd.audit.proof_signature import sign_proof
from blockd.cli.audit.prove import lines
from blockd.errors import AuditError, RulesetError
from blockd.names import key_from_text, name_digest
from blockd.orders import Action, Mandate, Order, State
from blockd.ruleset import Ruleset
from blockd.ruleset.format import MAX_CLAIMS_OF_ONE
from blockd.settings.groups import ClientGroup
from blockd.times import moment_from_text
from tests.audit.conftest import NOON
from tests.audit.node import FEED, Node
from tests.audit.repository import Repository, order

KEY = Ed25519PrivateKey.generate()
ORDER = Order("order-1", "Authority", "", Action.SINKHOLE, Mandate.LAW, None)
SIGNED_AT = moment_from_text("2026-11-24T18:00:00.000Z")


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
        return export_proof(database, told, KEY, SIGNED_AT)
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


def test_a_proof_names_the_groups_to_whom_a_feed_did_not_apply(node: Node, repository: Repository) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))
    node.time += 30
    node.stop()
    assert prove(node, "listed.example", "12:00:20.000")["notes"] == []
    probe = {"name": "probe", "networks": ["127.0.0.7"], "feeds": ()}
    every = {"name": "every", "networks": ["127.0.0.8"], "feeds": (FEED,)}
    node.groups = tuple(map(ClientGroup.model_validate, (probe, every)))
    node.time += 60
    node.start()
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))
    node.time += 30
    node.stop()
    told = prove(node, "listed.example", "12:01:50.000")
    assert told["covered"]
    assert told["notes"] == [f"This is what clients in no group got: to the group probe feed {FEED} did not apply."]


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


Change = Callable[[dict[str, Any]], object]


def changed_evidence(told: dict[str, Any]) -> None:
    for digest in told["evidence"]:
        told["evidence"][digest] = base64.b64encode(b"{}").decode()


def changed_record(told: dict[str, Any]) -> None:
    told["links"][1]["record"] = told["links"][1]["record"].replace('"version":1', '"version":2')


def at_another_time(time: str) -> Change:
    def change(told: dict[str, Any]) -> None:
        told["time"] = told["claim"]["time"] = time

    return change


def of_order(**members: object) -> Change:
    return lambda told: told["claim"]["orders"][0].update(members)


CONTRADICTIONS: dict[str, Change] = {  # of what the records say: no signature of anybody helps
    "covered": lambda told: told["claim"].update(covered=False),
    "another name": lambda told: told.update(name="innocent.example"),
    "another name throughout": lambda told: (
        told.update(name="innocent.example"),
        told["claim"].update(name="innocent.example"),
    ),
    "one time of two": lambda told: told.update(time="2026-11-24T12:45:00.000Z"),
    "a version later": at_another_time("2026-11-24T12:45:00.000Z"),
    "years later": at_another_time("2031-01-01T00:00:00.000Z"),
    "before the log": at_another_time("2020-01-01T00:00:00.000Z"),
    "authority": of_order(authority="Another Ministry"),
    "legal basis": of_order(legal_basis="Another Act"),
    "reference": of_order(reference="Another letter"),
    "platform": of_order(platform="Another"),
    "role": of_order(role="court"),
    "state": of_order(state="lifted"),
    "since": of_order(since="2020-01-01T00:00:00.000Z"),
    "entry": of_order(entry="other.example (both)"),
    "action": of_order(action="nxdomain"),
    "signatures": lambda told: told["claim"]["orders"][0]["signatures"].pop(),
    "an order more": lambda told: told["claim"]["orders"].append({**told["claim"]["orders"][0], "order": "order-9"}),
    "no order": lambda told: told["claim"]["orders"].clear(),
    "which order decides": lambda told: told["claim"].update(decides="media/media-1"),
    "that none decides": lambda told: told["claim"].update(decides=None),
    "no such action": lambda told: told["claim"].update(action="bogus"),
    "what was told over TCP": lambda told: told["claim"].update(tcp="resolved"),
    "what was told over UDP": lambda told: told["claim"].update(udp=None),
    "deciding order": lambda told: told["claim"]["orders"][0].update(decides=False),
    "no word of deciding": lambda told: told["claim"]["orders"][0].pop("decides"),
    "no word of a proof": lambda told: told["claim"]["orders"][0].pop("proved_by"),
    "member of a feed": lambda told: told["claim"]["feeds"][0].update(verdict="guilty"),
    "notes": lambda told: told["claim"].update(notes=7),
    "version": lambda told: told["claim"].update(version=9),
    "record": lambda told: told["claim"].update(record=1),
    "enforced since": lambda told: told["claim"].update(since="2020-01-01T00:00:00.000Z"),
    "feed's digest": lambda told: told["claim"]["feeds"][0].update(digest="0" * 64),
    "feed's name": lambda told: told["claim"]["feeds"][0].update(name="other"),
    "member of the claim": lambda told: told["claim"].update(verdict="guilty"),
    "missing member": lambda told: told["claim"].pop("digest"),
    "member of the file": lambda told: told.update(comment="trust me"),
    "member of a link": lambda told: told["links"][0].update(note="x"),
    "without a link": lambda told: told["links"].pop(2),
    "without evidence": lambda told: told["evidence"].popitem(),
    "evidence": changed_evidence,
    "changed record": changed_record,
}


@pytest.mark.parametrize("change", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_changed_proof_is_refused_whoever_signs_it(story: Node, change: Change) -> None:
    told = json.loads(export(story, prove(story, "listed.example", "12:05:00.000")))
    change(told)
    roots = [story.root.read_bytes()]
    with pytest.raises(AuditError):
        verify_proof(json.dumps(told).encode(), roots)
    told["signature"] = sign_proof(told, Ed25519PrivateKey.generate(), SIGNED_AT)
    with pytest.raises(AuditError):
        verify_proof(json.dumps(told).encode(), roots)
    told["format"] = "blockd-proof-1"
    del told["signature"]
    with pytest.raises(AuditError):
        verify_proof(json.dumps(told).encode(), roots)


def test_nothing_in_a_proof_can_be_changed_without_the_nodes_key(story: Node) -> None:
    octets = export(story, prove(story, "listed.example", "12:05:00.000"))
    roots = [story.root.read_bytes()]
    found = verify_proof(octets, roots, KEY.public_key())
    assert found["signed"]["time"] == "2026-11-24T18:00:00.000Z"
    assert not any("--key" in note for note in found["notes"])
    assert any("--key" in note for note in verify_proof(octets, roots)["notes"])
    changes: tuple[Change, ...] = (
        lambda told: told["claim"]["notes"].append("It was lifted."),
        lambda told: told.update(instructions="Believe it."),
        lambda told: told["claim"]["feeds"][0].update(proved="by the king"),
        lambda told: told["signature"].update(time="2031-01-01T00:00:00.000Z"),
    )
    for change in changes:
        told = json.loads(octets)
        change(told)
        with pytest.raises(AuditError, match="signature"):
            verify_proof(json.dumps(told).encode(), roots)
        told["signature"] = sign_proof(told, Ed25519PrivateKey.generate(), SIGNED_AT)
        with pytest.raises(AuditError, match="another key"):
            verify_proof(json.dumps(told).encode(), roots, KEY.public_key())


def test_a_member_twice_is_refused(story: Node) -> None:
    octets = export(story, prove(story, "listed.example", "12:05:00.000"))
    twice = octets.replace(b'{\n "format"', b'{\n "time": "2031-01-01T00:00:00.000Z",\n "format"', 1)
    with pytest.raises(AuditError, match="a member twice"):
        verify_proof(twice, [story.root.read_bytes()])


def test_the_time_lies_between_records_and_the_signature(story: Node) -> None:
    told = prove(story, "video.example", "12:45:00.000")
    database = Database.read(story.state / "audit.db")
    try:
        with pytest.raises(AuditError, match="has not come yet"):
            export_proof(database, told, KEY, moment_from_text("2026-11-24T12:44:00.000Z"))
    finally:
        database.close()
    links = json.loads(export(story, prove(story, "listed.example", "12:05:00.000")))["links"]
    assert json.loads(links[-1]["record"])["time"] > "2026-11-24T12:05:00.000Z", "a later record is beside it"


def test_a_proof_without_a_signature_is_not_complete_whatever_its_records_say(
    node: Node, repository: Repository
) -> None:
    """Anybody can chain a record of 2031 to those that are there, and say that the name was blocked until then."""
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}))
    node.time += 60
    node.stop()
    told = json.loads(export(node, prove(node, "listed.example", "12:00:30.000")))
    roots = [node.root.read_bytes()]
    assert verify_proof(json.dumps(told).encode(), roots, KEY.public_key())["proved"] is True
    told["format"] = "blockd-proof-1"
    del told["signature"]
    links = [link for link in told["links"] if json.loads(link["record"])["kind"] != "stop"]
    assert len(links) == len(told["links"]) - 1
    later = Record(json.loads(links[-1]["record"])["number"] + 1, "2031-01-02T00:00:00.000Z", "self-test", {}).octets
    digest = chained(bytes.fromhex(links[-1]["hash"]), later)
    moved = {"time": "2031-01-01T00:00:00.000Z"}
    shifted = {
        **told, **moved, "claim": {**told["claim"], **moved},
        "links": [*links, {"before": links[-1]["hash"], "record": later.decode("ascii"), "hash": digest.hex()}],
    }  # fmt: skip
    for one in (told, {**told, "links": links}, shifted):
        for key in (None, KEY.public_key()):
            found = verify_proof(json.dumps(one).encode(), roots, key)
            assert (found["covered"], found["proved"]) == (True, False)
            assert any("Have the node export it anew" in note for note in found["notes"])


def test_an_order_that_has_ended_by_its_dates_is_not_in_force_whatever_was_recorded_before() -> None:
    at = moment_from_text("2026-11-24T12:00:00.000Z")
    ended = replace(ORDER, expires=int(at) - 1)
    recorded = Record(
        7, "2026-11-01T00:00:00.000Z", "order", {"state": "in force", "since": "2026-11-01T00:00:00.000Z"}
    )
    assert state_then(recorded, ended, at) is State.EXPIRED
    assert state_then(recorded, replace(ORDER, lifted_on=int(at) - 1), at) is State.LIFTED
    assert state_then(recorded, ORDER, at) is State.IN_FORCE
    assert state_then(replace(recorded, body={"state": "pending"}), ORDER, at) is State.PENDING, "not yet everywhere"
    assert state_then(None, ended, at) is State.EXPIRED


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


def both(node: Node, name: str) -> list[dict[str, Any]]:
    """Return what is proved while the ruleset is kept, and from the signed documents alone."""
    node.time += 10
    node.stop()
    while_kept = prove(node, name, "12:00:15.000")
    node.versions.ruleset(1).unlink()
    return [while_kept, prove(node, name, "12:00:15.000")]


@pytest.mark.parametrize("may", [False, True])
def test_one_authority_opens_anothers_order_only_if_its_delegation_says_so(
    node: Node, repository: Repository, may: bool
) -> None:
    repository.may_lift = {"media": ["targets"]} if may else {}
    own = {"order-1": order("order-1", ["listed.example"])}
    node.enforce(repository.publish(own, {"media-1": order("media-1", ["www.listed.example"], action="allow")}))
    for told in both(node, "www.listed.example"):
        assert told["covered"] is not may
        assert told["decides"] == ("media/media-1" if may else "order-1")
        assert (told["udp"], told["tcp"]) == (("resolved",) * 2 if may else ("sinkhole",) * 2)


def test_a_name_that_is_given_over_tcp_only_is_not_said_to_be_blocked_over_it(
    node: Node, repository: Repository
) -> None:
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"], action="tcp-only")}))
    for told in both(node, "listed.example"):
        assert (told["covered"], told["udp"], told["tcp"]) == (True, "ask over TCP", "resolved")
        assert next(lines(told)) == (
            "listed.example was blocked over UDP only at 2026-11-24T12:00:15.000Z: over TCP its own records were given"
        )


def test_a_proof_does_not_say_that_a_name_was_blocked_over_tcp_where_only_a_list_could(
    node: Node, repository: Repository
) -> None:
    """The node's list of text is not in the proof: had it this name, the name would be blocked over TCP too."""
    orders = {
        "order-1": order("order-1", ["udp.example"], action="tcp-only"), "order-2": order("order-2", ["both.example"])
    }  # fmt: skip
    node.enforce(repository.publish(orders), names=["national.example"])
    node.time += 10
    node.stop()
    roots = [node.root.read_bytes()]
    udp, both = (
        verify_proof(export(node, prove(node, name, "12:00:15.000")), roots, KEY.public_key())
        for name in ("udp.example", "both.example")
    )
    assert (udp["covered"], udp["udp"], udp["tcp"], udp["proved"]) == (True, "blocked", None, False)
    assert next(lines(udp)) == (
        "udp.example was blocked over UDP at 2026-11-24T12:00:15.000Z: whether over TCP too is not known"
    )
    assert (both["covered"], both["udp"], both["tcp"], both["proved"]) == (True, "blocked", "blocked", True)


def test_orders_for_which_there_was_no_room_are_told_and_take_no_others(node: Node, repository: Repository) -> None:
    crowd = {
        f"m-{at:03}": order(f"m-{at:03}", ["listed.example"], in_force_from="2099-01-01T00:00:00Z") for at in range(260)
    }
    node.enforce(repository.publish({"order-1": order("order-1", ["listed.example"])}, crowd))
    for told in both(node, "listed.example"):
        assert (told["covered"], told["decides"]) == (True, "order-1")
        assert sum(one["state"] == "refused: no room" for one in told["orders"]) == 260 - MAX_CLAIMS_OF_ONE
        assert any(str(MAX_CLAIMS_OF_ONE) in note for note in told["notes"])

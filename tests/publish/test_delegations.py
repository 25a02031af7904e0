from __future__ import annotations

from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner, Key

from blockd.errors import PublishError
from blockd.orders.repository import AUTHORITY_FIELD, MAX_AUTHORITIES, MAY_LIFT_FIELD
from blockd.publish import Workshop
from blockd.publish.delegations import (
    checked_role,
    delegate,
    may_lift_of,
    read_delegations,
    undelegate,
    write_delegations,
)
from tests.publish.people import MINISTRY, People
from tests.publish.staging import stage


def keys(count: int) -> list[Key]:
    return [CryptoSigner.generate_ed25519().public_key for _ in range(count)]


def test_authority_has_its_part_its_name_and_its_keys(shared: Workshop, people: People) -> None:
    staged = shared.staged_delegations().roles
    assert staged
    role = staged["ministry"]
    assert role.paths == ["orders/ministry/*", "lists/ministry/*"]
    assert role.terminating
    assert role.threshold == 2
    assert role.keyids == [signer.public_key.keyid for signer in people.all]
    assert role.unrecognized_fields == {AUTHORITY_FIELD: MINISTRY}
    assert shared.roles() == {"ministry": MINISTRY}
    assert (shared.authority_of("ministry"), shared.authority_of("")) == (MINISTRY, "")


def test_orders_of_each_part_lie_apart(shared: Workshop, order: dict[str, object]) -> None:
    stage(shared, order)
    stage(shared, order, "ministry", id="order-2")
    assert (list(shared.staged()), list(shared.staged("ministry"))) == (["order-1"], ["order-2"])
    assert shared.document("order-2", "ministry").order.authority == MINISTRY
    with pytest.raises(PublishError, match="No order order-2"):
        shared.document("order-2")
    shared.remove("order-2", "ministry")
    assert not shared.staged("ministry")


def test_change_keeps_what_is_not_named(shared: Workshop) -> None:
    delegations = shared.staged_delegations()
    before = dict(delegations.roles or {})["ministry"]
    delegate(delegations, "ministry", "Another Name", [], 0)
    changed = dict(delegations.roles or {})["ministry"]
    assert (changed.keyids, changed.threshold) == (before.keyids, 2)
    assert changed.unrecognized_fields == {AUTHORITY_FIELD: "Another Name"}
    (new,) = keys(1)
    delegate(delegations, "ministry", "", [new], 1)
    assert list(delegations.keys) == [new.keyid]


@pytest.mark.parametrize(
    "role", ["root", "targets", "snapshot", "timestamp", "", "A", "a_b", "-a", "a-", "a" * 33, "../x"]
)
def test_role_that_cannot_be_an_authoritys_is_refused(shared: Workshop, role: str) -> None:
    with pytest.raises(PublishError, match="cannot be an authority's role"):
        delegate(shared.staged_delegations(), role, "Name", keys(1), 1)


@pytest.mark.parametrize("role", ["a", "a-b", "0", "a" * 32])
def test_role_that_can_be_an_authoritys_is_taken(role: str) -> None:
    assert checked_role(role) == role


def test_authority_that_nobody_could_sign_for_is_refused(shared: Workshop) -> None:
    delegations = shared.staged_delegations()
    for name, given, threshold, told in (
        ("Name", [], 1, "at least one public key"),
        ("", keys(1), 1, "its full name"),
        ("Name", keys(1), 2, "nobody could sign"),
        ("Name", keys(33), 1, "the limit is"),
        ("Na\nme", keys(1), 1, "printable"),
    ):
        with pytest.raises(PublishError, match=told):
            delegate(delegations, "board", name, given, threshold)
    assert list(delegations.roles or {}) == ["ministry"]


def test_number_of_authorities_is_bounded(shared: Workshop) -> None:
    delegations = shared.staged_delegations()
    for number in range(MAX_AUTHORITIES - 1):
        delegate(delegations, f"board-{number}", "Board", keys(1), 1)
    with pytest.raises(PublishError, match="at most 64"):
        delegate(delegations, "one-more", "Board", keys(1), 1)


def test_removed_authority_takes_its_keys_along(shared: Workshop) -> None:
    delegations = shared.staged_delegations()
    undelegate(delegations, "ministry")
    write_delegations(shared.delegations, delegations)
    assert read_delegations(shared.delegations).keys == {}
    with pytest.raises(PublishError, match="is not an authority here"):
        undelegate(delegations, "ministry")
    with pytest.raises(PublishError, match="is not an authority in"):
        shared.stage({}, "ministry")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": 1, "roles": []}', b"[" * 100_000])
def test_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "delegations.json"
    path.write_bytes(content)
    with pytest.raises(PublishError, match="Restore it"):
        read_delegations(path)


def test_authority_that_may_lift_anothers_orders(shared: Workshop) -> None:
    delegations = shared.staged_delegations()
    delegate(delegations, "court", "Example Court", keys(1), 1, ["ministry", "targets"])
    court = (delegations.roles or {})["court"]
    assert court.unrecognized_fields[MAY_LIFT_FIELD] == ["ministry", "targets"]
    delegate(delegations, "court", "Another Name", [], 0)
    assert may_lift_of((delegations.roles or {})["court"]) == ("ministry", "targets"), "what is not named stays"
    with pytest.raises(PublishError, match="court may lift the orders of ministry"):
        undelegate(delegations, "ministry")
    delegate(delegations, "court", "", [], 0, [])
    assert (delegations.roles or {})["court"].unrecognized_fields == {AUTHORITY_FIELD: "Another Name"}
    undelegate(delegations, "ministry")


@pytest.mark.parametrize("lifted", [["court"], ["ministry", "ministry"], ["nobody"], ["root"], ["Ministry"], [""]])
def test_what_cannot_be_lifted_is_refused(shared: Workshop, lifted: list[str]) -> None:
    delegations = shared.staged_delegations()
    with pytest.raises(PublishError, match="lift"):
        delegate(delegations, "court", "Example Court", keys(1), 1, lifted)
    assert "court" not in (delegations.roles or {})

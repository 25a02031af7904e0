from __future__ import annotations

import pytest

from blockd.orders.repository import LISTS, ORDERS, is_order_id, is_role, paths_of, place_of


@pytest.mark.parametrize("role", ["a", "ministry", "court-2", "0", "x" * 32])
def test_role_of_an_authority_is_a_label(role: str) -> None:
    assert is_role(role)


@pytest.mark.parametrize(
    "role", ["", "root", "targets", "snapshot", "timestamp", "-a", "a-", "A", "a_b", "a/b", "ä", "a\n", "x" * 33]
)
def test_other_roles_are_no_authoritys(role: str) -> None:
    assert not is_role(role)


@pytest.mark.parametrize(("text", "fits"), [("order-1", True), ("a.b_c", True), ("x" * 80, True), ("x" * 81, False)])
def test_id_of_an_order_has_80_characters_at_most(text: str, fits: bool) -> None:
    assert is_order_id(text) is fits


@pytest.mark.parametrize("text", ["", ".a", "a.", "Order", "a/b", "a\n"])
def test_path_is_no_id_of_an_order(text: str) -> None:
    assert not is_order_id(text)


def test_each_authority_has_its_own_part_of_the_repository() -> None:
    assert [place_of(kind, "") for kind in (ORDERS, LISTS)] == ["orders/", "lists/"]
    assert paths_of("court") == ["orders/court/*", "lists/court/*"]

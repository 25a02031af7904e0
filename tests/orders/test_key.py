from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.orders import OrderKey, OrderNames
from blockd.orders.key import AskedOrder, parse_asked, spelled

COURT, MINISTRY = OrderKey("national", "court", "2026-17"), OrderKey("national", "ministry", "2026-17")
OWN = OrderKey("national", "", "2026-17")

# Few of each, so that worlds are full of equal roles and ids; also those of the repository itself and of feeds.
words = st.sampled_from(["a", "court", "2026-17", "x.y_z"])
keys = st.builds(OrderKey, words, words | st.just(""), words)


@given(st.sets(keys, min_size=1, max_size=12))
def test_what_is_shown_of_an_order_names_it_and_no_other(world: set[OrderKey]) -> None:
    names = OrderNames(world)
    for key in world:
        assert names.find(names.shown(key)) == [key]


@given(st.sets(keys, min_size=1, max_size=12))
def test_an_id_alone_names_every_order_that_has_it(world: set[OrderKey]) -> None:
    names = OrderNames(world)
    for key in world:
        assert names.find(key.id) == sorted(other for other in world if other.id == key.id)


@given(st.sets(keys, min_size=1, max_size=12))
def test_every_exact_form_is_taken(world: set[OrderKey]) -> None:
    names = OrderNames(world)
    for key in world:
        assert names.find("/".join((key.feed, key.role or "targets", key.id))) == [key]
        assert key in names.find(f"{key.role or 'targets'}/{key.id}")


def test_an_authoritys_order_is_shown_with_its_role_whether_or_not_another_has_its_id() -> None:
    assert OrderNames([COURT]).shown(COURT) == "court/2026-17"
    names = OrderNames([COURT, MINISTRY])
    assert (names.shown(COURT), names.shown(MINISTRY)) == ("court/2026-17", "ministry/2026-17")
    assert names.find("2026-17") == [COURT, MINISTRY]


def test_the_feed_stands_in_front_where_two_feeds_share_the_role() -> None:
    elsewhere = OrderKey("regional", "court", "2025-1")  # another id is enough: the role is not one authority's alone
    names = OrderNames([COURT, MINISTRY, elsewhere])
    assert names.shown(COURT) == "national/court/2026-17"
    assert names.shown(elsewhere) == "regional/court/2025-1"
    assert names.shown(MINISTRY) == "ministry/2026-17"
    assert names.find("court/2026-17") == [COURT]


def test_an_order_of_the_repository_itself_is_shown_by_its_id_alone() -> None:
    assert OrderNames([OWN]).shown(OWN) == "2026-17"
    assert OrderNames([OWN]).find("targets/2026-17") == [OWN]


def test_an_order_of_the_repository_itself_is_told_from_an_authoritys() -> None:
    names = OrderNames([OWN, COURT])
    assert names.shown(OWN) == "targets/2026-17"
    assert names.find("2026-17") == [OWN, COURT]


def test_two_repositories_own_orders_are_told_apart_by_their_feeds() -> None:
    other = OrderKey("regional", "", "2026-17")
    names = OrderNames([OWN, other])
    assert (names.shown(OWN), names.shown(other)) == ("national/targets/2026-17", "regional/targets/2026-17")
    assert names.find("targets/2026-17") == [OWN, other]


def test_text_is_read_by_its_number_of_parts() -> None:
    assert parse_asked("2026-17") == AskedOrder("2026-17")
    assert parse_asked(" court/2026-17\n") == AskedOrder("2026-17", "court")
    assert parse_asked("national/targets/2026-17") == AskedOrder("2026-17", "", "national")


@pytest.mark.parametrize("text", ["", "/", "/2026-17", "court/", "a/b/c/d", "a//b", "//"])
def test_other_text_names_no_order(text: str) -> None:
    assert parse_asked(text) is None
    assert OrderNames([COURT, OWN]).find(text) == []


def test_order_alone_is_called_by_role_and_id() -> None:
    assert (spelled("court", "2026-17"), spelled("", "2026-17")) == ("court/2026-17", "2026-17")

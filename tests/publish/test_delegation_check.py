from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from blockd.publish import Workshop, publish, sign
from blockd.publish.delegations import delegate, undelegate, write_delegations
from blockd.publish.keys.online_roles import seal
from blockd.publish.pending import add_signature
from blockd.publish.signing import to_sign
from tests.publish.people import MINISTRY, People, fetched
from tests.publish.staging import stage

HOUR = timedelta(hours=1)
Order = dict[str, object]


def sign_ministry(workshop: Workshop, people: People, now: datetime, *, again: bool = False) -> None:
    add_signature(workshop, "ministry", to_sign(workshop, "ministry", now, again=again), people.alice)
    assert add_signature(workshop, "ministry", to_sign(workshop, "ministry", now), people.bob).is_complete


def change(
    workshop: Workshop, people: People, name: str = "", threshold: int = 0, keys: str = "alice bob carol"
) -> None:
    delegations = workshop.staged_delegations()
    chosen = [getattr(people, key).public_key for key in keys.split()]
    delegate(delegations, "ministry", name, chosen, threshold)
    write_delegations(workshop.delegations, delegations)


def held_back(workshop: Workshop, now: datetime) -> dict[str, str]:
    """Seal what is signed; give the roles that wait, each with why."""
    sealed = seal(workshop, now)
    assert sealed
    return sealed.held


def orders_at_a_node(workshop: Workshop, folder: Path, now: datetime) -> set[str]:
    publish(workshop, folder / "out")
    version = fetched(workshop, folder / "out", folder / "state", now)
    return {document.order.id for document in version.documents}


@pytest.fixture
def known(shared: Workshop, people: People, order: Order, now: datetime, tmp_path: Path) -> Workshop:
    """A repository whose own order and whose authority's a node has taken."""
    stage(shared, order)
    stage(shared, order, "ministry", id="order-2")
    sign(shared, now)
    sign_ministry(shared, people, now)
    seal(shared, now)
    assert orders_at_a_node(shared, tmp_path, now) == {"order-1", "order-2"}
    return shared


def test_new_keys_are_not_published_before_they_have_signed(
    known: Workshop, people: People, order: Order, now: datetime, tmp_path: Path
) -> None:
    change(known, people, threshold=3)
    stage(known, order, id="order-3")
    sign(known, now + HOUR)
    held = held_back(known, now + HOUR)
    assert held.keys() == {"targets", "ministry"}
    assert "ministry" in held["targets"]
    assert orders_at_a_node(known, tmp_path, now + HOUR) == {"order-1", "order-2"}

    sign_ministry_by_all(known, people, now + HOUR)
    assert not held_back(known, now + HOUR)
    assert orders_at_a_node(known, tmp_path, now + HOUR) == {"order-1", "order-2", "order-3"}


def sign_ministry_by_all(workshop: Workshop, people: People, now: datetime) -> None:
    for person in people.all:
        told = add_signature(workshop, "ministry", to_sign(workshop, "ministry", now), person)
    assert told.is_complete


def test_new_name_is_not_published_before_the_orders_say_it(
    known: Workshop, people: People, order: Order, now: datetime, tmp_path: Path
) -> None:
    change(known, people, name="Ministry of Samples")
    sign(known, now + HOUR)
    assert "Ministry of Samples" in held_back(known, now + HOUR)["ministry"]
    assert orders_at_a_node(known, tmp_path, now + HOUR) == {"order-1", "order-2"}

    stage(known, order, "ministry", id="order-2")
    sign_ministry(known, people, now + HOUR)
    assert not held_back(known, now + HOUR)
    assert orders_at_a_node(known, tmp_path, now + HOUR) == {"order-1", "order-2"}


def test_keys_that_go_back_to_earlier_ones_do_not_end_the_orders(
    known: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    change(known, people, keys="carol", threshold=1)
    assert add_signature(known, "ministry", to_sign(known, "ministry", now), people.carol).is_complete
    sign(known, now)
    assert orders_at_a_node(known, tmp_path, now) == {"order-1", "order-2"}
    change(known, people, keys="alice bob", threshold=2)
    sign(known, now + HOUR)
    assert orders_at_a_node(known, tmp_path, now + HOUR) == {"order-1", "order-2"}
    sign_ministry(known, people, now + HOUR)
    assert not held_back(known, now + HOUR)
    assert orders_at_a_node(known, tmp_path, now + HOUR) == {"order-1", "order-2"}


def test_authority_whose_new_keys_never_sign_can_still_be_removed(
    known: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    change(known, people, threshold=3)
    sign(known, now)
    delegations = known.staged_delegations()
    undelegate(delegations, "ministry")
    write_delegations(known.delegations, delegations)
    sign(known, now + HOUR)
    assert orders_at_a_node(known, tmp_path, now + HOUR) == {"order-1"}


def test_delegation_that_comes_before_its_first_signature_is_published(
    known: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    people.delegate(known, role="office", name=f"Office of the {MINISTRY}")
    sign(known, now)
    assert held_back(known, now) == {"office": "nothing of it is signed yet"}
    assert orders_at_a_node(known, tmp_path, now) == {"order-1", "order-2"}
    told = fetched(known, tmp_path / "out", tmp_path / "state", now).authorities
    assert [(part.role, part.version, part.refusal) for part in told] == [("ministry", 1, ""), ("office", 0, "")]

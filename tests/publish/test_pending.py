from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from blockd.errors import PublishError
from blockd.publish import Workshop, sign
from blockd.publish.pending import add_signature, merge, pending_roles, read_pending, standing
from blockd.publish.signing import to_sign
from blockd.publish.summary import news
from tests.publish.people import MINISTRY, People, copied, fetched, load_signer, published, target_is_found
from tests.publish.staging import lift, stage

Order = dict[str, object]


@pytest.fixture
def asked(shared: Workshop, order: Order, now: datetime) -> Workshop:
    """An authority's order is staged; the repository has signed the authority and an order of its own."""
    stage(shared, order)
    stage(shared, order, "ministry", id="order-2")
    sign(shared, now)
    return shared


def order_of_ministry(workshop: Workshop, out: Path, now: datetime) -> bool:
    return target_is_found(workshop, out, "orders/ministry/order-2.json", now)


def test_two_people_in_one_folder_reach_the_threshold(
    asked: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    first = add_signature(asked, "ministry", to_sign(asked, "ministry", now), people.alice)
    assert (first.signed, first.lacking, first.threshold) == ((people.alice.public_key.keyid,), 1, 2)
    assert set(first.unsigned) == {people.bob.public_key.keyid, people.carol.public_key.keyid}
    published(asked, tmp_path / "out", now)
    assert not (tmp_path / "out/metadata/1.ministry.json").exists()
    second = add_signature(asked, "ministry", to_sign(asked, "ministry", now + timedelta(hours=1)), people.carol)
    assert second.is_complete
    assert pending_roles(asked) == ()
    published(asked, tmp_path / "out", now)
    assert order_of_ministry(asked, tmp_path / "out", now)
    assert fetched(asked, tmp_path / "out", tmp_path / "state", now).targets_version == 1


def test_two_people_on_two_copies_of_the_folder_put_their_signatures_together(
    asked: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    to_sign(asked, "ministry", now)
    other = copied(asked, "other machine")
    for workshop, person in ((asked, people.alice), (other, people.bob)):
        assert add_signature(workshop, "ministry", to_sign(workshop, "ministry", now), person).lacking == 1
    told = merge(asked, other.pending / "ministry.json")
    assert told.is_complete
    assert set(told.signed) == {people.alice.public_key.keyid, people.bob.public_key.keyid}
    published(asked, tmp_path / "out", now)
    assert order_of_ministry(asked, tmp_path / "out", now)


def test_what_was_completed_on_another_machine_is_taken_too(asked: Workshop, people: People, now: datetime) -> None:
    add_signature(asked, "ministry", to_sign(asked, "ministry", now), people.alice)
    other = copied(asked, "other machine")
    add_signature(other, "ministry", to_sign(other, "ministry", now), people.bob)
    assert merge(asked, other.metadata / "1.ministry.json").is_complete
    assert (asked.metadata / "1.ministry.json").is_file()


def test_three_people_sign_the_first_root_and_the_list(
    people: People, order: Order, now: datetime, tmp_path: Path
) -> None:
    workshop = Workshop.make(tmp_path / "common", now, founding=people.founding())
    assert {path.name for path in workshop.keys.glob("*.pem")} == {"snapshot.pem", "timestamp.pem"}
    stage(workshop, order)
    with pytest.raises(PublishError, match=r"first root .* lacks signatures"):
        sign(workshop, now)
    root = read_pending(workshop, "root")
    assert root is not None
    for person in (people.alice, people.bob):
        told = add_signature(workshop, "root", root, person)
    assert told.is_complete
    with pytest.raises(PublishError, match="No key of targets is in"):
        sign(workshop, now)
    for person in (people.bob, people.carol):
        add_signature(workshop, "targets", to_sign(workshop, "targets", now), person)
    published(workshop, tmp_path / "out", now)
    assert [it.order.id for it in fetched(workshop, tmp_path / "out", tmp_path / "state", now).documents] == ["order-1"]


def test_key_that_is_not_in_the_role_is_refused(asked: Workshop, people: People, now: datetime) -> None:
    stranger = Workshop.make(people.folder / "stranger", now)
    pending = to_sign(asked, "ministry", now)
    with pytest.raises(PublishError, match="is not a key of ministry; nothing was signed"):
        add_signature(asked, "ministry", pending, load_signer(stranger.keys, "targets"))
    assert not json.loads((asked.pending / "ministry.json").read_bytes())["signatures"]


def test_person_who_signs_twice_counts_once(asked: Workshop, people: People, now: datetime) -> None:
    for _ in range(2):
        told = add_signature(asked, "ministry", to_sign(asked, "ministry", now), people.alice)
    assert (len(told.signed), told.lacking) == (1, 1)


def tamper(path: Path) -> None:
    told = json.loads(path.read_bytes())
    told["signed"]["expires"] = "2099-01-01T00:00:00Z"
    path.write_text(json.dumps(told))


def test_pending_file_changed_after_a_signature_is_refused(asked: Workshop, people: People, now: datetime) -> None:
    add_signature(asked, "ministry", to_sign(asked, "ministry", now), people.alice)
    tamper(asked.pending / "ministry.json")
    with pytest.raises(PublishError, match="was changed after it was signed"):
        to_sign(asked, "ministry", now)
    assert not to_sign(asked, "ministry", now, again=True).signatures


def test_changed_copy_adds_nothing(asked: Workshop, people: People, now: datetime) -> None:
    add_signature(asked, "ministry", to_sign(asked, "ministry", now), people.alice)
    other = copied(asked, "other machine")
    add_signature(other, "ministry", to_sign(other, "ministry", now), people.bob)
    tamper(other.metadata / "1.ministry.json")
    with pytest.raises(PublishError, match="is not a copy of what is pending"):
        merge(asked, other.metadata / "1.ministry.json")
    pending = read_pending(asked, "ministry")
    assert pending is not None
    assert list(pending.signatures) == [people.alice.public_key.keyid]


def test_forged_signature_in_a_copy_is_refused(asked: Workshop, people: People, now: datetime) -> None:
    add_signature(asked, "ministry", to_sign(asked, "ministry", now), people.alice)
    told = json.loads((asked.pending / "ministry.json").read_bytes())
    told["signatures"].append({**told["signatures"][0], "keyid": people.bob.public_key.keyid})
    forged = asked.folder.parent / "ministry.json"
    forged.write_text(json.dumps(told))
    with pytest.raises(PublishError, match="does not match"):
        merge(asked, forged)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"{}", b'{"signed": 1, "signatures": 2}', b"\xff" * 100]
)
def test_hostile_copy_is_refused_with_a_sentence(asked: Workshop, now: datetime, content: bytes) -> None:
    to_sign(asked, "ministry", now)
    path = asked.folder.parent / "ministry.json"
    path.write_bytes(content)
    with pytest.raises(PublishError, match="cannot be used"):
        merge(asked, path)


def test_copy_of_what_is_not_pending_adds_nothing(asked: Workshop) -> None:
    with pytest.raises(PublishError, match="Nothing of 'ministry' is pending"):
        merge(asked, asked.folder.parent / "ministry.json")
    with pytest.raises(PublishError, match="Nothing of 'nobody' is pending"):
        merge(asked, asked.folder.parent / "nobody.json")


def test_order_changed_after_the_first_signature_makes_it_void_only_when_asked(
    asked: Workshop, people: People, order: Order, now: datetime
) -> None:
    add_signature(asked, "ministry", to_sign(asked, "ministry", now), people.alice)
    stage(asked, order, "ministry", id="order-2", platform="Another")
    with pytest.raises(PublishError, match=r"no longer matches what is staged.*--again"):
        to_sign(asked, "ministry", now)
    assert not to_sign(asked, "ministry", now, again=True).signatures


def test_what_nobody_has_signed_is_made_anew_without_a_question(asked: Workshop, order: Order, now: datetime) -> None:
    to_sign(asked, "ministry", now)
    stage(asked, order, "ministry", id="order-3")
    assert "orders/ministry/order-3.json" in to_sign(asked, "ministry", now).signed.targets


def test_nothing_new_is_nothing_to_sign(asked: Workshop, now: datetime) -> None:
    with pytest.raises(PublishError, match="Nothing of targets has changed"):
        to_sign(asked, "targets", now)


def test_person_sees_what_is_new_changed_lifted_and_removed(
    asked: Workshop, people: People, order: Order, now: datetime
) -> None:
    for identifier in ("order-3", "order-4"):
        stage(asked, order, "ministry", id=identifier)
    for person in (people.alice, people.bob):
        add_signature(asked, "ministry", to_sign(asked, "ministry", now), person)
    stage(asked, order, "ministry", id="order-2", names=["example.net"])
    lift(asked, "order-3", "2026-03-02", "Over.", "ministry")
    asked.remove("order-4", "ministry")
    stage(asked, order, "ministry", id="order-5")
    found = {it.subject: (it.what, it.detail) for it in news(asked, "ministry", to_sign(asked, "ministry", now))}
    assert {subject: what for subject, (what, _) in found.items()} == {
        "ministry/order-2": "changed",
        "ministry/order-3": "lifted",
        "ministry/order-4": "removed",
        "ministry/order-5": "new",
    }
    assert "1 names" in found["ministry/order-2"][1]
    assert "lifted on 2026-03-02T00:00:00Z" in found["ministry/order-3"][1]


def test_document_that_cannot_be_seen_is_not_signed(asked: Workshop, now: datetime) -> None:
    pending = to_sign(asked, "ministry", now)
    (path,) = (asked.targets / "ministry").iterdir()
    path.write_bytes(b"{}")
    with pytest.raises(PublishError, match="is not in"):
        news(asked, "ministry", pending)


def test_stop_between_the_two_files_of_the_last_signature_costs_nothing(
    asked: Workshop, people: People, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_signature(asked, "ministry", to_sign(asked, "ministry", now), people.alice)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("blockd.publish.pending.drop_pending", stopped)
    with pytest.raises(KeyboardInterrupt):
        add_signature(asked, "ministry", to_sign(asked, "ministry", now), people.bob)
    monkeypatch.undo()
    assert (asked.metadata / "1.ministry.json").is_file()
    assert read_pending(asked, "ministry") is None
    with pytest.raises(PublishError, match="Nothing of ministry has changed"):
        to_sign(asked, "ministry", now)


def test_document_of_another_authority_is_not_signed(asked: Workshop, order: Order, now: datetime) -> None:
    stage(asked, order, "ministry", id="order-9", authority="Somebody Else")
    with pytest.raises(PublishError, match=f"Somebody Else.*{MINISTRY}"):
        to_sign(asked, "ministry", now)


def test_id_of_another_part_is_signed_under_its_own_role(asked: Workshop, order: Order, now: datetime) -> None:
    stage(asked, order, "ministry", id="order-1")
    seen = news(asked, "ministry", to_sign(asked, "ministry", now))
    assert "ministry/order-1" in [one.subject for one in seen]


def test_standing_of_a_root_counts_a_person_in_old_and_new_keys_once(
    people: People, now: datetime, tmp_path: Path
) -> None:
    workshop = Workshop.make(tmp_path / "common", now, founding=people.founding())
    root = read_pending(workshop, "root")
    assert root is not None
    assert standing(workshop, "root", root).lacking == 2

from __future__ import annotations

import gzip
import hashlib
import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from blockd.errors import PublishError
from blockd.orders.repository import PUBLISHED_FIELD
from blockd.publish import Workshop, publish, sign
from blockd.publish.delegations import undelegate, write_delegations
from blockd.publish.keys.online_roles import seal
from blockd.publish.pending import add_signature
from blockd.publish.publishing import prune
from blockd.publish.signing import to_sign
from tests.publish.people import People, fetched, load_signer, published, target_is_found
from tests.publish.staging import lift, stage

Order = dict[str, object]
HOUR = timedelta(hours=1)


@pytest.fixture
def signed(shared: Workshop, people: People, order: Order, now: datetime) -> Workshop:
    """The repository's own order and an authority's, both signed."""
    stage(shared, order)
    stage(shared, order, "ministry", id="order-2")
    sign(shared, now)
    sign_ministry(shared, people, now)
    return shared


def sign_ministry(workshop: Workshop, people: People, now: datetime) -> None:
    for person in (people.alice, people.bob):
        told = add_signature(workshop, "ministry", to_sign(workshop, "ministry", now), person)
    assert told.is_complete


def timestamp(workshop: Workshop) -> dict[str, object]:
    told = json.loads((workshop.metadata / "timestamp.json").read_bytes())["signed"]
    assert isinstance(told, dict)
    return told


def test_timestamp_says_to_the_millisecond_when_it_was_signed(signed: Workshop, now: datetime) -> None:
    seal(signed, now + timedelta(milliseconds=250))
    assert timestamp(signed)[PUBLISHED_FIELD] == "2026-03-01T12:00:00.250Z"
    assert timestamp(signed)["expires"] == "2026-03-04T12:00:00Z"


def test_timestamp_is_renewed_when_half_its_life_is_over_or_when_asked(signed: Workshop, now: datetime) -> None:
    def version(at: datetime, renew: bool = False) -> int:
        sealed = seal(signed, at, renew=renew)
        assert sealed
        return sealed.timestamp_version

    first = version(now)
    assert version(now + 35 * HOUR) == first
    assert version(now + 35 * HOUR, renew=True) == first + 1
    assert version(now + 72 * HOUR) == first + 2
    assert version(now + 73 * HOUR) == first + 2


def test_snapshot_names_each_authority_and_the_folder_has_its_orders(
    signed: Workshop, now: datetime, tmp_path: Path
) -> None:
    published(signed, tmp_path / "out", now)
    current = signed.current()
    assert current
    assert {name: file.version for name, file in current[1].signed.meta.items()} == {
        "targets.json": 1,
        "ministry.json": 1,
    }
    assert target_is_found(signed, tmp_path / "out", "orders/ministry/order-2.json", now)
    assert target_is_found(signed, tmp_path / "out", "orders/order-1.json", now)


def test_authority_that_has_signed_nothing_is_told(shared: Workshop, order: Order, now: datetime) -> None:
    stage(shared, order)
    sign(shared, now)
    sealed = seal(shared, now)
    assert sealed
    assert sealed.held == {"ministry": "nothing of it is signed yet"}


def test_new_keys_of_an_authority_wait_for_the_repository_to_sign_them(
    signed: Workshop, people: People, order: Order, now: datetime, tmp_path: Path
) -> None:
    (signed.keys / "targets.pem").rename(tmp_path / "targets.pem")
    people.delegate(signed, threshold=1)
    stage(signed, order, "ministry", id="order-3")
    assert add_signature(signed, "ministry", to_sign(signed, "ministry", now), people.carol).is_complete
    sealed = seal(signed, now)
    assert sealed
    assert sealed.held == {"ministry": "version 2 waits until its new keys are signed by targets"}
    publish(signed, tmp_path / "out")
    assert target_is_found(signed, tmp_path / "out", "orders/ministry/order-2.json", now)
    (tmp_path / "targets.pem").rename(signed.keys / "targets.pem")
    sign(signed, now)
    published(signed, tmp_path / "out", now)
    assert target_is_found(signed, tmp_path / "out", "orders/ministry/order-3.json", now)


def test_removed_authority_gives_nothing_and_nodes_go_on(signed: Workshop, now: datetime, tmp_path: Path) -> None:
    out, state = tmp_path / "out", tmp_path / "state"
    published(signed, out, now)
    fetched(signed, out, state, now)
    delegations = signed.staged_delegations()
    undelegate(delegations, "ministry")
    write_delegations(signed.delegations, delegations)
    sign(signed, now + HOUR)
    publish(signed, out)
    assert fetched(signed, out, state, now + HOUR).targets_version == 2
    assert not target_is_found(signed, out, "orders/ministry/order-2.json", now)


def test_repository_may_have_authorities_and_no_order_of_its_own(
    shared: Workshop, people: People, order: Order, now: datetime, tmp_path: Path
) -> None:
    stage(shared, order, "ministry")
    assert sign(shared, now).waiting == ("ministry",)
    sign_ministry(shared, people, now)
    published(shared, tmp_path / "out", now)
    assert target_is_found(shared, tmp_path / "out", "orders/ministry/order-1.json", now)


def test_key_of_an_authority_that_lies_here_signs_in_one_step(
    workshop: Workshop, people: People, order: Order, now: datetime
) -> None:
    people.delegate(workshop, threshold=1)
    (people.folder / "alice.pem").rename(workshop.keys / "alice.pem")
    stage(workshop, order, "ministry")
    done = sign(workshop, now)
    assert [told.role for told in done.standings] == ["targets", "ministry"]
    assert (done.orders, done.changed, done.waiting) == (1, ("ministry/order-1",), ())


def test_without_the_online_keys_nothing_is_sealed(signed: Workshop, now: datetime) -> None:
    before = (signed.metadata / "timestamp.json").read_bytes()
    for path in signed.keys.glob("timestamp.pem*"):
        path.unlink()
    assert seal(signed, now + HOUR) is None
    assert (signed.metadata / "timestamp.json").read_bytes() == before
    assert sign(signed, now).timestamp_version == 0


def test_private_key_of_another_than_the_public_one_beside_it_is_refused(signed: Workshop, now: datetime) -> None:
    stolen = load_signer(signed.keys, "root")
    (signed.keys / "timestamp.pem").write_bytes(stolen.private_bytes)  # type: ignore[attr-defined]
    with pytest.raises(PublishError, match="is not the key of timestamp"):
        seal(signed, now)


def list_of_names(workshop: Workshop, names: bytes, name: str, role: str) -> dict[str, object]:
    """Put a file of a list into the workshop and give a document's step for it."""
    packed = gzip.compress(names, mtime=0)
    folder = workshop.folder / "targets/lists" / role
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{hashlib.sha256(packed).hexdigest()}.{name}").write_bytes(packed)
    part = f"{role}/" if role else ""
    return {
        "target": f"lists/{part}{name}",
        "sha256": hashlib.sha256(names).hexdigest(),
        "size": len(names),
        "count": names.count(b"\n"),
    }


def stage_list(workshop: Workshop, order: Order, role: str, step: dict[str, object]) -> None:
    document = {name: value for name, value in order.items() if name != "names"}
    content = {**document, "id": "order-9", "list": {"steps": [step]}}
    if role:
        content["authority"] = workshop.authority_of(role)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    workshop.stage({"order-9": (text + "\n").encode()}, role)


def test_files_of_a_list_are_signed_and_published_with_their_order(
    signed: Workshop, people: People, order: Order, now: datetime, tmp_path: Path
) -> None:
    step = list_of_names(signed, b"a.example\nb.example\n", "order-9-0001.base.gz", "ministry")
    list_of_names(signed, b"c.example\n", "unnamed.gz", "ministry")
    stage_list(signed, order, "ministry", step)
    sign_ministry(signed, people, now)
    accepted = signed.accepted("ministry")
    assert accepted
    assert set(accepted.signed.targets) == {
        "orders/ministry/order-2.json",
        "orders/ministry/order-9.json",
        "lists/ministry/order-9-0001.base.gz",
    }
    published(signed, tmp_path / "out", now)
    assert target_is_found(signed, tmp_path / "out", "lists/ministry/order-9-0001.base.gz", now)
    with pytest.raises(PublishError, match="Nothing of ministry has changed"):
        to_sign(signed, "ministry", now)


def test_list_outside_of_its_part_is_not_signed(signed: Workshop, order: Order, now: datetime) -> None:
    step = list_of_names(signed, b"a.example\n", "order-9.base.gz", "")
    stage_list(signed, order, "ministry", step)
    with pytest.raises(PublishError, match="outside of its part"):
        to_sign(signed, "ministry", now)


def test_list_whose_file_is_missing_or_changed_is_not_signed(signed: Workshop, order: Order, now: datetime) -> None:
    step = list_of_names(signed, b"a.example\n", "order-9.base.gz", "ministry")
    stage_list(signed, order, "ministry", step)
    (path,) = (signed.folder / "targets/lists/ministry").iterdir()
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    with pytest.raises(PublishError, match="its name holds another SHA-256"):
        to_sign(signed, "ministry", now)
    path.unlink()
    with pytest.raises(PublishError, match="which is not in"):
        to_sign(signed, "ministry", now)


def test_old_files_are_pruned_when_asked_and_roots_stay(signed: Workshop, now: datetime, tmp_path: Path) -> None:
    out = tmp_path / "out"
    published(signed, out, now)
    lift(signed, "order-1", "2026-03-02", "Over.")
    sign(signed, now + HOUR)
    publish(signed, out)
    for path in out.rglob("*.json"):
        os.utime(path, (now.timestamp(), now.timestamp()))
    assert prune(signed, out, timedelta(days=7), now + timedelta(days=6)) == ()
    removed = prune(signed, out, timedelta(days=7), now + timedelta(days=8))
    assert [name for name in removed if name.startswith("metadata/")] == [
        "metadata/1.targets.json",
        "metadata/2.snapshot.json",
    ]
    assert [name.rpartition(".order")[2] for name in removed if name.startswith("targets/")] == ["-1.json"]
    assert (out / "metadata/1.root.json").is_file()
    assert fetched(signed, out, tmp_path / "state", now + HOUR).targets_version == 2
    assert target_is_found(signed, out, "orders/ministry/order-2.json", now)


def test_folder_that_holds_something_else_is_not_pruned(signed: Workshop, now: datetime, tmp_path: Path) -> None:
    published(signed, tmp_path / "out", now)
    sign(signed, now + HOUR)
    with pytest.raises(PublishError, match="publish first"):
        prune(signed, tmp_path / "out", timedelta(days=1), now + timedelta(days=100))

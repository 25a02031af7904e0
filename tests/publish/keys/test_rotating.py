"""A lost key and a stolen key: two stories, told from the publisher to the node."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Timestamp

from blockd.errors import FeedRefused, PublishError
from blockd.publish import Workshop, publish, sign
from blockd.publish.keys.key_files import new_key, public_file
from blockd.publish.keys.rotating import KeyChange, rotate
from blockd.publish.pending import add_signature, read_pending, standing
from blockd.publish.signing import to_sign
from tests.publish.people import People, fetched, load_signer, published
from tests.publish.staging import lift, stage

Order = dict[str, object]
HOUR = timedelta(hours=1)


@pytest.fixture
def common(people: People, order: Order, now: datetime, tmp_path: Path) -> Workshop:
    """A published repository whose root and list two of three people sign."""
    workshop = Workshop.make(tmp_path / "common", now, founding=people.founding())
    sign_root(workshop, people.alice, people.bob)
    stage(workshop, order)
    sign_list(workshop, now, people.alice, people.bob)
    published(workshop, tmp_path / "out", now)
    fetched(workshop, tmp_path / "out", tmp_path / "state", now)
    return workshop


def sign_root(workshop: Workshop, *signers: Signer) -> None:
    root = read_pending(workshop, "root")
    assert root is not None
    for signer in signers:
        told = add_signature(workshop, "root", root, signer)
    assert told.is_complete


def sign_list(workshop: Workshop, now: datetime, *signers: Signer) -> None:
    for signer in signers:
        told = add_signature(workshop, "targets", to_sign(workshop, "targets", now), signer)
    assert told.is_complete


def id_of(signer: Signer) -> str:
    return signer.public_key.keyid


def replace_local(workshop: Workshop, role: str) -> CryptoSigner:
    """Make a new key for a role whose key lies in the workshop."""
    old = load_signer(workshop.keys, role)
    for path in (workshop.keys / f"{role}.pem", public_file(workshop.keys / f"{role}.pem")):
        path.unlink()
    fresh = new_key(workshop.keys / f"{role}.pem")
    assert id_of(old) != id_of(fresh)
    return fresh


def test_lost_key_is_replaced_by_the_two_that_are_left(
    common: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    dave = new_key(tmp_path / "dave.pem")
    lost = id_of(people.carol)
    for role in ("root", "targets"):
        rotate(common, KeyChange(role, [dave.public_key], [lost[:12]]), now)
    sign_root(common, people.alice, people.bob)
    lift(common, "order-1", "2026-03-02", "Over.")
    sign_list(common, now + HOUR, people.alice, dave)
    published(common, tmp_path / "out", now + HOUR)
    version = fetched(common, tmp_path / "out", tmp_path / "state", now + HOUR)
    assert version.documents[0].order.lifted_reason == "Over."
    root = common.root().signed
    assert root.version == 2
    assert lost not in root.keys


def test_lost_key_beyond_the_threshold_cannot_be_replaced(common: Workshop, people: People, now: datetime) -> None:
    rotate(common, KeyChange("root", [], [id_of(people.carol)]), now)
    root = read_pending(common, "root")
    assert root is not None
    assert add_signature(common, "root", root, people.alice).lacking == 1
    with pytest.raises(PublishError, match="another change would make them void"):
        rotate(common, KeyChange("root", [], [id_of(people.bob)]), now)
    assert common.root().signed.version == 1


def test_new_keys_have_to_sign_beside_the_old_ones(
    common: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    new = [new_key(tmp_path / f"{name}.pem") for name in ("dave", "erin")]
    old = [id_of(person) for person in people.all]
    rotate(common, KeyChange("root", [key.public_key for key in new], old), now)
    root = read_pending(common, "root")
    assert root is not None
    assert standing(common, "root", root).lacking == 4
    for signer in new:
        assert not add_signature(common, "root", root, signer).is_complete
    assert add_signature(common, "root", root, people.alice).lacking == 1
    assert add_signature(common, "root", root, people.carol).is_complete
    published(common, tmp_path / "out", now)
    fetched(common, tmp_path / "out", tmp_path / "state", now)


def test_stolen_list_key_signs_nothing_any_more(
    common: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    dave = new_key(tmp_path / "dave.pem")
    rotate(common, KeyChange("targets", [dave.public_key], [id_of(people.carol)]), now)
    sign_root(common, people.alice, people.bob)
    lift(common, "order-1", "2026-03-02", "Over.")
    with pytest.raises(PublishError, match="is not a key of targets"):
        add_signature(common, "targets", to_sign(common, "targets", now), people.carol)
    sign_list(common, now, people.alice, dave)


def test_list_signed_by_a_removed_key_is_signed_anew(
    common: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    """The list of before had the stolen key's signature under it, so a node would refuse it under the new root."""
    dave = new_key(tmp_path / "dave.pem")
    rotate(common, KeyChange("targets", [dave.public_key], [id_of(people.bob)]), now)
    sign_root(common, people.alice, people.carol)
    before = (tmp_path / "out/metadata/timestamp.json").read_bytes()
    with pytest.raises(PublishError, match="has other keys of targets, and not enough of them have signed"):
        published(common, tmp_path / "out", now)
    assert (tmp_path / "out/metadata/timestamp.json").read_bytes() == before
    assert not (tmp_path / "out/metadata/2.root.json").exists()
    sign_list(common, now, dave, people.carol)
    published(common, tmp_path / "out", now)
    assert fetched(common, tmp_path / "out", tmp_path / "state", now).targets_version == 2


def test_stolen_online_keys_cannot_hold_nodes_after_the_rotation(
    common: Workshop, people: People, now: datetime, tmp_path: Path
) -> None:
    stolen = {role: load_signer(common.keys, role) for role in ("snapshot", "timestamp")}
    out, state = tmp_path / "out", tmp_path / "state"
    fast_forward(common, out, stolen)
    assert fetched(common, out, state, now).timestamp_version == 1_000_000
    for role, old in stolen.items():
        rotate(common, KeyChange(role, [replace_local(common, role).public_key], [id_of(old)]), now)
    sign_root(common, people.alice, people.bob)
    published(common, out, now)
    assert fetched(common, out, state, now).timestamp_version == 2
    fast_forward(common, out, stolen)
    with pytest.raises(FeedRefused) as caught:
        fetched(common, out, state, now)
    assert caught.value.reason in ("signature", "threshold")


def fast_forward(workshop: Workshop, out: Path, stolen: dict[str, Signer]) -> None:
    """What a thief of the online keys can do: versions so high that the publisher's own look old."""
    current = workshop.current()
    assert current
    timestamp, snapshot, _ = current
    high: Metadata[Snapshot] = Metadata(Snapshot(1_000_000, meta=snapshot.signed.meta, expires=snapshot.signed.expires))
    high.sign(stolen["snapshot"])
    (out / "metadata/1000000.snapshot.json").write_bytes(high.to_bytes())
    told = Metadata(Timestamp(1_000_000, expires=timestamp.signed.expires, snapshot_meta=MetaFile(1_000_000)))
    told.sign(stolen["timestamp"])
    (out / "metadata/timestamp.json").write_bytes(told.to_bytes())


def test_one_person_rotates_a_key_in_one_step(workshop: Workshop, order: Order, now: datetime, tmp_path: Path) -> None:
    stage(workshop, order)
    sign(workshop, now)
    publish(workshop, tmp_path / "out")
    fetched(workshop, tmp_path / "out", tmp_path / "state", now)
    old = id_of(load_signer(workshop.keys, "targets"))
    rotate(workshop, KeyChange("targets", [replace_local(workshop, "targets").public_key], [old]), now)
    done = sign(workshop, now + HOUR)
    assert {told.role for told in done.standings} == {"root", "targets"}
    publish(workshop, tmp_path / "out")
    assert fetched(workshop, tmp_path / "out", tmp_path / "state", now + HOUR).targets_version == 2


def test_root_about_to_end_is_made_to_last(workshop: Workshop, order: Order, now: datetime, tmp_path: Path) -> None:
    stage(workshop, order)
    late = now + timedelta(days=4000)
    with pytest.raises(PublishError, match="rotate"):
        sign(workshop, late)
    rotate(workshop, KeyChange("root"), late, late + timedelta(days=365))
    sign(workshop, late)
    publish(workshop, tmp_path / "out")
    assert fetched(workshop, tmp_path / "out", tmp_path / "state", late).timestamp_version == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (KeyChange("ministry"), "not a role of the root"),
        (KeyChange("root", threshold=4), "nobody could sign"),
        (KeyChange("root", remove=["0" * 64]), "names none of the keys"),
        (KeyChange("root", remove=["abc"]), "names none of the keys"),
    ],
)
def test_root_that_nobody_could_use_is_not_made(common: Workshop, now: datetime, change: KeyChange, told: str) -> None:
    with pytest.raises(PublishError, match=told):
        rotate(common, change, now)
    assert read_pending(common, "root") is None


def test_change_of_a_root_that_somebody_has_signed_has_to_be_asked_for(
    common: Workshop, people: People, now: datetime
) -> None:
    rotate(common, KeyChange("root", threshold=3), now)
    root = read_pending(common, "root")
    assert root is not None
    add_signature(common, "root", root, people.alice)
    with pytest.raises(PublishError, match="--again"):
        rotate(common, KeyChange("targets", threshold=3), now)
    made = rotate(common, KeyChange("targets", threshold=3), now, again=True)
    assert not made.signatures
    assert isinstance(made.signed, Root)
    assert (made.signed.roles["root"].threshold, made.signed.roles["targets"].threshold) == (2, 3)

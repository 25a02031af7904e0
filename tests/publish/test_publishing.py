from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from blockd.errors import PublishError
from blockd.publish import Workshop, publish, sign
from blockd.publish.keys.online_roles import seal
from tests.publish.staging import lift, order_document, read_documents, stage


@pytest.fixture
def signed(workshop: Workshop, order_file: Path, now: datetime) -> Workshop:
    workshop.stage(read_documents([order_file]))
    sign(workshop, now)
    return workshop


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_published_folder_has_the_shape_that_tuf_asks_for(signed: Workshop, tmp_path: Path) -> None:
    publish(signed, tmp_path / "out")
    found = content(tmp_path / "out")
    current = signed.current()
    assert current
    digest = current[2].signed.targets["orders/order-1.json"].hashes["sha256"]
    assert set(found) == {
        "root.json",
        "metadata/1.root.json",
        "metadata/1.targets.json",
        "metadata/1.snapshot.json",
        "metadata/timestamp.json",
        f"targets/orders/{digest}.order-1.json",
    }
    assert found["root.json"] == found["metadata/1.root.json"]


def test_no_key_is_ever_published(signed: Workshop, tmp_path: Path) -> None:
    publish(signed, tmp_path / "out")
    assert not any(b"PRIVATE KEY" in data for data in content(tmp_path / "out").values())


def test_timestamp_is_written_last(signed: Workshop, tmp_path: Path) -> None:
    assert publish(signed, tmp_path / "out").written[-1] == "metadata/timestamp.json"


def test_publishing_twice_changes_nothing(signed: Workshop, tmp_path: Path) -> None:
    publish(signed, tmp_path / "out")
    before = content(tmp_path / "out")
    assert publish(signed, tmp_path / "out").written == ()
    assert content(tmp_path / "out") == before


def test_old_files_stay_and_never_change(signed: Workshop, tmp_path: Path, now: datetime) -> None:
    publish(signed, tmp_path / "out")
    before = content(tmp_path / "out")
    lift(signed, "order-1", "2026-03-02", "The platform has answered.")
    sign(signed, now + timedelta(days=1))
    publish(signed, tmp_path / "out")
    after = content(tmp_path / "out")
    assert len(after) == len(before) + 3
    assert {name for name in before if after[name] != before[name]} == {"metadata/timestamp.json"}


def test_nothing_signed_is_nothing_to_publish(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="Nothing is signed"):
        publish(workshop, tmp_path / "out")


def test_folder_of_another_authority_is_left_alone(
    signed: Workshop, tmp_path: Path, order_file: Path, now: datetime
) -> None:
    publish(signed, tmp_path / "out")
    before = content(tmp_path / "out")
    other = Workshop.make(tmp_path / "other", now)
    other.stage(read_documents([order_file]))
    sign(other, now)
    with pytest.raises(PublishError, match="another authority"):
        publish(other, tmp_path / "out")
    assert content(tmp_path / "out") == before


def test_newer_list_is_not_replaced_by_an_older_one(signed: Workshop, tmp_path: Path, now: datetime) -> None:
    old = (signed.metadata / "timestamp.json").read_bytes()
    sign(signed, now)
    publish(signed, tmp_path / "out")
    (signed.metadata / "timestamp.json").write_bytes(old)
    with pytest.raises(PublishError, match="which is newer"):
        publish(signed, tmp_path / "out")


def test_order_changed_after_signing_is_not_published(signed: Workshop, tmp_path: Path) -> None:
    (path,) = signed.targets.iterdir()
    path.write_bytes(b"{}")
    with pytest.raises(PublishError, match="was changed after it was signed"):
        publish(signed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def restored(workshop: Workshop, out: Path, now: datetime) -> Workshop:
    """A workshop as a backup had it, before two more versions were signed and published."""
    publish(workshop, out)
    backup = Path(shutil.copytree(workshop.folder, workshop.folder.parent / "backup"))
    for day in (1, 2):
        stage(workshop, order_document(f"order-of-day-{day}", ["later.example.net"]))
        sign(workshop, now)
        publish(workshop, out)
    return Workshop(backup)


def test_workshop_from_a_backup_publishes_nothing_however_often_it_renews(
    signed: Workshop, tmp_path: Path, now: datetime
) -> None:
    out = tmp_path / "out"
    backup = restored(signed, out, now)
    before = content(out)
    for _ in range(4):
        seal(backup, now, renew=True)
        with pytest.raises(PublishError, match="was restored from a backup"):
            publish(backup, out)
    for path in out.glob("metadata/[0-9]*.[st]*.json"):
        if path.name.startswith("1."):
            path.unlink()
    with pytest.raises(PublishError, match="of targets, which is newer than 1 here"):
        publish(backup, out)
    assert content(out)["metadata/timestamp.json"] == before["metadata/timestamp.json"]


def test_workshop_from_a_backup_goes_on_once_it_has_what_was_published(
    signed: Workshop, tmp_path: Path, now: datetime
) -> None:
    out = tmp_path / "out"
    backup = restored(signed, out, now)
    for name in ("metadata", "targets"):
        shutil.copytree(out / name, backup.folder / name, dirs_exist_ok=True)
    seal(backup, now)
    done = publish(backup, out)
    assert done.targets_version == 3


def test_root_that_is_older_than_the_published_one_is_refused(signed: Workshop, tmp_path: Path) -> None:
    publish(signed, tmp_path / "out")
    (tmp_path / "out" / "metadata" / "2.root.json").write_bytes(b"{}")
    with pytest.raises(PublishError, match="version 2 of root"):
        publish(signed, tmp_path / "out")

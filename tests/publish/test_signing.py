from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blockd.errors import PublishError
from blockd.feeds.signed.bundle import SignedVersion
from blockd.feeds.signed.repository import SignedRepository
from blockd.publish import Workshop, publish, sign
from tests.publish.staging import lift, read_documents

DAY = timedelta(days=1)


@pytest.fixture
def staged(workshop: Workshop, order_file: Path) -> Workshop:
    workshop.stage(read_documents([order_file]))
    return workshop


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def signed_order(workshop: Workshop) -> dict[str, object]:
    current = workshop.current()
    assert current
    target = current[2].signed.targets["orders/order-1.json"]
    document = json.loads((workshop.folder / "targets" / target.get_prefixed_paths()[0]).read_bytes())
    assert isinstance(document, dict)
    return document


def test_first_signing_makes_version_one_of_every_role(staged: Workshop, now: datetime) -> None:
    done = sign(staged, now)
    assert (done.targets_version, done.timestamp_version, done.changed) == (1, 1, ("order-1",))
    assert names(staged.metadata) == {"1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"}
    current = staged.current()
    assert current
    timestamp, snapshot, targets = current
    root = staged.root().signed
    root.verify_delegate("timestamp", timestamp.signed_bytes, timestamp.signatures)
    root.verify_delegate("snapshot", snapshot.signed_bytes, snapshot.signatures)
    root.verify_delegate("targets", targets.signed_bytes, targets.signatures)
    assert timestamp.signed.expires == now + 3 * DAY
    assert targets.signed.expires == snapshot.signed.expires == now + 90 * DAY


def test_signing_stamps_when_the_order_was_published(staged: Workshop, now: datetime) -> None:
    sign(staged, now)
    assert signed_order(staged)["published"] == "2026-03-01T12:00:00Z"


def test_nothing_changed_renews_only_the_timestamp(staged: Workshop, now: datetime) -> None:
    sign(staged, now)
    done = sign(staged, now + DAY)
    assert (done.targets_version, done.timestamp_version, done.changed) == (1, 2, ())
    assert done.expires == now + 4 * DAY
    assert names(staged.metadata) == {"1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"}
    assert signed_order(staged)["published"] == "2026-03-01T12:00:00Z"


def test_changed_order_is_signed_under_new_versions(staged: Workshop, now: datetime) -> None:
    sign(staged, now)
    lift(staged, "order-1", "2026-03-02", "The platform has answered.")
    done = sign(staged, now + DAY)
    assert (done.targets_version, done.timestamp_version, done.changed) == (2, 2, ("order-1",))
    assert signed_order(staged)["published"] == "2026-03-02T12:00:00Z"
    assert len(names(staged.targets)) == 2


def test_unchanged_order_keeps_its_stamp_beside_a_new_one(
    staged: Workshop, now: datetime, tmp_path: Path, order: dict[str, object]
) -> None:
    sign(staged, now)
    path = tmp_path / "second.json"
    path.write_text(json.dumps({**order, "id": "order-2"}))
    staged.stage(read_documents([path]))
    done = sign(staged, now + DAY)
    assert (done.orders, done.changed) == (2, ("order-2",))
    assert signed_order(staged)["published"] == "2026-03-01T12:00:00Z"
    staged.remove("order-2")
    assert sign(staged, now + 2 * DAY).removed == ("order-2",)


def test_list_about_to_expire_is_signed_anew(staged: Workshop, now: datetime) -> None:
    sign(staged, now)
    done = sign(staged, now + 61 * DAY)
    assert (done.targets_version, done.changed) == (2, ())
    current = staged.current()
    assert current
    assert current[2].signed.expires == now + 151 * DAY


def test_expiry_given_is_set_for_all(staged: Workshop, now: datetime) -> None:
    expires = datetime(2046, 1, 1, tzinfo=UTC)
    sign(staged, now, expires)
    current = staged.current()
    assert current
    assert {part.signed.expires for part in current} == {expires}
    assert sign(staged, now, expires).targets_version == 1


def test_empty_list_is_not_signed(workshop: Workshop, now: datetime) -> None:
    with pytest.raises(PublishError, match="an empty list is not signed"):
        sign(workshop, now)


def test_expired_root_and_past_expiry_are_refused(staged: Workshop, now: datetime) -> None:
    with pytest.raises(PublishError, match="has already passed"):
        sign(staged, now, now - DAY)
    with pytest.raises(PublishError, match=r"root .* has expired"):
        sign(staged, now + 4000 * DAY)
    assert staged.current() is None


def test_staged_order_spoilt_by_hand_is_not_signed(staged: Workshop, now: datetime) -> None:
    (staged.orders / "order-1.json").write_text('{"id": "order-1"}')
    with pytest.raises(PublishError, match=r"order-1\.json was changed"):
        sign(staged, now)
    assert staged.current() is None


def test_key_that_the_root_does_not_name_is_refused(staged: Workshop, now: datetime, tmp_path: Path) -> None:
    other = Workshop.make(tmp_path / "other", now)
    (staged.keys / "targets.pem").write_bytes((other.keys / "targets.pem").read_bytes())
    with pytest.raises(PublishError, match="is not the key of targets"):
        sign(staged, now)


class Killed(Exception):
    """The process ended here."""


def killed_before_file(number: int, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Have the writer killed before a file takes its place; give those that have."""
    written: list[Path] = []
    replace = Path.replace

    def counting(path: Path, target: Path) -> Path:
        if len(written) == number:
            raise Killed
        written.append(target)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", counting)
    return written


def fetched(workshop: Workshop, out: Path, state: Path, now: datetime) -> SignedVersion:
    root = (workshop.metadata / "1.root.json").read_bytes()
    return SignedRepository(out.as_uri(), root, state, now=now.timestamp).fetch()


@pytest.mark.parametrize("number", range(20))
def test_kill_between_any_two_files_leaves_a_whole_list(
    staged: Workshop, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    out, state, later = tmp_path / "out", tmp_path / "state", now + timedelta(hours=1)
    sign(staged, now)
    publish(staged, out)
    before = fetched(staged, out, state, later)
    lift(staged, "order-1", "2026-03-02", "The platform has answered.")
    written = killed_before_file(number, monkeypatch)
    try:
        sign(staged, later)
        publish(staged, out)
        assert len(written) <= number
    except Killed:
        assert len(written) == number
    monkeypatch.undo()
    there = fetched(staged, out, state, later)
    assert there.targets_version == (
        before.targets_version if out / "metadata/timestamp.json" not in written[:number] else 2
    )
    sign(staged, later)
    assert publish(staged, out).targets_version == 2
    assert fetched(staged, out, state, later).documents[0].order.lifted_on is not None

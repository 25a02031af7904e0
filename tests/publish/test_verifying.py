from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from blockd.errors import PublishError
from blockd.publish import Workshop, publish, sign
from blockd.publish.verifying import Verification, verify_repository
from tests.publish.staging import stage

Order = dict[str, object]
DAY = timedelta(days=1)


@pytest.fixture
def out(workshop: Workshop, order: Order, now: datetime, tmp_path: Path) -> Path:
    stage(workshop, order)
    stage(workshop, order, id="order-2", expires="2026-02-01")
    stage(workshop, order, id="order-3", review_by="2026-02-01")
    stage(workshop, order, id="order-4", lifted_on="2026-02-02", lifted_reason="Over.")
    sign(workshop, now)
    publish(workshop, tmp_path / "out")
    return tmp_path / "out"


def verified(folder: Path, now: datetime) -> Verification:
    return verify_repository(folder.as_uri(), (folder / "root.json").read_bytes(), now)


def test_sound_repository_has_no_fault_and_tells_what_is_to_be_done(out: Path, now: datetime) -> None:
    told = verified(out, now)
    assert (told.targets_version, told.orders, told.faults) == (1, 4, ())
    assert told.warnings == (
        "root needs 1 signatures and has 1 keys: losing one ends it; add a spare key",
        "order-2 ended at 2026-02-01T00:00:00Z; it can be removed",
        "order-3 was to be reviewed by 2026-02-01T00:00:00Z",
        "order-4 ended at 2026-02-02T00:00:00Z; it can be removed",
    )


def test_workshop_is_verified_like_what_is_published(out: Path, workshop: Workshop, now: datetime) -> None:
    root = (workshop.metadata / "1.root.json").read_bytes()
    assert verify_repository(workshop.folder.as_uri(), root, now) == verified(out, now)


def test_ends_that_are_near_are_told(out: Path, workshop: Workshop, now: datetime) -> None:
    assert any(it.startswith("timestamp expires at") for it in verified(out, now + 2.5 * DAY).warnings)
    sign(workshop, now, now + 10 * DAY)
    publish(workshop, out)
    told = [it.split()[0] for it in verified(out, now).warnings if "expires" in it]
    assert told == ["snapshot", "targets"]


def test_repository_that_a_node_refuses_is_refused(out: Path, now: datetime) -> None:
    with pytest.raises(PublishError, match=r"A node refuses it \(expired\)"):
        verified(out, now + 4 * DAY)
    with pytest.raises(PublishError, match="A node refuses it"):
        verify_repository(out.as_uri(), b"{}", now)
    for path in (out / "targets/orders").iterdir():
        path.write_bytes(b"{}")
    with pytest.raises(PublishError, match="A node refuses it"):
        verified(out, now)


def test_order_that_a_node_refuses_alone_is_a_fault(out: Path, now: datetime) -> None:
    next((out / "targets/orders").glob("*.json")).write_bytes(b"{}")
    [fault] = verified(out, now).faults
    assert "a node refuses it (signature)" in fault
    assert "The order " in fault


def test_repository_that_is_not_there_is_told(tmp_path: Path, out: Path, now: datetime) -> None:
    with pytest.raises(PublishError, match="A node refuses it"):
        verify_repository((tmp_path / "nowhere").as_uri(), (out / "root.json").read_bytes(), now)

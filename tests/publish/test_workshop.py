from __future__ import annotations

import json
import stat
from datetime import datetime
from pathlib import Path

import pytest

from blockd.errors import PublishError
from blockd.orders.repository import TOP_ROLES
from blockd.publish import Workshop
from tests.publish.people import load_signer
from tests.publish.staging import read_documents


def test_keys_are_for_their_owner_only(workshop: Workshop) -> None:
    assert stat.S_IMODE(workshop.keys.stat().st_mode) == 0o700
    assert {path.name for path in workshop.keys.glob("*.pem")} == {f"{role}.pem" for role in TOP_ROLES}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in workshop.keys.glob("*.pem"))


def test_each_role_has_its_own_key(workshop: Workshop) -> None:
    root = workshop.root().signed
    assert root.consistent_snapshot
    assert len({root.roles[role].keyids[0] for role in TOP_ROLES}) == len(TOP_ROLES)


def test_workshop_is_never_made_twice(workshop: Workshop, now: datetime) -> None:
    key = (workshop.keys / "root.pem").read_bytes()
    with pytest.raises(PublishError, match="already is a workshop"):
        Workshop.make(workshop.folder, now)
    assert (workshop.keys / "root.pem").read_bytes() == key


def test_folder_that_is_no_workshop_is_told(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="is not a workshop"):
        Workshop(tmp_path)


def test_key_that_others_can_read_is_refused(workshop: Workshop) -> None:
    (workshop.keys / "targets.pem").chmod(0o644)
    with pytest.raises(PublishError, match="chmod 600"):
        load_signer(workshop.keys, "targets")


def test_damaged_key_is_refused(workshop: Workshop) -> None:
    (workshop.keys / "targets.pem").write_bytes(b"garbage")
    with pytest.raises(PublishError, match="is not a private"):
        load_signer(workshop.keys, "targets")


def test_order_that_is_not_staged_is_told_with_those_that_are(workshop: Workshop, order_file: Path) -> None:
    workshop.stage(read_documents([order_file]))
    with pytest.raises(PublishError, match="staged: order-1"):
        workshop.remove("order-2")
    with pytest.raises(PublishError, match="No order"):
        workshop.remove("../metadata/1.root")
    workshop.remove("order-1")
    assert workshop.staged() == {}


def test_second_command_is_kept_out(workshop: Workshop) -> None:
    with workshop.locked(), pytest.raises(PublishError, match="Another command"), workshop.locked():
        pass
    with workshop.locked():
        pass


def test_root_lasts_ten_years_by_default(workshop: Workshop, now: datetime) -> None:
    assert workshop.root().signed.expires.year == now.year + 10
    assert json.loads((workshop.metadata / "1.root.json").read_bytes())["signed"]["version"] == 1

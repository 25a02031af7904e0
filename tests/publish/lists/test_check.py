from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from blockd.errors import PublishError
from blockd.publish import Workshop, sign
from tests.feeds.authority import NOW
from tests.feeds.signed.list_steps import Steps
from tests.publish.staging import order_document, stage

GOOD = {b"a.example", b"c.example"}


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    found = Workshop.make(tmp_path / "workshop", NOW)
    stage(found, order_document("order-1", ["chat.example.net"]))
    sign(found, NOW)
    return found


def stage_list(workshop: Workshop, *versions: set[bytes], **changes: object) -> None:
    """Stage an order whose list was made by other tools than blockd's."""
    folder = workshop.folder / "targets" / "lists"
    folder.mkdir(parents=True, exist_ok=True)
    files = Steps(workshop.folder / "made", *versions)
    steps = []
    for step in files.steps:
        content = files.download(step.target).read_bytes()
        path = folder / f"{hashlib.sha256(content).hexdigest()}.{step.target.rpartition('/')[2]}"
        path.write_bytes(content)
        target = f"lists/{step.target.rpartition('/')[2]}"
        steps.append({"target": target, "sha256": step.sha256, "size": step.size, "count": step.count})
    steps[-1].update(changes)
    document = json.loads(next(iter(workshop.staged().values()))) | {"id": "national", "list": {"steps": steps}}
    document.pop("names", None)
    (workshop.orders / "national.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("odd", "reason"), [(b"com", "no dot"), (b"192.0.2.1", "address"), (b"b." + b"x" * 64 + b".example", "too long")]
)
@pytest.mark.parametrize("in_base", [True, False])
def test_line_that_is_no_name_is_found_before_it_is_signed(
    workshop: Workshop, odd: bytes, reason: str, in_base: bool
) -> None:
    stage_list(workshop, *([GOOD | {odd}] if in_base else [GOOD, GOOD | {odd}]))
    with pytest.raises(PublishError) as caught:
        sign(workshop, NOW + timedelta(hours=1))
    line = sorted(GOOD | {odd}).index(odd) + 1
    assert "Nodes would refuse the order national (format)" in str(caught.value)
    assert f'line {line}, "' in str(caught.value)
    assert reason in str(caught.value)
    signed = workshop.accepted("targets")
    assert signed is not None
    assert signed.signed.version == 1
    stage_list(workshop, GOOD)
    assert sign(workshop, NOW + timedelta(hours=1)).targets_version == 2


@pytest.mark.parametrize(("field", "value"), [("count", 5), ("size", 99), ("sha256", "ab" * 32)])
def test_list_that_does_not_fit_what_its_order_says_is_found_too(workshop: Workshop, field: str, value: object) -> None:
    stage_list(workshop, GOOD, **{field: value})
    with pytest.raises(PublishError, match=r"Nodes would refuse the order national \((signature|too large)\)"):
        sign(workshop, NOW + timedelta(hours=1))

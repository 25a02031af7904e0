from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from blockd.publish import Workshop, sign
from blockd.publish.changes import lifted
from blockd.publish.documents import canonical
from blockd.publish.signed_orders import CHANGED, GONE, NEW, SIGNED, difference, orders_in
from tests.publish.staging import read_documents


def test_staged_orders_stand_to_what_is_signed(workshop: Workshop, order_file: Path, now: datetime) -> None:
    workshop.stage(read_documents([order_file]))
    assert orders_in(workshop, "", workshop.accepted("targets")) == {}
    staged = json.loads(workshop.staged()["order-1"])
    assert difference(staged, None) == (NEW, ())
    sign(workshop, now)
    signed = orders_in(workshop, "", workshop.accepted("targets"))["order-1"]
    assert difference(staged, signed) == (SIGNED, ())
    workshop.stage(dict([canonical(lifted(staged, "2026-02-01", "It is over."), "order")]))
    staged = json.loads(workshop.staged()["order-1"])
    assert difference(staged, signed) == (CHANGED, ("lifted_on", "lifted_reason"))
    assert difference(None, signed) == (GONE, ())


def test_damaged_signed_order_differs_in_every_field(workshop: Workshop, order_file: Path, now: datetime) -> None:
    workshop.stage(read_documents([order_file]))
    sign(workshop, now)
    for path in (workshop.folder / "targets" / "orders").iterdir():
        path.write_bytes(b"{")
    assert orders_in(workshop, "", workshop.accepted("targets")) == {"order-1": {}}
    assert difference(json.loads(workshop.staged()["order-1"]), {})[0] == CHANGED

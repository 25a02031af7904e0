from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blockd.publish import Workshop
from tests.publish.people import People
from tests.publish.staging import order_document

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop.make(tmp_path / "workshop", NOW)


@pytest.fixture
def order() -> dict[str, object]:
    """An order document without a fault."""
    return order_document("order-1", ["chat.example.net", {"name": "example.org", "scope": "exact"}])


@pytest.fixture
def order_file(tmp_path: Path, order: dict[str, object]) -> Path:
    path = tmp_path / "order.json"
    path.write_text(json.dumps(order))
    return path


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(tmp_path)


@pytest.fixture
def shared(workshop: Workshop, people: People) -> Workshop:
    """A workshop with keys of its own for its root, and an authority that needs two of three people."""
    people.delegate(workshop)
    return workshop

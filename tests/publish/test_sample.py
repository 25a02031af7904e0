from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blockd.feeds.signed.bundle import SignedVersion
from blockd.feeds.signed.repository import SignedRepository
from tests.places import ROOT
from tests.publish.staging import TELEGRAM, read_documents

SAMPLE = ROOT / "config" / "lists" / "sample"


@pytest.fixture
def sample(tmp_path: Path) -> SignedVersion:
    repository = SignedRepository(
        SAMPLE.as_uri(),
        (SAMPLE / "root.json").read_bytes(),
        tmp_path,
        now=lambda: datetime(2045, 1, 1, tzinfo=UTC).timestamp(),
    )
    return repository.fetch()


def test_sample_has_exactly_the_names_of_2017(sample: SignedVersion) -> None:
    found = {document.order.id: {entry.text for entry in document.entries} for document in sample.documents}
    assert found == {
        "kominfo-2017-07-14-telegram": set(TELEGRAM),
        "sample-2026-01-telegram": set(TELEGRAM),
        "sample-2026-01-monitor": {"chat.example.net", "example-messenger.example"},
    }


def test_sample_has_exactly_the_dates_of_2017(sample: SignedVersion) -> None:
    order = sample.documents[0].order
    assert order.in_force_from == int(datetime(2017, 7, 14, 4, 30, tzinfo=UTC).timestamp())
    assert order.lifted_on == int(datetime(2017, 8, 10, 3, 46, tzinfo=UTC).timestamp())
    assert [notice.sent for notice in order.notices] == ["2016-03-29", "2017-07-11"]
    assert order.expires is None
    assert (order.legal_basis, order.reported_by) == ("Permen Kominfo 19/2014", "BNPT")


def test_sample_lasts_until_2046(sample: SignedVersion) -> None:
    assert sample.expires == int(datetime(2046, 1, 1, tzinfo=UTC).timestamp())


def test_sample_is_what_its_order_documents_say() -> None:
    written = read_documents(sorted((SAMPLE.parent / "orders").glob("*.yaml")))
    for path in (SAMPLE / "targets" / "orders").iterdir():
        document = json.loads(path.read_bytes())
        del document["published"]
        assert document == json.loads(written.pop(document["id"]))
    assert not written

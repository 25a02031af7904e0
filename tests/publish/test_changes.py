from __future__ import annotations

import json

import pytest

from blockd.errors import PublishError
from blockd.publish.changes import extended, lifted, notice, with_fields
from blockd.publish.documents import canonical
from blockd.times import time_from_text

Document = dict[str, object]
NOW = time_from_text("2026-03-01T12:00:00Z")


@pytest.fixture
def staged(order: Document) -> Document:
    return dict(json.loads(canonical({**order, "expires": "2026-12-31"}, "order")[1]))


def test_lifting_has_a_time_and_a_reason(staged: Document) -> None:
    changed = lifted(staged, "2026-02-01T10:00:00+07:00", " The platform has answered. ")
    assert changed["lifted_on"] == "2026-02-01T03:00:00Z"
    assert changed["lifted_reason"] == "The platform has answered."


@pytest.mark.parametrize(
    ("on", "reason", "told"), [("soon", "x", "not an RFC 3339"), ("2026-02-01", " ", "needs a reason")]
)
def test_bad_lifting_is_refused(staged: Document, on: str, reason: str, told: str) -> None:
    with pytest.raises(PublishError, match=told):
        lifted(staged, on, reason)


def test_order_is_lifted_once(staged: Document) -> None:
    with pytest.raises(PublishError, match="is already lifted on 2026-02-01T00:00:00Z"):
        lifted(lifted(staged, "2026-02-01", "x"), "2026-02-02", "y")


def test_extending_moves_the_end_and_tells_why_in_the_summary(staged: Document) -> None:
    changed = extended(staged, "2027-06-30", "Nothing has changed.", NOW)
    assert changed["expires"] == "2027-06-30T00:00:00Z"
    assert changed["summary"] == "Extended on 2026-03-01 until 2027-06-30: Nothing has changed."
    again = extended(changed, "never", "", NOW)
    assert again["expires"] is None
    assert again["summary"] == changed["summary"]


@pytest.mark.parametrize(
    ("change", "until", "told"),
    [
        ({}, "2026-12-31", "is not before 2026-12-31"),
        ({}, "soon", "not an RFC 3339"),
        ({"expires": None}, "2027-01-01", "has no end"),
        ({"expires": "2025-06-01"}, "2026-01-01", "has already passed"),
        ({"lifted_on": "2026-02-01"}, "2027-01-01", "cannot be extended"),
    ],
)
def test_extension_that_extends_nothing_is_refused(staged: Document, change: Document, until: str, told: str) -> None:
    with pytest.raises(PublishError, match=told):
        extended({**staged, **change}, until, "", NOW)


def test_fields_are_set_and_taken_out(staged: Document) -> None:
    changed = with_fields(staged, ["reference=12", "legal_basis=", "expires=never", "names=[a.example, b.example]"])
    assert changed["reference"] == "12"
    assert "legal_basis" not in changed
    assert changed["expires"] is None
    assert changed["names"] == ["a.example", "b.example"]


def test_names_take_the_place_of_hashes(staged: Document) -> None:
    hidden = {key: value for key, value in staged.items() if key != "names"} | {"confidential": True, "hashed": {}}
    assert "hashed" not in with_fields(hidden, ["names=[a.example]"])


@pytest.mark.parametrize("setting", ["id=x", "schema=2.0", "contcat=x", "contact", "names=[", "published=2026-01-01"])
def test_field_that_cannot_be_set_is_refused(staged: Document, setting: str) -> None:
    with pytest.raises(PublishError):
        with_fields(staged, [setting])


def test_notice_is_read_from_an_option() -> None:
    assert notice("sent=2017-07-14;channel=e-mail;text=We ask; again=and again;answer=none") == {
        "sent": "2017-07-14",
        "channel": "e-mail",
        "text": "We ask; again=and again",
        "answer": "none",
    }


@pytest.mark.parametrize("text", ["", "channel=e-mail", "hello", ";;sent=x"])
def test_notice_without_its_day_is_refused(text: str) -> None:
    with pytest.raises(PublishError, match="is not a notice"):
        notice(text)

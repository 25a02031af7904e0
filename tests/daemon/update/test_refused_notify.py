"""NOTIFY messages that were not heeded, as the control process tells of them."""

from __future__ import annotations

import pytest

from blockd.daemon.update.refused_notify import AGAIN, SHOWN, RefusedNotifies
from blockd.settings import TransferFeed

FEED = TransferFeed.model_validate(
    {"name": "live", "type": "rpz-transfer", "primary": "192.0.2.53", "zone": "rpz.example"}
)


def message(**more: object) -> dict[str, object]:
    fields = {"feed": "live", "cause": "no key", "host": "192.0.2.53", "zone": "rpz.example", "key": "k", "count": 1}
    return {**fields, **more}


def test_it_is_logged_once_and_then_by_number(caplog: pytest.LogCaptureFixture) -> None:
    now = [1e9]
    refused = RefusedNotifies([FEED], lambda: now[0])
    assert set(refused.counts.values()) == {0}
    for _ in range(50):
        refused.heard(message(count=2))
    assert refused.counts["live", "no key"] == 100
    assert len(caplog.messages) == 1
    assert "signed with the key k is not heeded for feed live: it is signed, and the feed has no key." in caplog.text
    assert "Name the key in the feed's `tsig`" in caplog.text
    [note] = refused.notes("live")
    assert "100 since the start" in note
    now[0] += AGAIN
    refused.heard(message())
    assert "98 more" in caplog.messages[1]
    refused.heeded("live")
    assert refused.notes("live") == []
    assert refused.counts["live", "no key"] == 101


def test_what_no_feed_takes_is_shown_for_a_day() -> None:
    now = [1e9]
    refused = RefusedNotifies([FEED], lambda: now[0])
    refused.heard(message(feed="", cause="zone", zone="other.example", key=""))
    assert refused.notes("live") == []
    assert "about the zone other.example is not heeded: no feed takes this zone" in refused.notes("")[0]
    now[0] += SHOWN
    assert refused.notes("") == []


def test_only_what_the_config_has_is_counted() -> None:
    refused = RefusedNotifies([FEED], lambda: 1e9)
    before = dict(refused.counts)
    refused.heard(message(feed="gone"))
    refused.heard(message(cause="another"))
    assert refused.counts == before
    assert RefusedNotifies([], lambda: 1e9).counts == {}

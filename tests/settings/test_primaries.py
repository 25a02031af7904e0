"""Primaries of a zone, by address or by name."""

from __future__ import annotations

import pytest

from blockd.settings import NamedPrimary, SocketAddress, TransferFeed
from blockd.settings.addresses import primaries_from_value


@pytest.mark.parametrize(
    ("text", "primary"),
    [
        ("192.0.2.53", SocketAddress("192.0.2.53", 53)),
        ("[2001:db8::53]:5353", SocketAddress("2001:db8::53", 5353)),
        ("ns1.example", NamedPrimary("ns1.example", 53)),
        ("NS1.Example.:5353", NamedPrimary("ns1.example", 5353)),
        ("localhost", NamedPrimary("localhost", 53)),
    ],
)
def test_a_primary_is_an_address_or_a_name(text: str, primary: object) -> None:
    assert primaries_from_value(text) == (primary,)


def test_a_feed_says_where_it_comes_from_and_whose_notify_counts() -> None:
    feed = TransferFeed.model_validate(
        {"name": "live", "type": "rpz-transfer", "primary": ["ns1.example:54", "192.0.2.9"], "zone": "rpz.example"}
    )
    assert feed.fetched_from == "ns1.example:54, 192.0.2.9:53"
    assert feed.hinted_by.sources == ("192.0.2.9",)
    assert feed.has_named_primaries

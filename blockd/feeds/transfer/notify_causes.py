"""Why a NOTIFY is not heeded, a fixed set of causes, each a value of a metric's label; and what to do about it."""

from __future__ import annotations

CAUSES = {
    "zone": "no feed takes this zone",
    "address": "it comes from an address that is not one of the feed's primaries",
    "no key": "it is signed, and the feed has no key",
    "other key": "it is signed with another key than the feed's, or the feed's key cannot be read",
    "unsigned": "it is not signed, and the feed has a key",
    "signature": "its signature is wrong",
    "clock": "its signature is of another time",
    "format": "it is malformed",
}
_REMEDIES = {
    "zone": "Add a feed for the zone, or have its primary not notify this machine.",
    "address": "Name the address in the feed's `primary` (`notify.from` of a signed feed) if it is right.",
    "no key": "Name the key in the feed's `tsig`, or have the primary notify without one.",
    "other key": "Have the primary sign with the feed's key, and see that blockd's user can read its secret.",
    "unsigned": "Have the primary sign with the feed's key.",
    "signature": "Compare the secret and the algorithm of the key on both sides.",
    "clock": "Set the clocks of this machine and of the primary.",
    "format": "See which program sends it.",
}
_HAPPENS = "Until then the feed has its news only when it is polled."


def sentence(cause: str, *, feed: str, host: str, zone: str, key: str) -> str:
    """Return what is wrong with a NOTIFY, and what to do; names are as text, empty if there is none."""
    signed = f", signed with the key {key}" if key else ""
    of = f" for feed {feed}" if feed else ""
    meanwhile = f" {_HAPPENS}" if feed else ""
    about = f"A NOTIFY from {host} about the zone {zone or '.'}{signed} is not heeded{of}"
    return f"{about}: {CAUSES[cause]}.{meanwhile} {_REMEDIES[cause]}"

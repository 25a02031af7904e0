"""Policy triggers: what the owner names of a policy zone's records stand for (draft-vixie-dnsop-dns-rpz).

Owners are keys (`blockd.names`) relative to the zone, so that the label with the kind of trigger is first.
"""

from __future__ import annotations

import ipaddress

from blockd.errors import BadName
from blockd.names import DomainName, address_key, client_key
from blockd.orders import Scope

# Triggers about what a forwarder cannot know; each is rejected by its name.
UNSUPPORTED = {
    b"rpz-nsdname": "NSDNAME trigger",
    b"rpz-nsip": "NSIP trigger",
}
NETWORKS = {b"rpz-ip": address_key, b"rpz-client-ip": client_key}
_RESERVED = b"rpz-"  # prefix of the label of every trigger other than a name
_STAR = b"\x01*"
EXACT, SUBDOMAINS, BOTH = (int(scope) for scope in (Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH))  # flags are slow


def trigger_of(owner: bytes) -> tuple[bytes, int]:
    """Return the key of the name or network that an owner stands for, and the scope as a number.

    Raises BadName if the trigger cannot be enforced: one of the values of UNSUPPORTED, unknown trigger, bad address,
    bad prefix, host bits set, no dot (a wildcard alone would be about every name). A rule for a whole top-level domain
    is taken here; the gate holds it back if it blocks.
    """
    if owner[1:5] == _RESERVED:
        return _network_of(owner), BOTH
    key, scope = owner, EXACT
    if owner.endswith(_STAR):
        position, end = 0, len(owner) - len(_STAR)
        while position < end:
            position += 1 + owner[position]
        if position == end:  # else a longer label ends with these octets
            key, scope = owner[:end], SUBDOMAINS
    if not key:
        raise BadName("no dot")
    return key, scope


def _network_of(owner: bytes) -> bytes:
    *labels, kind = DomainName(owner).labels
    key_of = NETWORKS.get(kind)
    if key_of is None:
        raise BadName(UNSUPPORTED.get(kind, "unknown trigger"))
    try:
        prefix_text, *words = [label.decode("ascii") for label in labels]
    except (ValueError, UnicodeDecodeError) as error:
        raise BadName("bad address") from error
    words.reverse()
    packed = _packed(words)
    if not prefix_text.isdigit() or prefix_text[0] == "0" or not 1 <= int(prefix_text[:4]) <= len(packed) * 8:
        raise BadName("bad prefix")
    prefix = int(prefix_text)
    key = key_of(packed, prefix)
    if key[2:] != packed:
        raise BadName("host bits set")
    return key


def _packed(words: list[str]) -> bytes:
    """Return the octets of an address whose parts are in the order of its text; `zz` is the `::` of IPv6."""
    text = ".".join(words)
    if len(words) != 4 or "zz" in words:
        if words.count("zz") > 1 or not all(word.isalnum() for word in words):
            raise BadName("bad address")
        before, found, behind = ":".join(words).partition("zz")
        text = f"{before.rstrip(':')}::{behind.lstrip(':')}" if found else before
    try:
        return ipaddress.ip_address(text).packed
    except ValueError as error:
        raise BadName("bad address") from error

"""What an order document covers: names in it, hashes in their place, or a list in files of its own. One of them.

names    a list of domain names, networks, or `{name, scope}`; `scope` beside it is the default (`both`)
hashed   of a confidential order: `{"salt": hexadecimal, "names": [hexadecimal, …]}` (`blockd.names.hashed`)
list     of a national-size order: `{"steps": [{"target", "sha256", "size", "count"}, …]}` (`NameList`)

`confidential: true` is required with `hashed`, and allowed with nothing else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from blockd.errors import BadName
from blockd.names import Network, hashed_key, key_from_text
from blockd.names.hashed import DIGEST_SIZE, MAX_SALT, MIN_SALT
from blockd.orders.entry import Entry, Scope
from blockd.orders.name_list import ListStep, NameList

WAYS = ("names", "hashed", "list")  # the fields in which a document says what it covers; it has one of them
COVERING = ("scope", "names", "hashed", "list", "confidential")
MAX_NAMES = 1_000_000  # entries in one document; a larger list has files of its own
MAX_LISTED = 150_000_000  # names in those: what a ruleset can hold
MAX_LIST_SIZE = 8 * 1024**3  # octets of such a list's text
MAX_STEPS = 400  # a base and a change a day for more than a year; a new base is due long before
MAX_PROBLEMS = 50  # problems reported at once; nobody reads more
MIN_PREFIX = {4: 16, 6: 32}  # bits; a shorter prefix in an order covers whole providers

_NAME_OCTETS = 64  # of a document for each of its names beside the name's own: quotes, scope, indentation
_STEP_OCTETS = 640  # of a document for each step of a list: a path, a digest, two numbers
_ESCAPED = 6  # octets of one character as JSON writes it at most: `\u0431`
_SHOWN = 80  # characters of a wrong value that a problem repeats
_NETWORK = re.compile(r"[0-9a-f:.]+(?:/[0-9.]{1,15})?", re.ASCII | re.IGNORECASE)
_NAT64 = Network.from_text("64:ff9b::/96")
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TARGET = re.compile(r"lists/[a-z0-9._/-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a document covers: entries, or the names of a list in files, all in one scope."""

    entries: tuple[Entry, ...] = ()
    names: NameList | None = None
    scope: Scope = Scope.BOTH
    salt: bytes = b""


def parse_coverage(document: Mapping[str, object], problems: list[str]) -> Coverage:
    """Return what a document covers; what is wrong is added to `problems`."""
    ways = [name for name in WAYS if name in document]
    if len(ways) > 1:
        problems.append(f"{', '.join(ways)}: only one of them may be present")
    confidential = document.get("confidential", False)
    if not isinstance(confidential, bool) or confidential != ("hashed" in document):
        problems.append("confidential: must be true with `hashed` in place of `names`, and only then")
    scope = _scope(document.get("scope", "both"), "scope", problems)
    if "hashed" in document:
        return _hashed(document["hashed"], scope, problems)
    if "list" in document:
        return Coverage(names=_list(document["list"], problems), scope=scope)
    return Coverage(_entries(document.get("names"), scope, problems), scope=scope)


def octets_for(document: Mapping[str, object]) -> int:
    """Return the octets that a document may have for what it covers: names, hashes, or the steps of a list."""
    hashed, listed = document.get("hashed"), document.get("list")
    names = hashed.get("names") if isinstance(hashed, Mapping) else document.get("names")
    steps = listed.get("steps") if isinstance(listed, Mapping) else None
    octets = _STEP_OCTETS * len(steps) if isinstance(steps, list) else 0
    for name in names if isinstance(names, list) else ():
        text = name.get("name") if isinstance(name, Mapping) else name
        if isinstance(text, str):
            octets += _NAME_OCTETS + (len(text) if text.isascii() else _ESCAPED * len(text))
    return octets


def _entries(value: object, default: Scope, problems: list[str]) -> tuple[Entry, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_NAMES:
        problems.append(f"names: expected a list of 1 to {MAX_NAMES} names")
        return ()
    found = []
    for number, item in enumerate(value):
        if len(problems) >= MAX_PROBLEMS:
            break
        text, scope = item, default
        if isinstance(item, Mapping):
            text = item.get("name")
            scope = _scope(item.get("scope", default.text), f"names[{number}].scope", problems)
        if not isinstance(text, str):
            problems.append(f"names[{number}]: expected a name, or an object with `name` and `scope`")
            continue
        try:
            found.append(Entry(_entry_key(text), scope))
        except BadName as error:
            problems.append(f"names[{number}]: {shown(text)} cannot be an entry: {error.reason}")
    return tuple(found)


def _entry_key(text: str) -> bytes:
    try:
        key = key_from_text(text)
    except BadName:
        if not _NETWORK.fullmatch(text):
            raise
        network = Network.from_text(text)
        if network.prefix_length < MIN_PREFIX[network.version] or _maps_ipv4_widely(network):
            raise BadName("network too wide") from None
        if not ipaddress.ip_network(network.text).is_global:
            raise BadName("network is not public") from None
        return network.key
    if len(key) == key[0] + 1:
        raise BadName("a top-level name")
    return key


def _maps_ipv4_widely(network: Network) -> bool:
    """Return whether a network embeds more IPv4 addresses by NAT64 (RFC 6052) than an order may list as IPv4."""
    wide = network.prefix_length < _NAT64.prefix_length + MIN_PREFIX[4]
    return wide and (network.packed in _NAT64 or _NAT64.packed in network)


def _scope(value: object, field: str, problems: list[str]) -> Scope:
    try:
        return Scope.from_text(str(value))
    except KeyError:
        problems.append(f"{field}: {shown(value)} is not one of exact, subdomains, both")
        return Scope.BOTH


def _hashed(value: object, scope: Scope, problems: list[str]) -> Coverage:
    try:
        if not isinstance(value, Mapping):
            raise ValueError("expected an object with `salt` and `names`")
        salt, names = bytes.fromhex(str(value.get("salt", ""))), value.get("names")
        if not MIN_SALT <= len(salt) <= MAX_SALT:
            raise ValueError(f"expected a salt of {MIN_SALT} to {MAX_SALT} octets")
        if not isinstance(names, list) or not 0 < len(names) <= MAX_NAMES:
            raise ValueError(f"expected a list of 1 to {MAX_NAMES} hashes")
        return Coverage(tuple(Entry(hashed_key(digest), scope) for digest in _digests(names)), scope=scope, salt=salt)
    except ValueError as error:
        problems.append(f"hashed: {error}")
        return Coverage()


def _digests(names: Iterable[object]) -> Iterable[bytes]:
    for name in names:
        digest = bytes.fromhex(name) if isinstance(name, str) else b""
        if len(digest) != DIGEST_SIZE:
            raise ValueError(f"expected hashes of {DIGEST_SIZE} octets in hexadecimal")
        yield digest


def _list(value: object, problems: list[str]) -> NameList | None:
    steps = value.get("steps") if isinstance(value, Mapping) else None
    if not isinstance(steps, list) or not 0 < len(steps) <= MAX_STEPS:
        problems.append(f"list: expected 1 to {MAX_STEPS} `steps`")
        return None
    found = []
    for number, step in enumerate(steps):
        read = _step(step)
        if read is None:
            problems.append(f"list.steps[{number}]: expected target, sha256, size and count, each within its bounds")
            return None
        found.append(read)
    return NameList(tuple(found))


def _step(step: object) -> ListStep | None:
    if not isinstance(step, Mapping):
        return None
    target, sha256, size, count = (step.get(name) for name in ("target", "sha256", "size", "count"))
    texts = isinstance(target, str) and isinstance(sha256, str)
    if not texts or type(size) is not int or type(count) is not int:
        return None
    if not _TARGET.fullmatch(str(target)) or ".." in str(target) or not _SHA256.fullmatch(str(sha256)):
        return None
    if not 0 < count <= MAX_LISTED or not count < size <= MAX_LIST_SIZE:
        return None
    return ListStep(str(target), str(sha256), size, count)


def shown(value: object) -> str:
    """Return a wrong value as a problem quotes it: escaped, and no longer than a line."""
    text = repr(value[: _SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"

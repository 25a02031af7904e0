"""Entries that the operator lets through although the gate would hold them back, and their file in the state folder.

The file is one JSON object: `format`, and `releases`, each with the fields of `Release`. It holds those in force; what
was before them is in the audit log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from blockd.errors import BadName, CommandError, FileTooLarge
from blockd.files import read_kept, replace_file
from blockd.names import MAX_LABEL, Network, client_key, key_from_text, key_from_wire
from blockd.orders import Entry
from blockd.orders.operator_line import needed_reason, operator_line

FILE = "releases.json"  # in the state folder
FORMAT = 1
MAX_RELEASES = 10_000  # at a time; a list in a file (gate.release) has no limit but that of its size
MAX_ENTRY = 1_100  # characters of an entry: four for each octet of a name
MAX_FILE = 64 << 20  # octets: all of them, with the longest texts escaped

_CLIENT = "client "  # how the entry of a network of clients begins
_LABELS = re.compile(rb"(?:[^\\.]|\\[0-9]{3}|\\.)+|(?<=\.)(?=\.)|^(?=\.)|^$", re.DOTALL)
_OCTET = re.compile(rb"\\(?:([0-9]{3})|(.))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Release:
    """One entry that is let through; `created` is in seconds since the epoch."""

    entry: str
    reason: str
    officer: str  # the person responsible, empty if not named
    created: int

    @property
    def key(self) -> bytes:
        """The entry's key; raises BadName."""
        return key_of_entry(self.entry)


def key_of_entry(text: str) -> bytes:
    r"""Return the key of an entry as `Entry.text` writes it: a name, an address, a network, or `client ` and a network.

    `*.` before a name is ignored, and `\\DDD` in it is an octet (RFC 1035 section 5.1). Raises BadName.
    """
    text = text.strip()
    if len(text) > MAX_ENTRY:
        raise BadName("too long")
    if text.startswith(_CLIENT):
        network = Network.from_text(text.removeprefix(_CLIENT).strip())
        return client_key(network.packed, network.prefix_length)
    try:
        return Network.from_text(text).key
    except BadName:
        name = text.removeprefix("*.")
    try:
        return key_from_text(name)
    except BadName:
        if "/" in name or not name.isascii() or not name.isprintable() or " " in name:
            raise
        return _any_name(name)


def _any_name(text: str) -> bytes:
    """Return the key of a name with any octets, as `DomainName.text` writes it; raises BadName."""
    wire = bytearray()
    for label in _LABELS.findall(text.encode("ascii").removesuffix(b".")):
        octets = _OCTET.sub(_octet, label)
        if not 0 < len(octets) <= MAX_LABEL:
            raise BadName("label too long" if octets else "empty label")
        wire += b"%c%b" % (len(octets), octets)
    return key_from_wire(bytes(wire) + b"\0")


def _octet(match: re.Match[bytes]) -> bytes:
    if match[1] is None:
        return match[2]
    if int(match[1]) > 255:
        raise BadName("bad character")
    return bytes((int(match[1]),))


def read_releases(folder: Path) -> tuple[Release, ...]:
    """Return what the state folder's file lets through, nothing if it is missing; raises CommandError if damaged."""
    path = folder / FILE
    try:
        told = json.loads(read_kept(path, MAX_FILE))
        if told["format"] != FORMAT:
            raise ValueError("it has another format")
        releases = tuple(_release(one) for one in told["releases"][:MAX_RELEASES])
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, FileTooLarge, ValueError, KeyError, TypeError, AttributeError, RecursionError, BadName) as error:
        raise CommandError(
            f"The file of releases {path} cannot be used: {error}. Restore it from a backup, or remove it, which holds "
            "back again what was let through."
        ) from error
    return releases


def write_releases(folder: Path, releases: Sequence[Release]) -> None:
    """Write the file; raises OSError."""
    told = {"format": FORMAT, "releases": [asdict(release) for release in releases]}
    replace_file(folder / FILE, json.dumps(told, indent=1).encode() + b"\n")


def released(known: Sequence[Release], *, entry: str, reason: str, officer: str, now: float) -> Release:
    """Return a release of an entry from now on; raises CommandError if it is not possible."""
    text = _entry(entry)
    if any(one.entry == text for one in known):
        raise CommandError(f"{text} is released already; nothing was changed.")
    if len(known) >= MAX_RELEASES:
        raise CommandError(f"There are {MAX_RELEASES:,} releases, and no more are kept; nothing was changed.")
    reason, officer = needed_reason(reason, "A release"), operator_line(officer, "officer's name")
    return Release(text, reason, officer, int(now))


def held_again(known: Sequence[Release], *, entry: str, reason: str) -> tuple[Release, str]:
    """Return the release of an entry that ends, and the reason; raises CommandError if there is none."""
    text = _entry(entry)
    found = next((one for one in known if one.entry == text), None)
    if found is None:
        raise CommandError(f"{text} is not released by `blockd held release`; nothing was changed.")
    return found, needed_reason(reason, "The end of a release")


def _entry(text: str) -> str:
    try:
        return Entry(key_of_entry(text)).text
    except BadName as error:
        raise CommandError(f"{text!r} is neither a name nor a network: {error.reason}; nothing was changed.") from error


def _release(told: object) -> Release:
    if not isinstance(told, dict) or told.keys() != {field.name for field in fields(Release)}:
        raise ValueError("a release has missing or unknown fields")
    release = Release(**told)
    texts = (release.entry, release.reason, release.officer)
    if not all(isinstance(text, str) for text in texts) or type(release.created) is not int:
        raise ValueError("a release has a value of the wrong type")
    if not release.reason or Entry(release.key).text != release.entry:
        raise ValueError("a release has no reason, or an entry that is none")
    return release

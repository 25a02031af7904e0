"""What a record of a version points to: the manifest of each feed's evidence, and the files that it names.

The manifest of a signed list names only its metadata. These hold the digests of the orders' documents, which need not
be written again: of thousands, few change from one version to the next. Where a document is not the one that they list,
since that was refused, the manifest has `!orders/…` with the digest of the earlier one, or empty if none was taken.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blockd.audit.chain import Record, canonical
from blockd.errors import AuditError
from blockd.feeds.overrides.file import FILE as OVERRIDES_FILE
from blockd.times import moment_from_text

if TYPE_CHECKING:  # else each daemon would load TUF, which takes 10 MB, though few have signed lists
    from blockd.audit.signatures import Proof

MAX_FILES = 25_000  # files behind one version: the largest repository with its roots and authorities
EARLY = 1.0  # seconds by which a time may be later than its record's, which is rounded to milliseconds
ORDERS = "orders/"  # how the names of orders' documents begin
_EXCEPT = "!"  # in a manifest, how the name of a document begins that is not as the metadata list it
_LISTING = re.compile(
    r"(?!(?:timestamp|snapshot|overrides)\.)[a-z0-9-]{1,32}\.json", re.ASCII
)  # metadata that list them

Fetch = Callable[[str], bytes | None]
"""Returns the octets with a SHA-256, None if they are missing; raises AuditError if they are damaged."""


def parts_of(record: Record) -> list[Mapping[str, Any]]:
    """Return the feeds that a record names, each with `name`, `digest` and `proof`.

    Raises AuditError if the record has another shape.
    """
    try:
        parts: list[Mapping[str, Any]] = list(record.body["feeds"]) if record.kind == "enforced" else []
        if record.kind == "evidence":
            parts = [{**record.body, "name": record.body["feed"], "type": "signed"}]
        for part in parts:
            if not all(isinstance(part[name], str) for name in ("name", "type", "digest")):
                raise TypeError("a feed without name, type and digest")
            if type(part.get("priority", 0)) is not int:
                raise TypeError("a priority that is not a number")
            for lifted in dict(part.get("may_lift", {})).values():
                if not isinstance(lifted, list) or not all(isinstance(one, str) for one in lifted):
                    raise TypeError("a may_lift that does not list authorities")
            proof = part["proof"]
            if proof is not None and not (isinstance(proof["manifest"], str) and moment_from_text(proof["taken"])):
                raise TypeError("a proof without manifest and time")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AuditError(f"its feeds cannot be read: {error}.") from error
    return parts


def digests_of(manifest: str, fetch: Fetch) -> dict[str, str]:
    """Return the digests of a version's evidence by file name: what a manifest names, and all orders' documents.

    Raises AuditError.
    """
    octets = _there(fetch, manifest, "the list of its evidence")
    try:
        told = json.loads(octets)
        if not isinstance(told, dict) or canonical(told) != octets:
            raise ValueError("it is not in canonical form")
        digests = {name: str(digest) for name, digest in told.items()}
        if not any(name.startswith(ORDERS) for name in digests):  # older manifests name them too
            for name in [name for name in digests if _LISTING.fullmatch(name)]:
                digests |= _listed(name.removesuffix(".json"), _there(fetch, digests[name], name))
            for name in [name for name in digests if name.startswith(_EXCEPT)]:
                digest = digests.pop(name)
                if digest:
                    digests[name.removeprefix(_EXCEPT)] = digest
                else:
                    digests.pop(name.removeprefix(_EXCEPT), None)
        if len(digests) > MAX_FILES:
            raise ValueError("it has too many files")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AuditError(f"the list of its evidence cannot be read: {error}.") from error
    return digests


def named_otherwise(manifest: str, fetch: Fetch) -> set[str]:
    """Return the orders' documents that a manifest names itself, since they are not as the newest metadata list them.

    Raises AuditError.
    """
    try:
        names = [name.removeprefix(_EXCEPT) for name in dict(json.loads(_there(fetch, manifest, "its manifest")))]
    except (ValueError, TypeError, RecursionError) as error:
        raise AuditError(f"the list of its evidence cannot be read: {error}.") from error
    return {name for name in names if name.startswith(ORDERS)}


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """Return the manifest of a content's evidence, in canonical form."""
    digests = {name: hashlib.sha256(octets).hexdigest() for name, octets in files.items()}
    documents = {name: digest for name, digest in digests.items() if name.startswith(ORDERS)}
    listed: dict[str, str] = {}
    try:
        for name in (name for name in files if _LISTING.fullmatch(name)):
            listed |= _listed(name.removesuffix(".json"), files[name])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # no metadata: all is named
        return canonical(digests)
    exceptions = {
        f"{_EXCEPT}{name}": documents.get(name, "")
        for name in listed | documents
        if listed.get(name) != documents.get(name)
    }
    return canonical({name: digests[name] for name in digests.keys() - documents.keys()} | exceptions)


def files_of(manifest: str, fetch: Fetch) -> dict[str, bytes]:
    """Return the files that a manifest names, by name; raises AuditError if one is missing or damaged."""
    return {name: _there(fetch, digest, name) for name, digest in digests_of(manifest, fetch).items()}


def proof_of(part: Mapping[str, Any], record: Record, fetch: Fetch, roots: Sequence[bytes]) -> Proof | None:
    """Verify the evidence for one feed of a record; None if the feed is not a signed list.

    The first of `roots` that verifies it is used. Raises AuditError.
    """
    from blockd.audit.signatures import prove  # see above

    proof = part["proof"]
    files = files_of(proof["manifest"], fetch)
    if OVERRIDES_FILE in files:
        return None
    taken = moment_from_text(proof["taken"])
    if taken > record.at + EARLY:
        raise AuditError("it names evidence that was taken later than the record.")
    if not roots:
        raise AuditError(f"no root of trust is known for feed {part['name']}: name one with --root FILE.")
    problems = []
    for root in roots:
        try:
            return prove(root, files, taken)
        except AuditError as error:
            problems.append(str(error))
    raise AuditError(f"feed {part['name']}: {problems[0]}")


def _listed(role: str, metadata: bytes) -> dict[str, str]:
    """Return the SHA-256 of the documents that a role's metadata list with one; raises any error of a wrong shape."""
    part = ORDERS if role == "targets" else f"{ORDERS}{role}/"
    targets = json.loads(metadata)["signed"]["targets"]
    found: dict[str, str] = {}
    for path, target in targets.items():
        if path.startswith(part) and "/" not in path.removeprefix(part):
            hashes = target["hashes"]
            if "sha256" in hashes or not hashes:
                found[path] = str(hashes["sha256"])
    return found


def _there(fetch: Fetch, digest: str, what: str) -> bytes:
    octets = fetch(digest)
    if octets is None:
        raise AuditError(f"{what} is missing from the evidence.")
    return octets

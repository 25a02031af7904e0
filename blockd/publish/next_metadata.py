"""The next version of the metadata of `targets` or of an authority, made from what is staged and not signed yet."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Delegations, Metadata, TargetFile, Targets

from blockd.errors import BadOrder, PublishError
from blockd.files import replace_files
from blockd.orders.repository import LISTS, ORDERS, place_of
from blockd.publish.documents import canonical, to_bytes
from blockd.publish.lists.check import refuse_unusable_list
from blockd.publish.workshop import TARGETS, Workshop, in_utc
from blockd.times import time_text

LIST_LIFE = timedelta(days=90)  # targets, authorities and snapshot: signed when orders change
RENEW_BEFORE = timedelta(days=30)  # an unchanged list is signed anew if less than this is left of its life


@dataclass(frozen=True, slots=True)
class ListedTargets:
    """The staged documents as targets; `changed` are the ids whose documents `known` did not have in this form."""

    targets: dict[str, TargetFile]
    changed: tuple[str, ...]


def prepared(workshop: Workshop, role: str, now: datetime, expires: datetime | None) -> Metadata[Targets]:
    """Make the next version of a role's metadata from what is staged; documents get their `published` and are written.

    Raises PublishError if something staged cannot be signed.
    """
    last = workshop.accepted(role)
    listed = _listed(workshop, role, last.signed.targets if last else {}, now)
    if not listed.targets and not (role == TARGETS and workshop.roles()):
        raise PublishError(
            f"No order {_of(role)}is staged in {workshop.folder}; an empty list is not signed. Lift orders instead."
        )
    _refuse_unusable_lists(workshop, role, listed)
    signed = Targets(
        version=last.signed.version + 1 if last else 1,
        expires=in_utc(expires or now + LIST_LIFE),
        targets=listed.targets,
        delegations=_delegations(workshop) if role == TARGETS else None,
    )
    return Metadata(signed)


def shows_what_is_staged(workshop: Workshop, role: str, signed: Targets) -> bool:
    """Return whether metadata holds exactly what is staged now, whenever it was made."""
    listed = _listed(workshop, role, signed.targets, None)
    if listed.changed or listed.targets.keys() != signed.targets.keys():
        return False
    if any(target != signed.targets[path] for path, target in listed.targets.items()):
        return False
    return role != TARGETS or _delegations(workshop) == signed.delegations


def is_due(signed: Targets, now: datetime, expires: datetime | None) -> bool:
    """Return whether an unchanged list is to be signed anew: it expires soon, or another expiry is requested."""
    return signed.expires < now + RENEW_BEFORE or (expires is not None and signed.expires != in_utc(expires))


def target_of(role: str, identifier: str) -> str:
    """Return the target path of a role's order."""
    return f"{place_of(ORDERS, _own(role))}{identifier}.json"


def identifier_of(path: str) -> str:
    """Return the id of the order with this target path; empty if it is not an order's."""
    return path.rpartition("/")[2].removesuffix(".json") if path.startswith(f"{ORDERS}/") else ""


def called(path: str) -> str:
    """Return what the order with this target path is called, ROLE/ID or ID; empty if the path is not an order's."""
    return path.removeprefix(f"{ORDERS}/").removesuffix(".json") if identifier_of(path) else ""


def local_file(workshop: Workshop, target: TargetFile) -> Path:
    """Return the path of a target in the workshop."""
    return workshop.folder / "targets" / target.get_prefixed_paths()[0]


def content_of(workshop: Workshop, target: TargetFile) -> bytes | None:
    """Return the verified document of a target; None if the file is missing or damaged."""
    try:
        content = local_file(workshop, target).read_bytes()
        target.verify_length_and_hashes(content)
    except (OSError, RepositoryError):
        return None
    return content


def _of(role: str) -> str:
    return "" if role == TARGETS else f"of {role} "


def _own(role: str) -> str:
    return "" if role == TARGETS else role


def _delegations(workshop: Workshop) -> Delegations | None:
    delegations = workshop.staged_delegations()
    return delegations if delegations.roles else None


def _listed(workshop: Workshop, role: str, known: dict[str, TargetFile], now: datetime | None) -> ListedTargets:
    """Return the staged targets; new documents are stamped and written if `now` is given, else only listed."""
    own = _own(role)
    authority = workshop.authority_of(own)
    targets: dict[str, TargetFile] = {}
    changed = []
    folder = workshop.folder / "targets" / ORDERS / own
    written: list[tuple[Path, tuple[bytes]]] = []
    for identifier, content in workshop.staged(own).items():
        path = target_of(role, identifier)
        if path in known and _is_made_from(workshop, known[path], content):
            targets[path] = known[path]
            targets.update(_list_files(workshop, role, content, known))
            continue
        changed.append(identifier)
        if now is None:
            continue
        stamped = _stamped(workshop.orders_of(own) / f"{identifier}.json", content, authority, now)
        targets[path] = TargetFile.from_data(path, stamped, ["sha256"])
        targets.update(_list_files(workshop, role, content, known))
        written.append((folder / f"{hashlib.sha256(stamped).hexdigest()}.{identifier}.json", (stamped,)))
    if written:
        folder.mkdir(parents=True, exist_ok=True)
        replace_files(written)
    return ListedTargets(targets, tuple(changed))


def _stamped(source: Path, content: bytes, authority: str, now: datetime) -> bytes:
    try:
        document = json.loads(content)
        found, _ = canonical(document, str(source))  # the file may have been edited since it was staged
    except (ValueError, RecursionError, BadOrder) as error:
        raise PublishError(f"{source} was changed and cannot be signed: {error}") from error
    if found != source.stem:
        raise PublishError(f"{source} holds the order {found}; nothing was signed. Stage the order again.")
    if authority and document.get("authority") != authority:
        raise PublishError(
            f"{source} is of the authority {document.get('authority')!r}, but this part is signed by {authority!r}; "
            "nothing was signed."
        )
    return to_bytes({**document, "published": time_text(now.timestamp())})


def _is_made_from(workshop: Workshop, target: TargetFile, staged: bytes) -> bool:
    """Return whether a target equals what is staged, except for the stamp; False if its file is missing or damaged."""
    content = content_of(workshop, target)
    plain = None if content is None else _plain(content)
    # Staged documents are usually canonical, so they need not be parsed to be compared.
    return plain is not None and (plain == staged or plain == _plain(staged))


def _plain(content: bytes) -> bytes | None:
    """Return a document in the form to be compared; None if it is not a document."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    document.pop("published", None)
    return to_bytes(document)


def _list_files(workshop: Workshop, role: str, content: bytes, known: dict[str, TargetFile]) -> dict[str, TargetFile]:
    """Return the files of the list that a document names, as targets; raises PublishError if one is missing."""
    if b'"list"' not in content:  # most have none, and need not be parsed to know that
        return {}
    document = json.loads(content)
    if "list" not in document:
        return {}
    found = {}
    for step in document["list"]["steps"]:
        path = str(step["target"])
        part, _, name = path.rpartition("/")
        if f"{part}/" != place_of(LISTS, _own(role)):
            raise PublishError(f"{document['id']} names {path}, which is outside of its part; nothing was signed.")
        if path in known and _is_there(local_file(workshop, known[path]), known[path].length):
            found[path] = known[path]
            continue
        files = sorted(
            (workshop.folder / "targets" / part).glob(f"{'[0-9a-f]' * 64}.{name}"), key=lambda it: it.stat().st_mtime_ns
        )
        if not files:
            raise PublishError(f"{document['id']} names {path}, which is not in {workshop.folder}; nothing was signed.")
        target = TargetFile.from_file(path, str(files[-1]), ["sha256"])
        if local_file(workshop, target) != files[-1]:
            raise PublishError(f"{files[-1]} was changed: its name holds another SHA-256; nothing was signed.")
        found[path] = target
    return found


def _is_there(path: Path, length: int) -> bool:
    try:
        return path.stat().st_size == length
    except OSError:
        return False


def _refuse_unusable_lists(workshop: Workshop, role: str, listed: ListedTargets) -> None:
    """Raise PublishError if a node would refuse the list of an order that is new or changed."""
    for identifier in listed.changed:
        names = workshop.document(identifier, _own(role)).names
        if names is not None:
            text = workshop.folder / LISTS / _own(role) / f"{identifier}.txt"
            refuse_unusable_list(identifier, names, text, lambda target: local_file(workshop, listed.targets[target]))

"""Signing: staged orders become metadata of a TUF repository, signed by as many people as its role requires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from securesystemslib.signer import SecretsHandler, Signer
from tuf.api.metadata import Metadata, Targets

from blockd.errors import PublishError
from blockd.publish.keys.online_roles import Sealed, local_signers, seal
from blockd.publish.keys.signers import signer_names, told_signer
from blockd.publish.next_metadata import called, identifier_of, is_due, prepared, shows_what_is_staged
from blockd.publish.pending import (
    Pending,
    Standing,
    add_signature,
    drop_pending,
    is_signed,
    keys_of,
    read_pending,
    write_pending,
)
from blockd.publish.summary import PublishedNews, news
from blockd.publish.workshop import TARGETS, Workshop, in_utc
from blockd.times import time_text


@dataclass(frozen=True, slots=True)
class Signing:
    """The result of one signing: the versions now signed, and the orders new, changed or removed since the last one."""

    timestamp_version: int  # 0 if the keys of snapshot and timestamp are not here
    targets_version: int  # 0 if the repository's own list is not signed yet
    orders: int  # signed, of the repository and of all authorities
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    expires: datetime | None  # of the timestamp: publish before
    standings: tuple[Standing, ...]  # of the roles that were signed now
    waiting: tuple[str, ...]  # the roles that have changes, and no key here
    news: tuple[PublishedNews, ...]  # everything that was to be signed, in words


def sign(
    workshop: Workshop,
    now: datetime,
    expires: datetime | None = None,
    *,
    again: bool = False,
    secrets: SecretsHandler | None = None,
) -> Signing:
    """Sign what is staged with the keys in the workshop; `expires` replaces the lives of all roles but root.

    If no order has changed and no list is about to expire, only the timestamp is renewed. It is written last: until
    then everything that the previous one leads to is complete. Raises PublishError.
    """
    if expires is not None and expires <= now:
        raise PublishError(f"The expiry {time_text(expires.timestamp())} has already passed; nothing was signed.")
    standings: list[Standing] = []
    waiting: list[str] = []
    changed: list[str] = []
    removed: list[str] = []
    seen: list[PublishedNews] = []
    names = signer_names(workshop)

    def name(keyid: str) -> str:
        return told_signer(names, keyid)

    if root := read_pending(workshop, "root"):
        seen += news(workshop, "root", root, name)
        told = _add(workshop, "root", root, local_signers(workshop, "root", keys_of(workshop, "root", root), secrets))
        standings += [told] if told else []
        waiting += [] if told else ["root"]
    _refuse_expired_root(workshop, now)
    for role in (TARGETS, *workshop.roles()):
        if not is_wanted(workshop, role, now, expires):
            continue
        signers = local_signers(workshop, role, keys_of(workshop, role), secrets)
        if not signers:
            waiting.append(role)
            continue
        if again:
            drop_pending(workshop, role)
            if not is_wanted(workshop, role, now, expires):
                continue
        before = workshop.accepted(role)
        is_pending = read_pending(workshop, role) is not None
        metadata = (to_sign if is_pending else _new)(workshop, role, now, expires)
        seen += news(workshop, role, metadata, name)
        told = _add(workshop, role, metadata, signers)
        if told is not None:
            standings.append(told)
            new, gone = _difference(before, metadata.signed)
            changed += new
            removed += gone
    sealed = seal(workshop, now, expires=expires, secrets=secrets)
    if not sealed and not standings and waiting:
        raise PublishError(
            f"No key of {', '.join(waiting)} is in {workshop.keys}; nothing was signed. Name one with --role ROLE "
            "--key FILE."
        )
    return _signing(workshop, sealed, standings, waiting, changed, removed, seen)


def is_wanted(workshop: Workshop, role: str, now: datetime, expires: datetime | None = None) -> bool:
    """Return whether a role is to be signed: it is pending, has changed, expires soon, or has other keys now."""
    if read_pending(workshop, role):
        return True
    last = workshop.accepted(role)
    if last is None:
        return role == TARGETS or bool(workshop.staged(role))
    return (
        not shows_what_is_staged(workshop, role, last.signed)
        or is_due(last.signed, now, expires)
        or not is_signed(workshop, role, last)
    )


def to_sign(
    workshop: Workshop, role: str, now: datetime, expires: datetime | None = None, *, again: bool = False
) -> Metadata[Targets]:
    """Return what a person is to sign of `targets` or an authority: what is pending, else a new version of it.

    Pending metadata that no longer matches what is staged is made anew: at once if nobody has signed it, with `again`
    if somebody has. Raises PublishError, also if there is nothing to sign.
    """
    workshop.authority_of("" if role == TARGETS else role)
    _refuse_expired_root(workshop, now)
    if again:
        drop_pending(workshop, role)
    pending = read_pending(workshop, role)
    if pending is not None and isinstance(pending.signed, Targets):
        if shows_what_is_staged(workshop, role, pending.signed) and not pending.signed.is_expired(now):
            return pending
        if pending.signatures:
            raise PublishError(
                f"What is pending of {role} no longer matches what is staged, so its {len(pending.signatures)} "
                "signatures are of no use. Make it anew with --again; then all must sign again."
            )
    elif not is_wanted(workshop, role, now, expires):
        raise PublishError(f"Nothing of {role} has changed; there is nothing to sign.")
    return _new(workshop, role, now, expires)


def _new(workshop: Workshop, role: str, now: datetime, expires: datetime | None) -> Metadata[Targets]:
    metadata = prepared(workshop, role, in_utc(now), expires)
    write_pending(workshop, role, metadata)
    return metadata


def _add(workshop: Workshop, role: str, metadata: Pending, signers: Sequence[Signer]) -> Standing | None:
    told = None
    for signer in signers:
        if signer.public_key.keyid not in metadata.signatures:
            told = add_signature(workshop, role, metadata, signer)
            if told.is_complete:
                break
    return told


def _refuse_expired_root(workshop: Workshop, now: datetime) -> None:
    if workshop.root().signed.is_expired(now):
        raise PublishError(
            f"The root of {workshop.folder} has expired; daemons would refuse every list below it. Make a new "
            f"one: blockd authority rotate {workshop.folder} root --expires DATE"
        )


def _difference(before: Metadata[Targets] | None, signed: Targets) -> tuple[list[str], list[str]]:
    """Return what the orders are called that are new or changed in `signed`, and those that were removed."""
    last = before.signed.targets if before else {}
    changed = [path for path, target in signed.targets.items() if last.get(path) != target]
    removed = last.keys() - signed.targets.keys()
    return [name for it in changed if (name := called(it))], sorted(filter(None, map(called, removed)))


def _signing(
    workshop: Workshop,
    sealed: Sealed | None,
    standings: list[Standing],
    waiting: list[str],
    changed: list[str],
    removed: list[str],
    seen: list[PublishedNews],
) -> Signing:
    signed = [found.signed for role in (TARGETS, *workshop.roles()) if (found := workshop.accepted(role))]
    targets = workshop.accepted(TARGETS)
    return Signing(
        timestamp_version=sealed.timestamp_version if sealed else 0,
        targets_version=targets.signed.version if targets else 0,
        orders=sum(1 for part in signed for path in part.targets if identifier_of(path)),
        changed=tuple(changed),
        removed=tuple(removed),
        expires=sealed.expires if sealed else None,
        standings=tuple(standings),
        waiting=tuple(waiting),
        news=tuple(seen),
    )

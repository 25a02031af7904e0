"""The documents of a signed repository: fetched, verified, parsed once, and kept for the next version."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Set
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from tuf.api.metadata import TargetFile

from blockd.errors import BadOrder, FeedRefused, cause_of
from blockd.feeds.fetched import ACCEPTED, BEGUN, CANDIDATE, INCOMING, READ, REFUSED, WAITING
from blockd.feeds.signed.bundle import read_bundle
from blockd.feeds.signed.limits import MAX_LISTS, MAX_ORDERS, MAX_TOTAL
from blockd.feeds.signed.role_targets import RoleTargets, refused
from blockd.feeds.signed.trust import RefreshAttempt
from blockd.orders import NameList, OrderDocument, parse_document


class ListTexts(Protocol):
    """The texts of lists whose names are in files of their own (`blockd.feeds.signed.list_texts`)."""

    def bring(self, names: NameList, download: Callable[[str], Path]) -> Path:
        """Return the text of `names`, made if need be; `download` returns a verified target. Raises FeedRefused."""

    def prune(self, kept: Set[str]) -> None:
        """Remove the texts whose SHA-256 is not in `kept`."""


class Documents:
    """The documents of one repository, in `folder`/orders; parsed ones are cached while a version has them."""

    def __init__(self, folder: Path, texts: ListTexts | None) -> None:
        self._folder = folder / "orders"
        self._downloads = folder / "downloads"
        self._versions = tuple(folder / name for name in (INCOMING, CANDIDATE, READ, WAITING, REFUSED, BEGUN, ACCEPTED))
        self._texts = texts
        self._kept: set[str] = set()  # by SHA-256
        self._parsed: dict[tuple[str, str, str], OrderDocument] = {}  # by path, SHA-256 and authority

    def path(self, target: TargetFile) -> Path:
        """Return the path of the document of `target`."""
        return self._folder / f"{target.hashes['sha256']}.json"

    def read(self, attempt: RefreshAttempt, part: RoleTargets) -> dict[str, OrderDocument]:
        """Return the documents of `part` by their ids, with their lists' texts on disk; raises FeedRefused."""
        self._folder.mkdir(parents=True, exist_ok=True)
        found = {identifier: self._document(attempt, part, identifier) for identifier in part.orders}
        listed = [(document, document.names) for document in found.values() if document.names is not None]
        if len(listed) > MAX_LISTS:
            raise refused("too large", part.subject, f"has {len(listed)} lists in files; {MAX_LISTS} are the limit")
        for document, names in listed:
            self._bring_text(attempt, part, document.order.id, names)
        return found

    def keep(self, parts: Iterable[RoleTargets], wanted: Iterable[RoleTargets]) -> None:
        """Drop cached documents that none of `parts` has, and remove files that none of `wanted` has either."""
        parts, wanted = tuple(parts), tuple(wanted)
        known = {_key(part, target) for part in parts for target in part.orders.values()}
        self._parsed = {key: document for key, document in self._parsed.items() if key in known}
        self._kept = {target.hashes["sha256"] for part in (*parts, *wanted) for target in part.orders.values()}
        self._prune()
        self._prune_texts()

    def accepted(self) -> tuple[OrderDocument, ...]:
        """Return the documents in force; empty if they are not known."""
        try:
            return self._in_force()
        except FeedRefused:
            return ()

    def bound(self) -> None:
        """Remove all documents if refused versions have left too many; they are then fetched again."""
        sizes = [path.stat().st_size for path in self._folder.glob("*") if path.is_file()]
        if len(sizes) > 2 * MAX_ORDERS or sum(sizes) > 2 * MAX_TOTAL:
            self._prune()

    def _in_force(self) -> tuple[OrderDocument, ...]:
        accepted = self._versions[-1]
        return read_bundle(accepted).documents if accepted.exists() else ()

    def _prune(self) -> None:
        for path in self._folder.glob("*"):
            if path.stem not in self._kept and path.is_file():
                path.unlink()

    def _prune_texts(self) -> None:
        """Remove the texts that are needed neither by this version nor by any bundle in the feed's folder.

        If bundles are renamed while they are read, nothing is removed, as one of them may have been missed.
        """
        if self._texts is None:
            return
        documents = list(self._parsed.values())
        before = [_inode(path) for path in self._versions]
        for path, inode in zip(self._versions, before, strict=True):
            if inode is None:
                continue
            try:
                documents += read_bundle(path).documents
            except FeedRefused:  # what it needs is not known
                return
        if [_inode(path) for path in self._versions] != before:
            return
        lists = (document.names for document in documents)
        self._texts.prune({names.last.sha256 for names in lists if names is not None})

    def _document(self, attempt: RefreshAttempt, part: RoleTargets, identifier: str) -> OrderDocument:
        target = part.orders[identifier]
        known = self._parsed.get(_key(part, target))
        if known is not None and self.path(target).is_file():
            return known
        attempt.bring(target, self.path(target), part.subject)
        try:
            document = parse_document(json.loads(self.path(target).read_bytes()), target.path)
        except BadOrder as error:
            raise refused("format", part.subject, f"is signed, but {error}") from error
        except (ValueError, RecursionError) as error:
            raise refused(
                "format", part.subject, f"is signed, but {target.path} cannot be used: {cause_of(error)}"
            ) from error
        order = document.order
        if order.id != identifier:
            raise refused("format", part.subject, f"holds the order {order.id} under the name of {identifier}")
        if part.role and order.authority != part.authority:
            what = f"holds the order {order.id} of another authority: {order.authority[:200]!r}, not {part.authority!r}"
            raise refused("outside", part.subject, what)
        document = replace(document, order=replace(order, role=part.role))
        self._parsed[_key(part, target)] = document
        return document

    def _bring_text(self, attempt: RefreshAttempt, part: RoleTargets, identifier: str, names: NameList) -> None:
        for step in names.steps:
            if step.target not in part.lists:
                what = f"names {step.target} for {identifier}, which is not a list of the same part"
                raise refused("outside", part.subject, what)
        if self._texts is None:
            what = f"has the names of {identifier} in files, which cannot be read here"
            raise refused("format", part.subject, what)
        fetched: list[Path] = []

        def download(name: str) -> Path:
            target = part.lists.get(name)
            if target is None:
                raise FeedRefused("fault", f"The file {name} was asked for, which {part.subject} does not list.")
            self._downloads.mkdir(parents=True, exist_ok=True)
            path = self._downloads / target.hashes["sha256"]
            fetched.append(path)
            attempt.bring(target, path, part.subject)
            return path

        try:
            self._texts.bring(names, download)
        finally:
            for path in fetched:
                with contextlib.suppress(OSError):
                    path.unlink()


def _inode(path: Path) -> int | None:
    """Return a file's inode; None if there is no file."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _key(part: RoleTargets, target: TargetFile) -> tuple[str, str, str]:
    return target.path, target.hashes["sha256"], part.authority

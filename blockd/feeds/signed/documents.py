"""The documents of a signed repository: fetched, verified, parsed once, and kept for the next version."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Collection, Iterable, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from tuf.api.metadata import TargetFile

from blockd.errors import BadOrder, FeedRefused, FeedUnreachable, cause_of
from blockd.feeds.fetched import CONTENTS
from blockd.feeds.signed.allowance import DAILY, Allowance
from blockd.feeds.signed.bundle import read_bundle
from blockd.feeds.signed.limits import MAX_FAILED, MAX_LIST_SHARE, MAX_LISTS, MAX_ORDERS, MAX_TOTAL
from blockd.feeds.signed.list_texts import LISTS, text_path
from blockd.feeds.signed.role_targets import RoleTargets, digest_of, order_refused, order_subject
from blockd.feeds.signed.trust import RefreshAttempt
from blockd.files import read_kept
from blockd.orders import ListStep, NameList, OrderDocument, parse_document


class ListTexts(Protocol):
    """The texts of lists whose names are in files of their own (`blockd.feeds.signed.list_texts`)."""

    def bring(self, names: NameList, download: Callable[[str], Path]) -> Path:
        """Return the text of `names`, made if need be; `download` returns a verified target. Raises FeedRefused."""

    def prune(self, kept: Set[str]) -> None:
        """Remove the texts whose SHA-256 is not in `kept`."""


@dataclass(slots=True)
class ReadOrders:
    """The orders of a part that could be read, by their ids, and why each other one is refused."""

    documents: dict[str, OrderDocument] = field(default_factory=dict)
    faults: dict[str, FeedRefused] = field(default_factory=dict)


class Documents:
    """The documents of one repository, in `folder`/orders; parsed ones are cached while a version has them."""

    def __init__(self, folder: Path, texts: ListTexts | None, allowance: Allowance) -> None:
        self._allowance = allowance
        self._folder = folder / "orders"
        self._downloads = folder / "downloads"
        self._versions = tuple(folder / name for name in CONTENTS)
        self._texts = texts
        self._kept: set[str] = set()  # by digest
        self._parsed: dict[tuple[str, str, str], OrderDocument] = {}  # by path, digest and authority

    def path(self, target: TargetFile) -> Path:
        """Return the path of the document of `target`."""
        return self._folder / f"{digest_of(target)}.json"

    def read(self, attempt: RefreshAttempt, part: RoleTargets, before: Collection[str] = ()) -> ReadOrders:
        """Return the documents of `part`, with their lists' texts on disk; one that cannot be used is refused alone.

        `before` are the orders that the role had: if it has too many lists, those of others are refused. If the server
        fails, the rest of what is missing is not asked for in this attempt.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        read = ReadOrders(faults=dict(part.faults))
        failed: list[FeedRefused] = []
        lists = octets = 0
        for identifier in sorted(part.orders, key=lambda identifier: identifier not in before):
            if len(failed) >= MAX_FAILED and not self.path(part.orders[identifier]).is_file():
                subject = order_subject(part, identifier)
                what = "was not asked for, since the server failed for others"
                read.faults[identifier] = FeedRefused(failed[-1].reason, f"{subject} {what}. It is tried again.")
                continue
            try:
                document = self._document(attempt, part, identifier)
                if document.names is not None:
                    lists += 1
                    if lists > MAX_LISTS:
                        what = f"has its names in files, as {MAX_LISTS} other orders of the same part have: the limit"
                        raise order_refused("too large", part, identifier, what)
                    octets += document.names.last.size
                    self._refuse_beyond_share(part, identifier, document.names.last, octets)
                    self._bring_text(attempt, part, identifier, document.names)
            except FeedRefused as refusal:
                read.faults[identifier] = refusal.kept()
                if isinstance(refusal, FeedUnreachable) or refusal.reason == "stalled":
                    failed.append(refusal.kept())
            else:
                read.documents[identifier] = document
        read.documents = {identifier: read.documents[identifier] for identifier in sorted(read.documents)}
        return read

    def one(self, attempt: RefreshAttempt, part: RoleTargets, identifier: str) -> OrderDocument | None:
        """Return one document of an earlier part; None if it can no longer be read."""
        try:
            document = self._document(attempt, part, identifier)
            if document.names is not None:
                self._bring_text(attempt, part, identifier, document.names)
        except FeedRefused:
            return None
        return document

    def keep(self, parts: Iterable[RoleTargets], wanted: Iterable[RoleTargets]) -> None:
        """Drop cached documents that none of `parts` has, and remove files that none of `wanted` has either."""
        parts, wanted = tuple(parts), tuple(wanted)
        known = {_key(part, target) for part in (*parts, *wanted) for target in part.orders.values()}
        self._parsed = {key: document for key, document in self._parsed.items() if key in known}
        self._kept = {digest_of(target) for part in (*parts, *wanted) for target in part.orders.values()}
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
        self._bring(attempt, part, identifier)
        try:
            content = read_kept(self.path(target), target.length)
            document = parse_document(json.loads(content), "it", len(content))
        except BadOrder as error:
            what = f"is signed, but cannot be used: {'; '.join(error.problems)}"
            raise order_refused("format", part, identifier, what) from error
        except (ValueError, RecursionError) as error:
            what = f"is signed, but its document cannot be used: {cause_of(error)}"
            raise order_refused("format", part, identifier, what) from error
        order = document.order
        if order.id != identifier:
            what = f"is signed, but its document is that of the order {order.id}, under the name of {identifier}"
            raise order_refused("format", part, identifier, what)
        if part.role and order.authority != part.authority:
            what = f"is one of another authority: {order.authority[:200]!r}, not {part.authority!r}"
            raise order_refused("outside", part, identifier, what)
        document = replace(document, order=replace(order, role=part.role))
        self._parsed[_key(part, target)] = document
        return document

    def _bring(self, attempt: RefreshAttempt, part: RoleTargets, identifier: str) -> None:
        """Make the document's file hold its content; raises FeedRefused, also if the role has given too much."""
        target = part.orders[identifier]
        is_new = not self.path(target).is_file()
        if is_new and not self._allowance.allows(part.role, target.length):
            attempt.failures += 1  # another attempt may succeed in it
            what = f"is not fetched now, since its signer has signed too much that is new: {DAILY >> 20} MiB a day"
            raise order_refused("too large", part, identifier, f"{what} are the limit")
        attempt.bring(target, self.path(target), order_subject(part, identifier))
        if is_new:
            self._allowance.take(part.role, target.length)

    def _refuse_beyond_share(self, part: RoleTargets, identifier: str, step: ListStep, octets: int) -> None:
        """Refuse a new list if the role's lists, of so many octets, would leave too little room for those of others."""
        folder = self._folder.parent
        if text_path(folder, step).is_file():
            return
        held = sum(path.stat().st_size for path in (folder / LISTS).glob("*") if path.is_file())
        share = min(MAX_LIST_SHARE, (shutil.disk_usage(folder).free + held) // 2)
        if octets > share:
            what = (
                f"has a list with which those of its signer are {octets:,} octets; its share of the room is {share:,}"
            )
            raise order_refused("too large", part, identifier, what)

    def _bring_text(self, attempt: RefreshAttempt, part: RoleTargets, identifier: str, names: NameList) -> None:
        for step in names.steps:
            if step.target not in part.lists:
                what = f"has its names in {step.target}, which is not a list of the same part within the limits"
                raise order_refused("outside", part, identifier, what)
        if self._texts is None:
            raise order_refused("format", part, identifier, "has its names in files, which cannot be read here")
        fetched: list[Path] = []
        subject = order_subject(part, identifier)

        def download(name: str) -> Path:
            target = part.lists.get(name)
            if target is None:
                raise FeedRefused("fault", f"{subject} asked for the file {name}, which is not listed.")
            self._downloads.mkdir(parents=True, exist_ok=True)
            path = self._downloads / digest_of(target)
            fetched.append(path)
            attempt.bring(target, path, f"The list of {subject[0].lower()}{subject[1:]}")
            return path

        try:
            self._texts.bring(names, download)
        except FeedRefused as refusal:
            sentence = str(refusal)
            if not sentence.startswith("The list of the order "):
                sentence = f"{subject}: {sentence}"
            if isinstance(refusal, FeedUnreachable):
                raise FeedUnreachable(sentence) from refusal
            raise FeedRefused(refusal.reason, sentence) from refusal
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
    return target.path, digest_of(target), part.authority

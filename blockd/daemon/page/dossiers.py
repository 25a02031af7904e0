"""Writing the dossiers of orders for the page process, whenever orders or their states have changed.

It is done in a thread, after the records of the change are in the audit log. Nothing waits for it: until then a page
tells of an order what the ruleset has, and shows no signatures of another version.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blockd.audit import AuditRecorder
from blockd.audit.database import Database
from blockd.audit.dossiers import FeedProof, SignedPlace, dossier_of, prove_feed, signatures_behind, signed_place
from blockd.audit.log import DATABASE
from blockd.daemon.page.dossier_files import MAX_SHOWN, dossier_lines, dossier_path, signatures_path
from blockd.daemon.rights.places import make_in_place
from blockd.daemon.state_dir import StateDir
from blockd.daemon.timing import Timing
from blockd.errors import AuditError
from blockd.files import read_kept, remove, replacing
from blockd.orders import Order, OrderKey, Reason, State, Verdict
from blockd.orders.dossier import Signatures
from blockd.orders.incident import has_page
from blockd.ruleset import Catalogue, Enforced
from blockd.settings import Settings

WRITING = 5.0  # seconds for the records of a change to be written
AGAIN = 60.0  # seconds after which what has failed is tried again

Proofs = Mapping[str, Mapping[str, Any] | None]
"""By feed: what the log says of the evidence of its content, None if it has none."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """An order that has a page, its state, and where its document is signed, None if that is not known."""

    order: Order
    key: OrderKey
    state: State
    place: SignedPlace | None = None


class DossierService:
    """Keeps the dossiers in the state folder as the audit log of `recorder` has them."""

    def __init__(
        self,
        settings: Settings,
        state: StateDir,
        recorder: AuditRecorder,
        enforced: Callable[[], Enforced | None],
        timing: Timing,
    ) -> None:
        """`enforced` returns the version in force."""
        self._is_used = settings.listen.public.is_used
        self._log = state.folder / DATABASE
        self._folder = state.incidents
        self._recorder = recorder
        self._timing = timing
        self._news = asyncio.Event()
        self._enforced = enforced
        self._written: dict[OrderKey, ShownOrder] = {}
        self._manifests: dict[str, str] = {}  # by feed: of the evidence whose signatures are written, empty without
        self._signed: set[Path] = set()  # files of signatures that are there
        self._made: set[Path] = set()  # folders that are there, in this pass
        self._is_new = True  # what is in the folder is not known yet
        self._told = ""  # the trouble that was logged last

    def note(self) -> None:
        """Note that orders have changed, or their states, or what proves them; called in the event loop."""
        self._news.set()

    async def run(self) -> None:
        """Write what has changed, until cancelled. If there is no page about orders, remove what is left of one."""
        if not self._is_used:
            await asyncio.to_thread(self._clear)
            return
        self._recorder.listen(self.note)
        self.note()
        while True:
            await self._news.wait()
            self._news.clear()
            enforced = self._enforced()
            if enforced is None:
                continue
            catalogue, states = enforced.ruleset.catalogue, bytes(enforced.states.states)
            proofs = {feed.name: self._recorder.proof_of(feed.name, feed.digest) for feed in catalogue.feeds}
            trouble = await asyncio.to_thread(self._write, catalogue, states, proofs)
            if trouble and trouble != self._told:
                log.warning("The pages about orders lack histories and signatures: %s. It is tried again.", trouble)
            self._told = trouble
            if trouble:
                await self._timing.wait(self._news, AGAIN)
                self._news.set()

    def _write(self, catalogue: Catalogue, states: bytes, proofs: Proofs) -> str:
        """Write what differs from what was written last; return what is wrong, empty if nothing is. Blocks."""
        self._recorder.log.wait(WRITING)
        self._made.clear()
        try:
            database = Database.read(self._log)
        except AuditError as error:
            return str(error).rstrip(".")
        try:
            return self._follow(database, shown_orders(catalogue, states), proofs)
        except (AuditError, sqlite3.Error, UnicodeError, OSError) as error:
            self._manifests.clear()  # all is compared again
            return str(error).rstrip(".")
        finally:
            database.close()

    def _follow(self, database: Database, standing: Sequence[ShownOrder], proofs: Proofs) -> str:
        """Write what differs, as `_write` does; raises what stopped it. See `dossier_files` for the sequence."""
        manifests = {feed: str(proof["manifest"]) if proof else "" for feed, proof in proofs.items()}
        changed = {feed for feed in manifests if self._manifests.get(feed) != manifests[feed]}
        changed |= {one.key.feed for one in standing if one.key not in self._written}
        found = {feed: self._proved(database, feed, proofs.get(feed)) for feed in changed}
        proved = {feed: proof for feed, (proof, _) in found.items()}
        shown = [replace(one, place=self._place(one.key, proved)) for one in standing]
        signatures = {}
        for feed, role in {(one.key.feed, one.key.role) for one in shown if one.place is not None}:
            path, proof = signatures_path(self._folder, feed, role), proved.get(feed)
            signatures[path] = _to_json(signatures_behind(proof, role)) if proof is not None else None
        known = {path: new for path, new in signatures.items() if new is not None}  # those of other feeds are as before
        to_write = {path: octets for path, octets in known.items() if not _holds(path, octets)}
        self._signed |= known.keys() - to_write.keys()
        for path in (self._signed - signatures.keys()) | to_write.keys():
            remove(path, missing_ok=True)
            self._signed.discard(path)
        for one in shown:
            if not _is_same(self._written.get(one.key), one):
                self._put(one, database)
                self._written[one.key] = one
        for path, octets in to_write.items():
            self._make(path.parent)
            _put_in_place(path, octets)
            self._signed.add(path)
        self._forget({one.key for one in shown})
        troubles = {feed: trouble for feed, (_, trouble) in found.items() if trouble}
        self._manifests = {feed: known for feed, known in manifests.items() if feed not in troubles}
        return next(iter(troubles.values()), "")

    def _proved(self, database: Database, feed: str, proof: Mapping[str, Any] | None) -> tuple[FeedProof | None, str]:
        """Return what proves the content of a feed, and why it is not known, empty if it is or if none is."""
        if proof is None:
            return None, ""
        try:
            return prove_feed(database, proof, self._recorder.roots_of(feed)), ""
        except AuditError as error:
            return None, f"feed {feed}: {str(error).rstrip('.')}"

    def _place(self, key: OrderKey, proved: Mapping[str, FeedProof | None]) -> SignedPlace | None:
        """Return where an order's document is signed; of a feed that is not in `proved` that is known from before."""
        if key.feed not in proved:
            return self._written[key].place
        proof = proved[key.feed]
        return signed_place(proof, key) if proof is not None else None

    def _put(self, one: ShownOrder, database: Database) -> None:
        path = dossier_path(self._folder, one.key)
        for folder in (path.parents[1], path.parent):
            self._make(folder)
        _replace(path, dossier_lines(*dossier_of(database, one.order, one.key, one.place, MAX_SHOWN)))

    def _make(self, folder: Path) -> None:
        for wanted in (self._folder, folder):
            if wanted not in self._made:
                make_in_place(wanted)
                self._made.add(wanted)

    def _clear(self) -> None:
        try:
            self._forget(set())
        except OSError as error:
            log.warning(
                "What is left of the pages about orders cannot be removed: %s. Nothing else is affected.", error
            )

    def _forget(self, kept: set[OrderKey]) -> None:
        """Remove what there is of orders that are not shown any more."""
        gone = self._written.keys() - kept
        for key in gone:
            del self._written[key]
            remove(dossier_path(self._folder, key), missing_ok=True)
        if self._is_new:
            wanted = {dossier_path(self._folder, key) for key in kept} | self._signed
            for path in _files(self._folder):
                if path not in wanted:
                    remove(path, missing_ok=True)
            for folder in sorted(_folders(self._folder), reverse=True):  # what is in a folder comes before it
                with suppress(OSError):  # most are not empty
                    folder.rmdir()
            self._is_new = False


def shown_orders(catalogue: Catalogue, states: bytes) -> list[ShownOrder]:
    """Return the signed orders that have a page, as they stand; where they are signed is not known yet."""
    return [
        ShownOrder(record.order, record.key, state)
        for record, state in zip(catalogue.orders, map(State, states), strict=True)
        if has_page(Verdict(Reason.LISTED, record.order, feed=record.feed, state=state))
    ]


def _is_same(before: ShownOrder | None, now: ShownOrder) -> bool:
    """Return whether an order's dossier is the same; usually the order is the same object, which is quick to see."""
    if before is None or before.state != now.state or before.place != now.place:
        return False
    return before.order is now.order or before.order == now.order


def _to_json(signatures: Signatures) -> bytes:
    return json.dumps(signatures.to_json()).encode("ascii")


def _holds(path: Path, content: bytes) -> bool:
    with suppress(OSError):
        return read_kept(path, len(content)) == content
    return False


def _replace(path: Path, content: bytes) -> None:
    """Make a file hold `content`, unless it does. A loss of power may leave a part, which the next start finds."""
    if not _holds(path, content):
        _put_in_place(path, content)


def _put_in_place(path: Path, content: bytes) -> None:
    with replacing(path, durable=False) as file:
        file.write(content)


def _files(folder: Path) -> Iterable[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]


def _folders(folder: Path) -> Iterable[Path]:
    return [path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()]

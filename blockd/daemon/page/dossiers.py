"""Writing the dossiers of orders for the page process, whenever orders or their states have changed.

It is done in a thread, after the records of the change are in the audit log. Nothing waits for it: until then a page
tells of an order what the ruleset has, and shows no signatures of another version.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blockd.audit import AuditRecorder
from blockd.audit.database import Database
from blockd.audit.dossiers import FeedProof, dossier_of, prove_feed
from blockd.audit.log import DATABASE
from blockd.daemon.page.dossier_files import MAX_SHOWN, document_path, dossier_path
from blockd.daemon.rights.places import make_in_place
from blockd.daemon.state_dir import StateDir
from blockd.daemon.timing import Timing
from blockd.errors import AuditError
from blockd.files import read_kept, remove, replacing
from blockd.orders import Order, OrderKey, Reason, State, Verdict
from blockd.orders.dossier import Dossier
from blockd.orders.incident import has_page
from blockd.ruleset import Catalogue, Enforced
from blockd.settings import Settings

WRITING = 5.0  # seconds for the records of a change to be written
AGAIN = 60.0  # seconds after which what has failed is tried again

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """An order that has a page, its state, and what the log says of its feed's evidence, None if it has none."""

    order: Order
    key: OrderKey
    state: State
    proof: Mapping[str, Any] | None


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
        self._proofs: dict[str, tuple[str, FeedProof | None, str]] = {}  # by feed: of which manifest, and what failed
        self._made: set[Path] = set()  # folders that are there, in this pass
        self._is_new = True  # what is in the folder is not known yet
        self._told = ""  # the trouble that was logged last

    def note(self) -> None:
        """Note that orders have changed, or their states, or what proves them; called in the event loop."""
        self._news.set()

    async def run(self) -> None:
        """Write what has changed, until cancelled; nothing if there is no page about orders."""
        self._recorder.listen(self.note)
        self.note()
        while self._is_used:
            await self._news.wait()
            self._news.clear()
            enforced = self._enforced()
            if enforced is None:
                continue
            catalogue, states = enforced.ruleset.catalogue, bytes(enforced.states.states)
            trouble = await asyncio.to_thread(self._write, catalogue, states)
            if trouble and trouble != self._told:
                log.warning("The pages about orders lack histories and signatures: %s. It is tried again.", trouble)
            self._told = trouble
            if trouble:
                await self._timing.wait(self._news, AGAIN)
                self._news.set()

    def _shown(self, catalogue: Catalogue, states: bytes) -> Iterator[ShownOrder]:
        """Yield the signed orders that have a page, as they stand."""
        digests = {feed.name: feed.digest for feed in catalogue.feeds}
        for record, state in zip(catalogue.orders, map(State, states), strict=True):
            if has_page(Verdict(Reason.LISTED, record.order, feed=record.feed, state=state)):
                proof = self._recorder.proof_of(record.feed, digests.get(record.feed, ""))
                yield ShownOrder(record.order, record.key, state, proof)

    def _write(self, catalogue: Catalogue, states: bytes) -> str:
        """Write what differs from what was written last; return what is wrong, empty if nothing is. Blocks."""
        self._recorder.log.wait(WRITING)
        shown = list(self._shown(catalogue, states))
        changed = [one for one in shown if not _is_same(self._written.get(one.key), one)]
        self._proofs = {feed: known for feed, known in self._proofs.items() if not known[2]}  # others are tried again
        self._made.clear()
        troubles = []
        try:
            database = Database.read(self._log)
        except AuditError as error:
            return str(error).rstrip(".")
        try:
            for one in changed:
                proved, trouble = self._proved(database, one)
                troubles += [trouble] if trouble else []
                self._put(one, *dossier_of(database, one.order, one.key, proved, MAX_SHOWN))
                if not trouble:
                    self._written[one.key] = one
            self._forget({one.key for one in shown})
        except (AuditError, sqlite3.Error, UnicodeError, OSError) as error:
            troubles.append(str(error).rstrip("."))
        finally:
            database.close()
        return troubles[0] if troubles else ""

    def _proved(self, database: Database, one: ShownOrder) -> tuple[FeedProof | None, str]:
        """Return what proves the content of an order's feed, and why it is not known, empty if it is or if none is."""
        if one.proof is None:
            return None, ""
        feed, manifest = one.key.feed, str(one.proof["manifest"])
        if feed not in self._proofs or self._proofs[feed][0] != manifest:
            try:
                found, trouble = prove_feed(database, one.proof, self._recorder.roots_of(feed)), ""
            except AuditError as error:
                found, trouble = None, f"feed {feed}: {str(error).rstrip('.')}"
            self._proofs[feed] = manifest, found, trouble
        return self._proofs[feed][1:]

    def _put(self, one: ShownOrder, dossier: Dossier, document: bytes) -> None:
        path, signed = dossier_path(self._folder, one.key), document_path(self._folder, one.key)
        for folder in (self._folder, path.parents[1], path.parent, *([signed.parent] if document else [])):
            if folder not in self._made:
                make_in_place(folder)
                self._made.add(folder)
        if document:
            _replace(signed, document)
        _replace(path, json.dumps(dossier.to_json()).encode())
        if not document:
            remove(signed, missing_ok=True)

    def _forget(self, kept: set[OrderKey]) -> None:
        """Remove what there is of orders that are not shown any more."""
        gone = self._written.keys() - kept
        for key in gone:
            del self._written[key]
            for of in (dossier_path, document_path):
                remove(of(self._folder, key), missing_ok=True)
        if self._is_new:
            wanted = {of(self._folder, key) for key in kept for of in (dossier_path, document_path)}
            for path in _files(self._folder):
                if path not in wanted:
                    remove(path, missing_ok=True)
            self._is_new = False


def _is_same(before: ShownOrder | None, now: ShownOrder) -> bool:
    """Return whether an order's dossier is the same; usually the order is the same object, which is quick to see."""
    if before is None or before.state != now.state or before.proof != now.proof:
        return False
    return before.order is now.order or before.order == now.order


def _replace(path: Path, content: bytes) -> None:
    """Make a file hold `content`, unless it does. A loss of power may leave a part, which the next start finds."""
    with suppress(OSError):
        if read_kept(path, len(content)) == content:
            return
    with replacing(path, durable=False) as file:
        file.write(content)


def _files(folder: Path) -> Iterable[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]

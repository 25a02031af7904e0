"""The new contents of one feed, from when they were fetched until they are accepted or forgotten, and their files.

`incoming` is the source's: it replaces or removes that file whenever it likes. What is taken over is renamed, and from
then on this is the only one that renames or removes it. All of it is lost at a restart, and fetched again, but for a
candidate that has come into force: what it is stands in a note beside it.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

from blockd.errors import FeedRefused
from blockd.feeds.fetched import BEGUN, CANDIDATE, NOTE, OFFERED, READ, REFUSED, WAITING, Fetched
from blockd.files import read_kept, replacing

MAX_NOTE = 1024  # octets
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RefusedContent:
    """One content of a feed, in its folder as `refused`, with what the gate said; a feed has at most one."""

    fetched: Fetched
    reason: str  # of `blockd.feeds.reasons.REASONS`
    sentence: str
    names: int  # that the feed would have

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "digest": self.fetched.digest,
            "reason": self.reason,
            "sentence": self.sentence,
            "names": self.names,
        }


@dataclass(slots=True)
class FeedContents:
    """The contents of the feed whose folder is `folder`."""

    folder: Path
    incoming: Fetched | None = None  # taken over, not yet compiled
    taken: Fetched | None = None  # to be compiled, until it is known what becomes of it
    reading: Fetched | None = None  # read by itself, before it may be compiled
    waiting: Fetched | None = None  # accepted, but not enforced since a version is pinned
    refused: RefusedContent | None = None  # by the gate
    waived: Fetched | None = None  # what was refused, and an operator has accepted since
    waived_digest: str = ""  # of what an operator has accepted and is not in force yet; kept over restarts

    def offer(self, fetched: Fetched) -> None:
        """Take over new content from its source, in place of an earlier one; raises OSError if that is not possible.

        What an operator has accepted before a restart stays accepted.
        """
        offered = self._moved(fetched, self.folder / OFFERED)
        is_waived = bool(self.waived_digest) and fetched.digest == self.waived_digest
        self.incoming = replace(offered, waived=True) if is_waived else offered

    def withdraw(self) -> None:
        """Forget all that is newer than the accepted content: the source has that again."""
        self.drop_offered()
        self.drop_waiting()
        self.drop_refused()
        self.waived_digest = ""

    def take_candidate(self) -> Fetched | None:
        """Move new content to where nothing newer takes its place, to be compiled; None if there is none.

        Raises OSError if its file is gone, and then it is forgotten.
        """
        if self.waived is not None:
            fetched, self.waived = self.waived, None
        elif self.incoming is not None:
            fetched, self.incoming = self.incoming, None
        elif self.waiting is not None:
            fetched, self.waiting = self.waiting, None
        else:
            return None
        self.taken = self._moved(fetched, self.folder / CANDIDATE)
        with contextlib.suppress(OSError):  # then a restart fetches it again
            note = json.dumps(_note(self.taken.path, fetched.digest)).encode()
            with replacing(self.folder / NOTE, durable=False) as file:
                file.write(note)
        return self.taken

    def is_noted(self, path: Path, digest: str) -> bool:
        """Return whether a file, wherever it was renamed to, is what an earlier process compiled last, of this digest.

        It need not be durable: after a loss of power it is fetched again.
        """
        try:
            return bool(json.loads(read_kept(self.folder / NOTE, MAX_NOTE)) == _note(path, digest))
        except (OSError, ValueError, RecursionError):
            return False

    def read_alone(self, candidate: Fetched) -> None:
        """Move a candidate to where it is read by itself, in place of an earlier one; raises OSError."""
        self.taken = None
        self.reading = self._moved(candidate, self.folder / READ)

    def drop_read(self) -> None:
        """Forget the content that is read by itself."""
        self.reading = None
        self._remove(READ)

    def drop_offered(self) -> None:
        """Forget what waits to be compiled."""
        self.incoming = None
        self._remove(OFFERED)

    def drop_news(self) -> None:
        """Forget all that is not accepted, but for the file of a candidate; it is fetched again."""
        self.drop_offered()
        self.drop_waiting()
        self.drop_refused()
        self.drop_read()
        self.taken = None
        self.end_begun()

    def drop_candidate(self) -> None:
        """Remove the candidate of an earlier process."""
        self._remove(CANDIDATE)

    def drop(self, candidate: Fetched) -> None:
        """Forget content that was compiled or read, and is not taken."""
        self._release(candidate)
        self._remove(candidate.path.name)
        if candidate.path.name == CANDIDATE:
            self._remove(NOTE)

    def end_begun(self) -> None:
        """Forget what a compile began with."""
        self._remove(BEGUN)

    def hold(self, candidate: Fetched) -> None:
        """Keep a candidate that passed the gate until it may be enforced, or a newer one takes its place."""
        self.taken = None
        self.waiting = self._moved(candidate, self.folder / WAITING)

    def keep_refused(self, candidate: Fetched, refused: FeedRefused, names: int) -> None:
        """Keep a candidate that the gate refused, which would have had so many names, in place of the one before."""
        self._release(candidate)
        kept = self._moved(candidate, self.folder / REFUSED)
        self.refused = RefusedContent(kept, refused.reason, str(refused), names)

    def drop_refused(self) -> None:
        """Forget the refused content."""
        self.refused = self.waived = None
        self._remove(REFUSED)

    def drop_waiting(self) -> None:
        """Forget the waiting content."""
        self.waiting = None
        self._remove(WAITING)

    def put_back(self, candidate: Fetched) -> None:
        """Offer a candidate again, unless there is something newer, or it is known what became of it.

        Raises OSError if its file is gone.
        """
        if not self.owns(candidate):
            return
        self._release(candidate)
        if self.incoming is None:
            self.incoming = self._moved(candidate, self.folder / OFFERED)
        else:
            self._remove(candidate.path.name)

    def owns(self, candidate: Fetched) -> bool:
        """Return whether it is not known yet what becomes of a candidate, or of a content that is read by itself."""
        known = (candidate.digest, candidate.path)
        return any(one is not None and (one.digest, one.path) == known for one in (self.taken, self.reading))

    def _release(self, candidate: Fetched) -> None:
        """Note that it is known what becomes of a candidate, or of a content that is read by itself."""
        if self.taken is not None and self.taken.path == candidate.path:
            self.taken = None
        if self.reading is not None and self.reading.path == candidate.path:
            self.reading = None

    def _moved(self, fetched: Fetched, target: Path) -> Fetched:
        return replace(fetched, path=fetched.path.replace(target))

    def _remove(self, name: str) -> None:
        """Remove a file that is not needed; one that cannot be removed is replaced by what comes next."""
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            log.debug("%s cannot be removed: %s.", self.folder / name, error)


def _note(path: Path, digest: str) -> dict[str, object]:
    """Return what a file is told by whatever it is called; raises OSError."""
    found = path.stat()
    return {"digest": digest, "inode": found.st_ino, "size": found.st_size, "modified": found.st_mtime_ns}

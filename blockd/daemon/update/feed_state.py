"""The state of a feed that is kept across restarts, in its folder.

feed.json    this state
held.json    what the gate held back of the accepted content (`blockd.ruleset.gate.held_file`), by its digest
accepted     the content that passed the gate last
candidate    new content while it is compiled
read         new content while it is read by itself, since it takes long
begun        the accepted content as a compile in progress began with it
incoming     new content as it was fetched
waiting      new content that passed the gate, while a version is pinned
refused      the content that the gate refused last, for an operator to accept
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

from blockd.daemon.update.refused_content import RefusedContent
from blockd.errors import FeedRefused, RulesetError
from blockd.feeds.budget import Budget
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import ACCEPTED, BEGUN, CANDIDATE, INCOMING, READ, REFUSED, WAITING, Fetched, Validators
from blockd.feeds.signed.bundle import AuthorityVersion, read_bundle
from blockd.files import open_kept, read_kept, replace_file
from blockd.formats.rejects import RejectReport
from blockd.orders.repository import MAX_AUTHORITIES
from blockd.printable import MAX_SENTENCE
from blockd.ruleset.format import MAX_TIME
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.held_file import read_reports, write_reports
from blockd.ruleset.gate.sizes import Sizes
from blockd.settings import Feed

HELD = "held.json"
MAX_STATE = 1 << 20  # octets of feed.json: reports of a few KB, and a sentence for each authority, all of it escaped

# Errors of reading JSON of another structure.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, FeedRefused, RulesetError)
_BUNDLE = b'{"bundle"'  # the beginning of a bundle

log = logging.getLogger(__name__)


@dataclass(slots=True)
class FeedState:
    """The state of the feed whose folder is `folder`. Times are seconds since the epoch, 0 for never."""

    folder: Path
    accepted_digest: str = ""
    checked: float = 0.0  # when its content was last fetched and accepted, or confirmed unchanged
    expires: float | None = None  # the expiry that the last content names
    authorities: tuple[AuthorityVersion, ...] = ()  # of a signed feed, as they were seen last
    validators: Validators = field(default_factory=Validators)
    rejects: RejectReport | None = None  # of the accepted content
    held: GuardReport | None = None  # of its part in the last ruleset compiled
    sizes: Sizes = field(default_factory=Sizes)  # how many of its names were in force, over the last days
    incoming: Fetched | None = None  # fetched, not yet compiled; lost at a restart
    stored: GuardReport | None = None  # the report that held.json has
    reading: Fetched | None = None  # read by itself, before it may be compiled; lost at a restart
    waiting: Fetched | None = None  # accepted, but not enforced since a version is pinned; lost at a restart
    refused: RefusedContent | None = None  # by the gate; lost at a restart, and then fetched and refused again
    waived: Fetched | None = None  # what was refused, and an operator has accepted since
    waived_digest: str = ""  # of what an operator has accepted and is not in force yet; kept over restarts

    def candidate(self, feed: Feed, fetched: Fetched | None, now: float, budget: Budget | None = None) -> Candidate:
        """Return what `feed`, whose state this is, may be compiled from; `fetched` is new, and has this budget."""
        incoming = Content(fetched.path, fetched.digest, feed.shown_place) if fetched else None
        accepted = replace(self.accepted, source=feed.shown_place) if self.accepted else None
        waived = fetched is not None and fetched.waived
        return Candidate(feed, incoming, accepted, lasting=self.sizes.lasting(now), budget=budget, waived=waived)

    @classmethod
    def load(cls, folder: Path) -> FeedState:
        """Read the state; if it is missing or damaged, the feed counts as never seen and is fetched again.

        When its orders expire is read from the accepted content even then: a damaged state must not keep them in force.
        """
        state = cls(folder)
        is_end_known = False
        try:
            values = json.loads(read_kept(folder / "feed.json", MAX_STATE))
            state.checked = _time(values["checked"])
            state.validators = Validators.from_json(values["validators"])
            state.accepted_digest = str(values["accepted_digest"])
            if values.get("expires") is not None:
                state.expires = _time(values["expires"])
            state.authorities = tuple(_authority(part) for part in values.get("authorities", ())[:MAX_AUTHORITIES])
            is_end_known = True
            state.sizes = Sizes.from_json(values.get("sizes", {}))
            state.waived_digest = str(values.get("waived_digest", ""))
            if values.get("held") is not None:
                state.held = GuardReport.from_json(values["held"])
                state._load_held()
            if values.get("rejects") is not None:
                state.rejects = RejectReport.from_json(values["rejects"])
        except FileNotFoundError:
            pass
        except (OSError, *_DAMAGE) as error:
            log.warning("The state of a feed in %s cannot be read (%s); the feed is fetched again.", folder, error)
        if not is_end_known:
            state._find_end()
        if not os.path.isfile(folder / ACCEPTED):  # noqa: PTH113 - false as well if the folder may not be read
            state.accepted_digest = ""
        if not state.accepted_digest:
            state.validators = Validators()
        return state

    def save(self) -> None:
        """Write the state."""
        values: Mapping[str, object] = {
            "accepted_digest": self.accepted_digest,
            "checked": self.checked,
            "expires": self.expires,
            "authorities": [astuple(replace(part, refusal=part.refusal[:MAX_SENTENCE])) for part in self.authorities],
            "validators": self.validators.to_json(),
            "rejects": self.rejects.to_json() if self.rejects else None,
            "held": self.held.to_json() if self.held else None,
            "sizes": self.sizes.to_json(),
            "waived_digest": self.waived_digest,
        }
        if self.held is not self.stored:
            reports = {} if self.held is None else {self.accepted_digest: self.held}
            write_reports(self.folder / HELD, reports)
            self.stored = self.held
        replace_file(self.folder / "feed.json", json.dumps(values).encode())

    @property
    def accepted(self) -> Content | None:
        """The content that passed the gate last."""
        return Content(self.folder / ACCEPTED, self.accepted_digest) if self.accepted_digest else None

    def offer(self, fetched: Fetched) -> None:
        """Note that new content was fetched; what an operator has accepted before a restart stays accepted."""
        is_waived = bool(self.waived_digest) and fetched.digest == self.waived_digest
        self.incoming = replace(fetched, waived=True) if is_waived else fetched

    def withdraw(self) -> None:
        """Forget all that is newer than the accepted content: the source has that again."""
        self.incoming = None
        self.drop_waiting()
        self.drop_refused()
        self.waived_digest = ""

    def take_candidate(self) -> Fetched | None:
        """Move new content to where the next fetch does not overwrite it, to be compiled; None if there is none."""
        if self.waived is not None:
            fetched, place, self.waived = self.waived, self.folder / REFUSED, None
        elif self.incoming is not None:
            fetched, place, self.incoming = self.incoming, self.folder / INCOMING, None
        elif self.waiting is not None:
            fetched, place, self.waiting = self.waiting, self._waiting_place, None
        else:
            return None
        return self._moved(fetched, place, self.folder / CANDIDATE)

    def read_alone(self, candidate: Fetched) -> None:
        """Move a candidate to where it is read by itself, in place of an earlier one."""
        self.reading = self._moved(candidate, candidate.path, self.folder / READ)

    def drop_read(self) -> None:
        """Forget the content that is read by itself."""
        self.reading = None
        (self.folder / READ).unlink(missing_ok=True)

    def begin_with(self, candidate: Candidate) -> Candidate:
        """Return the candidate with its accepted content where it stays even if newer content is accepted.

        Raises OSError if that is not possible.
        """
        if candidate.accepted is None:
            return candidate
        self.end_begun()
        os.link(candidate.accepted.path, self.folder / BEGUN)
        return replace(candidate, accepted=replace(candidate.accepted, path=self.folder / BEGUN))

    def end_begun(self) -> None:
        """Forget what a compile began with; it stays, and is replaced by the next, where it cannot be removed."""
        with contextlib.suppress(OSError):
            (self.folder / BEGUN).unlink()

    def room(self) -> int:
        """Return the octets of all that is kept of the feed; a file that two names have counts once.

        What is out of reach does not count.
        """
        sizes = {}
        with contextlib.suppress(OSError):
            for path in self.folder.rglob("*"):
                with contextlib.suppress(OSError):
                    found = path.lstat()
                    sizes[found.st_ino] = found.st_size if stat.S_ISREG(found.st_mode) else 0
        return sum(sizes.values())

    def hold(self, candidate: Fetched) -> None:
        """Keep a candidate that passed the gate until it may be enforced, or a newer one takes its place."""
        self.waiting = self._moved(candidate, candidate.path, self._waiting_place)

    def keep_refused(self, candidate: Fetched, refused: FeedRefused, names: int) -> None:
        """Keep a candidate that the gate refused, which would have had so many names, in place of the one before."""
        self.refused = RefusedContent(
            self._moved(candidate, candidate.path, self.folder / REFUSED), refused.reason, str(refused), names
        )

    def waive_refused(self) -> None:
        """Have the refused content compiled next, whatever the gate says of its size and rejects.

        That is written first, so that it holds over a restart; raises OSError, and then nothing has changed.
        """
        if self.refused is None:
            return
        before, self.waived_digest = self.waived_digest, self.refused.fetched.digest
        try:
            self.save()
        except OSError:
            self.waived_digest = before
            raise
        self.waived, self.refused = replace(self.refused.fetched, waived=True), None

    def drop_refused(self) -> None:
        """Forget the refused content."""
        self.refused = self.waived = None
        (self.folder / REFUSED).unlink(missing_ok=True)

    def drop_waiting(self) -> None:
        """Forget the waiting content."""
        self.waiting = None
        self._waiting_place.unlink(missing_ok=True)

    def put_back(self, candidate: Fetched) -> None:
        """Offer a candidate again, unless there is something newer, or its file is gone since it was refused."""
        if self.incoming is None and os.path.isfile(candidate.path):  # noqa: PTH113 - false as well if out of reach
            incoming = candidate.path.replace(self.folder / INCOMING)
            self.incoming = replace(candidate, path=incoming)

    def accept(
        self,
        candidate: Fetched,
        rejects: RejectReport | None,
        now: float,
        *,
        held: GuardReport | None = None,
        names: int | None = None,
    ) -> None:
        """Replace the accepted content by a candidate.

        The reports of its lines and of its entries held back, and the number of its names in force, are replaced too.
        """
        candidate.path.replace(self.folder / ACCEPTED)
        self.drop_waiting()
        self.drop_refused()
        self.waived_digest = ""
        self.accepted_digest = candidate.digest
        self.validators = candidate.validators
        self.rejects, self.held = rejects, held
        if candidate.waived:
            self.sizes.known = []  # else the next update would be compared with sizes from before
        if names is not None:
            self.sizes.note(names, now)
        self.checked = now
        self.save()

    def _load_held(self) -> None:
        """Take the complete report in place of its summary, if it is of the accepted content."""
        complete = (read_reports(self.folder / HELD) or {}).get(self.accepted_digest)
        if complete is not None and self.held is not None and complete.to_json() == self.held.to_json():
            self.held = self.stored = complete

    def _find_end(self) -> None:
        """Take the times of expiry from the accepted content, since the state was lost."""
        accepted = self.folder / ACCEPTED
        try:
            with open_kept(accepted) as file:
                self.checked = os.fstat(file.fileno()).st_mtime
                is_bundle = file.read(len(_BUNDLE)) == _BUNDLE  # a list, unlike a bundle, may be large
            version = read_bundle(accepted) if is_bundle else None
        except (OSError, FeedRefused):
            return
        if version is None:
            return
        self.expires, self.authorities = version.expires, version.authorities[:MAX_AUTHORITIES]

    @property
    def _waiting_place(self) -> Path:
        return self.folder / WAITING

    def _moved(self, fetched: Fetched, source: Path, target: Path) -> Fetched:
        return replace(fetched, path=source.replace(target))


def _time(values: object) -> float:
    """Read seconds since the epoch; raises ValueError or TypeError if they are none."""
    seconds = float(values)  # type: ignore[arg-type]
    if not 0 <= seconds <= MAX_TIME:
        raise ValueError(f"expected a time, got {seconds}")
    return seconds


def _authority(values: Sequence[object]) -> AuthorityVersion:
    """Read one authority's part of the state; raises ValueError or TypeError if it is none."""
    role, version, expires, reason, refusal = values
    if not all(isinstance(text, str) for text in (role, reason, refusal)):
        raise TypeError("the texts of an authority have the wrong type")
    if type(version) is not int or type(expires) is not int or not 0 <= expires <= MAX_TIME:
        raise TypeError("the numbers of an authority have the wrong type")
    return AuthorityVersion(*values)  # type: ignore[arg-type]

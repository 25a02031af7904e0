"""The state of a feed that is kept across restarts, in its folder.

feed.json    this state
held.json    what the gate held back of the accepted content (`blockd.ruleset.gate.held_file`), by its digest
accepted     the content that passed the gate last
incoming     new content as it was fetched; it belongs to the feed's source, all others belong to this state
offered      new content until it is compiled
candidate    new content while it is compiled; `candidate.json` says what it is, or was before it was accepted
read         new content while it is read by itself, since it takes long
begun        the accepted content as a compile in progress began with it
waiting      new content that passed the gate, while a version is pinned
refused      the content that the gate refused last, for an operator to accept
preview      that content while it is found out what accepting it would change
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

from blockd.errors import FeedRefused, RulesetError, cause_of
from blockd.feeds.budget import Budget
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.contents import FeedContents
from blockd.feeds.fetched import ACCEPTED, BEGUN, CANDIDATE, Fetched, Validators
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
class FeedState(FeedContents):
    """The state of the feed whose folder is `folder`. Times are seconds since the epoch, 0 for never."""

    accepted_digest: str = ""
    checked: float = 0.0  # when its content was last fetched and accepted, or confirmed unchanged
    expires: float | None = None  # the expiry that the last content names
    authorities: tuple[AuthorityVersion, ...] = ()  # of a signed feed, as they were seen last
    validators: Validators = field(default_factory=Validators)
    rejects: RejectReport | None = None  # of the accepted content
    held: GuardReport | None = None  # of its part in the last ruleset compiled
    sizes: Sizes = field(default_factory=Sizes)  # how many of its names were in force, over the last days
    stored: GuardReport | None = None  # the report that held.json has
    kept: bytes = field(default=b"", repr=False, compare=False)  # what feed.json has

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
            octets = read_kept(folder / "feed.json", MAX_STATE)
            values = json.loads(octets)
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
            state.kept = octets
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
        """Write the state, unless that is what is kept: at a start this would have the disk sync for each feed."""
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
        octets = json.dumps(values).encode()
        if octets != self.kept:
            replace_file(self.folder / "feed.json", octets)
            self.kept = octets

    @property
    def accepted(self) -> Content | None:
        """The content that passed the gate last."""
        return Content(self.folder / ACCEPTED, self.accepted_digest) if self.accepted_digest else None

    @property
    def has_lost_accepted(self) -> bool:
        """Whether the file of the accepted content is gone; not if it cannot be reached at the moment."""
        try:
            os.lstat(self.folder / ACCEPTED)
        except FileNotFoundError:
            return bool(self.accepted_digest)
        except OSError:
            pass
        return False

    def begin_with(self, candidate: Candidate) -> Candidate:
        """Return the candidate with its accepted content where it stays even if newer content is accepted.

        Raises OSError if that is not possible.
        """
        if candidate.accepted is None:
            return candidate
        self.end_begun()
        os.link(candidate.accepted.path, self.folder / BEGUN)
        return replace(candidate, accepted=replace(candidate.accepted, path=self.folder / BEGUN))

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
        Raises OSError if the candidate's file is gone; if only the state cannot be written, that is logged.
        """
        self.taken = None
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
        try:
            self.save()
        except OSError as error:
            log.error("The state of a feed in %s cannot be written: %s.", self.folder, cause_of(error))

    def complete(self, digest: str, names: int, now: float) -> bool:
        """Accept what is in force, of this digest, if an earlier process was ended before it could; return whether.

        Otherwise the content accepted before would be compiled again, and what it does not have be out of force until
        the source is reached. A candidate that is not in force is removed. Reports on its lines are not known.
        """
        if self.taken is not None:
            return False
        found = None
        if digest and digest != self.accepted_digest:
            places = (self.folder / CANDIDATE, self.folder / ACCEPTED)
            found = next((path for path in places if self.is_noted(path, digest)), None)
        if found is not None:
            with contextlib.suppress(OSError):
                found.replace(self.folder / ACCEPTED)
                self.accepted_digest, self.validators, self.waived_digest = digest, Validators(), ""
                self.rejects = self.held = None
                self.sizes.note(names, now)
                self._find_end()
                self.save()
        self.drop_candidate()
        return found is not None and self.accepted_digest == digest

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

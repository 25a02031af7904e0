"""What is remembered of a feed between restarts, in its folder.

feed.json    this state
accepted     the content that passed the gate last
candidate    new content while it is compiled
incoming     new content as it was fetched
waiting      new content that passed the gate, while a version is pinned
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

from blockd.errors import FeedRefused, RulesetError
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.fetched import ACCEPTED, CANDIDATE, INCOMING, WAITING, Fetched, Validators
from blockd.feeds.signed.bundle import AuthorityVersion, read_bundle
from blockd.files import read_file, replace_file
from blockd.formats.rejects import RejectReport
from blockd.orders.repository import MAX_AUTHORITIES
from blockd.ruleset.format import MAX_TIME
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.sizes import Sizes
from blockd.settings import Feed

MAX_STATE = 1 << 20  # octets of feed.json: reports of a few KB, and a sentence for each authority, all of it escaped
MAX_SENTENCE = 1000  # characters of an authority's refusal that are kept

# What reading JSON of another shape raises.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, FeedRefused, RulesetError)
_BUNDLE = b'{"bundle"'  # how one begins

log = logging.getLogger(__name__)


@dataclass(slots=True)
class FeedState:
    """The state of the feed whose folder is `folder`. Times are seconds since the epoch, 0 for never."""

    folder: Path
    first_seen: int
    accepted_digest: str = ""
    checked: float = 0.0  # when its content was last fetched and accepted, or confirmed unchanged
    expires: float | None = None  # when what was seen last ends by its own word
    authorities: tuple[AuthorityVersion, ...] = ()  # of a signed feed, as they were seen last
    validators: Validators = field(default_factory=Validators)
    rejects: RejectReport | None = None  # of the accepted content
    held: GuardReport | None = None  # of what it gave to the ruleset that was made last
    sizes: Sizes = field(default_factory=Sizes)  # how many of its names were in force, over the last days
    incoming: Fetched | None = None  # fetched, not yet compiled; not kept over a restart
    waiting: Fetched | None = None  # good, and not enforced since a version is pinned; not kept over a restart

    def candidate(self, feed: Feed, fetched: Fetched | None, now: float) -> Candidate:
        """Return what the feed, which this is the state of, may be compiled from; `fetched` is new."""
        incoming = Content(fetched.path, fetched.digest) if fetched else None
        return Candidate(feed, incoming, self.accepted, self.first_seen, self.sizes.lasting(now))

    @classmethod
    def load(cls, folder: Path, now: float) -> FeedState:
        """Read the state; a missing or damaged one is a feed that was never seen, and is fetched anew.

        When its orders end is known all the same, by what it gave last: a damaged file must not keep them in force.
        """
        state = cls(folder, first_seen=int(now))
        is_end_known = False
        try:
            told = json.loads(read_file(folder / "feed.json", MAX_STATE))
            state.first_seen = int(_time(told["first_seen"]))
            state.checked = _time(told["checked"])
            state.validators = Validators.from_json(told["validators"])
            state.accepted_digest = str(told["accepted_digest"])
            if told.get("expires") is not None:
                state.expires = _time(told["expires"])
            state.authorities = tuple(_authority(part) for part in told.get("authorities", ())[:MAX_AUTHORITIES])
            is_end_known = True
            state.sizes = Sizes.from_json(told.get("sizes", {}))
            if told.get("held") is not None:
                state.held = GuardReport.from_json(told["held"])
            if told.get("rejects") is not None:
                state.rejects = RejectReport.from_json(told["rejects"])
        except FileNotFoundError:
            pass
        except (OSError, *_DAMAGE) as error:
            log.warning("The state of a feed in %s cannot be read (%s); it is fetched anew.", folder, error)
        if not is_end_known:
            state._find_end()
        if not (folder / ACCEPTED).is_file():
            state.accepted_digest = ""
        if not state.accepted_digest:
            state.validators = Validators()
        return state

    def save(self) -> None:
        """Write the state."""
        told: Mapping[str, object] = {
            "first_seen": self.first_seen,
            "accepted_digest": self.accepted_digest,
            "checked": self.checked,
            "expires": self.expires,
            "authorities": [astuple(replace(part, refusal=part.refusal[:MAX_SENTENCE])) for part in self.authorities],
            "validators": self.validators.to_json(),
            "rejects": self.rejects.to_json() if self.rejects else None,
            "held": self.held.to_json() if self.held else None,
            "sizes": self.sizes.to_json(),
        }
        replace_file(self.folder / "feed.json", json.dumps(told).encode())

    @property
    def accepted(self) -> Content | None:
        """The content that passed the gate last."""
        return Content(self.folder / ACCEPTED, self.accepted_digest) if self.accepted_digest else None

    def offer(self, fetched: Fetched) -> None:
        """Note that new content was fetched."""
        self.incoming = fetched

    def take_candidate(self) -> Fetched | None:
        """Set new content aside to be compiled, where the next fetch cannot disturb it; None if there is none."""
        if self.incoming is not None:
            fetched, place, self.incoming = self.incoming, self.folder / INCOMING, None
        elif self.waiting is not None:
            fetched, place, self.waiting = self.waiting, self._waiting_place, None
        else:
            return None
        return self._moved(fetched, place, self.folder / CANDIDATE)

    def hold(self, candidate: Fetched) -> None:
        """Keep a candidate that passed the gate until it may be enforced, or a newer one takes its place."""
        self.waiting = self._moved(candidate, candidate.path, self._waiting_place)

    def drop_waiting(self) -> None:
        """Forget what waits."""
        self.waiting = None
        self._waiting_place.unlink(missing_ok=True)

    def put_back(self, candidate: Fetched) -> None:
        """Offer a candidate again, unless something newer has come, or it was refused and so is gone."""
        if self.incoming is None and candidate.path.is_file():
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
        """Let a candidate take the place of what was accepted before.

        With it come the reports of its lines and of its entries held back, and how many of its names are in force.
        """
        candidate.path.replace(self.folder / ACCEPTED)
        self.drop_waiting()
        self.accepted_digest = candidate.digest
        self.validators = candidate.validators
        self.rejects, self.held = rejects, held
        if names is not None:
            self.sizes.note(names, now)
        self.checked = now
        self.save()

    def _find_end(self) -> None:
        """Take from the accepted content what else the state tells of its end: its time, and a bundle's own words."""
        accepted = self.folder / ACCEPTED
        try:
            with accepted.open("rb") as file:
                self.checked = os.fstat(file.fileno()).st_mtime
                is_bundle = file.read(len(_BUNDLE)) == _BUNDLE  # a list may be large, and is no bundle
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


def _time(told: object) -> float:
    """Read seconds since the epoch; raises ValueError or TypeError if they are none."""
    seconds = float(told)  # type: ignore[arg-type]
    if not 0 <= seconds <= MAX_TIME:
        raise ValueError(f"{seconds} is no time")
    return seconds


def _authority(told: Sequence[object]) -> AuthorityVersion:
    """Read one authority's part of the state; raises ValueError or TypeError if it is none."""
    role, version, expires, reason, refusal = told
    if not all(isinstance(text, str) for text in (role, reason, refusal)):
        raise TypeError("an authority whose texts are none")
    if type(version) is not int or type(expires) is not int or not 0 <= expires <= MAX_TIME:
        raise TypeError("an authority whose numbers are none")
    return AuthorityVersion(*told)  # type: ignore[arg-type]

"""The mirrors of a signed repository: several places with the same content, any of which may be down, old or lying.

They share one state of trust, so none can serve what the authorities have not signed, nor go back to before what
another served. A poll begins with the mirror that was fast and good last; if it has nothing new, others are asked too,
as it may have been frozen. Each look has another mirror beside it, asked after a second of waiting
(`blockd.feeds.signed.side_by_side`), so that none delays the poll by more than that; the one that gave first leads from
then on. A mirror that was refused or late is asked less often for a while.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.signed.bundle import SignedVersion
from blockd.feeds.signed.repository import SignedRepository, refused_parts

log = logging.getLogger(__name__)

OTHERS_SECONDS = 1.0  # until another good mirror is asked for what the first may withhold
FIRST_PAUSE = 30.0  # seconds for which a refused mirror is not asked, doubled with each refusal
LONGEST_PAUSE = 3600.0
MAX_LOGGED = 30  # refusals of one mirror that are logged in an hour: servers may vary what they do wrong
HOUR = 3600.0  # seconds
_OF_SERVERS = frozenset(("missing", "unreachable", "stalled", "cut", "signature"))  # reasons: another may have the file


@dataclass(slots=True)
class Mirror:
    """One mirror; `reason` and `refusal` say why it was refused when last asked, empty if it was not."""

    url: str
    due: float = 0.0  # when it is asked again if another is good, by the clock
    pause: float = FIRST_PAUSE  # seconds
    reason: str = ""
    refusal: str = ""
    is_logged: bool = False  # whether its refusal was
    logged: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_LOGGED))  # when the last ones were

    def to_json(self, *, leads: bool) -> dict[str, object]:
        """Return the mirror as JSON values; `leads` says that a poll begins with it."""
        return {"url": self.url, "leads": leads, "reason": self.reason, "refusal": self.refusal}


class Mirrors:
    """The mirrors `urls` of `repository`; a poll begins with the first until another one is better."""

    def __init__(
        self,
        name: str,
        repository: SignedRepository,
        urls: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._repository = repository
        self._clock = clock
        self._line = [Mirror(url) for url in urls]  # the leader first
        self._last: SignedVersion | None = None

    def fetch(self) -> SignedVersion:
        """Return the newest version of the mirrors; raises FeedRefused only if all that were asked are refused."""
        best: SignedVersion | None = None
        refusals: list[FeedRefused] = []
        asked, late, owed = deque(self._asked()), list[Mirror](), None
        while asked:
            mirror = asked.popleft()
            if mirror is owed:
                owed = None
            elif not self._is_asked(mirror, best, refusals, was_late=mirror in late):
                continue
            try:
                version, giver = self._look(mirror)
            except FeedRefused as error:
                refusals.append(error.kept())
                self._refuse(mirror, error.reason, str(error))
                continue
            if giver is not mirror and mirror not in late:
                late.append(mirror)
                asked.append(mirror)  # again, if a part is missing in what came faster
                asked.appendleft(giver)  # which may have news that the other one has not
                owed = giver
            if best is None or _is_better(version, best):
                if best is not None and not late:  # else both had a part in it
                    self._tell_faults(self._line[0], best)
                best = version
                self._lead(giver)
            self._accept(giver)
        if best is None:
            raise _all_refused(refusals).kept()  # else it would hold, by its traceback, the list that holds it
        self._last = best
        return best

    def _look(self, mirror: Mirror) -> tuple[SignedVersion, Mirror]:
        """Look at a mirror, with another beside it; return which of them gave the version.

        If the other gave what is refused, it is the one that is refused, and `mirror` is looked at without it.
        """
        left = [other for other in self._line if other is not mirror]
        left.sort(key=lambda other: (bool(other.refusal), other.due if other.refusal else 0.0))
        while True:
            beside = left.pop(0) if left else None
            if beside is None:
                return self._repository.fetch(mirror.url), mirror
            try:
                version = self._repository.fetch(mirror.url, beside.url)
            except FeedRefused as error:
                look = self._repository.look
                if look is None or look.giver == 0:
                    raise
                self._refuse(beside, error.reason, str(error))
                continue
            late = self._repository.late()
            if late is None:
                return version, mirror
            self._refuse(mirror, late.reason, str(late))
            return version, beside

    def to_json(self) -> list[dict[str, object]]:
        """Return the mirrors for the daemon's status, the one that a poll begins with first."""
        return [mirror.to_json(leads=number == 0) for number, mirror in enumerate(self._line)]

    def _asked(self) -> list[Mirror]:
        """Return the mirrors in the order in which they are asked: the leader, then those due longest."""
        leader, *others = self._line
        return [leader, *sorted(others, key=lambda mirror: mirror.due)]

    def _is_asked(
        self, mirror: Mirror, best: SignedVersion | None, refusals: Sequence[FeedRefused], *, was_late: bool
    ) -> bool:
        """Return whether `mirror` is asked too.

        News are not delayed by it, unless an authority's part or an order is missing. If there is no version yet, all
        mirrors that were good are asked, and one that was refused: a row of dead servers must not delay every poll. If
        there is nothing new and no other is good, one that was refused does not wait for its pause to end: the one that
        leads may have been frozen since, and only another can tell.
        """
        if best is not None and was_late:  # the faster one may have withheld a part
            return any(part.reason in _OF_SERVERS for part in refused_parts(best))
        if mirror is self._line[0] and best is None:
            return True
        is_due = mirror.due <= self._clock()
        if best is None:
            return is_due or not mirror.refusal or len(refusals) == 1
        if any(part.reason in _OF_SERVERS for part in best.refused):  # another may have what this one lacks
            return is_due or not mirror.refusal
        is_news = self._last is None or self._last.digest != best.digest
        if is_news and not refused_parts(best):
            return False
        return is_due or (not is_news and not any(it.refusal == "" for it in self._line[1:]))

    def _lead(self, mirror: Mirror) -> None:
        self._line.remove(mirror)
        self._line.insert(0, mirror)

    def _accept(self, mirror: Mirror) -> None:
        mirror.due = self._clock() + OTHERS_SECONDS
        if mirror.is_logged:
            log.info("Feed %s: the mirror %s is good again.", self._name, mirror.url)
            mirror.is_logged = False
        mirror.pause, mirror.reason, mirror.refusal = FIRST_PAUSE, "", ""

    def _refuse(self, mirror: Mirror, reason: str, sentence: str) -> None:
        logged = mirror.logged
        has_room = len(logged) < MAX_LOGGED or logged[0] + HOUR <= self._clock()
        if mirror.reason != reason and len(self._line) > 1 and has_room:
            mirror.is_logged = True
            logged.append(self._clock())
            log.warning("Feed %s: the mirror %s is refused (%s): %s", self._name, mirror.url, reason, sentence)
        mirror.due = self._clock() + mirror.pause
        mirror.pause = min(2 * mirror.pause, LONGEST_PAUSE)
        mirror.reason, mirror.refusal = reason, sentence

    def _tell_faults(self, mirror: Mirror, version: SignedVersion) -> None:
        """Refuse a mirror that withheld what another has of an authority, or an order."""
        faults = refused_parts(version)
        if faults:
            self._refuse(mirror, faults[0].reason, faults[0].refusal)


def _is_better(version: SignedVersion, best: SignedVersion) -> bool:
    """Return whether `version`, fetched after `best`, is newer, or has a part or an order that `best` lacks.

    Numbers that differ are newer ones, as the state of trust rules out older ones.
    """
    numbers = (version.timestamp_version, version.targets_version) != (best.timestamp_version, best.targets_version)
    return numbers or len(refused_parts(version)) < len(refused_parts(best))


def _all_refused(refusals: Sequence[FeedRefused]) -> FeedRefused:
    """Return the refusal for all mirrors: the first of content, or else of a server that is unreachable."""
    first = next((refusal for refusal in refusals if not isinstance(refusal, FeedUnreachable)), refusals[0])
    if len(refusals) == 1:
        return first
    sentence = f"All {len(refusals)} mirrors are refused. {first}"
    return FeedUnreachable(sentence) if isinstance(first, FeedUnreachable) else FeedRefused(first.reason, sentence)

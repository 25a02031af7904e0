"""The mirrors of a signed repository: several places with the same content, of which any may be away, old or lying.

What is trusted is one and the same for all of them, so none can give what the authorities have not signed, nor go back
behind what another gave. A look begins with the mirror that was good last. Where that one gives nothing new, others are
asked now and then, as it may have been frozen; one that was refused is asked less often for a while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from blockd.errors import FeedRefused, FeedUnreachable
from blockd.feeds.signed.bundle import SignedVersion
from blockd.feeds.signed.repository import SignedRepository, refused_authorities

log = logging.getLogger(__name__)

OTHERS_SECONDS = 10.0  # until a good mirror is asked again for what the first of them may not have
FIRST_PAUSE = 30.0  # seconds for which a refused mirror is left alone, twice as long with each refusal
LONGEST_PAUSE = 3600.0


@dataclass(slots=True)
class Mirror:
    """One place; `reason` and `refusal` say why it was refused when it was last asked, empty where it was not."""

    url: str
    due: float = 0.0  # when it is asked again if another is good, by the clock
    pause: float = FIRST_PAUSE  # seconds
    reason: str = ""
    refusal: str = ""

    def to_json(self, *, leads: bool) -> dict[str, object]:
        """Give it as plain values; `leads` tells that a look begins with it."""
        return {"url": self.url, "leads": leads, "reason": self.reason, "refusal": self.refusal}


class Mirrors:
    """The places `urls` of `repository`, whose first is where a look begins until another is better."""

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
        """Give the newest of what the mirrors have; raises FeedRefused only where all that were asked are refused."""
        best: SignedVersion | None = None
        refusals: list[FeedRefused] = []
        for mirror in self._asked():
            if not self._is_asked(mirror, best, refusals):
                continue
            try:
                version = self._repository.fetch(mirror.url)
            except FeedRefused as error:
                refusals.append(error)
                self._refuse(mirror, error.reason, str(error))
                continue
            if best is None or _is_better(version, best):
                if best is not None:
                    self._tell_faults(self._line[0], best)
                best = version
                self._lead(mirror)
            self._accept(mirror)
        if best is None:
            raise _all_refused(refusals)
        self._last = best
        return best

    def to_json(self) -> list[dict[str, object]]:
        """Give the mirrors for the daemon's status, the one that a look begins with first."""
        return [mirror.to_json(leads=number == 0) for number, mirror in enumerate(self._line)]

    def _asked(self) -> list[Mirror]:
        """Give the mirrors in the order in which they are asked: the leader, then who has waited longest."""
        leader, *others = self._line
        return [leader, *sorted(others, key=lambda mirror: mirror.due)]

    def _is_asked(self, mirror: Mirror, best: SignedVersion | None, refusals: Sequence[FeedRefused]) -> bool:
        """Whether `mirror` is asked too.

        News do not wait for it, unless they lack an authority's. Where nothing is there yet, all are asked that were
        good, and one that was refused: a long row of dead servers must not hold up every look.
        """
        if mirror is self._line[0]:
            return True
        is_due = mirror.due <= self._clock()
        if best is None:
            return is_due or not mirror.refusal or len(refusals) == 1
        is_news = self._last is None or self._last.digest != best.digest
        return is_due and (not is_news or bool(refused_authorities(best)))

    def _lead(self, mirror: Mirror) -> None:
        self._line.remove(mirror)
        self._line.insert(0, mirror)

    def _accept(self, mirror: Mirror) -> None:
        mirror.due = self._clock() + OTHERS_SECONDS
        if mirror.refusal:
            log.info("Feed %s: the mirror %s is good again.", self._name, mirror.url)
        mirror.pause, mirror.reason, mirror.refusal = FIRST_PAUSE, "", ""

    def _refuse(self, mirror: Mirror, reason: str, sentence: str) -> None:
        if mirror.reason != reason and len(self._line) > 1:
            log.warning("Feed %s: the mirror %s is refused (%s): %s", self._name, mirror.url, reason, sentence)
        mirror.due = self._clock() + mirror.pause
        mirror.pause = min(2 * mirror.pause, LONGEST_PAUSE)
        mirror.reason, mirror.refusal = reason, sentence

    def _tell_faults(self, mirror: Mirror, version: SignedVersion) -> None:
        """Refuse a mirror that kept from us what another has, of one authority or more."""
        faults = refused_authorities(version)
        if faults:
            self._refuse(mirror, faults[0].reason, faults[0].refusal)


def _is_better(version: SignedVersion, best: SignedVersion) -> bool:
    """Whether `version`, fetched after `best`, is another: what is trusted meanwhile keeps it from being an older one.

    It also is where it has what the other mirror withheld of an authority.
    """
    numbers = (version.timestamp_version, version.targets_version) != (best.timestamp_version, best.targets_version)
    return numbers or len(refused_authorities(version)) < len(refused_authorities(best))


def _all_refused(refusals: Sequence[FeedRefused]) -> FeedRefused:
    """Tell the first refusal of content rather than one of a server that is away."""
    told = next((refusal for refusal in refusals if not isinstance(refusal, FeedUnreachable)), refusals[0])
    if len(refusals) == 1:
        return told
    sentence = f"All {len(refusals)} mirrors are refused. {told}"
    return FeedUnreachable(sentence) if isinstance(told, FeedUnreachable) else FeedRefused(told.reason, sentence)

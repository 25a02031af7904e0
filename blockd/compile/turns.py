"""Whose news go first, so that those of one feed never wait long for those of others, however many these are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set

from blockd.feeds.budget import HASTE, HEAVY


class SlowTurns:
    """The turns of news that take long to be compiled: by themselves, and after those of others.

    If both wait, they alternate: a slow content waits for one compile of others, and others wait for one of slow ones.
    """

    def __init__(self) -> None:
        self._waiting: list[str] = []  # feeds, the one that has waited longest first
        self._is_theirs = False

    def choose(self, slow: Mapping[str, float], others: Set[str], urgent: Set[str]) -> Set[str]:
        """Return the feeds whose news are compiled now, either all `others` or some of the slow ones.

        `slow` has the seconds of the processor that each took when it was read by itself; as many are chosen as take
        HEAVY together, but one at least. Those in `urgent` go before other slow ones.
        """
        waiting = [name for name in self._waiting if name in slow]
        waiting += [name for name in slow if name not in waiting]
        self._waiting = sorted(waiting, key=lambda name: name not in urgent)
        if others and not self._is_theirs:
            self._is_theirs = bool(slow)
            return others
        self._is_theirs = False
        chosen: set[str] = set()
        for name in self._waiting:
            if chosen and sum(slow[one] for one in (*chosen, name)) > HEAVY:
                break
            chosen.add(name)
        self._waiting = [name for name in self._waiting if name not in chosen]
        return chosen or others


class Overtaking:
    """Which news may overtake one compile in progress, and how long they may be read for that."""

    def __init__(self) -> None:
        self._tried: set[tuple[tuple[str, str], ...]] = set()  # feeds with the digests of their news
        self._tries: Counter[str] = Counter()

    def next(self, waiting: Mapping[str, str], urgent: Set[str]) -> tuple[list[str], float] | None:
        """Return feeds to try together, and for how many seconds of the processor each; None if all were tried.

        `waiting` has the digests of the news of each feed. The urgent ones are tried first, together and then each,
        and then the others, those before the rest that were tried least. All others share HASTE seconds.
        """
        hasty = [name for name in waiting if name in urgent]
        others = sorted((name for name in waiting if name not in urgent), key=lambda name: self._tries[name])
        shared_by = len({*others, *(name for name in self._tries if name not in urgent)})
        groups = [(hasty, 1), *(([name], len(hasty)) for name in hasty), *(([name], shared_by) for name in others)]
        for names, number in groups:
            key = tuple((name, waiting[name]) for name in names)
            if names and key not in self._tried:
                self._tried.add(key)
                self._tries.update(names)
                return names, HASTE / number
        return None

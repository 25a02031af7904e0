"""CNAME rules that lead to names of the policy zone itself, which the zone's own data answer.

A server that has the zone would find the target there; no upstream knows it.
"""

from __future__ import annotations

from collections.abc import Sequence

from blockd.formats.rpz.action import RpzAction
from blockd.names import label_ends
from blockd.orders import Action

MAX_STEPS = 8  # from one name of the zone to the next, as resolvers bound chains
_STAR = b"\x01*"


class InsideTargets:
    """The answers of a zone that lead into it, by number, with their targets relative to the zone."""

    def __init__(self) -> None:
        self._targets: dict[int, bytes] = {}
        self.wanted: set[bytes] = set()  # the targets, and all names above them: those that must be met
        self._met: dict[bytes, tuple[int | None, int | None]] = {}

    def add(self, answer: int, target: bytes) -> None:
        """Note that an answer leads to a name of the zone, which is not the apex; it may be a wildcard."""
        self._targets[answer] = target
        self.wanted.update(target[:end] for end in label_ends(target))

    def meet(self, key: bytes, exact: int | None, below: int | None) -> None:
        """Take the answers of a wanted name; all that the zone has are met before `found` is called."""
        self._met[key] = exact, below

    def found(self, answers: Sequence[RpzAction]) -> dict[int, int | None]:
        """Return where each answer that leads into the zone ends: at a number of `answers`, None if at nothing.

        That answer has local data, or leads out of the zone.
        """
        return {answer: self._end(answer, answers) for answer in self._targets}

    def _end(self, answer: int, answers: Sequence[RpzAction]) -> int | None:
        for _ in range(MAX_STEPS):
            at = self._at(self._targets[answer])
            if at is None:
                return None
            if answers[at].action is Action.LOCAL:
                return answer
            if answers[at].action is not Action.CNAME:
                return None
            if at not in self._targets:
                return at
            answer = at
        return None

    def data(self, answer: int) -> int | None:
        """Return the number of the answer that the zone has at an answer's target; None if it is not in the zone."""
        return self._at(self._targets[answer]) if answer in self._targets else None

    def _at(self, target: bytes) -> int | None:
        if target.endswith(_STAR) and target[:-2] in self._met:
            return self._met[target[:-2]][1]
        if target in self._met:
            return self._met[target][0]
        for end in reversed(label_ends(target)[:-1]):
            if target[:end] in self._met:
                return self._met[target[:end]][1]
        return None

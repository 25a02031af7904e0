"""Facts about what is enforced that are found once for each change of it, however often they are asked for."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from blockd.ruleset import Enforced

Fact = TypeVar("Fact")


class OfEnforced(Generic[Fact]):
    """Returns what `find` returns of what is enforced, which is the same until that or the states of its orders change.

    `find` takes what is enforced, None if nothing is.
    """

    def __init__(self, find: Callable[[Enforced | None], Fact]) -> None:
        self._find = find
        self._of: Callable[[], Enforced | None] = _nothing
        self._epoch = -1
        self._known: Fact | None = None

    def __call__(self, enforced: Enforced | None) -> Fact:
        """Return the fact; what it was found of is not kept alive."""
        if enforced is None:
            return self._find(None)
        epoch = enforced.states.epoch
        if self._known is None or self._of() is not enforced or self._epoch != epoch:
            self._known, self._of, self._epoch = self._find(enforced), weakref.ref(enforced), epoch
        return self._known


def _nothing() -> None:
    return None

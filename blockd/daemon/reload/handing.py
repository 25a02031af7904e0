"""What workers that go have cached is asked of them, for those that take their places."""

from __future__ import annotations

from collections.abc import Sequence

from blockd.daemon.processes.children import Child, Role
from blockd.daemon.processes.family import Family
from blockd.daemon.reload.waits import Steps, until
from blockd.daemon.worker.caches import HandedCaches, room
from blockd.daemon.worker.origins import Origins
from blockd.resolver.resolution import Resolution

WRITES = 10.0  # seconds for workers to write what they have, beside answering; what is not written by then is left


class Handing:
    """Has workers of `family` hand over what they have cached."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._origins: tuple[Resolution, Origins] | None = None

    def caches(self, role: Role, before: int, now: int, resolution: Resolution) -> Steps[HandedCaches]:
        """Return what a worker is to begin with that takes a place among `now` ones, where there were `before`.

        Each of those hands over to one, so that nothing is lost if there are fewer; if there are more, some hand over
        to several. `resolution` is how they resolve names. What is returned is the caller's to close.
        """
        children = self._workers(predecessors(role.index, before, now))
        yield from self._written(children, room(now))
        return HandedCaches(
            tuple(_taken(child) for child in children if child.handed is not None), self._of(resolution)
        )

    def all_of(self, workers: int) -> Steps[dict[int, int]]:
        """Return what each of so many workers has handed over, by its index, as far as it could."""
        children = self._workers(range(workers))
        yield from self._written(children, room(workers))
        return {child.role.index: _taken(child) for child in children if child.handed is not None}

    def _workers(self, places: Sequence[int]) -> list[Child]:
        return [child for place in places if (child := self._family.of(Role("worker", place))) is not None]

    def _written(self, children: Sequence[Child], limit: int) -> Steps[None]:
        """Have children write what they have, at most so many octets each; nothing is written if that is 0."""
        for child in children:
            child.handed, child.is_asked = None, bool(limit)
            if limit:
                child.channel.send({"hand_over": limit})
        yield from until(lambda: all(map(_has_answered, children)), WRITES)
        for child in children:
            child.is_asked = False

    def _of(self, resolution: Resolution) -> Origins:
        """Return from whom names are known, found once for all workers of a generation."""
        if self._origins is None or self._origins[0] is not resolution:
            self._origins = resolution, Origins.of(resolution)
        return self._origins[1]


def predecessors(index: int, before: int, now: int) -> list[int]:
    """Return the indices of those, of so many workers `before`, that one of so many `now` takes over from."""
    return [place for place in range(before) if place % now == index] or [index % before]


def _has_answered(child: Child) -> bool:
    return not child.is_asked or child.status is not None


def _taken(child: Child) -> int:
    """Return what a child has handed over, which belongs to the caller from now on."""
    descriptor = child.handed
    assert descriptor is not None  # noqa: S101 - it has been looked at
    child.handed = None
    return descriptor

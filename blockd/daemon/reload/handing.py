"""What workers that go have cached is asked of them, for those that take their places."""

from __future__ import annotations

from blockd.daemon.processes.children import Child, Role
from blockd.daemon.processes.family import Family
from blockd.daemon.reload.waits import Steps, until
from blockd.daemon.worker.caches import HandedCaches, room
from blockd.resolver.resolution import Resolution

WRITES = 10.0  # seconds for workers to write what they have, beside answering; what is not written by then is left


class Handing:
    """Has workers of `family` hand over what they have cached."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def caches(self, role: Role, before: int, now: int, resolution: Resolution) -> Steps[HandedCaches]:
        """Return what a worker is to begin with that takes a place among `now` ones, where there were `before`.

        Each of those hands over to one, so that nothing is lost if there are fewer; if there are more, some hand over
        to several. `resolution` is how they resolve names.
        """
        places = [place for place in range(before) if place % now == role.index] or [role.index % before]
        children = [child for place in places if (child := self._family.of(Role("worker", place))) is not None]
        limit = room(now)
        for child in children if limit else ():
            child.handed, child.is_asked = None, True
            child.channel.send({"hand_over": limit})
        yield from until(lambda: all(map(_has_answered, children)), WRITES)
        for child in children:
            child.is_asked = False
        return HandedCaches(tuple(map(_taken, filter(lambda one: one.handed is not None, children))), resolution)


def _has_answered(child: Child) -> bool:
    return not child.is_asked or child.status is not None


def _taken(child: Child) -> int:
    """Return what a child has handed over, which belongs to the caller from now on."""
    descriptor = child.handed
    assert descriptor is not None  # noqa: S101 - it has been looked at
    child.handed = None
    return descriptor

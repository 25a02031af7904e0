"""The places of those who wait: how many each client, network and domain has, and whose is lost for a newcomer's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from blockd.resolver.holders import Holders

MAX_WAITING = 500  # messages of a worker, over all transports
DOMAIN, ADDRESS, NETWORK = range(3)  # what a place is counted by; those of a front end have a domain only
_ORDER = (ADDRESS, NETWORK, DOMAIN)  # in which who has the most is looked for, of those that have as many more


class Place:
    """One who waits, counted under `keys`: of the domain asked for, of the client's address, and of its network."""

    __slots__ = ("displace", "keys")

    def __init__(self, keys: Sequence[bytes], displace: Callable[[], None]) -> None:
        """`displace` is called if the place is lost, which is empty by then."""
        self.keys = tuple(keys)
        self.displace = displace


class Places:
    """All places of a worker.

    If all are taken, a newcomer gets the oldest of whoever has the most: of the address, the network or the domain that
    has most more than the newcomer's own, unless the newcomer's client has as many places as the one that would lose
    its. So neither a client nor a domain whose servers are silent keeps others out, nor does any number of those.
    """

    def __init__(self) -> None:
        self._places: set[Place] = set()
        self._shares: tuple[Holders[Place], ...] = (Holders(), Holders(), Holders())

    def __len__(self) -> int:
        return len(self._places)

    @property
    def keys(self) -> int:
        """How many keys are counted."""
        return sum(map(len, self._shares))

    def make_room(self, keys: Sequence[bytes]) -> bool:
        """Return whether there is a place for a newcomer with these keys, which somebody may lose his for."""
        if len(self._places) < MAX_WAITING:
            return True
        kinds = [kind for kind in _ORDER if kind < len(keys)]
        more = {kind: self._shares[kind].most - self._shares[kind].count(keys[kind]) for kind in kinds}
        for kind in sorted(more, key=more.__getitem__, reverse=True):
            if more[kind] <= 0:
                break
            lost = self._shares[kind].oldest_of_most()
            if self._yields(lost, keys):
                self.leave(lost)
                lost.displace()
                return True
        return False

    def take(self, place: Place) -> None:
        """Count a place."""
        self._places.add(place)
        for shares, key in zip(self._shares, place.keys, strict=False):
            shares.take(key, place)

    def leave(self, place: Place) -> None:
        """Count a place no more; do nothing if it was lost."""
        if place in self._places:
            self._places.discard(place)
            for shares, key in zip(self._shares, place.keys, strict=False):
                shares.leave(key, place)

    def _yields(self, lost: Place, keys: Sequence[bytes]) -> bool:
        """Return whether a newcomer's client has fewer places than the one that would lose one, and so has its network.

        One of the two may have as many. Of front ends nothing is known.
        """
        less = [
            shares.count(its) - shares.count(mine)
            for shares, mine, its in zip(self._shares[ADDRESS:], keys[ADDRESS:], lost.keys[ADDRESS:], strict=False)
        ]
        return not less or (min(less) >= 0 and max(less) > 0)

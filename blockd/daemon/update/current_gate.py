"""The gate of now, which all that compiles reads: lists of the config, what this resolver stands on, what was released.

The lists are read once, at a start. What the resolver stands on changes with resolv.conf, and releases with the
operator's word.
"""

from __future__ import annotations

from collections.abc import Iterable

from blockd.ruleset import Gate
from blockd.ruleset.gate.network_guard import OwnNetworks


class CurrentGate:
    """The gate of the config's lists, which `now` joins with what else it depends on."""

    def __init__(self, lists: Gate, released: Iterable[bytes] = ()) -> None:
        self._lists = lists  # with what the resolver stands on
        self._released = frozenset(released)
        self.now = lists.releasing(self._released)

    def release(self, keys: Iterable[bytes]) -> None:
        """Let through the entries with these keys, and no others."""
        self._released = frozenset(keys)
        self.now = self._lists.releasing(self._released)

    def stand_on(self, own: OwnNetworks) -> bool:
        """Guard what this resolver stands on from now on; return whether lists may hold other networks than before."""
        before = self.now.guard.digest
        self._lists = self._lists.standing_on(own)
        self.now = self._lists.releasing(self._released)
        return self.now.guard.digest != before

"""Probes: blockd's own questions to upstreams, by which those that are not up are found to be back.

Both engines use this. A probe asks for what every resolver has in its cache, or for the zone that it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from blockd.dns import types
from blockd.names import key_from_text
from blockd.resolver.cache import CacheKey
from blockd.resolver.forwarding.health import UP, Health
from blockd.resolver.forwarding.limits import PROBE_TIME

PROBED = key_from_text("root-servers.net")  # in every cache, with letters that show whether their case is kept


class Prober:
    """The probes of a worker's upstreams. `tick` is to be called some times a second."""

    def __init__(
        self, healths: Sequence[Health], groups: Sequence[Sequence[int]], send_probe: Callable[[int], None]
    ) -> None:
        """`groups` are places in `healths`; `send_probe` gets such a place, and raises OSError if it cannot send."""
        self._healths = list(healths)
        self._groups = [[self._healths[index] for index in group] for group in groups]
        self._send_probe = send_probe
        self._sent: dict[Health, float] = {}  # those that wait for an answer

    def tick(self, now: float) -> None:
        """Note probes that went unanswered, and send those that are due."""
        for index, health in enumerate(self._healths):
            sent = self._sent.get(health)
            if sent is not None:
                if now < sent + max(PROBE_TIME, health.patience()):
                    continue
                del self._sent[health]
                health.note_probe_silence(now)
            if health.is_probe_due(now, self._is_urgent(health)):
                self._sent[health] = now
                try:
                    self._send_probe(index)
                except OSError:
                    self.note_failure(health, now)

    def note_answer(self, health: Health, now: float, seconds: float, resolves: bool) -> None:
        """Note an answer to a probe that was sent so many seconds ago, also a late one."""
        self._sent.pop(health, None)
        health.note_probe_answer(now, seconds, resolves)

    def note_failure(self, health: Health, now: float) -> None:
        """Note that a probe will not be answered, as the network says, or as a connection shows."""
        if self._sent.pop(health, None) is not None:
            health.note_probe_refusal(now)

    def _is_urgent(self, health: Health) -> bool:
        """Return whether names cannot be resolved until it is back."""
        return any(health in group and all(one.state != UP for one in group) for group in self._groups)


def probe_key(zone: bytes) -> CacheKey:
    """Return what an upstream for a zone is asked, empty for the root."""
    return (zone or PROBED), types.SOA, False, False

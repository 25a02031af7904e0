"""How often a zone is polled, and when it expires: its SOA's timers (RFC 1035 section 3.3.13), within bounds."""

from __future__ import annotations

from dataclasses import dataclass

MAX_REFRESH = 86_400  # seconds: with a larger value the primary is still asked once a day
MAX_RETRY = 3_600  # seconds: at most an hour after one or many failures
MIN_EXPIRE = 86_400  # seconds: no alarm for a primary that was down for less than a day
MAX_EXPIRE = 90 * 86_400  # seconds: after three months without confirmation a list is outdated, whatever its SOA says


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds between two polls, between two tries after a failure, and until the zone has expired."""

    refresh: float
    retry: float
    expire: float

    @classmethod
    def of(cls, soa: bytes, floor: float) -> Timers:
        """Return the timers of an SOA's line; no interval is shorter than `floor` seconds."""
        refresh, retry, expire, _ = map(int, soa.split()[-4:])
        return cls(
            refresh=min(max(refresh, floor), max(MAX_REFRESH, floor)),
            retry=min(max(retry, floor), max(MAX_RETRY, floor)),
            expire=min(max(expire, MIN_EXPIRE), MAX_EXPIRE),
        )

    def after_failures(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row: longer each time, to spare large transfers."""
        return min(self.retry * (1 << min(failures - 1, 16)), max(MAX_RETRY, self.retry))

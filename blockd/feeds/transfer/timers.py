"""How often a zone is asked for, and how long it lasts: its SOA's timers (RFC 1035 section 3.3.13), within bounds."""

from __future__ import annotations

from dataclasses import dataclass

MAX_REFRESH = 86_400  # seconds: a primary that says more is asked once a day all the same
MAX_RETRY = 3_600  # seconds: an hour after a failure at most, or after many of them
MIN_EXPIRE = 86_400  # seconds: no alarm for a primary that was away for less than a day
MAX_EXPIRE = 90 * 86_400  # seconds: a list that nobody has confirmed for three months is an old one, whatever it says


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds between two looks, between two tries after a failure, and until what is there has expired."""

    refresh: float
    retry: float
    expire: float

    @classmethod
    def of(cls, soa: bytes, floor: float) -> Timers:
        """Read them from an SOA's line; nothing is asked more often than each `floor` seconds."""
        refresh, retry, expire, _ = map(int, soa.split()[-4:])
        return cls(
            refresh=min(max(refresh, floor), max(MAX_REFRESH, floor)),
            retry=min(max(retry, floor), max(MAX_RETRY, floor)),
            expire=min(max(expire, MIN_EXPIRE), MAX_EXPIRE),
        )

    def after_failures(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row: longer each time, lest a large zone be fetched in vain."""
        return min(self.retry * (1 << min(failures - 1, 16)), max(MAX_RETRY, self.retry))

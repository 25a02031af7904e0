"""From whom a worker knows what it has cached: what another config, or another version of blockd, makes untrue.

Told by digests, so that it can be kept and compared without what it was made of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from blockd.names import label_ends
from blockd.resolver.resolution import Resolution
from blockd.resolver.zone_table import ZoneTable

_SIZE = 16  # octets of a digest: nobody who could choose what is digested gains by two that are equal


@dataclass(frozen=True, slots=True)
class Origins:
    """Digests by the keys of zones: of the upstreams of a group, one of which is for all names, and of local data."""

    upstreams: Mapping[bytes, str]
    local: Mapping[bytes, str]

    @classmethod
    def of(cls, resolution: Resolution) -> Self:
        """Return those of one way to resolve names."""
        return cls(
            {group.zone: _digest(group.upstreams) for group in resolution.groups},
            {zone.key: _digest(zone) for zone in resolution.local.zones},
        )

    def to_json(self) -> dict[str, dict[str, str]]:
        """Return them as JSON values."""
        return {"upstreams": _by_text(self.upstreams), "local": _by_text(self.local)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return those that `to_json` told; raises ValueError, TypeError, KeyError or AttributeError for others."""
        upstreams, local = (
            {bytes.fromhex(key): str(digest) for key, digest in values[name].items()} for name in ("upstreams", "local")
        )
        if b"" not in upstreams:
            raise ValueError("the upstreams for all names are missing")
        return cls(upstreams, local)

    def changed(self, now: Self) -> Callable[[bytes], bool]:
        """Return whether, given a name's key, others are asked for it now, or local data is another above or below."""
        was, is_ = ZoneOrigins(self.upstreams), ZoneOrigins(now.upstreams)
        local = {key for key in {*self.local, *now.local} if self.local.get(key) != now.local.get(key)}
        return lambda key: was.of(key) != is_.of(key) or any(key[:end] in local for end in (0, *label_ends(key)))


class ZoneOrigins:
    """The digest of the longest zone that a name is at or under."""

    def __init__(self, digests: Mapping[bytes, str]) -> None:
        self._digests = tuple(digests.values())
        self._table = ZoneTable(tuple(digests))

    def of(self, key: bytes) -> str:
        """Return that for a name, given its key."""
        return self._digests[self._table.find(key)]


def _digest(known: object) -> str:
    """Return a digest of what is written alike if it is equal; if it is not, what is cached is asked for once more."""
    return hashlib.sha256(repr(known).encode()).hexdigest()[: 2 * _SIZE]


def _by_text(digests: Mapping[bytes, str]) -> dict[str, str]:
    return {key.hex(): digest for key, digest in digests.items()}

"""What the native engine needs from Python: the pipeline's cache that feeds its own."""

from __future__ import annotations

from blockd.metrics import Row
from blockd.resolver.cache import Cache, Cached, CacheKey
from blockd.resolver.engine._cache import NativeCache
from blockd.resolver.options import CacheOptions
from blockd.resolver.response import Response

PIPELINE_SHARE = 16  # the pipeline's own cache, used for unusual questions only, has this part of the size


class FeedingCache(Cache):
    """The pipeline's cache; responses put into it are put into the engine's as well."""

    def __init__(self, native: NativeCache, options: CacheOptions, row: Row) -> None:
        super().__init__(
            options.size // PIPELINE_SHARE, options.max_ttl, options.max_negative_ttl, row,
            stale=options.stale, prefetch=options.prefetch,
        )  # fmt: skip
        self._native = native

    def put(self, key: CacheKey, response: Response, now: float) -> Cached:
        """Keep a response in both."""
        name, qtype, do, cd = key
        self._native.put(name, qtype, do, cd, response, now)
        return super().put(key, response, now)

    def get_stale(self, key: CacheKey, now: float) -> Cached | None:
        """Return the entry that has expired and may still be given: the engine's, which sees every answer."""
        return self._native.get_stale(key, now)

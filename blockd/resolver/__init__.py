"""The query pipeline: engine, cache, forwarding, and checks of upstreams' responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockd.lazy import attributes_of

if TYPE_CHECKING:
    from blockd.resolver.answers import Sinkhole
    from blockd.resolver.cache import Cache
    from blockd.resolver.caching.inspection import CacheInspector
    from blockd.resolver.clients import Clients
    from blockd.resolver.engine.choice import AnyEngine, engine_name
    from blockd.resolver.engine.twin import Deferred, Engine
    from blockd.resolver.forwarding.native.pending_questions import PendingQuestion
    from blockd.resolver.options import CACHE_SEED, CacheOptions, Instruments, NotifyHandler, Service, UpstreamOptions
    from blockd.resolver.pipeline import Pipeline
    from blockd.resolver.query_context import Outcome, QueryContext
    from blockd.resolver.resolver import Pending, Resolver
    from blockd.resolver.selftest_key import SelfTestIdentity, SelfTestKey
else:
    __getattr__ = attributes_of(
        __name__,
        {
            "AnyEngine": "blockd.resolver.engine.choice",
            "CACHE_SEED": "blockd.resolver.options",
            "Cache": "blockd.resolver.cache",
            "CacheInspector": "blockd.resolver.caching.inspection",
            "CacheOptions": "blockd.resolver.options",
            "Clients": "blockd.resolver.clients",
            "Deferred": "blockd.resolver.engine.twin",
            "Engine": "blockd.resolver.engine.twin",
            "Instruments": "blockd.resolver.options",
            "NotifyHandler": "blockd.resolver.options",
            "Outcome": "blockd.resolver.query_context",
            "Pending": "blockd.resolver.resolver",
            "PendingQuestion": "blockd.resolver.forwarding.native.pending_questions",
            "Pipeline": "blockd.resolver.pipeline",
            "QueryContext": "blockd.resolver.query_context",
            "Resolver": "blockd.resolver.resolver",
            "SelfTestIdentity": "blockd.resolver.selftest_key",
            "SelfTestKey": "blockd.resolver.selftest_key",
            "Service": "blockd.resolver.options",
            "Sinkhole": "blockd.resolver.answers",
            "UpstreamOptions": "blockd.resolver.options",
            "engine_name": "blockd.resolver.engine.choice",
        },
    )


__all__ = [
    "CACHE_SEED",
    "AnyEngine",
    "Cache",
    "CacheInspector",
    "CacheOptions",
    "Clients",
    "Deferred",
    "Engine",
    "Instruments",
    "NotifyHandler",
    "Outcome",
    "Pending",
    "PendingQuestion",
    "Pipeline",
    "QueryContext",
    "Resolver",
    "SelfTestIdentity",
    "SelfTestKey",
    "Service",
    "Sinkhole",
    "UpstreamOptions",
    "engine_name",
]

"""The query pipeline: engine, cache, forwarding, and checks of upstreams' responses."""

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

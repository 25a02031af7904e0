"""The query pipeline: engine, cache, forwarding, checks of what upstreams say."""

from blockd.resolver.answers import Sinkhole
from blockd.resolver.cache import Cache
from blockd.resolver.clients import Clients
from blockd.resolver.engine import Declined, Engine
from blockd.resolver.engines import AnyEngine, engine_name
from blockd.resolver.exchange import Exchange, Outcome
from blockd.resolver.forwarder import Forwarder
from blockd.resolver.pipeline import Pipeline
from blockd.resolver.probe import Probe, Probed
from blockd.resolver.resolver import CacheLimits, Resolver

__all__ = [
    "AnyEngine",
    "Cache",
    "CacheLimits",
    "Clients",
    "Declined",
    "Engine",
    "Exchange",
    "Forwarder",
    "Outcome",
    "Pipeline",
    "Probe",
    "Probed",
    "Resolver",
    "Sinkhole",
    "engine_name",
]

"""The query pipeline: engine, cache, forwarding, checks of what upstreams say."""

from blockd.resolver.answers import Sinkhole
from blockd.resolver.cache import Cache
from blockd.resolver.clients import Clients
from blockd.resolver.engine import Declined, Engine
from blockd.resolver.forwarder import Forwarder
from blockd.resolver.pipeline import Exchange, Outcome, Pipeline

__all__ = [
    "Cache",
    "Clients",
    "Declined",
    "Engine",
    "Exchange",
    "Forwarder",
    "Outcome",
    "Pipeline",
    "Sinkhole",
]

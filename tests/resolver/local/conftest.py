from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from blockd.resolver.local.local_zones import LocalZones
from blockd.settings import Settings, Upstream

PUBLIC = Upstream("198.51.100.53", 53)

Make = Callable[..., LocalZones]


@pytest.fixture
def zones_of() -> Make:
    """A function that returns the local zones of a config with these keys; upstreams are public if none are given."""

    def make(*upstreams: Upstream, **config: Any) -> LocalZones:
        settings = Settings.model_validate(config, context={"folder": None})
        return LocalZones.of(settings, upstreams or (PUBLIC,))

    return make

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.place import Places
from tests.upstream import UpstreamSimulator


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Places for the pages of one test module."""
    with UpstreamSimulator() as upstream:
        upstream.plan("example.com", "A", "example.com. 60 IN A 192.0.2.1")
        places = Places(tmp_path_factory.mktemp("pages"), upstream.address)
        try:
            yield places
        finally:
            places.stop()

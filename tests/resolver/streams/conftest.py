from __future__ import annotations

import pytest

from tests.resolver.streams.certificates import Authority, Certificate
from tests.resolver.streams.happenings import LOOPS


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no machine trusts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Certificate:
    """A good certificate for `dns.example`."""
    return authority.certificate("good")


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """Each kind of event loop."""
    return str(request.param)

"""What each upstream is asked to see whether it resolves: what every resolver knows, or the zone that it is for."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass

from blockd.dns import types
from blockd.names import DomainName
from blockd.resolver.local.defaults import text_of
from blockd.resolver.resolution import Resolution
from blockd.settings import Upstream

MAX_QUESTIONS = 128  # asked at once: as many upstreams as are told apart elsewhere


@dataclass(frozen=True, slots=True)
class UpstreamQuestion:
    """An upstream, and the key of the zone that it is for, empty for all names."""

    upstream: Upstream
    zone: bytes = b""

    @property
    def section(self) -> bytes:
        """The question section: the zone's SOA, or `. NS`, which every resolver can answer."""
        kind = types.SOA if self.zone else types.NS
        return DomainName(self.zone).wire + struct.pack(">HH", kind, types.CLASS_IN)

    @property
    def about(self) -> str:
        """What is asked, in words."""
        return f"the zone {text_of(self.zone)}" if self.zone else "the root of the DNS"


def questions_of(resolution: Resolution) -> list[UpstreamQuestion]:
    """Return a question for each upstream of each group, the first MAX_QUESTIONS of them."""
    found = (UpstreamQuestion(upstream, group.zone) for group in resolution.groups for upstream in group.upstreams)
    return list(itertools.islice(found, MAX_QUESTIONS))

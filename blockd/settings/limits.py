"""The keys of what one feed may take of this machine: for all feeds, and each of them also under a feed."""

from __future__ import annotations

from typing import Annotated

from blockd.settings.section import Section, setting
from blockd.settings.values import size_within, time_within


class Limits(Section):
    """What one feed may take of this machine; a feed that takes more is refused alone."""

    fetch_time: Annotated[float, time_within("1s", "6h")] = setting("30m", "The time that one fetch of it may take.")
    read_time: Annotated[float, time_within("1s", "6h")] = setting(
        "10m", "The processor time that reading its new content may take, until it is in a ruleset."
    )
    read_memory: Annotated[int, size_within("64M", "1T")] = setting(
        "2G", "The memory that reading its new content may take."
    )
    disk: Annotated[int, size_within("1M", "100T")] = setting(
        "8G", "The room on the disk for all that is kept of it, new content included."
    )

    def overridden_by(self, own: Limits | None) -> Limits:
        """Return the section with the keys that `own`, the one under a feed, sets in the file."""
        if own is None:
            return self
        return self.model_copy(update={key: getattr(own, key) for key in own.model_fields_set})

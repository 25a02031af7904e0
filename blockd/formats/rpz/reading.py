"""A policy zone in a file, from its octets to its rules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blockd.formats.blocks import read_blocks
from blockd.formats.body import Progress, open_body
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.rules import RpzAction, RpzRules
from blockd.formats.rpz.zone import ZoneText


def read_zone(
    path: Path,
    rejects: RejectReport,
    max_size: int,
    *,
    zone: bytes | None = None,
    override: RpzAction | None = None,
    progress: Progress | None = None,
    source: str = "",
) -> RpzRules:
    """Return the rules of the policy zone in the file at `path`, and fill `rejects`; see `ZoneText` for `zone`.

    `source` names the zone in refusals; if empty, its path does. Raises FeedRefused with the reasons of `open_body`,
    `read_blocks` and `ZoneText`. A zone without a rule is read like others.
    """
    source = source or str(path)
    with open_body(path, max_size, progress, source) as pieces:
        return zone_rules(read_blocks(pieces, rejects), source, RpzRules(rejects, override), zone)


def zone_rules(blocks: Iterable[bytes], source: str, rules: RpzRules, zone: bytes | None) -> RpzRules:
    """Fill `rules` from the text of the zone that `source` names, in blocks of whole lines; raises as `read_zone`."""
    ZoneText(rules, zone).read(blocks, source)
    rules.finish()
    return rules

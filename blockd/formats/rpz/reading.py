"""A policy zone in a file, from its octets to its rules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blockd.formats.blocks import read_blocks
from blockd.formats.body import Progress, open_body
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.action import RpzAction
from blockd.formats.rpz.apex import Apex, find_apex
from blockd.formats.rpz.rules import RpzRules
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
    """Return the rules of the policy zone in the file at `path`, and fill `rejects`.

    `zone` is the zone's name as a key, None if it is the owner of its SOA record. `source` names the zone in refusals;
    if empty, its path does. Raises FeedRefused with the reasons of `open_body`, `read_blocks` and `ZoneText`. A zone
    without a rule is read like others.
    """
    source = source or str(path)
    apex = apex_of(path, zone, max_size, source)
    with open_body(path, max_size, progress, source) as pieces:
        return zone_rules(read_blocks(pieces, rejects), source, RpzRules(rejects, override), apex)


def apex_of(path: Path, zone: bytes | None, max_size: int, source: str) -> Apex | None:
    """Return the apex of the zone in a file; `zone` is its name if that is known. Raises as `read_zone`.

    None has the meaning that `find_apex` gives it.
    """
    if zone is not None:
        return Apex(zone, zone)
    with open_body(path, max_size, source=source) as pieces:
        return find_apex(read_blocks(pieces), source)


def zone_rules(blocks: Iterable[bytes], source: str, rules: RpzRules, apex: Apex | None) -> RpzRules:
    """Fill `rules` from the text of the zone that `source` names, in blocks of whole lines; raises as `read_zone`.

    `apex` is None if the SOA record comes first, or if there is none.
    """
    text = ZoneText(rules, apex.zone, apex.origin) if apex else ZoneText(rules)
    text.read(blocks, source)
    rules.finish()
    return rules

"""A policy zone in a file, from its octets to its rules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from blockd.formats.blocks import read_blocks
from blockd.formats.body import Progress, open_body
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.rules import RpzAction, RpzRules
from blockd.formats.rpz.zone import ZoneText
from blockd.formats.text_format import refuse_nameless


def read_zone(
    path: Path,
    rejects: RejectReport,
    max_size: int,
    *,
    zone: bytes | None = None,
    override: RpzAction | None = None,
    progress: Progress | None = None,
) -> RpzRules:
    """Return the rules of the policy zone in the file at `path`, and fill `rejects`; see `ZoneText` for `zone`.

    Raises FeedRefused with the reasons of `open_body`, `read_blocks` and `ZoneText`, and `empty` if it has no rule.
    """
    with open_body(path, max_size, progress) as pieces:
        return zone_rules(read_blocks(pieces, str(path)), path, RpzRules(rejects, override), zone)


def zone_rules(blocks: Iterable[bytes], path: Path, rules: RpzRules, zone: bytes | None) -> RpzRules:
    """Fill `rules` from a zone's text, which comes in blocks of whole lines from `path`; raises as `read_zone` does."""
    ZoneText(rules, zone).read(blocks, str(path))
    rules.finish()
    refuse_nameless(path, rules.rejects)
    return rules

"""What else there is to say about a name: the line of each feed that lists it, and since when it is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from blockd.errors import BadName
from blockd.feeds.kinds import kind_of
from blockd.names import key_from_text
from blockd.ruleset import Versions
from blockd.ruleset.versions.listing_history import Mention, listed_in
from blockd.settings import Feed
from blockd.times import time_text


def trace(
    told: Mapping[str, object], name: str, feeds: Sequence[Feed], state_dir: Path, *, lines: bool = True
) -> dict[str, object]:
    """Give what `explain` has told of the name asked for, and more.

    That is each claim's `line`, and `listed`, the first and last version. A claim of a text list has the first line
    that names its entry, and one of a signed order whose names are a list in files has the line of that; any other,
    also of a list that no longer names it, has None. Blocks while it reads the lists, tenths of a second for the
    largest; without `lines` it reads none, and every claim has None.
    """
    claims = told.get("claims")
    if not isinstance(claims, list):
        return dict(told)
    lists = {feed.name: feed for feed in feeds if lines}
    lined = [{**claim, "line": _line(claim, lists, state_dir)} for claim in claims]
    return {**told, "claims": lined, "listed": _listed(state_dir, name)}


def _line(claim: Mapping[str, object], lists: Mapping[str, Feed], state_dir: Path) -> dict[str, object] | None:
    feed = lists.get(str(claim["feed"]))
    if feed is None:
        return None
    try:
        key = key_from_text(str(claim["entry"]))
    except BadName:  # no host name: a text list has none of those
        return None
    line = kind_of(feed).line_of(feed, claim, state_dir / "feeds" / feed.name, key)
    return {"number": line.number, "text": line.text} if line else None


def _listed(state_dir: Path, name: str) -> dict[str, object]:
    listed = listed_in(Versions(state_dir / "rulesets"), key_from_text(name))
    return {
        "versions_kept": listed.kept,
        "first": _mention(listed.first),
        "last": _mention(listed.last),
        "since_before": listed.since_before,
        "until_now": listed.until_now,
    }


def _mention(mention: Mention | None) -> dict[str, object] | None:
    return {"version": mention.version, "compiled": time_text(mention.created)} if mention else None

"""What else there is to say about a name: the line of each feed that lists it, and since when it is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from blockd.errors import BadName, FeedRefused
from blockd.feeds.bundle import read_bundle
from blockd.feeds.fetched import ACCEPTED
from blockd.feeds.find import Line, find_in_names, find_line
from blockd.feeds.name_lists import LISTS, text_path
from blockd.names import key_from_text
from blockd.orders.document import time_text
from blockd.ruleset import Versions
from blockd.ruleset.history import Mention, listed_in
from blockd.settings import AdblockFeed, AnyFeed, DomainsFeed, HostsFeed, SignedFeed

MAX_BUNDLE = 32 << 20  # octets of a bundle that is read for the line of a name: more takes longer than anybody waits

LinedFeed = DomainsFeed | HostsFeed | AdblockFeed | SignedFeed
"""Those whose entries each stand on a line of a text, or may do so."""


def with_provenance(
    told: Mapping[str, object], name: str, feeds: Sequence[AnyFeed], state_dir: Path, *, lines: bool = True
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
    lists = {feed.name: feed for feed in feeds if lines and isinstance(feed, LinedFeed)}
    lined = [{**claim, "line": _line(claim, lists, state_dir)} for claim in claims]
    return {**told, "claims": lined, "listed": _listed(state_dir, name)}


def _line(claim: Mapping[str, object], lists: Mapping[str, LinedFeed], state_dir: Path) -> dict[str, object] | None:
    feed = lists.get(str(claim["feed"]))
    if feed is None:
        return None
    try:
        key = key_from_text(str(claim["entry"]))
    except BadName:  # no host name: a text list has none of those
        return None
    folder = state_dir / "feeds" / feed.name
    if isinstance(feed, SignedFeed):
        line = _signed_line(claim, folder, key)
    else:
        line = find_line(feed.type, folder / ACCEPTED, key, feed.max_size)
    return {"number": line.number, "text": line.text} if line else None


def _signed_line(claim: Mapping[str, object], folder: Path, key: bytes) -> Line | None:
    """Find the line in the list of the claim's order; None where the order has its names in its document."""
    order, bundle = claim.get("order"), folder / ACCEPTED
    try:
        if not isinstance(order, Mapping) or not (folder / LISTS).is_dir() or bundle.stat().st_size > MAX_BUNDLE:
            return None
        documents = read_bundle(bundle).documents
    except (FeedRefused, OSError):
        return None
    lists = [each.names for each in documents if each.names is not None and each.order.id == order.get("id")]
    return find_in_names(text_path(folder, lists[0].last), key) if lists else None


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

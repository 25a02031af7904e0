"""Since when a name is listed, according to the rulesets kept on disk."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.errors import RulesetError
from blockd.names import is_client_key, is_network_key, network_from_key
from blockd.ruleset.mapped import Ruleset
from blockd.ruleset.policy import Enforced, at_time
from blockd.ruleset.versions.kept import Versions


@dataclass(frozen=True, slots=True)
class Mention:
    """One version, and when it was made, in seconds since the epoch."""

    version: int
    created: int


@dataclass(frozen=True, slots=True)
class ListingHistory:
    """The kept versions in which a name is listed."""

    kept: int  # versions that could be read
    first: Mention | None = None
    last: Mention | None = None
    since_before: bool = False  # the first is the oldest kept: it may have been listed earlier
    until_now: bool = False  # the version in force lists it, which need not be the newest


def listed_in(
    versions: Versions, key: bytes, in_force: int | None = None, like: Ruleset | None = None
) -> ListingHistory:
    """Look up a name or a network, by its key, in every kept version, the oldest first.

    `in_force` is the version in force, which is an older one after a rollback; the newest if it is None or cannot be
    read. Versions that cannot be read are skipped. Orders that `like` has too are not parsed again: ten thousand of
    them in each of thirty versions would take half a minute.
    """
    kept: list[Mention] = []
    mentions: list[Mention] = []
    for version in versions.all():
        try:
            ruleset = Ruleset.open(versions.ruleset(version), verify=False, like=like)
        except RulesetError:
            continue
        try:
            mention = Mention(version, ruleset.header.created)
            if _covering(at_time(version, ruleset, mention.created), key):
                mentions.append(mention)
            kept.append(mention)
        except RulesetError:
            continue
        finally:
            ruleset.close()
    if not mentions:
        return ListingHistory(len(kept))
    first, last = mentions[0], mentions[-1]
    now = next((mention for mention in kept if mention.version == in_force), kept[-1])
    return ListingHistory(len(kept), first, last, first == kept[0], now in mentions)


def _covering(enforced: Enforced, key: bytes) -> bool:
    """Return whether an entry covers a name, or a whole network."""
    if not is_network_key(key):
        return bool(enforced.covering(key))
    network = network_from_key(key)
    covering = enforced.client_covering if is_client_key(key) else enforced.address_covering
    return bool(covering(network.packed, network.prefix_length))

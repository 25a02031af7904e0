"""The names of a ruleset's records that are below some others: what the table cannot tell, since it is hashed."""

from __future__ import annotations

from blockd.errors import RulesetError
from blockd.names import MAX_LABEL
from blockd.names.suffixes import ancestors
from blockd.native import is_native
from blockd.ruleset.format import ENTRY, ENTRY_SIZE, HOLE


def names_under(records: memoryview, tops: frozenset[bytes], most: int) -> list[bytes] | None:
    """Return the keys in a section of records that are strictly below one of `tops`; None if they are over `most`.

    All records are read once. Raises RulesetError if one lies outside of the section.
    """
    if is_native("blockd.ruleset.building._under"):
        from blockd.ruleset.building import _under

        return _under.names_under(records, tops, most)
    return names_under_slowly(records, tops, most)


def names_under_slowly(records: memoryview, tops: frozenset[bytes], most: int) -> list[bytes] | None:
    """Return the same, in Python."""
    found: list[bytes] = []
    at = 0
    while at < len(records):
        if at + ENTRY_SIZE > len(records):
            raise RulesetError("an entry lies outside of its section")
        place, length = ENTRY.unpack_from(records, at)
        start, at = at + ENTRY_SIZE, at + ENTRY_SIZE + length
        if not length or at > len(records):
            raise RulesetError("an entry lies outside of its section")
        key = bytes(records[start:at])
        if place != HOLE and key[0] <= MAX_LABEL and not tops.isdisjoint(ancestors(key)):
            found.append(key)
            if len(found) > most:
                return None
    return found

"""Confidential orders: keyed hashes replace the names, which are written nowhere.

The hash hides a name from readers of the list, but not from those who guess it: the salt is in the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from blockd.names import name_digest
from blockd.orders import Entry, Scope
from blockd.orders.coverage import parse_coverage

SALT_SIZE = 16  # octets, drawn at random for each order


def has_plain_names(raw: Mapping[str, object]) -> bool:
    """Return whether a document is confidential and still has its names in plain text."""
    return raw.get("confidential") is True and "names" in raw and "hashed" not in raw and "list" not in raw


def unfit(entries: list[tuple[int, Entry]], scope: Scope) -> Iterator[str]:
    """Return why entries, each with its place, cannot be in a confidential order; no name is repeated."""
    for number, entry in entries:
        if entry.key[0] >= 0x40:  # no label is that long: a network
            yield f"names[{number}]: a network cannot be kept confidential; only names can"
        elif entry.scope is not scope:
            yield f"names[{number}].scope: in a confidential order all names have the order's own scope"


def hashed(entries: list[Entry], salt: bytes) -> dict[str, object]:
    """Return the value of `hashed` for entries; the hashes are sorted, so that their order reveals nothing."""
    return {"salt": salt.hex(), "names": sorted(name_digest(entry.key, salt).hex() for entry in entries)}


def problem_without_name(problem: str) -> str:
    """Return a problem without the text of the name that it is about, if any."""
    if not problem.startswith("names["):
        return problem
    place, _, what = problem.partition(": ")
    return f"{place}: cannot be an entry: {what.rpartition('cannot be an entry: ')[2]}"


def plain_entries(raw: Mapping[str, object]) -> list[tuple[int, Entry]]:
    """Return the entries of `names` that can be parsed, each with its place in the list."""
    names = raw.get("names")
    found: list[tuple[int, Entry]] = []
    for number, item in enumerate(names if isinstance(names, list) else ()):
        problems: list[str] = []
        read = parse_coverage({"names": [item], "scope": raw.get("scope", "both")}, problems)
        if read.entries and not problems:
            found.append((number, read.entries[0]))
    return found

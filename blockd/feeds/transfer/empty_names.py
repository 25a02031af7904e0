"""What the changes of a zone do to its empty names (`blockd.formats.rpz.empty_names`).

A name is empty if a wildcard is directly above it, if it is not listed, and if a name below it is. What is below a name
is not known to the table of a ruleset: if it matters, all records are read once.
"""

from __future__ import annotations

from collections.abc import Iterable

from blockd.names.suffixes import ancestors, parent
from blockd.orders import Scope
from blockd.ruleset.building.amender import Amender

MAX_TOPS = 20_000  # names whose descendants are looked for; from there on compiling anew is as fast
MAX_UNDER = 100_000  # names found below them

Scopes = dict[int, int]
"""The scope of each order of the zone that lists a name."""


class EmptyNameChanges:
    """Collects the names that were changed in `amender`; `own` has all orders of the zone."""

    def __init__(self, amender: Amender, own: frozenset[int]) -> None:
        self._amender, self._own = amender, own
        self._came: set[bytes] = set()
        self._gone: set[bytes] = set()
        self._wild: set[bytes] = set()  # names whose wildcard has come, gone or changed
        self._wildcards: dict[bytes, int | None] = {}

    def note(self, key: bytes, before: Scopes, after: Scopes) -> None:
        """Note that the scopes of a name were changed."""
        if bool(before) != bool(after):
            (self._came if after else self._gone).add(key)
        if _below(before) != _below(after):
            self._wild.add(key)

    def amend(self) -> bool:
        """Amend the empty names after all changes; False if that is more than is worth it."""
        candidates = {key for key in self._came | self._gone if self._wildcard(parent(key)) is not None}
        for key in self._came | self._gone:
            candidates.update(above for above in ancestors(key) if self._wildcard(parent(above)) is not None)
        removed = {above for key in self._gone for above in (*ancestors(key), key)}
        tops = self._wild | (candidates & removed)
        if len(tops) > MAX_TOPS:
            return False
        found = self._amender.under(frozenset(tops), MAX_UNDER) if tops else []
        if found is None:
            return False
        nonempty = {above for key in self._came for above in ancestors(key)}
        for key in found:
            above = list(ancestors(key))
            candidates.update(child for child in (*above, key) if parent(child) in self._wild)
            if self._listed(self._amender.scopes(key)):
                nonempty.update(above)
        self._settle(candidates, nonempty)
        return True

    def _settle(self, candidates: Iterable[bytes], nonempty: set[bytes]) -> None:
        """Make the candidates empty names or not; `nonempty` has those of them with a listed name below."""
        for key in sorted(candidates):
            scopes = self._amender.scopes(key)
            by = {index for index, scope in scopes.items() if not scope and index in self._own}
            wildcard = self._wildcard(parent(key))
            if self._listed(scopes) or key not in nonempty:
                wildcard = None
            if by != ({wildcard} - {None}):
                self._amender.set_empty(key, wildcard, self._own)

    def _listed(self, scopes: Scopes) -> bool:
        return any(scope and index in self._own for index, scope in scopes.items())

    def _wildcard(self, key: bytes) -> int | None:
        """Return the order of the zone's wildcard below a name; None if there is none."""
        if key not in self._wildcards:
            scopes = self._amender.scopes(key) if key else {}
            self._wildcards[key] = _below({index: scope for index, scope in scopes.items() if index in self._own})
        return self._wildcards[key]


def _below(scopes: Scopes) -> int | None:
    return next((index for index, scope in scopes.items() if scope & Scope.SUBDOMAINS), None)

"""Printing which contradictions between authorities came and went from one ruleset to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blockd.ruleset import Ruleset
from blockd.ruleset.versions.contradictions import contradictions


def contradiction_changes(old: Ruleset, new: Ruleset) -> dict[str, object]:
    """Return the contradictions of one side only, as JSON values, and whether all of both were found."""
    before, after = contradictions(old), contradictions(new)
    known = {one.key for one in before.listed}, {one.key for one in after.listed}
    return {
        "came": [one.to_json() for one in after.listed if one.key not in known[0]],
        "went": [one.to_json() for one in before.listed if one.key not in known[1]],
        "is_whole": all(found.is_whole and len(found.listed) == found.count for found in (before, after)),
    }


def contradiction_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the result of `contradiction_changes` as lines for people."""
    found = told["contradictions"]
    for kind, text in (("came", "contradiction"), ("went", "no longer a contradiction")):
        for one in found[kind]:
            yield f"{text}: {one['sentence']}"
    if not found["is_whole"]:
        yield "there are more contradictions than are listed"

"""Printing which contradictions between authorities came and went from one ruleset to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def contradiction_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield the result of `contradiction_changes` as lines for people."""
    found = told["contradictions"]
    for kind, text in (("came", "contradiction"), ("went", "no longer a contradiction")):
        for one in found[kind]:
            yield f"{text}: {one['sentence']}"
    if not found["is_whole"]:
        yield "there are more contradictions than are listed"

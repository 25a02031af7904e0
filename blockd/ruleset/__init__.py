"""Compiling lists to the ruleset file, reading the mapped file, the policy, the gate, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockd.lazy import attributes_of

if TYPE_CHECKING:
    from blockd.ruleset.building.compiler import FeedInput, Listing, Progress, compile_ruleset
    from blockd.ruleset.catalogue import Catalogue, FeedRecord, OrderRecord
    from blockd.ruleset.gate.gate import Gate
    from blockd.ruleset.mapped import Claim, Ruleset
    from blockd.ruleset.policy import NOT_LISTED, Enforced
    from blockd.ruleset.states import OrderStates, StatesMemory, next_flip
    from blockd.ruleset.versions.kept import Versions
else:
    __getattr__ = attributes_of(
        __name__,
        {
            "Catalogue": "blockd.ruleset.catalogue",
            "Claim": "blockd.ruleset.mapped",
            "Enforced": "blockd.ruleset.policy",
            "FeedInput": "blockd.ruleset.building.compiler",
            "FeedRecord": "blockd.ruleset.catalogue",
            "Gate": "blockd.ruleset.gate.gate",
            "Listing": "blockd.ruleset.building.compiler",
            "NOT_LISTED": "blockd.ruleset.policy",
            "OrderRecord": "blockd.ruleset.catalogue",
            "OrderStates": "blockd.ruleset.states",
            "Progress": "blockd.ruleset.building.compiler",
            "Ruleset": "blockd.ruleset.mapped",
            "StatesMemory": "blockd.ruleset.states",
            "Versions": "blockd.ruleset.versions.kept",
            "compile_ruleset": "blockd.ruleset.building.compiler",
            "next_flip": "blockd.ruleset.states",
        },
    )


__all__ = [
    "NOT_LISTED",
    "Catalogue",
    "Claim",
    "Enforced",
    "FeedInput",
    "FeedRecord",
    "Gate",
    "Listing",
    "OrderRecord",
    "OrderStates",
    "Progress",
    "Ruleset",
    "StatesMemory",
    "Versions",
    "compile_ruleset",
    "next_flip",
]

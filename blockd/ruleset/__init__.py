"""Compiling lists to the ruleset file, reading the mapped file, the policy, the gate, versions."""

from blockd.ruleset.building.compiler import FeedInput, Listing, Progress, compile_ruleset
from blockd.ruleset.catalogue import Catalogue, FeedRecord, OrderRecord
from blockd.ruleset.gate.gate import Gate
from blockd.ruleset.mapped import Claim, Ruleset
from blockd.ruleset.policy import NOT_LISTED, Enforced
from blockd.ruleset.states import OrderStates, StatesMemory, next_flip
from blockd.ruleset.versions.kept import Versions

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

"""Orders, entries, verdicts and the lifecycle of an order. Pure: the time is an argument."""

from blockd.orders.document import OrderDocument, parse_document
from blockd.orders.entry import Entry, Scope
from blockd.orders.fields import SCHEMA_MAJOR
from blockd.orders.key import OrderKey, OrderNames
from blockd.orders.lifecycle import NEVER, State, begin_of, end_of, next_change, state_at
from blockd.orders.name_list import ListStep, NameList
from blockd.orders.order import Action, LocalRecord, Mandate, Notice, Order
from blockd.orders.verdict import NO_TIER, Reason, Verdict

__all__ = [
    "NEVER",
    "NO_TIER",
    "SCHEMA_MAJOR",
    "Action",
    "Entry",
    "ListStep",
    "LocalRecord",
    "Mandate",
    "NameList",
    "Notice",
    "Order",
    "OrderDocument",
    "OrderKey",
    "OrderNames",
    "Reason",
    "Scope",
    "State",
    "Verdict",
    "begin_of",
    "end_of",
    "next_change",
    "parse_document",
    "state_at",
]

"""The shapes of answers: the keys of each JSON object, which are part of the API.

Those of figures are the dataclasses of `blockd.web.figures`. What is described as `object` is for people, or
described by a document of its own, and may be any JSON value.
"""

from blockd.web.api.shapes.cached import CacheAnswer, FlushAnswer
from blockd.web.api.shapes.changed import (
    AcceptAnswer,
    HeldAnswer,
    HintAnswer,
    OverrideAnswer,
    RefreshAnswer,
    ReloadAnswer,
    ReloadsToldAnswer,
    RollbackAnswer,
    StatementAnswer,
    UpgradeAnswer,
    UpgradesAnswer,
)
from blockd.web.api.shapes.kept import (
    AcceptPreviewAnswer,
    DiffAnswer,
    EndingAnswer,
    OrderPageAnswer,
    OrdersAnswer,
    OverridesAnswer,
    VersionAnswer,
    VersionsAnswer,
    WaitingAnswer,
)
from blockd.web.api.shapes.looked_up import LookupAnswer
from blockd.web.api.shapes.problems import Holds, Problem, SignedOutAnswer, WhoAmIAnswer
from blockd.web.api.shapes.status import FeedsAnswer, StatusAnswer, TrafficAnswer

__all__ = [
    "AcceptAnswer",
    "AcceptPreviewAnswer",
    "CacheAnswer",
    "DiffAnswer",
    "EndingAnswer",
    "FeedsAnswer",
    "FlushAnswer",
    "HeldAnswer",
    "HintAnswer",
    "Holds",
    "LookupAnswer",
    "OrderPageAnswer",
    "OrdersAnswer",
    "OverrideAnswer",
    "OverridesAnswer",
    "Problem",
    "RefreshAnswer",
    "ReloadAnswer",
    "ReloadsToldAnswer",
    "RollbackAnswer",
    "SignedOutAnswer",
    "StatementAnswer",
    "StatusAnswer",
    "TrafficAnswer",
    "UpgradeAnswer",
    "UpgradesAnswer",
    "VersionAnswer",
    "VersionsAnswer",
    "WaitingAnswer",
    "WhoAmIAnswer",
]

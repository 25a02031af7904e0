"""The dashboard for Grafana as it is shipped: its panels, and their queries as Grafana would send them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.places import ROOT

DASHBOARD = ROOT / "config" / "grafana" / "blockd.json"
# What Grafana puts for its own variables: of the time shown, of which the rate needs some scrapes, and for all nodes.
VARIABLES = {"$__rate_interval": "5s", "$__range": "60s", "$instance": ".+"}


@dataclass(frozen=True)
class Query:
    """One query of a panel, or of the annotations."""

    panel: str
    expression: str
    is_over_time: bool

    def __str__(self) -> str:
        return f"{self.panel}: {self.expression}"


def read() -> dict[str, Any]:
    """Return the dashboard."""
    return dict(json.loads(DASHBOARD.read_text(encoding="utf-8")))


def panels() -> list[dict[str, Any]]:
    """Return its panels, without the rows that they lie in."""
    return [panel for panel in read()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Query]:
    """Yield every query of a panel, with what Grafana puts for its variables."""
    for panel in panels():
        for target in panel["targets"]:
            yield Query(panel["title"], filled(target["expr"]), not target.get("instant", False))


def filled(expression: str) -> str:
    """Return a query with values for its variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def metrics(expression: str) -> set[str]:
    """Return the metrics of blockd that a query names, recorded ones with their whole names."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"(?<![\w:])(?:\w+:)?blockd_\w+(?::\w+)?", plain))

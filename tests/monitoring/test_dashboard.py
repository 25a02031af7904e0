"""The dashboard is one that Grafana can show: where its panels lie, what they ask, and what they say of themselves."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
import yaml

from tests.monitoring import dashboard
from tests.monitoring.prometheus import ALERTS, RECORDING
from tests.places import ROOT

COLUMNS = 24  # of Grafana's grid
KINDS = {"bargauge", "row", "stat", "table", "timeseries"}  # those that come with every Grafana
RESERVED = re.compile(r"\$(?!__rate_interval\b|__range\b|instance\b)|\$\{")  # no variable but these


def recorded() -> dict[str, str]:
    groups = yaml.safe_load(RECORDING.read_text(encoding="utf-8"))["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


def documented() -> set[str]:
    text = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    names = set(re.findall(r"^\| `(blockd_\w+)", text, re.MULTILINE))
    return names | {f"{name}_bucket" for name in re.findall(r"^\| `(blockd_\w+)[^|]*\| histogram", text, re.MULTILINE)}


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    return set(itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])))


def test_panels_have_their_own_numbers_titles_and_places() -> None:
    every = dashboard.read()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    assert len({panel["title"] for panel in every}) == len(every)
    assert {panel["type"] for panel in every} <= KINDS
    for one, other in itertools.combinations(every, 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    assert all(column < COLUMNS for panel in every for column, _ in cells(panel))


def test_every_panel_has_queries_with_a_legend_and_a_unit() -> None:
    for panel in dashboard.panels():
        assert panel["targets"], panel["title"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters)), panel["title"]
        for target in panel["targets"]:
            assert target["legendFormat"], panel["title"]
            assert (
                set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                or len(panel["targets"]) > 1
                or (target["expr"].startswith("sum("))
            ), panel["title"]


def test_every_query_goes_to_the_chosen_source_about_the_chosen_nodes() -> None:
    made = dashboard.read()
    variables = {one["name"]: one["type"] for one in made["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query"}
    for panel in dashboard.panels():
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        for target in panel["targets"]:
            selectors = re.findall(r"{[^}]*}", target["expr"])
            assert selectors, target["expr"]
            assert all('instance=~"$instance"' in selector for selector in selectors), target["expr"]
            assert not RESERVED.search(target["expr"]), target["expr"]


def test_queries_and_rules_are_about_series_that_are_documented() -> None:
    rules = recorded()
    for query in dashboard.queries():
        named = dashboard.metrics(query.expression)
        assert named or "ALERTS" in query.expression, query
        assert named <= documented() | set(rules), query
    for name, expression in rules.items():
        assert dashboard.metrics(expression) <= documented(), name


def test_every_recorded_series_is_named_after_its_labels() -> None:
    for name, expression in recorded().items():
        level = name.partition(":")[0].split("_")
        grouped = [set(re.split(r",\s*", labels)) - {"le"} for labels in re.findall(r"by \(([^)]*)\)", expression)]
        assert grouped, name
        assert all(labels == set(level) for labels in grouped), name


def test_every_graph_shows_its_legend() -> None:
    for panel in dashboard.panels():
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["showLegend"], panel["title"]  # else it depends on the Grafana


@pytest.mark.parametrize(
    ("panel", "alert"),
    [
        ("Share of SERVFAIL", "BlockdServfail"),
        ("Authorities expire in", "BlockdAuthorityExpiresSoon"),
        ("Feeds expire in", "BlockdFeedExpiresSoon"),
    ],
)
def test_the_line_in_a_graph_is_the_bound_of_its_alert(panel: str, alert: str) -> None:
    [drawn] = [one for one in dashboard.panels() if one["title"] == panel]
    defaults = drawn["fieldConfig"]["defaults"]
    assert defaults["custom"]["thresholdsStyle"] == {"mode": "line"}
    assert alert in drawn["description"]
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    [rule] = [rule for group in groups for rule in group["rules"] if rule.get("alert") == alert]
    assert str(defaults["thresholds"]["steps"][-1]["value"]) in re.findall(r"[<>] ([\d.]+)", rule["expr"])


def test_what_several_nodes_have_of_the_same_feeds_is_not_added_up() -> None:
    of_lists = re.compile(r"blockd_(feed|authority|orders|ruleset)_(?!\w+_(total|bucket)\b)")
    for query in dashboard.queries():
        for function, summed in re.findall(r"\b(sum(?: by \([^)]*\))?\s*\()(\w+)", query.expression):
            assert "instance" in function or not of_lists.match(summed), query


def test_the_dashboard_has_nothing_of_the_grafana_that_it_was_made_with() -> None:
    text = dashboard.DASHBOARD.read_text(encoding="utf-8")
    made = json.loads(text)
    assert made["uid"] == "blockd"
    assert "id" not in made  # of a database
    assert not re.search(r"https?://", text)
    assert "iteration" not in made
    assert "__inputs" not in made  # only a dashboard of the public collection has these

"""docs/reference/alarms.md: every alarm, from the rules for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.docs.pages import ROOT
from tests.docs.reference.markdown import document, sentence, table

_INSTANCE = "{{ $labels.instance }}: "
_LABEL = re.compile(r"\{\{ \$labels\.(?P<label>\w+) \}\}")
_VALUE = re.compile(r"\{\{ \$value \| \w+ \}\}")


def page() -> str:
    """Return the page."""
    return document(
        "Alarms",
        "`config/alerts.yml` has these rules for Prometheus; `blockd status` shows the same alarms. "
        "Words in italics stand for the labels and the value of the alarm.",
        table(("alarm", "severity", "what happened", "in force meanwhile", "what to do"), _rows()),
    )


def _rows() -> Iterator[tuple[str, str, str, str, str]]:
    groups: list[dict[str, Any]] = yaml.safe_load((ROOT / "config" / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        told = {key: _shown(text) for key, text in rule["annotations"].items()}
        yield f"`{rule['alert']}`", rule["labels"]["severity"], told["summary"], told["in_force"], told["todo"]


def _shown(text: str) -> str:
    text = _LABEL.sub(lambda found: f"*{found['label']}*", text.removeprefix(_INSTANCE))
    return sentence(_VALUE.sub("*value*", text))

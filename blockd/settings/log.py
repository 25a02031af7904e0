"""The section about the log."""

from __future__ import annotations

from typing import Literal

from blockd.settings.section import Section, setting

Level = Literal["debug", "info", "warning", "error"]


class LogSettings(Section):
    """What is logged, and in which form."""

    level: Level = setting("info", "The lowest severity that is logged.")
    format: Literal["text", "json"] = setting(
        "text", "The form of a line: a sentence for people, or a JSON object for programs."
    )

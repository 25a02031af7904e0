"""The keys of the gate: for all feeds, and each of them also under a feed, for that feed alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from blockd.settings.paths_and_urls import ConfigPath, popular_from_value, protected_from_text, suffixes_from_value
from blockd.settings.section import Section, Whole, setting
from blockd.settings.values import Growth, Share

MAX_PROTECTED = 64  # files: each is read at a start and a reload


def _popular_mode(known: dict[str, Any]) -> Any:
    return "report" if isinstance(known.get("popular", True), bool) else "hold"


class GateSettings(Section):
    """What a new ruleset must pass before it is enforced."""

    max_shrink: Share = setting(
        "20%", "The share of the names of a feed with at least 1,000 that may be removed in one update."
    )
    min_names: Whole = setting(
        1, "The fewest names that a feed may have; 0 counts under a feed only.", ge=0, le=1_000_000_000
    )
    max_rejects: Share = setting("20%", "The share of a list's lines that may be rejected.")
    max_growth: Growth = setting("100%", "The share by which a feed of over 10,000 names may grow in one update.")
    public_suffixes: Annotated[Path | bool, PlainValidator(suffixes_from_value)] = setting(
        True,
        "The public suffix list whose names are held back: true for the one installed, false for none, or a path.",
        json_schema_extra={"default": "true"},
    )
    protected: tuple[Annotated[Path, PlainValidator(protected_from_text)], ...] = setting(
        ("shipped",), "Lists of names that no list may block; shipped is blockd's own.", max_length=MAX_PROTECTED
    )
    popular: Annotated[Path | bool, PlainValidator(popular_from_value)] = setting(
        True,
        "A list of names by popularity: true for the one that comes with blockd, false for none, or a path.",
        json_schema_extra={"default": "true"},
    )
    shared_networks: tuple[ConfigPath, ...] = setting(
        (), "Lists of networks of large shared hosts; a listed address there is held back.", max_length=MAX_PROTECTED
    )
    popular_count: Whole = setting(10_000, "How many of the popular names count.", ge=1, le=1_000_000)
    popular_mode: Literal["report", "hold"] = Field(
        default_factory=_popular_mode,
        description="Whether popular names that a list blocks are reported only, or held back.",
        json_schema_extra={"default": "hold with a path in popular, else report"},
    )
    min_prefix_ipv4: Whole = setting(
        16,
        "The shortest prefix, in bits, of an IPv4 network that a list may block.",
        ge=0,
        le=32,
    )
    min_prefix_ipv6: Whole = setting(32, "The same of an IPv6 network.", ge=0, le=128)
    release: tuple[ConfigPath, ...] = setting(
        (), "Lists of names and networks that are let through, though the gate would hold them back.",
        max_length=MAX_PROTECTED,
    )  # fmt: skip

    def overridden_by(self, own: GateSettings | None) -> GateSettings:
        """Return the section with the keys that `own`, the one under a feed, sets in the file."""
        if own is None:
            return self
        values = {key: getattr(own, key) for key in own.model_fields_set}
        return self.model_copy(update=values)

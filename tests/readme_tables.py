"""The tables of README.md that are made from the code: `make readme` writes them, a test compares them."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable, Sequence

from blockd.cli import VERBS
from blockd.feeds.reasons import REASONS
from blockd.metrics import AuthoritySample, Collector, Counters, FeedSample, HitLabels, Sample
from blockd.orders.fields import SCHEMA
from blockd.publish.lint import Rules, forgotten
from blockd.publish.schema import schema_text
from blockd.ruleset.gate.guard import Guard
from blockd.settings import reference
from tests.places import ROOT

README = ROOT / "README.md"

_FEED_KEY = re.compile(r"feeds\[(?P<type>[a-z-]+)\]\.(?P<key>.+)")


def with_tables(text: str) -> str:
    """Give the README with every table made anew, each between `<!-- name -->` and `<!-- end of name -->`."""
    for name, table in TABLES.items():
        between = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)
        made = "\n" + table() + "\n"
        text, found = between.subn(lambda _, made=made: made, text)  # type: ignore[misc]
        if found != 1:
            raise ValueError(f"README.md has {found} places for the table {name!r}; it needs one")
    return text


def verbs() -> str:
    """Every verb with its help."""
    rows = [(f"`blockd {verb}`", importlib.import_module(f"blockd.cli.{verb}").HELP) for verb in VERBS]
    return _table(("command", "what it does"), rows)


def reasons() -> str:
    """Every reason for which a feed's new content is refused."""
    return _table(("reason", "what is wrong"), [(f"`{reason}`", meaning) for reason, meaning in REASONS.items()])


def order_fields() -> str:
    """Every field of an order document, and whether readers, or publishers, do without it."""
    schema = json.loads(schema_text())
    covering = {name for one in schema["oneOf"] for name in one["required"]}
    asked = {line.partition(":")[0] for line in forgotten({"schema": SCHEMA, "mandate": "law"}, Rules(Guard()))}
    rows = []
    for name, told in schema["properties"].items():
        if name in schema["required"]:
            required = "yes"
        elif name in covering:
            required = "one of them"
        elif name in asked:
            required = "asked for"
        else:
            required = ""
        meaning = told.get("description") or schema["$defs"][name]["description"]
        rows.append((f"`{name}`", meaning, required))
    return _table(("field", "meaning", "required"), rows)


def metrics() -> str:
    """Every series of a scrape, with its labels and help."""
    sample = Sample(
        version="1",
        feeds={"feed": FeedSample(0.0, 0.0, {}, authorities={"authority": AuthoritySample(0.0)})},
        hit_slots={HitLabels("feed", "platform", "order", "action"): 1},
    )
    rows = []
    for family in Collector(Counters(1), list(REASONS), lambda: sample).collect():
        first = next(iter(family.samples))
        labels = ",".join(label for label in first.labels if label != "le")
        name = family.name + ("_total" if family.type == "counter" else "")
        shown = f"`{name}{{{labels}}}`" if labels else f"`{name}`"
        rows.append((shown, family.type, family.documentation))
    return _table(("series", "type", "meaning"), rows)


def settings() -> str:
    """Every key outside of feeds."""
    rows = [(f"`{path}`", _default(default), meaning) for path, default, meaning in reference() if "[" not in path]
    return _table(("key", "default", "meaning"), rows)


def feed_settings() -> str:
    """Every key of a feed; types that have the same key with the same default share a row."""
    types: dict[tuple[str, str, str], list[str]] = {}
    for path, default, meaning in reference():
        if found := _FEED_KEY.fullmatch(path):
            types.setdefault((found["key"], default, meaning), []).append(found["type"])
    every = max(types.values(), key=len)
    rows = [
        (f"`{key}`", "all" if of == every else ", ".join(f"`{kind}`" for kind in of), _default(default), meaning)
        for (key, default, meaning), of in types.items()
    ]
    return _table(("key", "types", "default", "meaning"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "verbs": verbs,
    "reasons": reasons,
    "order fields": order_fields,
    "metrics": metrics,
    "settings": settings,
    "feed settings": feed_settings,
}


def _default(text: str) -> str:
    """Show a value as code, and a word about it as it is."""
    return text if text in ("required", "none") or " for a " in text or " else " in text else f"`{text}`"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give a table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")

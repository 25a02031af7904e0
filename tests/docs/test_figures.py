"""Each figure that the manual shows of the sample list is that of the sample list as it is, in both languages.

What a page prints is compared by the tests of its commands, but for digests, which most often differ each time; and
lines of logs are printed by nothing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from blockd.cli.fetching import fetched
from blockd.compile.build import build
from blockd.orders import State, state_at
from blockd.ruleset import Gate, Ruleset
from blockd.settings import load
from tests.docs.pages import ROOT

NOW = 1_796_000_000  # seconds since the epoch, between the dates of the sample's orders and their ends
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
# A line of output, and what its groups are: figures of the sample, by their names in `sample`.
SHOWN = [
    (r"Enforced: version \d+, ([\d,]+) names, (\d+) of (\d+) orders in force", ("names", "in_force", "orders")),
    (r"feed ministry \(signed, version (\d+)\): ([\d,]+) names, ([0-9a-f]{12})$", ("version", "names", "short")),
    (r"feed ministry \(signed\): ([\d,]+) names,", ("names",)),
    (r"^ministry signed ([0-9a-f]{64}) (\d+)$", ("digest", "names")),
    (r"^names (\d+)$", ("names",)),
    (r"^A start would enforce ([\d,]+) names\.$", ("names",)),
    (r"^version 1 \(in force\): ([\d,]+) names, ([\d,]+) orders", ("names", "orders")),
    (r"^ruleset: version 1 of \S+, ([\d,]+) names", ("names",)),
]
FOUND = [
    pytest.param(figures, found.groups(), id=f"{page}: {found[0][:40]}")
    for page, text in PAGES.items()
    for pattern, figures in SHOWN
    for found in re.finditer(pattern, text, re.MULTILINE)
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The figures of the sample list, compiled as the shipped config says."""
    folder = tmp_path_factory.mktemp("sample")
    candidates, refused = fetched(load(ROOT / "config" / "blockd.yaml").feeds, folder)
    assert not refused
    build(candidates, folder / "compiled", gate=Gate(), in_force=None, created=NOW, randomness=os.urandom)
    ruleset = Ruleset.open(Path(folder, "compiled"))
    (feed,), orders = ruleset.catalogue.feeds, ruleset.catalogue.orders
    return {
        "names": f"{ruleset.header.names:,}",
        "orders": str(len(orders)),
        "in_force": str(sum(state_at(record.order, NOW) == State.IN_FORCE for record in orders)),
        "version": feed.version,
        "digest": feed.digest,
        "short": feed.digest[:12],
    }


@pytest.mark.parametrize(("figures", "shown"), FOUND)
def test_figure_is_that_of_the_sample(figures: tuple[str, ...], shown: tuple[str, ...], sample: dict[str, str]) -> None:
    assert shown == tuple(sample[figure] for figure in figures)


def test_figures_are_found() -> None:
    for pattern, _ in SHOWN:
        assert any(re.search(pattern, text, re.MULTILINE) for text in PAGES.values()), pattern


def test_lines_of_logs_have_the_sample_and_one_list_of_the_operators_own(sample: dict[str, str]) -> None:
    lines = re.findall(r"enforced by every worker: (\d+) names of (\d+) orders from 2 feeds", "\n".join(PAGES.values()))
    assert lines
    for names, orders in lines:
        assert int(names) > int(sample["names"])
        assert int(orders) == int(sample["orders"]) + 1


def test_no_other_digest_of_a_feed_is_shown() -> None:
    """A digest on a page is that of the sample, of a ruleset (which is random), of a file or of a key."""
    known = re.compile(r"digest|hash|key|sha256|signatures|root|keyid|statement", re.IGNORECASE)
    for page, text in PAGES.items():
        if page.startswith("docs/reference/"):
            continue
        for line in text.splitlines():
            if re.search(r"\b[0-9a-f]{12,}\b", line) and not known.search(line):
                assert any(re.search(pattern, line) for pattern, _ in SHOWN), f"{page}: {line}"

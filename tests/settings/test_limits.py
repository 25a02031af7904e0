"""The keys of what one feed may take: those of all feeds unless they are written under the feed."""

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import ConfigError
from blockd.settings import FEED_TYPES, Limits, Settings, load, reference


def loaded(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "blockd.yaml"
    path.write_text(text, "utf-8")
    return load(path)


def test_a_feed_inherits_every_limit_that_it_does_not_set(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        """
limits: {read_time: 20m, disk: 1G}
feeds:
  - {name: one, type: domains, path: list, limits: {read_time: 1h, read_memory: 4G}}
  - {name: two, type: domains, path: list}
""",
    )
    one, two = (settings.limits.overridden_by(feed.limits) for feed in settings.feeds)
    assert (one.read_time, one.read_memory, one.disk, one.fetch_time) == (3600.0, 4 << 30, 1 << 30, 1800.0)
    assert two == settings.limits


def test_every_limit_is_a_key_of_each_kind_of_feed() -> None:
    keys = {path: default for path, default, _ in reference()}
    for kind in FEED_TYPES:
        for key in Limits.model_fields:
            assert keys[f"feeds[{kind}].limits.{key}"] == f"limits.{key}"


def test_limits_change_no_ruleset() -> None:
    assert all("limits" in feed.source_keys for feed in FEED_TYPES.values())


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ("{read_time: 0s}", "limits.read_time: expected 1s to 6h, got '0s'"),
        ("{fetch_time: 7h}", "limits.fetch_time: expected 1s to 6h, got '7h'"),
        ("{read_memory: 1M}", "limits.read_memory: expected 64M to 1T, got '1M'"),
        ("{disk: 5}", "limits.disk: expected a size such as 64M, got 5"),
        ("{cpu: 1s}", "limits.cpu: "),
    ],
)
def test_limit_that_makes_no_sense_is_a_problem(tmp_path: Path, limits: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, f"limits: {limits}\nfeeds: []\n")
    assert any(one.startswith(problem) for one in error.value.problems), error.value.problems
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, f"feeds:\n  - {{name: one, type: domains, path: list, limits: {limits}}}\n")
    assert any(f"feeds[0].{problem}" in one for one in error.value.problems), error.value.problems

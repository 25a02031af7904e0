"""The keys of the gate under a feed: those of all feeds unless they are written there."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from blockd.errors import ConfigError
from blockd.settings import FEED_TYPES, GateSettings, Settings, load, reference


def loaded(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "blockd.yaml"
    path.write_text(text, "utf-8")
    return load(path)


def test_a_feed_inherits_every_key_that_it_does_not_set(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        """
gate: {max_shrink: 10%, max_growth: 50%, protected: [own.txt]}
feeds:
  - {name: one, type: domains, path: list, gate: {max_shrink: 100%, protected: [shipped, more.txt]}}
  - {name: two, type: domains, path: list}
""",
    )
    one, two = settings.feeds
    merged = settings.gate.overridden_by(one.gate)
    assert (merged.max_shrink, merged.max_growth, len(merged.protected)) == (1.0, 0.5, 2)
    assert merged.protected[1] == tmp_path / "more.txt"
    assert settings.gate.overridden_by(two.gate) == settings.gate


def test_every_key_of_the_gate_is_one_of_each_kind_of_feed() -> None:
    keys = {path: default for path, default, _ in reference()}
    for kind in FEED_TYPES:
        for key in GateSettings.model_fields:
            assert keys[f"feeds[{kind}].gate.{key}"] == f"gate.{key}"


@pytest.mark.parametrize("key", ["max_shrink: 10%", "max_growth: 10%", "max_rejects: 10%"])
def test_what_is_signed_has_no_limits_of_size(tmp_path: Path, key: str) -> None:
    feed = "{name: m, type: signed, url: 'file:lists', root: root.json, gate: {%s, popular_count: 5}}"
    with pytest.raises(ConfigError, match=r"feeds\[0\]\.gate\.max_\w+: what authorities sign has no limits of size"):
        loaded(tmp_path, f"feeds: [{feed % key}]")
    assert loaded(tmp_path, f"feeds: [{feed % 'min_names: 2'}]").feeds[0].gate is not None


def test_a_wrong_key_of_a_feeds_gate_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"feeds\[0\]\.gate\.max_shrink: expected 0% to 100%"):
        loaded(tmp_path, "feeds: [{name: a, type: hosts, path: list, gate: {max_shrink: 5}}]")


@pytest.mark.parametrize(
    ("keys", "is_kept"),
    [
        ({"path": "/l", "mandate": "operator"}, True),
        ({"path": "/l", "mandate": "client"}, True),
        ({"path": "/l", "action": "allow"}, True),
        ({"path": "/l"}, False),
        ({"path": "/l", "mandate": "law"}, False),
        ({"url": "https://x.example/", "mandate": "operator"}, False),
    ],
)
def test_a_list_is_kept_by_hand_only_if_the_config_says_so(keys: dict[str, str], is_kept: bool) -> None:
    feed = FEED_TYPES["domains"].model_validate({"name": "a", "type": "domains", **keys})
    assert feed.is_kept_by_hand is is_kept
    copy = pickle.loads(pickle.dumps(feed))  # noqa: S301 - made here
    assert copy.is_kept_by_hand is is_kept, "in the process that compiles too"

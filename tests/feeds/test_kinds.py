"""The kinds of feeds and their settings classes belong together, and the formats of lists with them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from blockd.feeds.fetched import Validators
from blockd.feeds.kinds import KINDS, kind_of
from blockd.feeds.source import FeedSource
from blockd.formats.text_formats import TEXT_FORMATS
from blockd.settings import FEED_CLASSES, FEED_TYPES, TEXT_TYPES, ZONE_TYPES, Feed, OverridesFeed

EXAMPLES: dict[str, dict[str, object]] = {
    "signed": {"url": "https://lists.example.net/", "root": "/srv/root.json"},
    "rpz": {"path": "/srv/rpz.zone"},
    "rpz-transfer": {"primary": "192.0.2.1", "zone": "rpz.example"},
    **{form.name: {"path": "/srv/list"} for form in TEXT_FORMATS},
}


def example(type_name: str) -> Feed:
    return FEED_TYPES[type_name].model_validate({"name": "a", "type": type_name, **EXAMPLES[type_name]})


def test_every_feed_that_a_config_may_name_is_of_one_kind() -> None:
    classes: list[type[Feed]] = [*FEED_CLASSES, OverridesFeed]
    for feed in classes:
        assert len([kind for kind in KINDS if issubclass(feed, kind.settings)]) == 1, feed


def test_every_text_format_is_a_type_of_feed() -> None:
    assert {form.name for form in TEXT_FORMATS} <= set(TEXT_TYPES) <= set(FEED_TYPES)
    assert set(EXAMPLES) == set(FEED_TYPES)
    assert frozenset({"rpz", "rpz-transfer"}) == ZONE_TYPES


@pytest.mark.parametrize("type_name", sorted(FEED_TYPES))
def test_every_kind_has_a_source_and_says_where_its_content_comes_from(type_name: str, tmp_path: Path) -> None:
    feed = example(type_name)
    source = kind_of(feed).source(feed, tmp_path / "feed", Validators())
    assert isinstance(source, FeedSource)
    assert (tmp_path / "feed").is_dir()
    assert source.interval == feed.poll_interval > 0
    assert feed.place


@pytest.mark.parametrize("type_name", sorted(FEED_TYPES))
def test_feed_survives_being_handed_to_another_process(type_name: str) -> None:
    feed = example(type_name)
    assert pickle.loads(pickle.dumps(feed)) == feed  # noqa: S301 - our own
    assert type(pickle.loads(pickle.dumps(feed))) is type(feed)  # noqa: S301

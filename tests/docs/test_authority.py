"""The pages for authorities are true: their commands run, and a node enforces what they publish."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.daemon.harness import Daemon, until
from tests.docs.pages import CONFIG, Page, page, pages_with_commands
from tests.docs.place import Places

LAST = page("docs/authority/keys.md")  # of the pages that go on from each other
NODE = page("docs/operator/signed-feeds.md")


@pytest.mark.parametrize("one", pages_with_commands("authority"), ids=str)
def test_commands_of_a_page_run_and_print_what_it_shows(places: Places, one: Page) -> None:
    places.check(one)


def test_published_orders_are_enforced_with_the_feed_that_the_operators_page_gives(
    places: Places, tmp_path: Path
) -> None:
    places.printed(LAST)
    made = places.of(LAST).folder.parent
    (feed,) = yaml.safe_load(NODE.named("Configure", CONFIG).text)["feeds"]
    del feed["mirrors"]  # of names that no test resolves
    feed |= {"url": (made / "orders").as_uri(), "root": str(made / "national-root.json")}
    with Daemon(tmp_path / "node", feed) as daemon:
        until(lambda: daemon.metric("blockd_ruleset_names") == 6, "every order is enforced")
        for name, order in (
            ("chat.example", "telecom-1"),
            ("roulette.example", "gambling"),
            ("secret.example", "court-1"),
        ):
            told = daemon.lookup(name)
            assert (told["order"]["id"], told["order"]["action"]) == (order, "sinkhole")
        log = daemon.log
    assert "No signature for keyid" not in log, "two of three people sign, as they should"
    assert "secret" not in log

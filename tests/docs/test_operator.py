"""The pages for operators are true: their commands run, and print what the pages show."""

from __future__ import annotations

import pytest

from tests.docs.pages import CONFIG, Page, page, pages_with_commands
from tests.docs.place import Places

LISTS = page("docs/operator/lists-and-the-gate.md")


@pytest.mark.parametrize("one", pages_with_commands("operator"), ids=str)
def test_commands_of_a_page_run_and_print_what_it_shows(places: Places, one: Page) -> None:
    places.check(one)


def test_lists_pass_with_the_config_that_the_page_gives(places: Places) -> None:
    place = places.of(LISTS)
    place.run(LISTS.commands[0].text)
    config = LISTS.named("Add it to the config", CONFIG)
    (place.folder / "config" / "own.yaml").write_text(f"state_dir: ../own\n{config.text}", encoding="utf-8")
    told = place.run("blockd check --config config/own.yaml")
    assert "feed casino is good: 5 names, 1 lines rejected" in told
    assert "A start would enforce 6 names." in told

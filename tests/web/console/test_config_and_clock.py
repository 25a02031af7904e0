"""The page of the config and the program, what is said in each language, and answers that come late or not at all."""

from __future__ import annotations

import pytest

from tests.web.console import standing, story
from tests.web.console.browser import Browser
from tests.web.console.conftest import Night, at


def test_the_config_on_disk_is_tried_before_it_is_taken_with_a_reason(page: Browser, night: Night) -> None:
    at(page, night, "config")
    page.shows("has no address", "#reload")
    assert "Take it" not in page.text("#reload"), "nothing was tried yet"
    page.press("See what would change", "#reload")
    page.shows("It would be taken; nothing was changed.", "#reload")
    page.shows("upstreams: 192.0.2.53, 198.51.100.53 in place of 192.0.2.53", "#reload")
    page.shows("workers, page", "#reload")
    page.shows("state_dir", "#reload")
    page.press("Take it", "#reload")
    page.shows("198.51.100.53 in place of", "dialog")
    page.type("dialog input", "a second upstream")
    page.press("Take it", "dialog .actions")
    page.shows("The config on disk is in force after", "#said")
    page.until("return !document.querySelector('#reload').innerText.includes('Take it')", "it is taken")
    assert night.stage.sent == [
        ("/api/v1/reload", {"dry_run": True}),
        ("/api/v1/reload", {"reason": "a second upstream"}),
    ]


def test_a_program_is_tried_before_it_replaces_the_one_that_runs(page: Browser, night: Night) -> None:
    at(page, night, "config")
    page.press("Try it", "#upgrade")
    page.press("Try it", "dialog .actions")
    page.shows("0.18.0 could take the place of 0.17.0", "#upgrade")
    page.press("Replace blockd", "#upgrade")
    page.shows("Replace version 0.17.0 by 0.18.0?", "dialog")
    page.type("dialog input", "a release")
    page.press("Replace it", "dialog .actions")
    page.shows("0.18.0 has taken the place of 0.17.0", "#upgrade")
    assert night.stage.sent[1] == ("/api/v1/upgrade", {"program": "/opt/blockd/bin/blockd", "reason": "a release"})


def test_a_config_that_cannot_be_read_now_is_said_and_may_be_tried_again(page: Browser, night: Night) -> None:
    at(page, night, "config")
    page.shows("has no address", "#reload")
    night.stage.refuse = "A reload is in progress already. Ask again when it has ended."
    page.press("See what would change", "#reload")
    page.shows("A reload is in progress already", "#said")
    page.until(
        "return [...document.querySelectorAll('#reload button')].every((one) => !one.disabled)", "it may be tried"
    )


def test_what_changed_is_said_in_indonesian_with_what_is_english_alone_below(page: Browser, night: Night) -> None:
    page.run("localStorage.setItem('blockd-language', 'id')")
    page.open("about:blank")
    at(page, night, "timeline")
    page.shows("kehilangan lebih banyak entri daripada yang diizinkan gate", ".events")
    page.shows("it removes 41% of the names.", ".events [lang=en]")


def test_a_confidential_name_is_no_link(page: Browser, night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    told = standing.resolver()
    told["failing_names"][0]["name"] = "confidential"
    monkeypatch.setattr(standing, "resolver", lambda: told)
    at(page, night, "resolver")
    page.shows("confidential", "main")
    assert (
        page.run("return [...document.querySelectorAll('main a')].some((one) => one.innerText === 'confidential')")
        is False
    )


def test_the_newest_question_is_the_one_that_is_answered(page: Browser, night: Night) -> None:
    at(page, night, "why/slot88.example")
    page.shows("is blocked", ".verdict")
    page.run("document.querySelector('.as-whom').open = true")
    night.stage.hold = "192.0.2.7"
    for client in ("192.0.2.7", "192.0.2.8"):
        page.type("#why-client", client)
        page.press("Ask", ".as-whom")
    page.shows("For the client 192.0.2.8.", "main")
    night.stage.hold = ""
    page.until("return fetch('/api/v1/held-back').then((answer) => answer.json())", "the first one is answered, too")
    assert "192.0.2.7" not in page.text("main")


def test_a_verdict_stays_while_the_rest_of_the_answer_cannot_be_had(page: Browser, night: Night) -> None:
    night.stage.failing = "lines"
    at(page, night, "why/slot88.example")
    page.shows("Shown is what lists say of the name.", ".why")
    page.shows("slot88.example is blocked", ".verdict")
    assert "Tell the caller" in page.text(".why")


def test_a_name_is_not_said_to_be_free_before_it_is_known_where_it_leads(page: Browser, night: Night) -> None:
    night.stage.failing = "lines"
    at(page, night, "why/free.example")
    page.shows("free.example is not listed itself", ".verdict")
    page.shows("Shown is what lists say of the name.", ".why")
    assert "Tell the caller" not in page.text(".why")
    night.stage.failing = ""
    page.press("Ask", "header")
    page.shows("free.example is not blocked", ".verdict")
    page.shows("Tell the caller", ".why")


def test_ages_and_ranges_are_those_of_the_server_where_this_machines_clock_is_a_day_ahead(
    page: Browser, night: Night
) -> None:
    script = "const now = Date.now; Date.now = () => now() + 86400000"
    known = page.devtools("Page.addScriptToEvaluateOnNewDocument", source=script)["identifier"]
    try:
        page.open("about:blank")
        at(page, night, "feeds")
        page.shows("in 9m 5", "#feed-addresses")
        at(page, night, "ending")
        page.shows("1h ago", ".endings")
        at(page, night, "why/slot88.example")
        page.press("Let it resolve", ".verdict")
        page.press("1 hour", "dialog")
        page.type("dialog [name=reason]", "why")
        page.press("Let it resolve", "dialog .actions")
        page.shows("resolves until", "#said")
        [(_, sent)] = night.stage.sent
        assert sent["add"]["until"] < story.at(3700)
    finally:
        page.devtools("Page.removeScriptToEvaluateOnNewDocument", identifier=known)


def test_few_feeds_need_no_box_to_find_one(page: Browser, night: Night) -> None:
    at(page, night, "feeds")
    page.shows("3,663,541")
    assert page.run("return document.querySelector('#feeds-found').checkVisibility()") is False


def test_an_alarm_leads_to_the_page_of_what_it_is_about(page: Browser, night: Night) -> None:
    night.stage.level = "alarm"
    page.open("about:blank")
    at(page, night, "now")
    page.press("Resolver", "#state .next")
    page.shows("Names that fail")
    night.stage.level = "attention"
    page.open("about:blank")
    at(page, night, "now")
    page.press("Feeds: national", "#state .next")
    page.shows("Refused content waits", "main")


def test_a_verdict_changes_by_itself_with_the_version_in_force(
    page: Browser, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(page, night, "why/slot88.example")
    page.shows("slot88.example is blocked", ".verdict")
    page.until("return document.querySelector('#live:not(.waiting)')?.textContent === 'Live'", "events are heard")
    free = story.lookup("free.example")
    monkeypatch.setattr(story, "lookup", lambda name: {**free, "name": name})
    night.tell("versions", {"version": 4712, "pinned": None})
    page.shows("slot88.example is not blocked", ".verdict")


def test_ten_thousand_orders_with_hits_and_as_many_without_are_shown_in_parts(
    page: Browser, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = standing.hits("order", "1d")
    rows = [{**told["rows"][0], "key": f"f/{number}", "label": f"f/{number}", "hits": 1} for number in range(10_000)]
    without = [f"kominfo/none-{number}" for number in range(10_000)]
    monkeypatch.setattr(standing, "hits", lambda *_: {**told, "rows": rows, "without_hit": without})
    at(page, night, "orders")
    page.press("10,000 orders without a hit", "#hits")
    page.shows("kominfo/none-499", "#hits")
    page.shows("and 9,500 more", "#hits")
    page.press("Show all 10,000", "#hits")
    page.until("return document.querySelectorAll('#hits tbody tr').length === 10000", "all are shown")

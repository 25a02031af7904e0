"""The console, used as a person would: by an operator under alarm, and by somebody with a caller on the phone."""

from __future__ import annotations

import pytest

from blockd.web.console.pages import VIEWS
from tests.web.console import story
from tests.web.console.browser import ENTER, Browser
from tests.web.console.conftest import Night, at

TITLE = "return document.title"
LIVE = "return document.querySelector('#live')?.textContent === 'Live'"
SENT_NOTHING: list[object] = []


def test_the_state_is_one_sentence_with_the_next_step_and_the_tab_says_it_too(page: Browser, night: Night) -> None:
    night.stage.level = "alarm"
    page.open("about:blank")
    at(page, night, "resolver")
    page.shows("no upstream answers: other names fail", "#state")
    page.shows("blockd doctor", "#state")
    page.until(f"{TITLE}.startsWith('✖')", "the title tells of an alarm")
    page.press("2 alarms", "#state")
    page.shows("everything else gets SERVFAIL", "#state")


def test_a_state_that_changes_is_shown_without_anybody_asking(page: Browser, night: Night) -> None:
    at(page, night, "now")
    page.shows("the feed national is refused", "#state")
    page.until(LIVE, "events are heard")
    night.stage.level = "ok"
    night.tell("overview", {})
    page.shows("every part answers", "#state")
    page.until(f"{TITLE}.startsWith('Everything')", "the title has no mark")


def test_the_chart_moves(page: Browser, night: Night) -> None:
    at(page, night, "now")
    page.until("return document.querySelector('.chart canvas')", "a chart is drawn")
    page.until(LIVE, "events are heard")
    night.tell("series", {"time": 1, "seconds": 2, "series": {**story.rates(0), "queries": 4321.0}})
    page.shows("4,321", ".tiles")
    page.press("As a table", ".chart")
    page.until("return document.querySelectorAll('.as-table tbody tr').length > 20", "the chart is a table as well")


def test_blocks_are_shown_as_they_happen_and_stay_still_while_they_are_looked_at(page: Browser, night: Night) -> None:
    at(page, night, "now")
    page.shows("slot88-gacor.example", ".blocks")
    block = {**story.blocks()["blocks"][0], "time": story.at(1), "name": "just-now.example", "count": 1}
    page.until(LIVE, "events are heard")
    night.tell("blocks", {"blocks": [block]})
    page.until(
        "return document.querySelector('.blocks li').innerText.startsWith('just-now.example')", "the newest first"
    )
    night.tell("blocks", {"blocks": [{**block, "time": story.at(2), "count": 2}]})
    page.shows("\N{MULTIPLICATION SIGN}2", ".blocks li")
    page.press("Pause", ".page-now")
    night.tell("blocks", {"blocks": [{**block, "time": story.at(3), "name": "later.example"}]})
    page.shows("1 new", ".page-now")
    assert "later.example" not in page.text(".blocks")
    page.press("Go on", ".page-now")
    page.shows("later.example", ".blocks")


def test_a_caller_is_told_why_in_both_languages(page: Browser, night: Night) -> None:
    at(page, night, "feeds")
    page.shows("kominfo")
    page.keys("/")
    page.keys("https://slot88.example/login" + ENTER)
    page.shows("is blocked", ".verdict")
    page.shows("Tell the caller")
    page.shows("We carry out the order and may not lift it", ".desk")
    page.shows("Kami melaksanakan perintah ini", ".desk")
    page.shows("line 41,883")
    page.shows("CNAME → edge.cdn.example")
    assert page.run("return decodeURIComponent(location.hash)") == "#/why/https://slot88.example/login"


def test_a_name_that_is_not_blocked_is_said_to_be_free(page: Browser, night: Night) -> None:
    at(page, night, "why/free.example")
    page.shows("free.example is not blocked", ".verdict")
    assert "Let it resolve" not in page.text("main")


def test_a_name_is_overridden_with_a_reason_and_an_end(page: Browser, night: Night) -> None:
    at(page, night, "why/slot88.example")
    page.press("Let it resolve", ".verdict")
    page.press("7 days", "dialog")
    page.type("dialog [name=reason]", "Ticket 4711: a school's own site")
    page.press("Let it resolve", "dialog .actions")
    page.shows("slot88.example resolves until", "#said")
    [(path, sent)] = night.stage.sent
    assert path == "/api/v1/override"
    assert sent["add"]["reason"] == "Ticket 4711: a school's own site"
    assert sent["add"]["name"] == "slot88.example"
    assert story.at(6.9 * story.DAY) < sent["add"]["until"] < story.at(7.1 * story.DAY)


def test_without_a_reason_nothing_is_sent(page: Browser, night: Night) -> None:
    at(page, night, "why/slot88.example")
    page.press("Let it resolve", ".verdict")
    page.press("Let it resolve", "dialog .actions")
    assert page.run("return document.querySelector('dialog input').matches(':invalid')")
    assert night.stage.sent == SENT_NOTHING


def test_a_refusal_is_said_in_the_dialog_and_what_was_typed_stays(page: Browser, night: Night) -> None:
    night.stage.refuse = "The name covers popular names; give the scope exact. Nothing was changed."
    at(page, night, "overrides")
    page.press("New override")
    page.type("dialog [name=name]", "co.id")
    page.type("dialog [name=reason]", "because")
    page.press("Let it resolve", "dialog .actions")
    page.shows("give the scope exact. Nothing was changed.", "dialog [role=alert]")
    assert page.run("return document.querySelector('dialog input').value") == "co.id"


def test_an_override_is_ended(page: Browser, night: Night) -> None:
    at(page, night, "overrides")
    page.shows("sekolah.example")
    page.press("End", "main")
    page.type("dialog input", "the school has another site")
    page.press("End", "dialog .actions")
    page.shows("has ended", "#said")
    assert night.stage.sent == [
        ("/api/v1/override", {"end": {"name": "sekolah.example", "reason": "the school has another site"}})
    ]


def test_two_versions_are_compared_and_an_earlier_one_is_enforced_again(page: Browser, night: Night) -> None:
    at(page, night, "timeline")
    page.shows("it removes 41% of the names", ".events")
    page.press("Compare with before", ".versions")
    page.shows("From version 4710 to 4711")
    page.shows("+214")
    page.press("Return to this", ".versions")
    page.type("dialog input", "the ministry published a test list")
    night.stage.version = 4710
    page.press("Return to version", "dialog .actions")
    page.shows("Version 4710 is enforced and pinned", "#said")
    assert night.stage.sent == [("/api/v1/rollback", {"version": 4710, "reason": "the ministry published a test list"})]


def test_refused_content_is_accepted_once_by_what_was_seen(page: Browser, night: Night) -> None:
    at(page, night, "feeds")
    page.press("Accept once", "main")
    page.shows("Take the refused content of national?", "dialog")
    page.shows("\N{MINUS SIGN}1,473,462", "dialog .diff")
    page.shows("gone199.example", "dialog .diff")
    page.shows("and 1,473,262 more", "dialog .diff")
    page.shows("2 entries of it would be held back", "dialog")
    page.type("dialog input", "confirmed by letter 44/2026")
    page.press("Accept once", "dialog .actions")
    page.shows("The content of national is enforced", "#said")
    [(path, sent)] = night.stage.sent
    assert (path, sent["digest"]) == ("/api/v1/accept", "9f3a" * 16)


def test_an_entry_that_is_held_back_is_let_through(page: Browser, night: Night) -> None:
    at(page, night, "feeds")
    page.press("Let through", "#held table")
    page.type("dialog input", "the ministry means it")
    page.press("Let through", "dialog .actions")
    page.shows("co.id is enforced", "#said")
    assert night.stage.sent == [("/api/v1/held", {"release": {"name": "co.id", "reason": "the ministry means it"}})]


@pytest.mark.parametrize(
    ("view", "button", "where", "outcome", "said"),
    [
        ("feeds", "Accept once", "main", "refused", "Not enforced: The list has shrunk."),
        ("feeds", "Accept once", "main", "waiting", "Recorded, but not enforced yet: The list has shrunk."),
        ("feeds", "Accept once", "main", "unchanged", "Not enforced: The list has shrunk."),
        ("feeds", "Let through", "#held table", "refused", "Recorded, but not enforced yet: The list has shrunk."),
        ("feeds", "Let through", "#held table", "unchanged", "Recorded, but not enforced yet: The list has shrunk."),
        (
            "why/slot88.example",
            "Let it resolve",
            ".verdict",
            "unchanged",
            "Recorded, but not enforced yet: The list has",
        ),
        ("overrides", "End", "main", "refused", "Recorded, but not enforced yet: The list has shrunk."),
    ],
)
def test_what_is_not_enforced_is_not_said_to_be(
    page: Browser, night: Night, view: str, button: str, where: str, outcome: str, said: str
) -> None:
    night.stage.outcome = {"outcome": outcome, "why": "The list has shrunk."}
    at(page, night, view)
    page.press(button, where)
    page.type("dialog [name=reason]", "as ordered")
    page.press(button, "dialog .actions")
    page.shows(said, "#said")


def test_a_version_that_is_returned_to_may_have_overrides_on_top_and_a_release_says_what_is_enforced(
    page: Browser, night: Night
) -> None:
    at(page, night, "timeline")
    page.press("Return to this", ".versions")
    page.type("dialog input", "a test list")
    page.press("Return to version", "dialog .actions")
    page.shows("Version 4710 is pinned; enforced is version 4712, which has the overrides of now on top.", "#said")


def test_a_feed_that_is_fetched_and_refused_says_why(page: Browser, night: Night) -> None:
    night.stage.outcome = {"outcome": "refused", "why": "The list has shrunk."}
    at(page, night, "feeds")
    page.press("Fetch now", "#feed-kominfo")
    page.shows("kominfo: refused. The list has shrunk.", "#said")


def test_the_range_chosen_last_is_shown_though_another_is_answered_later(page: Browser, night: Night) -> None:
    at(page, night, "timeline")
    page.shows("it removes 41% of the names", ".events")
    page.press("As a table", ".page-timeline .chart")
    page.shows("Time", ".as-table")
    year = story.at(-396 * story.DAY)[:4]
    night.stage.slow = f"from={year}"
    page.press("13 months", ".choice")
    page.press("1 hour", ".choice")
    oldest = "return document.querySelector('.as-table tbody tr:last-child th')?.innerText"
    page.until(f"{oldest}.includes(arguments[0])", "the last hour is shown", story.at(-1800)[:4])
    night.stage.slow = ""
    asked = "performance.getEntriesByType('resource').filter((one) => one.name.includes(arguments[0]))"
    page.until(f"return {asked}.length === 2", "the other range is answered", f"from={year}")
    assert year not in page.run(oldest)


def test_a_long_text_of_an_order_is_folded_and_can_be_read_whole(page: Browser, night: Night) -> None:
    text = "long " * 799 + "end"
    night.stage.summary = text
    at(page, night, "why/slot88.example")
    page.press("long long", ".page-why")
    page.shows(f"{text[-40:]}", ".page-why details[open]")
    page.press("long long", ".page-why details[open]")
    page.until("return !document.querySelector('.page-why details[open]')", "it is folded again")
    assert page.run("return document.documentElement.scrollHeight") < 3000


@pytest.mark.usefixtures("night")
def test_moments_and_commands_in_sentences_of_the_daemon_are_shown_as_such(page: Browser) -> None:
    script = """
        const folder = document.querySelector("script[type=module]").src.replace(/[^/]*$/, "");
        return import(`${folder}parts.js`).then(({ sentence }) => {
            const host = document.createElement("p");
            host.append(...sentence("`blockd check` from 2026-10-01T10:00:00Z to 2026-10-01T10:00:00.250Z: `"));
            return [host.querySelector("code").textContent, host.querySelectorAll("time").length, host.textContent];
        });
    """
    command, moments, text = page.run(script)
    assert (command, moments) == ("blockd check", 2)
    assert "10:00:00Z" not in text
    assert text.endswith(": `")


def test_who_may_only_read_sees_no_button_that_changes_something(page: Browser, night: Night) -> None:
    night.stage.role = "read"
    for view in ("why/slot88.example", "feeds", "timeline", "overrides"):
        page.open("about:blank")
        at(page, night, view)
        page.shows("read only", "#tools")
        page.until("return !document.querySelector('.loading') && document.querySelector('main .panel')", view)
        labels = page.run("return [...document.querySelectorAll('main button')].map((one) => one.innerText)")
        changes = ("Let it", "Accept", "Let through", "Hold back", "Return", "End", "New", "Fetch", "Release")
        assert [label for label in labels if label.startswith(changes)] == [], view
        assert "Your token may read" in page.text("main") or view not in ("feeds", "overrides")


@pytest.mark.parametrize("view", [*VIEWS, "why/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"])
def test_what_others_wrote_stays_text(page: Browser, night: Night, view: str) -> None:
    at(page, night, view)
    page.until("return !document.querySelector('.loading') && document.querySelector('main .panel')", view)
    if view != "ending":
        page.shows("<", "main")
    assert page.run("return document.querySelectorAll('main img, main script, main [onerror]').length") == 0
    assert "owned" not in page.run(TITLE)
    assert "\u202e" not in page.run("return document.body.innerText")


def test_everything_comes_from_this_server_and_nothing_stands_in_the_page_itself(page: Browser, night: Night) -> None:
    for view in ("now", "orders", "timeline", "why/a.example"):
        at(page, night, view)
        page.until("return !document.querySelector('.loading') && document.querySelector('main .panel')", view)
        names = page.run("return performance.getEntriesByType('resource').map((one) => one.name)")
        assert names
        assert [name for name in names if not name.startswith(night.address)] == []
        assert page.run("return [...document.scripts].filter((one) => one.textContent).length") == 0
        assert page.run("return document.querySelectorAll('style, [style*=url]').length") == 0
    refused = [
        one["message"]
        for one in page.call("POST", "/se/log", {"type": "browser"})
        if "Content Security" in one["message"]
    ]
    assert refused == []


def test_the_policy_keeps_markup_and_scripts_out_whatever_a_script_does(page: Browser, night: Night) -> None:
    at(page, night, "now")
    page.shows("Blocked just now")
    refused = "try { document.body.innerHTML = '<b>x</b>'; return 'taken' } catch (error) { return error.name }"
    assert page.run(refused) == "TypeError"
    loaded = (
        "return new Promise((done) => {"
        " document.addEventListener('securitypolicyviolation', (event) => done(event.violatedDirective));"
        " const image = new Image(); image.src = 'http://192.0.2.1/x.png'; })"
    )
    assert page.run(loaded) == "img-src"


def test_keys_go_from_page_to_page(page: Browser, night: Night) -> None:
    at(page, night, "now")
    page.shows("Blocked just now")
    page.keys("go")
    page.shows("Duty clock")
    page.keys("?")
    page.shows("Ask why a name is blocked", "dialog")
    page.run("document.querySelector('dialog input').click()")
    page.press("Close", "dialog")
    page.keys("gf")
    assert page.run("return location.hash") == "#/orders"


def test_the_language_is_changed_and_kept(page: Browser, night: Night) -> None:
    at(page, night, "orders")
    page.press("Bahasa Indonesia", "#tools")
    page.shows("Jam kewajiban")
    page.shows("feed national ditolak", "#state")
    assert page.run("return document.documentElement.lang") == "id"
    at(page, night, "feeds")
    page.shows("Segera berakhir", "nav")
    page.press("English", "#tools")
    page.shows("Feeds", "nav")


def test_hits_are_shown_by_order_and_by_authority_and_orders_without_a_hit(page: Browser, night: Night) -> None:
    at(page, night, "orders")
    page.shows("8 orders without a hit", "#hits")
    page.press("By authority", "#hits")
    page.until("return document.querySelector('#hits th').innerText === 'Authority'", "rows are authorities")
    page.shows("orders that are counted together", "#hits table")
    assert page.run("return document.querySelector('#hits a[href$=other]')") is None
    page.press("8 orders without a hit", "#hits")
    page.shows("nobody knows which of them were hit: 1,200.", "#hits")
    page.shows("kominfo/court/2026-3", "#hits")
    page.shows("6m 52s", "#duty")


def test_of_a_thousand_feeds_those_in_trouble_are_first_and_any_is_found(
    page: Browser, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = story.feeds()
    ordinary = {**told["feeds"][2], "type": "domains"}
    told["feeds"] = [*({**ordinary, "name": f"feed-{number}"} for number in range(997)), *told["feeds"]]
    monkeypatch.setattr(story, "feeds", lambda: told)
    cards = "return [...document.querySelectorAll('.card h3')].map((one) => one.innerText.trim())"
    at(page, night, "now")
    page.shows("and 988 more", "main")
    at(page, night, "feeds")
    page.shows("Show all 1,000", "main")
    shown = page.run(cards)
    assert (len(shown), shown[:2]) == (50, ["national", "feed-0"])
    page.type("#feeds-found", "FEED-73")
    page.until(f"return ({cards[7:]}).length === 11", "those that have it in their names are shown")
    assert page.run(cards)[:2] == ["feed-73", "feed-730"]
    page.type("#feeds-found", "nobody")
    page.shows("No feed has that in its name.", "main")
    at(page, night, "feeds/feed-900")
    page.until(f"return ({cards[7:]})[0] === 'feed-900'", "the one that a link names is there")
    page.press("Show all 1,000", "main")
    page.until(f"return ({cards[7:]}).length === 1000", "all are shown")


def test_a_page_whose_server_is_gone_says_so_and_shows_what_it_read(page: Browser, night: Night) -> None:
    at(page, night, "feeds")
    page.shows("3,663,541")
    page.devtools("Network.enable")
    page.devtools(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    try:
        page.run("window.dispatchEvent(new Event('language'))")
        page.shows("blockd does not answer", "#state")
        page.shows("3,663,541")
        assert page.run("return document.title").startswith("✖ blockd does not answer"), "the tab says it too"
        assert page.run("return document.querySelector('#state').dataset.level") == "alarm"
    finally:
        page.devtools(
            "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
    page.press("Try again", "#state")
    page.until("return document.title.startsWith('▲ Blocks are enforced')", "the state is that of now again")
    assert page.run("return document.querySelector('#state').dataset.level") == "attention"


def test_nothing_is_wider_than_a_phone(page: Browser, night: Night) -> None:
    page.look(width=390, height=844)
    for view in (*VIEWS, "why/slot88.example"):
        at(page, night, view)
        page.until("return !document.querySelector('.loading') && document.querySelector('main .panel')", view)
        assert page.run("return document.documentElement.scrollWidth") == 390, view

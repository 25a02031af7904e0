"""The console of a running daemon, in Chromium: as an operator signs in, looks, and changes what is enforced."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, everywhere, until, write_list
from tests.daemon.publisher import Publisher
from tests.upstream import UpstreamSimulator
from tests.web.console.browser import MISSING, Browser, browser

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} is not installed: see tests/install-debian.sh")

MANY = [f"n{number}.example" for number in range(1_000)]
SINKHOLE = ["127.0.0.1"]
NONE = "return document.cookie"


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    """A daemon with a signed order on open-1.example, and a national list of a thousand names."""
    publisher = Publisher(tmp_path / "authority")
    publisher.order("order-1", ["open-1.example"])
    publisher.publish()
    write_list(tmp_path / "daemon.list", MANY)
    national = {"name": "national", "type": "domains", "path": str(tmp_path / "daemon.list"), "interval": "100ms"}
    with Daemon(tmp_path / "daemon", publisher.feed(), national, upstream=resolver.address) as running:
        for name in ("open-1.example", MANY[7]):  # which may come with two versions, one after the other
            everywhere(partial(is_blocked, running, name), f"{name} is blocked")
        yield running


def is_blocked(daemon: Daemon, name: str) -> bool:
    return daemon.ask(name).addresses == SINKHOLE


def address(daemon: Daemon, view: str = "") -> str:
    return f"http://127.0.0.1:{daemon.admin_port}/" + (f"#/{view}" if view else "")


def sign_in(page: Browser, daemon: Daemon, text: str) -> None:
    page.look(width=1280)
    page.open(address(daemon))
    page.type("#token", text)
    page.press("Sign in")


def signed_in(page: Browser, daemon: Daemon, name: str, role: str) -> None:
    """Sign in with a new token, and wait until the console is there."""
    sign_in(page, daemon, daemon.add_token(name, role))
    page.shows("is enforced", "#state")


def test_nobody_gets_in_without_a_token_and_is_told_how_to_make_one(page: Browser, daemon: Daemon) -> None:
    page.open(address(daemon))
    page.shows("blockd token add NAME")
    assert page.run("return document.querySelector('#token')") is None, "there is no token to sign in with"
    daemon.add_token("sari", "operator")
    sign_in(page, daemon, "blockd_guessed")
    page.shows("The token is not known here")
    assert page.run(NONE) == ""


def test_an_operator_lets_a_name_resolve_and_blocks_it_again(page: Browser, daemon: Daemon) -> None:
    signed_in(page, daemon, "sari", "operator")
    page.open(address(daemon, "why/" + "https:%2F%2Fopen-1.example%2Flogin"))
    page.shows("open-1.example is blocked", ".verdict")
    page.shows("order-1")
    page.shows("Tell the caller")
    page.press("Let it resolve", ".verdict")
    page.type("dialog [name=reason]", "Ticket 4711: a school's own site")
    page.press("Let it resolve", "dialog .actions")
    page.shows("open-1.example resolves until", "#said")
    everywhere(lambda: daemon.ask("open-1.example").addresses == ["192.0.2.1"], "it resolves")
    page.shows("open-1.example is let through", ".verdict")
    page.open(address(daemon, "overrides"))
    page.shows("Ticket 4711: a school's own site", "main")
    page.press("End", "main table")
    page.type("dialog input", "the school has another site")
    page.press("End", "dialog .actions")
    page.shows("has ended", "#said")
    everywhere(lambda: daemon.ask("open-1.example").addresses == SINKHOLE, "it is blocked again")
    page.open(address(daemon, "timeline"))
    page.shows("Ticket 4711: a school's own site", ".events")
    assert "token sari" in daemon.run_verb("audit", "--kind", "override", "--json").stdout


def test_an_operator_takes_a_refused_list_compares_versions_and_goes_back(
    page: Browser, daemon: Daemon, tmp_path: Path
) -> None:
    signed_in(page, daemon, "sari", "operator")
    page.open(address(daemon, "feeds"))
    write_list(tmp_path / "daemon.list", [*MANY[:10], "new.example"])
    page.shows("Refused content waits", "main")
    page.press("Accept once", "main")
    page.shows("1,000", "dialog")
    page.shows("11 \u2212989 (98.9%)", "dialog")
    page.shows("blockd accept national --show", "dialog")
    page.shows("\u2212990", "dialog .diff")
    page.shows("new.example", "dialog .diff")
    page.shows("and 790 more", "dialog .diff")
    page.type("dialog input", "confirmed by letter 44/2026")
    page.press("Accept once", "dialog .actions")
    page.shows("The content of national is enforced", "#said")
    everywhere(lambda: daemon.ask("new.example").addresses == SINKHOLE, "the list is enforced")
    page.open(address(daemon, "timeline"))
    page.press("Compare with before", ".versions")
    page.shows("\u2212990", ".diff")
    page.shows("new.example", ".diff")
    page.press("Return to this", ".versions")
    page.type("dialog input", "the ministry published a test list")
    page.press("Return to version", "dialog .actions")
    page.shows("is enforced and pinned", "#said")
    everywhere(lambda: daemon.ask(MANY[999]).addresses == SINKHOLE, "the earlier list is enforced")
    page.press("Release", ".panel")
    page.type("dialog input", "the list is right")
    page.press("Release", "dialog .actions")
    everywhere(lambda: daemon.ask("new.example").addresses == SINKHOLE, "the newest is enforced")


def test_blocks_and_the_chart_move_while_clients_ask(page: Browser, daemon: Daemon) -> None:
    signed_in(page, daemon, "sari", "operator")
    page.until("return document.querySelector('#live') && document.querySelector('.chart canvas')", "a chart is drawn")

    def asked() -> bool:
        daemon.ask("n7.example")
        daemon.ask("open-1.example")
        return bool(page.run("return document.querySelector('.blocks')?.innerText.includes('n7.example')"))

    until(asked, "the entry is shown")
    until(lambda: asked() and page.run("return parseFloat(document.querySelector('.tile b')?.innerText) > 0"), "a rate")
    assert "127.0.0.1" not in page.text("main"), "who asked is not shown"


def test_support_sees_and_may_not_change_and_a_session_ends_with_its_token(page: Browser, daemon: Daemon) -> None:
    signed_in(page, daemon, "support", "read")
    page.open(address(daemon, "why/open-1.example"))
    page.shows("open-1.example is blocked", ".verdict")
    assert "Let it resolve" not in page.text("main")
    script = (
        "const headers = {'Content-Type': 'application/json'};"
        "return fetch('/api/v1/override', {method: 'POST', headers, body: arguments[0]})"
        ".then((answer) => answer.json()).then((told) => told.detail)"
    )
    asked = {"add": {"name": "open-1.example", "reason": "why", "until": time.strftime("%Y-12-31")}}
    assert "needs the role operator" in page.run(script, json.dumps(asked))
    assert daemon.run_verb("token", "remove", "support").returncode == 0
    page.open("about:blank")
    page.open(address(daemon))
    page.shows("blockd token add")


def test_who_signs_in_again_is_where_they_were(page: Browser, daemon: Daemon) -> None:
    page.look(width=1280)
    page.open(address(daemon, "why/open-1.example"))
    page.shows("blockd token add")
    text = daemon.add_token("sari", "operator")
    page.open("about:blank")
    page.open(address(daemon, "why/open-1.example"))
    page.type("#token", "blockd_guessed")
    page.press("Sign in")
    page.shows("The token is not known here")
    page.type("#token", text)
    page.press("Sign in")
    page.shows("open-1.example is blocked", ".verdict")
    page.open(address(daemon, "resolver"))
    page.shows("Upstreams", "main")
    page.press("Sign out", "#tools")
    page.type("#token", text)
    page.press("Sign in")
    page.shows("Upstreams", "main")


def test_signing_out_ends_the_session(page: Browser, daemon: Daemon) -> None:
    signed_in(page, daemon, "sari", "operator")
    page.press("Sign out", "#tools")
    page.until("return document.querySelector('#token')", "the page to sign in")
    page.open(address(daemon) + "api/v1/whoami")
    page.shows("This needs a token")


def test_an_operator_has_the_config_taken_after_it_was_tried(page: Browser, daemon: Daemon) -> None:
    signed_in(page, daemon, "sari", "operator")
    page.open(address(daemon, "config"))
    page.shows("No reload was asked for since the start.", "#reload")
    page.press("See what would change", "#reload")
    page.shows("The config on disk is the one in force.", "#reload")
    assert "Take it" not in page.text("#reload"), "there is nothing to take"
    daemon.settings["extra"] = 1
    daemon.write_config()
    page.press("See what would change", "#reload")
    page.shows("would not be taken. The one in force stays.", "#reload")
    page.shows("extra", "#reload")
    del daemon.settings["extra"]
    feeds = daemon.settings["feeds"]
    assert isinstance(feeds, list)
    daemon.settings["feeds"] = feeds[:1]
    daemon.write_config()
    page.press("See what would change", "#reload")
    page.shows("It would be taken; nothing was changed.", "#reload")
    assert daemon.ask(MANY[7]).addresses == SINKHOLE
    page.press("Take it", "#reload")
    page.type("dialog input", "the national list has ended")
    page.press("Take it", "dialog .actions")
    page.until(
        "return document.querySelector('.record b').innerText.startsWith('The config on disk is in force')", "it is"
    )
    page.shows("the national list has ended", ".record")
    everywhere(lambda: daemon.ask(MANY[7]).addresses != SINKHOLE, "the list is gone")
    assert "token sari" in daemon.run_verb("audit", "--kind", "reload", "--json").stdout


def test_a_program_is_tried_and_replaces_the_one_that_runs_and_the_page_goes_on(
    page: Browser, tmp_path: Path, resolver: UpstreamSimulator
) -> None:
    write_list(tmp_path / "daemon.list", MANY)
    national = {"name": "national", "type": "domains", "path": str(tmp_path / "daemon.list")}
    with Daemon(tmp_path / "daemon", national, upstream=resolver.address, fresh=True) as daemon:
        replaced_by_page(page, daemon)


def replaced_by_page(page: Browser, daemon: Daemon) -> None:
    """Have blockd replaced by itself, as an operator does at the page."""
    signed_in(page, daemon, "sari", "operator")
    page.open(address(daemon, "config"))
    page.press("Try it", "#upgrade")
    page.type("dialog input", "/nowhere/blockd")
    page.press("Try it", "dialog .actions")
    page.shows("/nowhere/blockd could not be tried", "#upgrade")
    page.press("Try it", "#upgrade")
    page.press("Try it", "dialog .actions")
    page.shows("could take the place of", "#upgrade")
    page.press("Replace blockd", "#upgrade")
    page.type("dialog input", "a release")
    page.press("Replace it", "dialog .actions")
    page.shows("has taken the place of", "#upgrade")
    page.until("return document.querySelector('#live:not(.waiting)')?.textContent === 'Live'", "events are heard again")
    assert daemon.ask(MANY[7]).addresses == SINKHOLE

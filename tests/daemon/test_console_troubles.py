"""The console of a daemon in trouble: restarted, without its history, with a token that ends; and its figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon, everywhere, until, write_list
from tests.daemon.test_console import address, signed_in
from tests.upstream import UpstreamSimulator
from tests.web.console import story
from tests.web.console.browser import MISSING, Browser, browser

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} is not installed: see tests/install-debian.sh")

NAMES = [f"n{number}.example" for number in range(100)]
LIVE = "return document.querySelector('#live:not(.waiting)')?.textContent === 'Live'"
SINKHOLE = ["127.0.0.1"]


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with browser() as made:
        yield made


@pytest.fixture
def daemon(tmp_path: Path, resolver: UpstreamSimulator) -> Iterator[Daemon]:
    write_list(tmp_path / "daemon.list", NAMES)
    national = {"name": "national", "type": "domains", "path": str(tmp_path / "daemon.list"), "interval": "100ms"}
    with Daemon(tmp_path / "daemon", national, upstream=resolver.address) as running:
        yield running


def test_a_page_goes_on_by_itself_when_the_daemon_is_restarted(page: Browser, daemon: Daemon) -> None:
    signed_in(page, daemon, "sari", "operator")
    page.until(LIVE, "events are heard")
    daemon.stop()
    page.until("return document.title.startsWith('✖')", "the tab says that there is no answer")
    page.shows("blockd does not answer", "#state")
    daemon.start()
    page.until(LIVE, "events are heard again")
    page.until("return document.title.startsWith('Version')", "the state is that of now")
    assert page.run("return document.querySelector('#state').dataset.level") == "ok"
    assert page.text(".note") == ""

    def asked() -> bool:
        daemon.ask(NAMES[3])
        return NAMES[3] in page.text(".blocks")

    until(asked, "blocks are shown as they happen")


def test_a_token_that_is_removed_ends_the_page_that_is_open(page: Browser, daemon: Daemon) -> None:
    signed_in(page, daemon, "sari", "operator")
    page.until(LIVE, "events are heard")
    daemon.add_token("budi", "operator")
    assert daemon.run_verb("token", "remove", "sari").returncode == 0
    page.until("return document.querySelector('#token')", "the page to sign in is there by itself")
    assert NAMES[3] not in page.text()


def test_a_history_that_is_damaged_is_begun_anew_and_said(page: Browser, daemon: Daemon) -> None:
    history = daemon.folder / "state" / "figures.db"
    daemon.stop()
    history.write_bytes(b"\xff" * 100_000)
    daemon.start()
    signed_in(page, daemon, "sari", "operator")
    page.shows("history", "#state")
    for view in ("timeline", "orders", "resolver", "now"):
        page.open(address(daemon, view))
        page.until("return !document.querySelector('.loading') && document.querySelector('main .panel')", view)
        assert page.run("return document.querySelectorAll('main .trouble:not(:empty)').length") == 0, view


def test_figures_are_those_of_the_status_the_metrics_and_the_audit_log(page: Browser, daemon: Daemon) -> None:
    signed_in(page, daemon, "sari", "operator")
    for _ in range(5):
        assert daemon.ask(NAMES[3]).addresses == SINKHOLE
    until(lambda: daemon.metric("blockd_blocked_total") == 5, "all are counted")
    page.open(address(daemon, "now"))
    page.shows("version 1 · 100 names", "#state")
    page.until(
        "return document.querySelector('.blocks .times')?.innerText.trim() === '\N{MULTIPLICATION SIGN}5'",
        "five hits of one entry",
    )
    page.open(address(daemon, "orders"))
    page.shows("5 blocked questions in all", "#hits")
    page.open(address(daemon, "timeline"))
    page.shows("Version 1 with 100 names is enforced by every worker.", ".events")
    assert '"names":100' in daemon.run_verb("audit", "--kind", "enforced", "--json").stdout


def test_a_list_of_hostile_texts_is_shown_as_text(page: Browser, daemon: Daemon) -> None:
    signed_in(page, daemon, "sari", "operator")
    asked = {"add": {"name": NAMES[5], "reason": "<img src=x onerror=alert(1)>" * 9, "until": story.at(86400)}}
    script = (
        "return fetch('/api/v1/override', {method: 'POST', headers: {'Content-Type': 'application/json'},"
        " body: JSON.stringify(arguments[0])}).then((answer) => answer.status)"
    )
    assert page.run(script, asked) == 200
    everywhere(lambda: daemon.ask(NAMES[5]).addresses != SINKHOLE, "it resolves")
    for view in ("overrides", "timeline", "ending", f"why/{NAMES[5]}"):
        page.open(address(daemon, view))
        page.shows(NAMES[5], "main")
        assert page.run("return document.querySelectorAll('main img').length") == 0
        assert page.run("return document.documentElement.scrollWidth") <= 1280, view

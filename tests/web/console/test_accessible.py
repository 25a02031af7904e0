"""What axe-core finds on every page, in both looks and at both widths: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from blockd.web.console.pages import VIEWS
from tests.places import ROOT
from tests.web.console.browser import Browser
from tests.web.console.conftest import Night

AXE = ROOT / "build/axe/axe.min.js"
LOOKS = {"desktop, light": (1280, False), "desktop, dark": (1280, True), "phone, dark": (390, True)}

needs_axe = pytest.mark.skipif(not AXE.exists(), reason="axe-core is not there: see tests/install-axe.sh")


def findings(page: Browser) -> list[str]:
    """Return what is wrong, a line each."""
    if not page.run("return Boolean(window.axe)"):
        page.run(AXE.read_text(encoding="utf-8") + "; window.axe = axe;")
    found: list[dict[str, Any]] = page.run(
        "return axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)"
    )
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"][:3]
    ]


@needs_axe
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_on_any_page(page: Browser, night: Night, look: str) -> None:
    night.stage.level = "alarm"
    width, dark = LOOKS[look]
    page.look(width=width, dark=dark)
    page.open("about:blank")
    for view in (*VIEWS, "why/slot88.example", "why/free.example"):
        page.open(f"{night.address}/#/{view}")
        page.until("return !document.querySelector('.loading') && document.querySelector('main .panel')", view)
        page.run("for (const one of document.querySelectorAll('details')) one.open = true")
        assert findings(page) == [], view


@needs_axe
def test_axe_finds_nothing_in_a_dialog(page: Browser, night: Night) -> None:
    page.open(f"{night.address}/#/why/slot88.example")
    page.press("Let it resolve", ".verdict")
    page.shows("Reason", "dialog")
    assert findings(page) == []
    page.press("Cancel", "dialog")
    page.keys("?")
    page.shows("Use these keys", "dialog")
    assert findings(page) == []


@needs_axe
def test_axe_finds_nothing_on_the_page_to_sign_in(page: Browser, night: Night) -> None:
    page.open(f"{night.address}/sign-in")
    page.shows("Sign in")
    assert findings(page) == []

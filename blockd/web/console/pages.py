"""The console's page as HTML: what is above and around every view. What is shown in it comes by the API.

The page has nothing of anybody: it is the same for all, and every text of others is put in by scripts, as text.
"""

from __future__ import annotations

import functools

from blockd.web.console.assets import assets
from blockd.web.markup import Html, element, join

UPLOT = "vendor/uplot-1.6.32"  # without its suffix
# Nothing comes from elsewhere, no script stands in the page, and no text can become markup (Trusted Types).
CONSOLE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
VIEWS = {
    "now": "Now",
    "feeds": "Feeds",
    "timeline": "Timeline",
    "orders": "Orders",
    "resolver": "Resolver",
    "overrides": "Overrides",
    "ending": "Ends soon",
    "config": "Config",
}
"""The views, as they stand above every page, and what each is called in English."""
# What the first page needs, so that the browser asks for all of it at once.
_FIRST = (
    *("main.js", "api.js", "dom.js", "dialog.js", "format.js", "hour.js", "language.js", "live.js", "parts.js"),
    *("state.js", "source.js", "chart.js", "words/en.js", "views/now.js", "views/blocks.js", "views/feeds.js"),
    *("changes.js", "difference.js"),
)


@functools.cache
def console_page() -> bytes:
    """Return the page, in UTF-8."""
    return ("<!DOCTYPE html>\n" + element("html", _head(), _body(), lang="en")).encode()


def _head() -> Html:
    known = assets()
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", "blockd"),
        element("link", rel="icon", id="icon", type="image/svg+xml", href=known.path("icon-ok.svg")),
        element("script", src=known.path("theme.js")),
        element("link", rel="stylesheet", href=known.path("console.css")),
        element("link", rel="stylesheet", href=known.path(f"{UPLOT}.css")),
        *(element("link", rel="modulepreload", href=known.path(name)) for name in _FIRST),
        element("script", src=known.path(f"{UPLOT}.js"), defer=""),
        element("script", src=known.path("main.js"), type="module"),
    )


def _body() -> Html:
    box = element(
        "form",
        element("label", "Name, address or URL", for_="why-name", class_="unseen", data_t="why.box"),
        element(
            "input", id="why-name", name="name", type="text", maxlength="1024", autocomplete="off", spellcheck="false",
            autocapitalize="none", enterkeyhint="search", placeholder="Why? example.org or a URL",
            data_t_placeholder="why.placeholder",
        ),
        element("button", "Ask", type="submit", data_t="why.ask"),
        id="why", role="search",
    )  # fmt: skip
    links = [
        element("li", element("a", name, href=f"#/{view}", data_page=view, data_t=f"nav.{view}"))
        for view, name in VIEWS.items()
    ]
    return element(
        "body",
        element("a", "Skip to the page", class_="skip", href="#main", id="skip", data_t="nav.skip"),
        element(
            "header",
            element(
                "div",
                element("a", "blockd", element("small", id="host"), class_="brand", href="#/now"),
                box,
                element("div", id="tools"),
                class_="bar-top",
            ),
            element("nav", element("ul", *links), aria_label="Pages", data_t_label="nav.label"),
        ),
        element("section", id="state", aria_label="State", data_t_label="nav.state"),
        element("main", element("noscript", element("p", _NO_SCRIPT)), id="main", tabindex="-1"),
        element("div", id="said", role="status", aria_live="polite"),
    )


_NO_SCRIPT = join(
    "The console needs scripts, which come from this server alone. Without them: ",
    element("code", "blockd status"),
    ".",
)

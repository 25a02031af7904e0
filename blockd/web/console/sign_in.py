"""The page at which somebody signs in to the console with a token. It needs no other file, and no script to work.

Which page of the console was asked for stands behind the address's #, which no server sees. The script has the form's
address keep it; browsers then take it along to where the answer leads (Fetch standard, "HTTP-redirect fetch").
"""

from __future__ import annotations

from blockd.web.markup import Html, element, text
from blockd.web.style import source_digest

MAX_TYPED = 256  # characters of a token, more than any has

_STYLE = (
    ":root{color-scheme:light dark;--line:light-dark(#8d897e,#6b7682);--link:light-dark(#0a559e,#86beff)}"
    "body{font:1rem/1.6 system-ui,sans-serif;margin:0;min-block-size:100vh;display:grid;place-items:center;"
    "background:light-dark(#f5f4f0,#0f1215);color:light-dark(#1a1d21,#e6e9ec);overflow-wrap:anywhere}"
    "main{background:light-dark(#fff,#171b20);border:1px solid light-dark(#e0ddd4,#2b323a);border-radius:12px;"
    "padding:1.75rem 2rem 2rem;inline-size:min(30rem,100% - 2rem);box-sizing:border-box;margin-block:1rem}"
    "h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:0 0 1rem}label{font-weight:600}"
    "input,button{font:inherit;box-sizing:border-box;min-block-size:2.75rem;border-radius:6px;padding:.4rem .8rem;"
    "border:1px solid var(--line);inline-size:100%;color:inherit;background:light-dark(#faf9f6,#1d2228)}"
    "button{margin-block-start:.75rem;background:var(--link);border-color:var(--link);color:light-dark(#fff,#07121f);"
    "font-weight:600;cursor:pointer}:focus-visible{outline:3px solid var(--link);outline-offset:2px}"
    "code{font-size:.93em}small,.quiet{color:light-dark(#565b63,#a0a9b3)}"
    ".trouble{color:light-dark(#ab1d15,#ff8f86)}hr{border:0;border-block-start:1px solid var(--line);margin:1.25rem 0}"
)
_SCRIPT = "for(const form of document.forms)form.action='/login'+location.hash"


SIGN_IN_POLICY = (
    f"default-src 'none'; style-src 'sha256-{source_digest(_STYLE)}'; script-src 'sha256-{source_digest(_SCRIPT)}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def sign_in_page(trouble: str = "", *, has_tokens: bool = True) -> bytes:
    """Return the page in UTF-8; `trouble` is why a token was refused, `has_tokens` whether there is any."""
    form = element(
        "form",
        element("label", "Token", for_="token"),
        element(
            "input", id="token", name="token", type="password", required="", autofocus="", maxlength=str(MAX_TYPED),
            autocomplete="current-password", spellcheck="false",
        ),
        element("button", "Sign in · Masuk", type="submit"),
        method="post", action="/login",
    )  # fmt: skip
    told = trouble or ("" if has_tokens else _NONE)
    main = element(
        "main",
        element("h1", "blockd"),
        element("p", _sentence(told), class_="trouble", role="alert") if told else Html(""),
        form if has_tokens else Html(""),
        element("hr") if has_tokens else Html(""),
        *(
            element("p", element("small", *_with_code(sentence)), lang=language)
            for language, sentence in (("en", _HOW), ("id", _HOW_ID))
        ),
    )
    keeps = element("script", Html(_SCRIPT)) if has_tokens else Html("")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", "Sign in: blockd"),
        element("style", Html(_STYLE)),
    )
    return ("<!DOCTYPE html>\n" + element("html", head, element("body", main, keeps), lang="en")).encode()


_NONE = "There is no token yet that may see the console. · Belum ada token yang boleh melihat konsol."
_HOW = "A token is made by `blockd token add NAME --role read`, or with `--role operator` for changes, on this machine."
_HOW_ID = (
    "Token dibuat dengan `blockd token add NAMA --role read`, atau dengan `--role operator` untuk perubahan, di mesin "
    "ini."
)


def _sentence(trouble: str) -> Html:
    return Html("".join(_with_code(trouble)))


def _with_code(sentence: str) -> list[Html]:
    """Return a sentence in which what stands between backticks is code."""
    return [
        element("code", part) if index % 2 else text(part)
        for index, part in enumerate(sentence.split("`"))
    ]  # fmt: skip

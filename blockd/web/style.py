"""The stylesheet of the block page, and the policy that lets a browser use it and nothing else."""

from __future__ import annotations

import base64
import hashlib

# Colours keep WCAG 2.2 AA in both schemes: 7:1 for text, 4.5:1 for what is muted. Logical properties follow the
# direction of the script. No font, picture or script is loaded.
STYLESHEET = """
:root{color-scheme:light dark;--ground:#f3f4f6;--card:#fff;--ink:#16202b;--soft:#4a5664;--line:#d8dde3;
--accent:#0b4a7d;--tint:#eaf1f8}
@media (prefers-color-scheme:dark){:root{--ground:#0f141a;--card:#171e26;--ink:#e9edf1;--soft:#adb8c4;--line:#2d3743;
--accent:#8cc4f7;--tint:#1a2836}}
*{box-sizing:border-box}
html{font:100%/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;-webkit-text-size-adjust:100%;
text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);border-block-start:.375rem solid var(--accent);
overflow-wrap:anywhere}
.bar,main,footer{max-inline-size:46rem;margin-inline:auto;padding-inline:1.25rem}
.bar{display:flex;flex-wrap:wrap;gap:.25rem 1rem;justify-content:space-between;padding-block:1.25rem;
color:var(--soft);font-size:.9375rem}
.bar b{color:var(--ink);font-weight:600}
.lead{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1.25rem;padding-block:1.5rem 2rem}
.lead svg{inline-size:3.25rem;block-size:3.25rem;margin-block-start:.25rem;color:var(--accent)}
h1{font-size:clamp(1.625rem,1.2rem + 2vw,2.25rem);line-height:1.2;margin:0 0 .75rem;letter-spacing:-.01em;
text-wrap:balance}
h2{font-size:1.125rem;line-height:1.3;margin:0 0 1rem}
p{margin:0 0 .75rem}p:last-child{margin-block-end:0}
.lead p{font-size:1.125rem}
.name{font-weight:600}
section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.5rem;
margin-block-end:1.25rem}
.object{background:var(--tint);border-inline-start:.25rem solid var(--accent)}
dl{display:grid;grid-template-columns:minmax(9rem,13rem) 1fr;margin:0}
dt,dd{margin:0;padding-block:.625rem;border-block-start:1px solid var(--line)}
dt{color:var(--soft);padding-inline-end:1rem}
dt:first-of-type,dd:first-of-type{border-block-start:0;padding-block-start:0}
dt:last-of-type,dd:last-of-type{padding-block-end:0}
dl+p{margin-block:1.25rem 0;padding-block-start:1.25rem;border-block-start:1px solid var(--line)}
dd,li p{white-space:pre-line}
ol{margin:0;padding-inline-start:1.25rem}li{padding-block:.625rem}li p{margin:0 0 .25rem}
li:first-child{padding-block-start:0}li:last-child{padding-block-end:0}
a{color:var(--accent);text-underline-offset:.15em}
a:focus-visible{outline:.1875rem solid var(--accent);outline-offset:.125rem;border-radius:.125rem}
code{font:.9375em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.soft{color:var(--soft)}
form{display:flex;flex-wrap:wrap;gap:.75rem}
label{flex-basis:100%;color:var(--soft)}
input,button{font:inherit;color:inherit;min-block-size:2.75rem;padding:.375rem .875rem;border-radius:.5rem}
input{flex:1 1 14rem;min-inline-size:0;background:var(--ground);border:1px solid var(--soft)}
button{background:var(--accent);color:var(--card);border:0;font-weight:600;cursor:pointer}
input:focus-visible,button:focus-visible{outline:.1875rem solid var(--accent);outline-offset:.125rem}
form+p{margin-block:1rem 0}
footer{padding-block:.75rem 2.5rem;color:var(--soft);font-size:.875rem}
@media (max-width:34rem){.lead{grid-template-columns:1fr}.lead svg{margin-block-end:.75rem}
section{padding:1.125rem}button{flex:1 0 100%}dl{grid-template-columns:1fr}
dt{padding-block:.625rem 0;padding-inline-end:0;font-size:.9375rem}
dd,dd:first-of-type{border-block-start:0;padding-block:0 .625rem}dt:first-of-type{padding-block-start:0}}
@media print{:root{--ground:#fff;--card:#fff;--ink:#000;--soft:#333;--line:#999;--accent:#000;--tint:#fff}
body{font-size:10.5pt;border:0}section{break-inside:avoid;padding:.75rem 1rem}
a[href^=http]::after{content:" <" attr(href) ">"}}
""".replace("\n", "")


def source_digest(text: str) -> str:
    """Return what a content security policy knows a style or script by: its SHA-256 in Base64 (CSP3 section 2.3.1)."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


# `data:` is for the empty icon in the page's head, without which browsers request /favicon.ico: a second hit.
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{source_digest(STYLESHEET)}'; img-src data:; "
    "base-uri 'none'; form-action {form}; frame-ancestors 'none'"
)
CONTENT_SECURITY_POLICY = _POLICY.format(form="'none'")
FORM_SECURITY_POLICY = _POLICY.format(form="'self'")  # of the page that has a form

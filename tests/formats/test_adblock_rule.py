from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadName
from blockd.formats.adblock_rule import SKIPS, Rule, parse_rule
from blockd.names import key_from_text
from blockd.orders import Action, Scope

KEY = key_from_text("a.example")
NAME_REASONS = {
    "NUL",
    "not UTF-8",
    "no dot",
    "empty",
    "too long",
    "empty label",
    "label too long",
    "numeric top label",
    "bad character",
    "bad IDNA",
}


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"||a.example^", Rule(KEY, Scope.BOTH)),
        (b"||A.Example^|", Rule(KEY, Scope.BOTH)),
        (b"||a.example", Rule(KEY, Scope.BOTH)),
        (b"||a.example/", Rule(KEY, Scope.BOTH)),
        (b"||a.example^*", Rule(KEY, Scope.BOTH)),
        (b"||a.example/*", Rule(KEY, Scope.BOTH)),
        (b"||a.example|", Rule(KEY, Scope.BOTH)),
        (b"||*.a.example^", Rule(KEY, Scope.SUBDOMAINS)),
        (b"*.a.example^", Rule(KEY, Scope.SUBDOMAINS)),
        (b"*.a.example", Rule(KEY, Scope.SUBDOMAINS)),
        (b"|a.example^", Rule(KEY, Scope.EXACT)),
        (b"|a.example|", Rule(KEY, Scope.EXACT)),
        (b"|https://a.example^", Rule(KEY, Scope.EXACT)),
        (b"|HTTP://a.example/", Rule(KEY, Scope.EXACT)),
        (b"|http*://a.example|", Rule(KEY, Scope.EXACT)),
        (b"://a.example^", Rule(KEY, Scope.EXACT)),
        (b"https://a.example/", Rule(KEY, Scope.EXACT)),
        (b"a.example", Rule(KEY, Scope.EXACT)),
        (b".a.example", Rule(KEY, Scope.SUBDOMAINS)),
        (b".a.example^", Rule(KEY, Scope.SUBDOMAINS)),
        (b"||a.example^#ad", Rule(KEY, Scope.BOTH)),
        (b"a.example#ad", Rule(KEY, Scope.EXACT)),
        (b"||a.example^$important#ad", Rule(KEY, Scope.BOTH, is_important=True)),
        (b"||a.example^$badfilter", Rule(KEY, Scope.BOTH, is_badfilter=True)),
        (b"||a.example^$important,BADFILTER", Rule(KEY, Scope.BOTH, is_important=True, is_badfilter=True)),
        (b"||a.example^$denyallow=b.example|c.example", Rule(KEY, Scope.BOTH)),
        (b"||a.example^$dnsrewrite=nxdomain", Rule(KEY, Scope.BOTH, is_rewrite=True, answer=Action.NXDOMAIN)),
        (b"||a.example^$dnsrewrite=NXDOMAIN;;", Rule(KEY, Scope.BOTH, is_rewrite=True, answer=Action.NXDOMAIN)),
        (b"||a.example^$dnsrewrite=REFUSED", Rule(KEY, Scope.BOTH, is_rewrite=True, answer=Action.REFUSED)),
        (b"|a.example^$dnsrewrite=NOERROR;;", Rule(KEY, Scope.EXACT, is_rewrite=True, answer=Action.NODATA)),
        (b"||a.example^$dnsrewrite=0.0.0.0", Rule(KEY, Scope.BOTH, is_rewrite=True)),
        (b"||a.example^$dnsrewrite=NOERROR;AAAA;::", Rule(KEY, Scope.BOTH, is_rewrite=True)),
        (b"@@||a.example^$dnsrewrite", Rule(KEY, Scope.BOTH, is_exception=True, is_rewrite=True)),
        (b"||a.example^$important", Rule(KEY, Scope.BOTH, is_important=True)),
        (b"||a.example^$all", Rule(KEY, Scope.BOTH)),
        (b"||a.example^$document,IMPORTANT", Rule(KEY, Scope.BOTH, is_important=True)),
        (b"||a.example^$doc", Rule(KEY, Scope.BOTH)),
        (b"@@||a.example^", Rule(KEY, Scope.BOTH, is_exception=True)),
        (b"@@|a.example^$important", Rule(KEY, Scope.EXACT, is_exception=True, is_important=True)),
        (b"@@a.example", Rule(KEY, Scope.EXACT, is_exception=True)),
        ("||bücher.example^".encode(), Rule(key_from_text("xn--bcher-kva.example"), Scope.BOTH)),
        (b"||_dmarc.a.example^", Rule(key_from_text("_dmarc.a.example"), Scope.BOTH)),
    ],
)
def test_rules_for_whole_names_are_read(content: bytes, rule: Rule) -> None:
    assert parse_rule(content) == rule


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"##.banner", "cosmetic"),
        (b"a.example##.banner", "cosmetic"),
        (b"a.example,~b.example#@#.banner", "cosmetic"),
        (b"a.example#?#div:has(> a)", "cosmetic"),
        (b"a.example#@?#div", "cosmetic"),
        (b"a.example#$#body { color: red }", "cosmetic"),
        (b"a.example#%#//scriptlet('x')", "cosmetic"),
        (b"a.example#@%#x", "cosmetic"),
        (b"a.example$$script[data]", "cosmetic"),
        (b"[$path=/x]a.example##.banner", "cosmetic"),
        (b"/banner[0-9]+/", "regex"),
        (b"@@/banner[0-9]+/$script", "regex"),
        (b"/banner/ads", "path rule"),
        (b"||a.example/path", "path rule"),
        (b"||a.example^path/x", "path rule"),
        (b"|https://a.example/path^", "path rule"),
        (b"a.example/path", "path rule"),
        (b"||a.example?x", "path rule"),
        (b"||a.example/path$script", "path rule"),
        (b"||a.example^$third-party", "modifier"),
        (b"||a.example^$important,script", "modifier"),
        (b"||a.example^$dnstype=AAAA", "modifier"),
        (b"||a.example^$denyallow=x.a.example", "denyallow"),
        (b"||a.example^$denyallow=b.example|example", "denyallow"),
        (b"||a.example^$denyallow=a.example", "denyallow"),
        (b"||a.example^$denyallow=", "modifier"),
        (b"||a.example^$dnsrewrite=192.0.2.1", "dnsrewrite"),
        (b"||a.example^$dnsrewrite=NOERROR;A;192.0.2.1", "dnsrewrite"),
        (b"||a.example^$dnsrewrite=NOERROR;CNAME;b.example", "dnsrewrite"),
        (b"||a.example^$dnsrewrite=b.example", "dnsrewrite"),
        (b"||a.example^$dnsrewrite=SERVFAIL;;", "dnsrewrite"),
        (b"||a.example^$dnsrewrite=NOERROR;TXT;x", "dnsrewrite"),
        (b"||a.example^$dnsrewrite", "dnsrewrite"),
        (b"||a.example^$dnsrewrite=NXDOMAIN,dnsrewrite=REFUSED", "dnsrewrite"),
        (b"@@||a.example^$dnsrewrite=192.0.2.1", "dnsrewrite"),
        (b"||a.example^$badfilter=x", "modifier"),
        (b"||a.example^$script,badfilter", "modifier"),
        (b"||a.example/#/page", "path rule"),
        (b"||a.example^$", "modifier"),
        (b"@@||a.example^$generichide", "modifier"),
        (b"||a.example:8080^", "port"),
        (b"|https://a.example:8443/", "port"),
        (b"||a.*.example^", "wildcard"),
        (b"||a.example*", "wildcard"),
        (b"||a.*^", "wildcard"),
        (b"*$script,domain=a.example", "wildcard"),
        (b"||a.", "pattern"),
        (b"||a.example.^", "pattern"),
        (b"a.example^", "pattern"),
        (b"a.example|", "pattern"),
        (b".com", "pattern"),
        (b"..a.example", "pattern"),
        (b"-banner-", "pattern"),
        (b"&ad_box=", "pattern"),
        (b"adserver", "pattern"),
        (b"ad server.example", "pattern"),
        (b"|", "pattern"),
        (b"||10.0.0.1^", "address"),
        (b"10.0.0.1", "address"),
    ],
)
def test_rules_that_are_not_about_names_are_told_apart(content: bytes, reason: str) -> None:
    assert reason in SKIPS
    with pytest.raises(BadName) as refused:
        parse_rule(content)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"||com^", "no dot"),
        (b"||a..example^", "empty label"),
        (b"||a!b.example^", "bad character"),
        (b"||.a.example^", "empty label"),
        (b"||225.223.48^", "numeric top label"),
        (b"||a\0b.example^", "NUL"),
        (b"a\xe9.example", "not UTF-8"),
        ("||_ü.example^".encode(), "bad IDNA"),
    ],
)
def test_rules_that_are_meant_for_a_name_and_have_none_are_junk(content: bytes, reason: str) -> None:
    assert reason not in SKIPS
    with pytest.raises(BadName) as refused:
        parse_rule(content)
    assert refused.value.reason == reason


_PARTS = st.sampled_from(
    [
        "@@",
        "|",
        "||",
        "^",
        "$",
        "*",
        ".",
        "/",
        ":",
        "a",
        "a.example",
        "com",
        "#",
        "##",
        "#@#",
        "important",
        "https://",
        "ü",
    ]
)


@given(st.one_of(st.lists(_PARTS, min_size=1, max_size=8).map(lambda parts: "".join(parts).encode()), st.binary()))
def test_any_line_is_a_rule_or_has_a_known_reason(content: bytes) -> None:
    found: Rule | str
    try:
        found = parse_rule(content)
    except BadName as error:
        found = error.reason
    if isinstance(found, str):
        assert found in SKIPS | NAME_REASONS
    else:
        assert len(found.key) > 1 + found.key[0]
        assert found.scope in (Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH)

"""What `discovery` needs of other settings, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.test_local import problems

NAMED = "discovery: {name: dns.isp.example}\nlisten: {dot: ['127.0.0.1:8853']}\ncertificates: [{chain: c, key: k}]\n"
LONG = ".".join(["a" * 60] * 4) + ".example"


@pytest.mark.parametrize(
    "text",
    [
        NAMED,
        "discovery: {name: dns.isp.example, addresses: [192.0.2.53, '2001:db8::53'], dot_port: 853, doh_port: 443}\n",
        f"{NAMED}local: {{zones: [{{zone: isp.example, records: [dns A 192.0.2.53]}}]}}\n",
        f"{NAMED}local: {{zones: [{{zone: isp.example}}, {{zone: dns.isp.example}}]}}\n",
        "discovery: {}\n",
    ],
)
def test_what_fits_together_is_taken(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("discovery: {dot_port: 853}", "discovery.dot_port: nothing is announced without a name; set `discovery.name`"),
        ("discovery: {addresses: [192.0.2.53]}", "discovery.addresses: nothing is announced without a name"),
        ("discovery: {name: dns.isp.example}", "discovery.name: there is no encrypted transport to announce; set"),
        (
            "discovery: {name: dns.isp.example}\nlisten: {doh: ['127.0.0.1:8443']}\ndoh: {plain_from: [10.0.0.0/8]}",
            "discovery.name: there is no encrypted transport to announce; set",
        ),
        ("discovery: {name: 192.0.2.53, dot_port: 853}", "discovery.name: expected the resolver's host name"),
        (
            "discovery: {name: x.example, dot_port: 0}",
            "discovery.dot_port: expected a whole number from 1 to 65535, got 0",
        ),
        (f"discovery: {{name: {LONG}, dot_port: 1}}", f"discovery.name: _dns.{LONG} would be over 255 octets; choose"),
        (
            f"{NAMED}local: {{zones: [{{zone: resolver.arpa}}]}}",
            "local.zones[0].zone: resolver.arpa is what `discovery` answers for; remove the zone",
        ),
        (
            f"{NAMED}local: {{zones: [{{zone: a.example}}, {{zone: _dns.dns.isp.example}}]}}",
            "local.zones[1].zone: _dns.dns.isp.example is what `discovery` answers for",
        ),
        (
            f"{NAMED}local: {{zones: [{{zone: isp.example, records: [_dns.dns TXT x]}}]}}",
            "local.zones[0].records: _dns.dns.isp.example is what `discovery` answers for; remove its records",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    (found,) = problems(tmp_path, f"{text}\n")
    assert found.startswith(sentence)

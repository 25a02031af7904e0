from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadName
from blockd.names import DomainName, key_from_text
from blockd.web.host import requested_host


def host_key(target: str, hosts: Sequence[str]) -> bytes:
    """Return the key of the requested name, as the block page reads it."""
    return key_from_text(requested_host(target, hosts))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.org.:8080", "example.org"),
        ("example.org:", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example:80", "xn--bcher-kva.example"),
    ],
)
def test_a_host_is_normalised(host: str, name: str) -> None:
    assert DomainName(host_key("/", [host])).text == name


def test_an_absolute_target_outranks_the_header() -> None:
    assert DomainName(host_key("http://a.example:80/x", ["b.example"])).text == "a.example"


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["a.example", "b.example"],
        ["192.0.2.1"],
        ["[2001:db8::1]:80"],
        ["a b.example"],
        ["a.example:port"],
        ["user@a.example"],
        ["a" * 5000],
        ["\udcff.example"],
    ],
)
def test_what_is_no_host_is_refused(hosts: list[str]) -> None:
    with pytest.raises(BadName):
        host_key("/", hosts)


@given(st.text(), st.lists(st.text(), max_size=2))
def test_any_request_gives_a_key_or_bad_name(target: str, hosts: list[str]) -> None:
    with contextlib.suppress(BadName):
        assert host_key(target, hosts)

"""What certificates must have for clients that verify what discovery tells them (RFC 9462)."""

from __future__ import annotations

from typing import Any

import pytest

from blockd.settings import Settings
from blockd.tls.announced import coverage_gaps
from tests.tls.certificates import pair

NAME = "dns.isp.example"


def found(*names: tuple[str, ...], dns: tuple[str, ...] = ("192.0.2.53",), **said: Any) -> list[str]:
    """Return what certificates with these names lack for a resolver that is asked at addresses in plain DNS."""
    listen = {"dns": [f"{host}:53" for host in dns], "dot": [f"{host}:853" for host in dns]}
    given = {"listen": listen, "discovery": {"name": NAME, **said}}
    settings = Settings.model_validate(given, context={"folder": None})
    return [one.found for one in coverage_gaps(settings, [pair(*of_one) for of_one in names])]


@pytest.mark.parametrize(
    ("names", "dns"),
    [
        ([(NAME, "192.0.2.53")], ("192.0.2.53",)),
        ([("*.isp.example", "192.0.2.53", "2001:db8::53")], ("192.0.2.53", "[2001:db8::53]")),
        ([("192.0.2.53", "www.isp.example"), (NAME, "192.0.2.53")], ("192.0.2.53",)),
        ([(NAME, "10.0.0.53")], ("10.0.0.53",)),
    ],
)
def test_a_certificate_with_name_and_addresses_lacks_nothing(
    names: list[tuple[str, ...]], dns: tuple[str, ...]
) -> None:
    assert found(*names, dns=dns) == []


def test_a_certificate_of_another_name_is_told() -> None:
    (sentence,) = found(("www.isp.example", "192.0.2.53"))
    assert sentence.startswith(f"no certificate is for discovery.name, {NAME}:")


@pytest.mark.parametrize("address", ["10.0.0.53", "192.168.1.1", "127.0.0.1", "[fd00::53]"])
def test_private_addresses_that_it_does_not_have_are_taken_unverified(address: str) -> None:
    (sentence,) = found((NAME,), dns=(address,))
    assert sentence.startswith(
        f"discovery is only opportunistic for clients that ask at {address.strip('[]')}: chain.pem"
    )


@pytest.mark.parametrize("address", ["192.0.2.53", "100.64.0.53", "[2001:db8::53]"])
def test_other_addresses_that_it_does_not_have_are_not_taken(address: str) -> None:
    (sentence,) = found((NAME,), dns=(address,))
    assert sentence.startswith(f"clients that ask at {address.strip('[]')} do not take what discovery tells them")


def test_the_first_certificate_counts_too_for_clients_that_name_no_server() -> None:
    (sentence,) = found(("www.isp.example",), (NAME, "192.0.2.53"))
    assert sentence.startswith("clients that ask at 192.0.2.53 do not take")


def test_a_private_address_is_not_taken_unverified_if_the_transport_is_elsewhere() -> None:
    (sentence,) = found((NAME,), dns=("10.0.0.53",), addresses=["10.0.0.54"])
    assert sentence.startswith("clients that ask at 10.0.0.53 do not take")


def test_addresses_that_clients_are_told_stand_for_wildcards() -> None:
    every = "0.0.0.0"  # noqa: S104
    assert found((NAME, "192.0.2.53"), dns=(every,), addresses=["192.0.2.53"]) == []
    (sentence,) = found((NAME, "192.0.2.53"), dns=(every, "[::]"))
    assert sentence.startswith("listen.dns and the encrypted transports name wildcards only")
    (sentence,) = found((NAME,), dns=(every,), addresses=["192.0.2.53"])
    assert sentence.startswith("clients that ask at 192.0.2.53 do not take")


def test_what_is_not_announced_needs_nothing() -> None:
    settings = Settings.model_validate({"listen": {"dot": ["192.0.2.53:853"]}}, context={"folder": None})
    assert list(coverage_gaps(settings, [pair("other.example")])) == []

"""Lists of addresses: what each line names, what is rejected and why, and that no input is read otherwise."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blockd.errors import BadName
from blockd.formats.address_line import MAX_RANGE, REASONS, line_networks
from blockd.formats.addresses import Addresses
from blockd.formats.blocks import read_blocks
from blockd.formats.changes import list_changes
from blockd.formats.finding.line import find_line
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import read_list
from blockd.names import Network, network_from_key, special_purpose
from blockd.printable import MAX_UNPROVED
from tests.effort import tries
from tests.places import SHARED

MAX_SIZE = 64 << 20
REAL = SHARED / "data" / "ipaddress_isp.txt.gz"


def read(text: bytes) -> tuple[list[str], RejectReport]:
    rejects = RejectReport()
    keys = Addresses().keys([text] if text else [], rejects, "list")
    return [network_from_key(key).text for key in keys], rejects


def reason(line: str) -> str:
    try:
        line_networks(line.encode(), 2)
    except BadName as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("line", "networks"),
    [
        ("1.2.3.4", ["1.2.3.4"]),
        ("1.2.3.4/32", ["1.2.3.4"]),
        (" 1.2.3.0/24\t\r", ["1.2.3.0/24"]),
        ("1.10.16.0/20 ; SBL256894", ["1.10.16.0/20"]),
        ("1.2.3.4;note", ["1.2.3.4"]),
        ("1.2.3.4#4#2#Malicious Host", ["1.2.3.4"]),
        ("1.2.3.4 # a note - with a dash", ["1.2.3.4"]),
        ("2606:4700:0000::ABCD", ["2606:4700::abcd"]),
        ("2606:4700::/32", ["2606:4700::/32"]),
        ("8.0.0.0/7", ["8.0.0.0/7"]),  # the gate says whether that is too wide
        ("2600::/12", ["2600::/12"]),
        ("1.0.0.0-2.255.255.255", ["1.0.0.0/8", "2.0.0.0/8"]),
        ("1.2.3.4-1.2.3.4", ["1.2.3.4"]),
        ("1.2.3.4 - 1.2.3.9", ["1.2.3.4/30", "1.2.3.8/31"]),
        ("2606:4700::-2606:4700::ffff", ["2606:4700::/112"]),
        ("", []),
        ("   ", []),
        ("# 1.2.3.4", []),
        ("; 1.2.3.4", []),
        ("! 1.2.3.4", []),
    ],
)
def test_what_a_line_names(line: str, networks: list[str]) -> None:
    found, rejects = read(line.encode() + b"\n")
    assert found == networks
    assert (rejects.lines, rejects.accepted, rejects.rejected) == (1, len(networks), 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("casino.example", "no address"),
        ("face.cc", "no address"),
        ("http://1.2.3.4/", "no address"),
        ("\uff11.2.3.4", "no address"),  # a digit, but not an ASCII one
        ("1.2.3.\u0664", "no address"),
        ("-", "no address"),
        ("1.2.3.4 10", "text after the address"),
        ("1.2.3.4\t5.6.7.8", "text after the address"),
        ("1.2.3", "bad address"),
        ("1.2.3.4.5", "bad address"),
        ("1.2.3.256", "bad address"),
        ("16909060", "bad address"),
        ("1.2.3.4:53", "bad address"),
        ("2606:4700::1::2", "bad address"),
        ("2606:4700:::", "bad address"),
        ("1.2.3.04", "leading zero"),
        ("01.2.3.4/32", "leading zero"),
        ("fe80::1%eth0", "zone id"),
        ("1.2.3.0/", "bad prefix"),
        ("1.2.3.0/33", "bad prefix"),
        ("1.2.3.0/024", "bad prefix"),
        ("1.2.3.0/+24", "bad prefix"),
        ("1.2.3.0/255.255.255.0", "bad prefix"),
        ("2606:4700::/129", "bad prefix"),
        ("1.2.3.4/24", "host bits set"),
        ("2606:4700::1/64", "host bits set"),
        ("1.2.3.9-1.2.3.4", "bad range"),
        ("1.2.3.4-2606:4700::", "bad range"),
        ("2606:4700::1-2606:4700:ffff::fffe", "bad range"),  # it would take more networks than a range may
        ("1.2.3.4-", "no address"),
        ("1.2.3.4-5", "bad address"),
        ("0.0.0.0/0", "this network"),  # a network that holds one set aside is none of sites
        ("8.0.0.0/6", "private use"),
        ("2000::/3", "IETF protocol assignments"),
        ("1.0.0.0-11.0.0.0", "private use"),
        ("0.1.2.3", "this network"),
        ("10.1.2.3", "private use"),
        ("192.168.0.0/16", "private use"),
        ("192.0.2.1", "documentation"),
        ("9.255.255.0-10.0.0.5", "private use"),
        ("::ffff:1.2.3.4", "IPv4-mapped"),
        ("::1", "loopback"),
        ("ff02::1", "multicast"),
        ("1.2.3.4\0", "NUL"),
        ("1.2.3.4 " + "x" * 2000, "too long"),
    ],
)
def test_a_line_without_an_address_to_block_is_rejected_alone(line: str, reason: str) -> None:
    found, rejects = read(b"1.1.1.1\n" + line.encode() + b"\n8.8.8.8\n")
    assert found == ["1.1.1.1", "8.8.8.8"]
    assert rejects.counts == {reason: 1}
    assert rejects.samples[reason][0].line == 2
    assert reason in {*REASONS, *special_purpose.REASONS}  # which the manual has


@pytest.mark.skipif(not REAL.is_file(), reason="the shared test data is not beside this checkout")
def test_a_real_list_is_read_whole() -> None:
    rejects = RejectReport()
    keys = list(read_list(Addresses(), REAL, rejects, MAX_SIZE))
    assert len(set(keys)) == len(keys) == rejects.accepted == 102_423
    assert rejects.counts == {"no address": 3, "bad address": 2, "documentation": 1, "private use": 1}


@given(st.integers(0, (1 << 32) - 1), st.integers(0, 32))
@example(0x01020000, 16)
def test_networks_of_ipv4_are_those_that_python_reads(number: int, prefix: int) -> None:
    text = f"{ipaddress.IPv4Address(number)}/{prefix}"
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        assert reason(text) == "host bits set"
        return
    expected = special_purpose.special_purpose(network.network_address.packed, prefix)
    assert reason(text) == expected
    if not expected:
        assert read(f"{text}\n".encode())[0] == [Network.from_text(text).text]


@given(st.integers(0, (1 << 125) - 1), st.sampled_from(["compressed", "exploded"]), st.booleans())
def test_addresses_of_ipv6_are_read_in_every_spelling(number: int, spelling: str, upper: bool) -> None:
    address = ipaddress.IPv6Address(number | 1 << 125)
    text = getattr(address, spelling)
    found, rejects = read((text.upper() if upper else text).encode() + b"\n")
    expected = special_purpose.special_purpose(address.packed, 128)
    assert found == ([] if expected else [str(address)])
    assert list(rejects.counts) == ([expected] if expected else [])


@given(st.integers(0x01000000, 0x08FFFFFF), st.integers(0, 1 << 24))
@example(0x01000001, (1 << 16) - 3)
@example(0x01000001, 0x08FFFFFD)
def test_a_range_of_ipv4_is_the_fewest_networks_that_hold_it(first: int, more: int) -> None:
    ends = ipaddress.IPv4Address(first), ipaddress.IPv4Address(first + more)
    expected = list(ipaddress.summarize_address_range(*ends))
    found, rejects = read(f"{ends[0]}-{ends[1]}\n".encode())
    assert len(expected) <= MAX_RANGE
    assert found == [Network.from_text(str(network)).text for network in expected]
    assert rejects.accepted == len(found)


@settings(max_examples=tries(100, 20_000))
@given(st.text(alphabet="0123456789abf:./-%# \t;\0\uff11", max_size=24) | st.text(max_size=12))
def test_a_line_is_an_address_only_if_python_says_so(line: str) -> None:
    try:
        keys = line_networks(line.encode("utf-8", "surrogatepass"), 2)
    except BadName:
        return
    content = line.strip(" \t\r").partition("#")[0].partition(";")[0].strip(" \t\r")
    if not keys:
        assert content == "" or content[0] == "!"
    elif "-" not in content:
        assert [network_from_key(key).text for key in keys] == [Network.from_text(content).text]


@settings(max_examples=tries(100, 5_000))
@given(st.lists(st.binary(max_size=40)))
def test_no_octets_break_the_reader(lines: list[bytes]) -> None:
    block = b"".join(line + b"\n" for line in lines)
    _, rejects = read(block)
    assert rejects.lines == block.count(b"\n")
    assert rejects.accepted <= rejects.lines * MAX_RANGE


def test_lines_may_end_as_on_other_systems() -> None:
    found, rejects = read(b"\xef\xbb\xbf1.1.1.1\r\n8.8.8.0/24\r\n\r\nname.example\r\n")
    assert found == ["1.1.1.1", "8.8.8.0/24"]
    assert rejects.lines == 4
    assert rejects.samples["no address"][0].text == "name.example"


def test_a_line_of_ten_megabytes_costs_no_more_than_its_reject() -> None:
    pieces = [b"1.1.1.1\n", *[b"1" * (1 << 20)] * 10, b"\n8.8.8.8\n"]
    rejects = RejectReport()
    found = list(Addresses().keys(read_blocks(pieces), rejects, "list"))
    assert [network_from_key(key).text for key in found] == ["1.1.1.1", "8.8.8.8"]
    assert rejects.counts == {"too long": 1}
    assert (rejects.lines, len(rejects.samples["too long"][0].text)) == (3, MAX_UNPROVED)


def test_a_list_without_one_address_holds_none(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("casino.example\n10.0.0.1\n")
    rejects = RejectReport()
    assert list(read_list(Addresses(), tmp_path / "list", rejects, MAX_SIZE)) == []
    assert (rejects.lines, rejects.accepted, rejects.rejected) == (2, 0, 2)


@pytest.mark.parametrize(
    ("network", "number"),
    [("1.1.1.1", 2), ("2606:4700::1", 3), ("5.6.7.8/30", 4), ("8.8.8.0/24", 5), ("9.9.9.9", None), ("5.6.7.9", None)],
)
def test_the_line_of_a_network_is_found_however_it_is_written(tmp_path: Path, network: str, number: int | None) -> None:
    (tmp_path / "list").write_text("# 1.1.1.1\n 1.1.1.1 # first\n2606:4700:0::0001\n5.6.7.8-5.6.7.12\n8.8.8.0/24\n")
    found = find_line(Addresses(), tmp_path / "list", Network.from_text(network).key, MAX_SIZE)
    assert (found.number if found else None) == number


LINES = st.sampled_from(
    [b"1.1.1.%d" % number for number in range(6)]
    + [b"1.1.1.4-1.1.1.7", b"1.1.1.4/30", b"2606:4700::1", b"2606:4700::0:1", b"# note", b"", b"name.example"]
    + [b"10.0.0.%d" % number for number in range(8)]
)
LISTS = st.lists(LINES, min_size=1, max_size=25).map(lambda lines: b"".join(line + b"\n" for line in lines))


def keys_of(text: bytes) -> tuple[set[bytes], RejectReport]:
    rejects = RejectReport()
    return set(Addresses().keys([text], rejects, "list")), rejects


@given(LISTS, LISTS)
def test_changes_are_those_that_reading_both_versions_shows(old: bytes, new: bytes) -> None:
    pytest.importorskip("blockd.formats._changes", reason="blockd was installed without its C part")
    (old_keys, before), (new_keys, after) = keys_of(old), keys_of(new)
    changes = list_changes(Addresses(), old, new, before, len(old_keys))
    if changes is None:
        few_samples = any(count > 5 for count in before.counts.values())
        assert few_samples or len(old_keys) < before.accepted
        return
    assert changes.rejects == after
    assert (old_keys | set(changes.added)) - set(changes.removed) == new_keys

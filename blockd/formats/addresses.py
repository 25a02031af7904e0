"""A list with one address or network on each line, read at the speed that a million lines need.

Almost every line of a published list is an address or network and nothing else, most of them IPv4 addresses, which the
C library parses. Every other line is parsed with care, by `blockd.formats.address_line`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator

from blockd.errors import BadName
from blockd.formats.address_line import line_networks, network_key
from blockd.formats.line import TinyLines, busy_lines
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import TextFormat
from blockd.names.network import KEY_IPV4
from blockd.names.special_purpose import ORDINARY_TOPS

_BARE = re.compile(rb"[0-9A-Fa-f:.]+(?:/[0-9]+)?")
_TINY = TinyLines()
_HOST = bytes((KEY_IPV4, 32))


class Addresses(TextFormat):
    """One IPv4 or IPv6 address, network or range on each line."""

    name = "addresses"
    description = "A text list, one address or network a line; enforced on what answers lead to."
    scope = None  # a network has none
    counted = "address", "addresses"
    has_line_changes = True

    def keys(self, blocks: Iterable[bytes], rejects: RejectReport, source: str) -> Iterator[bytes]:
        """Return what `read_addresses` yields."""
        return read_addresses(blocks, rejects)

    def line_keys(self, line: bytes, number: int, rejects: RejectReport) -> list[bytes]:
        """Return the keys of the networks in one line."""
        if number > 1 and (reason := _TINY.reason(line)):
            rejects.add(reason, number, line)
            return []
        try:
            return line_networks(line, number)
        except BadName as error:
            if number > 1:
                _TINY.note(line, error.reason)
            rejects.add(error.reason, number, line)
            return []

    def spellings(self, key: bytes) -> None:
        """Return None: a network has many spellings, and one in a range has none."""
        return


def read_addresses(blocks: Iterable[bytes], rejects: RejectReport) -> Iterator[bytes]:
    """Yield the key of every network of every line, in order, with repetitions.

    Each block holds whole lines with their line feeds. A line is rejected as a whole, with one reason; the networks of
    a range are accepted one by one.
    """
    parse, family, form = socket.inet_pton, socket.AF_INET, Addresses()
    for block in blocks:
        if b"\r\n" in block:
            block = block.replace(b"\r\n", b"\n")
        accepted = rejects.accepted
        for number, line in busy_lines(block, rejects.lines):
            try:
                if b":" in line or b"/" in line:
                    key = network_key(line.decode("ascii"))
                elif line[-1:].isdigit() and b"-" not in line:
                    packed = parse(family, line.decode("ascii"))
                    key = _HOST + packed if packed[0] in ORDINARY_TOPS else network_key(line.decode("ascii"))
                else:
                    key = b""
            except BadName as error:
                if _BARE.fullmatch(line):  # nothing stands around the address that would have to be taken off
                    rejects.add(error.reason, number, line)
                    continue
                key = b""
            except (OSError, ValueError):
                key = b""
            if key:
                accepted += 1
                yield key
                continue
            for key in form.line_keys(line, number, rejects):
                accepted += 1
                yield key
        rejects.lines += block.count(b"\n")
        rejects.accepted = accepted

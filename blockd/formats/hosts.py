"""A list in the form of a hosts file (hosts(5)): an address, then the names that it stands for."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable, Iterator

from blockd.errors import BadName
from blockd.formats.line import TinyLines, busy_lines, entry_key, line_content
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import TextFormat
from blockd.orders import Scope

_TINY = TinyLines()
_MAX_ADDRESSES = 1024  # results cached; a blocklist uses one or two addresses
_LOCAL_ADDRESSES = frozenset((b"255.255.255.255",))  # its names are not hosts
_LOCAL_NAMES = frozenset(
    (
        b"localhost",
        b"localhost.localdomain",
        b"localhost4",
        b"localhost4.localdomain4",
        b"localhost6",
        b"localhost6.localdomain6",
        b"local",
        b"localdomain",
        b"broadcasthost",
        b"ip6-localhost",
        b"ip6-loopback",
        b"ip6-localnet",
        b"ip6-mcastprefix",
        b"ip6-allnodes",
        b"ip6-allrouters",
        b"ip6-allhosts",
        b"0.0.0.0",  # some lists name the address itself
    )
)


class Hosts(TextFormat):
    """A hosts file; each of its names stands for itself alone."""

    name = "hosts"
    description = "A hosts file: an address, then names."
    scope = Scope.EXACT

    def keys(self, blocks: Iterable[bytes], rejects: RejectReport, source: str) -> Iterator[bytes]:
        """Return what `read_hosts` yields."""
        return read_hosts(blocks, rejects)


def read_hosts(blocks: Iterable[bytes], rejects: RejectReport) -> Iterator[bytes]:
    """Yield the key of every name of every line, in order, with repetitions, without the names of the machine itself.

    Each block holds whole lines with their line feeds. A line without an address or without a name is rejected as
    `no address` or `no name`; a name that is not valid is rejected alone, for the reasons of `entry_key`.
    """
    for block in blocks:
        for number, line in busy_lines(block, rejects.lines):
            if number > 1 and (reason := _TINY.reason(line)):
                rejects.add(reason, number, line)
                continue
            try:
                words = line_content(line, number).split()
                if not words:
                    continue
                if not is_address(words[0]):
                    raise BadName("no address")
                if len(words) == 1:
                    raise BadName("no name")
            except BadName as error:
                if number > 1:
                    _TINY.note(line, error.reason)
                rejects.add(error.reason, number, line)
                continue
            for word in names_of(words):
                try:
                    key = entry_key(word)
                except BadName as error:
                    rejects.add(error.reason, number, line)
                    continue
                rejects.accepted += 1
                yield key
        rejects.lines += block.count(b"\n")


def names_of(words: list[bytes]) -> list[bytes]:
    """Return the names of a line's words, of which the first is an address, without those of the machine itself."""
    if words[0] in _LOCAL_ADDRESSES:
        return []
    return [word for word in words[1:] if word.lower() not in _LOCAL_NAMES]


@functools.lru_cache(_MAX_ADDRESSES)
def is_address(word: bytes) -> bool:
    """Return whether a word is an IPv4 or IPv6 address, or `0`, which inet_aton(3) takes for 0.0.0.0."""
    if word == b"0":
        return True
    try:
        ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        return False
    return True

"""How long readers take: the worst input that each accepts or refuses, against an ordinary one of the same size.

A reader's time must grow with its input's size only. `make fuzz` prints the table for 10 MB each; a test counts calls
instead, for small inputs.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tuf.api.metadata import Metadata
from tuf.api.serialization import DeserializationError

from blockd.errors import BadName, BadOrder, BlockdError
from blockd.feeds.overrides.file import parse_overrides
from blockd.feeds.transfer.records import record_lines
from blockd.formats.canonical import CanonicalNames, read_changes
from blockd.formats.changes import list_changes
from blockd.formats.domains import Domains
from blockd.formats.rejects import RejectReport
from blockd.formats.rpz.reading import read_zone
from blockd.formats.taking import Lines, LineTaker
from blockd.formats.text_formats import format_named
from blockd.orders import Action, Scope, parse_document
from blockd.ruleset.building.builder import new_builder
from blockd.ruleset.building.claims import ClaimSets, Joins
from blockd.settings.yaml_file import parse_yaml
from tests.fuzz.evidence import PROOFS, SIGNATURES, read_proof, read_signatures
from tests.fuzz.transfers import TRANSFERS, hostile_transfer, received

LIMIT = 3.0  # how many times an ordinary input's time a megabyte the worst one may take
LEAST = 0.1  # seconds a megabyte that no input is too long for
SIZE = 10_000_000  # octets of each input of the table
_ROOM = 1 << 31  # octets of records
_MAX_SIZE = 1 << 31
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ZONE = b"\x03rpz\x07example\0"

Make = Callable[[random.Random], bytes]


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader, with its inputs by name: each makes a piece that is repeated up to a size, or the whole of it.

    The first input is the ordinary one. Of a list it has something around each name, as published lists do: lines that
    are a name and nothing else are read in a faster way. `max_size` is the largest input that the reader is given.
    """

    name: str
    read: Callable[[bytes], object]
    pieces: dict[str, Make]
    whole: dict[str, Callable[[int], bytes]]
    max_size: int = SIZE
    amount: Callable[[bytes], int] = len  # octets that an input amounts to: more than it has where names are compressed
    most_calls: int = 25  # of functions for an octet; a line of one octet and its line feed takes two of them

    def inputs(self, size: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
        """Yield the inputs, of about `size` octets each."""
        chance = random.Random(seed)  # noqa: S311 - the same at each run
        size = min(size, self.max_size)
        for name, make in self.pieces.items():
            yield name, _repeated(make, chance, size)
        for name, make_whole in self.whole.items():
            yield name, make_whole(size)


def _repeated(make: Make, chance: random.Random, size: int) -> bytes:
    parts: list[bytes] = []
    done = 0
    while done < size:
        parts.append(make(chance))
        done += len(parts[-1])
    return b"".join(parts)


def _word(chance: random.Random, least: int, most: int) -> str:
    return "".join(chance.choices(_LETTERS, k=chance.randint(least, most)))


def _name(chance: random.Random) -> bytes:
    top = chance.choice(("com", "org", "net", "id", "co.id"))
    return f"{_word(chance, 3, 8)}.{_word(chance, 6, 14)}.{top}".encode()


def _address(chance: random.Random) -> bytes:
    return b"%d.%d.%d.%d" % tuple(chance.randrange(11, 99) for _ in range(4))


def _label(chance: random.Random) -> bytes:
    return _word(chance, 1, 4).encode()


def _line(text: bytes) -> Make:
    return lambda _: text + b"\n"


def _named(around: str, make: Callable[[random.Random], bytes] = _name) -> Make:
    before, behind = around.encode().split(b"{}")
    return lambda chance: before + make(chance) + behind + b"\n"


def _wide(characters: str, count: int) -> Callable[[random.Random], bytes]:
    return lambda chance: ("".join(chance.choices(characters, k=count)) + ".jp").encode()


_HAN = "".join(map(chr, range(0x4E00, 0x9000)))
_HOSTILE: dict[str, Make] = {
    "blank lines": _line(b""),
    "carriage returns": _line(b"\r"),
    "blanks": _line(b" "),
    "comments of one sign": _line(b"#"),
    "lines of one letter": _line(b"a"),
    "lines of one dot": _line(b"."),
    "lines of one comma": _line(b","),
    "lines of one quote": _line(b'"'),
    "lines of one odd octet": _line(b"\xff"),
    "1,000 commas": _line(b"," * 1000),
    "1,000 dots": _line(b"." * 1000),
    "1,000 blanks": _line(b" " * 1000),
    "1,000 slashes": _line(b"/" * 1000),
    "1,000 colons": _line(b":" * 1000),
    "1,000 stars": _line(b"*" * 1000),
    "1,000 backslashes": _line(b"\\" * 1000),
    "blank and sign in turn": _line(b"a" + b" #" * 500),
    "signs and no comment": _line(b"a" + b"!a.a" * 250),
    "words": _line(b"a " * 500),
    "dollars": _line(b"a$" * 500),
    "labels of one letter": _line(b"a." * 511 + b"a"),
    "escapes": _line(b"\\046" * 60 + b".a"),
    "users of a URL": _line(b"http://" + b"@" * 1000),
    "a line without an end": lambda _: b"x" * 100_000,
}


def _list_inputs(around: str) -> dict[str, Make]:
    return {
        "names with a note": _named(f"{around} # note"),
        "names": _named(around),
        **_HOSTILE,
        "names of three octets": _named(around, lambda chance: f"{_word(chance, 1, 1)}.{_word(chance, 1, 1)}".encode()),
        "single labels": _named(around, lambda chance: _word(chance, 4, 8).encode()),
        "120 labels": _named(around, lambda chance: b".".join(_word(chance, 1, 1).encode() for _ in range(120))),
        "emoji": _named(around, _wide("\U0001f4a9\U0001f389\U0001f355\U0001f680\U0001f525", 3)),
        "Han": _named(around, _wide(_HAN, 4)),
        "Han, long labels": _named(around, _wide(_HAN, 59)),
        "ligatures": _named(around, lambda _: "\ufdfa".encode() * 300),
        "addresses for names": _named(around, lambda chance: f"10.{chance.randrange(256)}.0.1".encode()),
    }


def _listed(kind: str) -> Callable[[bytes], object]:
    def read(text: bytes) -> object:
        with _file(text) as path:
            builder, rejects = new_builder(bytes(16), _ROOM), RejectReport()
            for _, scope, keys in format_named(kind).listings(path, rejects, _MAX_SIZE, Scope.BOTH, Action.SINKHOLE):
                builder.start(Joins(ClaimSets(), 0, scope, frozenset({0})))
                if isinstance(keys, Lines) and isinstance(builder, LineTaker):
                    for _ in keys.add_to(builder):
                        pass
                    continue
                one_by_one = iter(keys)
                while batch := list(islice(one_by_one, 10_000)):
                    builder.add_keys(batch)
            return rejects

    return read


@contextlib.contextmanager
def _file(text: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        yield Path(file.name)


def _changed(text: bytes) -> object:
    old = text[: text.rfind(b"\n", 0, len(text) // 2) + 1] or b"\n"
    rejects = RejectReport()
    names = set(Domains().keys([old], rejects, ""))
    return list_changes(Domains(), old, text if text.endswith(b"\n") else text + b"\n", rejects, len(names))


def _zone(text: bytes) -> object:
    with _file(b"$ORIGIN rpz.example.\n@ 60 SOA localhost. root.localhost. 1 3600 600 86400 60\n" + text) as path:
        return read_zone(path, RejectReport(), _MAX_SIZE, zone=None)


def _messages(text: bytes) -> object:
    for at in range(0, len(text), 60_000):
        message = text[at : at + 60_000]
        with contextlib.suppress(BlockdError):
            record_lines(message, 0, 0xFFFF, _ZONE)
    return None


def _transfer(text: bytes) -> object:
    with _file(_lines(text)) as path:
        return read_zone(path, RejectReport(), _MAX_SIZE, zone=b"\x07example\x03rpz")


def _lines(text: bytes) -> bytes:
    name, _, rest = text.partition(b"\0")
    return b"".join(change.text for change in received(name.decode(), _unframed(rest)) if not change.removed)


def _transferred(text: bytes) -> int:
    with contextlib.suppress(*_REFUSALS):
        return max(len(text), len(_lines(text)))
    return len(text)


def _unframed(text: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        end = at + 4 + int.from_bytes(text[at : at + 4])
        yield text[at + 4 : end]
        at = end


def _framed(name: str) -> Callable[[int], bytes]:
    """Return what makes the messages of a transfer, its name in front, each with its length."""

    def make(size: int) -> bytes:
        messages = hostile_transfer(name, size)
        return name.encode() + b"\0" + b"".join(len(one).to_bytes(4) + one for one in messages)

    return make


def _canonical(text: bytes) -> object:
    return sum(map(len, CanonicalNames("a list").checked(text[at : at + 65536] for at in range(0, len(text), 65536))))


def _differences(text: bytes) -> object:
    return sum(1 for _ in read_changes((text[at : at + 65536] for at in range(0, len(text), 65536)), "changes"))


_ORDER = {
    "schema": "1.0", "id": "an-order", "authority": "Sample Authority", "platform": "Example Messenger",
    "in_force_from": "2026-01-01", "legal_basis": "Act 1", "names": [],
}  # fmt: skip


def _order_of(**more: object) -> bytes:
    return json.dumps({**_ORDER, **more}).encode()


def _order_names(size: int) -> bytes:
    chance = random.Random(1)  # noqa: S311
    return _order_of(names=[_name(chance).decode() for _ in range(size // 24)])


def _record(owner: bytes, rtype: int, data: bytes) -> bytes:
    return owner + _ZONE + rtype.to_bytes(2) + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2) + data


def _owner(chance: random.Random) -> bytes:
    label = _word(chance, 6, 14).encode()
    return b"%c%b" % (len(label), label)


def _files(size: int) -> bytes:
    entry = {"length": 1234, "hashes": {"sha256": "0" * 64}}
    return json.dumps(
        {"signed": {"targets": {f"orders/{number}.json": entry for number in range(size // 130)}}}
    ).encode()


_JSON: dict[str, Callable[[int], bytes]] = {
    "deep lists": lambda size: b"[" * size,
    "deep objects": lambda size: b'{"a":' * (size // 5),
    "one number": lambda size: b"9" * size,
    "many numbers": lambda size: b"[" + b"1," * (size // 2 - 1) + b"1]",
    "one string": lambda size: b'"' + b"\\u0041" * (size // 6) + b'"',
    "quotes": lambda size: b'["' + b'","' * (size // 3) + b'"]',
}

READERS = (
    Reader("domains", _listed("domains"), _list_inputs("{}"), {}),
    Reader("hosts", _listed("hosts"), _list_inputs("0.0.0.0 {}"), {}),
    Reader(
        "adblock",
        _listed("adblock"),
        _list_inputs("||{}^")
        | {
            "cosmetic rules": _line(b"##a"),
            "regular expressions": _line(b"/a/"),
            "modifiers": _line(b"||a.b^$" + b"important," * 90 + b"important"),
            "denied names": _line(b"||a.b^$denyallow=" + b"c.d|" * 200 + b"e.f"),
            "exceptions": _named("@@||{}^"),
            "badfilter": _named("||{}^$badfilter"),
        },
        {},
    ),
    Reader(
        "addresses",
        _listed("addresses"),
        {
            "addresses with a note": _named("{} # note", _address),
            "addresses": _named("{}", _address),
            **_HOSTILE,
            "private addresses": _line(b"10.0.0.1"),
            "networks": _line(b"11.0.0.0/24"),
            "host bits": _line(b"1.1.1.1/8"),
            "ranges": _line(b"11.0.0.0-11.0.0.255"),
            "IPv6": lambda chance: b"2a00::%x\n" % chance.randrange(1 << 16),
        },
        {},
    ),
    Reader("changed lines", _changed, {"names with a note": _named("{} # note"), **_HOSTILE}, {}),
    Reader(
        "policy zone",
        _zone,
        {
            "rules": _named("{} CNAME ."),
            "rules with a note": _named("{} 60 CNAME . ; note"),
            **_HOSTILE,
            "digits in a TTL": _line(b"a " + b"9" * 40 + b" CNAME ."),
            "parts of a TTL": _line(b"a " + b"9w" * 400 + b" CNAME ."),
            "parentheses": _line(b"( " * 500),
            "quotes": _line(b'a TXT "' + b'" "' * 300 + b'"'),
            "backslashes": _line(b"a TXT " + b"\\" * 900),
            "other data": _line(b"a TYPE999 \\# 3 abcdef"),
            "comments": _line(b";"),
            "comments behind blanks": _line(b" ;"),
            "carriage returns and comments": _line(b";\r"),
            "records over two lines": _line(b"a (\n)"),
            "records of no owner over two lines": _line(b" a(\n)"),
            "records that break in their second line": _line(b'a(\n"\n)'),
            "different records over two lines": lambda chance: b"%b (\n)\n" % _word(chance, 4, 6).encode(),
            "empty parentheses": _line(b"a( )"),
            "parentheses alone": _line(b"(\n)"),
            "wrong addresses": _line(b"a A 1"),
            "wrong addresses of IPv6": _line(b"a AAAA 1"),
            "wrong addresses below blanks": _line(b" A 1"),
            "one address": _line(b"a A 1.1.1.1"),
            "addresses": _named("{} A 10.1.1.1"),
            "different addresses": lambda chance: b"%b A 10.%d.%d.%d\n" % (_label(chance), *chance.randbytes(3)),
            "addresses of IPv6": _line(b"a AAAA ::"),
            "one string": _line(b"a TXT 1"),
            "different strings": lambda chance: b"a TXT %b\n" % _label(chance),
            "escaped strings": _line(b"a TXT \\1\\2\\3"),
            "name servers": _line(b"@ NS ."),
            "aliases": lambda chance: b"a CNAME %b\n" % _label(chance),
            "pointers": _line(b"a PTR ."),
            "mail exchangers": _line(b"a MX 1 ."),
            "services": _line(b"a SRV 0 0 0 ."),
            "service bindings": _line(b"a SVCB 0 ."),
            "data in digits": _line(b"a TYPE9 \\# 0"),
            "mail exchangers in digits": _line(b"a MX \\# 3 000100"),
            "unknown types": lambda chance: b"a %b 1\n" % _label(chance),
            "numbered types": lambda chance: b"a TYPE%d 1\n" % chance.randrange(1 << 16),
            "wrong TTLs": _line(b"a 1x A"),
            "SOA records": _line(b"@ SOA . . 1 1 1 1 1"),
            "origins": _line(b"$ORIGIN a"),
            "wrong directives": _line(b"$"),
        },
        {},
    ),
    Reader("transfer", _transfer, {}, {name: _framed(name) for name in TRANSFERS}, amount=_transferred),
    Reader(
        "messages of a transfer",
        _messages,
        {
            "rules": lambda chance: _record(_owner(chance), 5, b"\0"),
            "pointers": lambda _: b"\xc0\0\0\5\0\1\0\0\0\0\0\0",
            "zeros": lambda _: bytes(1000),
            "longest names": lambda _: _record((b"\x3f" + b"\xff" * 63) * 3, 5, b"\0"),
            "strings": lambda _: _record(b"\1a", 16, b"\0" * 1000),
        },
        {},
    ),
    Reader(
        "names of an order",
        _canonical,
        {},
        {
            "names": lambda size: b"".join(b"%012d.example\n" % number for number in range(size // 21)),
            "short names": lambda size: b"".join(b"%07x\n" % number for number in range(size // 8)),
            "a line without an end": lambda size: b"a" * size,
            "blank lines": lambda size: b"\n" * size,
        },
    ),
    Reader(
        "changes of an order",
        _differences,
        {},
        {
            "names": lambda size: b"".join(b"+%012d.example\n" % number for number in range(size // 22)),
            "a line without an end": lambda size: b"a" * size,
            "blank lines": lambda size: b"\n" * size,
        },
    ),
    Reader(
        "order document",
        lambda text: parse_document(json.loads(text), "an order"),
        {},
        {
            "names": _order_names,
            "wrong names": lambda size: _order_of(names=["a"] * (size // 5)),
            "Han": lambda size: _order_of(names=["\u4e00\u4e8c" * 29 + ".jp"] * (size // 350)),
            "many fields": lambda size: _order_of(**{f"field-{number}": "" for number in range(size // 20)}),
            "long texts": lambda size: _order_of(legal_basis="\u0416" * (size // 6)),
            **_JSON,
        },
    ),
    Reader(
        "signed metadata",
        Metadata.from_bytes,
        {},
        {"files": _files, **_JSON},
        max_size=8 << 20,
    ),
    Reader("proof of the audit log", read_proof, {}, PROOFS),
    Reader("minisign", read_signatures, {}, SIGNATURES),
    Reader("overrides", parse_overrides, {}, {"files": _files, **_JSON}, max_size=8 << 20),
    Reader(
        "config",
        lambda text: parse_yaml(text.decode(), "config"),
        {},
        {
            "feeds": lambda size: b"feeds:\n" + b"- {name: a, type: domains, path: /srv/a}\n" * (size // 41),
            "deep lists": lambda size: b"[" * size,
            "many keys": lambda size: b"".join(b"k%d: 1\n" % number for number in range(size // 10)),
            "aliases": lambda size: b"a: &a [x]\nb: [" + b"*a," * (size // 3) + b"*a]\n",
            "blank lines": lambda size: b"\n" * size,
        },
        max_size=200_000,
        most_calls=250,  # the parser is in Python, and reads octet by octet
    ),
)

_REFUSALS = (BlockdError, BadName, BadOrder, ValueError, TypeError, KeyError, RecursionError, DeserializationError)


def tried(reader: Reader, text: bytes) -> None:
    """Run a reader on an input, which it may refuse."""
    with contextlib.suppress(*_REFUSALS):
        reader.read(text)


def calls(reader: Reader, text: bytes) -> int:
    """Return how many functions a reader calls, in Python and in C, for an input."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        tried(reader, text)
    finally:
        sys.setprofile(None)
    return count


def seconds(reader: Reader, text: bytes, tries: int = 1) -> float:
    """Return the CPU time that a reader takes for a megabyte that its input amounts to, the best of some tries."""
    best = float("inf")
    for _ in range(tries):
        start = time.process_time()
        tried(reader, text)
        best = min(best, time.process_time() - start)
    return best / (reader.amount(text) / 1e6)


def main(arguments: list[str]) -> int:
    """Print the table, for inputs of the size given in octets; return 1 if an input takes too long."""
    size = int(arguments[0]) if arguments else SIZE
    too_long = 0
    for reader in READERS:
        base = 0.0
        for name, text in reader.inputs(size):
            took = seconds(reader, text, 1 if base else 3)
            base = base or took
            if took > base * LIMIT and took > LEAST:
                took = min(took, seconds(reader, text, 2))  # a busy machine may have held it up
            times = took / base if base else 0.0
            over = times > LIMIT and took > LEAST
            too_long += over
            print(
                f"{reader.name:20} {name:26} {took * 1000:9.1f} ms/MB {times:7.1f} {'<<<' if over else ''}", flush=True
            )
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

r"""A domain name (RFC 9499 section 2), parsed once into a value and never checked again.

The value's one representation is its *key*: the labels from the root down, each preceded by its length octet,
ASCII letters in lower case (RFC 4343), no root label. `web.telegram.org` is `\x03org\x08telegram\x03web`.
Every ancestor of a name is a prefix of its key, so that the suffixes of a name are hashed and looked up in one
pass over one buffer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import idna

from blockd.errors import BadName
from blockd.names import punycode

MAX_LABEL = 63  # octets, RFC 1035 section 2.3.4
MAX_NAME = 255  # octets on the wire with length octets and the root label, RFC 1035 section 2.3.4
MAX_KEY = MAX_NAME - 1  # a key leaves the root label out
MAX_LABELS = MAX_KEY // 2
MAX_TEXT = 1024  # characters; longer text is too long unread: 4 per octet of a name, as `\\DDD` writes it

# Letters, digits and hyphens as RFC 5890 section 2.3.1 has them, and the underscore of RFC 8552. A hyphen may begin or
# end a label too: no host may be called so, but such names are asked for and resolved, and lists name them.
_HOST_LABEL = r"[a-z0-9_-]{1,63}"
_HOST_NAME = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*", re.ASCII)
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9a-f]*:[0-9a-f:.]*\]?", re.ASCII)
_HOST_OCTETS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
_ACE_PREFIX = "xn--"  # of an A-label, RFC 5890 section 2.3.2.1
_JOINERS = re.compile("[\u200c\u200d]")
_RIGHT_TO_LEFT = re.compile(  # the blocks outside of which no character is written so (Unicode, DerivedBidiClass.txt)
    "[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_CHECKED = re.compile(f"{_JOINERS.pattern}|{_RIGHT_TO_LEFT.pattern}")
_NO_U_LABEL = re.compile(r"[\x00-,./:-`{-\x7f]")  # ASCII but for letters, digits and hyphens
_UNCHANGED = re.compile("[a-z0-9.\u4e00-\u9fea\uac00-\ud7a3-]+")  # Han and Hangul: mapping leaves them as they are
_MAX_MAPPED = 150_000  # characters whose mapping is kept: as many as there are, some twenty megabytes
_FOLD = bytes(octet + 32 if 65 <= octet <= 90 else octet for octet in range(256))


class _Mapped(dict[int, str]):
    """What each character is mapped to (UTS #46 section 4, without the composition), found out once."""

    def __missing__(self, code: int) -> str:
        if len(self) >= _MAX_MAPPED:
            self.clear()
        mapped = idna.uts46_remap(chr(code), std3_rules=False, transitional=False)
        self[code] = mapped
        return mapped


_MAPPED = _Mapped()


def key_from_text(text: str) -> bytes:
    """Return the key of a host name written as text, in Unicode or ASCII, in any case.

    Unicode is mapped and encoded as browsers do (UTS #46, non-transitional processing, with checks of bidirectional
    text and joiners but not of hyphens): names that IDNA 2008 (RFC 5891) does not allow and that are asked for all the
    same, such as those with emoji, have a key too.

    One trailing dot is allowed. Raises BadName, whose reason is one of: empty, too long, address, empty label,
    label too long, bad character, numeric top label (a fragment of an address: RFC 3696 section 2 has no such
    top-level domain), bad IDNA.
    """
    name = text.lower() if text.isascii() else _to_ascii(text)
    name = name.removesuffix(".")
    if not _HOST_NAME.fullmatch(name):
        raise BadName(_why_no_host_name(name))
    if len(name) > MAX_KEY - 1:
        raise BadName("too long")
    if name[-1].isdigit() and _ADDRESS.fullmatch(name):
        raise BadName("address")
    labels = name.encode("ascii").split(b".")
    labels.reverse()
    if labels[0].isdigit():
        raise BadName("numeric top label")
    return b"".join([b"%c%b" % (len(label), label) for label in labels])


def label_ends(key: bytes) -> list[int]:
    """Return where each label of a key ends, from the root down; each prefix up to there is the key of an ancestor."""
    ends: list[int] = []
    position = 0
    while position < len(key):
        position += 1 + key[position]
        ends.append(position)
    return ends


def key_from_wire(wire: bytes) -> bytes:
    """Return the key of an uncompressed wire name, length octets and root label included (RFC 1035 section 3.1).

    Any octet may occur in a label (RFC 2181 section 11). Raises BadName for a label over 63 octets, a pointer,
    a missing root label, octets after it, or a name over 255 octets.
    """
    if len(wire) > MAX_NAME:
        raise BadName("too long")
    labels: list[bytes] = []
    position = 0
    while position < len(wire):
        length = wire[position]
        end = position + 1 + length
        if length == 0:
            if end != len(wire):
                raise BadName("bytes behind the root label")
            labels.reverse()
            return b"".join(labels).translate(_FOLD)
        if length > MAX_LABEL:
            raise BadName("label too long")
        labels.append(wire[position:end])
        position = end
    raise BadName("no root label")


@dataclass(frozen=True, slots=True, order=True)
class DomainName:
    """One domain name; `key` is described at the top of this module."""

    key: bytes

    @classmethod
    def from_text(cls, text: str) -> DomainName:
        """Parse a host name; raises BadName as `key_from_text` does."""
        return cls(key_from_text(text))

    @classmethod
    def from_wire(cls, wire: bytes) -> DomainName:
        """Parse an uncompressed wire name; raises BadName as `key_from_wire` does."""
        return cls(key_from_wire(wire))

    @property
    def labels(self) -> tuple[bytes, ...]:
        """The labels as DNS writes them, the least significant first, without the root."""
        found = []
        position = 0
        while position < len(self.key):
            end = position + 1 + self.key[position]
            found.append(self.key[position + 1 : end])
            position = end
        return tuple(reversed(found))

    @property
    def wire(self) -> bytes:
        """Uncompressed wire form with the root label."""
        return b"".join(b"%c%b" % (len(label), label) for label in self.labels) + b"\0"

    @property
    def text(self) -> str:
        r"""Presentation form without trailing dot; octets not of a host name are written `\DDD` (RFC 1035 5.1)."""
        return ".".join(_label_text(label) for label in self.labels) or "."

    @property
    def unicode(self) -> str:
        """The name as people read it: A-labels as U-labels if IDNA 2008 allows, else the text."""
        try:
            return idna.decode(self.text)
        except (idna.IDNAError, UnicodeError):
            return self.text

    @property
    def spelling(self) -> str:
        """The name with all A-labels decoded, emoji too, as lists spell it; not for people, whom it may mislead."""
        return ".".join(map(_decoded, self.text.split(".")))

    def ancestors(self) -> Iterator[DomainName]:
        """The name itself, then each parent, the root left out."""
        for end in reversed(label_ends(self.key)):
            yield DomainName(self.key[:end])

    def __str__(self) -> str:
        return self.text


def _label_text(label: bytes) -> str:
    if _HOST_OCTETS.issuperset(label):
        return label.decode("ascii")
    return "".join(chr(octet) if octet in _HOST_OCTETS else f"\\{octet:03d}" for octet in label)


def _to_ascii(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise BadName("too long")
    try:
        mapped = text if _UNCHANGED.fullmatch(text) else _mapped(text)
        return ".".join(map(_label_to_ascii, mapped.split(".")))
    except (idna.IDNAError, UnicodeError) as error:
        raise BadName("bad IDNA") from error


def _mapped(text: str) -> str:
    """Return a name as UTS #46 maps it, composed (Unicode's form NFC); raises idna.IDNAError."""
    mapped = text.translate(_MAPPED)
    try:
        idna.check_nfc(mapped)
    except idna.IDNAError:  # characters that meet have to be composed
        return idna.uts46_remap(text, std3_rules=False, transitional=False)
    return mapped


def _label_to_ascii(label: str) -> str:
    """Return a label's A-label (UTS #46 section 4.1); ASCII labels are returned as they are.

    One that cannot fit is not encoded.
    """
    if label.isascii():
        return label
    if label.startswith(_ACE_PREFIX):
        raise idna.IDNAError("an A-label is ASCII")
    if len(label) > MAX_LABEL - len(_ACE_PREFIX):  # each character takes an octet or more
        raise idna.IDNAError("too long")
    if _NO_U_LABEL.search(label):
        raise idna.IDNAError("an octet that no U-label has")
    idna.check_initial_combiner(label)
    if _CHECKED.search(label):
        if _RIGHT_TO_LEFT.search(label):
            idna.check_bidi(label)
        for joiner in _JOINERS.finditer(label):
            if not idna.valid_contextj(label, joiner.start()):
                raise idna.IDNAError("a joiner where none may be")
    return _ACE_PREFIX + punycode.encode(label)


def _decoded(label: str) -> str:
    if not label.startswith(_ACE_PREFIX):
        return label
    try:
        decoded = label[len(_ACE_PREFIX) :].encode("ascii").decode("punycode")
        return decoded if _to_ascii(decoded) == label else label
    except (BadName, UnicodeError):
        return label


def _why_no_host_name(name: str) -> str:
    if not name:
        return "empty"
    if len(name) > MAX_TEXT:
        return "too long"
    if _ADDRESS.fullmatch(name):
        return "address"
    for label in name.split("."):
        if not label:
            return "empty label"
        if not _HOST_OCTETS.issuperset(label.encode("ascii", "replace")):
            return "bad character"
        if len(label) > MAX_LABEL:
            return "label too long"
    return "bad character"

r"""What somebody asks about, as people type it: a name, an address, a network, or what they copied one from.

Everything that a list or a zone can hold can be typed: host names in ASCII and Unicode, names with other octets as
zone files write them (`\DDD`, RFC 1035 section 5.1), addresses and networks, and the owner of a policy zone's rule for
addresses (`24.0.2.0.192.rpz-ip`). What stands around a name in a URL, a line of a list or a Host header is taken off.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

from blockd.errors import BadName
from blockd.formats.adblock_rule import Rule, parse_rule
from blockd.formats.decoration import host_of
from blockd.formats.rpz.tokens import name_key
from blockd.formats.rpz.triggers import trigger_of
from blockd.names import DomainName, Network, is_client_key, is_network_key, key_from_text, network_from_key

MAX_SHOWN = 120  # characters of a wrong text that are repeated
MAX_TYPED = 8192  # characters; no browser's address bar holds a longer URL that somebody has to type

# Octets that a name has as they are, beside those of a host name. The others separate names, or quote them, and have
# to be written as `\DDD`.
_PLAIN = re.compile(r"(?:[!%&'*+,.<=>\[\]`{}~\w-]|\\[0-9]{3}|\\[!-/:-~])+", re.ASCII)
_CLASSLESS = re.compile(r"[0-9]+[/-][0-9]+(?:\.[0-9]+){1,3}\.in-addr\.arpa\.?", re.IGNORECASE | re.ASCII)  # RFC 2317
_TRIGGER = re.compile(r"[0-9a-z.]+\.rpz-(?:client-)?ip\.?", re.IGNORECASE | re.ASCII)
_ADDRESS_PORT = re.compile(r"\[([0-9a-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", re.IGNORECASE | re.ASCII)
_RANGE = re.compile(r"([0-9a-f:.]+) *- *([0-9a-f:.]+)", re.IGNORECASE | re.ASCII)
_ADVICE = {
    "a range of addresses": " (name an address or a network in it)",
    "adblock rule": r" (it stands for no whole name; write $, ^, #, | and @ in a name as \DDD)",
    "bad character": r" (write octets that separate names, such as a blank, as \DDD: \032)",
    "a top-level name": " (what is under it belongs to many parties; take the scope `exact`, or single names)",
    "a wildcard": " (name what it is under, with the scope `subdomains`)",
    "address": " (only a name can be given here)",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A name or a network, by its key; `taken_from` says in words what it was read out of, empty if it was all."""

    key: bytes
    taken_from: str = ""

    @property
    def is_network(self) -> bool:
        """Whether it is a network, of addresses or of clients."""
        return is_network_key(self.key)

    @property
    def is_client(self) -> bool:
        """Whether it is a network of clients."""
        return self.is_network and is_client_key(self.key)

    @property
    def network(self) -> Network:
        """The network; raises BadName if it is a name."""
        return network_from_key(self.key)

    @property
    def text(self) -> str:
        """The name or the network in presentation form."""
        return self.network.text if self.is_network else DomainName(self.key).text


def subject_of(text: str) -> Subject:
    """Return what a text that somebody typed is about.

    Raises BadName for the reasons of `key_from_text`, `host_of`, `trigger_of` and `Network.from_text`, and: a range of
    addresses.
    """
    text = text.strip()
    if len(text) > MAX_TYPED:
        raise BadName("too long")
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
        raise BadName("bad character")
    network = _network(text)
    if network is not None:
        return network
    if (ends := _RANGE.fullmatch(text)) and all(_network(end) is not None for end in ends.groups()):
        raise BadName("a range of addresses")
    if _TRIGGER.fullmatch(text):
        key, _ = trigger_of(name_key(text.lower().encode("ascii"), b""))
        return Subject(key, "the owner of a policy zone's rule")
    if text == "." or _CLASSLESS.fullmatch(text):
        return Subject(name_key(text.encode("ascii"), b""))
    return _name(text)


def name_from_text(text: str) -> bytes:
    r"""Return the key of a name that somebody typed or a file of blockd holds, with other octets as `\DDD`.

    Raises BadName as `subject_of` does, and: address, for an address or a network; a wildcard.
    """
    subject = subject_of(text)
    if subject.is_network:
        raise BadName("address")
    if subject.key and subject.text.split(".", 1)[0] == r"\042":
        raise BadName("a wildcard")
    return subject.key


def not_a_subject(text: str, error: BadName) -> str:
    """Return in words that a text is about nothing, why, and for other octets how they are written."""
    shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
    return f"{shown!r} is not a valid domain name or address: {reason_of(error)}"


def reason_of(error: BadName) -> str:
    """Return why a text is not a name, with what to type instead."""
    return error.reason + _ADVICE.get(error.reason, "")


def _network(text: str) -> Subject | None:
    """Return the network that a text is; None if it is something else. Raises BadName for a wrong prefix length."""
    taken = ""
    if port := _ADDRESS_PORT.fullmatch(text):
        address = port[1] or port[2]
        taken = "an address with a port" if address != text[1:-1] else "an address in brackets"
        text = address
    try:
        return Subject(Network.from_text(text).key, taken)
    except BadName:
        address, _, prefix = text.partition("/")
    try:
        whole = Network.from_text(address)
    except BadName:
        return None
    if prefix.isascii() and prefix.isdigit():
        if len(prefix) > 3 or int(prefix) > len(whole.packed) * 8:
            raise BadName("bad network")
        return Subject(whole.within(int(prefix)).key, f"the network of {address}")
    return Subject(whole.key, "an address with a path")


def _name(text: str) -> Subject:
    """Return the name in a text that is not a network."""
    with contextlib.suppress(BadName):
        return Subject(key_from_text(text))
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:  # what the shell passed on is not text in its encoding
        raise BadName("not UTF-8") from error
    try:
        host = host_of(content).decode("utf-8")
    except BadName as error:
        if error.reason == "adblock rule" and (rule := _rule(content)) is not None:
            kind = "exception" if rule.is_exception else "rule"
            return Subject(rule.key, f"the name in an ad blocker's {kind}")
        raise
    taken = "" if host == text else f"the name in {_kind(text)}"
    if "@" in host and "\\" not in host:
        host = host.rpartition("@")[2]
        taken = "what stands behind the @"
    if host != text and (network := _network(host)) is not None:
        return Subject(network.key, taken.replace("name", "address"))
    try:
        return Subject(key_from_text(host), taken)
    except BadName:
        if not _PLAIN.fullmatch(host):
            raise
    return Subject(name_key(host.encode("ascii"), b""), taken)


def _rule(content: bytes) -> Rule | None:
    """Return the rule that a list of an ad blocker would take a text for; None if it is not one for a whole name."""
    try:
        return parse_rule(content)
    except BadName:
        return None


def _kind(text: str) -> str:
    """Return in words what a name was taken from."""
    if "://" in text:
        return "a URL"
    if text.startswith("|"):
        return "an ad blocker's rule"
    if " " in text or "\t" in text:
        return "a line of a hosts file"
    return "a name with a path" if "/" in text else "a name with a port"

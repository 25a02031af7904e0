"""The gate as configured, with the lists of names that it guards."""

from __future__ import annotations

import encodings.punycode  # noqa: F401 - else loaded when it is needed, where the daemon's user may not read it
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import publicsuffixlist

from blockd.errors import BadName, ConfigError, FileTooLarge
from blockd.files import read_configured
from blockd.names import Network, key_from_text
from blockd.names.suffixes import PublicSuffixes, parse_suffixes
from blockd.ruleset.gate.gate import Gate
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.network_guard import NetworkGuard, OwnNetworks
from blockd.ruleset.gate.popular import parse_popular
from blockd.ruleset.gate.release import key_of_entry
from blockd.ruleset.gate.shared_networks import SharedNetworks
from blockd.settings import Feed, GateSettings

MAX_LIST = 64 << 20  # octets of one list: a million popular names with their ranks take less than half
MAX_SHOWN = 5  # problems shown of one file

LIMITS = frozenset(("max_shrink", "min_names", "max_rejects", "max_growth"))  # keys that no list depends on
POPULAR_SHIPPED = Path(__file__).with_name("popular.txt")

Parsed = TypeVar("Parsed")

_INSTALLED = Path(publicsuffixlist.__file__).with_name("public_suffix_list.dat")


@functools.cache
def installed_suffixes() -> PublicSuffixes:
    """Return the public suffixes of the list installed with blockd, none if it cannot be read."""
    try:
        return parse_suffixes(_INSTALLED.read_text(encoding="utf-8"))
    except OSError:
        return PublicSuffixes.none()


def gate_of(settings: GateSettings, feeds: Sequence[Feed] = ()) -> Gate:
    """Return the gate that the settings describe, with those of the `feeds` that have keys of their own.

    It does not know yet what the resolver stands on, see `Gate.standing_on`. Raises ConfigError if one of its lists
    cannot be used.
    """
    guards = {_lists(settings): guard_of(settings)}  # one object for all feeds with the same lists
    gates: dict[str, Gate] = {}
    for feed in feeds:
        if feed.gate is None or not feed.gate.model_fields_set:
            continue
        merged = settings.overridden_by(feed.gate)
        if _lists(merged) not in guards:
            guards[_lists(merged)] = guard_of(merged)
        gates[feed.name] = _gate(merged, guards[_lists(merged)], frozenset(feed.gate.model_fields_set))
    return replace(_gate(settings, guards[_lists(settings)], frozenset()), feeds=gates)


def guard_of(settings: GateSettings) -> Guard:
    """Return the guard that the settings describe; raises ConfigError if one of its lists cannot be used."""
    digest = hashlib.sha256()
    suffixes = _suffixes(settings.public_suffixes, digest)
    protected: list[bytes] = []
    under: list[bytes] = []
    for number, path in enumerate(settings.protected):
        for key, is_under in _protected(_text(path, f"gate.protected[{number}]", digest), path):
            (under if is_under else protected).append(key)
    popular: list[bytes] = []
    if (path_of_popular := popular_path(settings)) is not None:
        text = _text(path_of_popular, "gate.popular", digest)
        popular = _popular(text, path_of_popular, settings.popular_count)
        digest.update(b"%d %b" % (settings.popular_count, settings.popular_mode.encode()))
    networks = NetworkGuard.of(settings.min_prefix_ipv4, settings.min_prefix_ipv6, OwnNetworks())
    shared: list[Network] = []
    for number, path in enumerate(settings.shared_networks):
        shared += _networks(_text(path, f"gate.shared_networks[{number}]", digest), path)
    released: list[bytes] = []
    for number, path in enumerate(settings.release):
        released += _released(_text(path, f"gate.release[{number}]", hashlib.sha256()), path)
    guard = Guard.of(
        suffixes,
        protected,
        popular,
        digest.hexdigest(),
        SharedNetworks.of(shared),
        under=under,
        networks=networks,
        reports_popular=settings.popular_mode == "report",
    )
    return guard.releasing(released)


def _gate(settings: GateSettings, guard: Guard, own_keys: frozenset[str]) -> Gate:
    return Gate(
        max_shrink=settings.max_shrink,
        min_names=settings.min_names,
        max_rejects=settings.max_rejects,
        max_growth=settings.max_growth,
        guard=guard,
        is_least_set="min_names" in settings.model_fields_set,
        own_keys=own_keys,
    )


def popular_path(settings: GateSettings) -> Path | None:
    """Return the file of popular names: the config's, or the one that comes with blockd; None if there is none."""
    if isinstance(settings.popular, bool):
        return POPULAR_SHIPPED if settings.popular else None
    return settings.popular


def _lists(settings: GateSettings) -> str:
    """Return a text that is the same for two settings whose guards are made in the same way."""
    return repr(sorted((key, repr(value)) for key, value in settings if key not in LIMITS))


def _suffixes(place: Path | bool, digest: hashlib._Hash) -> PublicSuffixes | None:
    """Return the public suffixes of a file, or of the list installed with blockd; None if they are turned off."""
    if place is False:
        return None
    path = _INSTALLED if isinstance(place, bool) else place
    suffixes = parse_suffixes(_text(path, "gate.public_suffixes", digest))
    if not suffixes.names or not suffixes.wild:
        raise ConfigError(str(path), ["it is not a public suffix list in the format of publicsuffix.org"])
    return suffixes


def _text(path: Path, key: str, digest: hashlib._Hash) -> str:
    try:
        octets = read_configured(path, MAX_LIST)
        text = octets.decode("utf-8-sig")
    except FileTooLarge as error:
        raise ConfigError(str(path), [f"{key}: it is larger than {MAX_LIST >> 20} MiB"]) from error
    except OSError as error:
        raise ConfigError(str(path), [f"{key}: it cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [f"{key}: it is not valid UTF-8 text"]) from error
    digest.update(b"\0%b\0" % key.encode())
    digest.update(octets)
    return text


def _protected(text: str, path: Path) -> list[tuple[bytes, bool]]:
    """Return the keys of all names, and whether all names under each are protected too, as `*.name` says.

    An invalid line is an error, since the name it meant would not be protected.
    """

    def parsed(line: str) -> tuple[bytes, bool]:
        return key_from_text(line.removeprefix("*.")), line.startswith("*.")

    return _every(text, path, parsed, "one name per line")


def _released(text: str, path: Path) -> list[bytes]:
    """Return the keys of all entries; an invalid line is an error, since the entry it meant would stay held back."""
    return _every(text, path, key_of_entry, "one name or network per line")


def _every(text: str, path: Path, parsed: Callable[[str], Parsed], expected: str) -> list[Parsed]:
    found, problems = [], []
    for number, line in _lines(text.splitlines()):
        try:
            found.append(parsed(line))
        except BadName as error:
            problems.append(f"line {number} is not a valid name ({error.reason}); expected {expected}")
    if problems:
        raise ConfigError(str(path), problems[:MAX_SHOWN])
    return found


def _networks(text: str, path: Path) -> list[Network]:
    """Return all networks; an invalid line is an error, since the network it meant would not be spared."""
    networks, problems = [], []
    for number, line in _lines(text.splitlines()):
        try:
            networks.append(Network.from_text(line))
        except BadName:
            problems.append(f"line {number} is not an address, or a network without host bits; expected one a line")
    if problems:
        raise ConfigError(str(path), problems[:MAX_SHOWN])
    return networks


def _popular(text: str, path: Path, count: int) -> list[bytes]:
    """Return the keys of the first `count` names."""
    keys = parse_popular(text, count)
    if not keys and count:
        raise ConfigError(str(path), ["gate.popular: it holds no name; expected one name per line, by rank"])
    return keys


def _lines(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that are neither blank nor a comment, each with its number."""
    for number, line in enumerate(lines, 1):
        content = line.partition("#")[0].strip()
        if content:
            yield number, content

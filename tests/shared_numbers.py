"""The numbers that Python and Cython share: `make numbers` writes the .pxd files, a test compares them.

In Python each is in one module. Cython gets it from the file that is made here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from types import ModuleType

from blockd.dns import types
from blockd.metrics import counters, recent, traffic
from blockd.names import domain, hashed, network, translation
from blockd.orders import entry, lifecycle, order, verdict
from blockd.resolver import cache, clients, query, records, response, selftest_key
from blockd.resolver.caching import caching_forwarder
from blockd.resolver.composing import moving, padding, sections
from blockd.resolver.edge import cookie_sizes, proxy_header, rates, reply_options
from blockd.resolver.forwarding import edns, limits, source_ports
from blockd.resolver.reading import extended_errors, fitting, names
from blockd.ruleset import format as ruleset_format
from blockd.ruleset import parties, precedence, salts, states
from blockd.tls import session as tls_session
from blockd.tls import tickets
from blockd.transports import stream_calls
from blockd.transports.http import frames
from blockd.transports.http import limits as http_limits

PACKAGE = Path(__file__).parents[1] / "blockd"
INT = range(-(1 << 31), 1 << 31)  # what every C compiler supports as an enum's constant

Numbers = dict[str, int]


def of(module: ModuleType, *names: str) -> Numbers:
    """Return some numbers of a module, under their names."""
    return {name: getattr(module, name) for name in names}


def all_of(module: ModuleType) -> Numbers:
    """Return every number that a module has, under its name."""
    return {name: value for name, value in vars(module).items() if type(value) is int and not name.startswith("_")}


def members(kind: type[Enum]) -> Numbers:
    """Return the members of an enumeration prefixed with its name: their values, or their places if these are words."""
    found = enumerate(kind) if issubclass(kind, str) else ((int(member.value), member) for member in kind)
    return {f"{kind.__name__.upper()}_{member.name}": number for number, member in found}


FILES: dict[str, tuple[Numbers, ...]] = {
    "metrics/_numbers.pxd": (
        members(counters.Transport),
        members(counters.StreamEvent),
        of(traffic, "DEPTH", "WIDTH", "MAX_SUFFIXES", "GAP_BITS", "NOTED"),
        of(recent, "RECENT_CELLS", "CELL", "HIDDEN", "SEQUENCE_AT", "COUNT_AT", "LAST_AT", "FIRST_AT", "VERSION_AT"),
        of(recent, "WHAT_AT", "KEY_AT"),
    ),
    "names/_numbers.pxd": (
        of(domain, "MAX_LABEL", "MAX_NAME", "MAX_KEY", "MAX_LABELS"),
        of(hashed, "KEY_HASHED", "DIGEST_SIZE", "MAX_SALT"),
        of(network, "KEY_IPV4", "KEY_IPV6", "KEY_CLIENT_IPV4", "KEY_CLIENT_IPV6"),
        of(translation, "MAPPED_BITS", "MAX_TRANSLATIONS"),
    ),
    "orders/_numbers.pxd": (
        members(order.Action),
        members(lifecycle.State),
        {f"SCOPE_{scope}": int(entry.Scope[scope]) for scope in entry.Scope.__members__},
        of(lifecycle, "NEVER"),
        of(verdict, "NO_TIER"),
    ),
    "dns/_types.pxd": (all_of(types),),
    "resolver/_numbers.pxd": (
        of(edns, "CLIENT_COOKIE", "MIN_SERVER_COOKIE", "MAX_SERVER_COOKIE"),
        of(
            limits,
            "MAX_ASKED",
            "MAX_IN_FLIGHT",
            "MAX_DOUBTS",
            "MAX_LATE",
            "MAX_STRAYS",
            "MAX_FAILURES",
            "FAILURES_PER_TURN",
        ),
        of(cache, "STALE_TTL", "REFRESH_SHARE", "REFRESH_USES", "MIN_REFRESHED", "NEWEST_PER_TURN", "KEYS_PER_TURN"),
        of(caching_forwarder, "MAX_REFRESHES"),
        of(clients, "IPV4_PREFIX", "IPV6_PREFIX"),
        of(query, "MAX_DATAGRAM", "MAX_OPTIONS"),
        of(source_ports, "LOWEST_PORT"),
        of(response, "MAX_RECORDS"),
        of(names, "MAX_POINTERS", "REACH", "MAX_STEPS"),
        of(fitting, "MAX_NAMES", "MAX_NAME_LABELS", "MAX_ADDRESSES", "MAX_EXTRAS", "MAX_EXTRA_ADDRESSES"),
        of(records, "MAX_ERROR_TEXT"),
        of(extended_errors, "MAX_ERRORS"),
        of(sections, "FIXED", "MAX_AUTHORITIES"),
        of(moving, "MAX_POINTER"),
        of(padding, "ANSWER_BLOCK", "OPTION_HEAD"),
        of(reply_options, "MAX_SERVER_ID"),
        of(rates, "PASSED", "DROPPED", "TRUNCATED", "BADCOOKIE", "RESPONSES", "ERRORS", "STRANGERS"),
        of(cookie_sizes, "WHOLE", "OPTION", "UNKNOWN", "KNOWN", "FRESH"),
        of(proxy_header, "FIXED_HEADER", "MAX_HEADER"),
        of(selftest_key, "SECRET", "UNJUDGED_OPTION"),
    ),
    "ruleset/_numbers.pxd": (
        of(ruleset_format, "SLOTS", "BUCKET_SIZE", "OFFSETS_AT", "USED_AT", "PUSHED_AT", "FILL", "MAX_PROBES"),
        of(ruleset_format, "ENTRY_SIZE", "HOLE", "MAX_CLAIMS", "MEANS_EMPTY", "SCOPE_BITS"),
        of(salts, "MAX_SALTS", "MIN_HASHED_LABELS", "MAX_HASHED_LABELS"),
        of(states, "STATES_AT", "EPOCH_AT"),
        of(parties, "OPERATOR"),
        of(precedence, "FULL", "NONE"),
    ),
    "tls/_numbers.pxd": (
        of(tls_session, "MAX_CLIENT_HELLO", "MAX_RECORD", "MAX_CIPHERTEXT", "RECORDS_AT_ONCE", "MAX_EMPTY_RECORDS"),
        of(tls_session, "TICKETS"),
        of(tickets, "LIFETIME"),
    ),
    "transports/_numbers.pxd": (of(stream_calls, "NOT_NOW", "UNUSABLE"),),
    "transports/http/_numbers.pxd": (
        of(http_limits, "MAX_STREAMS", "MAX_MESSAGE", "MAX_HEADERS", "FIELD_OVERHEAD", "MAX_FIELDS", "MAX_KEPT"),
        of(frames, "NO_ERROR", "REFUSED_STREAM", "CANCEL", "ENHANCE_YOUR_CALM"),
    ),
}


def content(groups: Iterable[Numbers]) -> str:
    """Return the content of a file with these numbers."""
    numbers = {name: number for group in groups for name, number in group.items()}
    lines = [_HEAD, "", "cdef enum:"]
    lines += [f"    {name} = {number}" for name, number in numbers.items() if number in INT]
    for name, number in numbers.items():
        if number not in INT:
            kind, suffix = ("unsigned int", "U") if number < 1 << 32 else ("long long", "LL")
            macro = f"BLOCKD_{name}"
            lines += ["", "cdef extern from *:", '    """', f"    #define {macro} {number}{suffix}", '    """']
            lines += [f'    const {kind} {name} "{macro}"']
    return "\n".join(lines) + "\n"


_HEAD = "# Made by `make numbers` of what tests/shared_numbers.py names in Python: change it there."


if __name__ == "__main__":
    for path, groups in FILES.items():
        (PACKAGE / path).write_text(content(groups), encoding="ascii")

"""The guard: which entries would block what must not be blocked, and so are held back one by one.

An entry is held back if it is a top-level name or a public suffix, a protected or popular name, or is above one and
covers what is under it; or a network that is too wide, holds what this resolver stands on, or in which shared hosts
have addresses. Signed orders are the signer's responsibility: their entries are reported and stay in force. What the
operator has released is let through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from blockd.names import MAX_LABEL, is_network_key
from blockd.names.suffixes import PublicSuffixes, ancestors, parent
from blockd.orders import Action, Scope
from blockd.ruleset.gate.network_guard import SPECIAL, NetworkGuard, OwnNetworks
from blockd.ruleset.gate.shared_networks import NONE_SHARED, SharedNetworks

TOP_LEVEL, PUBLIC_SUFFIX, PROTECTED, POPULAR = "top-level name", "public suffix", "protected", "popular"

_ROOT = b""
# The marks of a name. Names above a suffix are marked like one, since blocking them blocks the suffix.
_SUFFIX, _PROTECTED, _ABOVE_PROTECTED, _POPULAR, _ABOVE_POPULAR = 1, 2, 4, 8, 16
_HARMLESS = (Action.ALLOW, Action.MONITOR, Action.PASSTHRU)  # actions that block nothing


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """Why an entry is held back, or only `reported`, and in which scope."""

    reason: str
    scope: int
    reported: bool


@dataclass(frozen=True, slots=True)
class Guard:
    """What must not be blocked. `lists` identifies the lists that it was made of, and is empty without any."""

    marks: Mapping[bytes, int] = field(default_factory=dict)  # by key
    wild: frozenset[bytes] = frozenset()  # keys of names whose every child is a suffix: empty is the root's
    exceptions: frozenset[bytes] = frozenset()
    lists: str = ""
    under: frozenset[bytes] = frozenset()  # keys of names under which every name is protected
    networks: NetworkGuard = field(default_factory=NetworkGuard)
    shared_networks: SharedNetworks = NONE_SHARED
    reports_popular: bool = False  # whether popular names are reported, and not held back
    released: frozenset[bytes] = frozenset()  # keys of entries that are let through

    @classmethod
    def of(
        cls,
        suffixes: PublicSuffixes | None,
        protected: Iterable[bytes],
        popular: Iterable[bytes],
        lists: str,
        shared_networks: SharedNetworks = NONE_SHARED,
        *,
        under: Iterable[bytes] = (),
        networks: NetworkGuard | None = None,
        reports_popular: bool = False,
    ) -> Guard:
        """Return a guard made of a public suffix list, or None, and the keys of protected and popular names.

        Of a name in `under` all names under it are protected, and itself. Top-level names are guarded in any case.
        """
        under = frozenset(under)
        marks: dict[bytes, int] = {}
        for keys, own, above in (
            (suffixes.names | suffixes.wild if suffixes else (), _SUFFIX, _SUFFIX),
            ((*protected, *under), _PROTECTED, _ABOVE_PROTECTED),
            (popular, _POPULAR, _ABOVE_POPULAR),
        ):
            for key in keys:
                marks[key] = marks.get(key, 0) | own
                for higher in ancestors(key):
                    marks[higher] = marks.get(higher, 0) | above
        wild = (suffixes.wild if suffixes else frozenset[bytes]()) | {_ROOT}
        exceptions = suffixes.exceptions if suffixes else frozenset[bytes]()
        return cls(marks, wild, exceptions, lists, under, networks or NetworkGuard(), shared_networks, reports_popular)

    def __bool__(self) -> bool:
        """Return whether anything is guarded."""
        return bool(self.marks or self.wild or self.guards_networks)

    @property
    def guards_networks(self) -> bool:
        """Whether networks are guarded."""
        return bool(self.networks or self.shared_networks)

    def releasing(self, keys: Iterable[bytes]) -> Guard:
        """Return the guard that lets these entries through too; its digest differs if there is any."""
        released = self.released | frozenset(keys)
        return self if released == self.released else replace(self, released=released)

    def standing_on(self, own: OwnNetworks) -> Guard:
        """Return the guard for what is this resolver's own."""
        return replace(self, networks=self.networks.standing_on(own))

    @property
    def digest(self) -> str:
        """What identifies the guard: it is the same for equal ones only, and empty if nothing is guarded."""
        if not (self.lists or self.networks or self.released):
            return ""
        digest = hashlib.sha256(self.lists.encode() + b"\0" + self.networks.digest)
        for key in sorted(self.released):
            digest.update(len(key).to_bytes(2) + key)
        return digest.hexdigest()

    def network_reason(self, key: bytes) -> str:
        """Return why a network that is blocked is to be held back or reported; empty if it is neither."""
        reason = self.networks.reason(key)
        return reason if reason not in ("", SPECIAL) else self.shared_networks.reason(key) or reason

    def reason(self, key: bytes, scope: int, action: Action) -> str:
        """Return why an entry is to be held back, or, if `only_reports` says so, reported; empty if neither."""
        if action in _HARMLESS or key in self.released:
            return ""
        if key[0] > MAX_LABEL:
            return self.network_reason(key) if is_network_key(key) else ""
        mark = self.marks.get(key, 0)
        wide = bool(scope & Scope.SUBDOMAINS)
        if (wide or len(key) == 1 + key[0]) and (shared := self.shared(key)):
            return shared
        if mark & (_PROTECTED | (_ABOVE_PROTECTED if wide else 0)):
            return PROTECTED
        if self.under and not self.under.isdisjoint(ancestors(key)):
            return PROTECTED
        return POPULAR if mark & (_POPULAR | (_ABOVE_POPULAR if wide else 0)) else ""

    def finding(self, key: bytes, claims: Iterable[tuple[int, Action]]) -> GuardVerdict | None:
        """Return what is to be said of one entry of a feed, given the scope and action of each of its claims, by rank.

        None if nothing is. What is held back comes before what is reported only.
        """
        found = [(reason, scope) for scope, action in claims if (reason := self.reason(key, scope, action))]
        if not found:
            return None
        held = [(reason, scope) for reason, scope in found if not self.only_reports(reason)]
        scopes = 0
        for _, scope in held or found:
            scopes |= scope
        return GuardVerdict((held or found)[0][0], scopes, not held)

    def is_popular(self, key: bytes) -> bool:
        """Return whether a name itself is one of the popular names."""
        return bool(self.marks.get(key, 0) & _POPULAR)

    def popular_names(self) -> Iterator[bytes]:
        """Yield the keys of all popular names."""
        return (key for key, mark in self.marks.items() if mark & _POPULAR)

    def only_reports(self, reason: str) -> bool:
        """Return whether entries with this reason are in force nevertheless."""
        return reason == SPECIAL or (self.reports_popular and reason == POPULAR)

    def shared(self, key: bytes) -> str:
        """Return TOP_LEVEL or PUBLIC_SUFFIX if the names under a name belong to unrelated parties, else empty.

        A top-level name itself counts as well: answered with NXDOMAIN, all that is under it is gone (RFC 8020).
        """
        if not self.wild:
            return ""
        above = parent(key)
        if not above:
            return TOP_LEVEL
        is_suffix = self.marks.get(key, 0) & _SUFFIX or (above in self.wild and key not in self.exceptions)
        return PUBLIC_SUFFIX if is_suffix else ""

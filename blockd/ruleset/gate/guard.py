"""The guard: which entries would block what must not be blocked, and so are held back one by one.

An entry is held back if it is a top-level name or a public suffix, a protected or popular name, or is above one and
covers what is under it. A network is held back if shared hosts have addresses in it. Signed orders are the signer's
responsibility: their entries are reported and stay in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from blockd.names import is_network_key
from blockd.names.suffixes import PublicSuffixes, ancestors, parent
from blockd.orders import Action, Scope
from blockd.ruleset.gate.shared_networks import NONE_SHARED, SharedNetworks

TOP_LEVEL, PUBLIC_SUFFIX, PROTECTED, POPULAR = "top-level name", "public suffix", "protected", "popular"

_ROOT = b""
# The marks of a name. Names above a suffix are marked like one, since blocking them blocks the suffix.
_SUFFIX, _PROTECTED, _ABOVE_PROTECTED, _POPULAR, _ABOVE_POPULAR = 1, 2, 4, 8, 16
_HARMLESS = (Action.ALLOW, Action.MONITOR, Action.PASSTHRU)  # actions that block nothing


@dataclass(frozen=True, slots=True)
class Guard:
    """What must not be blocked. `digest` identifies the lists that it was made of, and is empty without any."""

    marks: Mapping[bytes, int] = field(default_factory=dict)  # by key
    wild: frozenset[bytes] = frozenset()  # keys of names whose every child is a suffix: empty is the root's
    exceptions: frozenset[bytes] = frozenset()
    digest: str = ""
    shared_networks: SharedNetworks = NONE_SHARED

    @classmethod
    def of(
        cls,
        suffixes: PublicSuffixes | None,
        protected: Iterable[bytes],
        popular: Iterable[bytes],
        digest: str,
        shared_networks: SharedNetworks = NONE_SHARED,
    ) -> Guard:
        """Return a guard made of a public suffix list, or None, and the keys of protected and popular names."""
        marks: dict[bytes, int] = {}
        for keys, own, above in (
            (suffixes.names | suffixes.wild if suffixes else (), _SUFFIX, _SUFFIX),
            (protected, _PROTECTED, _ABOVE_PROTECTED),
            (popular, _POPULAR, _ABOVE_POPULAR),
        ):
            for key in keys:
                marks[key] = marks.get(key, 0) | own
                for higher in ancestors(key):
                    marks[higher] = marks.get(higher, 0) | above
        wild = suffixes.wild | {_ROOT} if suffixes else frozenset[bytes]()
        exceptions = suffixes.exceptions if suffixes else frozenset[bytes]()
        return cls(marks, wild, exceptions, digest, shared_networks)

    def __bool__(self) -> bool:
        """Return whether anything is guarded."""
        return bool(self.marks or self.wild or self.shared_networks)

    def reason(self, key: bytes, scope: int, action: Action) -> str:
        """Return why the entry of a name or network is to be held back; empty if it is not."""
        if action in _HARMLESS:
            return ""
        if is_network_key(key):
            return self.shared_networks.reason(key)
        mark = self.marks.get(key, 0)
        wide = bool(scope & Scope.SUBDOMAINS)
        if wide and (shared := self.shared(key)):
            return shared
        if mark & (_PROTECTED | (_ABOVE_PROTECTED if wide else 0)):
            return PROTECTED
        return POPULAR if mark & (_POPULAR | (_ABOVE_POPULAR if wide else 0)) else ""

    def shared(self, key: bytes) -> str:
        """Return TOP_LEVEL or PUBLIC_SUFFIX if the names under a name belong to unrelated parties, else empty."""
        if not self.wild:
            return ""
        above = parent(key)
        if not above:
            return TOP_LEVEL
        is_suffix = self.marks.get(key, 0) & _SUFFIX or (above in self.wild and key not in self.exceptions)
        return PUBLIC_SUFFIX if is_suffix else ""

"""An entry: one name, or one network, with the scope in which an order covers it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from blockd.names import DomainName, is_client_key, is_hashed_key, network_from_key
from blockd.names.network import KEY_IPV4


class Scope(IntFlag):
    """Which questions an entry covers; `BOTH` is the default, as the national zone lists `x` and `*.x`."""

    EXACT = 1
    SUBDOMAINS = 2
    BOTH = 3

    @classmethod
    def from_text(cls, text: str) -> Scope:
        """Parse `exact`, `subdomains` or `both`; raises KeyError for anything else."""
        return cls[text.upper()]

    @property
    def text(self) -> str:
        """The scope's name in files: `exact`, `subdomains` or `both`."""
        return {1: "exact", 2: "subdomains", 3: "both"}[int(self)]


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One line of a list: `key` is a domain name's key, a hashed name's or a network's (see `blockd.names`)."""

    key: bytes
    scope: Scope = Scope.BOTH

    @property
    def text(self) -> str:
        """The name or network in presentation form; of a hashed name the hash."""
        if is_hashed_key(self.key):
            return f"hash {self.key[1:].hex()}"
        if self.key and self.key[0] >= KEY_IPV4:
            network = network_from_key(self.key).text
            return f"client {network}" if is_client_key(self.key) else network
        return DomainName(self.key).text

"""A request of a proxy."""

from __future__ import annotations

from dataclasses import dataclass, field

_NOTHING: tuple[bytes, ...] = ()


@dataclass(slots=True)
class ProxyRequest:
    """One request; `fields` has the values of the fields that are read, by their names in lower case.

    `flaw` is 0, or the status for what is wrong. `is_last` is whether the connection ends with its answer.
    """

    method: bytes = b""
    target: bytes = b""
    fields: dict[bytes, list[bytes]] = field(default_factory=dict)
    flaw: int = 0
    is_last: bool = False

    def all(self, name: bytes) -> list[bytes] | tuple[bytes, ...]:
        """Return the values of all fields of a name, in lower case, in their order."""
        return self.fields.get(name, _NOTHING)

    def list(self, name: bytes) -> list[bytes]:
        """Return the members of a field that has a list (RFC 9110 section 5.6.1), of all its lines in their order."""
        return [part.strip(b" \t") for value in self.all(name) for part in value.split(b",")]

"""Contents of a feed that were refused, so that the same octets are not read again for the same answer."""

from __future__ import annotations

from dataclasses import dataclass

from blockd.errors import FeedRefused
from blockd.ruleset import FeedRecord, Gate
from blockd.settings import Feed

KNOWN = 16  # contents of one feed, the newest: a source that alternates between more is read again
PASSING = ("fault", "missing", "unreachable", "differences")  # reasons that do not lie in the content alone

Basis = tuple[object, ...]
"""What the answer of the gate depends on beside the content: equal ones give equal answers."""


def basis_of(feed: Feed, gate: Gate, record: FeedRecord | None, lasting: int | None) -> Basis:
    """Return what contents of a feed are judged by: its gate, its record in force, and its size of the last days."""
    own = gate.of(feed)
    limits = (own.max_shrink, own.min_names, own.max_rejects, own.max_growth, own.emptiness)
    in_force = (record.digest, record.names, record.version) if record is not None else None
    return *limits, own.guard.digest, in_force, lasting


@dataclass(frozen=True, slots=True)
class KnownRefusal:
    """Why one content was refused; `names` is how many there would be, None if it was not read to its end."""

    basis: Basis
    refused: FeedRefused
    names: int | None


class KnownRefusals:
    """The newest refusals of one feed."""

    def __init__(self) -> None:
        self._known: dict[str, KnownRefusal] = {}  # by digest

    def note(self, digest: str, basis: Basis, refused: FeedRefused, names: int | None) -> None:
        """Remember a refusal, unless the same content may be accepted next time."""
        self._known.pop(digest, None)
        if refused.reason in PASSING:
            return
        self._known[digest] = KnownRefusal(basis, refused.kept(), names)
        while len(self._known) > KNOWN:
            del self._known[next(iter(self._known))]

    def of(self, digest: str, basis: Basis) -> KnownRefusal | None:
        """Return the refusal of a content that would be judged by `basis`; None if it has to be read."""
        known = self._known.get(digest)
        return known if known is not None and known.basis == basis else None

"""Empty non-terminals: names that a zone has only because it lists a name below them (RFC 4592 section 2.2.2).

No wildcard matches at such a name or below it. Those that matter are directly below a wildcard: what stands deeper is
below one of them, and closed by it. So a listed name makes at most one.
"""

from __future__ import annotations


class EmptyNames:
    """Finds the empty names of a zone while its names are met in the order of their keys."""

    def __init__(self) -> None:
        # The names above the one met last that have a wildcard below them, the nearest at the end; the answers of these
        # wildcards; and the child of each that was met last.
        self._above: list[bytes] = []
        self._answers: list[int] = []
        self._children: list[bytes] = []

    def meet(self, key: bytes, below: int | None) -> tuple[bytes, int] | None:
        """Return the empty name above a listed one, if there is one, and the answer of the wildcard that it closes.

        `below` is the answer of the wildcard that the zone has below the listed name, None if it has none.
        """
        above, found = self._above, None
        while above and not key.startswith(above[-1]):
            above.pop()
            self._answers.pop()
            self._children.pop()
        if above:
            size = len(above[-1])
            child = key[: size + 1 + key[size]]
            if child != self._children[-1]:
                self._children[-1] = child
                if child != key:
                    found = child, self._answers[-1]
        if below is not None:
            above.append(key)
            self._answers.append(below)
            self._children.append(b"")
        return found

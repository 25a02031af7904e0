"""A sentence in both languages of the console."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class BothLanguages:
    """The same text in English and in Indonesian."""

    en: str
    id: str

    def to_json(self) -> dict[str, str]:
        """Return it as JSON values."""
        return asdict(self)

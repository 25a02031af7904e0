"""The text formats of lists, one a line."""

from __future__ import annotations

from blockd.formats.adblock import Adblock
from blockd.formats.addresses import Addresses
from blockd.formats.domains import Domains
from blockd.formats.hosts import Hosts
from blockd.formats.text_format import TextFormat

TEXT_FORMATS: tuple[TextFormat, ...] = (
    Domains(),
    Hosts(),
    Adblock(),
    Addresses(),
)


def format_named(name: str) -> TextFormat:
    """Return the text format of a feed's type; raises KeyError if no text list has that type."""
    return {form.name: form for form in TEXT_FORMATS}[name]

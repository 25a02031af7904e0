"""The order document: what an authority signs, as JSON. Parsed once into an Order and its entries.

A document has `schema` ("MAJOR.MINOR"), the fields of `blockd.orders.order.Order`, and what it covers
(`blockd.orders.coverage`). Dates are RFC 3339: `2017-07-14`, or with a time `2017-07-14T04:30:00Z`.
Unknown fields of a later minor schema are kept unless their names begin with an underscore; an unknown major schema is
refused. Beside what it covers, a document has at most MAX_TEXTS octets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blockd.names import DomainName, hashed_key, name_digest
from blockd.orders.coverage import WAYS, octets_for, parse_coverage
from blockd.orders.entry import Entry, Scope
from blockd.orders.fields import as_mapping, read_fields, refuse, unknown_fields
from blockd.orders.name_list import NameList
from blockd.orders.order import Order

MAX_TEXTS = 64 * 1024  # octets of a document beside its names: some ten full text fields, notices, and fields to come


@dataclass(frozen=True, slots=True)
class OrderDocument:
    """An order with the entries it covers; if `names` is not None they are in files of their own."""

    order: Order
    entries: tuple[Entry, ...]
    names: NameList | None = None
    scope: Scope = Scope.BOTH  # of what is in those files

    def covering(self, name: DomainName) -> tuple[DomainName, Entry] | None:
        """Return the longest name by which the entries cover `name`, itself or one above it, with its entry.

        None if they do not. Of a confidential order the entry has the hash of that name.
        """
        scopes: dict[bytes, Scope] = {}
        for entry in self.entries:
            scopes[entry.key] = scopes.get(entry.key, Scope(0)) | entry.scope
        for candidate in name.ancestors():
            salt = self.order.salt
            key = hashed_key(name_digest(candidate.key, salt)) if salt else candidate.key
            scope = scopes.get(key, Scope(0))
            if scope & (Scope.EXACT if candidate == name else Scope.SUBDOMAINS):
                return candidate, Entry(key, scope)
        return None


def parse_document(document: object, source: str, octets: int = 0) -> OrderDocument:
    """Parse a decoded JSON document; `source` names it in errors. Raises BadOrder with every problem at once.

    `octets` is its size as it was read or is to be signed; 0 if that does not matter.
    """
    document = as_mapping(document, source)
    problems: list[str] = []
    if octets > MAX_TEXTS and (beside := _beside(document, octets)) > MAX_TEXTS:
        problems.append(f"the document has {beside} octets beside its names; {MAX_TEXTS} are the limit")
    fields = read_fields(document, problems, of_zone=False)
    covers = parse_coverage(document, problems)
    refuse(source, problems)
    order = Order(**fields, salt=covers.salt, unknown=unknown_fields(document))
    return OrderDocument(order, covers.entries, covers.names, covers.scope)


def _beside(document: Mapping[str, object], octets: int) -> int:
    """Return how many of a document's octets are not for what it covers, blanks between its fields included."""
    fields = {name: value for name, value in document.items() if name not in WAYS}
    return max(_octets_of(fields), octets - octets_for(document))


def _octets_of(value: object) -> int:
    """Return how many octets a value takes as JSON, or a few less; it is not nested deeply (`as_mapping`)."""
    if isinstance(value, Mapping):
        return 2 + sum(_octets_of(name) + _octets_of(each) for name, each in value.items())
    if isinstance(value, list):
        return 2 + sum(map(_octets_of, value))
    return 1 + len(str(value).encode(errors="replace"))

"""What questions ask for in their query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from blockd.formats.subject import MAX_TYPED
from blockd.ruleset.lookup_query import MAX_FIELD, LookupQuery, client_address, moment_of
from blockd.web.api.asked import About


@dataclass(frozen=True, slots=True)
class CachedName:
    """A name that may be cached."""

    name: Annotated[str, About("a name", least=1)]


@dataclass(frozen=True, slots=True)
class NameToLookUp:
    """A lookup, as the command line writes it (`blockd.ruleset.lookup_query`)."""

    name: Annotated[str, About("a name, an address, a network or a URL", most=MAX_TYPED, least=1)]
    trace: Annotated[
        str | None,
        About("with it, lines of lists and versions are told, too; `quick` leaves the lines out", most=MAX_FIELD),
    ] = None
    resolve: Annotated[bool, About("whether a worker is asked where the name leads")] = False
    client: Annotated[str, About("the address of a client", most=MAX_FIELD)] = ""
    at: Annotated[str, About("a time or a date; now if it is not given", most=MAX_FIELD)] = ""
    state_dir: Annotated[str, About("the state folder that the answer must be about", most=MAX_FIELD)] = ""

    def query(self) -> LookupQuery:
        """Return the lookup; raises CommandError if the client or the time cannot be understood."""
        trace = "" if self.trace is None else "quick" if self.trace == "quick" else "lines"
        at = moment_of(self.at) if self.at else None
        return LookupQuery(self.name, trace, self.resolve, client_address(self.client), at, self.state_dir)

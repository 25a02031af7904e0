"""What questions ask for in their query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from blockd.formats.subject import MAX_TYPED
from blockd.ruleset.lookup_query import MAX_FIELD, LookupQuery, client_address, moment_of
from blockd.web.api.asked import FieldInfo
from blockd.web.figures.ending import MAX_WITHIN, USUAL_WITHIN
from blockd.web.figures.hits import HitsBy, Span
from blockd.web.figures.series import MAX_POINTS, SERIES_NAMES, USUAL_POINTS, SeriesName

OrderState = Literal["pending", "in force", "expired", "lifted"]


@dataclass(frozen=True, slots=True)
class CachedName:
    """A name that may be cached."""

    name: Annotated[str, FieldInfo("a name", least=1)]


@dataclass(frozen=True, slots=True)
class NameToLookUp:
    """A lookup, as the command line writes it (`blockd.ruleset.lookup_query`)."""

    name: Annotated[str, FieldInfo("a name, an address, a network or a URL", most=MAX_TYPED, least=1)]
    trace: Annotated[
        str | None,
        FieldInfo("with it, lines of lists and versions are told, too; `quick` leaves the lines out", most=16),
    ] = None
    resolve: Annotated[bool, FieldInfo("whether a worker is asked where the name leads")] = False
    client: Annotated[str, FieldInfo("the address of a client", most=100)] = ""
    at: Annotated[str, FieldInfo("a time or a date; now if it is not given", most=40)] = ""
    state_dir: Annotated[
        str, FieldInfo("the real path of the state folder that the answer must be about", most=MAX_FIELD)
    ] = ""

    def query(self) -> LookupQuery:
        """Return the lookup; raises CommandError if the client or the time cannot be understood."""
        trace = "" if self.trace is None else "quick" if self.trace == "quick" else "lines"
        at = moment_of(self.at) if self.at else None
        return LookupQuery(self.name, trace, self.resolve, client_address(self.client), at, self.state_dir)


@dataclass(frozen=True, slots=True)
class OneVersion:
    """A version that is kept."""

    version: Annotated[int, FieldInfo("a version that is kept", least=1)]


@dataclass(frozen=True, slots=True)
class WaitingOf:
    """What waits, of one feed or of all."""

    feed: Annotated[str, FieldInfo("a feed's name, for what waits of it alone")] = ""


@dataclass(frozen=True, slots=True)
class RefusedOf:
    """A feed whose content the gate has refused."""

    feed: Annotated[str, FieldInfo("a feed's name", least=1)]


@dataclass(frozen=True, slots=True)
class TwoVersions:
    """Two versions that are kept."""

    old: Annotated[int, FieldInfo("a version that is kept", least=1)]
    new: Annotated[int, FieldInfo("another", least=1)]


@dataclass(frozen=True, slots=True)
class OrdersShown:
    """A page of orders."""

    start: Annotated[int, FieldInfo("how many orders are left out before the first one", number_most=1_000_000)] = 0
    limit: Annotated[int, FieldInfo("how many orders are told", least=1, number_most=200)] = 100
    feed: Annotated[str, FieldInfo("a feed's name, for its orders alone")] = ""
    authority: Annotated[str, FieldInfo("an authority's name, for its orders alone")] = ""
    state: Annotated[OrderState | None, FieldInfo("for orders in this state alone")] = None


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A time; `from` and `to` are RFC 3339, or dates."""

    from_: Annotated[str, FieldInfo("where it begins; a day before its end if it is not given", most=40)] = ""
    to: Annotated[str, FieldInfo("where it ends; now if it is not given", most=40)] = ""

    @property
    def since(self) -> float | None:
        """Seconds since the epoch; None if it is not given. Raises CommandError."""
        return moment_of(self.from_) if self.from_ else None

    @property
    def until(self) -> float | None:
        """Seconds since the epoch; None if it is not given. Raises CommandError."""
        return moment_of(self.to) if self.to else None


@dataclass(frozen=True, slots=True)
class SeriesShown(TimeSpan):
    """Rates over a time."""

    names: Annotated[
        list[SeriesName] | None,
        FieldInfo("the series, separated by commas; all if none is given", items=len(SERIES_NAMES)),
    ] = None
    points: Annotated[int, FieldInfo("how many points a series has at most", least=2, number_most=MAX_POINTS)] = (
        USUAL_POINTS
    )


@dataclass(frozen=True, slots=True)
class HitsShown:
    """Hits over a time that ends now."""

    span: Annotated[Span, FieldInfo("the time")] = "1d"
    by: Annotated[HitsBy, FieldInfo("what hits are counted for")] = "order"


@dataclass(frozen=True, slots=True)
class EndingWithin:
    """What ends within a time."""

    within: Annotated[int, FieldInfo("seconds", number_most=int(MAX_WITHIN))] = int(USUAL_WITHIN)

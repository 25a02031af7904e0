"""The text format of Prometheus, line by line: a scrape of many feeds and orders has a hundred thousand of them.

`prometheus_client.generate_latest` writes the same, all at once, and takes seconds for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from prometheus_client import Metric
from prometheus_client.samples import Sample as Point

_NO_NUMBERS = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}  # as the text format has them

T = TypeVar("T")

Row = tuple[Sequence[str], float]
"""The values of the labels, in the order of a table's, and the number."""


class Table(Metric):
    """A family with a row for each of many label values; `rows` are found when they are written, each time anew.

    `kind` is `counter` or `gauge`.
    """

    def __init__(
        self, kind: str, name: str, documentation: str, labels: Sequence[str], rows: Callable[[], Iterable[Row]]
    ) -> None:
        super().__init__(name, documentation, kind)
        self.labels = tuple(labels)
        self.rows = rows

    @property
    def series(self) -> str:
        """The name of its series."""
        return f"{self.name}_total" if self.type == "counter" else self.name

    @property
    def samples(self) -> list[Point]:
        """All rows at once, for programs that read families themselves."""
        return [Point(self.series, dict(zip(self.labels, values, strict=True)), value) for values, value in self.rows()]

    @samples.setter
    def samples(self, _none: list[Point]) -> None:
        """Take what the base class begins with: there is nothing to keep."""


def by_feed(name: str, documentation: str, feeds: Mapping[str, T], value: Callable[[T], float]) -> Table:
    """Return a gauge of each feed; `value` is found of what is known of one."""
    return Table(
        "gauge", name, documentation, ("feed",), lambda: (((feed,), value(one)) for feed, one in feeds.items())
    )


def lines_of(families: Iterable[Metric]) -> Iterator[str]:
    """Yield the lines of counters, gauges and histograms without timestamps, each with its line feed."""
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        text = family.documentation.replace("\\", "\\\\").replace("\n", "\\n")
        yield f"# HELP {name} {text}\n# TYPE {name} {family.type}\n"
        yield from _rows(family) if isinstance(family, Table) else map(_line, family.samples)


def _rows(table: Table) -> Iterator[str]:
    places = sorted(range(len(table.labels)), key=table.labels.__getitem__)
    form = ",".join(f'{table.labels[place]}="%s"' for place in places)
    form = f"{table.series}{{{form}}} %s\n"
    for values, value in table.rows():
        yield form % (*[_escaped(values[place]) for place in places], _number(value))


def _line(point: Point) -> str:
    labels = ",".join(f'{name}="{_escaped(text)}"' for name, text in sorted(point.labels.items()))
    return f"{point.name}{{{labels}}} {_number(point.value)}\n" if labels else f"{point.name} {_number(point.value)}\n"


def _escaped(text: str) -> str:
    if "\\" in text or "\n" in text or '"' in text:
        return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return text


def _number(value: float) -> str:
    text = repr(float(value))
    return _NO_NUMBERS.get(text, text)

"""The names of the benchmark: the list that every server enforces, its growth by one day, and what is asked for."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

GROWTH = 5_300  # names that the national list gains in a day
MAKER = Path(__file__).parents[2].parent / "shared" / "tools" / "national_list.py"  # the real list, where it is at hand
SPARE = 1.02  # of the maker's names; some are no host names
MAX_NAME = 200  # octets: every name must fit into a policy zone, behind `*.` and before the zone's own name
ASKED_BLOCKED = 100_000  # different listed names that are asked for
CACHED = 10_000  # different names that are in every server's cache before they are measured
SINKHOLE = "192.0.2.80"
REAL = "192.0.2.1"  # what the upstream says for every name

# What every server takes as a host name, whatever its rules.
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_WORDS = ("casino", "slots", "poker", "bets", "stream", "video", "mirror", "proxy", "lucky", "maxwin")
_ENDS = ("com", "net", "org", "xyz", "info", "co.id", "top", "site", "online", "club")


@dataclass(frozen=True, slots=True)
class Names:
    """The list in files of one name a line, and what is asked for."""

    count: int
    source: str
    listed: Path
    added: Path  # the names that come later, and only these
    grown: Path  # both
    blocked: list[str]  # of `listed`, in random order
    new: list[str]  # of `added`, in random order; no name above any of these is listed before
    cached: list[str]


def make(folder: Path, count: int) -> Names:
    """Write a list of `count` names and its growth into a folder; the same count always gives the same names."""
    listed, added, grown = (folder / f"{name}.txt" for name in ("listed", "added", "grown"))
    source = MAKER.name if MAKER.exists() else "generated names"
    wanted = count + GROWTH
    chosen = random.Random(count)  # noqa: S311 - a benchmark repeats itself
    share = min(1.0, 1.1 * ASKED_BLOCKED / count)
    blocked: list[str] = []
    later: list[str] = []
    seen: set[str] = set()
    written = 0
    with listed.open("w") as first, added.open("w") as second, grown.open("w") as both:
        for name in islice(_hosts(_made(wanted), seen), wanted):
            written += 1
            both.write(name + "\n")
            if written <= count:
                first.write(name + "\n")
                if chosen.random() < share:
                    blocked.append(name)
            else:
                second.write(name + "\n")
                later.append(name)
    if written < wanted:
        raise ValueError(f"{source} gave {written} host names, not {wanted}")
    new = [name for name in later if not any(parent in seen for parent in _parents(name))]
    chosen.shuffle(blocked)
    chosen.shuffle(new)
    cached = [f"c{number}.cached.example" for number in range(CACHED)]
    return Names(count, source, listed, added, grown, blocked[:ASKED_BLOCKED], new, cached)


def missed(count: int, run: int) -> Iterator[str]:
    """Return names that no server has been asked for before, others for each run."""
    return (f"m{number}.r{run}.missed.example" for number in range(count))


def _made(count: int) -> Iterator[str]:
    if not MAKER.exists():
        yield from _invented()
        return
    command = [sys.executable, str(MAKER), str(int(count * SPARE) + 1000)]
    # It is not read to its end, and says so.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as maker:  # noqa: S603
        assert maker.stdout is not None
        yield from maker.stdout


def _invented() -> Iterator[str]:
    """Yield names of the kind that such lists have, without end."""
    dice = random.Random(20170714)  # noqa: S311 - a benchmark repeats itself
    number = 0
    while True:
        number += 1
        host = "www." if dice.random() < 0.2 else ""
        yield f"{host}{dice.choice(_WORDS)}{number}{dice.choice(_WORDS)}.{dice.choice(_ENDS)}"


def _hosts(lines: Iterable[str], seen: set[str]) -> Iterator[str]:
    for line in lines:
        name = line.strip().lower()
        if len(name) <= MAX_NAME and _HOST.match(name) and name not in seen:
            seen.add(name)
            yield name


def _parents(name: str) -> Iterator[str]:
    """Yield the names above a name, from the longest."""
    while "." in name:
        name = name.partition(".")[2]
        yield name

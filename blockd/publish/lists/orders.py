"""Orders of national size: the names are checked as strictly as those of a small order, then put into files.

The files are made by `ListFiles` (`blockd.publish.lists.files`); this module decides whether they may be.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from blockd.errors import FeedRefused, PublishError
from blockd.formats.blocks import read_blocks
from blockd.formats.body import Progress, open_body
from blockd.formats.domains import Domains, line_key
from blockd.formats.rejects import RejectReport
from blockd.formats.text_format import read_list
from blockd.names import DomainName
from blockd.orders import Action, Scope
from blockd.orders.coverage import MAX_LIST_SIZE
from blockd.ruleset.gate.guard import Guard
from blockd.ruleset.gate.guard_report import GuardReport

_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789_-."  # what plain names are written with
MAX_LEFT_OUT = 100_000  # names that may not be blocked; a list with more of them is not a blocklist


class ListNews(Protocol):
    """What is new in a list."""

    added: int
    removed: int
    count: int  # names in it now
    octets: int  # that a node with the previous names has to fetch


class NameFiles(Protocol):
    """Maker of a list's files."""

    @property
    def report(self) -> ListNews:
        """The result of the last renewal."""

    def renew(
        self, role: str, identifier: str, names: Path, accept: Callable[[ListNews], None] | None = None
    ) -> dict[str, object]:
        """Make the list hold the names of a file unless `accept` raises; return the value of its `list`."""


@dataclass(slots=True)
class Looked:
    """The findings in a list: lines that are not names, and names that may not be blocked."""

    rejects: RejectReport = field(default_factory=RejectReport)
    held: GuardReport = field(default_factory=GuardReport)
    unfit: set[bytes] = field(default_factory=set)  # the keys of those
    popular: GuardReport = field(default_factory=GuardReport)  # names that somebody should look at


def look_through(names: Path, guard: Guard, action: Action, scope: Scope, progress: Progress | None = None) -> Looked:
    """Read a list of names, one on each line, plain or gzip; raises PublishError if it is not a list."""
    found = Looked()
    marks = guard.marks
    wild: dict[bytes, tuple[bytes, ...]] = {}  # by their top labels
    popular: set[bytes] = set()
    for key in filter(None, guard.wild | guard.under):
        wild[key[: 1 + key[0]]] = (*wild.get(key[: 1 + key[0]], ()), key)
    try:
        for key in read_list(Domains(), names, found.rejects, MAX_LIST_SIZE, progress):
            # Only these can be held back: of ten million names, only those that may be among them are checked in full.
            may_be = key in marks or key.startswith(wild.get(key[: 1 + key[0]], ()))
            if not may_be or key in found.unfit:
                continue
            why = guard.reason(key, scope, action)
            if why and guard.only_reports(why):
                if key not in popular:
                    popular.add(key)
                    found.popular.add(why, key, scope, reported=True)
            elif why:
                found.unfit.add(key)
                found.held.add(why, key)
                if len(found.unfit) > MAX_LEFT_OUT:
                    raise PublishError(
                        f"{names} has more than {MAX_LEFT_OUT:,} public suffixes and protected names; nothing was "
                        "staged. Check that it is a blocklist."
                    )
    except FeedRefused as error:
        raise PublishError(f"{error} Nothing was staged.") from error
    if not found.rejects.accepted:
        raise PublishError(
            f"{names} holds no name in {found.rejects.lines:,} lines, of which {found.rejects.rejected:,} were "
            "rejected. Nothing was staged. Is it really a list with one name on each line?"
        )
    return found


def refuse_unfit(names: Path, looked: Looked, max_rejects: float, *, leave_out: bool) -> None:
    """Raise PublishError if a list has names that may not be blocked, or too many lines that are not names."""
    if looked.rejects.share > max_rejects:
        raise PublishError(
            f"{looked.rejects.share:.0%} of the lines of {names} are not valid names, more than {max_rejects:.0%} "
            "(gate.max_rejects); nothing was staged. `blockd validate` shows them."
        )
    if looked.unfit and not leave_out:
        reasons = ", ".join(
            f"{count:,} {reason} (such as {looked.held.samples[reason][0]})"
            for reason, count in sorted(looked.held.counts.items())
        )
        raise PublishError(
            f"{names} has names that cannot be blocked: {reasons}. Nothing was staged. Take them out, or say "
            "--leave-out"
        )


def popular_in(looked: Looked) -> Iterator[str]:
    """Yield what is to be asked back about the popular names in a list."""
    for reason, count in looked.popular.counts.items():
        samples = ", ".join(looked.popular.samples[reason])
        yield f"{count:,} of its names are popular ones, or above them, such as {samples}"


def refuse_shrunk(new: int, old: int, max_shrink: float) -> None:
    """Raise PublishError if a list loses more names than a node would accept by default."""
    if new < old * (1 - max_shrink):
        raise PublishError(
            f"The list would go from {old:,} names to {new:,}, a loss of more than {max_shrink:.0%}; nothing was "
            "staged. If that is intended, use --shrink"
        )


@contextlib.contextmanager
def without(names: Path, unfit: set[bytes]) -> Iterator[Path]:
    """Yield the list without the names of these keys: as it is if there are none, else a temporary copy."""
    if not unfit:
        yield names
        return
    with tempfile.TemporaryDirectory(prefix="blockd-") as folder:
        path = Path(folder) / "names"
        texts = {DomainName(key).text.encode() for key in unfit}
        with path.open("wb") as file, open_body(names, MAX_LIST_SIZE) as pieces:
            for block in read_blocks(pieces):
                file.write(_lines_without(block, unfit, texts))
        yield path


def _lines_without(block: bytes, unfit: set[bytes], texts: set[bytes]) -> bytes:
    """Return a block's lines without those that name one of `unfit`, keys whose names are `texts`.

    Almost every line is a plain name, which is quickly compared. A line that is not a name stays, to be rejected later.
    """
    kept = []
    for line in block.split(b"\n"):
        if line.translate(None, _PLAIN):  # it has something else
            key = line_key(line.removesuffix(b"\r"), 1, RejectReport())
            if key in unfit:
                continue
        elif line.removesuffix(b".") in texts:
            continue
        kept.append(line)
    return b"\n".join(kept)


def count_of(document: Mapping[str, object]) -> int:
    """Return how many names a document's list has; 0 if it has no list."""
    value = document.get("list")
    steps = value.get("steps") if isinstance(value, Mapping) else None
    return int(steps[-1]["count"]) if steps else 0

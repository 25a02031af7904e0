"""`blockd validate FILE`: whether a text list is usable, and what is wrong with its lines."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from blockd.cli import DONE, NO
from blockd.cli.output import show
from blockd.daemon.enforced_gate import enforced_gate
from blockd.errors import FeedRefused
from blockd.feeds.candidate import Content
from blockd.feeds.kinds import kind_of
from blockd.formats.body import Progress
from blockd.formats.rejects import RejectReport
from blockd.ruleset import Listing
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import FEED_TYPES, TEXT_TYPES, GateSettings, load

HELP = "read a list and report what is rejected, grouped by reason"
MAX_SIZE = "4G"  # when unpacked: 16 times the largest national list; a bomb ends here
_WORTH_A_BAR = 4 * 1024**2  # bytes: smaller files are read before a bar can be seen


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the list, plain or gzip")
    parser.add_argument("--type", choices=TEXT_TYPES, default="domains", dest="kind", help="the form of its lines")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 if the list could be enforced as it is, 1 if it would be refused."""
    rejects, held = RejectReport(), GuardReport()
    guard = (enforced_gate(load(args.config)) if args.config.is_file() else gate_of(GateSettings())).guard
    guarded: dict[bytes, tuple[str, int]] = {}
    refusal: FeedRefused | None = None
    try:
        with _bar(args.file) as progress:
            for listing in _listings(args.kind, args.file, rejects, progress):
                for key in listing.keys:
                    if reason := guard.reason(key, listing.scope, listing.order.action):
                        guarded[key] = (reason, guarded.get(key, ("", 0))[1] | listing.scope)
    except FeedRefused as error:
        refusal = error
    for key, (reason, scope) in guarded.items():
        held.add(reason, key, scope, reported=guard.only_reports(reason))
    verdict = f"refused, {refusal.reason}: {refusal}" if refusal else f"{args.file} is a usable list"
    data = {
        "file": str(args.file),
        "type": args.kind,
        "usable": refusal is None,
        "refused": {"reason": refusal.reason, "sentence": str(refusal)} if refusal else None,
        **rejects.to_json(),
        "held": held.to_json(),
    }
    show(args.json, data, (*rejects.text(), *held.text(), verdict))
    return NO if refusal else DONE


def _listings(kind: str, file: Path, rejects: RejectReport, progress: Progress | None) -> Iterable[Listing]:
    """Return what a feed of that type would list of the file, if its config has no more than its place."""
    keys = {"name": "list", "type": kind, "path": str(file.absolute()), "max_size": MAX_SIZE}
    feed = FEED_TYPES[kind].model_validate(keys)
    return kind_of(feed).read(feed, Content(file, ""), 0, rejects, progress).listings


@contextlib.contextmanager
def _bar(file: Path) -> Iterator[Progress | None]:
    """Show on a terminal how far a large file is read; elsewhere standard error stays silent."""
    if not sys.stderr.isatty() or not file.is_file() or file.stat().st_size < _WORTH_A_BAR:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)

"""`blockd compile`: lists to a ruleset file, without a daemon."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from blockd.cli import DONE, NO
from blockd.cli.fetching import fetched
from blockd.cli.output import show
from blockd.cli.progress import progress_bar
from blockd.compile.build import build
from blockd.compile.built import Built
from blockd.daemon.enforced_gate import enforced_gate
from blockd.errors import CommandError, FeedRefused
from blockd.feeds.candidate import Candidate, Content
from blockd.ruleset import Gate
from blockd.ruleset.counts import totals
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import FEED_TYPES, GateSettings, load


def run(args: argparse.Namespace) -> int:
    """Compile, and print what was compiled; 1 if a list was refused, which leaves FILE as it was."""
    started = time.monotonic()
    if not args.output.absolute().parent.is_dir():
        raise CommandError(f"{args.output} cannot be written: its folder does not exist")
    if args.lists:
        refused: dict[str, FeedRefused] = {}
        built = _build(_named(args.lists, args.type), gate_of(GateSettings()), args.output)
    else:
        settings = load(args.config)
        with tempfile.TemporaryDirectory(prefix="blockd-") as folder:
            candidates, refused = fetched(settings.feeds, Path(folder))
            built = _build(candidates, enforced_gate(settings), args.output)
    refused.update(built.refused)
    seconds = time.monotonic() - started
    header = built.header
    told = {
        "output": str(args.output) if header else None,
        "names": header.names if header else 0,
        "networks": header.networks if header else 0,
        "digest": header.digest.hex() if header else None,
        "seconds": round(seconds, 2),
        "refused": {name: str(error) for name, error in refused.items()},
        "held": {name: report.to_json() for name, report in built.held.items()},
    }
    lines = [f"feed {name} is refused ({error.reason}): {error}" for name, error in refused.items()]
    lines += [f"feed {name}: {report.sentence()}" for name, report in built.held.items() if report.total]
    if header:
        size = args.output.stat().st_size
        entries = totals(header.names, header.networks)
        lines.append(f"{args.output}: {entries}, {size:,} octets, compiled in {seconds:.1f} s")
    else:
        lines.append("Nothing was compiled.")
    show(args.json, told, lines)
    return NO if refused or header is None else DONE


def _named(lists: list[Path], kind: str) -> list[Candidate]:
    """Return each list named on the command line as a feed of its own."""
    feeds = [
        FEED_TYPES[kind].model_validate({"name": f"list-{number}", "type": kind, "path": str(path.absolute())})
        for number, path in enumerate(lists, 1)
    ]
    contents = [Content(path, f"list {path}") for path in lists]
    return [Candidate(feed, content, None) for feed, content in zip(feeds, contents, strict=True)]


def _build(candidates: list[Candidate], gate: Gate, output: Path) -> Built:
    with progress_bar() as progress:
        return build(
            candidates,
            output,
            gate=gate,
            in_force=None,
            created=int(time.time()),
            randomness=os.urandom,
            progress=progress,
        )

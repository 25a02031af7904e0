"""`blockd validate FILE`: whether a text list is usable, and what is wrong with its lines."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from blockd.cli import DONE, NO
from blockd.cli.output import show
from blockd.cli.progress import progress_bar
from blockd.compile.build import build
from blockd.compile.built import Built, Judged
from blockd.daemon.enforced_gate import enforced_gate
from blockd.daemon.update.feed_state import FeedState
from blockd.errors import CommandError, FeedRefused, RulesetError
from blockd.feeds.candidate import Candidate, Content
from blockd.formats.rejects import RejectReport
from blockd.ruleset import Catalogue, Ruleset, Versions
from blockd.ruleset.counts import of_feed
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import FEED_TYPES, Feed, GateSettings, Settings, load

MAX_SIZE = "4G"  # when unpacked: 16 times the largest national list; a bomb ends here
MAX_INPUT = 4 << 30  # octets of standard input
STANDARD_INPUT = "-"
_PIECE = 1 << 20  # octets read at once
_NAME = "list"  # the feed's name if the config has none for the file


@dataclass(frozen=True, slots=True)
class Validation:
    """The gate's verdict on a file, as the daemon would have it."""

    file: str
    feed: Feed
    is_configured: bool
    found: Judged | None  # None if it could not be read to its end
    rejects: RejectReport
    refused: FeedRefused | None

    @classmethod
    def of(cls, file: str, feed: Feed, built: Built, *, is_configured: bool) -> Validation:
        """Return the verdict in the result of a build of this feed alone."""
        name = feed.name
        found = built.found.get(name)
        if name in built.records and found is None:
            found = Judged(built.records[name], built.held[name])
        rejects = built.rejects.get(name, RejectReport())
        return cls(file, feed, is_configured, found, rejects, built.refused.get(name))

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        refused = self.refused
        return {
            "file": self.file,
            "type": self.feed.type,
            "feed": self.feed.name if self.is_configured else None,
            "usable": refused is None,
            "refused": {"reason": refused.reason, "sentence": str(refused)} if refused else None,
            "names": self.found.record.names if self.found else None,
            **self.rejects.to_json(),
            "held": (self.found.held if self.found else GuardReport()).to_json(),
        }

    def lines(self) -> Iterator[str]:
        """Yield it as lines for people."""
        yield from self.rejects.text()
        if self.found is not None:
            yield from self.found.held.text()
        as_feed = f" for feed {self.feed.name}" if self.is_configured else ""
        if self.refused is not None:
            yield f"refused{as_feed}, {self.refused.reason}: {self.refused}"
        elif self.found is not None:
            yield f"{self.file} is a usable list{as_feed}: {of_feed(self.found.record.names, self.feed.type)}"


def run(args: argparse.Namespace) -> int:
    """Exit code 0 if the list could be enforced as it is, 1 if it would be refused."""
    settings = load(args.config) if args.config.is_file() or args.feed else None
    with tempfile.TemporaryDirectory(prefix="blockd-") as folder:
        path, shown = _content(args.file, Path(folder))
        feed = _configured(settings, args, path)
        is_configured = feed is not None
        feed = feed or _feed(args.kind or "domains", path)
        gate = enforced_gate(settings) if settings else gate_of(GateSettings())
        content = Content(path, _digest(path), shown)
        candidate, in_force = Candidate(feed, content, None), None
        if settings is not None and is_configured:
            candidate, in_force = _compared(settings, candidate)
        with progress_bar() as progress:
            built = build(
                [candidate],
                Path(folder) / "compiled",
                gate=gate,
                in_force=in_force,
                created=int(time.time()),
                randomness=os.urandom,
                progress=progress,
            )
    validation = Validation.of(shown, feed, built, is_configured=is_configured)
    show(args.json, validation.to_json(), validation.lines())
    return NO if validation.refused else DONE


def _content(file: str, folder: Path) -> tuple[Path, str]:
    """Return the file to read and its name in sentences; standard input is copied to `folder`."""
    if file != STANDARD_INPUT:
        return Path(file).absolute(), file
    copy = folder / "input"
    with copy.open("wb") as target:
        left = MAX_INPUT
        while octets := sys.stdin.buffer.read(_PIECE):
            left -= len(octets)
            if left < 0:
                raise CommandError(f"standard input has more than {MAX_INPUT:,} bytes; nothing was checked")
            target.write(octets)
    return copy, "standard input"


def _configured(settings: Settings | None, args: argparse.Namespace, path: Path) -> Feed | None:
    """Return the feed of the config that the file would be content of; raises CommandError if the one named is none."""
    texts = [feed for feed in settings.feeds if feed.is_text] if settings else []
    if args.feed is not None:
        named = next((feed for feed in texts if feed.name == args.feed), None)
        if named is None:
            known = ", ".join(feed.name for feed in texts) or "none"
            raise CommandError(f"There is no feed {args.feed!r} with a text list; configured are: {known}.")
        if args.kind not in (None, named.type):
            raise CommandError(f"feed {named.name} is of the type {named.type}, not {args.kind}; leave --type out")
        return named
    fitting = [
        feed for feed in texts if feed.local_path is not None and args.kind in (None, feed.type) and _same(feed, path)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _same(feed: Feed, path: Path) -> bool:
    try:
        return feed.local_path is not None and feed.local_path.samefile(path)
    except OSError:
        return False


def _feed(kind: str, path: Path) -> Feed:
    """Return a feed of a type with no key but its place."""
    keys = {"name": _NAME, "type": kind, "path": str(path), "max_size": MAX_SIZE}
    return FEED_TYPES[kind].model_validate(keys)


def _digest(path: Path) -> str:
    """Return a file's SHA-256; empty if it cannot be read, as it is refused then."""
    with contextlib.suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def _compared(settings: Settings, candidate: Candidate) -> tuple[Candidate, Catalogue | None]:
    """Return the candidate with its feed's earlier size, and the catalogue in force, as far as both are known."""
    state = FeedState.load(settings.state_dir / "feeds" / candidate.feed.name)
    versions = Versions(settings.state_dir / "rulesets")
    version = versions.current()
    catalogue = None
    if version is not None:
        with contextlib.suppress(RulesetError):
            ruleset = Ruleset.open(versions.ruleset(version), verify=False)
            catalogue = ruleset.catalogue
            ruleset.close()
    return replace(candidate, lasting=state.sizes.lasting(time.time())), catalogue

"""`blockd accept FEED`: take what the gate refused for its size, its rejects or its emptiness, once."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.admin_client import ask
from blockd.cli.agreement import agreed
from blockd.cli.changes import lines
from blockd.cli.output import show
from blockd.cli.progress import progress_bar
from blockd.daemon.answers.acceptable import AcceptPreview
from blockd.daemon.enforced_gate import enforced_gate
from blockd.daemon.operator.accepting import STAYS
from blockd.daemon.update.dry_run import accepted_run
from blockd.errors import BlockdError, CommandError, RulesetError
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.gate.guard_report import GuardReport
from blockd.ruleset.versions.changes import PopularNames, changes
from blockd.ruleset.versions.diff import Comparison
from blockd.settings import Settings, load

SECONDS = 900.0  # for compiling the largest list


def run(args: argparse.Namespace) -> int:
    """Show what would change, ask, and have the daemon take it; 1 if it is not taken, or not enforced yet."""
    if not args.show and not (args.reason or "").strip():
        raise CommandError(f"--reason is needed, or --show to look at it. {STAYS}")
    if not args.show and not args.yes and not sys.stdin.isatty():
        raise CommandError(f"there is no terminal for the question; check with --show, then use --yes. {STAYS}")
    settings = load(args.config)
    found = _preview(settings, args.feed, args.limit)
    if args.digest not in (None, found.digest):
        raise CommandError(f"The refused content of feed {found.feed} has the SHA-256 {found.digest}. {STAYS}")
    if args.show:
        show(args.json, found.to_json(), _lines(found))
        return DONE
    if not args.json or not args.yes:
        print("\n".join(_lines(found)), file=sys.stderr if args.json else sys.stdout, flush=True)
    if not args.yes and not agreed("Take it?"):
        raise BlockdError(f"{STAYS[:-1]}, as you said.")
    asked = {"feed": found.feed, "digest": found.digest, "reason": args.reason, "as": args.officer}
    told = ask(settings, "/api/v1/accept", asked, SECONDS)
    show(args.json, {**found.to_json(), **told}, [_outcome(told)])
    return DONE if told["outcome"] == "enforced" else NO


def _outcome(told: Mapping[str, Any]) -> str:
    if told["outcome"] == "enforced":
        return f"taken; enforced: version {told['version']}. The next content passes the gate as before."
    if told["outcome"] == "waiting":
        return f"taken, but not enforced yet: {told['why']}"
    return f"not enforced: {told.get('why') or told['outcome']}"


def _lines(preview: AcceptPreview) -> Iterator[str]:
    """Yield it as lines for people."""
    yield f"feed {preview.feed} is refused ({preview.reason}): {preview.sentence}"
    rejected = f", {preview.rejected:,} lines rejected" if preview.rejected else ""
    yield f"if it is taken, it has {preview.names:,} names in place of {preview.before:,}{rejected}"
    if preview.held.total:
        yield f"  {preview.held.sentence()}"
    if preview.changes is not None:
        yield from lines(preview.changes, options="--limit")
    yield f"SHA-256 of the content: {preview.digest}"


def _preview(settings: Settings, name: str, limit: int) -> AcceptPreview:
    """Return what the daemon has refused of a feed; raises CommandError if that is nothing that can be accepted."""
    known = {feed["name"]: feed for feed in ask(settings, "/api/v1/status")["feeds"]}
    if name not in known:
        raise CommandError(f"There is no feed {name!r}; configured are: {', '.join(known) or 'none'}. {STAYS}")
    refused = known[name].get("acceptable")
    if refused is None:
        why = known[name]["refusal"]
        instead = (
            f"What it is refused for cannot be accepted: {why.removesuffix('.')}."
            if why
            else "Its content is not refused."
        )
        raise CommandError(f"Feed {name} has nothing to accept. {instead} {STAYS}")
    if name not in [feed.name for feed in settings.feeds]:
        raise CommandError(f"The running daemon has another config than this: feed {name!r} is not in it. {STAYS}")
    versions = Versions(settings.state_dir / "rulesets")
    version, digest = versions.current(), str(refused["digest"])
    popular = PopularNames.chosen(None, settings.gate)
    with tempfile.TemporaryDirectory(prefix="blockd-") as folder, progress_bar() as progress:
        try:
            old = None if version is None else Ruleset.open(versions.ruleset(version), verify=False)
            found = accepted_run(
                settings,
                name,
                digest,
                Path(folder),
                gate=enforced_gate(settings),
                in_force=old.catalogue if old else None,
                progress=progress,
            )
            if name in found.refused:
                raise CommandError(f"Feed {name} would be refused nevertheless: {found.refused[name]} {STAYS}")
            if found.compiled is None:
                raise CommandError(f"The other feeds' contents cannot be read now. {STAYS}")
            new = Ruleset.open(found.compiled, verify=False)
            told = changes(Comparison(old, new, progress), popular, limit) if old else None
        except RulesetError as error:
            raise CommandError(f"{error}. {STAYS}") from error
    before = old.catalogue.feed(name) if old else None
    record = found.built.records[name]
    return AcceptPreview(
        feed=name,
        digest=digest,
        reason=str(refused["reason"]),
        sentence=str(refused["sentence"]),
        before=before.names if before else 0,
        names=record.names,
        rejected=record.rejected,
        held=found.built.held.get(name, GuardReport()),
        changes=told,
    )

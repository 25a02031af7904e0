"""`blockd diff A B`: what changes from one version kept to another."""

from __future__ import annotations

import argparse
from typing import Any

from blockd.cli import DONE
from blockd.cli.changes import held_lines, lines, stream
from blockd.cli.contradictions import contradiction_lines
from blockd.cli.output import show
from blockd.cli.progress import progress_bar
from blockd.errors import CommandError, RulesetError
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.versions.changes import PopularNames, changes, contradiction_changes, held_changes
from blockd.ruleset.versions.diff import Comparison
from blockd.settings import load


def run(args: argparse.Namespace) -> int:
    """Print what changes."""
    settings = load(args.config)
    versions = Versions(settings.state_dir / "rulesets")
    popular = PopularNames.chosen(args.popular, settings.gate)
    try:
        old, new = _opened(versions, args.old), _opened(versions, args.new)
        with progress_bar() as progress:
            comparison = Comparison(old, new, progress)
            head = {"old": args.old, "new": args.new}
            if args.all:
                stream(comparison, popular, head, as_json=args.json)
                return DONE
            told: dict[str, Any] = {**head, **changes(comparison, popular, args.limit)}
            told["contradictions"] = contradiction_changes(old, new)
            told["held"] = held_changes(versions.held(args.old) or {}, versions.held(args.new) or {}, args.limit)
    except RulesetError as error:
        raise CommandError(str(error)) from error
    head_line = f"from version {args.old} to version {args.new}"
    show(
        args.json,
        told,
        (head_line, *lines(told, options="--limit, --all"), *contradiction_lines(told), *held_lines(told["held"])),
    )
    return DONE


def _opened(versions: Versions, version: int) -> Ruleset:
    kept = versions.all()
    if version not in kept:
        raise CommandError(f"version {version} is not kept; kept are {', '.join(map(str, kept)) or 'none'}")
    return Ruleset.open(versions.ruleset(version), verify=False)

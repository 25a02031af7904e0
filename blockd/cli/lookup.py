"""`blockd lookup NAME`: the verdict for a name, and all that is behind it, from the ruleset in force."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.output import show
from blockd.errors import BadName, CommandError, RulesetError
from blockd.orders import Action
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.explain import explain
from blockd.ruleset.policy import at_time
from blockd.settings import load

HELP = "verdict, order, feed, since when and why, for one name"
_ORDER_FIELDS = (
    ("order", "id"),
    ("platform", "platform"),
    ("authority", "authority"),
    ("legal basis", "legal_basis"),
    ("reference", "reference"),
    ("reported by", "reported_by"),
    ("objections", "contact"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name."""
    parser.add_argument("name", metavar="NAME", help="a domain name, in ASCII or Unicode")


def run(args: argparse.Namespace) -> int:
    """Print the explanation; 0 where the name is touched by an order in force, 1 where it is resolved as it is."""
    versions = Versions(load(args.config).state_dir / "rulesets")
    version = versions.current()
    if version is None:
        raise CommandError(f"there is no ruleset in {versions.folder} yet; `blockd run` makes the first one")
    now = time.time()
    try:
        ruleset = Ruleset.open(versions.ruleset(version), verify=False)
        told = explain(at_time(version, ruleset, now), args.name, now)
    except RulesetError as error:
        raise CommandError(str(error)) from error
    except BadName as error:
        raise CommandError(f"{args.name!r} is no domain name: {error.reason}") from error
    show(args.json, told, _lines(told))
    return NO if told["verdict"] in ("resolved", Action.ALLOW, Action.MONITOR, Action.PASSTHRU) else DONE


def _lines(told: dict[str, Any]) -> Iterator[str]:
    yield f"{told['name']}: {told['verdict']} ({told['why']})"
    if "order" in told:
        yield from _claim(told)
    others = [claim for claim in told["claims"] if claim["order"]["id"] != told.get("order", {}).get("id")]
    for claim in others:
        yield f"also {claim['state']}: order {claim['order']['id']}, by {claim['entry']} in feed {claim['feed']}"
    yield f"ruleset:      version {told['version']}, compiled {told['compiled']}"


def _claim(told: dict[str, Any]) -> Iterator[str]:
    order = told["order"]
    for label, name in _ORDER_FIELDS:
        if order.get(name):
            yield f"{label + ':':13} {order[name]}"
    yield f"{'feed:':13} {told['feed']}"
    yield f"{'entry:':13} {told['entry']} ({told['scope']})"
    yield f"{'since:':13} {told['since']}"
    yield f"{'until:':13} {told['until'] or 'no end named'}"
    if order.get("lifted_on"):
        yield f"{'lifted:':13} {order['lifted_on']} {order.get('lifted_reason', '')}".rstrip()

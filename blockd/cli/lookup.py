"""`blockd lookup NAME`: the verdict for a name and its reasons, from the ruleset in force."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from blockd.cli import DONE, NO
from blockd.cli.output import show
from blockd.daemon.report.provenance import with_provenance
from blockd.errors import BadName, CommandError, RulesetError
from blockd.orders import Action
from blockd.ruleset import Ruleset, Versions
from blockd.ruleset.explain import explain
from blockd.ruleset.policy import at_time
from blockd.ruleset.states import stale_in
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
    ("summary", "summary"),
    ("decided by", "decided_by"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name."""
    parser.add_argument("name", metavar="NAME", help="a domain name, in ASCII or Unicode")
    parser.add_argument("--quick", action="store_true", help="leave out the lines of lists: milliseconds at any size")


def run(args: argparse.Namespace) -> int:
    """Print the explanation; 0 if the name is touched by an order in force, 1 if it is resolved as it is."""
    settings = load(args.config)
    versions = Versions(settings.state_dir / "rulesets")
    version = versions.current()
    if version is None:
        raise CommandError(f"there is no ruleset in {versions.folder} yet; `blockd run` makes the first one")
    now = time.time()
    try:
        ruleset = Ruleset.open(versions.ruleset(version), verify=False)
        stale = stale_in(versions.states(version), len(ruleset.catalogue.orders))
        explained = explain(at_time(version, ruleset, now, stale), args.name, now)
        traced = with_provenance(explained, args.name, settings.feeds, settings.state_dir, lines=not args.quick)
    except RulesetError as error:
        raise CommandError(str(error)) from error
    except BadName as error:
        raise CommandError(f"{args.name!r} is not a valid domain name: {error.reason}") from error
    told: dict[str, Any] = traced.to_json()
    show(args.json, told, _lines(told))
    return NO if explained.verdict in ("resolved", Action.ALLOW, Action.MONITOR, Action.PASSTHRU) else DONE


def _lines(told: dict[str, Any]) -> Iterator[str]:
    yield f"{told['name']}: {told['verdict']} ({told['why']})"
    if "order" in told:
        yield from _claim(told)
    for claim in told["claims"]:
        if not claim["decides"]:
            place = f"order {claim['order']['id']}, by {claim['entry']} in feed {claim['feed']}"
            yield f"also {claim['state']}: {place}{_line(claim)}; {claim['because']}"
    yield from _held(told["held"])
    if told["listed"]["first"] is not None or not told["held"]:
        yield from _listed(told["listed"])
    yield f"ruleset:      version {told['version']}, compiled {told['compiled']}"


def _claim(told: dict[str, Any]) -> Iterator[str]:
    order = told["order"]
    for label, name in _ORDER_FIELDS:
        if order.get(name):
            signed = f" (role {told['role']})" if name == "authority" and told["role"] else ""
            yield f"{label + ':':13} {order[name]}{signed}"
    yield f"{'feed:':13} {told['feed']}{next((_line(claim) for claim in told['claims'] if claim['decides']), '')}"
    yield f"{'entry:':13} {told['entry']} ({told['scope']})"
    yield f"{'since:':13} {told['since']}"
    yield f"{'until:':13} {told['until'] or 'no end named'}"
    if told["stale"]:
        yield f"{'stale:':13} the list was not renewed in time; the order stays in force as it was signed last"
    if order.get("lifted_on"):
        yield f"{'lifted:':13} {order['lifted_on']} {order.get('lifted_reason', '')}".rstrip()


def _line(claim: dict[str, Any]) -> str:
    return f", line {claim['line']['number']}: {claim['line']['text']}" if claim["line"] else ""


def _held(held: list[dict[str, Any]]) -> Iterator[str]:
    """Say which entries on the name the gate holds back, and what lets them through."""
    for entry in held:
        place = f"feed {entry['feed']}"
        if entry["line"]:
            place = f"line {entry['line']['number']:,} of {place}"
        if entry["held"]:
            yield f"{'held back:':13} listed at {place} as {entry['entry']} ({entry['scope']}): {entry['reason']}"
            yield f"{'':13} to let it through: {entry['release']}"
        else:
            yield f"{'reported:':13} listed at {place} as {entry['entry']}, and in force: {entry['reason']}"


def _listed(listed: dict[str, Any]) -> Iterator[str]:
    """Say since when the name is listed, as far as the versions kept show."""
    first, last, kept = listed["first"], listed["last"], listed["versions_kept"]
    if first is None:
        yield f"{'listed:':13} never in the {kept} versions kept"
        return
    or_earlier = " or earlier" if listed["since_before"] else ""
    until = "until now" if listed["until_now"] else f"last in version {last['version']} of {last['compiled']}"
    yield f"{'listed:':13} first in version {first['version']} of {first['compiled']}{or_earlier}, {until}"

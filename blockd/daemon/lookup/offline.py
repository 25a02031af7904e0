"""Lookups in the state folder, without a daemon; and what both ways have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from blockd.daemon.lookup.past import Snapshot
from blockd.daemon.lookup.result import Aliases, LookupResult
from blockd.daemon.lookup.signalled import SignalledReplies
from blockd.daemon.report.provenance import line_of, with_provenance
from blockd.ruleset import Enforced
from blockd.ruleset.explain import Explanation, explain
from blockd.ruleset.lookup_query import LookupQuery
from blockd.settings import Feed, Settings

if TYPE_CHECKING:  # else each command would import the resolver
    from blockd.daemon.lookup.way import Step, Way

NOT_SERVED = "This client is not served: it is not in clients.allow, and every question of it is answered with REFUSED."
UNSERVED = "the client is not served"
REFUSING = "at_first_start is `refuse`, and no list is enforced yet: every question is answered with SERVFAIL."
NOT_A_NAME = "an address and a network have no aliases"
IN_THE_PAST = "it is about another time, and nobody knows where a name led or will lead"


def look_up_offline(settings: Settings, snapshot: Snapshot, query: LookupQuery, why_not_followed: str) -> LookupResult:
    """Return the result from the state folder alone, which says why aliases were not followed.

    Raises BadName, and RulesetError if the ruleset is damaged. `snapshot` is of `query.at`, or of now.
    """
    explanation = explained(settings, snapshot.enforced, query)
    if query.at is not None:
        why_not_followed = IN_THE_PAST
    if explanation.subject.is_network:
        why_not_followed = NOT_A_NAME
    elif not is_served(settings, query):
        why_not_followed = UNSERVED
    aliases = Aliases(False, why_not_followed)
    if not snapshot.is_known:
        explanation = replace(explanation, verdict="unknown", why="what was enforced then is not known")
    elif query.at is not None and snapshot.enforced is None:
        explanation = replace(explanation, why="nothing was enforced by this node then")
    found = traced(settings, explanation, query, aliases, snapshot.enforced)
    return replace(found, notes=(*found.notes, *snapshot.notes))


def explained(settings: Settings, enforced: Enforced | None, query: LookupQuery) -> Explanation:
    """Return the explanation that a query asks for; raises BadName."""
    explanation = explain(enforced, query.name, query.client_octets)
    if enforced is None and query.at is None and settings.at_first_start == "refuse":
        return replace(explanation, verdict="servfail")
    if not is_served(settings, query):
        return replace(explanation, verdict="refused", why=UNSERVED)
    return explanation


def is_served(settings: Settings, query: LookupQuery) -> bool:
    """Return whether questions of the client that a query is about are answered; true of everybody."""
    client = query.client_octets
    return not client or any(client in network for network in settings.clients.allow)


def traced(
    settings: Settings, explanation: Explanation, query: LookupQuery, aliases: Aliases | None, enforced: Enforced | None
) -> LookupResult:
    """Return the result with its provenance, which blocks while it reads lists; `enforced` is what is explained."""
    lines = query.trace == "lines" and query.at is None  # lists are kept only as they are now
    traced = with_provenance(
        explanation, settings.feeds, settings.state_dir, lines=lines, is_past=query.at is not None,
        like=enforced.ruleset if enforced is not None else None,
    )  # fmt: skip
    if aliases is not None and lines:
        feeds = {feed.name: feed for feed in settings.feeds}
        ways = tuple(_with_lines(way, feeds, settings.state_dir) for way in aliases.ways)
        aliases = replace(aliases, ways=ways)
    return replace(result(settings, explanation, query, aliases), traced=traced)


def _with_lines(way: Way, feeds: Mapping[str, Feed], state_dir: Path) -> Way:
    """Return a way whose deciding step has the line of its list."""

    def lined(step: Step) -> Step:
        if not step.decides or step.claim is None:
            return step
        return replace(step, line=line_of(step.claim, feeds, state_dir, about=step.key))

    return replace(way, steps=tuple(map(lined, way.steps)))


def result(settings: Settings, explanation: Explanation, query: LookupQuery, aliases: Aliases | None) -> LookupResult:
    """Return the result without provenance."""
    notes = []
    if not is_served(settings, query):
        notes.append(NOT_SERVED)
    if explanation.verdict == "servfail":
        notes.append(REFUSING)
    is_answered = query.at is None and is_served(settings, query)  # by the config as it is now
    signalled = SignalledReplies.of(settings) if is_answered else None
    return LookupResult(explanation, None, aliases, query.at, query.client, tuple(notes), signalled=signalled)

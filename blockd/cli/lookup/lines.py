"""The result of a lookup as lines for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_ORDER_FIELDS = (
    ("order", "called"),
    ("list", "list"),
    ("platform", "platform"),
    ("authority", "authority"),
    ("legal basis", "legal_basis"),
    ("reference", "reference"),
    ("reported by", "reported_by"),
    ("objections", "contact"),
    ("summary", "summary"),
    ("decided by", "decided_by"),
    ("Lumen notice", "lumen_id"),
)

Told = Mapping[str, Any]


def lines(told: Told) -> Iterator[str]:
    """Yield the lines of one result, as `LookupResult.to_json` has it."""
    at = f" at {told['at']}" if "at" in told else ""
    client = f" for the client {told['client']}" if "client" in told else ""
    yield f"{told['name']}: {told['verdict']}{at}{client} ({told['why']})"
    if "group" in told:
        yield _field("group", _group(told["group"]))
    for other in told.get("groups", ()):
        yield _field(f"group {other['group']}", f"{other['verdict']} ({other['why']})")
    if told["taken_from"]:
        yield _field("read as", f"{told['name']}, {told['taken_from']}")
    way = _deciding(told)
    if "order" in told:
        yield from _claim(told, way)
    if "structured_error" in told:
        yield from _structured(told["structured_error"])
    for claim in told.get("claims", ()):
        if not claim["decides"] or way is not None:
            place = f"{_called(claim['order'])}, by {claim['entry']} in feed {claim['feed']}"
            yield f"also {claim['state']}: {place}{_line(claim)}; {claim['because']}"
    for sentence in told.get("refused", ()):
        yield _field("refused", sentence)
    if "resolved" in told and told["resolved"]["zone"]:
        yield _field("resolved", _route(told["resolved"]))
    if "aliases" in told:
        yield from _aliases(told["aliases"])
    if "as_client" in told:
        yield from _as_client(told["as_client"])
    yield from _held(told.get("held", ()))
    if "listed" in told and (told["listed"]["first"] is not None or not told.get("held")):
        yield from _listed(told["listed"])
    if "version" in told:
        yield _field("ruleset", f"version {told['version']}, compiled {told['compiled']}")
    for note in told["notes"]:
        yield _field("note", note)


def _deciding(told: Told) -> Told | None:
    """Return the step of an answer that the verdict rests on; None if it rests on the name."""
    if any(claim["decides"] for claim in told.get("claims", ())):
        return None
    questions = told["aliases"]["questions"] if "aliases" in told else ()
    steps = (step for question in questions for step in question["steps"] if step["decides"])
    return next(steps, None)


def _claim(told: Told, way: Told | None) -> Iterator[str]:
    order = told["order"]
    for label, name in _ORDER_FIELDS:
        if order.get(name):
            signed = f" (role {told['role']})" if name == "authority" and told["role"] else ""
            yield _field(label, f"{order[name]}{signed}")
    found = way or next((claim for claim in told.get("claims", ()) if claim["decides"]), {})
    yield _field("feed", f"{told['feed']}{_line(found)}")
    yield _field("entry", f"{told['entry']} ({told['scope']})")
    if told["since"]:
        yield _field("since", told["since"])
    yield _field("until", told["until"] or "no end named")
    if told["stale"]:
        stays = (
            "it stays in force as it was received last"
            if "list" in order
            else ("the order stays in force as it was signed last")
        )
        yield _field("stale", f"the list was not renewed in time; {stays}")
    if order.get("lifted_on"):
        yield _field("lifted", f"{order['lifted_on']} {order.get('lifted_reason', '')}".rstrip())


def _structured(error: Told) -> Iterator[str]:
    """Say what clients over encrypted transports get that ask for a structured error."""
    yield _field(
        "browsers get", f"{error['action']}, with Extended DNS Error {error['code']}, if they ask for the reason"
    )
    if error["text"] is not None:
        yield f"{'':13} {json.dumps(error['text'], ensure_ascii=False)}"


def _aliases(aliases: Told) -> Iterator[str]:
    """Say where the name leads, for each type of question."""
    if not aliases["followed"]:
        yield _field("aliases", f"not followed: {aliases['why']}" if not aliases["questions"] else aliases["why"])
    elif aliases["why"]:
        yield _field("note", aliases["why"])
    for question in aliases["questions"]:
        answer = question["answer"]
        got = "" if answer is None else "; answered with " + ", ".join([answer["rcode"], *answer["records"]])
        yield _field(question["type"], f"{question['outcome']}, {question['why']}{got}")
        for step in question["steps"]:
            claim = step["claim"]
            place = "" if claim is None else f", {_called(claim['order'])} by {claim['entry']} in {claim['feed']}"
            stops = " STOPS" if step["decides"] else ""
            verdict = "" if claim is None else f": {step['verdict']} ({claim['state']}{place}{_line(step)}){stops}"
            yield f"  {step['owner']} {step['type']} {step['to']}{verdict}"
        if question["steps_left_out"]:
            yield f"  and {question['steps_left_out']} more"


def _route(route: Told) -> str:
    """Say who answers for the name if they are not the upstreams for all names."""
    if route["by"] == "local":
        return f"here, without asking upstreams, by the local zone {route['zone']} ({route['source']})"
    return (
        f"{route['zone']} is forwarded to {', '.join(route['upstreams']) or 'nobody: none of its upstreams is known'}"
    )


def _group(group: Told) -> str:
    """Say which group the client is in, and what applies to it."""
    if not group["feeds"]:
        return f"{group['name']}, which is exempt: no feed applies to it"
    return f"{group['name']}, to which apply: {', '.join(group['feeds'])}"


def _as_client(told: Told) -> Iterator[str]:
    """Say what happens to the questions that an address sends."""
    yield _field("as a client", f"{told['verdict']} ({told['why']})")
    if "group" in told:
        yield f"  in group {_group(told['group'])}"
    for claim in told.get("claims", ()):
        place = f"{_called(claim['order'])}, by {claim['entry']} in feed {claim['feed']}"
        yield f"  {claim['state']}: {place}; {claim['because']}"


def _called(order: Told) -> str:
    return f"list {order['list']}" if "list" in order else f"order {order['called']}"


def _line(claim: Told) -> str:
    return f", line {claim['line']['number']}: {claim['line']['text']}" if claim.get("line") else ""


def _held(held: Iterable[Told]) -> Iterator[str]:
    """Say which entries on the name the gate holds back, and what lets them through."""
    for entry in held:
        place = f"in feed {entry['feed']}"
        if entry["line"]:
            place = f"at line {entry['line']['number']:,} of feed {entry['feed']}"
        if entry["held"]:
            yield _field("held back", f"listed {place} as {entry['entry']} ({entry['scope']}): {entry['reason']}")
            yield f"{'':13} to let it through: {entry['release']}"
        else:
            yield _field("reported", f"listed {place} as {entry['entry']}, and in force: {entry['reason']}")


def _listed(listed: Told) -> Iterator[str]:
    """Say since when the name is listed, as far as the versions kept show."""
    first, last, kept = listed["first"], listed["last"], listed["versions_kept"]
    if first is None:
        yield _field("listed", f"never in the {kept} versions kept")
        return
    or_earlier = " or earlier" if listed["since_before"] else ""
    until = "until now" if listed["until_now"] else f"last in version {last['version']} of {last['compiled']}"
    yield _field("listed", f"first in version {first['version']} of {first['compiled']}{or_earlier}, {until}")


def _field(label: str, text: str) -> str:
    return f"{label + ':':13} {text}"

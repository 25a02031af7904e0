"""What is said is what is done: over random worlds, whatever blockd says of a name is what a client gets for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from blockd.orders import Action
from blockd.ruleset.explain import ExplainedClaim
from tests.effort import tries
from tests.worlds.views import RESOLVED, Hits, Risen, dig, hits, lookup, lookup_offline, page_of, proof
from tests.worlds.world import HELD, NAMES, World

WORLDS = tries(120, 10_000)
GROUPS = 8
STEPS = 6
PASSING = ("resolved", "allow", "monitor", "passthru")  # verdicts that touch nothing


@pytest.mark.parametrize("group", range(GROUPS))
def test_what_is_said_is_what_is_done(tmp_path: Path, group: int) -> None:
    for seed in range(group, WORLDS, GROUPS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        asyncio.run(_lived(World(folder, seed), seed))


async def _lived(world: World, seed: int) -> None:
    try:
        await world.begin()
        await _check(world)
        for _ in range(world.random.randint(1, STEPS)):
            await world.step()
            await _check(world)
        await world.node.stop()
    except BaseException as error:
        steps = "\n  ".join(world.steps)
        error.add_note(f"in world {seed}: {world.config['feeds']}\n  {steps}")
        raise


async def _check(world: World) -> None:
    names = world.random.sample([*NAMES, *HELD, "deep.under.c.b.a.alpha.example", "free.example"], 4)
    counted = hits(world.node)
    for name in dict.fromkeys(names):
        await _check_name(world, name, counted)
    _check_overrides(world)
    _check_held(world)


async def _check_name(world: World, name: str, before: Hits) -> None:
    node = world.node
    explained = lookup(node, name)
    said, claim = explained.to_json(), explained.claim
    found, verdict = dig(node, name, before), str(said["verdict"])
    expected = RESOLVED if verdict in PASSING else verdict
    assert found.done == expected, f"{name}: the client gets {found.done}, lookup says {verdict}: {said}"
    assert lookup_offline(node, name).to_json() == said, name
    identifier = claim.order.name if claim else None
    shown = (claim.order.list_name or claim.order.name) if claim else ""
    if claim and not claim.order.list_name:
        _check_called(world, claim)
    series = {"feed": said.get("feed"), "order": identifier, "action": verdict}
    _must_count(found.hits, series | {"protocol": "dns"} if verdict != "resolved" else None, said)
    status, page, visits = page_of(node, name, before)
    stopped = found.done not in (RESOLVED, Action.TCP_ONLY)
    assert (status in (451, 403)) == stopped, (name, status, said)
    _must_count(visits, series | {"protocol": "http", "action": "page"} if stopped else None, said)
    if stopped:
        assert shown in page, (name, page, said)
    assert shown in found.ede or not found.ede, (found.ede, said)
    if "version" not in said:  # nothing is enforced yet
        return
    proved = proof(node, name)
    assert proved["covered"] == (found.done != RESOLVED), (name, said, proved)
    assert proved["udp"] == {"tcp-only": "ask over TCP"}.get(found.done, found.done), (name, said, proved)
    assert proved["tcp"] == found.over_tcp, (name, said, proved)
    if verdict != "resolved":
        assert (proved["decides"], proved["action"]) == (identifier, verdict), (name, proved, said)


def _check_called(world: World, claim: ExplainedClaim) -> None:
    """What an order is called names it and no other, and its id alone every order that has it."""
    enforced = world.node.control.parts.enforced
    assert enforced is not None
    catalogue, order = enforced.ruleset.catalogue, claim.order
    [found] = catalogue.find(order.name)
    assert catalogue.orders[found].key == order.key(claim.feed)
    named = world.node.control.orders(order.name)
    assert (named.status, named.found[0].verdict.feed, named.found[0].order) == (200, claim.feed, order)
    real = [record for record in catalogue.orders if not record.order.list_name]
    assert len(catalogue.find(order.id)) == sum(record.order.id == order.id for record in real)


def _check_held(world: World) -> None:
    """Nothing that is said to be held back is in force by the feed that lists it, and what was let through is not said.

    That is so for a pinned version as well, which keeps what was held back when it was made.
    """
    node = world.node
    enforced = node.control.parts.enforced
    reports = node.control.parts.state.versions.held(enforced.version) if enforced else None
    for feed, report in (reports or {}).items():
        for reason, entries in report.entries.items():
            for entry in entries if report.holds(reason) else ():
                found = lookup(node, entry.text).ruleset
                claims = [one.claim for one in found.claims] if found else []
                listed = [one for one in claims if one.feed == feed and one.entry.text == entry.text]
                assert not any(one.entry.scope & entry.scope for one in listed), (feed, entry, reason)


def _must_count(risen: Risen, expected: Mapping[str, object] | None, said: object) -> None:
    """Check that a hit was counted in the one series that is expected, and in none if None is."""
    if expected is None:
        assert risen == (), said
        return
    (labels,) = risen
    assert {name: labels[name] for name in expected} == expected, said


def _check_overrides(world: World) -> None:
    """Whatever override is said to hold does hold, also over a pinned version."""
    node = world.node
    for one in node.control.status().overrides:
        name, scope = one.override.name, str(one.override.scope)
        asked = name if scope != "subdomains" else f"some.{name}"
        assert dig(node, asked, {}).done == RESOLVED, f"the override of {name} is said to hold"

"""Both engines answer alike where several authorities and the operator contradict each other."""

from __future__ import annotations

import random
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from blockd.metrics import Transport
from blockd.names import address_key, client_key, key_from_text
from blockd.native import is_native
from blockd.orders import Action, Scope
from blockd.ruleset import FeedInput, Listing
from blockd.settings.groups import ClientGroup, ClientGroups
from tests.effort import tries
from tests.resolver.rig import Rig, order
from tests.resolver.twins import SERVED, Twins
from tests.upstream import UpstreamSimulator

SCOPES = (Scope.EXACT, Scope.SUBDOMAINS, Scope.BOTH)
WORLDS = tries(60, 3000)
ASKED, FIRST, SECOND = "www.asked.example", "first.example", "a.second.example"
PLACES = [key_from_text(name) for name in (ASKED, "asked.example", FIRST, SECOND, "second.example", "example")]
ADDRESSES = [address_key(bytes((203, 0, 113, 9)), bits) for bits in (32, 24)]
OTHERS = [address_key(bytes((198, 51, 100, 9)), bits) for bits in (32, 24)]
CLIENTS = [client_key(bytes((127, 0, 0, 1)), 32), client_key(bytes((192, 0, 2, 200)), 24)]
AUTHORITIES = [f"{feed}/{role}" for feed in "ab" for role in ("targets", "court", "ministry")]
ANSWERS = {
    "chain": (f"{ASKED}. 60 CNAME {FIRST}.", f"{FIRST}. 60 CNAME {SECOND}.", f"{SECOND}. 60 A 203.0.113.9"),
    "addresses": (f"{ASKED}. 60 A 198.51.100.9", f"{ASKED}. 60 A 203.0.113.9"),
    "one": (f"{ASKED}. 60 CNAME {SECOND}.", f"{SECOND}. 60 A 198.51.100.9", f"{SECOND}. 60 A 203.0.113.9"),
}
MAIL = (f"{ASKED}. 60 MX 5 {FIRST}.", f"{ASKED}. 60 MX 5 {SECOND}.")
EXTRAS = (f"{FIRST}. 60 A 203.0.113.9", f"{SECOND}. 60 A 192.0.2.7")
ANSWERED = {**dict.fromkeys(ANSWERS, "A"), "mail": "MX"}


def feeds(chance: random.Random) -> list[FeedInput]:
    found = []
    for name in chance.sample("abcd", chance.randint(2, 4)):
        kind = "signed" if name in "ab" else chance.choice(("domains", "rpz"))
        roles = ("", "court", "ministry") if kind == "signed" else ("",)
        actions = [action for action in Action if kind != "rpz" or action is not Action.ALLOW]
        actions = [action for action in actions if kind == "rpz" or not action.is_zones]
        actions.remove(Action.CNAME)  # asks upstreams further
        actions = [action for action in actions if action is not Action.LOCAL]
        weak = [Action.TCP_ONLY, actions[-1], Action.MONITOR]
        orders = [
            order(
                f"{name}-{at}", chance.choice((*actions, *weak)), role=chance.choice(roles),
                in_force_from=chance.choice((0, 0, 5)), expires=chance.choice((None, None, 5)),
            )
            for at in range(chance.randint(1, 4))
        ]  # fmt: skip
        keys = [*PLACES, *ADDRESSES, *OTHERS] + (CLIENTS * 2 if kind == "rpz" else [])
        listings = [
            Listing(subject, chance.choice(SCOPES), chance.sample(keys, chance.randint(1, 3))) for subject in orders
        ]
        may_lift = {
            role: chance.sample(AUTHORITIES, chance.randint(0, 3))
            for role in (roles[1:] if kind == "signed" else roles if kind == "rpz" else ())
        }
        priority = chance.choice((10, 20))
        found.append(
            FeedInput(name, kind, priority, "", orders, listings, may_lift=may_lift, asks_client=kind == "rpz")
        )
    return found


def groups(chance: random.Random, feeds: list[str]) -> ClientGroups:
    """Return a group for each of the clients, subject to some of the feeds."""
    return ClientGroups(
        [
            ClientGroup.model_validate(
                {"name": f"g{place}", "networks": [host], "feeds": chance.sample(feeds, chance.randint(0, len(feeds)))}
            )
            for place, host in enumerate(SERVED[:2])
        ]
    )


def answer(name: str) -> bytes:
    query = dns.message.make_query(ASKED, ANSWERED[name])
    message = dns.message.make_response(query, recursion_available=True)
    for section, texts in ((message.answer, ANSWERS.get(name, MAIL)), (message.additional, EXTRAS)):
        for text in texts if section is message.answer or name == "mail" else ():
            owner, ttl, kind, data = text.split(" ", 3)
            found = dns.rrset.from_text(owner, int(ttl), "IN", kind, data)
            same = (rrset for rrset in section if (rrset.name, rrset.rdtype) == (found.name, found.rdtype))
            known = next(same, None)
            if known is None:
                section.append(found)
            else:
                known.update(found)  # type: ignore[no-untyped-call]
    return message.to_wire()


@pytest.mark.skipif(not is_native(), reason="the native engine was not built")
def test_both_engines_answer_alike(tmp_path: Path) -> None:
    questions = {kind: dns.message.make_query(ASKED, kind, use_edns=0).to_wire() for kind in ("A", "MX")}
    different = set()
    for seed in range(WORLDS):
        chance = random.Random(seed)  # noqa: S311 - a test repeats itself
        folder = tmp_path / str(seed)
        folder.mkdir()
        twins = Twins(folder)
        listed = feeds(chance)
        if seed % 2:
            twins.client_groups = groups(chance, [source.name for source in listed])
        twins.enforce(listed)
        for way in (None, *ANSWERED):
            question = questions[ANSWERED.get(way or "", "A")]
            if way is not None:
                twins.fill(answer(way))
            for now in (1.0, 4.5, 6.0):
                twins.pass_time(now)
                for transport in Transport:
                    for host in SERVED[:2]:
                        try:
                            different.add(repr(twins.ask(question, host, transport))[:80])
                        except AssertionError as error:
                            error.add_note(f"in world {seed}, {way} at {now} from {host} over {transport}")
                            raise
        for side in twins.sides:
            side.resolver.close()
    assert len(different) > 8


def test_a_neighbours_weaker_order_on_the_way_does_not_open_a_block(rig: Rig, upstream: UpstreamSimulator) -> None:
    """One authority's tcp-only on a name that an answer leads to, another's block on the next one."""
    weak, block = order("weak", Action.TCP_ONLY, role="court"), order("block", Action.NXDOMAIN, role="ministry")
    listings = [Listing(weak, SCOPES[2], [PLACES[2]]), Listing(block, SCOPES[2], [PLACES[3]])]
    rig.enforce_feeds([FeedInput("a", "signed", 50, "", [weak, block], listings)])
    upstream.plan(ASKED, "A", *(text.replace(" 60 ", " 60 IN ") for text in ANSWERS["chain"]))
    for transport in (Transport.UDP, Transport.TCP):
        assert rig.answer(ASKED, transport=transport).rcode == "NXDOMAIN"


def test_an_authoritys_allow_keeps_only_its_own_orders_from_the_answer(rig: Rig, upstream: UpstreamSimulator) -> None:
    allow, block = order("allow", Action.ALLOW, role="court"), order("block", Action.NXDOMAIN, role="ministry")
    own = order("own", Action.NODATA, role="court")
    listings = [
        Listing(allow, SCOPES[2], [PLACES[0]]), Listing(own, SCOPES[2], [PLACES[2]]),
        Listing(block, SCOPES[2], [PLACES[3]]),
    ]  # fmt: skip
    upstream.plan(ASKED, "A", *(text.replace(" 60 ", " 60 IN ") for text in ANSWERS["chain"]))
    rig.enforce_feeds([FeedInput("a", "signed", 50, "", [allow, own, block], listings)])
    assert rig.answer(ASKED).rcode == "NXDOMAIN"
    lifting = FeedInput("a", "signed", 50, "", [allow, own, block], listings, may_lift={"court": ["a/ministry"]})
    rig.enforce_feeds([lifting])
    assert rig.answer(ASKED).records != []

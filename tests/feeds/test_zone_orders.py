from __future__ import annotations

from pathlib import Path

import pytest

from blockd.feeds.candidate import Candidate
from blockd.names import key_from_text
from blockd.orders import Action, Verdict
from blockd.ruleset import Ruleset
from blockd.ruleset.policy import at_time
from blockd.settings import RpzFeed
from tests.compile.builder import NOW, Builder, domains, reasons

HEAD = "$TTL 60\n@ SOA l. r. {serial} 1 1 1 1\n@ NS l.\n"


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def rpz(name: str = "zone", priority: int = 50, **keys: object) -> RpzFeed:
    return RpzFeed.model_validate({"name": name, "type": "rpz", "path": "/srv/zone", "priority": priority, **keys})


def zone(builder: Builder, feed: RpzFeed, text: str, serial: int = 1) -> Candidate:
    return Candidate(feed, builder.octets((HEAD.format(serial=serial) + text).encode()), None)


def verdict(builder: Builder, name: str) -> Verdict:
    enforced = at_time(1, Ruleset.open(builder.path), NOW)
    try:
        return enforced.verdict(key_from_text(name))
    finally:
        enforced.close()


def test_each_kind_of_answer_is_an_order_with_the_feeds_texts(builder: Builder) -> None:
    text = "a.example CNAME .\nb.example CNAME landing.example.\nc.example CNAME *.g.example.\nd.example A 192.0.2.1\n"
    built = builder.build(zone(builder, rpz(authority="Example Board", contact="x@example.net"), text, 7))
    assert reasons(built) == {}
    catalogue = builder.catalogue()
    orders = {record.order.id: record.order for record in catalogue.orders}
    assert sorted(orders)[:3] == ["zone.cname.below.g.example", "zone.cname.landing.example", sorted(orders)[2]]
    assert sorted(orders)[2].startswith("zone.local.")
    assert {order.authority for order in orders.values()} == {"Example Board"}
    assert {order.in_force_from for order in orders.values()} == {None}
    assert {order.list_name for order in orders.values()} == {"zone"}
    [feed] = catalogue.feeds
    assert (feed.type, feed.version, feed.names, feed.rejected) == ("rpz", "7", 4, 0)


def test_the_national_shape_is_one_order_and_one_entry_a_name(builder: Builder) -> None:
    text = "".join(f"n{n}.example CNAME landing.example.\n*.n{n}.example CNAME landing.example.\n" for n in range(50))
    builder.build(zone(builder, rpz(), text))
    catalogue = builder.catalogue()
    assert [record.names for record in catalogue.orders] == [50]
    assert verdict(builder, "a.n7.example").order == verdict(builder, "n7.example").order


def test_zones_decide_in_their_order_and_within_a_zone_the_closest_encloser(builder: Builder) -> None:
    first = "*.a.example CNAME .\nb.a.example CNAME rpz-passthru.\n*.d.c.a.example CNAME *.\n"
    second = "b.a.example CNAME .\nx.b.a.example CNAME .\nz.a.example CNAME rpz-drop.\n"
    builder.build(zone(builder, rpz("first", 1), first), zone(builder, rpz("second", 2), second))
    found = {
        name: verdict(builder, f"{name}.example").action
        for name in ("z.a", "b.a", "x.b.a", "y.b.a", "e.d.c.a", "d.c.a", "c.a", "a")
    }
    assert found == {
        "z.a": Action.NXDOMAIN,
        "b.a": Action.PASSTHRU,
        "x.b.a": Action.NXDOMAIN,  # by the second zone: in the first, b.a is its closest encloser
        "y.b.a": None,
        "e.d.c.a": Action.NODATA,
        "d.c.a": None,
        "c.a": None,  # it exists in the first zone, since a name below it does
        "a": None,
    }


def test_other_feeds_stand_between_zones_by_their_priority(builder: Builder) -> None:
    passes = "a.example CNAME rpz-passthru.\n"
    blocks = "a.example CNAME .\n"
    listed = Candidate(domains(priority=10), builder.content("a.example"), None)
    builder.build(zone(builder, rpz("zone", 5), passes), listed)
    assert verdict(builder, "a.example").action is Action.PASSTHRU
    builder.build(zone(builder, rpz("zone", 15), passes), listed)
    assert verdict(builder, "a.example").action is Action.SINKHOLE
    never = Candidate(domains("never", priority=900, action="allow"), builder.content("a.example"), None)
    builder.build(zone(builder, rpz("zone", 5), blocks), never)
    assert verdict(builder, "a.example").action is Action.ALLOW
    seen = Candidate(domains("seen", priority=1, action="monitor"), builder.content("a.example"), None)
    builder.build(zone(builder, rpz("zone", 5), blocks), seen)
    assert verdict(builder, "a.example").action is Action.NXDOMAIN


@pytest.mark.parametrize(
    ("override", "action"),
    [("given", "nxdomain"), ("disabled", "monitor"), ("passthru", "passthru"), ("drop", "drop"), ("cname", "cname")]
    + [(name, name) for name in ("nodata", "nxdomain", "tcp-only")],
)
def test_an_override_is_the_zones_action(builder: Builder, override: str, action: str) -> None:
    target: dict[str, object] = {"override_target": "garden.example"} if override == "cname" else {}
    builder.build(zone(builder, rpz("zone", 50, override=override, **target), "a.example CNAME .\n"))
    found = verdict(builder, "a.example")
    assert found.action == Action(action)
    assert found.order
    assert (found.order.id, found.order.cname) == (
        f"zone.{action}" + (".garden.example" if target else ""),
        target.get("override_target", ""),
    )


def test_the_target_of_an_override_may_be_below_a_name(builder: Builder) -> None:
    builder.build(zone(builder, rpz(override="cname", override_target="*.Garden.example"), "a.example CNAME .\n"))
    found = verdict(builder, "a.example").order
    assert found
    assert (found.id, found.cname) == ("zone.cname.below.garden.example", "*.garden.example")
    for wrong in ("*.", "*", "*.*.example", "x.*.example"):
        with pytest.raises(ValueError, match="override_target"):
            rpz(override="cname", override_target=wrong)


def test_what_the_zone_has_at_a_target_is_in_the_order(builder: Builder) -> None:
    text = "$ORIGIN dpol.\n@ SOA l. r. 1 1 1 1 1\n@ NS l.\na.example CNAME 10\n10 A 192.0.2.9\n"
    builder.build(Candidate(rpz(), builder.octets(text.encode()), None))
    found = verdict(builder, "a.example").order
    assert found
    assert (found.id, found.cname) == ("zone.cname.10.dpol", "10.dpol")
    assert [record.data for record in found.records] == [b"\xc0\0\2\x09"]


def test_an_older_zone_is_refused_and_the_one_in_force_stays(builder: Builder) -> None:
    old = zone(builder, rpz(), "a.example CNAME .\n", 5)
    builder.build(old)
    before = builder.catalogue()
    news = zone(builder, rpz(), "b.example CNAME .\n", 4)
    built = builder.build(Candidate(news.feed, news.incoming, old.incoming), in_force=before)
    assert reasons(built) == {"zone": "rollback"}
    assert verdict(builder, "a.example").action is Action.NXDOMAIN


def test_a_zone_that_is_cut_is_refused_alone(builder: Builder) -> None:
    text = "a.example ( CNAME .\n"
    built = builder.build(zone(builder, rpz(), text), Candidate(domains(), builder.content("b.example"), None))
    assert reasons(built) == {"zone": "cut"}
    assert verdict(builder, "b.example").action is Action.SINKHOLE


def test_rules_that_cannot_be_enforced_here_do_not_close_the_gate(builder: Builder) -> None:
    text = "a.example CNAME .\n" + "".join(f"n{n}.example.rpz-nsdname CNAME .\n" for n in range(9))
    built = builder.build(zone(builder, rpz(), text))
    assert reasons(built) == {}
    assert built.rejects["zone"].counts == {"NSDNAME trigger": 9}
    junk = builder.build(zone(builder, rpz(), text + "".join(f"x{n}.example A 1.2.3\n" for n in range(9))))
    assert reasons(junk) == {"zone": "rejects"}

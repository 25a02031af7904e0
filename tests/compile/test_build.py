from __future__ import annotations

import gzip
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from blockd.compile.build import build
from blockd.errors import RulesetError
from blockd.feeds.candidate import Candidate, Content
from blockd.feeds.signed.bundle import SignedVersion, write_bundle
from blockd.orders import Action, Reason, parse_document
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.policy import at_time
from blockd.ruleset.salts import MAX_SALTS
from blockd.settings import FEED_TYPES
from tests.compile.builder import MAX_SIZE, NOW, Builder, domains, reasons, signed


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path)


def test_new_content_that_passes_is_taken(builder: Builder) -> None:
    built = builder.build(
        Candidate(domains(), builder.content("a.example", "b.example"), builder.content("old.example"))
    )
    assert built.header is not None
    assert (built.header.names, built.header.created) == (2, NOW)
    assert (built.taken, built.refused) == ({"national"}, {})
    assert built.rejects["national"].accepted == 2
    assert builder.listed("www.a.example") == "national/national"
    assert builder.listed("old.example") == ""
    assert builder.catalogue().orders[0].order.in_force_from is None


def test_nothing_at_all_makes_no_file(builder: Builder) -> None:
    for candidates in ([], [Candidate(domains(), None, None)]):
        built = builder.build(*candidates)
        assert built.header is None
        assert not built.taken
        assert not built.refused
    assert not builder.path.exists()


def test_accepted_content_is_not_put_through_the_gate_again(builder: Builder) -> None:
    built = builder.build(
        Candidate(domains(), None, builder.content("a.example")),
        gate=Gate(min_names=5, max_rejects=0),
    )
    assert built.header is not None
    assert not built.taken
    assert not built.refused
    assert builder.listed("a.example") == "national/national"


OLD = [f"old-{number}.example" for number in range(1_000)]
CUT = gzip.compress(b"new.example\nnew-2.example\n")[:-3]
BAD: dict[str, Callable[[Builder], Content]] = {
    "cut": lambda builder: builder.octets(CUT),
    "empty": lambda builder: builder.octets(b""),
    "html": lambda builder: builder.octets(b"<!DOCTYPE html><title>Log in</title>\n"),
    "binary": lambda builder: builder.octets(bytes(range(256)) * 40 + bytes(500)),
    "format": lambda builder: builder.octets(gzip.compress(b"new.example\n")[:-8] + bytes(8)),
    "too large": lambda builder: builder.octets(b"new.example\n" * MAX_SIZE),
    "missing": lambda builder: Content(builder.folder / "none", ""),
    "shrunk": lambda builder: builder.content(*OLD[:799]),
    "rejects": lambda builder: builder.octets(b"new.example\n" * 7 + b"no name\n" * 2),
}


@pytest.mark.parametrize("reason", BAD)
def test_refused_content_leaves_what_the_feed_gave_before(builder: Builder, reason: str) -> None:
    feed, accepted = domains(), builder.content(*OLD)
    builder.build(Candidate(feed, accepted, None))
    built = builder.build(Candidate(feed, BAD[reason](builder), accepted), in_force=builder.catalogue())
    assert reasons(built) == {"national": reason}
    assert built.taken == set()
    assert built.header is not None
    assert built.header.names == 1_000
    assert builder.listed("old-99.example") == "national/national"
    assert builder.listed("new.example") == ""


@pytest.mark.parametrize("reason", sorted(BAD.keys() - {"shrunk"}))
def test_a_first_list_that_is_refused_leaves_the_other_feeds(builder: Builder, reason: str) -> None:
    built = builder.build(
        Candidate(domains("bad", priority=1), BAD[reason](builder), None),
        Candidate(domains("good"), builder.content("a.example"), None),
        gate=Gate(min_names=1),
    )
    assert reasons(built) == {"bad": reason}
    assert built.taken == {"good"}
    assert [record.name for record in builder.catalogue().feeds] == ["good"]
    assert builder.listed("a.example") == "good/good"
    assert builder.listed("new.example") == ""


def test_a_first_list_that_is_refused_alone_makes_no_file(builder: Builder) -> None:
    built = builder.build(Candidate(domains(), builder.octets(b""), None))
    assert reasons(built) == {"national": "empty"}
    assert built.header is None
    assert not builder.path.exists()


def test_several_feeds_are_refused_each_for_its_reason(builder: Builder) -> None:
    good = builder.content("good.example")
    built = builder.build(
        Candidate(domains("one"), builder.octets(b""), good),
        Candidate(domains("two"), builder.octets(CUT), None),
        Candidate(domains("three"), builder.content("three.example"), None),
    )
    assert reasons(built) == {"one": "empty", "two": "cut"}
    assert built.taken == {"three"}
    assert builder.listed("good.example") == "one/one"
    assert builder.listed("three.example") == "three/three"


def test_accepted_content_that_is_gone_leaves_the_feed_out(builder: Builder) -> None:
    built = builder.build(
        Candidate(domains("gone"), builder.octets(b""), Content(builder.folder / "none", "")),
        Candidate(domains("here"), None, builder.content("a.example")),
    )
    assert reasons(built) == {"gone": "empty"}
    assert [record.name for record in builder.catalogue().feeds] == ["here"]


def test_accepted_content_that_has_changed_on_disk_is_not_used(builder: Builder) -> None:
    changed = builder.content("listed.example")
    changed.path.write_bytes(b"innocent.example\n")
    builder.build(
        Candidate(domains("changed"), None, changed),
        Candidate(domains("here"), None, builder.content("a.example")),
    )
    assert [record.name for record in builder.catalogue().feeds] == ["here"]


def test_a_feed_in_force_that_has_nothing_left_keeps_the_ruleset_as_it_is(builder: Builder) -> None:
    builder.build(Candidate(domains("gone"), builder.content("x.example"), None))
    in_force = builder.catalogue()
    old = builder.path.read_bytes()
    missing = Content(builder.folder / "none", "")
    news = Candidate(domains("here"), builder.content("a.example"), None)
    for gone in (
        Candidate(domains("gone"), None, missing),
        Candidate(domains("gone"), builder.octets(CUT), missing),
        Candidate(domains("gone"), None, None),
    ):
        built = builder.build(gone, news, in_force=in_force)
        assert built.lost == {"gone"}
        assert built.header is None
        assert builder.path.read_bytes() == old


def test_the_report_of_refused_content_is_the_one_that_is_kept(builder: Builder) -> None:
    built = builder.build(Candidate(domains(), builder.octets(b"!\nno name\n8.8.8.8\n"), builder.content("a.example")))
    assert built.rejects["national"].rejected == 2


def test_a_refused_build_of_everything_leaves_the_old_file(builder: Builder) -> None:
    builder.build(Candidate(domains(), builder.content("a.example"), None))
    old = builder.path.read_bytes()
    built = builder.build(Candidate(domains(), builder.octets(CUT), None))
    assert built.header is None
    assert builder.path.read_bytes() == old


def test_the_gate_compares_with_the_same_feed_in_force(builder: Builder) -> None:
    builder.build(Candidate(domains("one"), builder.content(*OLD), None))
    in_force = builder.catalogue()
    few = builder.content(*OLD[:100])
    assert reasons(builder.build(Candidate(domains("one"), few, None), in_force=in_force)) == {"one": "shrunk"}
    assert reasons(builder.build(Candidate(domains("two"), few, None), in_force=in_force)) == {}


def test_repeated_names_do_not_hide_a_loss(builder: Builder) -> None:
    builder.build(Candidate(domains(), builder.content(*OLD), None))
    built = builder.build(Candidate(domains(), builder.content(*OLD[:500] * 2), None), in_force=builder.catalogue())
    assert reasons(built) == {"national": "shrunk"}


def test_the_feed_with_the_lower_priority_number_has_a_name_that_both_list(builder: Builder) -> None:
    both = builder.content("a.example")
    for first, second, winner in ((10, 20, "one"), (20, 10, "two")):
        builder.build(
            Candidate(domains("one", priority=first), both, None),
            Candidate(domains("two", priority=second), both, None),
        )
        assert builder.listed("a.example") == f"{winner}/{winner}"
        assert [record.names for record in builder.catalogue().feeds] == [1, 1]


def test_an_allow_feed_beats_every_other(builder: Builder) -> None:
    builder.build(
        Candidate(domains("block", priority=1), builder.content("a.example", "b.example"), None),
        Candidate(domains("never", priority=99, action="allow"), builder.content("b.example"), None),
    )
    assert builder.listed("a.example") == "block/block"
    assert builder.listed("b.example") == ""
    assert builder.catalogue().orders[0].order.action is Action.ALLOW


def test_a_hosts_feed_covers_names_alone(builder: Builder) -> None:
    feed = FEED_TYPES["hosts"].model_validate({"name": "hosts", "type": "hosts", "path": "/srv/hosts"})
    built = builder.build(Candidate(feed, builder.octets(b"0.0.0.0 a.example b.example\n"), None))
    assert built.header is not None
    assert built.header.names == 2
    assert builder.listed("b.example") == "hosts/hosts"
    assert builder.listed("www.b.example") == ""


def test_a_signed_bundle_gives_its_orders(builder: Builder) -> None:
    built = builder.build(
        Candidate(signed(), builder.bundle(order_1=["a.example", "8.8.8.0/24"], order_2=["b.example"]), None)
    )
    assert built.taken == {"ministry"}
    assert builder.listed("a.example") == "ministry/order-1"
    assert builder.listed("b.example") == "ministry/order-2"
    (record,) = builder.catalogue().feeds
    assert (record.type, record.version, record.names) == ("signed", "5", 3)
    enforced = at_time(1, Ruleset.open(builder.path), NOW)
    assert enforced.address_verdict(bytes((8, 8, 8, 8))).reason is Reason.LISTED


def test_authorities_may_withdraw_many_orders_at_once(builder: Builder) -> None:
    many, one = builder.bundle(order_1=OLD), builder.bundle(order_2=["b.example"])
    builder.build(Candidate(signed(), many, None))
    built = builder.build(Candidate(signed(), one, many), in_force=builder.catalogue())
    assert reasons(built) == {}
    assert builder.listed("old-1.example") == ""


def test_a_signed_list_without_any_order_is_refused(builder: Builder) -> None:
    many, none = builder.bundle(order_1=["a.example"]), builder.bundle()
    built = builder.build(Candidate(signed(), none, many))
    assert reasons(built) == {"ministry": "empty"}
    assert builder.listed("a.example") == "ministry/order-1"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda octets: octets[:-10], "cut"),
        (lambda octets: octets[:-10] + b"X" + octets[-9:], "format"),
        (lambda octets: b"{}\n" + octets, "format"),
        (lambda _: b"", "cut"),
        (lambda octets: octets + b"more", "format"),
    ],
)
def test_a_damaged_bundle_is_refused(builder: Builder, damage: Callable[[bytes], bytes], reason: str) -> None:
    accepted, incoming = builder.bundle(order_1=["a.example"]), builder.bundle(order_2=["b.example"])
    incoming.path.write_bytes(damage(incoming.path.read_bytes()))
    other = Candidate(domains(), builder.content("c.example"), None)
    built = builder.build(Candidate(signed(), incoming, accepted), other)
    assert reasons(built) == {"ministry": reason}
    assert built.taken == {"national"}
    assert builder.listed("a.example") == "ministry/order-1"
    assert builder.listed("c.example") == "national/national"
    built = builder.build(Candidate(signed(), incoming, None), other)
    assert reasons(built) == {"ministry": reason}
    assert builder.listed("c.example") == "national/national"


def test_what_came_of_a_build_travels_between_processes(builder: Builder) -> None:
    built = builder.build(
        Candidate(domains("bad"), builder.octets(CUT), None),
        Candidate(domains("good"), builder.octets(b"a.example\nb.example\nc.example\nd.example\nno name\n"), None),
    )
    again = pickle.loads(pickle.dumps(built))  # noqa: S301 - what was just written
    assert again.header == built.header
    assert reasons(again) == {"bad": "cut"}
    assert str(again.refused["bad"]) == str(built.refused["bad"])
    assert again.rejects["good"].counts == {"bad character": 1}


def test_what_was_accepted_beyond_a_limit_of_the_format_is_no_feeds_fault(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blockd.ruleset.building.compiler.MAX_ORDERS", 1)
    with pytest.raises(RulesetError):
        builder.build(
            Candidate(domains("one"), None, builder.content("a.example")),
            Candidate(domains("two"), None, builder.content("a.example")),
        )
    assert not builder.path.exists()


def test_news_beyond_a_limit_of_the_format_are_refused_alone(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.ruleset.building.compiler.MAX_ORDERS", 1)
    built = builder.build(
        Candidate(domains("one"), builder.content("a.example"), None),
        Candidate(domains("two"), builder.content("b.example", "c.example"), None),
    )
    assert (reasons(built), built.taken) == ({"two": "too large"}, {"one"})
    assert "With the new content of feed two no ruleset can be made" in str(built.refused["two"])


@pytest.mark.parametrize("text", [" ", "\n", " Ministry "])
def test_whatever_texts_the_config_may_have_can_be_read_back(builder: Builder, text: str) -> None:
    feed = domains(authority=text, platform=text, legal_basis=text, reference=text, contact=text)
    builder.build(Candidate(feed, builder.content("a.example"), None))
    assert builder.catalogue().orders[0].order == feed.order()


def test_a_text_that_no_order_may_have_is_refused_in_the_config() -> None:
    with pytest.raises(ValidationError, match="control characters"):
        domains(contact="\x1b[2J")


def test_progress_names_the_feeds(builder: Builder) -> None:
    told: set[str] = set()
    build(
        [Candidate(domains(), builder.content("a.example"), None)],
        builder.path,
        gate=Gate(),
        in_force=None,
        created=NOW,
        randomness=lambda count: bytes(range(count)),
        progress=lambda stage, _done, _total: told.add(stage),
    )
    assert told == {"national", "writing"}


def test_salts_of_news_do_not_displace_those_that_are_in_force(builder: Builder) -> None:
    def quiet(name: str, numbers: range) -> Content:
        documents = []
        for number in numbers:
            order = {"schema": "1.0", "id": f"{name}-{number}", "authority": "A", "platform": "P"}
            hashed = {"salt": f"{number:032x}", "names": [f"{number:032x}"]}
            more = {"in_force_from": "2026-01-01", "confidential": True, "hashed": hashed}
            documents.append(parse_document({**order, **more}, name))
        path = builder.folder / name
        write_bundle(SignedVersion(5, 6, NOW, tuple(documents), "cd" * 32), path)
        return Content(path, hashlib.sha256(path.read_bytes()).hexdigest())

    known = Candidate(signed("known", priority=90), None, quiet("known", range(1)))
    greedy = Candidate(
        signed("greedy", priority=1), quiet("greedy", range(1, MAX_SALTS + 1)), builder.bundle(o=["x.example"])
    )
    built = builder.build(known, greedy)
    assert reasons(built) == {"greedy": "too large"}
    assert built.header is not None
    assert {order.feed for order in builder.catalogue().orders} == {"known", "greedy"}

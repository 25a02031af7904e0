"""What ends soon: the first to end first, with sentences in both languages."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from blockd.audit.statement import keep_statement
from blockd.daemon.figures.ending import PASSED, End, ending_soon, of_orders, of_statement, of_tokens
from blockd.settings.feeds import OVERRIDES
from blockd.web.figures.ending import MAX_ENDING
from tests.ruleset.lists import NOW, enforced, feed, listing, order

DAY = 86400


@dataclass(frozen=True)
class Token:
    name: str
    expires: float | None


def test_orders_end_and_their_reviews_are_due(tmp_path: Path) -> None:
    subject = enforced(
        tmp_path,
        feed(
            "ministry",
            listing(order("ends", expires=NOW + 3 * DAY, role="games"), "a.example"),
            listing(replace(order("reviewed"), review_by=NOW + DAY // 2), "b.example"),
            listing(order("late", expires=NOW + 40 * DAY), "c.example"),
            listing(order("over", expires=NOW - DAY), "d.example"),
            listing(order("future", start=NOW + DAY, expires=NOW + 2 * DAY), "e.example"),
        ),
        feed(OVERRIDES, listing(order("l-1", expires=NOW + DAY), "f.example")),
    )
    orders, more = of_orders(subject, 30 * DAY, NOW)
    assert more == 0
    found = ending_soon(orders, 30 * DAY, NOW)
    assert [(item.kind, item.what, item.seconds) for item in found.items] == [
        ("review", "ministry/reviewed", DAY // 2),
        ("order", "ministry/games/ends", 3 * DAY),
    ]
    assert found.items[0].sentence.en == "The review of order reviewed is due in 12 hours."
    assert found.items[0].sentence.id == "Peninjauan perintah reviewed jatuh tempo dalam 12 jam."
    assert found.items[1].sentence.en == "Order games/ends ends in 3 days."
    assert found.items[1].href == "#/orders/ministry/games/ends"


def test_what_has_ended_is_shown_for_a_week() -> None:
    ends = [
        End("certificate", str(ago), NOW - ago, "The certificate", "Sertifikat", "#") for ago in (60, int(PASSED) + 1)
    ]
    found = ending_soon(ends, DAY, NOW)
    assert [(item.what, item.seconds) for item in found.items] == [("60", -60)]
    assert found.items[0].sentence.en == "The certificate ended 1 minute ago."
    assert found.items[0].to_json()["in"] == -60


def test_a_statement_is_told_once_the_next_one_is_overdue(tmp_path: Path) -> None:
    assert list(of_statement(tmp_path, DAY, NOW)) == []
    kept = keep_statement(tmp_path, "20261124T120000Z", b"{}")
    os.utime(kept, (NOW, NOW))
    assert list(of_statement(tmp_path, DAY, NOW + DAY + 60)) == []
    assert list(of_statement(tmp_path, None, NOW + 3 * DAY)) == []
    (end,) = of_statement(tmp_path, DAY, NOW + 3 * DAY)
    assert end.item(NOW + 3 * DAY).sentence.en == "The time of the newest statement of enforcement ended 2 days ago."


def test_tokens_without_an_end_do_not_end() -> None:
    found = ending_soon(of_tokens([Token("grafana", None), Token("ops", NOW + DAY)]), 2 * DAY, NOW)
    assert [(item.kind, item.what, item.href) for item in found.items] == [("token", "ops", "#/tokens")]


def test_what_is_shown_is_bounded_and_the_rest_is_counted() -> None:
    ends = [End("order", str(number), NOW + number, "Order", "Perintah", "#") for number in range(MAX_ENDING + 7)]
    found = ending_soon(reversed(ends), DAY, NOW)
    assert (len(found.items), found.more, found.items[0].what) == (MAX_ENDING, 7, "0")


def test_of_many_orders_those_that_end_first_are_told_and_all_are_counted(tmp_path: Path) -> None:
    many = [order(f"o-{number}", expires=NOW + DAY + number) for number in range(MAX_ENDING)]
    many += [replace(order(f"r-{number}"), review_by=NOW + DAY - number) for number in range(7)]
    subject = enforced(tmp_path, feed("ministry", *(listing(one, f"n{at}.example") for at, one in enumerate(many))))
    orders, more = of_orders(subject, 30 * DAY, NOW)
    found = ending_soon([*orders, End("token", "t", NOW, "The token", "Token", "#")], 30 * DAY, NOW, more)
    assert [item.what for item in found.items[:3]] == ["t", "ministry/r-6", "ministry/r-5"]
    assert (len(found.items), found.more) == (MAX_ENDING, 8)
    assert of_orders(subject, DAY - 10, NOW) == ([], 0)

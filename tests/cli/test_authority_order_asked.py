"""What an officer sees: what is asked back, how far an order has come, and how others will see it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from blockd.cli import main
from tests.cli.desk import MINIMUM, Desk, named

OWN = [word for pair in MINIMUM.items() for word in pair]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def own(*names: str, identifier: str = "order-1") -> list[object]:
    return ["--authority", "Authority", "--id", identifier, *OWN, *named(list(names))]


def test_a_popular_name_is_not_staged_without_a_word(desk: Desk) -> None:
    told = desk.told("new", *own("google.com"), code=1)
    assert "nothing was staged. Say --yes" in told
    assert "google.com is one of the most popular names" in told
    assert desk.rows() == {}
    assert "google.com is one of the most popular names" in str(
        desk.answer("new", *own("google.com"), "--yes")["asked_back"]
    )
    assert desk.document("order-1", "")["names"] == ["google.com"]


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_the_person_at_the_terminal_decides(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    desk.told("new", *own("google.com"), code=code)
    assert bool(desk.rows()) is (code == 0)


def test_only_what_is_new_in_an_order_is_asked_about(desk: Desk) -> None:
    desk.told("new", *own("google.com"), "--yes")
    desk.told("edit", "order-1", "--set", "reference=Letter 2")
    desk.told("edit", "order-1", "--set", "names=[google.com, other.example]")
    told = desk.told("edit", "order-1", "--set", "names=[google.com, youtube.com]", code=1)
    assert "youtube.com is one" in told
    assert "google.com is one" not in told
    assert "google.com is one" in desk.told("edit", "order-1", "--set", "action=nxdomain", code=1)
    desk.told("lift", "order-1", "--reason", "It is over.")


def test_popular_names_in_a_list_are_asked_about(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text("a.example\ngoogle.com\ngoogle.com\n")
    told = desk.told("new", *desk.telegram()[:4], *OWN, "--list", path, code=1)
    assert "1 of its names are popular ones, or above them, such as google.com" in told
    desk.told("new", *desk.telegram(), "--list", path)
    desk.told("names", "telegram-2017", path, code=1)
    desk.told("names", "telegram-2017", path, "--yes")


def test_a_pasted_url_is_taken_for_its_name(desk: Desk) -> None:
    told = desk.told("new", *own("https://bad.example/watch?v=1"))
    assert 'bad.example is taken, the name in a URL in "https://bad.example/watch?v=1"' in told
    assert desk.document("order-1", "")["names"] == ["bad.example"]


def test_staged_signed_and_published_are_told_apart(desk: Desk, tmp_path: Path) -> None:
    def stands() -> tuple[object, object, str]:
        row = desk.rows()["order-1"]
        return row["state"], row["reached"], desk.told("list").strip().rpartition("(")[2]

    desk.told("new", *own("bad.example"))
    assert stands() == ("", "staged", "staged: new; then in force)")
    assert main(["authority", "sign", str(desk.shop)]) == 0
    desk.told("list")
    assert stands() == ("", "signed, not published", "signed, not published; then in force)")
    assert main(["authority", "publish", str(desk.shop), str(tmp_path / "out")]) == 0
    desk.told("list")
    assert stands() == ("in force", "published", "published)")
    desk.told("lift", "order-1", "--reason", "It is over.")
    assert stands() == ("in force", "staged", "staged: changed lifted_on, lifted_reason; then lifted)")


@pytest.mark.parametrize("feeds", [[], [{"type": "signed"}] * 2])
def test_a_node_without_one_signed_feed_cannot_be_compared(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, feeds: list[object]
) -> None:
    monkeypatch.setattr("blockd.cli.authority.order.node.ask_at", lambda *_: {"feeds": feeds})
    desk.told("new", *own("bad.example"))
    assert f"has {len(feeds)} signed feeds" in desk.told("list", "--node", "127.0.0.1:9", code=2)


def test_an_order_is_shown_as_others_will_see_it(desk: Desk, tmp_path: Path) -> None:
    desk.told("new", *own("bad.example", "deep.bad.example"))
    told = desk.told("show", "order-1")
    for piece in (
        "No node has it yet",
        "bad.example: and every name under it",
        "Extended DNS Error 16 (Censored): order order-1, Authority; objections: aduankonten@mail.example",
        'over TLS or HTTPS: {"c":["mailto:aduankonten@mail.example"],"l":"en","j":"order order-1, Authority"}',
        "Block page (HTTP 451), as a visitor sees it:",
        "Authority has ordered that Telegram be blocked",
        "Order number: order-1",
    ):
        assert piece in told
    page = tmp_path / "page.html"
    assert "Nomor perintah" in desk.told("show", "order-1", "--language", "id", "--page", page)
    assert page.read_text().startswith("<!DOCTYPE html>")
    shown = desk.answer("show", "order-1")
    assert (shown["http_status"], shown["reached"]) == (451, "staged")
    assert json.loads(str(shown["structured_error"]))["c"] == ["mailto:aduankonten@mail.example"]


def test_an_order_is_shown_by_what_nodes_call_it(desk: Desk) -> None:
    desk.told("new", *desk.telegram("--name", "bad.example", identifier="2026-17"))
    told = desk.told("show", "2026-17")
    assert "(Censored): order ministry/2026-17, " in told
    assert "Order number: ministry/2026-17" in told
    desk.told("new", *own("other.example"))
    assert "order order-1, Authority" in desk.told("show", "order-1")
    desk.told("new", *desk.telegram("--name", "bad.example", identifier="order-1"))
    assert "order targets/order-1, Authority" in desk.told("show", "targets/order-1")


@pytest.mark.parametrize("action", ["drop", "monitor", "allow", "tcp-only", "nxdomain"])
def test_an_order_without_a_page_says_what_dns_answers(desk: Desk, tmp_path: Path, action: str) -> None:
    desk.told("new", *own("bad.example"), "--action", action)
    told = desk.told("show", "order-1")
    assert "Block page" not in told
    assert "DNS answer: " in told
    assert ("Extended DNS Error" in told) is (action in ("tcp-only", "nxdomain"))
    assert ("to browsers that ask" in told) is ("Extended DNS Error" in told)
    assert "No visitor sees a page" in desk.told("show", "order-1", "--page", tmp_path / "x", code=2)


def test_an_order_that_is_not_there_is_not_shown(desk: Desk) -> None:
    assert "No order nothing is staged" in desk.told("show", "nothing", code=1)

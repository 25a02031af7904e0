from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.cli.authority.order import name_lists
from tests.cli.desk import Desk, named
from tests.publish.name_files import FakeNameFiles
from tests.publish.staging import TELEGRAM, order_document


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> FakeNameFiles:
    files = FakeNameFiles()
    monkeypatch.setattr(name_lists, "name_files", lambda _: files)
    return files


def national(tmp_path: Path, *names: str) -> Path:
    path = tmp_path / "national.txt"
    path.write_text("".join(f"{name}\n" for name in names))
    return path


MANY = [f"name-{number}.example" for number in range(100)]


@pytest.mark.usefixtures("lists")
def test_list_of_national_size_is_an_order(desk: Desk, tmp_path: Path) -> None:
    made = desk.answer("new", *desk.telegram("--list", national(tmp_path, *MANY)))
    told = made["list"]
    assert isinstance(told, dict)
    assert (told["count"], told["added"], told["removed"]) == (100, 100, 0)
    assert desk.rows()["telegram-2017"]["names"] == 100
    renewed = desk.told("names", "telegram-2017", national(tmp_path, *MANY[5:], "new.example"))
    assert "telegram-2017 has 96 names: 1 added, 5 removed; a node fetches" in renewed
    assert "96 accepted, 0 rejected" in renewed
    assert "there is nothing new to fetch" in desk.told(
        "names", "telegram-2017", national(tmp_path, *MANY[5:], "new.example")
    )
    steps = desk.document()["list"]["steps"]  # type: ignore[index]
    assert [step["target"] for step in steps] == [f"lists/ministry/telegram-2017-000{n}.gz" for n in (1, 2)]
    desk.told("lift", "telegram-2017", "--reason", "It is over.")
    assert desk.document()["list"]["steps"] == steps  # type: ignore[index]


@pytest.mark.usefixtures("lists")
def test_file_of_an_order_takes_its_names_from_a_list(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text(json.dumps(order_document("order-1", action="nxdomain", scope="exact")))
    desk.told("new", path, "--list", national(tmp_path, *MANY))
    document = desk.document("order-1", "")
    assert (document["scope"], document["action"]) == ("exact", "nxdomain")


def test_names_that_cannot_be_blocked_are_left_out_where_asked(
    desk: Desk, tmp_path: Path, lists: FakeNameFiles
) -> None:
    path = national(tmp_path, *MANY, "co.id", "icann.org", "no name")
    options = desk.telegram("--list", path)
    assert "Nothing was staged" in desk.told("new", *options, code=1)
    assert not lists.texts
    told = desk.told("new", *options, "--leave-out")
    assert "held back, public suffix: 1" in told
    assert lists.texts["ministry", "telegram-2017"] == sorted(MANY)


def test_list_that_shrinks_is_refused_before_anything_is_kept(desk: Desk, tmp_path: Path, lists: FakeNameFiles) -> None:
    desk.told("new", *desk.telegram("--list", national(tmp_path, *MANY)))
    before = desk.document()
    half = national(tmp_path, *MANY[:50])
    assert "from 100 names to 50" in desk.told("names", "telegram-2017", half, code=1)
    assert (desk.document(), len(lists.texts["ministry", "telegram-2017"])) == (before, 100)
    desk.told("names", "telegram-2017", half, "--shrink")
    assert desk.rows()["telegram-2017"]["names"] == 50


@pytest.mark.usefixtures("lists")
def test_other_problems_are_told_before_the_long_work(desk: Desk, tmp_path: Path, lists: FakeNameFiles) -> None:
    path = national(tmp_path, *MANY)
    assert "contact: is missing" in desk.told("new", *desk.telegram("--list", path), "--contact", "", code=1)
    assert "cannot stand beside" in desk.told("new", *desk.telegram("--list", path, "--confidential"), code=1)
    assert "cannot stand beside" in desk.told("new", *desk.telegram("--list", path, "--name", "a.example"), code=1)
    assert not lists.texts
    desk.told("new", *desk.telegram(*named(TELEGRAM)))
    assert "has its names in its document" in desk.told("names", "telegram-2017", path, code=1)

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path

import pytest

from blockd.cli import main
from tests.cli.desk import MINIMUM, MINISTRY, Desk, named
from tests.places import ROOT
from tests.publish.staging import TELEGRAM, order_document

ORDERS = ROOT / "config" / "lists" / "orders"


def test_options_may_stand_between_the_workshop_and_the_files(desk: Desk, tmp_path: Path) -> None:
    order = tmp_path / "order.yaml"
    text = (ORDERS / "sample-2026-01-telegram.yaml").read_text(encoding="utf-8")
    order.write_text(text.replace("authority: Sample Authority\n", ""), encoding="utf-8")
    assert "staged sample-2026-01-telegram" in desk.told("new", "--role", "ministry", "--yes", order)
    assert "staged sample-2026-01-telegram" in desk.told("new", order, "--role", "ministry", "--yes")


def test_eleven_telegram_names_are_ordered_extended_and_lifted(desk: Desk) -> None:
    notices = ("--notice", "sent=2016-03-29;channel=e-mail;answer=none", "--notice", "sent=2017-07-11;channel=e-mail")
    made = desk.answer("new", *desk.telegram(*named(TELEGRAM), *notices))
    assert made["staged"] == ["telegram-2017"]
    document = desk.document()
    assert document["authority"] == MINISTRY
    assert document["names"] == TELEGRAM
    assert document["notices"] == [
        {"sent": "2016-03-29", "channel": "e-mail", "answer": "none"},
        {"sent": "2017-07-11", "channel": "e-mail"},
    ]
    row = desk.rows()["telegram-2017"]
    assert (row["state"], row["staged_state"], row["names"], row["differs"], row["role"]) == (
        "",
        "in force",
        11,
        "new",
        "ministry",
    )

    desk.told("extend", "telegram-2017", "--expires", "2030-01-01", "--reason", "Channels stayed up.")
    assert desk.rows()["telegram-2017"]["expires"] == "2030-01-01T00:00:00Z"
    assert str(desk.document()["summary"]).endswith("until 2030-01-01: Channels stayed up.")

    lifted = desk.answer("lift", "telegram-2017", "--on", "2017-08-10T03:46:00Z", "--reason", "Telegram agreed.")
    assert (lifted["lifted"], lifted["lifted_on"]) == (["telegram-2017"], "2017-08-10T03:46:00Z")
    assert desk.rows()["telegram-2017"]["staged_state"] == "lifted"
    assert desk.document()["names"] == TELEGRAM
    desk.told("extend", "telegram-2017", "--expires", "2031-01-01", code=1)


def test_order_is_lifted_now_where_no_time_is_given(desk: Desk) -> None:
    desk.told("new", *desk.telegram(*named(TELEGRAM)))
    desk.told("lift", "telegram-2017", "--reason", "It is over.")
    assert desk.rows()["telegram-2017"]["staged_state"] == "lifted"


def test_files_are_staged_listed_and_removed(desk: Desk) -> None:
    desk.told("new", *sorted(ORDERS.glob("*.yaml")), "--yes")
    [line] = [line for line in desk.told("list").splitlines() if line.startswith("kominfo")]
    assert (line.split()[1], line.rpartition("(")[2]) == ("-", "staged: new; then lifted)"), (
        "nothing is in force outside"
    )
    assert main(["authority", "sign", str(desk.shop)]) == 0
    desk.told("list")
    assert {row["differs"] for row in desk.rows().values()} == {"signed"}
    desk.told("edit", "sample-2026-01-monitor", "--set", "reference=Letter 1")
    desk.told("remove", "sample-2026-01-telegram")
    rows = desk.rows()
    assert (rows["sample-2026-01-monitor"]["differs"], rows["sample-2026-01-monitor"]["fields"]) == (
        "changed",
        ["reference"],
    )
    assert rows["sample-2026-01-telegram"]["differs"] == "removed"
    assert "no longer staged" in desk.told("list")


def test_every_problem_is_told_and_nothing_is_staged(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text('schema: "1.0"\nid: bad\nmandate: law\nnames: [co.id, icann.org]\n')
    problems = desk.told("new", path, code=1)
    for piece in ("contact: is missing", "legal_basis: is missing", "expires: is missing", "names[0]:", "names[1]:"):
        assert piece in problems
    assert "No order is staged" in desk.told("list")


def test_own_protected_names_of_a_config_count(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "own").write_text("t.me\n")
    config = tmp_path / "blockd.yaml"
    config.write_text(f"gate: {{protected: [{tmp_path / 'own'}]}}\n")
    problems = desk.told("new", *desk.telegram(*named(TELEGRAM)), "--config", config, code=1)
    assert "names[0]: t.me cannot be blocked: it is a protected name" in problems


def test_authority_of_another_role_is_refused(desk: Desk) -> None:
    wrong = desk.telegram(*named(TELEGRAM), "--authority", "Ministry of Gambling")
    assert f"expected {MINISTRY!r}" in desk.told("new", *wrong, code=1)
    assert "ministry" in desk.told("list", "--role", "gambling", code=1)


def test_id_that_another_authority_has_is_free_and_the_role_tells_them_apart(desk: Desk) -> None:
    desk.told("new", *desk.telegram(*named(TELEGRAM)))
    basis = [word for pair in MINIMUM.items() for word in pair]
    own = ["--yes", "--id", "telegram-2017", *basis, "--authority", "Sample Authority", *named(TELEGRAM)]
    desk.told("new", *own)
    refused = desk.told("lift", "telegram-2017", "--reason", "It is over.", code=1)
    assert "Several orders fit telegram-2017; nothing was changed." in refused
    assert "targets/telegram-2017, ministry/telegram-2017" in refused
    desk.told("lift", "ministry/telegram-2017", "--reason", "It is over.")
    listed = desk.told("list").splitlines()
    assert [line.split()[0] for line in listed] == ["telegram-2017", "ministry/telegram-2017"]
    assert [line.rpartition("then ")[2] for line in listed] == ["in force)", "lifted)"]
    desk.told("remove", "targets/telegram-2017")
    assert "covers this name" in desk.told("check-name", "telegram-2017", "t.me")
    for wrong in (["targets/telegram-2017"], ["court/telegram-2017"], ["a/ministry/telegram-2017"], ["ministry/"],
                  ["ministry/telegram-2017", "--role", ""]):  # fmt: skip
        assert "telegram-2017" in desk.told("lift", *wrong, "--reason", "It is over.", code=1) or wrong == ["ministry/"]


def test_order_that_is_staged_again_is_told_to_have_changed(desk: Desk) -> None:
    desk.told("new", *desk.telegram(*named(TELEGRAM)))
    desk.told("lift", "telegram-2017", "--reason", "It is over.")
    told = desk.told("new", *desk.telegram(*named(TELEGRAM)))
    assert "staged telegram-2017: changed lifted_on, lifted_reason" in told


def test_names_come_from_a_file_too(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text("# eleven\n" + "\n".join(TELEGRAM) + "\n")
    desk.told("new", *desk.telegram("--names-file", path))
    assert desk.document()["names"] == TELEGRAM


def test_confidential_names_are_written_and_printed_nowhere(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text("secret.example\nhidden.example.net\n")
    printed = desk.told("new", *desk.telegram("--names-file", path, "--confidential"))
    printed += desk.told("list") + desk.told("new", *desk.telegram("--names-file", path, "--confidential"))
    printed += desk.told("check-name", "telegram-2017", "www.secret.example")
    printed += desk.told("check-name", "telegram-2017", "other.example", code=1)
    printed += desk.told("extend", "telegram-2017", "--expires", "2030-01-01")
    assert "2 hidden names" in printed
    written = b"".join(path.read_bytes() for path in desk.shop.rglob("*") if path.is_file())
    for name in ("secret", "hidden.example"):
        assert name not in printed
        assert name.encode() not in written
    assert desk.answer("check-name", "telegram-2017", "secret.example") == {
        "id": "telegram-2017",
        "covered": True,
        "listed": True,
    }


def test_confidential_order_keeps_its_salt_when_it_is_staged_again(desk: Desk) -> None:
    desk.told("new", *desk.telegram("--name", "secret.example", "--confidential"))
    before = desk.document()
    desk.told("new", *desk.telegram("--name", "secret.example", "--confidential"))
    assert desk.document() == before
    desk.told("edit", "telegram-2017", "--set", "names=[other.example]")
    assert desk.told("check-name", "telegram-2017", "other.example")
    assert desk.document()["hashed"]["salt"] == before["hashed"]["salt"]  # type: ignore[index]


def test_name_to_check_may_come_from_standard_input(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.told("new", *desk.telegram("--name", "secret.example", "--confidential"))
    monkeypatch.setattr("sys.stdin", io.StringIO("secret.example\n"))
    assert "one of its 1 names" in desk.told("check-name", "telegram-2017", "-")


def test_damaged_staged_order_is_told_and_can_be_staged_again(desk: Desk) -> None:
    desk.told("new", *desk.telegram(*named(TELEGRAM)))
    (desk.shop / "orders" / "ministry" / "telegram-2017.json").write_bytes(b"{")
    assert "telegram-2017" in desk.told("lift", "telegram-2017", "--reason", "x", code=1)
    assert "staged telegram-2017" in desk.told("new", *desk.telegram(*named(TELEGRAM)))
    assert desk.document()["names"] == TELEGRAM


def test_name_that_was_meant_for_a_field_is_not_repeated(desk: Desk) -> None:
    desk.told("new", *desk.telegram("--name", "secret.example", "--confidential"))
    told = desk.told("edit", "telegram-2017", "--set", "nmaes=[hidden.example]", code=1)
    assert "'nmaes' is not field=value" in told
    assert "hidden" not in told


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = tmp_path / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(path))
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))


def test_order_is_changed_in_an_editor(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.told("new", *desk.telegram(*named(TELEGRAM)))
    editor(tmp_path, monkeypatch, 'echo "reference: Letter 12/2017" >> "$1"')
    assert "edited telegram-2017: changed reference" in desk.told("edit", "telegram-2017")
    assert desk.document()["reference"] == "Letter 12/2017"
    assert os.listdir(tmp_path / "temporary") == []  # noqa: PTH208 - names are all that is asked


def test_editor_that_changes_nothing_changes_nothing(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.told("new", *desk.telegram(*named(TELEGRAM)))
    editor(tmp_path, monkeypatch, "true")
    assert desk.answer("edit", "telegram-2017") == {"edited": []}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ('echo "contcat: x" >> "$1"', "did you mean contact"),
        ('echo "[" > "$1"', "cannot be parsed as YAML"),
        ('echo "- a" > "$1"', "no longer contains an order"),
        ('sed -i s/telegram-2017/telegram-2018/ "$1"', "The id cannot change"),
        ("exit 3", "exit code 3"),
    ],
)
def test_bad_edit_leaves_the_order_as_it_was(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    desk.told("new", *desk.telegram(*named(TELEGRAM)))
    before = desk.document()
    editor(tmp_path, monkeypatch, script)
    assert told in desk.told("edit", "telegram-2017", code=1)
    assert desk.document() == before


def test_editor_that_is_not_there_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.told("new", *desk.telegram(*named(TELEGRAM)))
    monkeypatch.setenv("VISUAL", "/nowhere/editor")
    assert "cannot be started" in desk.told("edit", "telegram-2017", code=1)


def test_template_and_schema_are_printed_without_a_workshop(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["authority", "order", "new", "--template"]) == 0
    assert capsys.readouterr().out.startswith("# An order for blockd.")
    assert main(["authority", "order", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "blockd order document"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["new"], 2),
        (["new", "DIR"], 2),
        (["new", "DIR", "FILE", "--id", "x"], 2),
        (["new", "DIR", "FILE", "FILE", "--list", "FILE"], 2),
        (["check-name", "DIR", "order-1", "no name"], 2),
        (["lift", "DIR", "order-2", "--reason", "x"], 1),
        (["new", "DIR", "--id", "x", "--notice", "hello"], 1),
        (["list", "FILE"], 1),
        (["names", "DIR", "order-2", "FILE"], 1),
        (["new", "DIR", "--id", "x", "--names-file", "NOWHERE"], 1),
    ],
)
def test_wrong_usage_is_told(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    path = tmp_path / "order.json"
    path.write_text(json.dumps(order_document("order-1", ["a.example"])))
    words = {"DIR": str(desk.shop), "FILE": str(path), "NOWHERE": str(tmp_path / "nowhere")}
    assert main(["authority", "order", *(words.get(word, word) for word in arguments)]) == code
    assert "Traceback" not in capsys.readouterr().err

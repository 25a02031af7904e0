"""The steps of `blockd authority` that several people take, one after the other."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from blockd.cli import main
from tests.places import ROOT

ORDER = ROOT / "config" / "lists" / "orders" / "sample-2026-01-telegram.yaml"
Captured = pytest.CaptureFixture[str]


def told(capsys: Captured, *arguments: object, code: int = 0) -> str:
    assert main(["authority", *map(str, arguments)]) == code, capsys.readouterr().err
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err if code == 2 or not captured.out else captured.out


def answer(capsys: Captured, *arguments: object, code: int = 0) -> dict[str, object]:
    found = json.loads(told(capsys, *arguments, "--json", code=code))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def keys(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keys of Alice, Bob and Carol, with one password, which the environment gives."""
    monkeypatch.setenv("BLOCKD_KEY_PASSWORD", "secret")
    for name in ("alice", "bob", "carol"):
        told(capsys, "key", "new", tmp_path / f"{name}.pem")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return tmp_path


@pytest.fixture
def shop(keys: Path, capsys: Captured) -> Path:
    """A repository of three people, two of whom have to sign, with an order staged."""
    shop = keys / "shop"
    people = [word for name in ("alice", "bob", "carol") for word in ("--root-key", keys / f"{name}.pem.pub")]
    targets = [
        word for name in ("alice", "bob", "carol") for word in ("--targets-key", f"{name}={keys / name}.pem.pub")
    ]
    assert (
        answer(capsys, "init", shop, *people, *targets, "--threshold", 2, "--targets-threshold", 2)["pending"] is True
    )
    told(capsys, "order", "new", shop, ORDER, "--yes")
    return shop


def sign_as(capsys: Captured, shop: Path, role: str, *people: str) -> dict[str, object]:
    for name in people:
        found = answer(capsys, "sign", shop, "--role", role, "--key", shop.parent / f"{name}.pem", "--yes")
    return found


def test_two_of_three_people_sign_on_two_machines_and_publish(shop: Path, capsys: Captured) -> None:
    first = told(capsys, "sign", shop, "--role", "root", "--key", shop.parent / "alice.pem", "--yes")
    assert "1 of 2 signatures; missing: one of" in first
    assert "(bob)" in first
    assert "(carol)" in first
    assert answer(capsys, "sign", shop, "--role", "root", "--show", code=1)["lacking"] == 1
    assert sign_as(capsys, shop, "root", "bob")["complete"] is True
    sign_as(capsys, shop, "targets", "carol")
    other = Path(shutil.copytree(shop, shop.parent / "usb"))
    assert sign_as(capsys, other, "targets", "alice")["complete"] is True
    added = answer(capsys, "sign", shop, "--add", other / "metadata" / "1.targets.json")
    assert (added["complete"], added["done"]) == (True, "added")
    out = shop.parent / "out"
    assert answer(capsys, "publish", shop, out)["targets_version"] == 1
    verified = answer(capsys, "verify", out)
    assert (verified["orders"], verified["faults"]) == (1, [])


def test_nobody_signs_what_he_has_not_seen(shop: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_as(capsys, shop, "root", "alice", "bob")
    asked = ("sign", shop, "--role", "targets", "--key", shop.parent / "alice.pem")
    assert "use --yes" in told(capsys, *asked, code=2)
    for said, code in (("n\n", 1), ("y\n", 0)):
        terminal = io.StringIO(said)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        assert main(["authority", *map(str, asked)]) == code
        shown = capsys.readouterr().err
        assert "new      sample-2026-01-telegram: Telegram, sinkhole, 11 names" in shown
    assert answer(capsys, "sign", shop, "--role", "targets", "--show", code=1)["lacking"] == 1


def test_authority_is_delegated_listed_signed_and_removed(keys: Path, capsys: Captured) -> None:
    shop, out = keys / "simple", keys / "out"
    told(capsys, "init", shop)
    told(capsys, "order", "new", shop, ORDER, "--yes")
    people = [keys / f"{name}.pem.pub" for name in ("alice", "bob")]
    delegated = answer(capsys, "delegate", shop, "ministry", "--name", "Ministry", "--key", *people, "--threshold", 2)
    assert delegated == {"role": "ministry", "done": "staged", "authority": "Ministry"}
    (row,) = json.loads(told(capsys, "delegate", shop, "--list", "--json"))["authorities"]
    assert (row["role"], row["threshold"], [key["name"] for key in row["keys"]]) == ("ministry", 2, ["alice", "bob"])
    signed = told(capsys, "sign", shop)
    assert re.search(r"new      authority ministry: Ministry, 2 of \w{16} \(alice\), \w{16} \(bob\)\n", signed), signed
    assert f"Next: blockd authority publish {shop} FOLDER\n" in signed
    assert answer(capsys, "publish", shop, out)["held"] == {"ministry": "nothing of it is signed yet"}
    assert answer(capsys, "delegate", shop, "ministry", "--remove")["done"] == "removed"
    assert "has no authorities" in told(capsys, "delegate", shop, "--list")
    assert "removed  authority ministry" in told(capsys, "sign", shop)


def test_wrong_key_is_refused(shop: Path, capsys: Captured) -> None:
    told(capsys, "key", "new", shop.parent / "mallory.pem")
    asked = ("sign", shop, "--role", "root", "--key", shop.parent / "mallory.pem", "--yes")
    assert "is not a key of root; nothing was signed" in told(capsys, *asked, code=1)


def test_rotation_is_prepared_and_signed(shop: Path, capsys: Captured) -> None:
    sign_as(capsys, shop, "root", "alice", "bob")
    told(capsys, "key", "new", shop.parent / "dave.pem")
    lost = str(answer(capsys, "key", "show", shop.parent / "carol.pem")["keyid"])
    rotated = answer(capsys, "rotate", shop, "root", "--add", shop.parent / "dave.pem.pub", "--remove", lost[:16])
    assert (rotated["root_version"], rotated["lacking"]) == (2, 2)
    shown = told(capsys, "sign", shop, "--role", "root", "--show", code=1)
    assert f"removed  key of root: {lost[:16]} (carol)" in shown
    assert sign_as(capsys, shop, "root", "bob", "dave")["complete"] is False
    assert sign_as(capsys, shop, "root", "alice")["complete"] is True


def test_publish_renews_and_prunes_when_asked(keys: Path, capsys: Captured) -> None:
    shop, out = keys / "simple", keys / "out"
    told(capsys, "init", shop)
    told(capsys, "order", "new", shop, ORDER, "--yes")
    told(capsys, "sign", shop)
    assert answer(capsys, "publish", shop, out)["timestamp_version"] == 1
    assert answer(capsys, "publish", shop, out)["written"] == []
    renewed = answer(capsys, "publish", shop, out, "--renew", "--prune", 7)
    assert (renewed["timestamp_version"], renewed["removed"]) == (2, [])
    assert answer(capsys, "publish", shop, out, "--expires", "2099-01-01")["expires"] == "2099-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "arguments",
    [
        ["sign", "SHOP", "--key", "x"],
        ["sign", "SHOP", "--role", "root"],
        ["sign", "SHOP", "--role", "root", "--show", "--key", "x"],
        ["rotate", "SHOP", "root"],
        ["rotate", "SHOP", "root", "--threshold", "-1"],
        ["delegate", "SHOP", "ministry"],
        ["delegate", "SHOP", "--list", "--remove"],
        ["delegate", "SHOP", "--remove"],
        ["publish", "SHOP", "out", "--prune", "0"],
        ["serve", "SHOP", "--listen", "nowhere"],
        ["verify", "http://127.0.0.1:1/"],
        ["verify", "SHOP/none"],
    ],
)
def test_wrong_usage_is_told(shop: Path, capsys: Captured, arguments: list[str]) -> None:
    assert told(capsys, *[word.replace("SHOP", str(shop)) for word in arguments], code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["init", "FOLDER/other", "--threshold", "2"],
        ["init", "FOLDER/other", "--root-key", "FOLDER/none.pem"],
        ["key", "new", "FOLDER/alice.pem"],
        ["key", "show", "FOLDER/none.pem"],
        ["key", "show", "gcpkms:projects/x"],
        ["key", "import", "nothing:x", "FOLDER/reference"],
        ["sign", "FOLDER/shop"],
        ["sign", "FOLDER/shop", "--role", "root", "--key", "FOLDER/none.pem", "--yes"],
        ["sign", "FOLDER/shop", "--role", "nobody", "--key", "FOLDER/alice.pem", "--yes"],
        ["sign", "FOLDER/shop", "--add", "FOLDER/none.json"],
        ["delegate", "FOLDER/shop", "root", "--name", "x", "--key", "FOLDER/alice.pem.pub"],
        ["publish", "FOLDER/shop", "FOLDER/out"],
        ["serve", "FOLDER/shop"],
        ["verify", "http://127.0.0.1:1/", "--root", "FOLDER/alice.pem.pub"],
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(shop: Path, capsys: Captured, arguments: list[str]) -> None:
    words = [word.replace("FOLDER", str(shop.parent)) for word in arguments]
    assert main(["authority", *words]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("blockd authority: ")
    assert "Traceback" not in captured.err


def test_password_comes_from_a_file_and_from_nowhere_else(
    keys: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BLOCKD_KEY_PASSWORD")
    assert "use --password-file" in told(capsys, "key", "new", keys / "dave.pem", code=2)
    (keys / "password").write_text("other\n")
    told(capsys, "key", "new", keys / "dave.pem", "--password-file", keys / "password")
    (keys / "empty").write_text("\n")
    assert "is empty" in told(capsys, "key", "new", keys / "erin.pem", "--password-file", keys / "empty", code=2)
    assert not (keys / "erin.pem").exists()
    told(capsys, "init", keys / "shop", "--encrypt", "--password-file", keys / "password")
    assert b"ENCRYPTED" in (keys / "shop" / "keys" / "root.pem").read_bytes()


def test_served_folder_says_that_it_is_for_trials(keys: Path, capsys: Captured) -> None:
    shop, out = keys / "simple", keys / "out"
    told(capsys, "init", shop)
    told(capsys, "order", "new", shop, ORDER, "--yes")
    told(capsys, "sign", shop)
    told(capsys, "publish", shop, out)
    command = [sys.executable, "-m", "blockd", "authority", "serve", str(out), "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "for trials only" in line
            url = line.split(" at ")[1].split(",")[0]
            with urllib.request.urlopen(f"{url}root.json", timeout=10) as got:  # noqa: S310 - a loopback address
                assert got.read() == (out / "root.json").read_bytes()
            verified = answer(capsys, "verify", url, "--root", out / "root.json")
            assert verified["orders"] == 1
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blockd.cli import main
from tests.places import ROOT

ORDERS = ROOT / "config" / "lists" / "orders"


def told(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert main(["authority", *map(str, arguments)]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err if code else captured.out


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    found = json.loads(told(capsys, *arguments, "--json"))
    assert isinstance(found, dict)
    return found


def test_workshop_goes_from_init_to_publish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop, out = tmp_path / "shop", tmp_path / "out"
    assert answer(capsys, "init", shop, "--expires", "2100-01-01")["expires"] == "2100-01-01T00:00:00Z"
    files = sorted(ORDERS.glob("*.yaml"))
    assert answer(capsys, "order", "new", shop, *files, "--yes")["staged"] == [path.stem for path in files]
    signed = answer(capsys, "sign", shop, "--expires", "2099-01-01")
    assert (signed["targets_version"], signed["orders"]) == (1, 3)
    assert signed["expires"] == "2099-01-01T00:00:00Z"
    written = answer(capsys, "publish", shop, out)["written"]
    assert isinstance(written, list)
    assert written[-1] == "metadata/timestamp.json"
    assert (out / "root.json").is_file()
    assert answer(capsys, "publish", shop, out)["written"] == []


def test_workshop_is_not_made_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "init", tmp_path)
    assert "already is a workshop" in told(capsys, "init", tmp_path, code=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["sign", "DIR", "--expires", "soon"],
        ["sign", "DIR", "--expires", "2000-01-01"],
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    told(capsys, "init", tmp_path)
    assert told(capsys, *[tmp_path if word == "DIR" else word for word in arguments], code=2)


def test_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "init stopped" in told(capsys, "init", tmp_path / "file", code=1)


def test_script_makes_a_sample_and_leaves_no_key(tmp_path: Path) -> None:
    lists = tmp_path / "config" / "lists"
    lists.mkdir(parents=True)
    (lists / "orders").symlink_to(ORDERS)
    script = lists / "make-sample.sh"
    script.write_bytes((ORDERS.parent / "make-sample.sh").read_bytes())
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "PATH": "/usr/bin:/bin"}
    subprocess.run(["/bin/sh", str(script)], check=True, env=environment, capture_output=True, timeout=60)  # noqa: S603
    made = {path.name.split(".", 1)[-1] for path in (lists / "sample").rglob("*") if path.is_file()}
    there = {path.name.split(".", 1)[-1] for path in (ORDERS.parent / "sample").rglob("*") if path.is_file()}
    assert made == there
    assert list(temporary.iterdir()) == []

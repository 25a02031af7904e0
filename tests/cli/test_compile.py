from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockd.cli import main
from blockd.names import key_from_text
from blockd.ruleset import Ruleset
from tests.daemon.harness import Daemon, put, write_list


def test_list_is_compiled_to_a_file_that_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "list", ["listed.example", "other.example"])
    output = tmp_path / "out.ruleset"
    assert main(["compile", str(tmp_path / "list"), "--output", str(output)]) == 0
    assert f"{output}: 2 names" in capsys.readouterr().out
    ruleset = Ruleset.open(output)
    assert ruleset.header.names == 2
    assert ruleset.claims(key_from_text("listed.example"))
    ruleset.close()


def test_hosts_file_is_compiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "hosts", b"127.0.0.1 localhost\n0.0.0.0 listed.example other.example\n")
    output = tmp_path / "out.ruleset"
    arguments = ["compile", str(tmp_path / "hosts"), "--type", "hosts", "--output", str(output), "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["names"], told["refused"], told["output"]) == (2, {}, str(output))


def test_list_for_ad_blockers_is_compiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "list", b"||listed.example^\n|other.example^\n@@||gone.example^\n||gone.example^\n##.banner\n")
    output = tmp_path / "out.ruleset"
    assert main(["compile", str(tmp_path / "list"), "--type", "adblock", "--output", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["names"] == 2


def test_configs_feeds_are_compiled_where_no_list_is_named(daemon: Daemon, tmp_path: Path) -> None:
    output = tmp_path / "out.ruleset"
    assert main(["compile", "--config", str(daemon.config), "--output", str(output)]) == 0
    ruleset = Ruleset.open(output)
    assert [record.name for record in ruleset.catalogue.feeds] == ["exceptions", "ministry"]
    ruleset.close()


def test_refused_list_leaves_the_file_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out.ruleset"
    output.write_bytes(b"before")
    put(tmp_path / "list", b"<html>\n")
    assert main(["compile", str(tmp_path / "list"), "--output", str(output)]) == 1
    told = capsys.readouterr().out
    assert "is refused (html)" in told
    assert "Nothing was compiled." in told
    assert output.read_bytes() == b"before"


def test_missing_list_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(tmp_path / "absent"), "--output", str(tmp_path / "out")]) == 1
    assert "is refused (missing)" in capsys.readouterr().out


def test_output_without_a_folder_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    assert main(["compile", str(tmp_path / "list"), "--output", str(tmp_path / "absent" / "out")]) == 2
    assert "its folder does not exist" in capsys.readouterr().err


def test_output_that_is_a_folder_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    (tmp_path / "out").mkdir()
    assert main(["compile", str(tmp_path / "list"), "--output", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("blockd compile: ")
    assert "Is a directory" in told

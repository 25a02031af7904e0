"""What a verb prints, where the terminal has few letters, the reader has gone, or the disk is full."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blockd.cli import main, output
from blockd.errors import OutputError
from tests.daemon.harness import Daemon, blockd
from tests.places import ROOT

CYRILLIC = "Министерство"
ESCAPED = CYRILLIC.encode("ascii", "backslashreplace").decode("ascii")


def _terminal(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.BytesIO:
    octets = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(octets, encoding=encoding))
    return octets


@pytest.mark.parametrize(
    "words",
    [["lookup", "monitored.example"], ["audit", "--kind", "order"], ["audit", "prove", "monitored.example", "now"]],
    ids=lambda words: words[0] if len(words) < 3 else "-".join(words[:2]),
)
@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_letters_that_the_terminal_lacks_are_escaped(
    words: list[str], encoding: str, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = _terminal(monkeypatch, encoding)
    code = main([*words, "--config", str(daemon.config)])
    assert ESCAPED in octets.getvalue().decode(encoding)
    assert code in (0, 1)
    assert capsys.readouterr().err == ""


def test_json_is_json_in_any_encoding(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    octets = _terminal(monkeypatch, "ascii")
    main(["lookup", "monitored.example", "--json", "--config", str(daemon.config)])
    assert CYRILLIC in json.loads(octets.getvalue())["order"]["authority"]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("two\nlines", r"two\nlines"),
        ("right\u202eleft", r"right\u202eleft"),
        ("\x9b31m", r"\x9b31m"),
        ("file\udcff", r"file\udcff"),
        ("no\u00a0break, 通信部", "no\u00a0break, 通信部"),
    ],
    ids=range(6),
)
def test_texts_of_others_cannot_steer_the_terminal(
    hostile: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output.show(False, {}, [f"order {hostile}."])
    output.show(True, {"order": hostile}, [])
    told = capsys.readouterr().out
    line, rest = told.split("\n", 1)
    assert line == f"order {shown}."
    assert json.loads(rest) == {"order": hostile}
    assert not {"\x1b", "\x9b", "\u202e", "\udcff"} & set(told)


def test_wrong_usage_does_not_repeat_what_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["status", "\x1b[2J"])
    told = capsys.readouterr().err
    assert r"\x1b[2J" in told
    assert "\x1b" not in told


def test_refusal_of_a_file_escapes_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(tmp_path / "\x1b[2J.yaml")]) == 2
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["versions"], ["audit"], ["--help"], ["audit", "--help"]], ids="-".join)
def test_reader_that_has_gone_is_no_error(words: list[str], daemon: Daemon) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "blockd", *words]
    if "--help" not in words:
        command += ["--config", str(daemon.config)]
    try:
        told = subprocess.run(  # noqa: S603 - our own program
            command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(write)
    assert told.stderr == ""
    assert told.returncode == 1


@pytest.mark.parametrize("words", [["versions"], ["audit", "prove", "a.example", "now"], ["--help"]], ids="-".join)
def test_full_disk_is_told_as_such(words: list[str], daemon: Daemon) -> None:
    command = [sys.executable, "-m", "blockd", *words]
    if "--help" not in words:
        command += ["--config", str(daemon.config)]
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(  # noqa: S603 - our own program
            command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert "standard output cannot be written: No space left on device." in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert told.returncode == 1


def test_output_that_is_closed_is_not_taken_for_success(daemon: Daemon) -> None:
    script = 'exec "$0" -m blockd versions --config "$1" >&-'
    told = subprocess.run(  # noqa: S603 - our own program
        ["/bin/sh", "-c", script, sys.executable, str(daemon.config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "standard output cannot be written" in told.stderr


def test_error_of_printing_is_no_error_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys.stdout, "write", refuse)
    with pytest.raises(OutputError):
        output.print_line("a line")
    assert not issubclass(OutputError, OSError | ValueError)


def test_undecodable_file_name_is_told(tmp_path: Path) -> None:
    name = os.fsdecode(b"list\xff")
    told = blockd("validate", name, folder=tmp_path)
    assert told.returncode == 1
    assert r"list\udcff" in told.stdout + told.stderr
    assert "Traceback" not in told.stderr


def test_key_keeps_its_lines(daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "key", "--config", str(daemon.config)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "-----BEGIN PUBLIC KEY-----"
    assert main(["authority", "init", str(tmp_path / "shop")]) == 0
    capsys.readouterr()
    (key, *_) = sorted((tmp_path / "shop" / "keys").iterdir())
    assert main(["authority", "key", "show", str(key)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "-----BEGIN PUBLIC KEY-----"

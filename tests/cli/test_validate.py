from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from blockd.cli import DONE, NO, main


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "list.txt"
    path.write_bytes(b"a.example\nb.example\nwww.example\n*.a.example\n" * 4 + b"no name\n\x1b[2J.example\nnodot\n")
    return path


def test_a_usable_list_is_reported_with_its_rejects(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(path)]) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "19 lines, 16 accepted, 3 rejected (15.79%)",
        "bad character: 2",
        "  line 17: no name",
        "  line 18: \\x1b[2J.example",
        "no dot: 1",
        "  line 19: nodot",
        f"{path} is a usable list: 3 names",
    ]


def test_programs_get_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(path), "--json"]) == DONE
    told = json.loads(capsys.readouterr().out)
    assert told["usable"] is True
    assert told["refused"] is None
    assert (told["accepted"], told["names"]) == (16, 3)
    assert told["reasons"]["no dot"] == {"count": 1, "samples": [{"line": 19, "text": "nodot"}]}


def test_a_refused_list_ends_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(gzip.compress(b"a.example\n")[:-3])
    assert main(["validate", str(path)]) == NO
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"refused, cut: {path} ends in the middle of its arch")
    assert main(["validate", str(path), "--json"]) == NO
    assert json.loads(capsys.readouterr().out)["refused"]["reason"] == "cut"
    path.write_bytes(b"a.example\nb.example")
    assert main(["validate", str(path)]) == DONE
    assert 'warning: its last line, "b.example", has no line feed, and is taken' in capsys.readouterr().out


def test_a_list_of_another_type_is_refused_as_what_it_is_not(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(path), "--type", "hosts"]) == NO
    assert "no address: 19" in capsys.readouterr().out


def test_a_list_for_ad_blockers_is_reported_with_what_it_skips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"[Adblock Plus 2.0]\n||a.example^\n##.banner\n||com^\n||b.example^\n||c.example^\n||d.example^\n")
    assert main(["validate", str(path), "--type", "adblock"]) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "7 lines, 4 accepted, 1 rejected (20.00%)",
        "no dot: 1",
        "  line 4: ||com^",
        "1 skipped, which are not about names",
        "cosmetic: 1",
        "  line 3: ##.banner",
        f"{path} is a usable list: 4 names",
    ]


def test_a_missing_file_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(tmp_path / "none")]) == NO
    assert "does not exist" in capsys.readouterr().out


def test_a_large_file_on_a_terminal_has_a_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"a.example\n" * 500_000)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["validate", str(path)]) == DONE
    shown = capsys.readouterr()
    assert "500,000 accepted" in shown.out
    assert "list" in shown.err


def test_what_the_gate_would_hold_back_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"a.example\n*.co.id\nco.id\nbi.go.id\nshop.co.id\n")
    assert main(["validate", str(path)]) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "5 lines, 5 accepted, 0 rejected (0.00%)",
        "held back, protected: 1",
        "  bi.go.id",
        "held back, public suffix: 1",
        "  co.id",
        f"{path} is a usable list: 2 names",
    ]
    assert main(["validate", str(path), "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["held"]["held"] == 2


def test_the_configs_gate_is_the_one_that_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, config = tmp_path / "list.txt", tmp_path / "blockd.yaml"
    path.write_bytes(b"co.id\nbi.go.id\na.example\n")
    config.write_text("gate: {public_suffixes: false}\n", "utf-8")
    assert main(["validate", str(path), "--config", str(config), "--json"]) == DONE
    assert list(json.loads(capsys.readouterr().out)["held"]["reasons"]) == ["protected"]


def test_a_hosts_file_covers_names_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"0.0.0.0 github.io bi.go.id\n")
    assert main(["validate", str(path), "--type", "hosts", "--json"]) == DONE
    assert list(json.loads(capsys.readouterr().out)["held"]["reasons"]) == ["protected"]


def test_an_ad_blockers_rules_say_themselves_what_they_cover(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules"
    path.write_bytes(b"||github.io^\n|co.id^\n||a.example^\n")
    assert main(["validate", str(path), "--type", "adblock", "--json"]) == DONE
    held = json.loads(capsys.readouterr().out)["held"]
    assert held["reasons"] == {"public suffix": {"count": 1, "samples": ["github.io"], "held": True}}


def test_a_policy_zone_is_reported_with_what_is_odd_about_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "zone"
    path.write_bytes(
        b"$TTL 60\n@ SOA l. r. 1 1 1 1 1\na.example CNAME .\n*.a.example CNAME .\nb.example CNAME .\n"
        b"c.example CNAME .\n32.1.2.0.192.rpz-nsip CNAME .\n"
    )
    assert main(["validate", str(path), "--type", "rpz"]) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "7 lines, 4 accepted, 1 rejected (20.00%)",
        "NSIP trigger: 1",
        "  line 7: 32.1.2.0.192.rpz-nsip CNAME .",
        "warning: The zone has no NS record; other resolvers do not load such zones.",
        f"{path} is a usable list: 3 names",
    ]
    assert main(["validate", str(path), "--type", "rpz", "--json"]) == DONE
    assert len(json.loads(capsys.readouterr().out)["warnings"]) == 1


def test_of_a_policy_zone_networks_are_held_back_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "zone"
    path.write_bytes(
        b"$TTL 60\n@ SOA l. r. 1 1 1 1 1\n@ NS localhost.\nco.id CNAME .\n*.co.id CNAME .\n"
        b"24.0.2.0.192.rpz-ip CNAME .\n32.1.2.0.192.rpz-client-ip CNAME .\n1.0.0.0.128.rpz-ip CNAME .\n"
        b"8.0.0.0.9.rpz-client-ip CNAME rpz-drop.\n1.0.0.0.0.rpz-ip CNAME rpz-passthru.\n"
    )
    assert main(["validate", str(path), "--type", "rpz", "--json"]) == DONE
    held = json.loads(capsys.readouterr().out)["held"]
    assert held["reasons"] == {
        "public suffix": {"count": 1, "samples": ["co.id"], "held": True},
        "network too wide": {"count": 2, "samples": ["128.0.0.0/1", "client 9.0.0.0/8"], "held": True},
        "special-purpose network": {"count": 1, "samples": ["192.0.2.0/24"], "held": False},
    }


def test_the_verdict_is_the_one_of_the_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, config = tmp_path / "list.txt", tmp_path / "blockd.yaml"
    config.write_text(
        """
gate: {min_names: 3}
feeds:
  - {name: own, type: domains, path: list.txt, mandate: operator, gate: {min_names: 0, max_rejects: 0%}}
  - {name: other, type: hosts, path: other.txt}
""",
        "utf-8",
    )

    def verdict(content: bytes, *more: str) -> str:
        path.write_bytes(content)
        code = main(["validate", str(path), "--config", str(config), *more])
        said = capsys.readouterr()
        assert code == (DONE if "is a usable list" in said.out else 2 if said.err else NO)
        return said.err or said.out.splitlines()[-1]

    assert verdict(b"no name\n") == (
        "refused for feed own, rejects: 1 of 1 lines are not valid names, more than 0% (gate.max_rejects of the feed)"
    )
    assert verdict(b"# nothing\n") == f"{path} is a usable list for feed own: 0 names"
    assert verdict(b"co.id\n") == f"{path} is a usable list for feed own: 0 names"
    assert verdict(b"0.0.0.0 a.example\n", "--feed", "other") == (
        "refused for feed other, empty: it holds 1 names; at least 3 are required (gate.min_names)"
    )
    assert verdict(b"0.0.0.0 a.example\n", "--type", "hosts").startswith("refused, empty: it holds 1 names")
    assert "There is no feed 'none' with a text list; configured are: own, other." in verdict(b"", "--feed", "none")
    assert "of the type hosts, not rpz" in verdict(b"", "--feed", "other", "--type", "rpz")


def test_standard_input_is_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def verdict(content: bytes) -> str:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert main(["validate", "-"]) == (NO if content.endswith(b"cut") else DONE)
        return capsys.readouterr().out.splitlines()[-1]

    assert verdict(b"a.example\nwww.a.example\na.example\n") == "standard input is a usable list: 2 names"
    assert verdict(gzip.compress(b"a.example\n")) == "standard input is a usable list: 1 names"
    refusal = verdict(gzip.compress(b"a.example\n")[:-3] + b"cut")
    assert refusal.startswith("refused, format: standard input is a damaged gzip archive")
    monkeypatch.setattr("blockd.cli.validate.MAX_INPUT", 5)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.example\n")))
    assert main(["validate", "-"]) == 2
    assert "more than 5 bytes" in capsys.readouterr().err

from __future__ import annotations

from pathlib import Path

import pytest

from blockd.errors import ConfigError
from blockd.names import Network, key_from_text
from blockd.orders import Action, Scope
from blockd.ruleset import Gate
from blockd.ruleset.gate.lists import gate_of
from blockd.settings import GateSettings
from tests.places import ROOT


def settings(**keys: object) -> GateSettings:
    return GateSettings.model_validate(keys)


def reason(gate: Gate, name: str) -> str:
    return gate.guard.reason(key_from_text(name), Scope.BOTH, Action.SINKHOLE)


def problem(**keys: object) -> str:
    with pytest.raises(ConfigError) as caught:
        gate_of(settings(**keys))
    return str(caught.value)


def test_what_comes_with_blockd_guards_by_itself() -> None:
    gate = gate_of(settings())
    assert (gate.max_shrink, gate.max_growth, gate.min_names, gate.max_rejects) == (0.2, 1.0, 1, 0.2)
    found = {name: reason(gate, name) for name in ("com", "co.id", "github.io", "any.ck", "bi.go.id", "icann.org")}
    assert found == {
        "com": "top-level name",
        "co.id": "public suffix",
        "github.io": "public suffix",
        "any.ck": "public suffix",
        "bi.go.id": "protected",
        "icann.org": "protected",
    }
    assert reason(gate, "casino.co.id") == ""
    assert reason(gate, "公司.cn") == "public suffix"


def test_all_can_be_left_out() -> None:
    gate = gate_of(settings(public_suffixes=False, protected=[], popular=False))
    assert reason(gate, "co.id") == reason(gate, "bi.go.id") == ""
    assert reason(gate, "com") == "top-level name"


def test_the_operators_own_lists_are_read(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("# mine\nportal.example # the portal\n\n*.bank.example\n", "utf-8")
    (tmp_path / "suffixes").write_text("// mine\nexample\n*.wild.example\n", "utf-8")
    (tmp_path / "popular").write_text(
        "\ufeff1,first.example\r\n2,second.example\r\nno name\nthird.example\n4 x.org\n", "utf-8"
    )
    keys: dict[str, object] = {"public_suffixes": str(tmp_path / "suffixes"), "protected": [str(tmp_path / "own")]}
    gate = gate_of(settings(**keys, popular=str(tmp_path / "popular"), popular_count=3))
    assert reason(gate, "portal.example") == reason(gate, "bank.example") == "protected"
    assert reason(gate, "a.wild.example") == "public suffix"
    assert [reason(gate, f"{name}.example") for name in ("first", "second", "third")] == ["popular"] * 3
    assert reason(gate, "x.org") == reason(gate, "co.id") == ""
    assert reason(gate_of(settings(popular=str(tmp_path / "popular"))), "x.org") == "popular"


def test_lists_that_differ_make_guards_that_differ(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("a.example\n", "utf-8")
    keys: list[dict[str, object]] = [
        {},
        {"public_suffixes": False},
        {"protected": []},
        {"popular": str(path)},
        {"popular": str(path), "popular_count": 1},
        {"protected": [str(path)]},
    ]
    digests = {gate_of(settings(**given)).guard.digest for given in keys}
    assert len(digests) == len(keys)
    assert gate_of(settings(protected=[str(path)])).guard.digest in digests
    path.write_text("b.example\n", "utf-8")
    assert gate_of(settings(protected=[str(path)])).guard.digest not in digests


def test_a_protected_list_with_a_mistake_is_not_half_used(tmp_path: Path) -> None:
    path = tmp_path / "own"
    path.write_text("good.example\nno name\n" + "10.0.0.1\n" * 20, "utf-8")
    told = problem(protected=[str(path)])
    assert "line 2 is not a valid name (bad character)" in told
    assert "line 3 is not a valid name (address)" in told
    assert "nothing was started or changed" in told
    assert told.count("is not a valid name") == 5


@pytest.mark.parametrize(
    ("content", "key", "words"),
    [
        (None, "popular", "cannot be read: No such file"),
        (b"\xff\xfe", "popular", "not valid UTF-8 text"),
        (b"", "popular", "holds no name"),
        (b"<html>\n<p>\n", "popular", "holds no name"),
        (b"<html>\n", "public_suffixes", "not a public suffix list"),
        (b"com\n", "public_suffixes", "not a public suffix list"),
    ],
)
def test_a_list_that_cannot_be_used_is_told(tmp_path: Path, content: bytes | None, key: str, words: str) -> None:
    path = tmp_path / "list"
    if content is not None:
        path.write_bytes(content)
    told = problem(**{key: str(path)})
    assert words in told
    assert str(path) in told


def test_a_list_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blockd.ruleset.gate.lists.MAX_LIST", 1000)
    (tmp_path / "list").write_text("a.example\n" * 200, "utf-8")
    assert "is larger than" in problem(popular=str(tmp_path / "list"))


def test_the_shipped_list_says_of_each_name_why_it_is_there() -> None:
    (shipped,) = settings().protected
    text = shipped.read_text("utf-8")
    names = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(names) == len(set(names)) > 50
    assert {"go.id", "*.bi.go.id", "arpa", "*.root-servers.net", "*.iana.org", "icann.org"} <= set(names)
    assert (ROOT / "config" / "lists" / "protected.txt").read_text("utf-8") == text


def test_networks_of_shared_hosts_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("# a network for distribution\n104.16.0.0/13\n\n")
    (tmp_path / "two").write_text("2606:4700::/32  # of the same\n192.0.2.1\n")
    files = [str(tmp_path / "one"), str(tmp_path / "two")]
    gate = gate_of(settings(shared_networks=files))

    def reason_of(text: str, action: Action = Action.SINKHOLE) -> str:
        return gate.guard.reason(Network.from_text(text).key, Scope.BOTH, action)

    listed = ("104.16.7.7", "104.16.0.0/16", "2606:4700::1", "192.0.2.1")
    assert [reason_of(text) for text in listed] == ["shared host"] * len(listed)
    assert [reason_of(text) for text in ("104.15.255.255", "104.24.0.0/16", "2606:4701::")] == [""] * 3
    assert reason_of("104.16.7.7", Action.ALLOW) == ""
    assert gate_of(settings(shared_networks=files[:1])).guard.digest != gate.guard.digest


def test_a_line_without_a_network_is_an_error_since_it_would_spare_nothing(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("104.16.0.0/13\n104.16.0.1/13\ncdn.example\n")
    said = problem(shared_networks=[str(tmp_path / "shared")])
    assert "line 2 is not an address, or a network without host bits" in said
    assert "line 3" in said
    assert "gate.shared_networks[0]" in problem(shared_networks=[str(tmp_path / "missing")])

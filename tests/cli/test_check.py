from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from blockd.cli import main
from blockd.doctor.finding import Grade
from blockd.doctor.forwarding import findings_of
from blockd.doctor.machine import Asked
from blockd.doctor.upstream_question import UpstreamQuestion
from blockd.settings import Upstream
from tests.daemon.harness import Daemon, put, until, write_list
from tests.places import ROOT
from tests.tls.certificates import certificate
from tests.upstream import UpstreamSimulator

SHIPPED = ROOT / "config" / "blockd.yaml"


def test_shipped_config_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(SHIPPED)]) == 0
    told = capsys.readouterr().out
    assert f"{SHIPPED} is good." in told
    assert "feed ministry is good" in told


def test_every_problem_is_told_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text("workers: 0\nlisen: {}\n", encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 2
    told = capsys.readouterr().err
    assert "workers: expected auto or 1 to 256, got 0" in told
    assert "lisen: unknown key" in told


def test_config_without_feeds_would_enforce_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "blockd.yaml"
    path.write_text("feeds: []\n", encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 0
    assert "A start would enforce 0 names." in capsys.readouterr().out


def test_bad_list_is_exit_code_1_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "good", ["listed.example", "no name here"])
    put(tmp_path / "bad", b"<html>\n")
    feeds = [{"name": name, "type": "domains", "path": name} for name in ("good", "bad", "absent")]
    daemon = Daemon(tmp_path, *feeds, gate={"max_rejects": "50%"})
    daemon.write_config()
    assert main(["check", "--config", str(daemon.config)]) == 1
    told = capsys.readouterr().out
    assert "feed good is good: 1 names, 1 lines rejected" in told
    assert "feed bad would be refused (html): " in told
    assert "feed absent would be refused (missing): " in told
    assert "A start would enforce 1 names." in told
    assert not daemon.state_dir.exists()


def test_check_is_json_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "bad", b"")
    daemon = Daemon(tmp_path, {"name": "bad", "type": "domains", "path": "bad"})
    daemon.write_config()
    assert main(["check", "--json", "--config", str(daemon.config)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["names"] == 0
    assert told["refused"]["bad"]["reason"] == "empty"


def test_list_that_shrank_is_compared_with_what_is_in_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path / "list", [f"{www}name-{number}.example" for number in range(1_000) for www in ("", "*.")])
    daemon = Daemon(tmp_path, {"name": "national", "type": "domains", "path": "list"})
    with daemon:
        counted = daemon.status()["feeds"][0]["names"]
    assert main(["check", "--config", str(daemon.config)]) == 0
    assert f"feed national is good: {counted:,} names\nA start would enforce 1,000 names." in capsys.readouterr().out
    assert main(["validate", str(tmp_path / "list"), "--config", str(daemon.config)]) == 0
    assert f"is a usable list for feed national: {counted:,} names" in capsys.readouterr().out
    write_list(tmp_path / "list", ["name-1.example"])
    assert main(["check", "--config", str(daemon.config)]) == 1
    told = capsys.readouterr().out
    assert "feed national would be refused (shrunk): it holds 1 names, but 1000 are in force" in told
    assert "the content that was accepted last stays enforced: 1,000 names\nA start would enforce 1,000 names." in told
    assert main(["validate", str(tmp_path / "list"), "--config", str(daemon.config)]) == 1
    assert "refused for feed national, shrunk: it holds 1 names, but 1000 are in force" in capsys.readouterr().out


def test_check_beside_a_running_daemon_disturbs_nothing(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in daemon.state_dir.glob("rulesets/*.ruleset")}
    assert main(["check", "--config", str(daemon.config)]) == 0
    assert "A start would enforce 4 names." in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in daemon.state_dir.glob("rulesets/*.ruleset")} == before


def test_a_list_that_was_never_accepted_is_not_said_to_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "empty", b"")
    (tmp_path / "blockd.yaml").write_text(
        "state_dir: var\nfeeds:\n"
        "  - {name: one, type: domains, path: empty}\n  - {name: two, type: domains, path: gone}\n",
        encoding="utf-8",
    )
    assert main(["check", "--config", str(tmp_path / "blockd.yaml")]) == 1
    told = capsys.readouterr().out
    assert told.count("  nothing of it is in force: no names of it were accepted before\n") == 2
    assert "stays enforced" not in told


def test_a_state_folder_that_is_a_file_is_told_as_a_start_tells_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "file", b"")
    (tmp_path / "blockd.yaml").write_text("state_dir: file\nfeeds: []\n", encoding="utf-8")
    assert main(["check", "--config", str(tmp_path / "blockd.yaml")]) == 1
    assert f"state_dir: {tmp_path / 'file'} is not a folder" in capsys.readouterr().out


def test_orders_that_a_start_would_not_have_in_force_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    (tmp_path / "blockd.yaml").write_text(
        "state_dir: var\nfeeds:\n  - {name: one, type: domains, path: list}\n"
        '  - {name: two, type: domains, path: list, in_force_from: "2100-01-01"}\n',
        encoding="utf-8",
    )
    assert main(["check", "--config", str(tmp_path / "blockd.yaml")]) in (0, 1)
    told = capsys.readouterr().out
    assert "1 of 2 orders would not be in force: they are pending, expired or lifted.\n" in told


def test_a_list_that_cannot_be_renewed_and_is_at_its_end_is_not_said_to_be_in_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_list(tmp_path / "list", ["listed.example"])
    feed = {"name": "one", "type": "domains", "path": "list", "max_age": "1s", "at_expiry": "stop", "interval": "1d"}
    daemon = Daemon(tmp_path, feed)
    with daemon:
        assert daemon.status()["feeds"][0]["names"] == 1
        (tmp_path / "list").unlink()
        until(lambda: daemon.status()["feeds"][0]["ended"], "it is at its end")
    assert main(["check", "--config", str(daemon.config)]) == 1
    assert "1 of 1 orders would not be in force" in capsys.readouterr().out


def test_each_upstream_is_asked_the_question_that_it_is_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with UpstreamSimulator() as upstream, UpstreamSimulator() as other:
        upstream.plan(".", "NS", ". 60 IN NS a.root-servers.net.")
        other.plan("corp.example", "SOA", "corp.example. 60 IN SOA ns. host. 1 2 3 4 5")
        zones = [{"zone": zone, "upstreams": [other.address]} for zone in ("corp.example", "else.example")]
        daemon = Daemon(tmp_path, upstream=upstream.address, forward=zones)
        daemon.write_config()
        assert main(["check", "--config", str(daemon.config)]) == 0
        lines = capsys.readouterr().out.splitlines()
        asked = [line for line in lines if line.startswith("upstream")]
        assert asked[0].startswith(f"upstream: {upstream.upstream.text} answered in ")
        assert asked[1].startswith(f"upstream: {other.upstream.text} answered about the zone corp.example in ")
        assert asked[2] == (
            f"upstream, a warning: {other.upstream.text} answers NXDOMAIN for the zone else.example. "
            "Name the servers of that zone in `forward`."
        )
        assert main(["check", "--json", "--elsewhere", "--config", str(daemon.config)]) == 0
        assert json.loads(capsys.readouterr().out)["upstreams"] == [], "another machine's are not asked from here"


def test_an_upstream_that_takes_longer_than_the_timeout_is_a_warning() -> None:
    question = UpstreamQuestion(Upstream("192.0.2.1", 53))
    [found] = findings_of([question], [Asked(0.3)], 0.2)
    assert (found.grade, found.found) == (
        Grade.WARNING,
        "192.0.2.1:53 took 300 ms to answer; upstream.timeout is 200 ms, so clients get SERVFAIL",
    )


def checked_with(folder: Path, capsys: pytest.CaptureFixture[str], days: float = 30, more: str = "") -> str:
    """Return what is told of a config with a certificate that is good for so many days."""
    octets = certificate("dns.isp.example", days=days)
    for name, content in zip(("chain.pem", "key.pem"), octets, strict=True):
        put(folder / name, content)
    (folder / "key.pem").chmod(0o600)
    path = folder / "blockd.yaml"
    path.write_text(
        f"{more}listen: {{dot: ['127.0.0.1:8853'], doh: []}}\ncertificates: [{{chain: chain.pem, key: key.pem}}]\n",
        encoding="utf-8",
    )
    code = main(["check", "--config", str(path)])
    told = capsys.readouterr()
    assert code == 0, told.err
    return told.out


def test_a_certificate_that_has_expired_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = checked_with(tmp_path, capsys)
    assert "expired" not in told
    assert "every user" not in told
    told = checked_with(tmp_path, capsys, days=-1)
    assert f"a warning: {tmp_path / 'chain.pem'} expired on " in told
    assert "clients refuse it. Renew it; blockd reads the files again within seconds." in told


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no PEM", "it holds no certificates in PEM"), (None, "no such file or directory"), (b"", "it holds no cert")],
)
def test_authorities_that_cannot_be_read_are_a_warning(
    content: bytes | None, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        put(tmp_path / "ca.pem", content)
    chain, key = certificate("127.0.0.1")
    put(tmp_path / "chain.pem", chain)
    put(tmp_path / "key.pem", key)
    path = tmp_path / "blockd.yaml"
    config = "listen: {admin_tls: {client_ca: ca.pem}}\ncertificates: [{chain: chain.pem, key: key.pem}]\n"
    path.write_text(config, encoding="utf-8")
    main(["check", "--config", str(path)])
    told = capsys.readouterr().out
    assert f"a warning: listen.admin_tls.client_ca: {tmp_path / 'ca.pem'} cannot be used: " in told
    assert why in told.lower() or why in told
    put(tmp_path / "ca.pem", b"of Ministry \xc3\xa9\n" + chain)
    main(["check", "--config", str(path)])
    assert "client_ca" not in capsys.readouterr().out


def test_a_key_that_everybody_may_read_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked_with(tmp_path, capsys)
    (tmp_path / "key.pem").chmod(0o644)
    main(["check", "--elsewhere", "--config", str(tmp_path / "blockd.yaml")])
    assert (
        f"a warning: {tmp_path / 'key.pem'} can be read by every user of this machine, who" in capsys.readouterr().out
    )


def test_a_certificate_that_is_a_pipe_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "blockd.yaml"
    path.write_text("listen: {dot: ['127.0.0.1:8853']}\ncertificates: [{chain: pipe, key: pipe}]\n", encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 1
    assert f"certificates[0]: {tmp_path / 'pipe'} cannot be read: it is not a regular file" in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_state_folder_below_one_that_is_closed_to_blockds_user_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "closed").mkdir(0o700)
    path = tmp_path / "blockd.yaml"
    path.write_text("user: nobody\nstate_dir: closed/state\n", encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 1
    assert (
        f"state_dir: a folder above {tmp_path / 'closed' / 'state'} is closed to this user (" in capsys.readouterr().out
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_key_that_blockds_user_may_not_read_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    never = "key.pem is read at the start and never again, since the user nobody may not read it"
    assert never in checked_with(tmp_path, capsys, more="user: nobody\nstate_dir: /nowhere\n")
    assert never not in checked_with(tmp_path, capsys)

"""The alert rules for Prometheus: promtool tests them, their series exist, and status reports the same."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from blockd.daemon import damage
from blockd.daemon.certificates import told as certificate_alarms
from blockd.daemon.reload import service as reload_alarms
from blockd.daemon.report import alarms
from blockd.daemon.report import upstreams as upstream_alarms
from blockd.feeds.reasons import REASONS
from blockd.metrics import AuthoritySample, Collector, Counters, FeedSample, Sample
from blockd.metrics.certificates import CertificateSample
from blockd.metrics.upstreams import FAILURES, UpstreamFigures, UpstreamsSample, UpstreamTable
from blockd.tls import pair
from tests.places import ROOT

RULES = ROOT / "config" / "alerts.yml"
PLAYED = [ROOT / "tests" / "config" / f"alerts_{played}.yml" for played in ("test", "week_test")]
# The daemon cannot report that it is down, nor rates over time.
ONLY_IN_PROMETHEUS = {"BlockdDown", "BlockdServfail", "BlockdNoDescriptors"}


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not on this machine (Debian: prometheus)")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=600, check=False)  # noqa: S603


def test_promtool_accepts_the_rules() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_plays_the_rules_as_expected() -> None:
    done = promtool("test", "rules", *map(str, PLAYED))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_played_up_and_down() -> None:
    tests = [test for path in PLAYED for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]]
    played = [(step["alertname"], bool(step["exp_alerts"])) for test in tests for step in test["alert_rule_test"]]
    assert {name for name, up in played if up} == set(rules())
    assert {name for name, up in played if not up} == set(rules())


def test_rules_are_about_series_that_blockd_has() -> None:
    fed = {"feed": FeedSample(0.0, 0.0, {}, authorities={"authority": AuthoritySample(0.0)})}
    table = UpstreamTable(1)
    table.row(0).use(["192.0.2.1:53"])
    table.use(["192.0.2.1:53"])
    table.row(0).note(0, UpstreamFigures(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (0,) * len(FAILURES)))
    upstreams = UpstreamsSample(table, ("192.0.2.1:53",), {".": 1}, ("127.0.0.1:53",))
    certificates = {"chain.pem": CertificateSample(1.0, 2.0)}
    sample = Sample(refused={"feed": True}, feeds=fed, upstreams=upstreams, certificates=certificates)
    families = Collector(Counters(1), list(REASONS), lambda: sample).collect()
    series = {one.name for family in families for one in family.samples}
    named = {name for rule in rules().values() for name in re.findall(r"blockd_\w+", rule["expr"])}
    assert named
    assert named <= series


def test_every_rule_says_what_happened_what_is_in_force_and_what_to_do() -> None:
    for rule in rules().values():
        assert set(rule["annotations"]) == {"summary", "in_force", "todo"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_status_has_the_same_alarms_with_the_same_severity_and_bounds() -> None:
    files = [str(module.__file__) for module in (alarms, reload_alarms, upstream_alarms, damage, certificate_alarms)]
    source = "".join(Path(file).read_text(encoding="utf-8") for file in files)
    told = dict(re.findall(r'"(Blockd\w+)",\s*"(\w+)"', source))
    assert set(told) == set(rules()) - ONLY_IN_PROMETHEUS
    assert {name: rules()[name]["labels"]["severity"] for name in told} == told
    assert f"clamp_min(2 * blockd_feed_interval_seconds, {alarms.STALE:.0f})" in rules()["BlockdFeedStale"]["expr"]
    assert rules()["BlockdFeedStale"]["for"] == f"{alarms.FIRST_LOOK / 60:.0f}m"
    assert f"< {alarms.EXPIRES_SOON:.0f}" in rules()["BlockdFeedExpiresSoon"]["expr"]
    assert f"< {alarms.EXPIRES_SOON:.0f}" in rules()["BlockdAuthorityExpiresSoon"]["expr"]
    soon = f"/ {pair.SOON_SHARE}, {pair.EXPIRES_SOON:.0f})"
    assert soon in rules()["BlockdCertificateExpiresSoon"]["expr"]
    assert f"offset {alarms.UNCHANGED / 86400:.0f}d" in rules()["BlockdRulesetUnchanged"]["expr"]

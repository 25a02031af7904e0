"""What is shipped is consistent: the package's data, the Dockerfile, the systemd unit, the scripts."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import blockd
from blockd.daemon.processes import family
from blockd.settings import load
from blockd.settings.listening import MAX_LISTENED
from blockd.settings.model import MAX_UPSTREAMS
from blockd.transports.descriptors import Shares
from tests.places import ROOT

SERVICE_CONFIG = ROOT / "config" / "service.yaml"
UNIT = ROOT / "config" / "systemd" / "blockd.service"
INSTALLED_CONFIG = "/etc/blockd/blockd.yaml"

# All that may be at the top, besides files whose names start with a dot.
TOP_LEVEL = {
    "blockd", "config", "docs", "packaging", "tests", "pyproject.toml", "requirements.lock", "Dockerfile", "Makefile",
    "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "mkdocs.yml",
}  # fmt: skip
# Addresses of package registries and paths of the machines that this was written on. A letter of each stands in
# brackets, so that this file does not find itself.
FORBIDDEN = re.compile(
    r"pyp[i]\.org|pythonhosted\.or[g]|registry\.npmj[s]|crate[s]\.io|proxy\.golan[g]|/wor[k]/|/tm[p]/v/"
)
# The module of a package, where its name is another.
MODULES = {
    "backports.zstd": "backports",
    "dnspython": "dns",
    "prometheus-client": "prometheus_client",
    "python-pkcs11": "pkcs11",
    "pyyaml": "yaml",
}
NOT_IMPORTED = {
    "Cython",
    "cython-lint",
    "mypy",
    "pytest-xdist",
    "ruff",
    "schemathesis",
    "types-PyYAML",
}  # run by `make test`, or by a test, except for the last, which is for mypy


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _tracked() -> list[str]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def _names(requirements: list[str]) -> list[str]:
    return [re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0] for requirement in requirements]


def test_version_stands_in_one_place() -> None:
    project = _project()
    assert project["project"]["dynamic"] == ["version"]
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "blockd.__version__"}
    holding = [path for path in ROOT.glob("blockd/**/*.py") if f'"{blockd.__version__}"' in path.read_text("utf-8")]
    assert holding == [ROOT / "blockd" / "__init__.py"]


def test_every_dependency_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = _project()["project"]
    optional = project["optional-dependencies"]
    builders = _project()["build-system"]["requires"]
    every = [*builders, *project["dependencies"], *optional["test"], *optional["tools"], *optional["docs"]]
    for requirement in every:
        assert re.search(rf'^ +"{re.escape(requirement)}", +# \w', text, re.MULTILINE), requirement


def test_every_dependency_is_used() -> None:
    project = _project()["project"]
    for folder, requirements in (
        ("blockd", project["dependencies"]),
        ("tests", project["optional-dependencies"]["test"]),
    ):
        source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py"))
        for name in _names(requirements):
            module = MODULES.get(name, name)
            used = re.search(rf"^\s*(?:import|from) {module}\b", source, re.MULTILINE)
            assert used or name in NOT_IMPORTED, f"{folder} does not import {name}"


def test_package_ships_its_types_and_licence() -> None:
    project = _project()
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["blockd"]
    assert (ROOT / "blockd" / "py.typed").is_file()
    assert project["project"]["license-files"] == ["LICENSE"]
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_every_folder_of_the_package_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "blockd").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_top_level_holds_what_it_should() -> None:
    top = {path.partition("/")[0] for path in _tracked()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_file_names_a_registry_or_the_machine_it_was_written_on() -> None:
    found = []
    for path in _tracked():
        text = (ROOT / path).read_bytes().decode("utf-8", errors="replace")
        found += [f"{path}: {match[0]}" for match in FORBIDDEN.finditer(text)]
    assert found == []


def test_scripts_are_valid_bash() -> None:
    bash = shutil.which("bash")
    assert bash
    for script in (ROOT / ".ci" / "run", ROOT / "tests" / "install-debian.sh"):
        subprocess.run([bash, "-n", str(script)], check=True)  # noqa: S603
        assert "set -eu" in script.read_text(encoding="utf-8")


def test_hooks_for_commits_run_the_linters_of_the_environment_and_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    target = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    linters = re.findall(r"\$\(BIN\)/([\w-]+)", target)
    run = {re.search(r"\.venv/bin/([\w-]+)", hook["entry"])[1] for hook in hooks}  # type: ignore[index]
    assert run == set(linters)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "make test"
    assert "```shell\nmake test\n```" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_config_for_service_is_valid_and_has_the_real_ports() -> None:
    settings = load(SERVICE_CONFIG)
    assert {address.port for address in settings.listen.dns} == {53}
    assert {address.port for address in settings.listen.block_page.http} == {80}
    assert {address.port for address in settings.listen.block_page.https} == {443}
    assert settings.listen.admin.text == "127.0.0.1:9053"
    assert str(settings.state_dir) == "/var/lib/blockd"
    assert not settings.sinkhole.ipv4.is_loopback


MAX_EXPOSURE = 1.7  # as `systemd-analyze security` counts it, 0 to 10; AF_NETLINK is a tenth of it
# What the unit leaves open: low ports and the network are what blockd is about; it gives up its capability by itself
# (capset), makes what compiles nicer than workers (setpriority), and asks the kernel which ports are reserved (/proc).
# ProtectClock leaves /dev/rtc to be read.
OPEN = {
    "SystemCallFilter", "RootDirectory", "RootDirectory=/RootImage", "AmbientCapabilities", "RestrictAddressFamilies",
    "ProcSubset", "CapabilityBoundingSet", "PrivateNetwork", "PrivateUsers", "DeviceAllow", "IPAddressDeny",
}  # fmt: skip


class TestDockerfile:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()

    def arguments(self, instruction: str) -> list[str]:
        return [line.removeprefix(f"{instruction} ") for line in self.lines if line.startswith(f"{instruction} ")]

    def test_paths_that_it_copies_exist_and_are_sent_to_the_builder(self) -> None:
        sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        copied = [copy.split()[:-1] for copy in self.arguments("COPY") if not copy.startswith("--from=")]
        assert copied
        for source in [source for sources in copied for source in sources]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in sent, source

    def test_it_has_two_stages_and_does_not_run_as_root(self) -> None:
        assert len(self.arguments("FROM")) == 2
        [user] = self.arguments("USER")
        assert user == "blockd"
        assert any(f"useradd --system --uid 953 --home-dir /var/lib/{user}" in run for run in self.arguments("RUN"))

    def test_both_stages_begin_with_one_image_that_is_named_by_its_digest(self) -> None:
        assert {line.partition(" AS ")[0] for line in self.arguments("FROM")} == {"${BASE}"}
        [base] = self.arguments("ARG")
        assert re.fullmatch(r"BASE=debian:[a-z]+-slim@sha256:[0-9a-f]{64}", base)

    def test_what_it_installs_of_others_are_locked_wheels(self) -> None:
        text = re.sub(r"\\\n\s*", "", "\n".join(self.lines))
        fetching = [part for part in re.findall(r"pip [^&]*install [^&]*", text) if "--no-index" not in part]
        assert len(fetching) == 2
        assert all("--require-hashes" in part for part in fetching)
        assert "--only-binary :all: -r requirements.lock" in fetching[1]

    def test_it_runs_with_the_config_for_service(self) -> None:
        assert f"config/service.yaml {INSTALLED_CONFIG}" in self.arguments("COPY")
        [entry], [command] = self.arguments("ENTRYPOINT"), self.arguments("CMD")
        assert [*json.loads(entry), *json.loads(command)] == ["blockd", "run", "--config", INSTALLED_CONFIG]
        [volumes] = self.arguments("VOLUME")
        assert str(load(SERVICE_CONFIG).state_dir) in json.loads(volumes)

    def test_it_exposes_what_the_config_listens_on(self) -> None:
        listen = load(SERVICE_CONFIG).listen
        web = [address.port for address in (*listen.block_page.http, *listen.block_page.https, listen.admin)]
        dns = [f"{address.port}/{transport}" for address in listen.dns for transport in ("udp", "tcp")]
        encrypted = re.findall(r"# do[th]: .*?:(\d+)\"", SERVICE_CONFIG.read_text(encoding="utf-8"))  # to be chosen
        assert len(encrypted) == 2
        [exposed] = self.arguments("EXPOSE")
        assert set(exposed.split()) == {*dns, *(f"{port}/tcp" for port in (*web, *encrypted))}

    def test_health_is_asked_at_the_admin_socket(self) -> None:
        [check] = self.arguments("HEALTHCHECK")
        program, option, code = json.loads(check.partition(" CMD ")[2])
        assert (program, option) == ("python", "-c")
        compile(code, "HEALTHCHECK", "exec")
        assert f"'{load(SERVICE_CONFIG).admin_socket}'" in code
        assert "GET /healthz " in code


class TestUnit:
    def service(self) -> configparser.SectionProxy:
        unit = configparser.ConfigParser(interpolation=None, strict=False)  # a filter may have lines
        unit.optionxform = str  # type: ignore[assignment, method-assign]
        unit.read_string(UNIT.read_text(encoding="utf-8"))
        return unit["Service"]

    def test_it_runs_with_the_config_for_service(self) -> None:
        service = self.service()
        begun = "/usr/bin/env --ignore-signal=HUP /opt/blockd/bin/blockd"
        assert service["ExecStart"] == f"{begun} run --config {INSTALLED_CONFIG}"
        assert load(SERVICE_CONFIG).state_dir == Path("/var/lib") / service["StateDirectory"]

    def test_its_limits_leave_the_daemon_its_own(self) -> None:
        service = self.service()
        files = int(service["LimitNOFILE"])
        assert Shares.of(load(SERVICE_CONFIG), files).sentence(MAX_UPSTREAMS) == ""
        assert float(service["TimeoutStopSec"]) > family.DRAIN_TIME + family.STOP_TIME + family.KILL_TIME

    def test_the_watchdog_waits_longer_than_a_stop_and_all_sockets_can_be_kept(self) -> None:
        service = self.service()
        assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
        assert float(service["WatchdogSec"]) > 2 * (family.DRAIN_TIME + family.STOP_TIME + family.KILL_TIME)
        assert int(service["FileDescriptorStoreMax"]) >= 4 * MAX_LISTENED * 64, "UDP, TCP, TLS and HTTPS of 64 workers"

    def test_it_gives_no_more_than_it_must(self) -> None:
        service = self.service()
        assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
        assert service["User"] == "blockd"
        assert service["NoNewPrivileges"] == "yes"
        assert service["ProtectSystem"] == "strict"
        assert service["RestrictAddressFamilies"] == "AF_INET AF_INET6 AF_UNIX AF_NETLINK"

    def test_it_closes_memory_and_state(self) -> None:
        service = self.service()
        assert (service["LimitCORE"], service["StateDirectoryMode"], service["UMask"]) == ("0", "0750", "0077")

    def test_its_exposure_is_what_it_must_be_and_no_more(self) -> None:
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            pytest.skip("systemd-analyze is not on this machine (Debian: systemd)")
        command = [analyze, "security", "--offline=true", "--no-pager", str(UNIT)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
        assert found is not None, done.stdout
        assert float(found[1]) <= MAX_EXPOSURE
        assert {line.split()[1].partition("=")[0] for line in done.stdout.splitlines() if line.startswith("✗")} <= OPEN

    def test_systemd_understands_it(self, tmp_path: Path) -> None:
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            pytest.skip("systemd-analyze is not on this machine (Debian: systemd)")
        unit = tmp_path / UNIT.name
        text = UNIT.read_text(encoding="utf-8").replace("/opt/blockd/bin/blockd", sys.executable)  # must be there
        unit.write_text(text, encoding="utf-8")
        done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)  # noqa: S603
        assert (done.returncode, done.stderr) == (0, "")


class TestUnitForDecisions:
    """What is put beside the unit for a Unix socket."""

    addition = UNIT.with_name("decide.conf")

    def test_it_makes_the_folder_of_the_socket_that_recipes_name(self) -> None:
        lines = self.addition.read_text(encoding="utf-8").splitlines()
        [folder] = [f"/run/{line.partition('=')[2]}" for line in lines if line.startswith("RuntimeDirectory=")]
        assert f"server unix:{folder}/decide.sock;" in (ROOT / "config/neighbours/nginx.conf").read_text(
            encoding="utf-8"
        )
        assert [line.split()[-1] for line in lines if line.startswith("ExecStartPre=+")] == [folder, folder]

    def test_it_opens_nothing_and_systemd_understands_it(self, tmp_path: Path) -> None:
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            pytest.skip("systemd-analyze is not on this machine (Debian: systemd)")
        unit = tmp_path / UNIT.name
        text = UNIT.read_text(encoding="utf-8").replace("/opt/blockd/bin/blockd", sys.executable)
        unit.write_text(f"{text}\n{self.addition.read_text(encoding='utf-8')}", encoding="utf-8")
        done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)  # noqa: S603
        assert (done.returncode, done.stderr) == (0, "")
        opened = []
        for one in (UNIT, unit):
            command = [analyze, "security", "--offline=true", "--no-pager", str(one)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
            opened.append({line.split()[1] for line in done.stdout.splitlines() if line.startswith("✗")})
        assert opened[0] == opened[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not on this machine (Debian: make)")
class TestMake:
    def refusal(self, folder: Path, python: str) -> str:
        """Return the only line that `make run` prints, besides make's own, in a fresh clone with this Python."""
        for name in ("Makefile", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, folder)
        make = ["make", "run", f"PYTHON={python}"]
        clean = {"PATH": os.environ["PATH"]}  # without what `make test` passes to its children
        done = subprocess.run(make, cwd=folder, env=clean, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode != 0
        assert not (folder / ".venv").exists()
        [line] = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("make: ")]
        return line

    def fake(self, folder: Path, script: str) -> str:
        python = folder / "python"
        python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        python.chmod(0o755)
        return str(python)

    def test_missing_python_is_named(self, tmp_path: Path) -> None:
        assert "there is no python9" in self.refusal(tmp_path, "python9")

    def test_old_python_is_named_with_its_version(self, tmp_path: Path) -> None:
        older = "import sys; sys.version_info = (3, 10, 4); sys.version = '3.10.4 (main)'; exec(sys.argv[1])"
        line = self.refusal(tmp_path, self.fake(tmp_path, f'exec "{sys.executable}" -c "{older}" "$2"'))
        assert "needs Python 3.11 or later; this is 3.10.4" in line

    def test_missing_venv_module_is_named_with_its_package(self, tmp_path: Path) -> None:
        python = self.fake(tmp_path, f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"')
        assert "apt-get install python3-venv" in self.refusal(tmp_path, python)

    def test_help_has_a_line_for_every_target_that_is_no_file(self) -> None:
        phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert phony is not None
        clean = {"PATH": os.environ["PATH"]}  # without what `make test` passes to its children
        done = subprocess.run(["make", "help"], cwd=ROOT, env=clean, capture_output=True, text=True, check=True)  # noqa: S607
        lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
        assert sorted(target for _, target, _ in lines) == sorted(phony[1].split())
        assert all(meaning for _, _, meaning in lines)

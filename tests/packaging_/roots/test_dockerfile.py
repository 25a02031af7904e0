"""The Dockerfile, step for step in roots like its base: it builds, and what it builds runs as the manual says."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.daemon.harness import until
from tests.packaging_.roots import dockerfile
from tests.packaging_.roots.root import Root, made, skip_unless_possible
from tests.places import ROOT

CONFIG = "/etc/blockd/blockd.yaml"
LISTED = "listed.example"
SINKHOLE = "192.0.2.80"
COMPILERS = ("gcc", "cc", "make", "pip", "pip3")
# Whom a machine behind a proxy trusts: as its builder is told by arguments, not by the Dockerfile.
TRUST = "/etc/ssl/blockd-test-ca.pem"


def trusting(root: Root) -> dict[str, str]:
    """Have a root reach packages the way this machine does."""
    if authorities := os.environ.get("PIP_CERT"):
        root.path(TRUST).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(authorities, root.path(TRUST))
        return {"PIP_CERT": TRUST}
    return {}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dockerfile.Stage, Root]]:
    """The last stage, and the root that it was built in."""
    skip_unless_possible()
    folder = tmp_path_factory.mktemp("image")
    build, last = dockerfile.stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    sent = dockerfile.context(folder / "context")
    begun = time.monotonic()
    with made(folder / "built", last.suite) as root:
        with made(folder / "build", build.suite) as builder:
            dockerfile.build(build, builder, sent, {}, trusting(builder))
            dockerfile.build(last, root, sent, {build.name: builder}, {})
        print(f"built in {time.monotonic() - begun:.0f} s")
        yield last, root


def test_it_has_the_engine_and_no_compiler(image: tuple[dockerfile.Stage, Root]) -> None:
    _, root = image
    assert not [name for name in COMPILERS if root.run("which", name, check=False).returncode == 0]
    root.run("/opt/blockd/bin/python", "-c", "import blockd.resolver.engine._engine")
    assert not list(root.path("opt/blockd").rglob("pip"))


def test_a_container_enforces_is_well_and_its_admin_port_is_reached(
    image: tuple[dockerfile.Stage, Root], tmp_path: Path
) -> None:
    stage, root = image
    config = yaml.safe_load(root.path(CONFIG).read_text(encoding="utf-8"))
    root.path("etc/blockd/names.txt").write_text(f"{LISTED}\n", encoding="ascii")
    config["feeds"] = [{"name": "own", "type": "domains", "path": "names.txt"}]
    config["upstreams"] = ["127.0.0.1:5399"]
    config["workers"] = 2
    config["listen"]["admin"] = "0.0.0.0:9053"  # as docs/operator/packages.md has it
    root.path(CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
    user = ["setpriv", f"--reuid={stage.last('USER')}", f"--regid={stage.last('USER')}", "--init-groups"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = root.start(*user, *dockerfile.command(stage), output=output, variables=stage.variables)
    try:
        address = ("dig", "@127.0.0.1", "+short", "+tries=1", "+time=2", LISTED, "A")
        until(lambda: root.beside(*address).stdout.strip() == SINKHOLE, "it enforces")
        until(
            lambda: root.run(*user, *dockerfile.health(stage), variables=stage.variables, check=False).returncode == 0,
            "it is well",
        )
        # From elsewhere: another address than loopback's, as a published port has it.
        assert root.beside("ip", "address", "add", "198.51.100.7/32", "dev", "lo").returncode == 0
        got = root.beside("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://198.51.100.7:9053/metrics")
        assert got.stdout == "200"
    finally:
        root.run("start-stop-daemon", "--stop", "--user", "blockd", "--retry", "TERM/30/KILL/5", check=False)
        process.wait(60)
    assert "Traceback" not in log.read_text(encoding="utf-8")

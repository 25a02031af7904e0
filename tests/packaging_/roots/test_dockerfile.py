"""The Dockerfile, step for step in roots like its base: it builds, and what it builds runs as the manual says."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
OTHER_SINKHOLE = "192.0.2.81"
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


@dataclass(frozen=True)
class Image:
    """What was built."""

    stage: dockerfile.Stage  # the last
    root: Root
    deb: Path  # the Debian package for the Debian and the Python of the image


def packaged(builder: Root, folder: Path) -> Path:
    """Have the builder, which has all that it takes, make the Debian package too."""
    shutil.copytree(ROOT / "config", builder.path("src/config"), dirs_exist_ok=True)
    variables = {"PYTHONPATH": "packaging", **trusting(builder)}
    make = "cd /src && /opt/build/bin/python -m blockd_build deb --quick --into /dist"
    builder.run("/bin/sh", "-c", make, sealed=False, variables=variables)
    [made_there] = builder.path("dist").glob("*.deb")
    return Path(shutil.copy2(made_there, folder))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """What the Dockerfile builds."""
    skip_unless_possible()
    folder = tmp_path_factory.mktemp("image")
    build, last = dockerfile.stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    sent = dockerfile.context(folder / "context")
    with made(folder / "built", last.suite) as root:
        with made(folder / "build", build.suite) as builder:
            begun = time.monotonic()
            dockerfile.build(build, builder, sent, {}, trusting(builder))
            dockerfile.build(last, root, sent, {build.name: builder}, {})
            print(f"\nimage: built in {time.monotonic() - begun:.0f} s")
            deb = packaged(builder, folder)
        yield Image(last, root, deb)


def test_it_has_the_engine_and_no_compiler(image: Image) -> None:
    root = image.root
    assert not [name for name in COMPILERS if root.run("which", name, check=False).returncode == 0]
    root.run("/opt/blockd/bin/python", "-c", "import blockd.resolver.engine._engine")
    assert not list(root.path("opt/blockd").rglob("pip"))


def reached(root: Root, path: str, *options: str) -> str:
    """Return the status that the admin port answers with at an address that is not loopback's."""
    curl = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *options, f"http://198.51.100.7:9053{path}")
    return root.beside(*curl).stdout


def test_a_container_enforces_is_well_and_its_admin_port_is_reached(image: Image, tmp_path: Path) -> None:
    stage, root = image.stage, image.root
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
        assert reached(root, "/metrics") == "200"
        assert reached(root, "/metrics", "-H", "Host: blockd:9053") == "200"  # by the container's name
        assert reached(root, "/api/v1/status") == "401"
        add = ["blockd", "token", "add", "support", "--role", "read", "--config", CONFIG]
        token = root.run(*user, *add, variables=stage.variables).stdout.split()[-1]
        bearer = ("-H", f"Authorization: Bearer {token}")
        until(lambda: reached(root, "/api/v1/status", *bearer) == "200", "the token works")
        config["sinkhole"]["ipv4"] = OTHER_SINKHOLE
        root.path(CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
        root.run(*user, "blockd", "reload", "--config", CONFIG, variables=stage.variables)
        until(
            lambda: root.beside(*address).stdout.strip() == OTHER_SINKHOLE, "it answers by the config that was changed"
        )
    finally:
        root.run("start-stop-daemon", "--stop", "--user", "blockd", "--retry", "TERM/30/KILL/5", check=False)
        process.wait(60)
    assert "Traceback" not in log.read_text(encoding="utf-8")


def test_the_debian_package_of_that_debian_brings_what_it_needs(image: Image, tmp_path: Path) -> None:
    with made(tmp_path / "target", image.stage.suite) as root:
        shutil.copy2(image.deb, root.path(f"root/{image.deb.name}"))
        install = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", "systemd-standalone-sysusers"]
        root.run(*install, f"/root/{image.deb.name}", sealed=False)
        assert not [name for name in COMPILERS if root.run("which", name, check=False).returncode == 0]
        root.run("/opt/blockd/bin/python", "-c", "import blockd.resolver.engine._engine, blockd.tls._session")
        assert root.run("blockd", "--version").stdout.startswith("blockd ")

"""What the tests of the Debian package share: the package, a later one, and a small Debian to install them on."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging_ import debian
from tests.packaging_.roots.root import Root, made, skip_unless_possible
from tests.packaging_.roots.service import NEXT

SUITE = "bookworm"  # whose Python is 3.11


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The package, and the one of the next version."""
    skip_unless_possible()
    folder = tmp_path_factory.mktemp("deb")
    first = debian.package(debian.copied(folder / "tree"), folder / "dist", dict(os.environ))
    return first, debian.changed(first, folder, NEXT)


@pytest.fixture(scope="session")
def root(packages: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A Debian with the packages in /root, and what they depend on, so that what a purge leaves is their own."""
    if shutil.which("dnsperf") is None:
        pytest.skip("dnsperf is not on this machine (Debian: dnsperf)")
    with made(tmp_path_factory.mktemp("root") / "debian", SUITE) as one:
        for deb in packages:
            shutil.copy2(deb, one.path("root"))
        one.run("apt-get", "update", "-qq", sealed=False)
        depends = [choice.split("|") for choice in debian.field(packages[0], "Depends").split(",")]
        wanted = [re.sub(r"\(.*\)", "", choice[0]).strip() for choice in depends]
        wanted = ["systemd-standalone-sysusers" if name == "systemd" else name for name in wanted]
        wanted = [name.replace("libssl3t64", "libssl3") for name in wanted]
        one.run("apt-get", "install", "-qq", "--yes", "--no-install-recommends", *wanted, sealed=False)
        yield one


@pytest.fixture(autouse=True)
def purged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave a root without the package, however a test ends."""
    yield
    if "root" in request.fixturenames:
        root: Root = request.getfixturevalue("root")
        root.run("dpkg", "--purge", "--force-remove-reinstreq", "blockd", check=False)
        root.wait()

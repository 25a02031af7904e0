"""Debian packages of a copy of the checkout, made once for all tests of a run that want them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from blockd_build import compiling

from tests.places import ROOT

FOLDERS = ("blockd", "packaging", "config")
FILES = ("pyproject.toml", "requirements.lock", "README.md", "LICENSE", "CHANGELOG.md")
EPOCH = "1767225600"  # what the files of a release are dated


def copied(tree: Path) -> Path:
    """Copy what is built from, with the extensions that are there, and return the copy."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(ROOT / name, tree / name)
    if (ROOT / "build" / "extensions").exists():
        shutil.copytree(ROOT / "build" / "extensions", tree / "build" / "extensions")
    return tree


def package(tree: Path, folder: Path, variables: dict[str, str], options: Sequence[str] = ("--quick",)) -> Path:
    """Make the package as `make deb` does, and return its path."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not on this machine (Debian: dpkg)")
    if not any((tree / "blockd").rglob(f"*{compiling.SUFFIX}")):
        pytest.skip("the native engine was not built, and a package has it")
    command = [sys.executable, "-m", "blockd_build", "deb", "--into", str(folder), *options]
    environment = {**variables, "SOURCE_DATE_EPOCH": EPOCH, "PYTHONPATH": str(tree / "packaging")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.glob("*.deb")
    return path


def changed(deb: Path, folder: Path, version: str, more: Mapping[str, str] | None = None) -> Path:
    """Return a package as `deb`, of another version of blockd, with `more` at the ends of files, by their paths."""
    stage = folder / "changed"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, stage], check=True)  # noqa: S603, S607
    control = stage / "DEBIAN" / "control"
    text = control.read_text(encoding="utf-8")
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}-1", text, flags=re.MULTILINE), encoding="utf-8")
    [module] = stage.glob("opt/blockd/lib/python3.*/site-packages/blockd/__init__.py")
    text = module.read_text(encoding="utf-8")
    module.write_text(re.sub(r"^__version__ = .*$", f'__version__ = "{version}"', text, flags=re.MULTILINE), "utf-8")
    for path in module.parent.glob("__pycache__/__init__.*.pyc"):
        path.unlink()  # it is taken as it is, whatever the source says
    for place, text in (more or {}).items():
        with (stage / place).open("a", encoding="utf-8") as shipped:
            shipped.write(text)
    made = folder / f"blockd_{version}-1.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", stage, made], check=True)  # noqa: S603, S607
    shutil.rmtree(stage)
    return made


def field(deb: Path, name: str) -> str:
    """Return a field of the control file of a package."""
    done = subprocess.run(["dpkg-deb", "--field", deb, name], capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()

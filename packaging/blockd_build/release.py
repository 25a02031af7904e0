"""What a release consists of: the wheel, the source distribution, the bill of materials, and the digests of these."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from blockd_build import lock, sbom

DIGESTS = "SHA256SUMS"


def version(root: Path) -> str:
    """Return the version of the tree at `root`."""
    text = (root / "blockd" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise ValueError("blockd/__init__.py has no __version__")
    return found[1]


def moment(root: Path) -> datetime.datetime:
    """Return the time that a release's files bear: SOURCE_DATE_EPOCH if it is set, else that of the last commit."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    git = shutil.which("git")
    if not epoch and git and (root / ".git").exists():
        command = [git, "log", "-1", "--format=%ct"]
        epoch = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout
    return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC) if epoch else datetime.datetime.now(datetime.UTC)


def distributions(root: Path, folder: Path) -> list[Path]:
    """Make the source distribution and a wheel in `folder`, and return their paths."""
    from blockd_build import backend

    _prepare(root, folder)
    return [folder / backend.build_sdist(str(folder)), wheel(root, folder)]


def wheel(root: Path, folder: Path) -> Path:
    """Make a wheel in `folder`, and return its path."""
    from blockd_build import backend

    _prepare(root, folder)
    return folder / backend.build_wheel(str(folder), {backend.MANYLINUX: "yes"})


def _prepare(root: Path, folder: Path) -> None:
    os.environ["SOURCE_DATE_EPOCH"] = str(int(moment(root).timestamp()))  # else no two wheels are alike
    os.chdir(root)
    shutil.rmtree(root / "build" / "wheel", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def bill(root: Path, folder: Path) -> Path:
    """Write the bill of materials into `folder` and return its path."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = sbom.bill((root / lock.NAME).read_text("utf-8"), version(root), project["license"], moment(root))
    path = folder / f"blockd-{version(root)}.cdx.json"
    path.write_text(text, encoding="utf-8")
    return path


def digests(paths: list[Path]) -> Path:
    """Write the digests of files of one folder beside them, as `sha256sum --check` reads them, and return the path."""
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(paths)]
    path = paths[0].with_name(DIGESTS)
    path.write_text("".join(lines), encoding="ascii")
    return path

"""Make `blockd_VERSION_ARCHITECTURE.deb` of a source tree: the same octets from the same tree, on the same system."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from blockd_build import compiling, release
from blockd_build.deb import environment, libraries, texts, tree

SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
QUICK = ("-Zgzip", "-z1")  # for tests: a third larger, in a fifth of the time


class NotMade(Exception):
    """The package cannot be made here; the message says why."""


def make(root: Path, folder: Path, wheel: Path, revision: str = "1", *, quick: bool = False) -> Path:
    """Make the package of the tree at `root`, with its wheel, in `folder`, and return its path.

    Raises NotMade without dpkg-deb or a compiled engine, if what is locked cannot be had, or if an extension needs an
    unknown library.
    """
    dpkg = shutil.which("dpkg-deb")
    if dpkg is None:
        raise NotMade("dpkg-deb is not on this machine (Debian: dpkg)")
    with zipfile.ZipFile(wheel) as archive:
        if not any(name.endswith(compiling.SUFFIX) for name in archive.namelist()):
            raise NotMade("the engine was not compiled, and a target has no compiler")
    version = f"{release.version(root)}-{revision}"
    moment = release.moment(root)
    epoch = str(int(moment.timestamp()))
    with tempfile.TemporaryDirectory(prefix="blockd-deb-") as scratch:
        stage = Path(scratch, "root")
        stage.mkdir()
        try:
            packages = environment.make(root, stage, wheel)
            extensions = sorted(path for path in packages.rglob("*.so*") if path.is_file())
            libraries.strip(extensions)
            needed = libraries.needed(extensions)
        except (environment.NotInstalled, libraries.Unknown) as error:
            raise NotMade(str(error)) from error
        tree.lay(root, stage)
        documents = stage / tree.DOCUMENTS
        tree.compressed(documents / "changelog.Debian.gz", texts.changelog(version, moment))
        tree.compressed(documents / "changelog.gz", (root / "CHANGELOG.md").read_text(encoding="utf-8"))
        (documents / "copyright").write_text(texts.copyright_of(packages), encoding="utf-8")
        architecture = _architecture()
        _modes(stage)
        _control(root, stage, texts.control(version, architecture, needed, _size(stage)))
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / f"blockd_{version}_{architecture}.deb"
        command = [dpkg, "--root-owner-group", *(QUICK if quick else ()), "--build", str(stage), str(made)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": epoch})
    return made


def _architecture() -> str:
    """Return what Debian calls this machine's kind of processor."""
    command = [shutil.which("dpkg") or "dpkg", "--print-architecture"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def _control(root: Path, stage: Path, control: str) -> None:
    """Write what dpkg reads: the control file, scripts, which file an operator edits, and digests of the others."""
    paths = [path for path in sorted(stage.rglob("*")) if path.is_file() and not path.is_symlink()]
    told = stage / "DEBIAN"
    told.mkdir(mode=0o755)
    (told / "control").write_text(control, encoding="utf-8")
    (told / "conffiles").write_text(f"/{tree.CONFIG}\n", encoding="utf-8")
    digests = [
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(stage)}\n"
        for path in paths
        if str(path.relative_to(stage)) != tree.CONFIG
    ]
    (told / "md5sums").write_text("".join(digests), encoding="utf-8")
    for name in SCRIPTS:
        shutil.copyfile(root / "packaging" / "debian" / name, told / name)
        (told / name).chmod(0o755)


def _modes(stage: Path) -> None:
    """Give every file the mode that it has on the target, whatever the umask and the source tree are."""
    stage.chmod(0o755)
    for path in stage.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or _is_command(path) else 0o644)


def _is_command(path: Path) -> bool:
    return path.suffix == "" and path.stat().st_mode & 0o100 != 0


def _size(stage: Path) -> int:
    """Return the size that is installed, in KiB, as Debian counts it: each file in whole KiB, everything else one."""
    sizes = [path.lstat().st_size if path.is_file() and not path.is_symlink() else 1 for path in stage.rglob("*")]
    return sum(-(-size // 1024) for size in sizes)

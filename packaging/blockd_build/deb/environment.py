"""The environment below /opt/blockd: the locked versions of all that blockd needs, blockd, and their bytecode.

It is made here and only unpacked on the target, which so needs no compiler, no pip and no network.
"""

from __future__ import annotations

import compileall
import py_compile
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from blockd_build import lock

HOME = Path("opt", "blockd")  # below the root of the target
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = f"/usr/bin/python{VERSION}"  # of the target: Debian's; an extension fits every one of this minor version
_COMMAND = f"""\
#!/{HOME}/bin/python
import sys

from blockd.__main__ import script

if __name__ == "__main__":
    sys.exit(script())
"""


class NotInstalled(Exception):
    """What is locked could not be had."""


def make(root: Path, stage: Path, wheel: Path) -> Path:
    """Make the environment below `stage` with the wheel of blockd, and return the folder of its packages."""
    home = stage / HOME
    packages = home / "lib" / f"python{VERSION}" / "site-packages"
    packages.mkdir(parents=True)
    # Without what a wheel is made of beside blockd: a target compiles nothing.
    locked = [each for each in lock.parse((root / lock.NAME).read_text(encoding="utf-8")) if not each.extras]
    wanted = home / "requirements.txt"
    wanted.write_text("".join(each.text() for each in locked), encoding="utf-8")
    _install(packages, ["--require-hashes", "--only-binary", ":all:", "-r", str(wanted)])
    _install(packages, [str(wheel)])
    wanted.unlink()
    # Commands of others, and those files of blockd that belong into folders of the system.
    for path in (packages / "bin", packages / "share", packages / ".lock", *packages.rglob(".gitignore")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    _forget_this_machine(packages)
    _interpreter(home)
    compile_all(stage, [packages])
    return packages


def compile_all(stage: Path, folders: Iterable[Path]) -> None:
    """Compile what lies in folders below `stage` to bytecode that is taken as it is, whatever times the files bear."""
    for folder in folders:
        compileall.compile_dir(
            folder,
            quiet=2,  # a package may bring files for other versions of Python, which cannot be compiled
            workers=0,
            stripdir=str(stage),
            prependdir="/",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


def _install(packages: Path, what: list[str]) -> None:
    """Install into a folder, by uv where it can, else by pip."""
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--link-mode", "copy"]
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps", "--no-compile"]
    tried = subprocess.run([*uv, "--target", str(packages), *what], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        tried = subprocess.run([*pip, "--target", str(packages), *what], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise NotInstalled(tried.stderr.strip())


def _forget_this_machine(packages: Path) -> None:
    """Remove who installed it and from where, which two builds would not have in common, and what was left out."""
    for record in packages.glob("*.dist-info/RECORD"):
        for name in ("INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"):
            record.with_name(name).unlink(missing_ok=True)
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if (packages / re.sub(r'^"(.*)"$', r"\1", line.rsplit(",", 2)[0])).is_file()]
        record.write_text("".join(sorted(kept)), encoding="utf-8")


def _interpreter(home: Path) -> None:
    """Write what makes the folder an environment of the target's Python, and the command."""
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to(PYTHON)
    (home / "bin" / "python3").symlink_to("python")
    command = home / "bin" / "blockd"
    command.write_text(_COMMAND, encoding="utf-8")
    command.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {VERSION}\n", encoding="utf-8"
    )

"""Make a virtual environment with pip and uv in it: `python environment.py FOLDER`, with nothing installed before.

The pip that comes with Python installs both from its own archive. To have it install itself first, as `python -m venv`
does, takes as long as all the rest. Where uv cannot be had, that is done after all.
"""

from __future__ import annotations

import ensurepip
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "packaging"))

from blockd_build import lock  # noqa: E402 - found only now


def bundled_pip() -> Path | None:
    """Return the archive of the pip that comes with this Python; a system may keep it in a folder of its own."""
    places = [Path(ensurepip.__file__).with_name("_bundled")]
    if own := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        places.insert(0, Path(own))
    return next((wheel for place in places for wheel in sorted(place.glob("pip-*.whl"))), None)


def make(folder: Path) -> None:
    """Make an environment in `folder`, in place of any that is there."""
    venv.EnvBuilder(clear=True, symlinks=True).create(folder)
    tools = folder / "tools.txt"
    tools.write_text(lock.select((ROOT / lock.NAME).read_text(encoding="utf-8"), ["tools"]), encoding="utf-8")
    archive = bundled_pip()
    python = str(folder / "bin" / "python")
    if archive is not None:
        install = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile", "--no-deps"]
        install += ["--only-binary", ":all:", "--require-hashes", "-r", str(tools)]
        tried = subprocess.run(
            install, env={**os.environ, "PYTHONPATH": str(archive)}, capture_output=True, check=False
        )
        if tried.returncode == 0:
            return
    print("uv cannot be had: pip does its work, slowly", flush=True)
    subprocess.run([python, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))

"""Programs that are this blockd and call themselves another version, and the command that has one take over."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.daemon.harness import Daemon
from tests.places import ROOT


def other_version(folder: Path, version: str = "9.9.9", more: str = "") -> str:
    """Return the path of a program in a new folder; `more` is code that it begins with."""
    folder.mkdir(mode=0o755, parents=True)
    program = folder / "blockd"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nimport blockd\n"
        f"blockd.__version__ = {version!r}\n{more}\nfrom blockd.__main__ import script\nsys.exit(script())\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return str(program)


def upgraded(daemon: Daemon, *arguments: str) -> dict[str, Any]:
    """Upgrade a daemon, and return what was told."""
    done = daemon.run_verb("upgrade", "--json", *arguments)
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if told["outcome"] in ("taken", "tried") else 1)
    return told

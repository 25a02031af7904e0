"""Fuzz the native engine, built with sanitizers; the arguments are those of `tests.fuzz.run`."""

from __future__ import annotations

import subprocess
import sys

from tests.fuzz.building import ROOT, build_sanitized, compiler

FOLDER = ROOT / "build" / "fuzz"


def main() -> int:
    """Give the exit code of the run."""
    if compiler() is None:
        print("Fuzzing needs Cython and a C compiler with sanitizers (gcc and libasan).", file=sys.stderr)
        return 2
    print(f"Building the engine with sanitizers in {FOLDER.relative_to(ROOT)} ...", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    environment = build_sanitized(FOLDER)
    command = [sys.executable, "-P", "-m", "tests.fuzz.run", *sys.argv[1:]]
    return subprocess.run(command, cwd=FOLDER, env=environment, check=False).returncode  # noqa: S603 - our own run


if __name__ == "__main__":
    sys.exit(main())
